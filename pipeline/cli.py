"""The `farelite` command. Imports nothing heavy before a command needs it."""

from __future__ import annotations

import datetime
import os
import sys
from typing import Any

import click

from configs.errors import UserError
from pipeline import errors, garbage
from pipeline.examples import EXAMPLES
from pipeline.options import (
  CONFIG,
  DATA,
  FAIL_UNLESS_PUSHED,
  JSON,
  OUTPUT,
  QUIET,
  SET,
  SHOW_CONFIG,
  WINDOW,
  overridden,
  refuse_idle,
)
from pipeline.targets import CLOUD_TARGETS

_WAIT = click.option('--wait', is_flag=True, help='Wait for a run on the same output, instead of being refused.')


_DATA_ON_STDOUT = frozenset({'predict'})
"""Commands that have nothing more to do once nobody reads what they print."""


class _Command(click.Command):
  """A command whose words say something, and which nobody stops by closing its standard output."""

  def invoke(self, ctx: click.Context) -> Any:
    for parameter in self.params:
      value = ctx.params.get(parameter.name or '')
      if any(isinstance(word, str) and not word.strip() for word in (value if isinstance(value, tuple) else (value,))):
        name = parameter.opts[0] if isinstance(parameter, click.Option) else parameter.human_readable_name
        raise UserError(f'{name} is empty; say what it should be{"" if parameter.required else ", or leave it out"}.')
    if self.name in _DATA_ON_STDOUT:
      try:
        return super().invoke(ctx)
      except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # For what is still to be flushed.
        return None
    from pipeline.local.terminal import lasting_output

    with lasting_output():
      return super().invoke(ctx)

  def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
    _write_examples(ctx, formatter)


def _write_examples(ctx: click.Context, formatter: click.HelpFormatter) -> None:
  """Each example under what it is for, in lines that are copied as they are."""
  words: list[str] = []
  while ctx.parent is not None:
    words.insert(0, ctx.info_name or '')
    ctx = ctx.parent
  with formatter.section('Examples'):
    for example in EXAMPLES.get(' '.join(words), ()):
      formatter.write_text(f'# {example.what}')
      formatter.write(f'{"":>{formatter.current_indent}}farelite {example.line}\n')


class _Section(click.Group):
  """Commands under one word."""

  command_class = _Command

  def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
    _write_examples(ctx, formatter)


class _Group(_Section):
  """The one handler of every command's errors; suggests no hidden options where one is misspelled."""

  def invoke(self, ctx: click.Context) -> Any:
    garbage.left_at_exit()
    try:
      with errors.ended_by_signals():
        return super().invoke(ctx)
    except click.NoSuchOption as error:
      if error.ctx and error.possibilities:
        options = [option for option in error.ctx.command.params if isinstance(option, click.Option) and option.hidden]
        hidden = {name for option in options for name in option.opts}
        error.possibilities[:] = [name for name in error.possibilities if name not in hidden]
      raise
    except (Exception, KeyboardInterrupt) as error:
      known = errors.message_and_exit_code(error)
      if known is None:
        raise
      message, exit_code = known
      click.echo(message, err=True)
      raise click.exceptions.Exit(exit_code) from error


@click.group(cls=_Group, context_settings={'help_option_names': ['-h', '--help'], 'max_content_width': 110})
@click.version_option(package_name='farelite')
def main() -> None:
  """Taxi rides in, a fare model small enough for a phone out."""


@main.command()
@click.argument('words', nargs=-1, metavar='[DIR_OR_CONFIG] | show RUN_OR_VERSION [DIR_OR_CONFIG]')
@JSON
def runs(words: tuple[str, ...], as_json: bool) -> None:
  """List the runs of an output directory or a config, or show what a run or version was made of.

  `farelite runs out/nyc` lists runs, models, blessings, and what serves now. `farelite runs show 1795769719 out/nyc`
  follows a version back to its rides, code and config.
  """
  from pipeline.commands import operations

  first, *others = words or (None,)
  if len(others) not in ((1, 2) if first == 'show' else (0,)):
    raise UserError('farelite runs takes [DIR_OR_CONFIG], or show RUN_OR_VERSION [DIR_OR_CONFIG].')
  if first == 'show':
    operations.show(others[0], others[1] if len(others) > 1 else None, as_json)
  else:
    operations.list_runs(first, as_json)


