"""Keras and TFLite: the fare model, its training, its signatures. Only `run_fn` knows TFX."""

__all__ = [
  'compression',
  'fare_model',
  'keras_compat',
  'lite',
  'metrics',
  'plots',
  'recipe_training',
  'reduction',
  'release',
  'rides',
  'run_fn',
  'serving',
  'settings',
  'training',
  'versions',
  'whole_files',
]
