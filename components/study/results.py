"""Sums up what the units measured: errors with their intervals, paired with those of each block's reference."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping

import numpy as np

from components.study.cross_validation import t_interval
from components.study.study_fold import StudyFold
from components.study.study_record import LostVariant, OccupiedCells, RideLatency
from components.study.task import Outcome, Task, Variant
from configs.records import Estimate
from configs.run import RunConfig
from configs.study import StudyBlock
from models.intervals import error_intervals, ratio_interval, root_mean_square

Row = dict[str, str | int | float | None]


@dataclasses.dataclass
class BlockResults:
  """What was measured for one block.

  Attributes:
    variants: in the order of the table, those that were lost among them.
    outcomes: by variant: the folds it was measured on, and what came of each.
    lost: one sentence by the name of each variant that could not be measured.
    latency: microseconds by variant; see `components.study.latency`.
  """

  variants: list[Variant] = dataclasses.field(default_factory=list)
  outcomes: dict[str, list[tuple[StudyFold, Outcome]]] = dataclasses.field(default_factory=dict)
  lost: dict[str, str] = dataclasses.field(default_factory=dict)
  latency: dict[str, RideLatency] = dataclasses.field(default_factory=dict)

  def add(self, fold: StudyFold, outcomes: Mapping[str, Outcome]) -> None:
    """Takes the outcomes of a unit."""
    for name, outcome in outcomes.items():
      self.outcomes.setdefault(name, []).append((fold, outcome))

  def lose(self, task: Task, reason: str) -> None:
    """Gives up a task's variants."""
    for variant in task.variants:
      self.lost.setdefault(variant.name, reason)

  def first_files(self) -> dict[str, bytes]:
    """The lite file of each variant's first unit that has one."""
    found = {}
    for name, measured in self.outcomes.items():
      file = next((outcome.file for _, outcome in measured if outcome.file is not None), None)
      if file is not None:
        found[name] = file
    return found


@dataclasses.dataclass
class Results:
  """What a study came to.

  Attributes:
    config: of the study.
    stamps: time stamp of each ride.
    fares: of each ride.
    blocks: what was measured.
    notes: sentences for the reader.
    cells: occupied cells of the case study, published and fitted.
    identity: equal for studies of the same rides, config, seeds and folds.
    code: digest of the code that measured.
  """

  config: RunConfig
  stamps: np.ndarray
  fares: np.ndarray
  blocks: dict[StudyBlock, BlockResults]
  notes: list[str]
  cells: Mapping[str, OccupiedCells]
  identity: str
  code: str

  def rows(self) -> list[Row]:
    """One row per variant that was measured on each of its folds, in the order of the tables."""
    return [
      {**row, 'code': self.code}
      for block, results in self.blocks.items()
      for row in _block_rows(block, results, self.fares, self.stamps, self.config.evaluation.bootstrap)
    ]

  def unit_rows(self) -> list[Row]:
    """One row per variant, seed and fold."""
    return [
      {
        'block': block.value,
        'variant': variant,
        'seed': fold.seed,
        'fold': fold.number,
        'rides': len(outcome.fares),
        'rmse': float(root_mean_square(_errors(fold, outcome))),
        'mae': float(np.mean(np.abs(_errors(fold, outcome)))),
        **outcome.facts,
        'code': self.code,
      }
      for block, results in self.blocks.items()
      for variant, measured in results.outcomes.items()
      for fold, outcome in measured
    ]

  def lost(self) -> tuple[LostVariant, ...]:
    """What could not be measured, and why."""
    return tuple(
      LostVariant(block=block.value, variant=name, reason=reason)
      for block, results in self.blocks.items()
      for name, reason in results.lost.items()
    )


def _block_rows(
  block: StudyBlock, results: BlockResults, fares: np.ndarray, stamps: np.ndarray, resamples: int
) -> Iterator[Row]:
  measured = {
    variant.name: _Predictions(results.outcomes[variant.name], fares, stamps)
    for variant in results.variants
    if variant.name in results.outcomes and variant.name not in results.lost
  }
  for variant in results.variants:
    own = measured.get(variant.name)
    if own is None:
      continue
    facts = [outcome.facts for _, outcome in results.outcomes[variant.name]]
    latency = results.latency.get(variant.name)
    medians = {name: float(np.median([one[name] for one in facts if name in one])) for name in _names(facts)}
    yield {
      'block': block.value,
      'variant': variant.name,
      'reference': variant.reference,
      'units': len(facts),
      **variant.settings,
      **own.compared(measured.get(variant.reference), resamples),
      **medians,
      **(latency.to_dict() if latency else {}),
    }


def _names(facts: list[Mapping[str, float]]) -> list[str]:
  return list(dict.fromkeys(name for one in facts for name in one))


class _Predictions:
  """The predictions of one variant, those of all seeds side by side.

  Args:
    measured: folds with their outcomes; each ride is in one fold of a seed.
    fares: of each ride.
    stamps: time stamp of each ride.
  """

  def __init__(self, measured: list[tuple[StudyFold, Outcome]], fares: np.ndarray, stamps: np.ndarray) -> None:
    self._fares, self._stamps = fares, stamps
    self._by_seed: dict[int, np.ndarray] = {}
    for fold, outcome in measured:
      of_seed = self._by_seed.setdefault(fold.seed, np.full(len(stamps), np.nan))
      of_seed[fold.test] = outcome.fares

  def compared(self, reference: _Predictions | None, resamples: int) -> Row:
    """RMSE and MAE, and the ratio of the RMSE to the reference's on the same rides.

    Args:
      reference: measured on the same folds; `None` where it was lost.
      resamples: number of draws of an interval, which takes a ride's predictions of all seeds together.

    Returns:
      `rmse`, `mae` and `ratio`, each with `_low` and `_high` (95 %, over rides),
      and `ratio_seeds_low` and `ratio_seeds_high` (95 %, over seeds; `None` with
      a single one).
    """
    own = np.stack(list(self._by_seed.values()))
    tested = np.isfinite(own)
    fares, stamps = (np.broadcast_to(column, own.shape)[tested] for column in (self._fares, self._stamps))
    errors = error_intervals(fares, own[tested], stamps, resamples)
    row: Row = {**_named('rmse', errors['rmse']), **_named('mae', errors['mae'])}
    if reference is None:
      return row
    base = np.stack([reference._by_seed[seed] for seed in self._by_seed])
    if not np.any(base[tested] - fares):
      return row
    row |= _named('ratio', ratio_interval(fares, own[tested], base[tested], stamps, resamples))
    ratios = self._rmse_by_seed(own) / self._rmse_by_seed(base)
    low, high = t_interval(ratios) if len(ratios) > 1 else (None, None)
    return row | {'ratio_seeds_low': low, 'ratio_seeds_high': high}

  def _rmse_by_seed(self, predictions: np.ndarray) -> np.ndarray:
    """The RMSE [seeds] of predictions [seeds, rides]; NaN is no prediction."""
    return np.array([root_mean_square(errors[np.isfinite(errors)]) for errors in predictions - self._fares])


def _errors(fold: StudyFold, outcome: Outcome) -> np.ndarray:
  """Predictions minus fares, float64 [test rides]."""
  return outcome.fares.astype(np.float64) - fold.fares[fold.test]


def _named(name: str, found: Estimate) -> Row:
  return {name: found.value, f'{name}_low': found.low, f'{name}_high': found.high}