@main.command()
@click.argument('directory', metavar='DIR')
@click.option('--to', type=click.IntRange(1), metavar='VERSION', help='What to put back; by default the one before.')
@click.option('--reason', required=True, help='Why; kept in the metadata store and beside the versions.')
@JSON
def rollback(directory: str, to: int | None, reason: str, as_json: bool) -> None:
  """Let an earlier pushed version of the output directory DIR serve again, under a new number."""
  from pipeline.commands import operations

  operations.roll_back(directory, to, reason, as_json)


@main.command()
@click.argument('directory', metavar='DIR')
@click.option('--dry-run', is_flag=True, help='Only say what would be removed.')
@_WAIT
@click.option('--set', 'overrides', metavar='A.B=C', multiple=True, help='Override a limit, such as retention.runs=5.')
@JSON
def prune(**options: Any) -> None:
  """Remove old runs and versions from the output directory DIR, as `retention` of its config says.

  What serves, and the artifacts that it was made of, always stays.
  """
  from pipeline.commands import operations

  operations.prune(**options)


@main.command()
@CONFIG
@DATA
@OUTPUT
@WINDOW
@click.option('--force', is_flag=True, help='Run whatever the triggers say.')
@click.option('--from', 'first', metavar='SPAN', help='Run past spans in order, from this day or number on …')
@click.option('--to', 'last', metavar='SPAN', help='… to this one; what has been run is passed over.')
@click.option('--now', metavar='TIME', envvar='FARELITE_NOW', hidden=True, help='The time of the decision, for tests.')
@SET
@QUIET
@SHOW_CONFIG
@FAIL_UNLESS_PUSHED
@JSON
def retrain(
  config: str | None,
  data: str | None,
  output: str | None,
  window: int | None,
  force: bool,
  first: str | None,
  last: str | None,
  now: str | None,
  overrides: tuple[str, ...],
  **manner: bool,
) -> None:
  """Decide by retraining.triggers whether to train again, and do it: what a timer calls.

  While another run holds the output, this one has nothing to do.
  """
  from configs import loading
  from pipeline import sources
  from pipeline.commands.session import NOT_PUSHED, Manner
  from pipeline.local import output as local_output
  from pipeline.notifying.outcome import failures_told

  moment = _moment(now)
  if (first is None) != (last is None):
    raise UserError('A back-fill needs both --from and --to.')
  if first is not None:
    refuse_idle({'--force': force}, 'in a back-fill (--from, --to), which runs whatever the triggers say')
  resolved, shown = loading.load(config, overridden(overrides, data, window)), Manner(**manner)
  place = output or f'out/{resolved.name}'
  try:
    with failures_told(resolved, place):
      source = sources.files_of(resolved.dataset, 'farelite retrain')
      directory = local_output.prepare(place)
      with local_output.locked(directory):
        from pipeline.commands import retrain as commands_retrain

        if first is not None and last is not None:
          code = commands_retrain.back_fill(resolved, source, directory, first, last, moment, shown)
        else:
          code = commands_retrain.run(resolved, source, directory, moment, force, shown)
  except local_output.BusyError as error:
    click.echo(f'No run: another one is on its way. {error}', err=shown.as_json)
    code = NOT_PUSHED if shown.fail_unless_pushed else 0
  sys.exit(code)


def _moment(text: str | None) -> datetime.datetime:
  if text is None:
    return datetime.datetime.now(datetime.timezone.utc)
  try:
    moment = datetime.datetime.fromisoformat(text)
  except ValueError:
    raise UserError(f"--now takes a time such as 2026-03-08T03:00:00-04:00, got '{text}'.") from None
  if moment.tzinfo is None:
    raise UserError(f"--now needs an offset, such as {text}+00:00, got '{text}'.")
  return moment


