"""Keras and TFLite: the fare model, its training, its signatures. Only `run_fn` knows TFX."""

__all__ = [
  'charts',
  'compression',
  'fare_model',
  'keras_compat',
  'lite',
  'metrics',
  'protocols',
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
