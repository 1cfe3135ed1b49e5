"""What the units of a study measured: kept one by one, summed up with intervals, and written to its files."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import hashlib
import io
import json
import pathlib
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pydantic

from components.parquet import pq
from configs.dataset import Dataset
from configs.errors import UserError
from configs.parts import Part
from configs.records import Estimate
from configs.run import RunConfig
from configs.study import StudyBlock
from models.error_intervals import error_intervals, ratio_interval, root_mean_square
from models.whole_files import read_checked, write_checked, write_whole
from pipeline.study.folds import Outcome, StudyFold, StudyTask, StudyVariant, by_seed, t_interval
from pipeline.study.records import LostVariant, OccupiedCells, RideLatency, StudyRecord

Row = dict[str, str | int | float | None]


@dataclasses.dataclass
class BlockResults:
  """What was measured for one block.

  Attributes:
    variants: in the order of the table, those that were lost among them.
    outcomes: by variant: the folds it was measured on, and what came of each.
    lost: one sentence by the name of each variant that could not be measured.
    latency: microseconds by variant; see `pipeline.study.fare_models`.
  """

  variants: list[StudyVariant] = dataclasses.field(default_factory=list)
  outcomes: dict[str, list[tuple[StudyFold, Outcome]]] = dataclasses.field(default_factory=dict)
  lost: dict[str, str] = dataclasses.field(default_factory=dict)
  latency: dict[str, RideLatency] = dataclasses.field(default_factory=dict)

  def add(self, fold: StudyFold, outcomes: Mapping[str, Outcome]) -> None:
    """Takes the outcomes of a unit."""
    for name, outcome in outcomes.items():
      self.outcomes.setdefault(name, []).append((fold, outcome))

  def lose(self, task: StudyTask, reason: str) -> None:
    """Gives up a task's variants."""
    for variant in task.variants:
      self.lost.setdefault(variant.name, reason)

  def first_files(self) -> dict[str, bytes]:
    """The lite file of each variant's first unit that has one."""
    files = {name: [one.file for _, one in measured if one.file] for name, measured in self.outcomes.items()}
    return {name: found[0] for name, found in files.items() if found}


