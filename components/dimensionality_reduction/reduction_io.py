"""What a reduction reads and writes: training rides and a Beam basis in, Examples and a Transform graph out."""

from __future__ import annotations

import dataclasses
import functools
import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence

import apache_beam as beam
import numpy as np
import pyarrow as pa
import tensorflow as tf
import tensorflow_transform as tft
import tensorflow_transform.beam as tft_beam
from tensorflow_metadata.proto.v0 import schema_pb2
from tensorflow_transform import impl_helper
from tensorflow_transform.tf_metadata import schema_utils
from tfx.utils import io_utils
from tfx_bsl.tfxio import tf_example_record

from components.example_batches import BATCH_ROWS
from components.feature_engineering.example_io import ReadBatches
from configs.dataset import LABEL
from models.reduction.fitted import Fitted
from models.reduction.in_graph import ReducedFeatures
from models.reduction.projections import Basis
from models.samples import RecordSample
from transforms import names
from transforms.constants import read_tensors

_NAMES = {name: f'farelite_pca_{name}' for name in ('center', 'axes', 'covariance', 'rides')}
"""Of the analyzers' results in the graph."""


def _analyze(inputs: Mapping[str, tf.Tensor], clip: float | None, width: int) -> dict[str, tf.Tensor]:
  """The `preprocessing_fn`: its analyzers are what is wanted, its output is of no use."""
  numeric = tf.cast(inputs[names.NUMERIC], tf.float64)
  if clip is not None:
    numeric = tf.clip_by_value(numeric, -clip, clip)
  found = {
    'center': tft.mean(numeric, reduce_instance_dims=False),
    'axes': tft.pca(numeric, width, tf.float64),
    'covariance': tft.covariance(numeric, tf.float64),
    'rides': tft.size(numeric[:, 0], reduce_instance_dims=True),
  }
  named = {name: tf.identity(value, name=_NAMES[name]) for name, value in found.items()}
  # An output that needs all of them keeps them in the graph.
  used = tf.add_n([tf.reduce_sum(tf.cast(value, tf.float64)) for value in named.values()])
  return {'used': tf.cast(numeric[:, 0] + used, tf.float32)}


def beam_basis(
  pipeline: beam.Pipeline, files: Sequence[str], schema: schema_pb2.Schema, clip: float | None, width: int
) -> Basis:
  """Runs `pipeline` and reads the axes.

  Args:
    pipeline: a fresh one; it is run here.
    files: transformed Examples of the training split.
    clip: what the model clips the vector to.
  """
  records = tf_example_record.TFExampleBeamRecord('tfrecords_gzip', ['DimensionalityReduction'], schema)
  adapter = records.TensorAdapterConfig()
  with tempfile.TemporaryDirectory() as folder:
    with pipeline, tft_beam.Context(temp_dir=os.path.join(folder, 'temp'), desired_batch_size=BATCH_ROWS):
      rides = pipeline | beam.Create(list(files), reshuffle=len(files) > 1) | beam.ParDo(ReadBatches(schema))
      analyze = functools.partial(_analyze, clip=clip, width=width)
      fitted = (rides, adapter) | tft_beam.AnalyzeDataset(analyze, pipeline=pipeline)
      _ = fitted | tft_beam.WriteTransformFn(folder)
    transform_fn = os.path.join(folder, tft.TFTransformOutput.TRANSFORM_FN_DIR)
    found = read_tensors(transform_fn, _NAMES)
  axes = found['axes'].T
  # Biased, as tft's covariance is; scikit-learn divides by one ride less.
  rides_read = int(found['rides'])
  variances = np.einsum('in,nm,im->i', axes, found['covariance'], axes) * rides_read / max(1, rides_read - 1)
  return Basis(found['center'], axes, np.maximum(variances, 0), rides_read)


