"""The one place that decides which Keras the project uses.

tensorflow-model-optimization knows Keras 2 alone, so it is `tf_keras`, whatever `tf.keras` means in the TensorFlow
that is installed. Nothing else in the project imports a Keras.
"""

import collections
import contextlib
from collections.abc import Iterator

import setuptools  # noqa: F401  tensorflow-model-optimization takes `distutils`, which Python 3.12 has through it alone.
import tensorflow
import tf_keras as keras
from tensorflow.python.autograph.core import config as autograph_config
from tensorflow.python.autograph.impl import conversion
from tf_keras.src import backend

if not keras.__version__.startswith('2.'):
  raise ImportError(f'Farelite needs Keras 2 (tf_keras), found {keras.__version__}. Install tf-keras 2.x.')

# TensorFlow exempts the package `keras` from AutoGraph, but neither tensorflow-model-optimization nor, in 2.16, the
# same code under its name `tf_keras` (2.21 does): their source is then rewritten when it is first traced, which takes
# 2 s of CPU for the one and 20 s for the other in every process, and changes nothing. Nor do our own layers branch on
# tensors.
autograph_config.CONVERSION_RULES = (
  autograph_config.DoNotConvert('models'),
  autograph_config.DoNotConvert('tf_keras'),
  autograph_config.DoNotConvert('tensorflow_model_optimization'),
  *autograph_config.CONVERSION_RULES,
)
# The rules are no public setting. Where they move, a rule that nothing reads would cost those seconds unnoticed.
if not conversion.is_allowlisted(keras.Model.train_step):
  raise ImportError(
    f'TensorFlow {tensorflow.__version__} has its AutoGraph rules elsewhere; see models/keras_compat.py.'
  )


@contextlib.contextmanager
def fresh_names() -> Iterator[None]:
  """Inside of it, layers without a name of their own are numbered as in a fresh process."""
  kept = {graph: dict(names) for graph, names in backend.PER_GRAPH_OBJECT_NAME_UIDS.items()}
  keras.backend.reset_uids()
  try:
    yield
  finally:
    for graph, names in kept.items():
      for name, count in names.items():
        own = backend.PER_GRAPH_OBJECT_NAME_UIDS.setdefault(graph, collections.defaultdict(int))
        own[name] = max(own[name], count)


__all__ = ['fresh_names', 'keras']
