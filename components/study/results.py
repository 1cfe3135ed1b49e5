"""Sums up what the units measured: errors with their intervals, paired with those of each block's reference."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping

import numpy as np

from components.study.cross_validation import t_interval
from components.study.study_fold import StudyFold
from components.study.study_record import LostVariant, OccupiedCells, RideLatency
from components.study.task import Outcome, Task, Variant
from configs.run import RunConfig
from configs.study import StudyBlock
from models.intervals import estimate, resampled_sums

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
        'rmse': float(np.sqrt(np.mean(_errors(fold, outcome) ** 2))),
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
    variant.name: _Errors(results.outcomes[variant.name], stamps)
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


class _Errors:
  """The errors of one variant, those of all seeds side by side.

  Args:
    measured: folds with their outcomes; each ride is in one fold of a seed.
    stamps: time stamp of each ride.
  """

  def __init__(self, measured: list[tuple[StudyFold, Outcome]], stamps: np.ndarray) -> None:
    self._stamps = stamps
    self._by_seed: dict[int, np.ndarray] = {}
    for fold, outcome in measured:
      of_seed = self._by_seed.setdefault(fold.seed, np.full(len(stamps), np.nan))
      of_seed[fold.test] = _errors(fold, outcome)

  def compared(self, reference: _Errors | None, resamples: int) -> Row:
    """RMSE and MAE, and the ratio of the RMSE to the reference's on the same rides.

    Args:
      reference: measured on the same folds; `None` where it was lost.
      resamples: of the bootstrap by time stamp, of all seeds together.

    Returns:
      `rmse`, `mae` and `ratio`, each with `_low` and `_high` (95 %, over rides),
      and `ratio_seeds_low` and `ratio_seeds_high` (95 %, over seeds; `None` with
      a single one).
    """
    errors = np.stack(list(self._by_seed.values()))
    tested = np.isfinite(errors)
    other = errors if reference is None else np.stack([reference._by_seed[seed] for seed in self._by_seed])
    columns = [tested, errors**2, np.abs(errors), other**2]
    # Rides of one stamp are one cluster, and so are the same ride's errors of several seeds.
    _, cluster = np.unique(self._stamps, return_inverse=True)
    sums = np.stack(
      [np.bincount(cluster, np.where(tested, column, 0).sum(axis=0)) for column in columns], axis=1
    ).astype(np.float64)
    drawn, total = resampled_sums(sums, resamples, seed=0), sums.sum(axis=0)
    row: Row = {
      **_named('rmse', np.sqrt(total[1] / total[0]), np.sqrt(drawn[:, 1] / drawn[:, 0])),
      **_named('mae', total[2] / total[0], drawn[:, 2] / drawn[:, 0]),
    }
    if reference is None or not total[3]:
      return row
    has_error = drawn[:, 3] > 0
    row |= _named('ratio', np.sqrt(total[1] / total[3]), np.sqrt(drawn[has_error, 1] / drawn[has_error, 3]))
    squares = [[np.mean(one[np.isfinite(mine)] ** 2) for one, mine in zip(both, errors, strict=True)]
               for both in (errors, other)]  # fmt: skip
    ratios = np.sqrt(np.array(squares[0]) / np.array(squares[1]))
    low, high = t_interval(ratios) if len(ratios) > 1 else (None, None)
    return row | {'ratio_seeds_low': low, 'ratio_seeds_high': high}


def _errors(fold: StudyFold, outcome: Outcome) -> np.ndarray:
  """Predictions minus fares, float64 [test rides]."""
  return outcome.fares.astype(np.float64) - fold.fares[fold.test]


def _named(name: str, value: float, drawn: np.ndarray) -> Row:
  found = estimate(float(value), drawn)
  return {name: found['value'], f'{name}_low': found['low'], f'{name}_high': found['high']}
