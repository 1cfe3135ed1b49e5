"""How long old runs and versions are kept."""

from __future__ import annotations

from pydantic import model_validator

from configs.base import Config, PositiveFloat, PositiveInt
from configs.problems import Problem, raise_any


class Retention(Config):
  """What `farelite prune` leaves; nothing is removed by default.

  What serves, and the artifacts that it was made of, stays whatever is set here.

  Attributes:
    runs: number of the newest runs whose artifacts are kept.
    versions: number of the newest pushed versions that are kept.
    max_age_days: runs and versions that are older go, whatever their number.
    after_run: whether each run ends with it.
  """

  runs: PositiveInt | None = None
  versions: PositiveInt | None = None
  max_age_days: PositiveFloat | None = None
  after_run: bool = False

  @property
  def limited(self) -> bool:
    """Whether anything is ever removed."""
    return any(limit is not None for limit in (self.runs, self.versions, self.max_age_days))

  @model_validator(mode='after')
  def _has_a_limit(self) -> Retention:
    if self.after_run and not self.limited:
      raise_any([Problem(('after_run',), 'has no effect without retention.runs, versions or max_age_days; set one.')])
    return self
