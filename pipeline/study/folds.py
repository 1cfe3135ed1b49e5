"""Cross-validation of fare models by time stamp, over several seeds: the rides, the folds, one piece of the work."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

import numpy as np
import pyarrow as pa
from scipy import stats

from components.ride_example_gen.ingestion import valid_rides
from configs.dataset import LABEL, TIME, Dataset
from configs.errors import UserError
from configs.features import Cross, Features
from configs.records import Estimate
from configs.run import RunConfig
from configs.study import StudyBlock
from models.error_intervals import error_intervals, rmse_without_worst, root_mean_square
from models.rides import Rides
from transforms import in_memory, names
from transforms.catalogue import categoricals
from transforms.constants import Constants
from transforms.engineering import catalogue


@dataclasses.dataclass(frozen=True)
class Fold:
  """One division of the rides into training and test.

  Attributes:
    config: a preset; methods take its dataset and may change its features.
    rides: canonical columns [rides] by name, the label included.
    test: bool [rides]; no time stamp is on both sides.
    seed: of the division; methods seed themselves by it.
    number: of the fold within its division.
  """

  config: RunConfig
  rides: Mapping[str, np.ndarray]
  test: np.ndarray
  seed: int
  number: int = 0

  @property
  def fares(self) -> np.ndarray:
    return self.rides[LABEL]

  @property
  def raw(self) -> dict[str, np.ndarray]:
    """The canonical columns without the label."""
    return {name: column for name, column in self.rides.items() if name != LABEL}

  def constants_of(self, config: RunConfig) -> Constants:
    """What the training rides fit for the features of `config`."""
    training = {name: column[~self.test] for name, column in self.raw.items()}
    return in_memory.fit_constants(training, config.dataset, config.features)

  @functools.cached_property
  def engineered(self) -> Rides:
    """All rides with the preset's features."""
    return self.features_of(self.config)

  def features_of(self, config: RunConfig) -> Rides:
    """All rides with the features of `config`, whose constants only the training rides fit."""
    dataset, features = config.dataset, config.features
    constants = self.constants_of(config)
    made = in_memory.transform(self.raw, dataset, features, config.evaluation.slices, constants)
    wanted = [names.NUMERIC, *(feature.name for feature in categoricals(dataset, features))]
    return Rides({name: np.asarray(made[name]) for name in wanted}, self.fares, self.rides[TIME])


Method = Callable[[Fold], np.ndarray]
"""Fits on the rides outside `test` and predicts those inside, in their order."""


@dataclasses.dataclass(frozen=True)
class Score:
  """How good a method is; money in the dataset's currency.

  Attributes:
    rmse: mean over the seeds of the RMSE over all rides, each predicted once.
    over_seeds: 95 % t-interval of that mean over seeds: what other divisions and initial weights would change; `None`
      with a single seed.
    over_rides: 95 % interval of the RMSE by a cluster bootstrap of the time stamps: what other rides would change.
    rmse_without_worst: mean over the seeds of the RMSE without the `models.error_intervals.WORST` largest errors.
    bias: mean of prediction minus fare.
    fit_seconds: median wall time of one fit and its predictions, on the features as they are.
  """

  rmse: float
  over_seeds: tuple[float, float] | None
  over_rides: Estimate
  rmse_without_worst: float
  mae: float
  bias: float
  fit_seconds: float


def grouped_folds(seconds: np.ndarray, folds: int, seed: int) -> np.ndarray:
  """The fold of each ride, int [rides]: its time stamp's, which are dealt evenly in random order.

  Raises `ValueError` where there are fewer time stamps than folds, which are at least 2.
  """
  stamps, position = np.unique(seconds, return_inverse=True)
  if len(stamps) < folds:
    raise ValueError(f'{folds} folds need as many time stamps, but the rides have {len(stamps)}; give more rides.')
  return (np.random.default_rng(seed).permutation(len(stamps)) % folds)[position]


def divisions(config: RunConfig, rides: Mapping[str, np.ndarray], seeds: Sequence[int], folds: int) -> Iterator[Fold]:
  """Every fold of every seed, seed by seed."""
  for seed in seeds:
    fold = grouped_folds(rides[TIME], folds, seed)
    for number in range(folds):
      yield Fold(config, rides, fold == number, seed, number)


