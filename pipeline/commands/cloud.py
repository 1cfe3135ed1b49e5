"""`farelite compile`, `submit` and `rehearse`: a spec for a target, handed over, or run here step by step."""

from __future__ import annotations

import dataclasses
import datetime
import importlib
import importlib.util
import pathlib
import tempfile
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.markup import escape

from components.ride_example_gen.patterns import has_spans
from configs import loading
from configs.operations import Retraining
from configs.records import Record, RecordPart
from configs.run import RunConfig
from models.whole_files import write_whole
from pipeline import garbage
from pipeline.cloud.compiled import CompiledPipeline, check_suffix, write_compiled
from pipeline.cloud.settings import (
  TargetError,
  google_credentials,
  lacking,
  lacking_to_submit,
  platform_settings,
  refuse_lacking,
)
from pipeline.local import terminal
from pipeline.local.output import Below, OutputDirectory
from pipeline.local.steps import StepState
from pipeline.local.terminal import LiveView, plain_table, print_paths, right, show_table
from pipeline.options import overridden, print_json
from pipeline.sources import DataSource, DataSourceError, files_of, resolve_window, rides_of
from pipeline.targets import Target

if TYPE_CHECKING:
  from pipeline.rehearsal.buckets import Buckets


def compile_to_file(
  target: str, config: str | None, data: str | None, overrides: Sequence[str], output: str, as_json: bool = False
) -> None:
  """Writes the compiled pipeline to `output`, and says what it is.

  Raises `ConfigError`, `DataSourceError` or `TargetError` for a user's mistake.
  """
  where = Target(target)
  check_suffix(output, where)
  resolved = loading.load(config, overridden(overrides, data))
  _refuse_what_is_missing(resolved, where, submits=False)
  with terminal.captured() as console:
    console.quiet = as_json
    compiled = compile_checked(resolved, rides_of(resolved.dataset), where, console)
    try:
      write_compiled(compiled, pathlib.Path(output))
    except OSError as error:
      raise TargetError(f"'{output}' can't be written: {error.strerror}.") from None
    tasks, schema = sorted(compiled.spec['root']['dag']['tasks']), compiled.spec['schemaVersion']
    console.print(f'{output}: {compiled.name} for {target}, {len(tasks)} tasks, schema {schema}')
  if as_json:
    print_json({'file': output, 'pipeline': compiled.name, 'target': target, 'schema': schema, 'tasks': tasks})


_NO_KFP = "Cloud targets need Kubeflow's package, which is not installed: pip install 'farelite[kfp]'."


def _refuse_what_is_missing(config: RunConfig, target: Target, submits: bool) -> None:
  """Refuses, before TFX is loaded, all at once what a target needs and is not there.

  Raises `TargetError`; where the rides alone are missing, what `rides_of` raises.
  """
  platform = platform_settings(config.platform)
  found = list(lacking(platform, config.name))
  if submits:
    credentials = google_credentials() if target is Target.VERTEX else None
    found += lacking_to_submit(platform, target, credentials)
  if importlib.util.find_spec('kfp') is None:
    found.append(_NO_KFP)
  try:
    rides_of(config.dataset)
  except DataSourceError as error:
    if not found:
      raise
    found.append(str(error))
  refuse_lacking(found)


def compile_checked(config: RunConfig, source: DataSource, target: Target, console: Console) -> CompiledPipeline:
  """Compiles a config and refuses what the linter finds.

  Args: config: the whole run; its platform is completed from the environment.
  Raises `TargetError`, one sentence per finding.
  """
  platform = platform_settings(config.platform)
  if importlib.util.find_spec('kfp') is None:
    raise TargetError(_NO_KFP)
  with console.status('loading TFX …'), garbage.none_expected():
    terminal.prepare()
    from pipeline.cloud import compiler, lint
  compiled = compiler.compile_pipeline(config, source, platform, target)
  if findings := lint.lint(compiled):
    raise TargetError(f'{target.value} would refuse this pipeline:\n' + '\n'.join(f'  - {one}' for one in findings))
  return compiled


