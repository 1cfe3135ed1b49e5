"""`farelite run --window N`: a run on the last spans, unless nothing has changed since the last one."""

from __future__ import annotations

import datetime
from collections.abc import Sequence

from rich.markup import escape

from configs.run import RunConfig
from models.versions import served_version
from pipeline import run_command
from pipeline.data_source import DataSource
from pipeline.output_directory import OutputDirectory
from pipeline.retraining.early_end import end_early
from pipeline.retraining.ledger import Ledger
from pipeline.retraining.plan import Plan, make_plan
from pipeline.retraining.triggers import Verdict
from pipeline.steps import StepObserver
from pipeline.summary_record import Summary


def run(session: run_command.Session, config: RunConfig, source: DataSource, output: OutputDirectory) -> int:
  """Runs on the window, or says that there is no new data.

  Returns:
    The exit code: 0 unless the run failed.

  Raises:
    IngestionError: no file matches, or the pattern has no spans.
    UserError: the record of earlier runs can't be read.
    MetadataStoreError: the metadata store can't be used.
  """
  now = datetime.datetime.now(datetime.timezone.utc)
  ledger = Ledger.load(output.ledger)
  plan = make_plan(config, source, ledger)
  reason = no_new_data(plan, ledger, output)
  show_window(session, plan)
  if reason:
    end_early(config, plan, ledger, output, reason, now)
    session.console.print(f'\n[bold green]nothing to do[/]: {escape(reason)}')
    return 0
  return perform(session, config, plan, ledger, output, now)


def perform(
  session: run_command.Session,
  config: RunConfig,
  plan: Plan,
  ledger: Ledger,
  output: OutputDirectory,
  now: datetime.datetime,
  verdicts: Sequence[Verdict] = (),
) -> int:
  """Runs a plan; arguments as of `recorded_run`.

  Returns:
    The exit code: 0 unless the run failed.

  Raises:
    MetadataStoreError: the metadata store can't be used.
  """

  def job(observer: StepObserver) -> Summary:
    from pipeline.retraining.recorded_run import recorded_run  # Brings TFX along.

    return recorded_run(config, plan, ledger, output, observer, now, verdicts)

  return run_command.perform(session, config, output, job)


def no_new_data(plan: Plan, ledger: Ledger, output: OutputDirectory) -> str | None:
  """Why there is nothing to run; `None` if there is something.

  There is nothing where the last run came to its end, on the same bytes, config and code, and a model serves if it
  pushed one.
  """
  last = ledger.last
  if last is None or not last.finished or not plan.same_as(last):
    return None
  version = served_version(output.serving)
  if last.pushed_path and version is None:
    return None
  served = 'No model serves.' if version is None else f'Version {version} goes on serving.'
  return (
    f'No new data: the newest span, {plan.window.newest.label}, and the rest of the window are as the run of '
    f'{last.started:%Y-%m-%d %H:%M} read them. {served}'
  )


def show_window(session: run_command.Session, plan: Plan) -> None:
  """The window, and what is irregular about it."""
  session.console.print(f'\nwindow: {plan.window.name()}')
  for note in plan.notes():
    session.console.print(f' [cyan]i[/] {escape(note)}')