class Reduce(beam.DoFn):
  """Record batches of the full vector to record batches of the reduced one, without the categories it took."""

  def __init__(self, fitted: Fitted) -> None:
    super().__init__()
    self._fitted = fitted

  def process(self, batch: pa.RecordBatch) -> Iterator[tuple[pa.RecordBatch, dict[str, object]]]:
    columns = dict(zip(batch.schema.names, batch.columns, strict=True))
    full = _values(columns[names.NUMERIC]).reshape(batch.num_rows, len(self._fitted.names))
    taken = {name: _values(columns.pop(name)) for name in self._fitted.taken}
    reduced = self._fitted.apply(full, taken)
    ends = pa.array(np.arange(batch.num_rows + 1, dtype=np.int64) * reduced.shape[1])
    columns[names.NUMERIC] = pa.LargeListArray.from_arrays(ends, pa.array(reduced.reshape(-1)))
    yield pa.RecordBatch.from_arrays(list(columns.values()), list(columns)), {}


def _values(column: pa.Array) -> np.ndarray:
  return np.asarray(column.flatten().to_numpy(zero_copy_only=False))


def write_reduced_graph(features: ReducedFeatures, transform_graph: str, directory: str) -> None:
  """Traces the features again, with constants in the place of analyzers; no ride is read.

  Args: transform_graph: the graph that they come from, for the schema of raw rides.
  """
  raw_folder = tft.TFTransformOutput.RAW_METADATA_DIR
  io_utils.copy_dir(os.path.join(transform_graph, raw_folder), os.path.join(directory, raw_folder))
  schema = tft.TFTransformOutput(transform_graph).raw_metadata.schema
  spec = schema_utils.schema_as_feature_spec(schema).feature_spec
  # What TFX's own Transform calls for a function without analyzers.
  impl_helper.analyze_in_place(
    preprocessing_fn=features,
    force_tf_compat_v1=False,
    feature_specs=spec,
    type_specs=impl_helper.get_type_specs_from_feature_specs(spec),
    transform_output_path=directory,
  )


@dataclasses.dataclass(frozen=True)
class TrainingRides:
  """Some or all of the training rides.

  Attributes:
    numeric: float32 [rides, n].
    fares: float32 [rides].
    categories: int64 [rides] by categorical column.
    read: rides that they were drawn from.
  """

  numeric: np.ndarray
  fares: np.ndarray
  categories: Mapping[str, np.ndarray]
  read: int


def read_training_rides(
  files: Sequence[str], spec: Mapping[str, tf.io.FixedLenFeature], categoricals: Sequence[str], sample: int, seed: int
) -> TrainingRides:
  """Draws at most `sample` rides, each with the same chance; see `models.samples.RecordSample`.

  Args:
    files: gzip TFRecords of transformed Examples.
    categoricals: columns to read beside the vector and the fare.
  Raises: ValueError: there is no ride, or no numeric vector.
  """
  if names.NUMERIC not in spec:
    raise ValueError('There is no numeric feature to reduce; switch a block on under features.')
  drawn = RecordSample(sample, seed)
  for batch in batches(files, spec, (names.NUMERIC, LABEL, *categoricals)):
    rows = drawn.draw(len(batch[LABEL]))
    drawn.add({name: column[rows] for name, column in batch.items()})
  if not drawn.read:
    raise ValueError(f'No transformed rides in {len(files)} files; the train split is empty.')
  kept = drawn.columns()
  return TrainingRides(
    kept[names.NUMERIC], kept[LABEL].reshape(-1), {name: kept[name].reshape(-1) for name in categoricals}, drawn.read
  )


def batches(
  files: Sequence[str], spec: Mapping[str, tf.io.FixedLenFeature], wanted: Sequence[str]
) -> Iterator[dict[str, np.ndarray]]:
  """Some columns of transformed Examples, batch by batch, files in order of their names."""
  parsed = {name: spec[name] for name in wanted}
  records = tf.data.TFRecordDataset(sorted(files), compression_type='GZIP').batch(BATCH_ROWS)
  yield from records.map(lambda batch: tf.io.parse_example(batch, parsed)).prefetch(1).as_numpy_iterator()
