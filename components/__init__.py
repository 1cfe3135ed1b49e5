"""One folder per TFX component. Importing this package loads neither TensorFlow nor Beam.

TFX imports an artifact type by its `TYPE_NAME` as a path, so the types are exported here. Each is loaded when it is
used, as TFX's own `Artifact` class brings TensorFlow along.
"""

from __future__ import annotations

_TYPES = ('CompressionReport', 'LiteVariants', 'Quarantine', 'ReductionReport')

__all__ = [
  'CompressionReport',
  'LiteVariants',
  'Quarantine',
  'ReductionReport',
  'artifacts',
  'bigquery_ride_gen',
  'compression_gate',
  'dimensionality_reduction',
  'fare_evaluator',
  'feature_engineering',
  'in_memory',
  'model_registry',
  'parquet',
  'pruning_trainer',
  'pusher',
  'quantization_rewriter',
  'resolvers',
  'ride_example_gen',
  'ride_validator',
]


def __getattr__(name: str) -> object:
  if name not in _TYPES:
    raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
  from components import artifacts

  return getattr(artifacts, name)
