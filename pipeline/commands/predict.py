"""What `farelite predict` does: finds model, config and rides, and shows progress."""

from __future__ import annotations

import contextlib
import os
import pathlib
import sys
import time
from collections.abc import Callable, Iterator, Sequence

from rich.console import Console
from rich.markup import escape
from rich.progress import Progress, SpinnerColumn, TextColumn

from components.ride_example_gen.early import refuse_junk
from components.ride_example_gen.listing import Listing, passed_over_sentence
from components.ride_example_gen.spans import list_inputs
from configs import loading
from configs.base import joined
from configs.beam import Engine
from configs.errors import UserError
from configs.presets import read_mapping
from configs.run import RunConfig
from models.whole_files import is_bucket
from pipeline.local import terminal
from pipeline.options import refuse_idle
from pipeline.prediction import streaming
from pipeline.prediction.scoring import ModelFiles, Scorer, find_model, of_kept_dataset
from pipeline.prediction.streaming import PredictionOutcome, predict_files
from pipeline.sources import data_source


def run(
  model: str,
  rides: Sequence[str],
  config: str | None = None,
  overrides: Sequence[str] = (),
  output: str | None = None,
  threads: int | None = None,
  shards: str | None = None,
) -> None:
  """Predicts, and prints on standard error what came of it; arguments as of the command line.

  Args:
    threads: blocks of rides that are worked on at the same time; as many as there are cores by default.
    shards: the format of the files in a folder that a Beam pipeline makes; without it, one file or standard output.
  """
  console = terminal.VisibleConsole(stderr=True, highlight=False)
  start = time.monotonic()
  found = find_model(model)
  resolved = _config(model, found, config, overrides, ('dataset', 'beam', 'platform') if shards else ('dataset',))
  dataset = resolved.dataset
  if shards:
    refuse_idle({'--threads': threads}, 'with --shards, where the engine says how much is done at the same time')
    if not output:
      raise UserError('--shards needs --output: a new folder, on a disk or in a bucket.')
  files, passed_over, _ = _files(rides)
  refuse_junk(files, dataset, label_required=False)
  if output and not shards:
    streaming.check_output(output)
    if pathlib.Path(output).exists() and any(pathlib.Path(output).samefile(file) for file in files):
      raise UserError(f"The output '{output}' is one of the files of rides; choose another one.")
  if found.dataset and found.dataset != dataset.name:
    console.print(f"Note: the model was trained on '{found.dataset}'; the config is that of '{dataset.name}'.")
  # Where the system has it, only the cores that this process may use.
  cores = len(os.sched_getaffinity(0)) if hasattr(os, 'sched_getaffinity') else os.cpu_count() or 1
  workers = threads or cores
  # LiteRT logs in every process that it has a delegate.
  with terminal.captured():
    scorer = Scorer(found.lite, dataset, 1 if shards else workers, several_files=len(files) > 1)
  if shards and output:
    outcome = _by_beam(resolved, found, files, output, shards)
  else:
    if output:
      predictions = streaming.predictions_file(output, scorer.schema)
    else:
      predictions = streaming.predictions_stream(sys.stdout.buffer, scorer.schema)
    with predictions as write, _progress(console) as progress:
      outcome = predict_files(files, dataset, scorer, workers, write, progress)
  sentences = [_sentence(outcome, time.monotonic() - start), *_examples(outcome), passed_over_sentence(passed_over)]
  for sentence in filter(None, sentences):
    console.print(escape(sentence), soft_wrap=True)


