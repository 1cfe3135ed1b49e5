"""What a run on a window would read, what of it is new, and what the ledger notes of it before and after."""

from __future__ import annotations

import dataclasses
import datetime
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from components.ride_example_gen.files import fingerprint
from components.ride_example_gen.patterns import excluded_numbers
from components.ride_example_gen.spans import FEWEST_AGAIN, Span, Window, day_of, find_spans, label_of
from configs.records import RecordError
from configs.run import RunConfig
from pipeline import garbage
from pipeline.code_version import run_version, sources_digest
from pipeline.local import unchanged
from pipeline.local.ahead import WorkAhead
from pipeline.local.output import OutputDirectory
from pipeline.local.steps import StepObserver
from pipeline.retraining.ledger import Ledger, LedgerRun, SpanEntry
from pipeline.retraining.triggers import Verdict
from pipeline.sources import DataSource, resolve_window
from pipeline.summary_record import Status, Summary, WindowRecord


@dataclasses.dataclass(frozen=True)
class Plan:
  """A run that might be.

  Attributes:
    source: with the window's spans filled in.
    window: what it reads.
    digests: of each of the window's spans.
    setting: digest of config and code.
    fresh: spans that no finished run has read as they are now, oldest first; those that are newer than all that the
      last one read count even where they fell out of the window again.
    new_rows: valid rides in them; of a span that grew, those that came on top, and of one that changed otherwise all.
    entries: what is known about each span of the window and each fresh one.
  """

  source: DataSource
  window: Window
  digests: dict[int, str]
  setting: str
  fresh: tuple[Span, ...]
  new_rows: int
  entries: dict[int, SpanEntry]

  def same_as(self, run: LedgerRun | None) -> bool:
    """Whether a run read the very same bytes with the same config and code."""
    return run is not None and run.spans == self.digests and run.setting == self.setting

  def entry(self, started: datetime.datetime) -> LedgerRun:
    """The entry of a run of this plan."""
    kept = {number: self.entries[number].kept for number in self.digests}
    return LedgerRun(started, self.digests, self.setting, kept=kept, sources=sources_digest())

  def broken(self) -> dict[str, str]:
    """Why, by label, of the spans of the window that no run can use: only the newest one can be such."""
    return {s.label: reason for s in self.window.spans if (reason := self.entries[s.number].broken)}

  def notes(self) -> tuple[str, ...]:
    """One sentence for each irregularity of the window."""
    broken = [f'The newest span, {label}, is broken: {reason}' for label, reason in self.broken().items()]
    return (*self.window.notes(), *broken)


def make_plan(
  config: RunConfig,
  source: DataSource,
  ledger: Ledger,
  newest: int | None = None,
  before_reading: Callable[[], None] = lambda: None,
) -> Plan:
  """Looks at the spans; notes in the ledger (and saves it) what it finds.

  Args:
    config: its `retraining.window` counts.
    source: with spans in its pattern.
    ledger: what is known so far.
    newest: the last span of a past window; the newest there is when `None`.
    before_reading: is called before the rides of a span are read that is not known as it is.

  Raises `IngestionError` where no file matches, or the pattern has no spans.
  """
  exclude = excluded_numbers(config.retraining.exclude)
  found = [span for span in find_spans(source.base, source.pattern) if newest is None or span.number <= newest]
  there = [span for span in found if span.number not in exclude]
  before = dict(ledger.spans)
  last, seen = ledger.last_finished, ledger.seen()
  looked_at: dict[int, SpanEntry] = {}

  def look_at(spans: list[Span]) -> None:
    for span in spans:
      if span.number not in looked_at:
        looked_at[span.number] = _look_at(span, config, ledger, looked_at, before_reading)

  look_at([span for span in there if span.number in before and before[span.number].broken])
  while True:
    broken = [number for number, entry in looked_at.items() if entry.broken]
    filled, window = resolve_window(
      source,
      config.retraining.spans,
      newest=newest,
      seen=seen,
      leave_out=broken,
      exclude=config.retraining.exclude,
    )
    assert window is not None
    unknown = [span for span in window.spans if span.number not in looked_at]
    if not unknown:
      break
    look_at(unknown)
  newer = [span for span in there if last is not None and span.number > last.newest]
  look_at(newer)
  ledger.spans |= looked_at
  ledger.save()
  fresh = [span for span in {*window.spans, *newer} if not _was_read(span, looked_at[span.number], before, last)]
  return Plan(
    source=filled,
    window=window,
    digests={span.number: looked_at[span.number].digest for span in window.spans},
    setting=_setting(config, last),
    fresh=tuple(sorted(fresh)),
    new_rows=sum(_new_rows(looked_at[span.number], span.number, last) for span in fresh),
    entries=looked_at,
  )


