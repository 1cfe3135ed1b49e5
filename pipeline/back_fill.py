"""`farelite retrain --from A --to B`: past spans, one run after the other, as in their time."""

from __future__ import annotations

import datetime

from rich.markup import escape

from components.ride_example_gen.spans import Span, find_spans, is_dated, label_of, span_number
from configs.run import RunConfig
from pipeline import run_command, window_run
from pipeline.data_source import DataSource, DataSourceError
from pipeline.output_directory import OutputDirectory
from pipeline.retraining.ledger import Ledger
from pipeline.retraining.plan import Plan, make_plan


def run(
  config: RunConfig, source: DataSource, output: OutputDirectory, first: str, last: str, now: datetime.datetime
) -> int:
  """Runs on the window of each span from `first` to `last`, oldest first; goes on where it was stopped.

  A span that a run has already read to its end, as it is and by this config and code, is passed over. So is one that is
  older than what has been run since: its model would take the place of a newer one. A broken span is told and counts as
  failed; a run that fails otherwise than by anomalies in its rides ends the back-fill.

  Args:
    config: the whole run.
    source: with spans in its pattern.
    output: where everything goes, held by the caller.
    first: a day such as `2026-01-31`, or the number of a span.
    last: the same, not before `first`.
    now: the time that is noted.

  Returns:
    The exit code: 0 if every run came to its end.

  Raises:
    DataSourceError: the rides can't be read as the config says, or there is no such span.
  """
  bounds = (_number(first, source, '--from'), _number(last, source, '--to'))
  with run_command.opened(config, source, output) as session:
    spans = [span for span in find_spans(source.base, source.pattern) if bounds[0] <= span.number <= bounds[1]]
    if not spans:
      raise DataSourceError(f'There is no span from {first} to {last}.')
    failed = []
    for place, span in enumerate(spans, 1):
      session.console.rule(f'{span.label}, {place} of {len(spans)}', style='dim')
      ledger = Ledger.load(output.ledger)
      plan = make_plan(config, source, ledger, newest=span.number)
      window_run.show_window(session, plan)
      if plan.broken():  # Told by the window's notes; a run could only say so once more.
        failed.append(span.label)
        continue
      passed_over = _passed_over(plan, span, ledger)
      if passed_over:
        session.console.print(f' [cyan]↺[/] {escape(passed_over)}')
        continue
      if window_run.perform(session, config, plan, ledger, output, now):
        failed.append(span.label)
        if ledger.last is None or ledger.last.status != 'anomalies':
          break  # Not because of these rides: the next span would fail alike.
    told = f', failed: {", ".join(failed)}' if failed else ', every one to its end'
    session.console.print(f'\n[bold]{len(spans)} spans from {first} to {last}[/]{told}')
  return 1 if failed else 0


def _number(text: str, source: DataSource, option: str) -> int:
  dated = is_dated(source.pattern)
  try:
    return span_number(datetime.date.fromisoformat(text)) if dated else int(text)
  except ValueError:
    kind = 'a day such as 2026-01-31' if dated else 'the number of a span'
    raise DataSourceError(
      f"{option} takes {kind}, as the pattern has {'dates' if dated else '{SPAN}'}; got '{text}'."
    ) from None


def _passed_over(plan: Plan, span: Span, ledger: Ledger) -> str | None:
  finished = [run for run in ledger.runs if run.finished]
  if any(plan.same_as(run) for run in finished):
    return 'Done before.'
  newest = max((run.newest for run in finished), default=None)
  if newest is not None and newest > span.number:
    label = label_of(newest, dated=span.label != f'span {span.number}')
    return (
      f'Passed over, as {label} has been run since: an older model would take its place. '
      'To run it nevertheless, choose another --output.'
    )
  return None
