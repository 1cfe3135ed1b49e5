"""What a run would make of rides: what it would keep, set aside, warn of and refuse. Reads all, trains nothing."""

from __future__ import annotations

import dataclasses
import datetime
from collections.abc import Iterator, Sequence

from components.ride_example_gen.ingestion import inspect_span, survey
from components.ride_example_gen.profile import ColumnProfile
from components.ride_example_gen.quarantine import RideCounts
from components.ride_example_gen.spans import EVAL, Window, list_inputs
from components.ride_validator.findings import Finding, Level, RidesRefusedError, check_rides, percent
from components.ride_validator.inputs import input_findings
from configs.dataset import EPOCH, TIME
from configs.run import RunConfig
from configs.validation import Severity
from pipeline.sources import DataSource, resolve_window


@dataclasses.dataclass(frozen=True)
class Outlook:
  """What a run would make of some rides.

  Attributes:
    counts: of the rides, with their profile.
    findings: what can't be right, or not quite; measurements within their limits left out.
    refusals: why a run would not go on to train, a sentence each; none if it would.
    warnings: what a run would say and go on.
  """

  counts: RideCounts
  findings: tuple[Finding, ...]
  refusals: tuple[str, ...]
  warnings: tuple[str, ...]

  @property
  def days(self) -> tuple[datetime.datetime, datetime.datetime] | None:
    """The first and the last pickup on the city's clock; None without a ride."""
    times = [time for time in self.counts.profile.times.values() if time.first is not None and time.last is not None]
    if not times:
      return None
    first, last = min(time.first or 0 for time in times), max(time.last or 0 for time in times)
    return EPOCH + datetime.timedelta(seconds=first), EPOCH + datetime.timedelta(seconds=last)

  def columns(self) -> dict[str, ColumnProfile]:
    """The values of each canonical column but the pickup time."""
    return {name: column for name, column in self.counts.profile.columns.items() if name != TIME}


def outlook(config: RunConfig, source: DataSource) -> Outlook:
  """Reads what a run would read.

  Args: source: the rides' files; of several spans the ones of the window, or the newest.
  Raises: IngestionError: no file matches, or one can't be read.
  """
  files, passed_over = _files(config, source)
  counts = dataclasses.replace(survey(files, config.dataset, config.split), passed_over=passed_over)
  found = input_findings(counts, config.dataset, config.validation) if counts.kept else ()
  findings = tuple(finding for finding in found if finding.severity is not Level.INFO)
  return Outlook(
    counts=counts,
    findings=findings,
    refusals=tuple(_refusals(config, counts, findings)),
    warnings=tuple(_warnings(config, counts, findings)),
  )


def _files(config: RunConfig, source: DataSource) -> tuple[dict[str, Sequence[str]], dict[str, str]]:
  """Files by the label of their span, and why something else is passed over, by its path."""
  _, window = resolve_window(source, config.retraining.window, exclude=config.retraining.exclude)
  left_out: list[int] = []
  while window is not None and (broken := _broken_before(window, config)):
    left_out += broken
    _, window = resolve_window(source, config.retraining.window, exclude=config.retraining.exclude, leave_out=left_out)
  if window is None:
    found = list_inputs(source.base, source.pattern)
    return {'rides': found.files}, found.passed_over
  return {span.label: span.files for span in window.spans}, dict(window.outside)


def _broken_before(window: Window, config: RunConfig) -> list[int]:
  """Numbers of spans before the newest one that a run would leave out."""
  return [span.number for span in window.spans[:-1] if inspect_span(span.files, config.dataset).broken]


def _refusals(config: RunConfig, counts: RideCounts, findings: Sequence[Finding]) -> Iterator[str]:
  try:
    check_rides(counts, config.dataset.rules.max_quarantined_share, 'the table above')
  except RidesRefusedError as error:
    yield str(error)
    return
  yield from (finding.sentence() for finding in findings if finding.stops)
  if config.validation.severity is Severity.NEVER:
    return
  profile = counts.profile
  for name, limit in config.validation.max_missing_share.items():
    for columns, where in ((profile.columns, ''), (profile.newest, f' in the newest span, {profile.newest_span}')):
      column = columns.get(name)
      if column is not None and column.missing > limit * column.rides:
        share = f'{percent(column.missing / column.rides)}{where}'
        yield f'{name}: expected at most {percent(limit)} missing values (validation.max_missing_share), came {share}.'


def _warnings(config: RunConfig, counts: RideCounts, findings: Sequence[Finding]) -> Iterator[str]:
  yield from (finding.sentence() for finding in findings if not finding.stops)
  if 0 < counts.splits[EVAL] < config.evaluation.min_rides:
    yield (
      f'Nothing would be pushed: the eval split has {counts.splits[EVAL]:,} rides, and evaluation.min_rides is '
      f'{config.evaluation.min_rides:,}.'
    )
