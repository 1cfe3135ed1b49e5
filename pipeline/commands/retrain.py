"""`farelite retrain`, what a timer calls: looks at the state, decides, runs or not; or past spans in their order."""

from __future__ import annotations

import dataclasses
import datetime
import time
from typing import Any

from rich.markup import escape

from components.ride_example_gen.patterns import excluded_numbers, is_dated, label_of, span_number
from components.ride_example_gen.spans import Span, find_spans
from configs.notify import Event
from configs.records import RecordPart
from configs.run import RunConfig
from models.release import served_alteration
from models.served_versions import served_version
from pipeline.commands import run as commands_run
from pipeline.commands.session import AS_USUAL, Manner, Session, look_at_rides, opened, say, show_config, tell
from pipeline.local.output import OutputDirectory
from pipeline.monitoring.verdict import retraining_asked
from pipeline.options import print_json
from pipeline.retraining.ledger import RUNNING, Ledger, served_since
from pipeline.retraining.plan import Plan, end_early, make_plan
from pipeline.retraining.triggers import TriggerInputs, Verdict, decide
from pipeline.sources import DataSource, DataSourceError
from pipeline.summary_record import Status, Summary


def run(
  config: RunConfig,
  source: DataSource,
  output: OutputDirectory,
  now: datetime.datetime,
  force: bool = False,
  manner: Manner = AS_USUAL,
) -> int:
  """Decides by the config's triggers and runs if one of them fires.

  Args:
    config: its `retraining` section counts.
    source: with spans in its pattern.
    output: where everything goes, held by the caller.
    now: the time of the decision, with a zone.
    force: whether to run whatever the triggers say.
    manner: what is shown, and which exit code it has.

  Returns the exit code: 0 unless a run failed. Raises what `pipeline.commands.run.run` does.
  """
  with opened(config, source, output, show=False, manner=manner, now=now, look=False) as session:
    code = _decide(session, now, force)
  return commands_run.report(session, code)


def _decide(session: Session, now: datetime.datetime, force: bool) -> int:
  config, source, output = session.config, session.source, session.output
  ledger = Ledger.load(output.ledger)
  plan = make_plan(config, source, ledger, before_reading=lambda: look_at_rides(session))
  verdicts = decide(config.retraining.triggers, situation(config, plan, ledger, output, now))
  if force:
    verdicts = (*verdicts, Verdict('force', True, '--force was given.'))
  commands_run.show_window(session, plan)
  for verdict in verdicts:
    mark = '[green]●[/]' if verdict.fires else '[dim]○[/]'
    session.console.print(f' {mark} {escape(verdict.sentence)}')
  if not any(verdict.fires for verdict in verdicts):
    quiet = 'No trigger fires. ' + ' '.join(verdict.sentence for verdict in verdicts)
    reason = commands_run.no_new_data(plan, ledger, output) or quiet
    return commands_run.nothing_new(session, end_early(config, plan, ledger, output, reason, now, verdicts), 'no run')
  show_config(session)
  return commands_run.perform_window(session, plan, ledger, now, verdicts)


def situation(
  config: RunConfig, plan: Plan, ledger: Ledger, output: OutputDirectory, now: datetime.datetime
) -> TriggerInputs:
  """What the triggers look at; measures the drift of fresh spans only where its trigger is on."""
  last, finished, version = ledger.last, ledger.last_finished, served_version(output.serving)
  unfinished = None
  if last is not None and not last.finished:
    killed = f'it was killed, or its machine stopped (started {last.started:%Y-%m-%d %H:%M}).'
    unfinished = killed if last.status == RUNNING else last.reason
  elif last is not None:
    unfinished = last.not_registered
  return TriggerInputs(
    now=now,
    unfinished=unfinished,
    served=version,
    served_since=None if version is None else served_since(version, ledger),
    altered=served_alteration(output.serving),
    later_fares=retraining_asked(output, version, finished.started if finished else None),
    changed_setting=finished is not None and finished.setting != plan.setting,
    fresh=_usable_labels(plan),
    new_rows=plan.new_rows,
    drift=_drift(config, plan, ledger) if config.retraining.triggers.drift else None,
    drift_limit=config.validation.drift_threshold,
    newest=plan.window.newest.label,
    broken=plan.broken().get(plan.window.newest.label),
  )


def _usable_labels(plan: Plan) -> tuple[str, ...]:
  """Labels of the fresh spans that bring rides; of all of them where none does."""
  usable = tuple(span.label for span in plan.fresh if not plan.entries[span.number].broken)
  return usable or tuple(span.label for span in plan.fresh)


