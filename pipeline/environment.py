"""The one place that sets the process environment that TensorFlow reads when it is imported."""

import os


def prepare() -> None:
  """Call before the first import of TensorFlow or TFX."""
  # tensorflow-model-optimization and TFMA must see Keras 2 where TensorFlow would take Keras 3.
  os.environ.setdefault('TF_USE_LEGACY_KERAS', '1')
  os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '1')
