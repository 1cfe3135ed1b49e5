"""The `farelite` command. Imports nothing heavy before a command needs it."""

from __future__ import annotations

import sys
from typing import Any

import click

from pipeline import errors, operations_cli
from pipeline.options import CONFIG as _CONFIG
from pipeline.options import DATA, OUTPUT, WINDOW, overridden
from pipeline.options import SET as _SET
from pipeline.retrain_cli import retrain
from pipeline.schedule_cli import schedule

_WAIT = click.option('--wait', is_flag=True, help='Wait for another run on the same output, instead of being refused.')


class _Group(click.Group):
  """The one handler of every command's errors; suggests no hidden options where one is misspelled."""

  def invoke(self, ctx: click.Context) -> Any:
    try:
      return super().invoke(ctx)
    except click.NoSuchOption as error:
      if error.ctx and error.possibilities:
        options = [option for option in error.ctx.command.params if isinstance(option, click.Option) and option.hidden]
        hidden = {name for option in options for name in option.opts}
        error.possibilities[:] = [name for name in error.possibilities if name not in hidden]
      raise
    except (Exception, KeyboardInterrupt) as error:
      told = errors.told(error)
      if told is None:
        raise
      sentence, exit_code = told
      click.echo(sentence, err=True)
      raise click.exceptions.Exit(exit_code) from error


@click.group(cls=_Group, context_settings={'help_option_names': ['-h', '--help'], 'max_content_width': 110})
@click.version_option(package_name='farelite')
def main() -> None:
  """Taxi rides in, a fare model small enough for a phone out."""


@main.command()
@_CONFIG
@DATA
@OUTPUT
@WINDOW
@_WAIT
@_SET
def run(
  config: str | None,
  data: str | None,
  output: str | None,
  window: int | None,
  wait: bool,
  overrides: tuple[str, ...],
) -> None:
  """Run the whole pipeline: ingest, validate, train, evaluate, push."""
  from configs import loading
  from pipeline import data_source, output_directory, run_command

  resolved = loading.load(config, overridden(overrides, data, window))
  source = data_source.rides_of(resolved.dataset)
  directory = output_directory.prepare(output or f'out/{resolved.name}')
  with output_directory.locked(directory, wait, _waiting):
    code = run_command.run(resolved, source, directory)
  sys.exit(code)


def _waiting(holder: str) -> None:
  click.echo(f'Waiting for {holder} …', err=True)


@main.command()
@_CONFIG
@_SET
def features(config: str | None, overrides: tuple[str, ...]) -> None:
  """List the features of a config, with meaning and unit."""
  from configs import loading
  from pipeline import feature_list

  resolved = loading.load(config, overrides)
  feature_list.show(resolved)


@main.command()
@click.argument('model')
@click.argument('rides', nargs=-1, required=True)
@click.option('--config', metavar='F', help="The rides' columns: a YAML file or a preset; kept beside a pushed model.")
@_SET
@click.option('--output', metavar='F', help='*.csv or *.parquet; CSV on standard output by default.')
@click.option('--threads', type=click.IntRange(1, 256), metavar='N', help='Threads; one for each core by default.')
def predict(
  model: str,
  rides: tuple[str, ...],
  config: str | None,
  overrides: tuple[str, ...],
  output: str | None,
  threads: int | None,
) -> None:
  """Predict the fares of RIDES (CSV or Parquet files, or globs) by MODEL (a pushed directory or a .tflite).

  Every row keeps its place. One that is not a valid ride has an empty prediction and a reason.
  """
  from pipeline import predict_command

  predict_command.run(model, rides, config, overrides, output, threads)


@main.command()
@click.argument('directory', metavar='DIR')
@click.option('--against', metavar='B', help='Compare with another run instead: its output directory.')
def report(directory: str, against: str | None) -> None:
  """Write the report of the run in DIR again, from what it left on disk."""
  from pipeline import report_command

  report_command.run(directory, against)


