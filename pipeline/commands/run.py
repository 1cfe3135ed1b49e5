"""`farelite run`: the config, the steps, the outcome; with `--window N` on the last spans if there is something new."""

from __future__ import annotations

import datetime
import pathlib
from collections.abc import Callable, Sequence

from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from components.compression_gate.records import BudgetVerdict, verdict
from components.ride_example_gen.listing import passed_over_sentence
from configs.amounts import amount, interval
from configs.base import joined
from configs.notify import Event
from configs.records import Estimate
from configs.run import RunConfig
from models.charts import SPACE
from models.compression.training_charts import CURVES_PICTURE
from models.release import served_alteration
from models.served_versions import served_version
from pipeline import garbage, sources
from pipeline.commands.session import AS_USUAL, Manner, Session, look_at_rides, opened, or_warned, say, tell
from pipeline.errors import interrupted_by
from pipeline.local import unchanged
from pipeline.local.ahead import WorkAhead
from pipeline.local.output import OutputDirectory
from pipeline.local.steps import StepObserver
from pipeline.local.terminal import (
  LiveView,
  plain_table,
  print_paths,
  right,
  show_table,
  whole,
)
from pipeline.notifying import outcome
from pipeline.options import print_json
from pipeline.report.tables import seconds
from pipeline.retraining.ledger import RUNNING, Ledger
from pipeline.retraining.plan import Plan, end_early, make_plan, recorded_run
from pipeline.retraining.triggers import Verdict
from pipeline.sources import DataSource
from pipeline.summary_record import (
  FindingRecord,
  MetricsRecord,
  RecipeRecord,
  RowsRecord,
  Status,
  Summary,
)


def run(
  config: RunConfig, source: DataSource, output: OutputDirectory, force: bool = False, manner: Manner = AS_USUAL
) -> int:
  """Runs, shows progress and the outcome; only shows it where the last run had the same config, code and rides.

  Args:
    force: whether to run all the same.
    manner: what is shown, and which exit code it has.

  Returns the exit code: 0 unless the run failed; a model that was not blessed is a result. Raises what `opened` does,
  and `UserError` where the record of earlier windows can't be read.
  """
  # Rides that the last run has read are known; a run that would only repeat it does not look into them.
  with opened(config, source, output, manner=manner, look=False) as session:
    code = _run_whole(session, force) if config.retraining.window is None else run_window(session, force)
  return report(session, code)


def report(session: Session, code: int) -> int:
  """Prints the summary as JSON where that is asked for, once the terminal is given back; returns the exit code."""
  if session.manner.as_json:
    print_json(session.summaries[0].to_dict())
  return session.manner.exit_code(code, *(summary.status for summary in session.summaries))


def _run_whole(session: Session, force: bool) -> int:
  """Runs on all rides that there are, or on the newest span."""
  config, source, output = session.config, session.source, session.output
  if source.bigquery:
    from pipeline.beam import project_of

    source = sources.current(source, project_of(session.beam_context()))
  resolved, window = sources.resolve_window(source, exclude=config.retraining.exclude)
  last = None if force else unchanged.last_run(config, resolved, output)
  if last:
    return nothing_new(session, unchanged.end_early(last, output, unchanged.sentence(last)))
  look_at_rides(session)

  def job(observer: StepObserver) -> Summary:
    with garbage.none_expected():
      from pipeline.local import run as local_run

    notes = window.notes() if window else ()
    return local_run.run(config, resolved, output, observer, notes=notes, start=session.start, work_ahead=work_ahead)

  with WorkAhead() as work_ahead:
    return perform(session, job)


