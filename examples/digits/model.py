"""Two nets that read a digit: a plain one, and a MobileNet-like one of depthwise-separable blocks.

`models.keras_compat.keras` is Keras 2 (`tf_keras`), the only Keras that tensorflow-model-optimization compresses.
"""

from __future__ import annotations

from models.keras_compat import keras

layers = keras.layers

CLASSES = 10


def plain() -> keras.Model:
  """Two convolutions and a dense layer."""
  image = keras.Input([8, 8, 1], name='image')
  found = layers.Conv2D(32, 3, padding='same', activation='relu', name='first')(image)
  found = layers.Conv2D(64, 3, padding='same', activation='relu', name='second')(found)
  found = layers.Flatten(name='flat')(layers.MaxPooling2D(2, name='pooled')(found))
  found = layers.Dense(64, activation='relu', name='joined')(found)
  return keras.Model(image, layers.Dense(CLASSES, activation='softmax', name='digit')(found))


def mobile() -> keras.Model:
  """A convolution and four depthwise-separable blocks, normalized and clipped at 6; two of them add to their input."""
  image = keras.Input([8, 8, 1], name='image')
  found = _convolved(image, layers.Conv2D(32, 3, padding='same', use_bias=False, name='stem'))
  for name, width, stride in (('a', 32, 1), ('b', 64, 2), ('c', 64, 1), ('d', 128, 2)):
    before = found
    depth = layers.DepthwiseConv2D(3, stride, padding='same', use_bias=False, name=f'{name}_depth')
    point = layers.Conv2D(width, 1, use_bias=False, name=f'{name}_point')
    found = _convolved(_convolved(found, depth), point)
    if found.shape == before.shape:
      found = layers.Add(name=f'{name}_added')([before, found])
  found = layers.GlobalAveragePooling2D(name='pooled')(found)
  return keras.Model(image, layers.Dense(CLASSES, activation='softmax', name='digit')(found))


def _convolved(found: keras.KerasTensor, layer: keras.layers.Layer) -> keras.KerasTensor:
  """A convolution, its normalization, and ReLU6."""
  found = layers.BatchNormalization(momentum=0.9, name=f'{layer.name}_normal')(layer(found))
  return layers.ReLU(6.0, name=f'{layer.name}_relu')(found)