_SCHEDULE_TARGET = click.option(
  '--target',
  type=click.Choice(['local', 'kfp', 'vertex']),
  default='local',
  show_default=True,
  help='Who looks at the clock: systemd on this machine, Kubeflow Pipelines, or Vertex AI.',
)
_UNITS = click.option(
  '--units', metavar='DIR', help="Where local units are; where the user's systemd looks by default."
)


@main.group(cls=_Section)
def schedule() -> None:
  """Retrain by the clock, on a cron expression with a time zone."""


@schedule.command()
@click.option('--cron', 'expression', metavar='CRON', required=True, help="Five fields, such as '0 3 * * *'.")
@click.option('--time-zone', 'zone', metavar='ZONE', required=True, help='An IANA name, such as America/New_York.')
@_SCHEDULE_TARGET
@click.option('--name', metavar='NAME', help="Of the schedule; the config's by default.")
@CONFIG
@DATA
@OUTPUT
@WINDOW
@_UNITS
@click.option('--cluster-time-zone', 'cluster_zone', metavar='ZONE', help="A Kubeflow cluster's clock; UTC by default.")
@click.option(
  '--crontab',
  is_flag=True,
  help='Print a line for crontab -e instead, for machines without systemd; makes the output directory, for its lock.',
)
@SET
def create(target: str, data: str | None, window: int | None, overrides: tuple[str, ...], **schedule: Any) -> None:
  """Create a schedule, and show when it fires next."""
  from pipeline.commands import schedule as commands_schedule
  from pipeline.schedule.cron import ScheduleTarget

  commands_schedule.create(ScheduleTarget(target), overrides=overridden(overrides, data, window), **schedule)


@schedule.command('list')
@_SCHEDULE_TARGET
@CONFIG
@_UNITS
@SET
@JSON
def list_(as_json: bool, **options: Any) -> None:
  """List schedules."""
  from pipeline.commands import schedule as commands_schedule

  commands_schedule.show(commands_schedule.keeper(**options), as_json)


def _changing(verb: str, does: str) -> click.Command:
  @click.argument('name')
  @_SCHEDULE_TARGET
  @CONFIG
  @_UNITS
  @SET
  def command(name: str, **options: Any) -> None:
    from pipeline.commands import schedule as commands_schedule

    commands_schedule.change(commands_schedule.keeper(**options), verb, name)

  return click.command(verb, cls=_Command, help=does)(command)


schedule.add_command(_changing('pause', 'Let a schedule fire no more, for now; a run on its way goes on.'))
schedule.add_command(_changing('resume', 'Let a paused schedule fire again.'))
schedule.add_command(_changing('delete', 'Remove a schedule; a run on its way goes on.'))


@main.command()
@CONFIG
@DATA
@OUTPUT
@WINDOW
@_WAIT
@click.option('--force', is_flag=True, help='Run though nothing has changed since the last run.')
@SET
@QUIET
@SHOW_CONFIG
@FAIL_UNLESS_PUSHED
@JSON
def run(
  config: str | None,
  data: str | None,
  output: str | None,
  window: int | None,
  wait: bool,
  force: bool,
  overrides: tuple[str, ...],
  **manner: bool,
) -> None:
  """Run the whole pipeline: ingest, validate, train, evaluate, push; where nothing has changed, say so."""
  from configs import loading
  from pipeline import sources
  from pipeline.commands import run as commands_run
  from pipeline.commands.session import Manner
  from pipeline.local import output as local_output
  from pipeline.notifying.outcome import failures_told

  resolved = loading.load(config, overridden(overrides, data, window))
  place = output or f'out/{resolved.name}'
  with failures_told(resolved, place):
    source = sources.rides_of(resolved.dataset)
    directory = local_output.prepare(place)
    with local_output.locked(directory, wait):
      code = commands_run.run(resolved, source, directory, force, Manner(**manner))
  sys.exit(code)


