"""Runs a study: what is kept is taken, what is missing is measured, one unit of work after the other."""

from __future__ import annotations

import contextlib
import itertools
import pathlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Protocol

import numpy as np

from configs.dataset import TIME
from configs.errors import FareliteError
from configs.run import RunConfig
from configs.study import StudyBlock
from pipeline.study import blocks as study_blocks
from pipeline.study import sweeps
from pipeline.study.fare_models import latencies, raw_inputs
from pipeline.study.folds import Outcome, StudyFold, StudyTask, digest, divisions, sampled
from pipeline.study.reference_models import occupied_cells
from pipeline.study.results import DATASET, BlockResults, Origin, Results, UnitStore

_BLOCKS = {
  StudyBlock.FEATURES: study_blocks.feature_tasks,
  StudyBlock.DIMENSIONS: study_blocks.dimension_tasks,
  StudyBlock.REDUCTIONS: sweeps.reduction_tasks,
  StudyBlock.EMBEDDINGS: study_blocks.embedding_tasks,
  StudyBlock.COMPRESSION: sweeps.compression_tasks,
  StudyBlock.REFERENCES: study_blocks.reference_tasks,
}


class StudyObserver(Protocol):
  """Who follows the progress."""

  def planned(self, units: int, kept: int) -> None:
    """How many units of work there are, and how many of them an earlier study left."""

  def began(self, block: StudyBlock, task: str) -> None:
    """A task is worked on now."""

  def finished(self, kept: bool) -> None:
    """One unit more is done; `kept` where nothing was measured for it."""


def run(
  config: RunConfig, rides: Mapping[str, np.ndarray], directory: pathlib.Path, code: str, observer: StudyObserver
) -> Results:
  """Measures every block of `config.study`.

  Args:
    rides: canonical columns [rides] by name, the label included.
    directory: keeps the units.
    code: digest of the code that measures; units of other code are not taken.

  Raises `ValueError` where there are fewer time stamps than folds; `OSError` where a unit can't be kept.
  """
  study, whole = config.study, config
  config = config.model_copy(update={'dataset': DATASET.of(config.dataset)})
  rides = sampled(rides, study.max_rides, study.first_seed)
  seeds = range(study.first_seed, study.first_seed + study.seeds)
  folds = [StudyFold(**vars(fold)) for fold in divisions(config, rides, seeds, study.folds)]
  store, origin = UnitStore(directory), Origin(config, digest(rides), code)
  planned = {block: list(_BLOCKS[block](config)) for block in study.blocks}
  keys = [origin.key(task, fold) for task in itertools.chain(*planned.values()) for fold in _tested(task, folds)]
  observer.planned(len(keys), sum(store.has(key) for key in keys))
  blocks = {}
  for block in study.blocks:
    blocks[block] = _run_block(planned.pop(block), folds, store, origin, observer)
    # The first file of each variant, all of a block together.
    if files := blocks[block].first_files():
      rides_of_file = raw_inputs(folds[0], config)
      blocks[block].latency = latencies(files, rides_of_file, config.compression.measurement, directory)
  missing = study_blocks.lightgbm_missing() if StudyBlock.REFERENCES in blocks else None
  notes, cells = [missing] if missing else [], {}
  if StudyBlock.FEATURES in blocks:
    with contextlib.suppress(ValueError):  # Rides without coordinates have no cells; the nets that need them say so.
      cells = {name: occupied_cells(folds[0], name == 'fitted') for name in ('published', 'fitted')}
  return Results(whole, rides[TIME], folds[0].fares, blocks, notes, cells, origin.identity, code)


def _run_block(
  tasks: list[StudyTask], folds: Sequence[StudyFold], store: UnitStore, origin: Origin, observer: StudyObserver
) -> BlockResults:
  results = BlockResults()
  while tasks:
    # A task takes its compiled loops with it when it is gone.
    task = tasks.pop(0)
    observer.began(task.block, task.name)
    results.variants += task.variants
    for fold in _tested(task, folds):
      key = origin.key(task, fold)
      kept = store.load(key)
      try:
        outcomes = _measured(task, fold) if kept is None else kept
      except (ValueError, FareliteError) as error:
        results.lose(task, str(error))
      else:
        results.add(fold, outcomes)
        if kept is None:
          store.keep(key, outcomes)
      observer.finished(kept is not None)
  return results


def _measured(task: StudyTask, fold: StudyFold) -> dict[str, Outcome]:
  outcomes = task.measure(fold)
  for name, outcome in outcomes.items():
    if not np.isfinite(outcome.fares).all():
      raise ValueError(f'{name} predicts fares that are no numbers.')
  return outcomes


def _tested(task: StudyTask, folds: Sequence[StudyFold]) -> Iterator[StudyFold]:
  """The folds that a task is measured on."""
  return (fold for fold in folds if task.tested_folds is None or fold.number < task.tested_folds)
