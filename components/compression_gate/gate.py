"""The gate itself: runs every variant on the eval rides, compares it with the baseline, and decides."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Mapping, Sequence

import numpy as np
import tensorflow as tf

from components.compression_gate.budget import BASELINE, Candidate, Choice, Miss, Variant, choose, misses, notes
from components.compression_gate.measuring import Measured, measure
from components.fare_evaluator.slices import slice_name
from configs.compression import Compression, Precision
from configs.dataset import LABEL, TIME, Dataset
from configs.errors import FailedError
from configs.evaluation import Slices
from configs.features import Features
from models.metrics import compare
from models.rides import RawRides, read_raw_rides
from transforms.engineering import rides
from transforms.slicing import slice_columns


@dataclasses.dataclass(frozen=True)
class EvalRides(RawRides):
  """Raw rides and where they belong.

  Attributes:
    codes: int64 [rides] by the names in `transforms.names.SLICES`.
    slices: bool [rides] by the name of the slice; none is empty.
  """

  codes: Mapping[str, np.ndarray]
  slices: Mapping[str, np.ndarray]


def read_eval_rides(files: Sequence[str], dataset: Dataset, slices: Slices) -> EvalRides:
  """Reads gzip TFRecords of raw tf.Examples, in the order of the sorted files.

  Args: dataset: names the columns and the airports.
  Raises: FailedError: there is no ride.
  """
  try:
    raw = read_raw_rides(files, dataset)
  except ValueError:
    raise FailedError(
      'The eval split holds no ride, so no variant can be judged: give rides of more time stamps, or change '
      'split.eval_share or split.seed.'
    ) from None
  return _sliced(raw, dataset, slices)


def eval_rides(columns: Mapping[str, np.ndarray], dataset: Dataset, slices: Slices) -> EvalRides:
  """Rides in memory as the gate takes them.

  Args:
    columns: canonical ones [rides] by name, the label included; at least one ride.
    dataset: names the columns and the airports.
    slices: the Evaluator's.
  """
  inputs = {name: np.asarray(columns[name], np.int32 if name == TIME else np.float32) for name in dataset.raw_inputs()}
  return _sliced(RawRides(inputs, np.asarray(columns[LABEL], np.float32)), dataset, slices)


def _sliced(raw: RawRides, dataset: Dataset, slices: Slices) -> EvalRides:
  codes = _codes(raw, dataset, slices)
  return EvalRides(raw.columns, raw.fares, codes, _masks(codes, slices))


def _codes(raw: RawRides, dataset: Dataset, slices: Slices) -> dict[str, np.ndarray]:
  # Slices are made of time and place, which every choice of features reads alike.
  ride = rides({name: tf.constant(column) for name, column in raw.columns.items()}, dataset, Features())
  return {name: codes.numpy() for name, codes in slice_columns(ride, slices, dataset.city).items()}


def _masks(codes: Mapping[str, np.ndarray], slices: Slices) -> dict[str, np.ndarray]:
  return {
    slice_name(feature, int(value), slices): found == value
    for feature, found in codes.items()
    for value in np.unique(found)
  }


@dataclasses.dataclass(frozen=True)
class Judgement:
  """What came of all variants.

  Attributes:
    choice: what is pushed, and why.
    baseline: name of the variant that ratios refer to.
    candidates: those that ran, by name.
    missed: the limits that each of them misses, by name.
    lost: one sentence by the name of each variant that did not run.
    notes: sentences for the reader.
  """

  choice: Choice
  baseline: str
  candidates: dict[str, Candidate]
  missed: dict[str, list[Miss]]
  lost: dict[str, str]
  notes: list[str]

  @property
  def chosen(self) -> Candidate | None:
    """What is pushed."""
    return None if self.choice.chosen is None else self.candidates[self.choice.chosen]


def judge(
  variants: Sequence[Variant],
  rides: EvalRides,
  compression: Compression,
  resamples: int,
  quantization_aware: Collection[str] = (),
) -> Judgement:
  """Judges variants by what their files do.

  Args:
    variants: all of them, also those without a file.
    rides: the eval split.
    compression: schemes, budget, measurement.
    quantization_aware: names of the recipes that were trained for integers.
  Raises: FailedError: there is no float32 variant to compare with.
  """
  files = {variant.name: variant.path for variant in variants if variant.path is not None}
  measured, crashed = measure(files, rides.columns, compression.measurement)
  unmade = {variant.name: variant.reason for variant in variants if variant.path is None}
  lost = {variant.name: (unmade | crashed)[variant.name] for variant in variants if variant.name not in measured}
  baseline = _baseline([variant for variant in variants if variant.name in measured], compression, lost)
  candidates = _candidates(variants, measured, baseline, rides, resamples)
  missed = {name: misses(candidate, compression.budget) for name, candidate in candidates.items()}
  return Judgement(
    choose(candidates, missed),
    baseline,
    candidates,
    missed,
    lost,
    notes(candidates, missed, lost, baseline, compression, quantization_aware),
  )


def _baseline(variants: Sequence[Variant], compression: Compression, lost: Mapping[str, str]) -> str:
  """The dense base as float32 file; where that was lost, the first recipe's."""
  schemes = {scheme.name for scheme in compression.schemes if scheme.precision is Precision.FLOAT32}
  found = [variant.name for variant in variants if variant.scheme in schemes]
  if not found:
    mend = f'{BASELINE} was lost: {lost[BASELINE]}' if BASELINE in lost else 'put float32 into compression.schemes.'
    raise FailedError(f'No float32 variant ran, so there is nothing to compare the others with; {mend}')
  return BASELINE if BASELINE in found else found[0]


def _candidates(
  variants: Sequence[Variant], measured: Mapping[str, Measured], baseline: str, rides: EvalRides, resamples: int
) -> dict[str, Candidate]:
  base = measured[baseline].fares
  return {
    variant.name: Candidate(
      variant,
      measured[variant.name],
      compare(rides.fares, measured[variant.name].fares, base, rides.seconds, rides.slices, resamples),
    )
    for variant in variants
    if variant.name in measured
  }
