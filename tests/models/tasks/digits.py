"""Digits of scikit-learn as files of tf.Examples, with a transform graph and without."""

import os
import tempfile

import apache_beam as beam
import numpy as np
import tensorflow as tf
import tensorflow_transform as tft
from sklearn.datasets import load_digits
from tensorflow_transform import beam as tft_beam
from tensorflow_transform.tf_metadata import dataset_metadata, schema_utils

SPEC = {
  'picture': tf.io.FixedLenFeature([64], tf.float32),
  'name': tf.io.FixedLenFeature([], tf.string),
  'writer': tf.io.FixedLenFeature([], tf.int64),
}
NAMES = ('zero', 'one', 'two', 'three', 'four', 'five', 'six', 'seven', 'eight', 'nine')


def rows(first, last):
  """Pictures from 0 to 16, classes and made-up writers of ten digits each, in a shuffled order."""
  digits = load_digits()
  order = np.random.default_rng(0).permutation(len(digits.target))[first:last]
  return digits.data[order].astype(np.float32), digits.target[order].astype(np.int64), np.arange(first, last) // 10


def write(path, columns):
  """A gzip TFRecord of columns [examples, ...]: numbers, or texts."""
  with tf.io.TFRecordWriter(str(path), 'GZIP') as writer:
    for row in zip(*columns.values(), strict=True):
      example = tf.train.Example()
      for name, value in zip(columns, row, strict=True):
        feature, values = example.features.feature[name], np.ravel(value).tolist()
        if isinstance(values[0], str):
          feature.bytes_list.value.extend(value.encode() for value in values)
        else:
          (feature.float_list if isinstance(values[0], float) else feature.int64_list).value.extend(values)
      writer.write(example.SerializeToString())
  return str(path)


def write_model_inputs(path, first, last):
  """As `user_models.picture_net` takes them."""
  pictures, digits, writers = rows(first, last)
  return write(path, {'image': pictures / 16, 'digit': digits, 'writer': writers})


def write_raw(path, first, last):
  """As they come: pictures from 0 to 16, and the names of the digits."""
  pictures, digits, writers = rows(first, last)
  return write(path, {'picture': pictures, 'name': [NAMES[digit] for digit in digits], 'writer': writers})


def preprocess(inputs):
  """To what `user_models.picture_net` takes."""
  digit = tf.argmax(tf.cast(inputs['name'][:, tf.newaxis] == tf.constant(NAMES), tf.int64), axis=1)
  return {'image': inputs['picture'] / 16, 'digit': digit, 'writer': inputs['writer']}


def graph(folder, preprocessing_fn=preprocess):
  """The URI of a fitted transform graph."""
  pictures, digits, writers = rows(0, 20)
  data = [
    {'picture': picture, 'name': NAMES[digit].encode(), 'writer': writer}
    for picture, digit, writer in zip(pictures, digits, writers, strict=True)
  ]
  metadata = dataset_metadata.DatasetMetadata(schema_utils.schema_from_feature_spec(SPEC))
  with beam.Pipeline() as pipeline, tft_beam.Context(temp_dir=tempfile.mkdtemp(dir=folder)):
    given = pipeline | beam.Create(data), metadata
    transform_fn = given | tft_beam.AnalyzeDataset(preprocessing_fn)
    _ = transform_fn | tft_beam.WriteTransformFn(os.path.join(folder, 'graph'))
    _ = metadata | tft_beam.WriteMetadata(
      os.path.join(folder, 'graph', tft.TFTransformOutput.RAW_METADATA_DIR), pipeline
    )
  return os.path.join(folder, 'graph')