def perform(session: Session, job: Callable[[StepObserver], Summary]) -> int:
  """Loads TFX and does a job with a live view, then writes the report and shows the outcome.

  Args: job: runs the pipeline, calls the observer, and returns the summary.
  Returns the exit code, as of `run`. Raises `MetadataStoreError` where the metadata store can't be used.
  """
  config, output, console = session.config, session.output, session.console
  with console.status('loading TFX …'), garbage.none_expected():
    from pipeline.commands.operations import remove_expired
    from pipeline.operations.store import open_store
    from pipeline.report.kept import keep
    from pipeline.report.page import write
    from pipeline.tracking.trackers import trackers

    open_store(config.metadata, output.metadata)
  with LiveView(console) as view:
    summary = job(view)
  page = None
  if not output.failed_start.is_file():
    with or_warned(console, 'The report could not be written'):
      page = write(output.path)
  with or_warned(console, 'The run could not be kept'):
    keep(config, output, summary, page)
  if config.retention.after_run:
    with or_warned(console, 'Old runs could not be removed'):
      store = open_store(config.metadata, output.metadata)
      console.print(f'\nretention {escape(remove_expired(store, config, output))}')
  for system, track in trackers(config, output, summary):
    with or_warned(console, f'The run could not be noted in {system}'):
      track()
  _show_outcome(session, summary, page)
  _ended(session, outcome.event_of(summary), summary)
  return 1 if summary.failed else 0


def nothing_new(session: Session, summary: Summary, words: str | None = None) -> int:
  """Shows and tells that there was nothing to run.

  Args:
    summary: of the last run, with the reason.
    words: which go before the reason; by default the last run's outcome is shown, too.
  Returns the exit code.
  """
  if words:
    say(session, f'\n[bold green]{words}[/]: {escape(summary.reason)}')
  else:
    _show_outcome(session, summary, session.output.page)
  _ended(session, Event.NOTHING_NEW, summary)
  return 0


def _ended(session: Session, event: Event, summary: Summary) -> None:
  session.summaries.append(summary)
  tell(session, event, summary.reason, summary)


def _show_outcome(session: Session, summary: Summary, page: pathlib.Path | None) -> None:
  console, currency = session.console, session.config.dataset.currency
  if summary.rows:
    _show_rows(console, summary.rows)
  _show_divergences(console, summary.findings)
  for finding in summary.findings:
    if finding.severity != 'info' and not finding.stops:  # Those that stop are the reason below.
      console.print(Text.assemble((' ! ', 'yellow'), finding.sentence))
  if summary.variants:
    show_table(console, _variants_table(summary, currency))
    for reason, names in _lost(summary).items():
      console.print(f' [yellow]![/] {escape(f"{joined(names)}: {reason}")}')
  for note in summary.notes:
    console.print(f' [cyan]i[/] {escape(note)}')
  if len(summary.recipes) > 1:
    show_table(console, _recipes_table(summary.recipes, currency))
  if summary.metrics:
    show_table(console, _metrics_table(summary, summary.metrics, currency))
  color = {Status.PUSHED: 'green', Status.NOT_BLESSED: 'yellow'}.get(summary.status, 'red')
  color = 'yellow' if summary.not_registered else color
  status, took = summary.status.value, _took(summary)
  ended = f'nothing to do[/], {status}:' if summary.ended_early else f'{status}[/]{took}:'
  say(session, f'\n[bold {color}]{ended} {escape(summary.reason)}')
  paths: dict[str, pathlib.Path | str | None] = {
    'report': page,
    'model': summary.pushed_path,
    'curves': summary.curves and f'{summary.curves}/{CURVES_PICTURE}',
    'quarantine': summary.quarantine if summary.rows and summary.rows.quarantined else None,
    'summary': session.output.failed_start if session.output.failed_start.is_file() else session.output.summary,
    'log': session.log,
  }
  print_paths(console, paths)


def _took(summary: Summary) -> str:
  """How long the run took, in the words of the page."""
  return '' if summary.seconds is None else f' in {seconds(summary.seconds)}'.replace(SPACE, ' ')