@dataclasses.dataclass
class Results:
  """What a study came to.

  Attributes:
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
    return [row for block, results in self.blocks.items() for row in self._rows_of(block, results)]

  def _rows_of(self, block: StudyBlock, results: BlockResults) -> Iterator[Row]:
    measured = [one for one in results.variants if one.name in results.outcomes and one.name not in results.lost]
    outcomes = {one.name: results.outcomes[one.name] for one in measured}
    predictions = {
      name: by_seed((fold.seed, fold.test, one.fares) for fold, one in found) for name, found in outcomes.items()
    }
    for variant in measured:
      facts = [outcome.facts for _, outcome in outcomes[variant.name]]
      latency = results.latency.get(variant.name)
      named = dict.fromkeys(name for one in facts for name in one)
      yield {
        'block': block.value,
        'variant': variant.name,
        'reference': variant.reference,
        'units': len(facts),
        **variant.settings,
        **self._compared(predictions[variant.name], predictions.get(variant.reference)),
        **{name: float(np.median([one[name] for one in facts if name in one])) for name in named},
        **(latency.to_dict() if latency else {}),
        'code': self.code,
      }

  def _compared(self, predictions: dict[int, np.ndarray], reference: dict[int, np.ndarray] | None) -> Row:
    """RMSE and MAE, and the ratio of the RMSE to the reference's on the same rides, where that was not lost.

    An interval takes a ride's predictions of all seeds together. Returns `rmse`, `mae` and `ratio`, each with `_low`
    and `_high` (95 %, over rides), and `ratio_seeds_low` and `ratio_seeds_high` (95 %, over seeds; `None` with a single
    one).
    """
    own, resamples = np.stack(list(predictions.values())), self.config.evaluation.bootstrap
    tested = np.isfinite(own)
    fares, stamps = (np.broadcast_to(column, own.shape)[tested] for column in (self.fares, self.stamps))
    errors = error_intervals(fares, own[tested], stamps, resamples)
    row: Row = {**_named('rmse', errors['rmse']), **_named('mae', errors['mae'])}
    if reference is None:
      return row
    base = np.stack([reference[seed] for seed in predictions])
    if not np.any(base[tested] - fares):
      return row
    row |= _named('ratio', ratio_interval(fares, own[tested], base[tested], stamps, resamples))
    ratios = self._rmse_by_seed(own) / self._rmse_by_seed(base)
    low, high = t_interval(ratios) if len(ratios) > 1 else (None, None)
    return row | {'ratio_seeds_low': low, 'ratio_seeds_high': high}

  def _rmse_by_seed(self, predictions: np.ndarray) -> np.ndarray:
    """The RMSE [seeds] of predictions [seeds, rides]."""
    return np.array([root_mean_square(errors[np.isfinite(errors)]) for errors in predictions - self.fares])

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
    lost = ((block, name, reason) for block, results in self.blocks.items() for name, reason in results.lost.items())
    return tuple(LostVariant(block=block.value, variant=name, reason=reason) for block, name, reason in lost)


def _errors(fold: StudyFold, outcome: Outcome) -> np.ndarray:
  """Predictions minus fares, float64 [test rides]."""
  return outcome.fares.astype(np.float64) - fold.fares[fold.test]


def _named(name: str, found: Estimate) -> Row:
  return {name: found.value, f'{name}_low': found.low, f'{name}_high': found.high}


_FACTS = pydantic.TypeAdapter(dict[str, dict[str, float]])
"""Facts by variant and name; no place for a version, as the key of a unit depends on the code that measured it."""

DATASET = Part(
  Dataset,
  *('extras.name', 'extras.kind', 'extras.vocabulary', 'extras.unit', 'extras.meaning', 'rules.bounds', 'city'),
  'columns.passenger_count',
)
"""What units read of the dataset; its rides are known by their digest."""


@dataclasses.dataclass(frozen=True)
class Origin:
  """What every unit of a study depends on: the config, and digests of the rides and of the code."""

  config: RunConfig
  rides: str
  code: str

  def key(self, task: StudyTask, fold: StudyFold) -> str:
    """What a task's outcomes on a fold go by; equal keys mean equal outcomes."""
    about = [task.block.value, task.name, task.about]
    return digest_of([*self._setting, self.code, fold.seed, fold.number, *about])

  @property
  def identity(self) -> str:
    """Equal for studies whose rows can stand beside each other: all but the blocks and the code."""
    study = self.config.study
    return digest_of([*self._setting, study.seeds, study.first_seed])

  @functools.cached_property
  def _setting(self) -> list[object]:
    # What a unit takes of `study` is in its task.
    config = self.config.model_dump(mode='json', include={'features', 'model', 'training', 'evaluation'})
    config['dataset'] = DATASET.dump(self.config.dataset)
    config['training'] = {k: v for k, v in config['training'].items() if k not in ('recipes', 'serve', 'seed')}
    config['evaluation'] = config['evaluation']['slices']
    return [config, self.rides, self.config.study.folds]


