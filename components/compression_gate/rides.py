"""What the gate needs of an implementation, for rides: how they are read and judged, and the facts of their version."""

from __future__ import annotations

import dataclasses
import functools
import math
import pathlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa
import tensorflow as tf

from components.compression_gate.choice import Thresholds
from components.compression_gate.shadow import Newest
from components.compression_gate.warm_up import write_requests
from components.fare_evaluator.slices import slice_name
from components.ride_example_gen.encoding import encode_examples
from components.rmse_limit import rmse_limit
from components.specs import Artifacts, Properties, split_files
from configs.compression import Compression
from configs.dataset import COORDINATES, LABEL, TIME, Dataset
from configs.errors import FailedError
from configs.evaluation import Evaluation, Slices
from configs.features import Features
from configs.parts import load_part
from configs.serving import Shadow
from models.error_intervals import RootMeanSquareError
from models.labels import label_unit
from models.lite.client import RideFile
from models.lite.columns import describe_inputs
from models.protocols import FileContract, Metric
from models.release import TOLERANCE, write_golden
from models.rides import RawRides, raw_ride_batches, read_raw_rides
from models.samples import RecordSample
from models.serving import SERVING_DEFAULT, SERVING_RAW
from transforms import names
from transforms.engineering import rides
from transforms.slicing import slice_columns

_SEED = 0
"""Of the sample: the same rides are judged in every run on the same files."""


@dataclasses.dataclass(frozen=True)
class EvalRides(RawRides):
  """Raw rides and where they belong; see `models.protocols.EvalExamples`.

  Attributes:
    codes: int64 [rides] by the names of `transforms.slice_names.slice_keys`.
    slices: bool [rides] by the name of the slice; none is empty.
    drawn_from: rides that these are a random sample of; `None` where they are all.
  """

  codes: Mapping[str, np.ndarray]
  slices: Mapping[str, np.ndarray]
  drawn_from: int | None = None
  metric: ClassVar[Metric] = RootMeanSquareError()
  contract: ClassVar[FileContract] = RideFile()

  def shown(self) -> dict[str, np.ndarray]:
    """`pickup_seconds` (int32), the coordinates (float32 degrees, NaN where missing), `fare_amount`, and the slices'
    codes by the names of `transforms.slice_names.slice_keys` (int8, or int16 where a vocabulary is long)."""
    found = {name: self.columns[name] for name in (TIME, *COORDINATES)} | {LABEL: self.fares}
    most = np.iinfo(np.int8).max
    return found | {n: codes.astype(np.int8 if codes.max() <= most else np.int16) for n, codes in self.codes.items()}


def read_eval_rides(files: Sequence[str], dataset: Dataset, slices: Slices, most: int | None = None) -> EvalRides:
  """Reads gzip TFRecords of raw tf.Examples, in the order of the sorted files.

  Single rides are drawn, and not whole time stamps, of which a clock in quarters of an hour has few: each slice keeps
  its share, and those of one stamp are still drawn together by an interval.

  Args:
    dataset: names the columns and the airports.
    most: of more rides a random sample of so many; all of them where it is left out.
  Raises: FailedError: there is no ride.
  """
  sample = None if most is None else RecordSample(most, _SEED)
  try:
    raw = read_raw_rides(files, dataset, sample)
  except ValueError:
    raise FailedError(
      'The eval split holds no ride, so no variant can be judged: give rides of more time stamps, or change '
      'split.eval_share or split.seed.'
    ) from None
  rides = _sliced(raw, dataset, slices)
  return dataclasses.replace(rides, drawn_from=sample.read) if sample and sample.read > len(rides) else rides


def ride_batches(files: Sequence[str], dataset: Dataset, slices: Slices) -> Iterator[EvalRides]:
  """All rides of such files, some thousands at a time, so that any number of them is read in little memory."""
  return (_sliced(raw, dataset, slices) for raw in raw_ride_batches(files, dataset))


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
  columns = {name: tf.constant(column) for name, column in raw.columns.items()}
  # Slices are made of time, place and the columns themselves, which every choice of features reads alike.
  ride = rides(columns, dataset, Features())
  codes = {name: column.numpy() for name, column in slice_columns(columns, ride, slices, dataset).items()}
  masks = {
    slice_name(feature, int(value), slices, dataset): found == value
    for feature, found in codes.items()
    for value in np.unique(found)
  }
  return EvalRides(raw.columns, raw.fares, codes, masks)