def _show_rows(console: Console, rows: RowsRecord) -> None:
  set_aside = ', '.join(f'{count:,} {reason}' for reason, count in rows.quarantined.items())
  splits = f'{rows.splits["train"]:,} train, {rows.splits["eval"]:,} eval'
  text = f'\n{rows.read:,} rides read, {rows.kept:,} kept ({splits})'
  console.print(text + (f', set aside: {set_aside}' if set_aside else ''))
  for reason in rows.quarantined:
    for example in rows.examples.get(reason, ()):
      console.print(f'   {reason} {example}', style='dim', markup=False, highlight=False)
  if rows.passed_over:
    console.print(escape(passed_over_sentence(rows.passed_over)))


def _show_divergences(console: Console, findings: Sequence[FindingRecord]) -> None:
  """The drift and the skew that are largest beside their thresholds, within them or not."""
  kinds = {'drift': 'drift from the previous statistics', 'skew': 'skew between train and eval'}
  for kind, words in kinds.items():
    measured = [
      (found.divergence, found.threshold, found)
      for found in findings
      if found.kind == kind and found.divergence is not None and found.threshold
    ]
    if measured:
      divergence, threshold, worst = max(measured, key=lambda one: one[0] / one[1])
      goes_on = '; the run goes on all the same (validation.drift_stops)' if divergence > threshold else ''
      limit = f'at most {divergence:.3f} ({worst.feature}), the limit is {threshold:.3g}'
      console.print(f'{words}: {limit}{"" if worst.stops else goes_on}')


def _metrics_table(summary: Summary, metrics: MetricsRecord, currency: str) -> Table:
  base = {row.name: row.root_mean_squared_error for row in summary.base_slices}
  figures = ('rides', 'RMSE [95 %]', 'MAE [95 %]', 'calibration', *(['RMSE of dense'] if base else []))
  table = plain_table(f'trained model ({currency})', *right(*figures))
  for row in summary.slices:
    whole = not row.slice
    table.add_row(
      '[bold]all[/]' if whole else row.name,
      f'{row.example_count:,.0f}',
      _interval(metrics.rmse) if whole else amount(row.root_mean_squared_error),
      _interval(metrics.mae) if whole else amount(row.mean_absolute_error),
      f'{row.calibration:.3f}',
      *([amount(base[row.name])] if base else []),
    )
    if whole and summary.rmse_without_worst_5 is not None:
      table.add_row(
        'without the worst 5', f'{max(row.example_count - 5, 0):,.0f}', amount(summary.rmse_without_worst_5)
      )
  return table


_VERDICTS = {
  BudgetVerdict.KEPT: 'kept',
  BudgetVerdict.MISSED: '[yellow]missed[/]',
  BudgetVerdict.HELD: '[yellow]held by shadow[/]',
  BudgetVerdict.NOT_MADE: '[yellow]lost[/]',
}


def _variants_table(summary: Summary, currency: str) -> Table:
  """One line per lite file, as the files themselves measured."""
  figures = (f'RMSE ({currency})', 'to float32 [95 %]', 'worst slice', 'bytes', 'gzip', 'µs/call', 'zero')
  table = plain_table(*whole('lite file'), *right(*figures, no_wrap=True), 'budget')
  for variant in summary.variants:
    if variant.rmse is None:
      table.add_row(variant.name, *([''] * 7), '[yellow]lost[/]')
      continue
    worst, latency = variant.worst_slice, variant.latency_us
    chosen = variant.name == summary.chosen
    table.add_row(
      f'[bold green]{variant.name}[/]' if chosen else variant.name,
      amount(variant.rmse.value, digits=3),
      _ratio(variant.rmse_ratio),
      f'{worst.rmse_ratio.value:.3f}' if worst and worst.rmse_ratio else '',
      f'{variant.bytes:,}',
      f'{variant.gzip_bytes:,}',
      f'{latency.p50:.1f}' if latency else '',
      f'{variant.sparsity:.0%}',
      '[bold green]chosen[/]' if chosen else _VERDICTS[verdict(variant, summary.shadow)],
    )
  return table


