"""Lite files of fare models: the protocols of `models.lite`, implemented for rides."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import tensorflow as tf
import tensorflow_transform as tft

from configs.compression import NO_METADATA, FileMetadata, KeepNames, Scheme
from configs.dataset import LABEL, TIME, Dataset
from models.fare_model import builder
from models.lite.client import RideFile
from models.lite.columns import describe_file
from models.lite.variants import Variants, graph_digest
from models.rides import read_raw_rides, read_rides
from models.samples import RecordSample
from models.serving import raw_tensor_specs
from models.settings import Settings


class RideInputs:
  """Canonical rides, with the columns of a dataset, as a file takes them; see `models.protocols.RawInputs`."""

  contract = RideFile()
  output = LABEL

  def __init__(self, dataset: Dataset) -> None:
    self._dataset = dataset

  def specs(self) -> dict[str, tf.TensorSpec]:
    """Int32 seconds, float32 the rest, all [None]."""
    return raw_tensor_specs(self._dataset)

  def for_graph(self, columns: Mapping[str, tf.Tensor]) -> dict[str, tf.Tensor]:
    """The same with int64 seconds."""
    return {**columns, TIME: tf.cast(columns[TIME], tf.int64)}


_SEED = 0
"""Of the samples: every run on the same files takes the same rides."""


def calibration_rides(schemes: Sequence[Scheme], most: int) -> RecordSample:
  """Draws the rides that all schemes take ranges from, or their own samples of.

  Args: most: of the training split; a scheme that asks for more gets more.
  """
  asked = [scheme.calibration for scheme in schemes]
  rides = max([most, *(calibration.rides or 0 for calibration in asked)])
  return RecordSample(rides, _SEED, highest=max((calibration.longest for calibration in asked), default=0))


def validation_rides(most: int) -> RecordSample:
  """Draws the rides that files are compared with their models on, at most so many."""
  return RecordSample(most, _SEED)


def ride_variants(
  settings: Settings,
  transform_graph: str,
  training: Sequence[str],
  held_out: Sequence[str],
  calibration: RecordSample | None = None,
  validation: RecordSample | None = None,
  keep_names: KeepNames = KeepNames.SHORT,
  metadata: FileMetadata = NO_METADATA,
  kept: Callable[[str, Callable[[], bytes]], bytes] = lambda digest, make: make(),
) -> Variants:
  """What makes the lite files of fare models.

  Args:
    settings: what the models were made by.
    transform_graph: URI of the fitted Transform graph.
    training: files of transformed examples, the training split.
    held_out: files of raw examples, the eval split.
    calibration: draws among the training rides; all of them are taken where it is left out.
    validation: draws among the rides held out; all of them are taken where it is left out.
    keep_names: of the files' inner tensors.
    metadata: whether the files have TFLite metadata.
    kept: see `Variants`.
  """
  graph = tft.TFTransformOutput(transform_graph)
  embedded = [feature.name for feature in settings.categoricals]
  rides = read_rides(training, graph.transformed_feature_spec(), embedded, calibration)
  return Variants(
    builder(settings, rides, 0.0),
    RideInputs(settings.dataset),
    graph.transform_features_layer(),
    rides,
    read_raw_rides(held_out, settings.dataset, validation),
    keep_names,
    describe_file(settings.dataset, metadata.license) if metadata.enabled else None,
    kept,
    graph_digest(transform_graph),
  )