def thresholds(evaluation: Evaluation, dataset: Dataset, trained: str) -> Thresholds:
  """What a fare model must reach.

  Args: trained: URI of the Trainer's model; see `components.rmse_limit.rmse_limit`, and for what is raised.
  """
  limit = rmse_limit(evaluation, trained, dataset.currency)
  return Thresholds(
    limit.value,
    evaluation.max_rmse_increase,
    evaluation.min_rides,
    evaluation.min_time_stamps,
    dataset.currency,
    limit.setting,
  )


class RideVersion:
  """The facts of a version of a fare model; see `models.protocols.Version`.

  Args:
    dataset: of the rides.
    rides: the eval split, at least one ride.
  """

  def __init__(self, dataset: Dataset, rides: EvalRides) -> None:
    self._dataset, self._rides = dataset, rides

  @property
  def facts(self) -> dict[str, Any]:
    """`dataset`, `currency` and `inputs`."""
    dataset = self._dataset
    return {'dataset': dataset.name, 'currency': dataset.currency, 'inputs': describe_inputs(dataset)}

  def tolerance(self, spread: float) -> float:
    """A cent of a dollar at least, in the unit that suits the fares, and whole cents."""
    unit = max(1.0, label_unit(float(np.median(self._rides.fares))))
    return max(TOLERANCE * unit, math.ceil(100 * spread) / 100)

  def golden_rows(self, predictions: np.ndarray) -> np.ndarray:
    """A few rides that differ: rising rows, int64 [n].

    Six at even steps from the cheapest to the most expensive, and, if there are such, one whose dropoff is missing and
    one at an airport.
    """
    ranked = np.argsort(predictions, kind='stable')
    rows = [*ranked[np.linspace(0, len(ranked) - 1, 6).astype(int)]]
    special = (names.SLICE_MISSING_DROPOFF, names.SLICE_AIRPORT)
    rows += [np.flatnonzero(self._rides.codes[name] == 1)[:1] for name in special]
    return np.unique(np.hstack(rows))

  def write_golden(
    self, version_dir: pathlib.Path, columns: Mapping[str, np.ndarray], predictions: np.ndarray, tolerance: float
  ) -> None:
    """See `models.release.write_golden`."""
    # The signatures live as long as the model does.
    model = tf.saved_model.load(str(version_dir))
    fares = model.signatures[SERVING_RAW](**{name: tf.constant(column) for name, column in columns.items()})[LABEL]
    write_golden(version_dir, columns, predictions, np.asarray(fares), tolerance)

  def write_warm_up(self, version_dir: pathlib.Path, columns: Mapping[str, np.ndarray]) -> None:
    """Writes `models.release.WARM_UP`: a request with these rides for each signature that gives fares."""
    typed = [pa.array(column.astype(np.int64 if name == TIME else np.float32)) for name, column in columns.items()]
    rides = pa.RecordBatch.from_arrays(typed, [*columns])
    # One by one, as many are put in the order of their lengths.
    examples = [encode_examples(rides.slice(row, 1))[0] for row in range(rides.num_rows)]
    inputs = {SERVING_DEFAULT: {'examples': np.array(examples, object)}, SERVING_RAW: columns}
    write_requests(version_dir, self._dataset.name, inputs)


class JudgedRides:
  """What is judged, for fares."""

  def __init__(self, input_dict: Artifacts, exec_properties: Properties) -> None:
    self._examples, self._properties = input_dict['examples'], exec_properties
    self.compression = Compression.model_validate_json(exec_properties['compression'])
    self._evaluation = Evaluation.model_validate_json(exec_properties['evaluation'])
    self._dataset = load_part(Dataset, exec_properties['dataset'])
    self.resamples = self._evaluation.bootstrap

  @functools.cached_property
  def examples(self) -> EvalRides:
    files, evaluation = split_files(self._examples, 'eval'), self._evaluation
    return read_eval_rides(files, self._dataset, evaluation.slices, evaluation.judged_rides)

  def thresholds(self, trained: str) -> Thresholds:
    return thresholds(self._evaluation, self._dataset, trained)

  @property
  def version(self) -> RideVersion:
    return RideVersion(self._dataset, self.examples)

  def newest(self) -> Newest | None:
    """The newest examples and what may change on them; `None` where nothing is compared."""
    if not self._properties.get('shadow'):
      return None
    shadow = Shadow.model_validate_json(self._properties['shadow'])
    splits = self._properties['newest_splits'].split(',')
    files = [file for split in splits for file in split_files(self._examples, split)]
    batches = ride_batches(files, self._dataset, self._evaluation.slices)
    return Newest(batches, shadow, self.compression.budget.min_slice_rides)
