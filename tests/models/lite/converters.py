"""Converters of what tests have in memory, with the product's decision on how Dense is quantized."""

import tensorflow as tf

from models.lite.converter import SWITCH, Converter, configured


def from_functions(functions, owner, per_channel=False):
  """A converter of concrete functions; `owner` tracks their variables."""
  return configured(Converter.from_concrete_functions(functions, owner), per_channel)


def from_keras(model, per_channel=False):
  """A converter of a Keras model."""
  return configured(Converter.from_keras_model(model), per_channel)


def has_choice():
  """Whether this TensorFlow can give a dense kernel one scale per unit."""
  return hasattr(Converter.from_concrete_functions([], tf.Module()), SWITCH)
