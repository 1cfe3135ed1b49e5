"""Principal axes by `tft.pca`: Beam sums up the covariance, so no machine has to hold the rides."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping, Sequence

import apache_beam as beam
import numpy as np
import tensorflow as tf
import tensorflow_transform as tft
import tensorflow_transform.beam as tft_beam
from tensorflow_metadata.proto.v0 import schema_pb2
from tfx_bsl.tfxio import tf_example_record

from components.feature_engineering.records import BATCH_ROWS, ReadBatches
from models.reduction.bases import Basis
from transforms import names
from transforms.named_tensors import read_tensors

_NAMES = ('center', 'axes', 'covariance', 'rides')
_PREFIX = 'farelite_pca_'


class _Analysis:
  """The `preprocessing_fn`: its analyzers are what is wanted, its output is of no use."""

  def __init__(self, clip: float | None, width: int) -> None:
    self._clip, self._width = clip, width

  def __call__(self, inputs: Mapping[str, tf.Tensor]) -> dict[str, tf.Tensor]:
    numeric = tf.cast(inputs[names.NUMERIC], tf.float64)
    if self._clip is not None:
      numeric = tf.clip_by_value(numeric, -self._clip, self._clip)
    found = {
      'center': tft.mean(numeric, reduce_instance_dims=False),
      'axes': tft.pca(numeric, self._width, tf.float64),
      'covariance': tft.covariance(numeric, tf.float64),
      'rides': tft.size(numeric[:, 0], reduce_instance_dims=True),
    }
    named = {name: tf.identity(value, name=_PREFIX + name) for name, value in found.items()}
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
    schema: of those.
    clip: what the model clips the vector to.
    width: of the vector.
  """
  adapter = tf_example_record.TFExampleBeamRecord(
    'tfrecords_gzip', ['DimensionalityReduction'], schema
  ).TensorAdapterConfig()
  with tempfile.TemporaryDirectory() as folder:
    with pipeline, tft_beam.Context(temp_dir=os.path.join(folder, 'temp'), desired_batch_size=BATCH_ROWS):
      rides = pipeline | beam.Create(list(files), reshuffle=len(files) > 1) | beam.ParDo(ReadBatches(schema))
      fitted = (rides, adapter) | tft_beam.AnalyzeDataset(_Analysis(clip, width), pipeline=pipeline)
      _ = fitted | tft_beam.WriteTransformFn(folder)
    transform_fn = os.path.join(folder, tft.TFTransformOutput.TRANSFORM_FN_DIR)
    found = read_tensors(transform_fn, {name: _PREFIX + name for name in _NAMES})
  axes = found['axes'].T
  # Biased, as tft's covariance is; scikit-learn divides by one ride less.
  rides_read = int(found['rides'])
  variances = np.einsum('in,nm,im->i', axes, found['covariance'], axes) * rides_read / max(1, rides_read - 1)
  return Basis(found['center'], axes, np.maximum(variances, 0), rides_read)