def submit(target: str, config: str | None, data: str | None, overrides: Sequence[str], as_json: bool = False) -> None:
  """Submits a run and prints where to watch it.

  Raises `UserError` for a user's mistake; `SubmissionError` where the backend refused, or can't be reached.
  """
  where = Target(target)
  resolved = loading.load(config, overridden(overrides, data))
  platform = platform_settings(resolved.platform)
  _refuse_what_is_missing(resolved, where, submits=True)
  with terminal.captured() as console:
    console.quiet = as_json
    source = rides_of(resolved.dataset)
    if not where.facts.has_driver:
      source = _with_spans(source, resolved.retraining, console)
    compiled = compile_checked(resolved, source, where, console)
    with console.status(f'submitting to {target} …'):
      submission = importlib.import_module(f'pipeline.cloud.{target}').submit(compiled, platform)
    console.print(f'{submission.name} is on its way: {submission.link}')
  if as_json:
    print_json({'run': submission.name, 'pipeline': compiled.name, 'target': target, 'link': submission.link})


def _with_spans(source: DataSource, retraining: Retraining, console: Console) -> DataSource:
  """The source with the spans that this run reads filled in, as no driver does so in the cluster."""
  if not has_spans(source.pattern):
    return source
  terminal.prepare()
  with console.status('looking for spans …'):
    source, found = resolve_window(source, retraining.window, exclude=retraining.exclude)
  if found is not None:
    console.print(f'rides: {found.name()}')
    for note in found.notes():
      console.print(f' [cyan]i[/] {escape(note)}')
  return source


class RehearsedTask(RecordPart):
  """A task of a rehearsal.

  Attributes:
    start_up_seconds: until TFX handed over to the executor; `None` where no process ran, or another one.
    left_behind: files that the task wrote where nothing finds them.
  """

  name: str
  state: StepState
  seconds: float
  start_up_seconds: float | None
  left_behind: tuple[str, ...]


class RehearsalRecord(Record):
  """What `rehearsal.json` holds.

  Attributes:
    status: `complete` or `failed`.
    reason: why it failed.
    target: vertex or kfp.
    pushed: URI of the version that was pushed.
    seconds: wall time of the whole.
  """

  status: str
  reason: str | None
  target: Target
  run: str
  pushed: str | None
  logs: str
  steps: tuple[RehearsedTask, ...]
  seconds: float


@dataclasses.dataclass(frozen=True)
class RehearsalDirectory:
  """Where a rehearsal keeps what, below an absolute `path`."""

  path: pathlib.Path

  @property
  def buckets(self) -> Buckets:
    """One folder per bucket."""
    from pipeline.rehearsal.buckets import Buckets  # Brings kfp along, which may not be installed.

    return Buckets(self.path / 'buckets')

  image = Below('image')
  """What stands for the container image."""
  summary = Below('rehearsal.json')
  """What the last rehearsal came to."""

  def spec(self, target: Target) -> pathlib.Path:
    """The compiled pipeline."""
    return self.path / f'{target.value}{target.facts.suffixes[0]}'

  def executions(self, target: Target) -> pathlib.Path:
    """What all rehearsals of a target made."""
    return self.path / f'executions-{target.value}.jsonl'


