"""Activation ranges from data: what the rides really produce inside of the dense core."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import tensorflow as tf

from models.compression.ranges import INPUT, Range, hull
from models.rides import Rides

_MOST = 20_000
"""Rides that a calibration looks at; more of them cost time, and the dearest are among these anyway."""

_DEAREST = 1_000


@dataclasses.dataclass(frozen=True)
class DenseStep:
  """A dense layer as the quantized model computes it.

  Attributes:
    name: of the layer.
    kernel: float32 [inputs, units], on the 8-bit grid where the layer is
      quantized.
    bias: float32 [units].
    activation: applied to [rides, units].
    before_activation: whether the quantization comes before the activation, as
      with tanh, and not after it.
    quantized: whether there is any.
  """

  name: str
  kernel: np.ndarray
  bias: np.ndarray
  activation: Callable[[tf.Tensor], tf.Tensor]
  before_activation: bool
  quantized: bool


def calibration_rides(rides: Rides, seed: int, most: int = _MOST, dearest: int = _DEAREST) -> Rides:
  """Rides to calibrate on: all, or a seeded sample with those of the highest fares in it.

  The ends of a range come from few rides, and a range that leaves them out cuts their fares off.

  Args:
    rides: the training split.
    seed: of the sample.
    most: size of the sample.
    dearest: how many of them are there for their fares.
  """
  if len(rides) <= most:
    return rides
  order = np.argsort(-rides.fares, kind='stable')
  others = np.random.default_rng(seed).permutation(order[dearest:])[: most - dearest]
  return rides[np.sort(np.concatenate([order[:dearest], others]))]


def activation_ranges(
  features: np.ndarray, steps: Sequence[DenseStep], quantized_input: bool, at_least: Mapping[str, Range]
) -> dict[str, Range]:
  """Ranges of all quantized activations, first to last; each layer sees the quantized outputs of those before it.

  Args:
    features: float32 [rides, width], what enters the dense core.
    steps: its dense layers.
    quantized_input: whether the inputs are quantized.
    at_least: what a range has to hold besides the data, by its key.

  Returns:
    Smallest and largest value by layer name, and under `INPUT`; zero is in
    every range, as TFLite wants it.
  """
  ranges: dict[str, Range] = {}

  def quantized(name: str, values: tf.Tensor) -> tf.Tensor:
    ranges[name] = _range(values, at_least.get(name, (0.0, 0.0)))
    return tf.quantization.fake_quant_with_min_max_vars(values, *ranges[name])

  values = tf.constant(features)
  if quantized_input:
    values = quantized(INPUT, values)
  for step in steps:
    values = tf.matmul(values, step.kernel) + step.bias
    if step.quantized and step.before_activation:
      values = quantized(step.name, values)
    values = step.activation(values)
    if step.quantized and not step.before_activation:
      values = quantized(step.name, values)
  return ranges


def _range(values: tf.Tensor, at_least: Range) -> Range:
  low, high = hull((float(tf.reduce_min(values)), float(tf.reduce_max(values))), at_least)
  # A layer that is silent on all rides; a range of no width has no scale.
  return (low, high) if high > low else (0.0, 1.0)
