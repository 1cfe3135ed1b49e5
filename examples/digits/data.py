"""The digits as a TFRecord of tf.Examples: `image`, float32 [64], rows of 8 pixels from 0 to 16; `digit`, int64."""

from __future__ import annotations

import pathlib

import sklearn.datasets
import tensorflow as tf


def write(directory: str) -> None:
  """Writes all of them, which come with scikit-learn, into `directory`, which is made."""
  path = pathlib.Path(directory)
  path.mkdir(parents=True, exist_ok=True)
  images, digits = sklearn.datasets.load_digits(return_X_y=True)
  with tf.io.TFRecordWriter(str(path / 'digits.tfrecord')) as file:
    for image, digit in zip(images, digits, strict=True):
      features = {
        'image': tf.train.Feature(float_list=tf.train.FloatList(value=image)),
        'digit': tf.train.Feature(int64_list=tf.train.Int64List(value=[digit])),
      }
      example = tf.train.Example(features=tf.train.Features(feature=features))
      # ExampleGen splits by a hash of these bytes.
      file.write(example.SerializeToString(deterministic=True))
