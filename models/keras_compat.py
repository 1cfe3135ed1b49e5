"""The one place that decides which Keras the project uses.

tensorflow-model-optimization knows Keras 2 alone, so it is `tf_keras`, whatever `tf.keras` means in the TensorFlow
that is installed. Nothing else in the project imports a Keras.
"""

import tf_keras as keras

if not keras.__version__.startswith('2.'):
  raise ImportError(f'Farelite needs Keras 2 (tf_keras), found {keras.__version__}. Install tf-keras 2.x.')

__all__ = ['keras']
