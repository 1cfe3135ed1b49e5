"""`farelite retrain`, what a timer calls: looks at the state, decides, and runs or not."""

from __future__ import annotations

import datetime

from rich.markup import escape

from configs.run import RunConfig
from models.versions import served_version
from pipeline import run_command, window_run
from pipeline.data_source import DataSource
from pipeline.output_directory import OutputDirectory
from pipeline.retraining.early_end import end_early
from pipeline.retraining.ledger import RUNNING, Ledger
from pipeline.retraining.plan import Plan, make_plan
from pipeline.retraining.serving import served_since
from pipeline.retraining.triggers import Situation, Verdict, decide


def run(
  config: RunConfig, source: DataSource, output: OutputDirectory, now: datetime.datetime, force: bool = False
) -> int:
  """Decides by the config's triggers and runs if one of them fires.

  Args:
    config: its `retraining` section counts.
    source: with spans in its pattern.
    output: where everything goes, held by the caller.
    now: the time of the decision, with a zone.
    force: run whatever the triggers say.

  Returns:
    The exit code: 0 unless a run failed.

  Raises:
    DataSourceError: the rides can't be read as the config says.
    UserError: the record of earlier runs can't be read.
    MetadataStoreError: the metadata store can't be used.
  """
  with run_command.opened(config, source, output, show=False) as session:
    ledger = Ledger.load(output.ledger)
    plan = make_plan(config, source, ledger)
    verdicts = decide(config.retraining.triggers, situation(config, plan, ledger, output, now))
    if force:
      verdicts = (*verdicts, Verdict('force', True, 'Asked for by --force.'))
    window_run.show_window(session, plan)
    for verdict in verdicts:
      session.console.print(f' [{"green" if verdict.fires else "dim"}]{"●" if verdict.fires else "○"}[/] ', end='')
      session.console.print(escape(verdict.sentence))
    if not any(verdict.fires for verdict in verdicts):
      reason = _quiet(plan, ledger, output, verdicts)
      end_early(config, plan, ledger, output, reason, now, verdicts)
      session.console.print(f'\n[bold green]no run[/]: {escape(reason)}')
      return 0
    run_command.show_config(session.console, config, source)
    return window_run.perform(session, config, plan, ledger, output, now, verdicts)


def situation(
  config: RunConfig, plan: Plan, ledger: Ledger, output: OutputDirectory, now: datetime.datetime
) -> Situation:
  """What the triggers look at; measures the drift of fresh spans only where its trigger is on."""
  last, finished, version = ledger.last, ledger.last_finished, served_version(output.serving)
  unfinished = None
  if last is not None and not last.finished:
    killed = f'it was killed, or its machine stopped (started {last.started:%Y-%m-%d %H:%M}).'
    unfinished = killed if last.status == RUNNING else last.reason
  return Situation(
    now=now,
    unfinished=unfinished,
    served=version,
    served_since=None if version is None else served_since(version, ledger),
    changed_setting=finished is not None and finished.setting != plan.setting,
    fresh=tuple(span.label for span in plan.fresh),
    new_rows=plan.new_rows,
    drift=_drift(config, plan, ledger) if config.retraining.triggers.drift else None,
    drift_limit=config.validation.drift_threshold,
    newest=plan.window.newest.label,
    broken=plan.broken().get(plan.window.newest.label),
  )


def _drift(config: RunConfig, plan: Plan, ledger: Ledger) -> tuple[str, str, float] | None:
  """The fresh span that lies furthest from what the last run trained on."""
  finished = ledger.last_finished
  usable = [span for span in plan.fresh if not plan.entries[span.number].broken]
  if finished is None or not finished.statistics or not usable:
    return None
  from tfx.dsl.io import fileio

  from components.ride_example_gen.survey import valid_rides
  from components.ride_validator.divergence import span_drift

  if not fileio.exists(finished.statistics):
    return None  # Old artifacts may be removed.
  found = []
  for span in usable:
    rides = valid_rides(span.files, config.dataset)
    drift = span_drift(rides, finished.statistics, config.dataset, config.validation)
    found.append((span.label, drift.column, drift.divergence))
  return max(found, key=lambda item: item[2])


def _quiet(plan: Plan, ledger: Ledger, output: OutputDirectory, verdicts: tuple[Verdict, ...]) -> str:
  """Why there is no run."""
  nothing = window_run.no_new_data(plan, ledger, output)
  return nothing or 'No trigger fires. ' + ' '.join(verdict.sentence for verdict in verdicts)