@main.command()
@CONFIG
@SET
@OUTPUT
@click.option(
  '--event',
  type=click.Choice(['pushed', 'not_blessed', 'anomalies', 'failed', 'nothing_new', 'stale']),
  default='failed',
  show_default=True,
  help='What is told.',
)
@click.option('--reason', help='The sentence that is sent.')
@click.option('--if-killed', is_flag=True, help='Send only where a run was killed and could not tell it itself.')
def notify(**options: Any) -> None:
  """Send a notification as the config's notify section says: to try it, or after a run that was killed."""
  from pipeline.commands import notify as commands_notify

  commands_notify.run(**options)


@main.command()
@click.argument('rides')
@click.option('--output', metavar='F', help='The config to write; NAME.yaml by default.')
@click.option('--name', metavar='NAME', help="Of the dataset; the file's name by default.")
@click.option(
  '--column', 'columns', metavar='PART=NAME', multiple=True, help='A column that is not to be guessed; may be repeated.'
)
@click.option('--yes', is_flag=True, help='Take every guess and ask nothing, as where there is no terminal.')
@click.option('--force', is_flag=True, help='Write over a file that is there.')
def init(**options: Any) -> None:
  """Write a commented config for RIDES, a CSV or Parquet file or a glob, after a look at the first file.

  Columns, time format, clock, delimiter, numbers, bounds and fares are guessed; what was unsure is a comment.
  """
  from pipeline.commands import init as commands_init

  commands_init.run(**options)


@main.command()
@CONFIG
@DATA
@WINDOW
@SET
@JSON
def check(config: str | None, data: str | None, window: int | None, overrides: tuple[str, ...], as_json: bool) -> None:
  """Read all rides and say what a run would keep, set aside, warn of and refuse; train nothing.

  Exit code 0 if a run would go on to train, 2 if not.
  """
  from configs import loading
  from pipeline import sources
  from pipeline.commands import check as commands_check

  resolved = loading.load(config, overridden(overrides, data, window))
  commands_check.run(resolved, sources.files_of(resolved.dataset, 'farelite check'), as_json)


@main.group('config', cls=_Section)
def config_() -> None:
  """Say what the settings are, and what each of them means."""


@config_.command('show')
@click.argument('key', required=False)
@click.option('--config', metavar='F', help='Show the values of this one too: a YAML file, or the name of a preset.')
@SET
@click.option('--json', 'as_json', is_flag=True, help='As JSON.')
@click.option('--markdown', is_flag=True, help='Print every setting as Markdown; docs/config.md is this.')
def show_setting(**options: Any) -> None:
  """Show a setting's type, unit, default and meaning, or what a section holds; without KEY, the sections."""
  from pipeline.commands import config as commands_config

  commands_config.show(**options)


@config_.command('schema')
@click.option('--output', metavar='F', help='Write it to a file; standard output by default.')
def schema_(output: str | None) -> None:
  """Print the JSON schema of a config, by which editors complete and check one."""
  from pipeline.commands import config as commands_config

  commands_config.write_schema(output)


@main.command()
@CONFIG
@SET
@JSON
def features(config: str | None, overrides: tuple[str, ...], as_json: bool) -> None:
  """List the features of a config, with meaning and unit."""
  from configs import loading
  from pipeline.commands import doctor as commands_doctor

  commands_doctor.show(loading.load(config, overrides), as_json)


@main.command()
@click.argument('model')
@click.argument('rides', nargs=-1, required=True)
@click.option('--config', metavar='F', help="The rides' columns: a YAML file or a preset; kept beside a pushed model.")
@SET
@click.option('--output', metavar='F', help='*.csv or *.parquet; CSV on standard output by default.')
@click.option(
  '--shards',
  type=click.Choice(['csv', 'parquet']),
  help='Predict on the Beam engine of --config and --set beam.…; --output is then a new folder of such files.',
)
@click.option('--threads', type=click.IntRange(1, 256), metavar='N', help='Threads; one for each core by default.')
def predict(**options: Any) -> None:
  """Predict the fares of RIDES (CSV or Parquet files, or globs) by MODEL (a pushed directory or a .tflite).

  Every row keeps its place. One that is not a valid ride has an empty prediction and a reason.
  """
  from pipeline.commands import predict as commands_predict

  commands_predict.run(**options)