def cross_validate(
  methods: Mapping[str, Method], folds: Iterator[Fold], on_fold: Callable[[], None] = lambda: None
) -> dict[str, Score]:
  """Scores each method on the same folds; each seed's folds hold every ride once."""
  predictions: dict[str, list[tuple[int, np.ndarray, np.ndarray]]] = {name: [] for name in methods}
  seconds: dict[str, list[float]] = {name: [] for name in methods}
  fold = None
  for fold in folds:
    _ = fold.engineered  # Several methods share it, and none of them should pay alone.
    for name, method in methods.items():
      start = time.perf_counter()
      predictions[name].append((fold.seed, fold.test, method(fold)))
      seconds[name].append(time.perf_counter() - start)
    on_fold()
  if fold is None:
    raise ValueError('There is no fold to validate on.')
  fares, stamps, resamples = fold.fares, fold.rides[TIME], fold.config.evaluation.bootstrap
  return {
    name: score(fares, stamps, np.stack([*by_seed(found).values()]), resamples, float(np.median(seconds[name])))
    for name, found in predictions.items()
  }


def by_seed(predictions: Iterable[tuple[int, np.ndarray, np.ndarray]]) -> dict[int, np.ndarray]:
  """Predictions [rides] by seed, out of seed, test rides and predictions of each fold; NaN where there is none."""
  found: dict[int, np.ndarray] = {}
  for seed, test, fares in predictions:
    found.setdefault(seed, np.full(len(test), np.nan))[test] = fares
  return found


def score(
  fares: np.ndarray, stamps: np.ndarray, predictions: np.ndarray, resamples: int, fit_seconds: float = 0.0
) -> Score:
  """The score of predictions [seeds, rides]; `resamples` is the number of draws of the interval over rides."""
  errors: np.ndarray = predictions - fares.astype(np.float64)
  seeds = len(predictions)
  each = root_mean_square(errors, axis=1)
  pooled = error_intervals(np.tile(fares, seeds), predictions.reshape(-1), np.tile(stamps, seeds), resamples)
  return Score(
    rmse=float(each.mean()),
    over_seeds=t_interval(each) if seeds > 1 else None,
    over_rides=pooled['rmse'],
    rmse_without_worst=float(np.mean([rmse_without_worst(of_seed) for of_seed in errors])),
    mae=pooled['mae'].value,
    bias=float(errors.mean()),
    fit_seconds=fit_seconds,
  )


def t_interval(values: np.ndarray) -> tuple[float, float]:
  """95 % t-interval of the mean of `values`, at least two."""
  half = float(stats.t.ppf(0.975, len(values) - 1) * values.std(ddof=1) / np.sqrt(len(values)))
  return float(values.mean()) - half, float(values.mean()) + half


class StudyFold(Fold):
  """A division of the rides whose features are made once, with every block on; a variant gets the columns it names.

  That is the same as making them for the variant alone, as each feature is standardized by itself.
  """

  @functools.cached_property
  def _everything(self) -> Rides:
    return super().features_of(with_features(self.config, everything(self.config.features)))

  def features_of(self, config: RunConfig) -> Rides:
    """All rides with the features of `config`, fitted on the training rides alone."""
    if not _is_part(config.features, self.config.features):
      return super().features_of(config)
    every = everything(self.config.features)
    position = {feature.name: i for i, feature in enumerate(catalogue(config.dataset, every))}
    wanted = [position[feature.name] for feature in catalogue(config.dataset, config.features)]
    made = self._everything
    inputs = {names.NUMERIC: made.inputs[names.NUMERIC][:, wanted]}
    inputs |= {feature.name: made.inputs[feature.name] for feature in categoricals(config.dataset, config.features)}
    return Rides(inputs, made.fares, made.seconds)


def with_features(config: RunConfig, features: Features) -> RunConfig:
  """The same config with other features."""
  return config.model_copy(update={'features': features})


