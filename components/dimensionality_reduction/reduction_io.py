"""What a reduction reads and writes: training examples and a Beam basis in, Examples and a Transform graph out."""

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
from models.reduction.fitted import Fitted
from models.reduction.in_graph import ReducedFeatures, apply_in_graph
from models.reduction.mappings import Selection
from models.reduction.projections import Basis
from models.samples import RecordSample
from transforms import names
from transforms.constants import read_tensors

_NAMES = {name: f'farelite_pca_{name}' for name in ('center', 'axes', 'covariance', 'rides')}
"""Of the analyzers' results in the graph."""


def _analyze(inputs: Mapping[str, tf.Tensor], column: str, clip: float | None, width: int) -> dict[str, tf.Tensor]:
  """The `preprocessing_fn`: its analyzers are what is wanted, its output is of no use."""
  numeric = tf.reshape(tf.cast(inputs[column], tf.float64), [-1, width])
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
  pipeline: beam.Pipeline,
  files: Sequence[str],
  schema: schema_pb2.Schema,
  column: str,
  clip: float | None,
  width: int,
) -> Basis:
  """Runs `pipeline` and reads the axes.

  Args:
    pipeline: a fresh one; it is run here.
    files: transformed Examples of the training split.
    column: name of the vector.
    clip: what the model clips the vector to.
  """
  records = tf_example_record.TFExampleBeamRecord('tfrecords_gzip', ['DimensionalityReduction'], schema)
  adapter = records.TensorAdapterConfig()
  with tempfile.TemporaryDirectory() as folder:
    with pipeline, tft_beam.Context(temp_dir=os.path.join(folder, 'temp'), desired_batch_size=BATCH_ROWS):
      rides = pipeline | beam.Create(list(files), reshuffle=len(files) > 1) | beam.ParDo(ReadBatches(schema))
      analyze = functools.partial(_analyze, column=column, clip=clip, width=width)
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

  def __init__(self, fitted: Fitted, column: str) -> None:
    super().__init__()
    self._fitted, self._column = fitted, column

  def process(self, batch: pa.RecordBatch) -> Iterator[tuple[pa.RecordBatch, dict[str, object]]]:
    columns = dict(zip(batch.schema.names, batch.columns, strict=True))
    full = _values(columns[self._column]).reshape(batch.num_rows, len(self._fitted.names))
    taken = {name: _values(columns.pop(name)) for name in self._fitted.taken}
    reduced = self._fitted.apply(full, taken)
    ends = pa.array(np.arange(batch.num_rows + 1, dtype=np.int64) * reduced.shape[1])
    columns[self._column] = pa.LargeListArray.from_arrays(ends, pa.array(reduced.reshape(-1)))
    yield pa.RecordBatch.from_arrays(list(columns.values()), list(columns)), {}


def _values(column: pa.Array) -> np.ndarray:
  return np.asarray(column.flatten().to_numpy(zero_copy_only=False))


@dataclasses.dataclass(frozen=True)
class ReducedColumn:
  """From raw examples to what a Transform graph makes of them, one column reduced. A mapper: no full pass.

  Attributes: column: its vector becomes float32 [batch, k].
  """

  transform_graph: str
  column: str
  fitted: Fitted

  def __call__(self, inputs: Mapping[str, tf.Tensor]) -> dict[str, tf.Tensor]:
    graph = tft.TFTransformOutput(self.transform_graph)
    layer = tft.make_and_track_object(graph.transform_features_layer, name='farelite_full')
    outputs = dict(layer(dict(inputs)))
    full, mapping = tf.reshape(outputs[self.column], [-1, len(self.fitted.names)]), self.fitted.mapping
    if isinstance(mapping, Selection):
      outputs[self.column] = tf.gather(full, mapping.kept.astype(np.int32), axis=1)
    else:
      outputs[self.column] = apply_in_graph(self.fitted, full, {})
    return outputs


def write_reduced_graph(features: ReducedFeatures | ReducedColumn, transform_graph: str, directory: str) -> None:
  """Traces the features again, with constants in the place of analyzers; no example is read.

  Args: transform_graph: the graph that they come from, for the schema of raw examples.
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
class TrainingExamples:
  """Some or all of the training examples.

  Attributes:
    numeric: float32 [examples, n].
    labels: float32 or int64 [examples].
    categories: int64 [examples] by categorical column.
    read: examples that they were drawn from.
  """

  numeric: np.ndarray
  labels: np.ndarray
  categories: Mapping[str, np.ndarray]
  read: int


def read_training_examples(
  files: Sequence[str],
  spec: Mapping[str, tf.io.FixedLenFeature],
  column: str,
  label: str,
  categoricals: Sequence[str],
  sample: int,
  seed: int,
) -> TrainingExamples:
  """Draws at most `sample` examples, each with the same chance; see `models.samples.RecordSample`.

  Args:
    files: gzip TFRecords of transformed Examples.
    spec: of what they hold.
    column: name of the vector.
    categoricals: columns to read beside the vector and the label.
  Raises: ValueError: there is no example, no vector, or no label.
  """
  if column not in spec and column == names.NUMERIC:
    raise ValueError('There is no numeric feature to reduce; switch a block on under features.')
  if missing := [name for name in (column, label) if name not in spec]:
    raise ValueError(f"The transformed examples have no '{missing[0]}'. They have: {', '.join(sorted(spec))}.")
  drawn = RecordSample(sample, seed)
  for batch in batches(files, spec, (column, label, *categoricals)):
    rows = drawn.draw(len(batch[label]))
    drawn.add({name: values[rows] for name, values in batch.items()})
  if not drawn.read:
    raise ValueError(f'No transformed examples in {len(files)} files; the train split is empty.')
  kept = drawn.columns()
  return TrainingExamples(
    kept[column].reshape(len(kept[column]), -1),
    kept[label].reshape(-1),
    {name: kept[name].reshape(-1) for name in categoricals},
    drawn.read,
  )


def batches(
  files: Sequence[str], spec: Mapping[str, tf.io.FixedLenFeature], wanted: Sequence[str]
) -> Iterator[dict[str, np.ndarray]]:
  """Some columns of transformed Examples, batch by batch, files in order of their names."""
  parsed = {name: spec[name] for name in wanted}
  records = tf.data.TFRecordDataset(sorted(files), compression_type='GZIP').batch(BATCH_ROWS)
  yield from records.map(lambda batch: tf.io.parse_example(batch, parsed)).prefetch(1).as_numpy_iterator()