@main.command()
@click.argument('place', metavar='VERSION_OR_DIR')
@click.option('--host', metavar='ADDRESS', help='127.0.0.1 by default; 0.0.0.0 where AIP_HTTP_PORT is set.')
@click.option('--port', type=click.IntRange(1, 65535), metavar='N', help='AIP_HTTP_PORT, or 8080, by default.')
@click.option(
  '--poll',
  type=click.FloatRange(0.05),
  default=5.0,
  show_default=True,
  help='Seconds between looks for a newer version.',
)
@click.option(
  '--drain', type=click.FloatRange(0), default=5.0, show_default=True, help='Seconds to go on after SIGTERM, not ready.'
)
@click.option(
  '--threads', type=click.IntRange(1, 256), default=1, show_default=True, help='For large requests, at the same time.'
)
@click.option(
  '--allow-origin',
  'origins',
  metavar='ORIGIN',
  multiple=True,
  help='A page that may ask from a browser; may be repeated.',
)
def serve(**options: Any) -> None:
  """Answer requests for fares over HTTP, by a pushed version or by the newest sound one of a directory of versions.

  As Vertex AI's custom containers do: {"instances": [...]} gives {"predictions": [...]}, and AIP_* variables are heard.
  """
  from pipeline.commands import serve as commands_serve

  commands_serve.run(**options)


@main.command()
@click.argument('directory', metavar='DIR')
@click.option(
  '--against', metavar='B', help='Compare with another run instead: a version or a run of DIR, or an output directory.'
)
@JSON
def report(directory: str, against: str | None, as_json: bool) -> None:
  """Write the report of the run in DIR again, from what it left on disk.

  DIR/runs has a folder of each run by its id, which is a DIR, too. A version stands for the run that pushed it.
  """
  from pipeline.commands import report as commands_report

  commands_report.run(directory, against, as_json)


@main.command()
@click.argument('directory', metavar='DIR')
@click.option('--json', 'as_json', is_flag=True, help='Everything, as JSON; writes no page.')
def history(directory: str, as_json: bool) -> None:
  """Write a page of all runs of DIR: errors, sizes, rows, drift, and what served after each."""
  from pipeline.commands import history as commands_history

  commands_history.run(directory, as_json)


@main.command()
@click.argument('directory', metavar='DIR')
@click.option('--fares', metavar='GLOB', required=True, help='Rides with their fares: a path or a glob.')
@click.option('--predictions', metavar='F', help='A log of farelite predict for these rides; found by key, or by row.')
@JSON
@click.option('--retrain', is_flag=True, help='Let the next farelite retrain run where something is beyond.')
@click.option('--now', metavar='TIME', envvar='FARELITE_NOW', hidden=True, help='The time of the verdict, for tests.')
def monitor(now: str | None, **options: Any) -> None:
  """Hold fares that came in later against what was predicted, and against what the gate promised of that version.

  By day and by slice. Without --predictions the versions that served then are run again. Exit code 3 if a day or a
  slice is surely beyond what was promised, 0 if none is.
  """
  from pipeline.commands import monitor as commands_monitor

  sys.exit(commands_monitor.run(now=_moment(now), **options))


@main.command()
@click.argument('model')
@click.option('--output', metavar='F', default='fare.html', show_default=True, help='The page to write.')
@click.option('--server', metavar='URL', help='Ask this server for the same fare, too, such as http://127.0.0.1:8080.')
def page(model: str, output: str, server: str | None) -> None:
  """Write a page that runs MODEL (a pushed version, or the directory of the versions) in a browser, and nothing else.

  The page needs no server and no network: LiteRT.js and the model are inside.
  """
  from pipeline.commands import page as commands_page

  commands_page.run(model, output, server)


_TARGET = click.option(
  '--target',
  type=click.Choice([target.value for target in CLOUD_TARGETS]),
  required=True,
  help=', or '.join(f'{target.facts.title} {target.facts.version}'.strip() for target in CLOUD_TARGETS) + '.',
)
_TAKEN = ', '.join(f'*{target.facts.suffixes[0]} for {target.value}' for target in CLOUD_TARGETS) + '.'
_DATA = click.option('--data', metavar='GLOB', help='Rides in a bucket; dataset.path by default.')


