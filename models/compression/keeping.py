"""What later techniques keep of earlier ones, and how layers keep it that the later technique leaves alone."""

from __future__ import annotations

from typing import NamedTuple

import tensorflow as tf


class Kept(NamedTuple):
  """What is kept of a kernel.

  Attributes:
    zeros: zeros stay zero.
    clusters: equal weights stay equal, so that there are no more distinct values.
  """

  zeros: bool = False
  clusters: bool = False


def keep(variable: tf.Variable, kept: Kept) -> None:
  """Makes the optimizer keep what a kernel has, for a layer that is fine-tuned along with others.

  Zeros stay zero while the other weights are trained; a clustered kernel is not trained any more.

  Args:
    variable: of a layer without a wrapper that would do it.
    kept: what to keep.
  """
  values = variable.numpy()
  # Keras takes constraints when a layer is built, and its optimizers read them here, after every step.
  if kept.clusters:
    variable._constraint = lambda _: tf.constant(values)
  elif kept.zeros:
    variable._constraint = lambda weights: weights * tf.constant(values != 0, weights.dtype)