_TARGET = click.option(
  '--target', type=click.Choice(['vertex', 'kfp']), required=True, help='Vertex AI, or Kubeflow Pipelines 2.'
)
_DATA = click.option('--data', metavar='GLOB', help='Rides in a bucket; dataset.path by default.')


@main.command('compile')
@_TARGET
@_CONFIG
@_DATA
@_SET
@click.option('--output', metavar='F', required=True, help='*.json for vertex, *.yaml for kfp.')
def compile_(target: str, config: str | None, data: str | None, overrides: tuple[str, ...], output: str) -> None:
  """Write the pipeline as Vertex AI or Kubeflow Pipelines takes it, checked."""
  from pipeline.targets import compile_command

  compile_command.run(target, config, data, overrides, output)


@main.command()
@_TARGET
@_CONFIG
@_DATA
@_SET
def submit(target: str, config: str | None, data: str | None, overrides: tuple[str, ...]) -> None:
  """Start a run on Vertex AI or Kubeflow Pipelines."""
  from pipeline.targets import submit_command

  submit_command.run(target, config, data, overrides)


@main.command()
@_CONFIG
@click.option('--data', metavar='GLOB', help='Rides to read: a path or a glob.')
@click.option('--output', metavar='DIR', help='Where everything goes; out/NAME-study by default.')
@_SET
@click.option('--quick', is_flag=True, help='Every question roughly: one seed, two folds, fewer variants.')
@click.option('--only', 'blocks', metavar='BLOCK', multiple=True, help='Only this block of the study; may be repeated.')
@click.option(
  '--markdown', is_flag=True, help='Measure nothing; print the tables of the study in --output as Markdown.'
)
def study(
  config: str | None,
  data: str | None,
  output: str | None,
  overrides: tuple[str, ...],
  quick: bool,
  blocks: tuple[str, ...],
  markdown: bool,
) -> None:
  """Measure what each technique is worth: features, reductions, embeddings, compression, reference models.

  Cross-validation by time stamp, over several seeds. A study that was stopped goes on where it stopped.
  """
  from configs import loading
  from pipeline import data_source, output_directory
  from pipeline.study import command

  if markdown:
    command.print_markdown(output or f'out/{loading.load(config, overrides).name}-study', blocks)
    return
  settings = command.overrides(overrides, data, quick, blocks)
  resolved = loading.load(config, settings)
  command.check(resolved)
  directory = output_directory.prepare(output or f'out/{resolved.name}-study')
  with output_directory.locked(directory):
    command.run(resolved, data_source.files_of(resolved.dataset, 'farelite study'), directory)


@main.command()
@_TARGET
@_CONFIG
@click.option('--data', metavar='GLOB', help="Rides of this machine; they are put into the rehearsal's bucket.")
@_SET
@click.option('--output', metavar='DIR', help='Where everything goes; out/rehearsal-TARGET by default.')
@click.option('--parallel', type=click.IntRange(1, 64), default=2, show_default=True, help='Containers at a time.')
@_WAIT
def rehearse(
  target: str,
  config: str | None,
  data: str | None,
  overrides: tuple[str, ...],
  output: str | None,
  parallel: int,
  wait: bool,
) -> None:
  """Run the compiled pipeline as pods would, without a cluster: each container command in its own process."""
  from pipeline import output_directory, rehearse_command
  from pipeline.targets import compile_command
  from pipeline.targets.target import Target

  resolved = compile_command.load(config, data, overrides)
  directory = output_directory.prepare(output or f'out/rehearsal-{target}')
  with output_directory.locked(directory, wait, _waiting):
    code = rehearse_command.run(Target(target), resolved, directory, parallel)
  sys.exit(code)


@main.command()
def doctor() -> None:
  """Tell what is wrong with this machine, and how to mend it."""
  from pipeline import doctor

  sys.exit(doctor.run())


main.add_command(retrain)
for _command in (schedule, operations_cli.runs, operations_cli.rollback, operations_cli.prune):
  main.add_command(_command)