def everything(features: Features) -> Features:
  """The same settings with every block and every cross on."""
  on = {name: getattr(features, name).model_copy(update={'enabled': True}) for name in type(features).model_fields}
  on['crosses'] = on['crosses'].model_copy(update={'crosses': tuple(Cross)})
  return Features(**on)


def _is_part(features: Features, own: Features) -> bool:
  """Whether they differ in what is on and how wide embeddings are alone."""
  free = ('enabled', 'embedding', 'crosses')
  one, other = (
    [{key: value for key, value in block.items() if key not in free} for block in found.model_dump().values()]
    for found in (features, own)
  )
  return one == other


def read_kept(files: Sequence[str], dataset: Dataset) -> dict[str, np.ndarray]:
  """Canonical columns [rides] by name, the label included, of the rows that pass the dataset's rules.

  Raises `IngestionError` where a file can't be read; `UserError` where not a single row passes.
  """
  blocks = list(valid_rides(files, dataset))
  if not sum(block.num_rows for block in blocks):
    raise UserError(f'No valid ride in {", ".join(files)}; does --config fit the columns and rules of these rides?')
  rides = pa.Table.from_batches(blocks)
  return {name: rides.column(name).to_numpy() for name in rides.schema.names}


def sampled(rides: Mapping[str, np.ndarray], most: int, seed: int) -> dict[str, np.ndarray]:
  """All rides, or whole time stamps of them in random order until there are `most`; in their own order."""
  chosen = first_stamps(rides[TIME], most, seed)
  return {name: column[chosen] for name, column in rides.items()}


def first_stamps(seconds: np.ndarray, most: int, seed: int) -> np.ndarray:
  """Which rides, at most `most`, belong to the first time stamps of a random order: bool [rides].

  Fewer rides are always a part of more.
  """
  if len(seconds) <= most:
    return np.ones(len(seconds), bool)
  _, position, counts = np.unique(seconds, return_inverse=True, return_counts=True)
  order = np.random.default_rng(seed).permutation(len(counts))
  taken = np.zeros(len(counts), bool)
  taken[order] = np.cumsum(counts[order]) <= most
  return taken[position]


def digest(rides: Mapping[str, np.ndarray]) -> str:
  """16 hexadecimal digits of every value, in order."""
  found = hashlib.sha256()
  for name, column in rides.items():
    found.update(name.encode() + np.ascontiguousarray(column).tobytes())
  return found.hexdigest()[:16]


@dataclasses.dataclass(frozen=True)
class StudyVariant:
  """One row of a block's table.

  Attributes:
    name: unique within the block.
    reference: name of the variant of the same block that its RMSE is divided by; its own name where it is one.
    settings: what makes it different, as columns of the results.
  """

  name: str
  reference: str
  settings: Mapping[str, str | int | float] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class Outcome:
  """What a variant came to on one fold.

  Attributes:
    fares: float32 [test rides], predictions.
    facts: figures such as `parameters`, `inputs`, `train_seconds` (CPU), by name.
    file: a whole lite file, where one was made.
  """

  fares: np.ndarray
  facts: Mapping[str, float] = dataclasses.field(default_factory=dict)
  file: bytes | None = None


@dataclasses.dataclass(frozen=True)
class StudyTask:
  """Work that is done fold by fold, each time whole or not at all.

  Attributes:
    block: whose table it fills.
    name: for progress.
    variants: what one fold of it gives an outcome of each.
    measure: fits on a fold's training rides and predicts its test rides; outcomes by the variants' names. Raises
      ValueError for a variant that can't be made.
    about: what the outcomes depend on besides rides, fold, features, model and training of the config.
    tested_folds: folds of each seed that it is measured on; all when `None`.
  """

  block: StudyBlock
  name: str
  variants: tuple[StudyVariant, ...]
  measure: Callable[[StudyFold], dict[str, Outcome]]
  about: str = ''
  tested_folds: int | None = None


def single(
  block: StudyBlock,
  variant: StudyVariant,
  measure: Callable[[StudyFold], Outcome],
  about: str = '',
  tested_folds: int | None = None,
) -> StudyTask:
  """A task of one variant, and of its name."""
  return StudyTask(block, variant.name, (variant,), lambda fold: {variant.name: measure(fold)}, about, tested_folds)
