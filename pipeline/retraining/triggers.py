"""Decides whether to train again: one sentence for each trigger, fired or not. Pure, no clock of its own."""

from __future__ import annotations

import dataclasses
import datetime

from configs.operations import Triggers


@dataclasses.dataclass(frozen=True)
class TriggerInputs:
  """All that the triggers look at.

  Attributes:
    now: the time of the decision.
    unfinished: what became of the last run, if it did not come to its end.
    served: the version that serves; `None` if none does.
    served_since: when that version was pushed; `None` where none serves.
    changed_setting: whether config or code are others than those of the last run that came to its end.
    fresh: labels of the spans that are new or changed since then.
    new_rows: valid rides in them.
    drift: `(label, column, divergence)` of the fresh span that differs most from what the last run trained on; `None`
      where there is nothing to compare.
    drift_limit: `validation.drift_threshold`.
    newest: label of the newest span.
    broken: why no run can use that span; `None` if one can.
    altered: why what serves is not what was pushed; `None` if it is.
    later_fares: why `farelite monitor --retrain` wants a run; `None` where it does not.
  """

  now: datetime.datetime
  unfinished: str | None
  served: int | None
  served_since: datetime.datetime | None
  changed_setting: bool
  fresh: tuple[str, ...]
  new_rows: int
  drift: tuple[str, str, float] | None
  drift_limit: float
  newest: str
  broken: str | None = None
  altered: str | None = None
  later_fares: str | None = None


@dataclasses.dataclass(frozen=True)
class Verdict:
  """What one trigger says.

  Attributes:
    fires: whether it alone is enough to run.
    sentence: why, or why not.
  """

  trigger: str
  fires: bool
  sentence: str


def decide(triggers: Triggers, situation: TriggerInputs) -> tuple[Verdict, ...]:
  """One verdict for each trigger that is on, in a fixed order; run if any fires.

  Nothing fires on rides that a finished run with the same config and code has already read: the same model would come
  out.
  """
  limits = [_rows(triggers, situation), _drift(triggers, situation), _age(triggers, situation)]
  verdicts = [*_always(situation), *limits, _later_fares(situation)]
  return tuple(verdict for verdict in verdicts if verdict is not None)


def _always(situation: TriggerInputs) -> list[Verdict]:
  """What fires whatever the triggers are set to."""
  broken = f'The newest span, {situation.newest}, is broken, which the run has to say: {situation.broken}'
  reasons = (
    ('unfinished', situation.unfinished, f'The last run did not come to its end: {situation.unfinished}'),
    ('no_model', situation.served is None and situation.fresh, 'No model serves yet.'),
    ('setting', situation.changed_setting, 'The config or the code is not that of the last run.'),
    ('broken', situation.broken, broken),
    ('altered', situation.altered, situation.altered or ''),
  )
  return [Verdict(name, True, sentence) for name, holds, sentence in reasons if holds]


def _rows(triggers: Triggers, situation: TriggerInputs) -> Verdict | None:
  limit = triggers.new_rows
  if limit is None:
    return None
  if not situation.fresh:
    return Verdict('new_rows', False, f'No new data: the newest span, {situation.newest}, has been read as it is.')
  fires = situation.new_rows >= limit
  where = f'{situation.new_rows:,} new valid rides in {_span_labels(situation.fresh)}'
  return Verdict('new_rows', fires, f'{where}, {"at least" if fires else "fewer than"} {limit:,} (new_rows).')


def _drift(triggers: Triggers, situation: TriggerInputs) -> Verdict | None:
  if not triggers.drift:
    return None
  if situation.drift is None:
    return Verdict('drift', False, 'Drift: there is no new span to compare with what the last run trained on.')
  label, column, divergence = situation.drift
  fires = divergence > situation.drift_limit
  return Verdict(
    'drift',
    fires,
    f'Drift: {column or "no column"} of {label} lies {divergence:.3f} from what the last run trained on, '
    f'{"above" if fires else "within"} the limit of {situation.drift_limit:g} (validation.drift_threshold).',
  )


def _age(triggers: Triggers, situation: TriggerInputs) -> Verdict | None:
  limit = triggers.max_age_days
  if limit is None or situation.served is None or situation.served_since is None:
    return None
  days = (situation.now - situation.served_since).total_seconds() / 86_400
  old = days > limit
  age = f'Version {situation.served} is {days:.1f} days old, {"older than" if old else "not older than"} {limit:g}'
  if old and not situation.fresh:
    return Verdict('max_age_days', False, f'{age} (max_age_days), but there is no new ride to train on.')
  return Verdict('max_age_days', old, f'{age} (max_age_days).')


def _later_fares(situation: TriggerInputs) -> Verdict | None:
  """What somebody asked for by `farelite monitor --retrain`."""
  if situation.later_fares is None:
    return None
  if not situation.fresh:
    return Verdict('later_fares', False, f'{situation.later_fares} But there is no new ride to train on.')
  return Verdict('later_fares', True, situation.later_fares)


def _span_labels(labels: tuple[str, ...]) -> str:
  return ', '.join(labels) if len(labels) < 4 else f'{labels[0]} to {labels[-1]} ({len(labels)} spans)'