def _look_at(
  span: Span,
  config: RunConfig,
  ledger: Ledger,
  looked_at: dict[int, SpanEntry],
  before_reading: Callable[[], None],
) -> SpanEntry:
  """A span that is as it was needs no second look, except whether another one has its rides."""
  digest, known = fingerprint(span.files), ledger.spans.get(span.number)
  if known is None or known.digest != digest:
    from components.ride_example_gen.ingestion import inspect_span  # Brings Arrow along.

    before_reading()
    seen = inspect_span(span.files, config.dataset)
    late = known.late if known else span.number < max(ledger.spans, default=span.number)
    known = SpanEntry(digest, seen.read, seen.kept, seen.broken, late, was_read=known is not None and known.was_read)
    ledger.rides.pop(span.number, None)
    if not seen.broken:
      ledger.rides[span.number] = seen.digest
  if span.number not in ledger.rides:
    return known
  return dataclasses.replace(known, broken=_redelivery(span, known, ledger, looked_at))


def _redelivery(span: Span, entry: SpanEntry, ledger: Ledger, looked_at: dict[int, SpanEntry]) -> str | None:
  """Why no run can use a span whose rides are those of another one that a run can use; None if they are not."""
  if entry.kept < FEWEST_AGAIN:
    return None
  for number, other in sorted((ledger.spans | looked_at).items()):
    same = (ledger.rides.get(number), other.kept) == (ledger.rides[span.number], entry.kept)
    if number != span.number and same and not other.broken:
      label = label_of(number, dated=day_of(span.label) is not None)
      return f'It has the same {entry.kept:,} rides as {label}: a redelivery.'
  return None


def _was_read(span: Span, entry: SpanEntry, before: Mapping[int, SpanEntry], last: LedgerRun | None) -> bool:
  """Whether a finished run has read a span as it is: the last one, or an earlier one that the window is back at."""
  if last is not None and last.spans.get(span.number) == entry.digest:
    return True
  known = before.get(span.number)
  passed = last is not None and span.number not in last.spans and span.number < last.newest
  return passed and known is not None and known.was_read and known.digest == entry.digest


def _new_rows(entry: SpanEntry, number: int, last: LedgerRun | None) -> int:
  """Of a span that did not grow since it was read nobody knows which rides are others, so that all count."""
  if entry.broken:
    return 0
  read = last.kept.get(number, 0) if last else 0
  return entry.kept - read if entry.kept > read else entry.kept


def _setting(config: RunConfig, last: LedgerRun | None = None) -> str:
  """What besides the rides decides a run: the config, but for what is no part of a model, and the code.

  Args: last: a run whose code this one has if no source file was touched since, which is known twenty times as fast.
  """
  untouched = last is not None and last.sources == sources_digest()
  code = last.setting.rpartition('-')[-1] if last is not None and untouched else run_version()
  return f'{unchanged.config_digest(config)}-{code}'


def end_early(
  config: RunConfig,
  plan: Plan,
  ledger: Ledger,
  output: OutputDirectory,
  reason: str,
  now: datetime.datetime,
  verdicts: Sequence[Verdict] = (),
) -> Summary:
  """Writes the summary of a run on a window that had nothing to do, see `unchanged.end_early`."""
  last = ledger.last_finished
  changed: dict[str, Any] = {'status': Status(last.status), 'pushed_path': last.pushed_path} if last else {}
  changed |= {
    'started': now.isoformat(timespec='seconds'),
    'notes': plan.notes(),
    'window': read_window(plan),
    'triggers': tuple(verdicts),
  }
  try:
    result = Summary.read(output.summary)
  except (FileNotFoundError, RecordError):  # Somebody has removed or changed it.
    from pipeline.local import summary

    result = summary.summarize(config, [], None, anomalies=False, after={})
  return unchanged.end_early(result, output, reason, **changed)


def read_window(plan: Plan) -> WindowRecord:
  """What was to be read."""
  window = plan.window
  return WindowRecord(
    spans=tuple(span.label for span in window.spans),
    newest=window.newest.label,
    new=tuple(span.label for span in plan.fresh),
    new_rows=plan.new_rows,
    missing=tuple(window.missing),
    late=tuple(window.late),
    left_out=tuple(window.left_out),
    excluded=tuple(window.excluded),
    broken=plan.broken(),
  )


def recorded_run(
  config: RunConfig,
  plan: Plan,
  ledger: Ledger,
  output: OutputDirectory,
  observer: StepObserver,
  now: datetime.datetime,
  verdicts: Sequence[Verdict] = (),
  start: float | None = None,
  work_ahead: WorkAhead | None = None,
) -> Summary:
  """Runs the pipeline on the plan's window.

  Args:
    ledger: notes when the run begins and what became of it.
    now: when the run begins, by the caller's clock.
    verdicts: why it runs.
    start, work_ahead: as of `pipeline.local.run.run`.

  Returns the summary, as written. Raises `MetadataStoreError` where the metadata store can't be used.
  """
  with garbage.none_expected():
    from pipeline.local import run as local_run  # Brings TFX along, which a call that has nothing to do never loads.

  began = time.monotonic()
  ledger.begin(plan.entry(now))
  window, notes = read_window(plan), plan.notes()
  result = local_run.run(config, plan.source, output, observer, window, verdicts, notes, start, work_ahead)
  statistics = (result.artifacts or {}).get('StatisticsGen', {}).get('statistics')
  ended = now + datetime.timedelta(seconds=time.monotonic() - began)
  outcome = {'status': result.status.value, 'reason': result.reason, 'pushed_path': result.pushed_path}
  outcome['not_registered'] = result.not_registered
  ledger.end(**outcome, statistics=statistics, ended=ended)
  return result