def _by_beam(config: RunConfig, found: ModelFiles, files: Sequence[str], output: str, shards: str) -> PredictionOutcome:
  """A folder of predictions, made on the config's engine."""
  from pipeline.beam import BeamContext, prediction_arguments
  from pipeline.cloud.settings import platform_settings
  from pipeline.prediction.sharded import check_folder, predict_sharded

  if config.beam.engine is Engine.DATAFLOW:
    for path in (output, *files):
      if not is_bucket(path):
        raise UserError(
          f"beam.engine is dataflow, whose workers can't reach '{path}' on this machine; name a place in a bucket."
        )
  check_folder(output)
  platform = platform_settings(config.platform)
  project, region = platform.vertex.project or '', platform.vertex.region or ''
  arguments = prediction_arguments(config.beam, BeamContext(output, platform.image or '', project, region))
  with terminal.captured():
    return predict_sharded(files, config.dataset, found.lite, output, f'.{shards}', arguments)


def _config(
  model: str, found: ModelFiles, config: str | None, overrides: Sequence[str], sections: Sequence[str]
) -> RunConfig:
  """The given config, or one with the dataset that is beside the model; `sections` are those that have an effect."""
  settings = [override.partition('=')[0].strip() for override in overrides]
  idle = ('beam.components', 'beam.in_memory_rides')
  others = {
    f'--set {setting}': setting
    for setting in settings
    if setting.partition('.')[0] not in sections or setting.startswith(idle)
  }
  read = f'settings of {joined(sections)} alone' if len(sections) > 1 else 'settings of the dataset alone'
  refuse_idle(others, f'on a prediction, which reads {read}')
  if config:
    return loading.load(config, overrides)
  try:
    kept = read_mapping(found.config, f"'{found.config}'", 'dataset:') if found.config else {}
  except ValueError as error:
    raise UserError(f'{error} Add --config F.') from None
  if 'dataset' not in kept:
    what = 'is a file on its own' if pathlib.Path(model).is_file() else 'was pushed without a config'
    raise UserError(f"'{model}' {what}, so the columns of its rides are unknown: add --config F.")
  return of_kept_dataset(kept['dataset'], overrides)


def _files(patterns: Sequence[str]) -> Listing:
  """Every file that is named or matched, once: in the order of the patterns, sorted within each."""
  files: dict[str, str] = {}
  passed_over: dict[str, str] = {}
  for pattern in patterns:
    found = _found(pattern)
    passed_over |= found.passed_over
    for file in found.files:
      identity = file if is_bucket(file) else os.path.realpath(file)
      if identity in files:
        passed_over[file] = f"it was named before, as '{files[identity]}'"
      files.setdefault(identity, file)
  return Listing(tuple(files.values()), passed_over)


def _found(pattern: str) -> Listing:
  if os.path.isfile(pattern):  # noqa: PTH113, which takes a name of any length
    return Listing((pattern,), {})  # As the user calls it.
  source = data_source(pattern)
  return list_inputs(source.base, source.pattern)


@contextlib.contextmanager
def _progress(console: Console) -> Iterator[Callable[[int], None]]:
  """Shows the rides so far and their rate, on a terminal."""
  if not console.is_terminal:
    yield lambda rows: None
    return
  start = time.monotonic()
  columns = SpinnerColumn(), TextColumn('{task.completed:,} rides, {task.fields[rate]:,.0f} a second')
  with Progress(*columns, console=console, transient=True) as progress:
    task = progress.add_task('', total=None, rate=0.0)
    yield lambda rows: progress.update(task, completed=rows, rate=rows / (time.monotonic() - start))


def _sentence(outcome: PredictionOutcome, seconds: float) -> str:
  empty = sum(outcome.reasons.values())
  rate = f'{outcome.rows / seconds:,.0f} rides a second' if seconds else ''
  text = f'{outcome.rows - empty:,} of {outcome.rows:,} rides predicted in {seconds:.1f} s ({rate})'
  reasons = ', '.join(f'{count:,} {reason}' for reason, count in outcome.reasons.most_common())
  return f'{text}; without a prediction: {reasons}.' if reasons else f'{text}.'


def _examples(outcome: PredictionOutcome) -> Iterator[str]:
  """The first value of each reason, the commonest reasons first, and the setting that makes it readable."""
  for reason, _ in outcome.reasons.most_common():
    yield next(example.sentence() for example in outcome.examples if example.reason == reason)