@main.command('compile')
@_TARGET
@CONFIG
@_DATA
@SET
@click.option('--output', metavar='F', required=True, help=_TAKEN)
@JSON
def compile_(**options: Any) -> None:
  """Write the pipeline as Vertex AI or Kubeflow Pipelines takes it, checked."""
  from pipeline.commands import cloud

  cloud.compile_to_file(**options)


@main.command()
@_TARGET
@CONFIG
@_DATA
@SET
@JSON
def submit(**options: Any) -> None:
  """Start a run on Vertex AI or Kubeflow Pipelines."""
  from pipeline.commands import cloud

  cloud.submit(**options)


@main.command()
@CONFIG
@click.option('--data', metavar='GLOB', help='Rides to read: a path or a glob.')
@click.option('--output', metavar='DIR', help='Where everything goes; out/NAME-study by default.')
@SET
@click.option('--quick', is_flag=True, help='Every question roughly: one seed, two folds, fewer variants.')
@click.option('--only', 'blocks', metavar='BLOCK', multiple=True, help='Only this block of the study; may be repeated.')
@click.option(
  '--markdown', is_flag=True, help='Measure nothing; print the tables of the study in --output as Markdown.'
)
@JSON
def study(
  config: str | None,
  data: str | None,
  output: str | None,
  overrides: tuple[str, ...],
  quick: bool,
  blocks: tuple[str, ...],
  markdown: bool,
  as_json: bool,
) -> None:
  """Measure what each technique is worth: features, reductions, embeddings, compression, reference models.

  Cross-validation by time stamp, over several seeds. A study that was stopped goes on where it stopped.
  """
  from configs import loading
  from pipeline import sources
  from pipeline.commands import study as commands_study
  from pipeline.local import output as local_output

  if markdown:
    refuse_idle({'--data': data, '--quick': quick, '--json': as_json}, 'with --markdown, which measures nothing')
    refuse_idle({'--set': overrides and output}, 'with --markdown and --output')
    commands_study.print_markdown(output or f'out/{loading.load(config, overrides).name}-study', blocks)
    return
  settings = commands_study.overrides(overrides, data, quick, blocks)
  resolved = loading.load(config, settings)
  commands_study.check(resolved)
  directory = local_output.prepare(output or f'out/{resolved.name}-study')
  with local_output.locked(directory):
    commands_study.run(resolved, sources.files_of(resolved.dataset, 'farelite study'), directory, as_json)


@main.command()
@_TARGET
@CONFIG
@click.option('--data', metavar='GLOB', help="Rides of this machine; they are put into the rehearsal's bucket.")
@SET
@click.option('--output', metavar='DIR', help='Where everything goes; out/rehearsal-TARGET by default.')
@click.option('--parallel', type=click.IntRange(1, 64), default=2, show_default=True, help='Containers at a time.')
@click.option('--mounted', is_flag=True, help='Buckets are mounted volumes: nobody makes folders for the steps.')
@_WAIT
@JSON
def rehearse(
  target: str,
  config: str | None,
  data: str | None,
  overrides: tuple[str, ...],
  output: str | None,
  parallel: int,
  mounted: bool,
  wait: bool,
  as_json: bool,
) -> None:
  """Run the compiled pipeline as pods would, without a cluster: each container command in its own process."""
  from configs import loading
  from pipeline.commands import cloud
  from pipeline.local import output as local_output
  from pipeline.targets import Target

  resolved = loading.load(config, overridden(overrides, data))
  directory = local_output.prepare(output or f'out/rehearsal-{target}')
  with local_output.locked(directory, wait):
    code = cloud.rehearse(Target(target), resolved, directory, parallel, mounted, as_json)
  sys.exit(code)


@main.command()
@click.option('--imports', is_flag=True, help='Load TensorFlow, Beam and ML Metadata too, and let each do something.')
@JSON
def doctor(imports: bool, as_json: bool) -> None:
  """Check what is wrong with this machine, and how to fix it."""
  from pipeline.commands import doctor as commands_doctor

  sys.exit(commands_doctor.run(imports, as_json))