def _drift(config: RunConfig, plan: Plan, ledger: Ledger) -> tuple[str, str, float] | None:
  """The fresh span that is furthest from what the last run trained on."""
  finished = ledger.last_finished
  usable = [span for span in plan.fresh if not plan.entries[span.number].broken]
  if finished is None or not finished.statistics or not usable:
    return None
  from tfx.dsl.io import fileio

  from components.ride_example_gen.ingestion import valid_rides
  from components.ride_validator.divergence import span_drift

  if not fileio.exists(finished.statistics):
    return None  # Old artifacts may be removed.
  found = []
  for span in usable:
    rides = valid_rides(span.files, config.dataset)
    drift = span_drift(rides, finished.statistics, config.dataset, config.validation)
    found.append((span.label, drift.column, drift.divergence))
  return max(found, key=lambda item: item[2])


def back_fill(
  config: RunConfig,
  source: DataSource,
  output: OutputDirectory,
  first: str,
  last: str,
  now: datetime.datetime,
  manner: Manner = AS_USUAL,
) -> int:
  """Runs on the window of each span from `first` to `last`, oldest first; goes on where it was stopped.

  A span that a run has already read to its end, as it is and by this config and code, is passed over. So is one that is
  older than what has been run since: its model would take the place of a newer one. A broken span counts as failed; a
  run that fails otherwise than by anomalies in its rides ends the back-fill.

  Args:
    source, output: as of `run`.
    first: a day such as `2026-01-31`, or the number of a span.
    last: the same, not before `first`.
    now: the time that is noted.
    manner: what is shown; as JSON a list with what became of each span, with the summary where it was run.

  Returns the exit code: 0 if every run came to its end. Raises `DataSourceError` where the rides can't be read as the
  config says, or there is no such span.
  """
  bounds = (_number(first, source, '--from'), _number(last, source, '--to'))
  with opened(config, source, output, manner=manner, now=now) as session:
    spans = [span for span in find_spans(source.base, source.pattern) if bounds[0] <= span.number <= bounds[1]]
    if not spans:
      raise DataSourceError(f'There is no span from {first} to {last}.')
    failed: list[str] = []
    endings: list[SpanEnding] = []
    unreached: list[Span] = []
    excluded = excluded_numbers(config.retraining.exclude)
    for place, span in enumerate(spans, 1):
      session.console.rule(f'{span.label}, {place} of {len(spans)}', style='dim')
      if span.number in excluded:
        endings.append(_not_run(span, 'Left out by name (retraining.exclude).'))
        session.console.print(f' [cyan]↺[/] {escape(endings[-1].reason)}')
        continue
      night = dataclasses.replace(session, start=time.monotonic())
      ledger = Ledger.load(output.ledger)
      plan = make_plan(config, source, ledger, newest=span.number)
      commands_run.show_window(night, plan)
      if why := plan.broken().get(span.label):  # A run could only say the same.
        failed.append(span.label)
        endings.append(SpanEnding(span=span.label, status=Status.ANOMALIES.value, reason=why))
        say(session, f'[bold red]{span.label} is broken[/]: {escape(why)}')
        tell(night, Event.ANOMALIES, f'The span {span.label} is broken: {why}')
        continue
      if passed_over := _passed_over(plan, span, ledger):
        endings.append(_not_run(span, passed_over))
        session.console.print(f' [cyan]↺[/] {escape(passed_over)}')
        continue
      if session.manner.quiet:  # What it came to follows without its name.
        say(session, f'\n{span.label}, {place} of {len(spans)}')
      moment = now + datetime.timedelta(seconds=night.start - session.start)
      code = commands_run.perform_window(night, plan, ledger, moment)
      found = session.summaries[-1]
      endings.append(SpanEnding(span=span.label, status=found.status.value, reason=found.reason, summary=found))
      if code:
        failed.append(span.label)
        if ledger.last is None or ledger.last.status != 'anomalies':
          unreached = spans[place:]  # Not because of these rides: the next span would fail alike.
          break
    endings += [_not_run(span, f'Not run, as {failed[-1]} failed.') for span in unreached]
    ending = f'failed: {", ".join(failed)}' if failed else 'every one to its end'
    ending += f', not run: {", ".join(span.label for span in unreached)}' if unreached else ''
    say(session, f'\n[bold]{len(spans)} spans from {first} to {last}[/], {ending}')
  if manner.as_json:
    print_json([ending.to_dict() for ending in endings])
  return manner.exit_code(1 if failed else 0, *(summary.status for summary in session.summaries))


class SpanEnding(RecordPart):
  """What became of a span in a back-fill.

  Attributes:
    span: its label.
    status: of its run; `anomalies` also where it is broken, which no run reads; `passed_over` where it was not run.
    reason: the sentence that belongs to it.
    summary: of its run, whose keys are written beside the others.
  """

  span: str
  status: str
  reason: str
  summary: Summary | None = None

  def to_dict(self) -> dict[str, Any]:
    facts = self.model_dump(exclude={'summary'})
    return facts | (self.summary.to_dict() if self.summary else {})


def _not_run(span: Span, reason: str) -> SpanEnding:
  return SpanEnding(span=span.label, status='passed_over', reason=reason)


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