def _lost(summary: Summary) -> dict[str, list[str]]:
  """The names of the variants that were lost, by the reason, which many of them may share."""
  lost: dict[str, list[str]] = {}
  for variant in summary.variants:
    if variant.rmse is None:
      lost.setdefault(variant.reason or 'no reason is known.', []).append(variant.name)
  return lost


def _recipes_table(recipes: Sequence[RecipeRecord], currency: str) -> Table:
  """One line per training recipe; every figure is read back from the exported model."""
  figures = (f'RMSE [95 %] ({currency})', 'to dense [95 %]', 'weights', 'zero', 'distinct')
  table = plain_table(*whole('training recipe'), *right(*figures, no_wrap=True))
  for recipe in recipes:
    table.add_row(
      f'[bold]{recipe.name}[/] (served)' if recipe.served else recipe.name,
      _interval(recipe.rmse),
      _ratio(recipe.rmse_ratio),
      f'{recipe.parameters:,}',
      f'{recipe.sparsity:.1%}',
      f'{recipe.distinct_weights:,}',
    )
  return table


def _interval(estimate: Estimate | None) -> str:
  if estimate is None:
    return ''
  value, bounds = interval(estimate.value, estimate.low, estimate.high)
  return f'[bold]{value}[/] {bounds}'.rstrip()


def _ratio(estimate: Estimate | None) -> str:
  return f'{estimate.value:.3f} [{estimate.low:.3f}, {estimate.high:.3f}]' if estimate else ''


def run_window(session: Session, force: bool = False) -> int:
  """Runs on the window, or prints that there is no new data.

  Args: force: whether to run all the same.

  Returns the exit code, and raises, as `run` does.
  """
  now = datetime.datetime.now(datetime.timezone.utc)
  ledger = Ledger.load(session.output.ledger)
  plan = make_plan(session.config, session.source, ledger, before_reading=lambda: look_at_rides(session))
  reason = None if force else no_new_data(plan, ledger, session.output)
  show_window(session, plan)
  if reason:
    return nothing_new(session, end_early(session.config, plan, ledger, session.output, reason, now), 'nothing to do')
  return perform_window(session, plan, ledger, now)


def perform_window(
  session: Session, plan: Plan, ledger: Ledger, now: datetime.datetime, verdicts: Sequence[Verdict] = ()
) -> int:
  """Runs a plan, see `recorded_run`; returns and raises as `perform` does, and `IngestionError` as `look_at_rides`."""
  look_at_rides(session)

  def job(observer: StepObserver) -> Summary:
    try:
      return recorded_run(
        session.config, plan, ledger, session.output, observer, now, verdicts, session.start, work_ahead
      )
    except KeyboardInterrupt as error:
      if ledger.last is not None and ledger.last.status == RUNNING:
        reason = f'it was {interrupted_by(error)} (started {now:%Y-%m-%d %H:%M}).'
        ledger.end(status=Status.FAILED.value, reason=reason)
      raise

  with WorkAhead() as work_ahead:
    return perform(session, job)


def no_new_data(plan: Plan, ledger: Ledger, output: OutputDirectory) -> str | None:
  """Why there is nothing to run; `None` if there is something.

  There is nothing where the last run came to its end, on the same bytes, config and code, and a model serves, as it was
  pushed, if it pushed one, and is registered, if it was to be.
  """
  last = ledger.last
  if last is None or not last.finished or last.not_registered or not plan.same_as(last):
    return None
  version = served_version(output.serving)
  if last.pushed_path and (version is None or served_alteration(output.serving)):
    return None
  served = 'No model serves.' if version is None else f'Version {version} goes on serving.'
  return (
    f'No new data: the newest span, {plan.window.newest.label}, and the rest of the window are as the run of '
    f'{last.started:%Y-%m-%d %H:%M} read them. {served}'
  )


def show_window(session: Session, plan: Plan) -> None:
  """The window, and what is irregular about it."""
  session.console.print(f'\nwindow: {plan.window.name()}')
  for note in plan.notes():
    session.console.print(f' [cyan]i[/] {escape(note)}')
