"""Keras and TFLite: the fare model, its training, its signatures. Only `run_fn` knows TFX."""

__all__ = [
  'charts',
  'compression',
  'error_intervals',
  'fare_model',
  'keras_compat',
  'lite',
  'protocols',
  'recipe_training',
  'reduction',
  'release',
  'rides',
  'run_fn',
  'samples',
  'served_versions',
  'serving',
  'settings',
  'signals',
  'streaming',
  'training',
  'whole_files',
]
