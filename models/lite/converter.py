"""The one place that makes TFLite converters, for the product and for tests, and decides how Dense is quantized.

TensorFlow gives a quantized dense kernel one scale per unit by default (2.21 does, 2.16 can't). TFLite's sparse 8-bit
kernel reads only the first of them: its outputs are garbage, without an error. And one scale per unit stores a value
that many weights share as several integers, which undoes clustering. So here a kernel has one scale, whatever the
version; one per unit is a choice for files with neither.
"""

from __future__ import annotations

import gc
from typing import TypeAlias

import tensorflow as tf

from configs.errors import FailedError

Converter: TypeAlias = tf.lite.TFLiteConverter

SWITCH = '_experimental_disable_per_channel_quantization_for_dense_layers'
"""TensorFlow's attribute of a converter; private, and the only way to set it."""

_ALWAYS_PER_TENSOR = (2, 16)
"""The last version known to have no such attribute and one scale per kernel."""


def from_saved_model(directory: str, signature: str, per_channel: bool = False) -> Converter:
  """A converter of one signature of a SavedModel.

  Args:
    per_channel: whether a quantized dense kernel has one scale per unit; for files without sparse kernels and clusters.
  Raises: FailedError: this TensorFlow can't do so.
  """
  return configured(Converter.from_saved_model(directory, signature_keys=[signature]), per_channel)


def convert(converter: Converter) -> bytes:
  """The file that a converter makes.

  TensorFlow 2.21 looks for garbage in each conversion, through every object of the process: 0.4 s where TFX is
  imported, as long as all the rest. What was there before is left out of that; what the conversion leaves is found.
  """
  gc.freeze()
  try:
    return bytes(converter.convert())
  finally:
    gc.unfreeze()


def configured(converter: Converter, per_channel: bool = False) -> Converter:
  """Decides how a converter quantizes dense kernels; see `from_saved_model`."""
  if hasattr(converter, SWITCH):
    setattr(converter, SWITCH, not per_channel)
    return converter
  # An attribute that nothing reads would be set without an error, so its absence has to be known to be harmless.
  version = tuple(int(part) for part in tf.__version__.split('.')[:2])
  if per_channel or version > _ALWAYS_PER_TENSOR:
    raise FailedError(
      f'TensorFlow {tf.__version__} has no {SWITCH} that says how many scales a dense kernel has. '
      f'{"One per unit" if per_channel else "One alone"} can be had with TensorFlow 2.21'
      f'{"" if per_channel else " or 2.16"}.'
    )
  return converter
