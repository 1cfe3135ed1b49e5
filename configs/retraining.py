"""Training again as data arrives: the window of spans, and what makes `farelite retrain` run."""

from __future__ import annotations

from configs.base import Config, PositiveFloat, PositiveInt


class Triggers(Config):
  """What makes `farelite retrain` run; each one alone is enough, `null` or `false` switches one off.

  Whatever is set here, it also runs where no model serves yet, and where the last run did not come to its end.

  Attributes:
    new_rows: run once this many valid rides have come since the last run that came to its end.
    drift: run once a column of a new span lies further from what the last run trained on than
      `validation.drift_threshold`.
    max_age_days: run once the model that serves is older than this many days, if there is a new ride at all.
  """

  new_rows: PositiveInt | None = 1
  drift: bool = True
  max_age_days: PositiveFloat | None = None


class Retraining(Config):
  """How a pipeline goes on as spans arrive.

  Attributes:
    window: how many of the newest spans a run reads; the newest one evaluates and the ones before it train. `null`
      reads the newest span alone, divided by `split`.
    triggers: see `Triggers`.
  """

  window: PositiveInt | None = None
  triggers: Triggers = Triggers()

  @property
  def spans(self) -> int:
    """How many spans a run reads."""
    return self.window or 1
