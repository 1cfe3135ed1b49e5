"""What `farelite rehearse` does: compiles for a target, then runs every task of the spec in a process of its own."""

from __future__ import annotations

import dataclasses
import datetime
import pathlib
import tempfile
import time
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from configs.records import Record, RecordPart
from configs.run import RunConfig
from models.whole_files import write_whole
from pipeline import environment, log_files
from pipeline.data_source import DataSource, files_of
from pipeline.live_view import LiveView
from pipeline.output_directory import OutputDirectory
from pipeline.rehearsal.buckets import Buckets
from pipeline.rehearsal.staging import BUCKET, staged
from pipeline.steps import StepState
from pipeline.targets.compiled import SUFFIXES, CompiledPipeline, write_compiled
from pipeline.targets.places import TargetError, platform_settings
from pipeline.targets.target import Target

_IMAGE = 'farelite:rehearsal'


class RehearsedTask(RecordPart):
  """A task of a rehearsal.

  Attributes:
    name: of the task.
    state: how it ended.
    seconds: wall time.
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
    run: its id.
    pushed: URI of the version that was pushed.
    logs: folder of its logs.
    steps: the tasks that ended.
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
  """Where a rehearsal keeps what.

  Attributes:
    path: an absolute directory; all else lies below.
  """

  path: pathlib.Path

  @property
  def buckets(self) -> Buckets:
    """One folder per bucket."""
    return Buckets(self.path / 'buckets')

  @property
  def image(self) -> pathlib.Path:
    """What stands for the container image."""
    return self.path / 'image'

  @property
  def summary(self) -> pathlib.Path:
    """What the last rehearsal came to."""
    return self.path / 'rehearsal.json'

  def spec(self, target: Target) -> pathlib.Path:
    """The compiled pipeline."""
    return self.path / f'{target.value}{SUFFIXES[target][0]}'

  def executions(self, target: Target) -> pathlib.Path:
    """What all rehearsals of a target made."""
    return self.path / f'executions-{target.value}.jsonl'


def run(target: Target, config: RunConfig, output: OutputDirectory, parallel: int) -> int:
  """Compiles, rehearses, tells.

  Args:
    target: vertex or kfp.
    config: what to run; what it leaves open about the platform is filled in.
    output: everything goes below; a second rehearsal finds what the first one made.
    parallel: containers at a time.

  Returns:
    The exit code: 0, or 1 where a task failed.

  Raises:
    UserError: a user's mistake.
  """
  start = time.monotonic()
  directory = RehearsalDirectory(output.path)
  buckets = directory.buckets
  run_id = f'{datetime.datetime.now():%Y%m%d%H%M%S}'
  logs = output.logs / run_id
  logs.mkdir(parents=True, exist_ok=True)
  with log_files.captured(logs / 'rehearsal.log') as console:
    with console.status('compiling …'):
      compiled = _compiled(config, staged(files_of(config.dataset, 'A rehearsal'), buckets), target)
      write_compiled(compiled, directory.spec(target))
    console.rule(
      f'[bold]{compiled.name}[/bold] for {target.value}, schema {compiled.spec["schemaVersion"]}', style='dim'
    )
    with tempfile.TemporaryDirectory(prefix='farelite-') as scratch:
      stage, steps = _rehearse(directory, target, run_id, logs, pathlib.Path(scratch), console, parallel)
    summary = _summary(stage, steps, round(time.monotonic() - start, 1))
    write_whole(directory.summary, summary.to_json() + '\n')
    _show(console, summary, directory)
  return 0 if summary.status == 'complete' else 1


def _compiled(config: RunConfig, source: DataSource, target: Target) -> CompiledPipeline:
  environment.prepare()
  from pipeline.targets import kubeflow_compiler, kubeflow_lint

  platform = platform_settings(config.platform)
  root = platform.pipeline_root or f'{BUCKET}/pipeline'
  dataset = config.dataset.model_copy(update={'path': f'{source.base}/{source.pattern}'})
  config = config.model_copy(update={'dataset': dataset})
  platform = platform.model_copy(update={'image': platform.image or _IMAGE, 'pipeline_root': root})
  compiled = kubeflow_compiler.compile_pipeline(config, source, platform, target)
  findings = kubeflow_lint.lint(compiled)
  if findings:
    raise TargetError(f'{target.value} would refuse this pipeline:\n' + '\n'.join(f'  - {one}' for one in findings))
  return compiled


def _rehearse(
  directory: RehearsalDirectory,
  target: Target,
  run_id: str,
  logs: pathlib.Path,
  scratch: pathlib.Path,
  console: Console,
  parallel: int,
) -> tuple[Any, list[Any]]:
  """The stage, and its tasks that ended."""
  from pipeline.rehearsal import dag_runner, image, kubeflow_spec
  from pipeline.rehearsal.artifact_store import ArtifactStore
  from pipeline.rehearsal.task_runner import Rehearsal

  with console.status('building the wheel …'):
    built = image.build(directory.image)
  stage = Rehearsal(
    target=target,
    run=run_id,
    pipeline=kubeflow_spec.load(directory.spec(target)),
    image=built,
    buckets=directory.buckets,
    store=ArtifactStore(directory.executions(target), target),
    scratch=scratch,
    logs=logs,
    variables=image.variables(),
  )
  with LiveView(console) as view:
    return stage, dag_runner.run_tasks(stage, view, parallel)


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
  table = Table(box=None, padding=(0, 2, 0, 0), header_style='dim')
  table.add_column(f'{summary.target.value}, run {summary.run}')
  for name in ('state', 'seconds', 'start-up'):
    table.add_column(name, justify='right')
  for step in summary.steps:
    start_up = step.start_up_seconds
    table.add_row(step.name, step.state.value, f'{step.seconds:.1f}', f'{start_up:.1f}' if start_up else '')
  console.print()
  console.print(table)
  for step in summary.steps:
    if step.left_behind:
      files = ', '.join(step.left_behind[:3])
      console.print(f' [yellow]![/] {step.name} leaves {escape(files)} in its pod, where nothing finds it.')
  color = 'green' if summary.status == 'complete' else 'red'
  console.print(f'\n[bold {color}]{summary.status}[/] in {summary.seconds:.0f} s{_result(summary)}')
  paths = Table.grid(padding=(0, 2))
  for name, path in (
    ('spec', directory.spec(summary.target)),
    ('buckets', directory.buckets.folder),
    ('logs', summary.logs),
    ('summary', directory.summary),
  ):
    paths.add_row(f'[dim]{name}[/dim]', _relative(str(path)))
  console.print(paths)


def _result(summary: RehearsalRecord) -> str:
  if summary.reason:
    return f': {escape(summary.reason)}'
  if summary.pushed:
    return f': pushed {summary.pushed}.'
  return ': nothing was pushed.'


def _relative(path: str) -> str:
  """The path from here, where it lies below."""
  try:
    return str(pathlib.Path(path).relative_to(pathlib.Path.cwd()))
  except ValueError:
    return path
