"""The one place that decides which Keras the project uses.

tensorflow-model-optimization knows Keras 2 alone, so it is `tf_keras`, whatever `tf.keras` means in the TensorFlow
that is installed. Nothing else in the project imports a Keras.
"""

import tf_keras as keras
from tensorflow.python.autograph.core import config as autograph_config

if not keras.__version__.startswith('2.'):
  raise ImportError(f'Farelite needs Keras 2 (tf_keras), found {keras.__version__}. Install tf-keras 2.x.')

# TensorFlow exempts the package `keras` from AutoGraph, but not the same code under its name `tf_keras`, nor
# tensorflow-model-optimization: their source is then rewritten when it is first traced, which takes 20 s of CPU for the
# one and 2 s for the other in every process, and changes nothing.
if hasattr(autograph_config, 'CONVERSION_RULES'):
  autograph_config.CONVERSION_RULES = (
    autograph_config.DoNotConvert('tf_keras'),
    autograph_config.DoNotConvert('tensorflow_model_optimization'),
    *autograph_config.CONVERSION_RULES,
  )

__all__ = ['keras']