class UnitStore:
  """A folder with a file per finished unit of work; made when the first one is kept."""

  def __init__(self, directory: pathlib.Path) -> None:
    self._directory = directory

  def load(self, key: str) -> dict[str, Outcome] | None:
    """The outcomes of a unit by variant; `None` where it is not kept, or not whole."""
    content = read_checked(self._path(key))
    if content is None:
      return None
    with np.load(io.BytesIO(content), allow_pickle=False) as kept:
      outcomes = {}
      for name, facts in _FACTS.validate_json(str(kept['facts'])).items():
        file = kept[f'file:{name}'].tobytes() if f'file:{name}' in kept else None
        outcomes[name] = Outcome(kept[f'fares:{name}'], facts, file)
      return outcomes

  def has(self, key: str) -> bool:
    """Whether there is a file of a unit."""
    return self._path(key).is_file()

  def keep(self, key: str, outcomes: Mapping[str, Outcome]) -> None:
    """Writes the outcomes of a unit, whole or not at all."""
    arrays: dict[str, Any] = {f'fares:{name}': one.fares for name, one in outcomes.items()}
    arrays |= {f'file:{name}': np.frombuffer(one.file, np.uint8) for name, one in outcomes.items() if one.file}
    facts = {name: {fact: float(value) for fact, value in one.facts.items()} for name, one in outcomes.items()}
    self._directory.mkdir(parents=True, exist_ok=True)
    content = io.BytesIO()
    np.savez(content, facts=np.array(json.dumps(facts)), **arrays)
    write_checked(self._path(key), content.getvalue())

  def _path(self, key: str) -> pathlib.Path:
    return self._directory / f'{key}.unit'


def digest_of(parts: object) -> str:
  """32 hexadecimal digits of what JSON makes of it."""
  return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:32]


STUDY = 'study.parquet'
"""Tidy: one row per variant, one column per figure; what a block has no such figure of is null."""

UNITS = 'units.parquet'
"""Tidy: one row per variant, seed and fold."""

ABOUT = 'study.json'
"""What the study was made of, its notes, and what could not be measured."""


def write(results: Results, directory: pathlib.Path, written: str = '') -> None:
  """Writes all three, each whole or not at all.

  What an earlier study of the same rides, config, seeds and folds found in `directory` on other blocks stays; the
  column `code` is the digest of the code that measured a row.
  """
  measured = {block.value for block in results.blocks}
  rows, units = results.rows(), results.unit_rows()
  notes, lost, cells = tuple(results.notes), results.lost(), results.cells
  with contextlib.suppress(UserError, OSError, pa.ArrowInvalid):
    earlier_rows, earlier = read(directory)
    if earlier.identity == results.identity:
      earlier_units = pq.read_table(directory / UNITS).to_pylist()
      rows += [row for row in earlier_rows if row['block'] not in measured]
      units += [unit for unit in earlier_units if unit['block'] not in measured]
      notes = tuple(dict.fromkeys([*notes, *earlier.notes]))
      lost += tuple(one for one in earlier.lost if one.block not in measured)
      cells = cells or earlier.cells
  _write_table(rows, directory / STUDY)
  _write_table(units, directory / UNITS)
  study = results.config.study
  record = StudyRecord(
    name=results.config.name,
    currency=results.config.dataset.currency,
    rides=len(results.fares),
    seeds=study.seeds,
    folds=study.folds,
    notes=notes,
    lost=lost,
    cells=cells,
    identity=results.identity,
    code=results.code,
    written=written,
    units=len(units),
  )
  write_whole(directory / ABOUT, record.to_json())


def read(directory: pathlib.Path) -> tuple[list[dict[str, Any]], StudyRecord]:
  """The rows of `study.parquet` and `study.json`. Raises `UserError` where no study came to its end there."""
  try:
    rows = pq.read_table(directory / STUDY).to_pylist()
    about = StudyRecord.read(directory / ABOUT)
  except (OSError, ValueError, pa.ArrowInvalid):
    raise UserError(f"'{directory}' holds no finished study; make one with farelite study --output.") from None
  return rows, about


def _write_table(rows: list[Row], path: pathlib.Path) -> None:
  columns = list(dict.fromkeys(name for row in rows for name in row))
  sink = pa.BufferOutputStream()
  pq.write_table(pa.table({name: _column([row.get(name) for row in rows]) for name in columns}), sink)
  write_whole(path, sink.getvalue().to_pybytes())


def _column(values: list[Any]) -> pa.Array:
  """One type for a column: text where any value is, else float64 or int64."""
  if any(isinstance(value, str) for value in values):
    return pa.array([None if value is None else str(value) for value in values])
  return pa.array(values, pa.float64() if any(isinstance(value, float) for value in values) else pa.int64())