def rehearse(
  target: Target,
  config: RunConfig,
  output: OutputDirectory,
  parallel: int,
  mounted: bool = False,
  as_json: bool = False,
) -> int:
  """Compiles, rehearses, shows what came of it.

  What the config leaves open about the platform is filled in. A second rehearsal finds what the first one made.

  Args:
    parallel: containers at a time.
    mounted: whether the pipeline root is taken for a mounted volume: nobody makes folders for the steps.
    as_json: whether the record is printed, and nothing else.
  Returns the exit code: 0, or 1 where a task failed.
  """
  start = time.monotonic()
  directory = RehearsalDirectory(output.path)
  run_id = f'{datetime.datetime.now():%Y%m%d%H%M%S}'
  logs = output.logs / run_id
  logs.mkdir(parents=True, exist_ok=True)
  with terminal.captured(logs / 'rehearsal.log') as console:
    console.quiet = as_json
    from pipeline.rehearsal import dag_runner, image, spec
    from pipeline.rehearsal.invocation import ArtifactStore
    from pipeline.rehearsal.task_runner import Rehearsal

    source = dag_runner.staged(files_of(config.dataset, 'A rehearsal'), directory.buckets)
    filled_in = _filled_in(config, source, f'{dag_runner.BUCKET}/pipeline')
    compiled = compile_checked(filled_in, source, target, console)
    write_compiled(compiled, directory.spec(target))
    console.rule(
      f'[bold]{compiled.name}[/bold] for {target.value}, schema {compiled.spec["schemaVersion"]}', style='dim'
    )
    with console.status('building the wheel …'):
      built = image.build(directory.image)
    with tempfile.TemporaryDirectory(prefix='farelite-') as scratch, LiveView(console) as view:
      stage = Rehearsal(
        target=target,
        run=run_id,
        pipeline=spec.load(directory.spec(target)),
        image=built,
        buckets=directory.buckets,
        store=ArtifactStore(directory.executions(target), target),
        scratch=pathlib.Path(scratch),
        logs=logs,
        variables=image.variables(),
        mounted=mounted,
      )
      steps = dag_runner.run_tasks(stage, view, parallel)
    summary = _summary(stage, steps, round(time.monotonic() - start, 1))
    write_whole(directory.summary, summary.to_json() + '\n')
    _show(console, summary, directory)
  if as_json:
    print_json(summary.to_dict())
  return 0 if summary.status == 'complete' else 1


def _filled_in(config: RunConfig, source: DataSource, default_root: str) -> RunConfig:
  platform = platform_settings(config.platform)
  root, image = platform.pipeline_root or default_root, platform.image or 'farelite:rehearsal'
  platform = platform.model_copy(update={'image': image, 'pipeline_root': root})
  dataset = config.dataset.model_copy(update={'path': f'{source.base}/{source.pattern}'})
  return config.model_copy(update={'dataset': dataset, 'platform': platform})


def _summary(stage: Any, steps: list[Any], seconds: float) -> RehearsalRecord:
  """What the rehearsal came to."""
  failures = [step.failure for step in steps if step.failure]
  pushes = [output for step in steps for output in step.step.outputs.get('pushed_model', ())]
  pushed = next((str(push.properties['pushed_destination']) for push in pushes if push.properties.get('pushed')), None)
  return RehearsalRecord(
    status='failed' if failures else 'complete',
    reason=' '.join(failures) or None,
    target=stage.target,
    run=stage.run,
    pushed=pushed,
    logs=str(stage.logs),
    steps=tuple(
      RehearsedTask(
        name=step.step.name,
        state=step.step.state,
        seconds=round(step.step.seconds, 2),
        start_up_seconds=step.outcome and step.outcome.start_up_seconds,
        left_behind=tuple(step.outcome.left_behind) if step.outcome else (),
      )
      for step in steps
    ),
    seconds=seconds,
  )


def _show(console: Console, summary: RehearsalRecord, directory: RehearsalDirectory) -> None:
  table = plain_table(f'{summary.target.value}, run {summary.run}', *right('state', 'seconds', 'start-up'))
  for step in summary.steps:
    start_up = step.start_up_seconds
    table.add_row(step.name, step.state.value, f'{step.seconds:.1f}', f'{start_up:.1f}' if start_up else '')
  console.print()
  show_table(console, table)
  for step in summary.steps:
    if step.left_behind:
      files = ', '.join(step.left_behind[:3])
      console.print(f' [yellow]![/] {step.name} leaves {escape(files)} in its pod, where nothing finds it.')
  color = 'green' if summary.status == 'complete' else 'red'
  result = summary.reason or (f'pushed {summary.pushed}.' if summary.pushed else 'nothing was pushed.')
  console.print(f'\n[bold {color}]{summary.status}[/] in {summary.seconds:.0f} s: {escape(result)}')
  spec, buckets = directory.spec(summary.target), directory.buckets.folder
  print_paths(console, {'spec': spec, 'buckets': buckets, 'logs': summary.logs, 'summary': directory.summary})
