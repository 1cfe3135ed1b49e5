"""Models as users write them: one that is right, and each way to write one that can't be compressed."""

import importlib

import tf_keras as keras

L = keras.layers


def picture_net():
  """Layers without names of their own, and without a seed."""
  inputs = keras.Input([64], name='image')
  x = L.Reshape([8, 8, 1])(inputs)
  x = L.ReLU(6.0)(L.BatchNormalization(momentum=0.9)(L.Conv2D(8, 3, padding='same', use_bias=False)(x)))
  y = L.DepthwiseConv2D(3, padding='same', use_bias=False)(x)
  y = L.ReLU(6.0)(L.BatchNormalization(momentum=0.9)(y))
  y = L.BatchNormalization(momentum=0.9)(L.Conv2D(8, 1, use_bias=False)(y))
  x = L.GlobalAveragePooling2D()(L.Conv2D(16, 3, strides=2, activation='relu')(L.Add()([x, y])))
  return keras.Model(inputs, L.Dense(10, activation='softmax')(x))


def two_classes():
  """Whether a digit is 5 or more."""
  return keras.Sequential(
    [keras.Input([64], name='image'), L.Dense(16, activation='relu'), L.Dense(1, activation='sigmoid')]
  )


def number():
  """A digit as a number."""
  return keras.Sequential([keras.Input([64], name='image'), L.Dense(16, activation='relu'), L.Dense(1)])


def _ended(layers, shape=(64,)):
  return keras.Sequential([keras.Input(shape, name='image'), *layers, L.Dense(10, activation='softmax')])


def with_lambda():
  return _ended([L.Lambda(lambda values: values * 2, name='doubled')])


def unknown_size():
  inputs = keras.Input([None, None, 3], name='image')
  pooled = L.GlobalAveragePooling2D()(L.Conv2D(4, 3)(inputs))
  return keras.Model(inputs, L.Dense(10, activation='softmax')(pooled))


def logits():
  return keras.Sequential([keras.Input([64], name='image'), L.Dense(10)])


def nested():
  return _ended([keras.Sequential([L.Dense(8)], name='backbone')])


def twice():
  inputs, shared = keras.Input([64], name='image'), L.Dense(64, name='shared')
  return keras.Model(inputs, L.Dense(10, activation='softmax')(shared(shared(inputs))))


def two_outputs():
  inputs = keras.Input([64], name='image')
  return keras.Model(inputs, [L.Dense(10, activation='softmax')(inputs), L.Dense(1)(inputs)])


def rounded_codes():
  inputs = keras.Input([1], name='image')
  return keras.Model(inputs, L.Dense(10, activation='softmax')(L.Flatten()(L.Embedding(9, 4, name='table')(inputs))))


def pixels():
  """Takes other shapes than `picture_net`."""
  inputs = keras.Input([16], name='image')
  return keras.Model(inputs, L.Dense(10, activation='softmax')(inputs))


def without_kernel():
  inputs = keras.Input([10], name='image')
  return keras.Model(inputs, L.Softmax()(inputs))


def keras_3():
  keras_3 = importlib.import_module('keras')  # It comes with TensorFlow, and nothing here depends on it.
  return keras_3.Sequential([keras_3.Input([64], name='image'), keras_3.layers.Dense(10, activation='softmax')])


class Subclassed(keras.Model):
  """A model whose layers only its code knows."""

  def __init__(self):
    super().__init__()
    self.layer = L.Dense(10, activation='softmax')

  def call(self, inputs):
    return self.layer(inputs)


def subclassed():
  return Subclassed()


def text():
  inputs = keras.Input([1], name='image', dtype='string')
  return keras.Model(inputs, L.Dense(10, activation='softmax')(L.Hashing(8, output_mode='one_hot')(inputs)))


def nothing():
  """Forgets to return."""


_MADE: list = []


def same_model():
  if not _MADE:
    _MADE.append(_ended([]))
  return _MADE[0]


def other_each_time():
  _MADE.append(None)
  return _ended([L.Dense(len(_MADE))])
