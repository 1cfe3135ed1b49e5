"""Features as pure TensorFlow: mappers go row by row, analyzers make a full pass, `preprocessing_fn` composes."""

__all__ = [
  'catalogue',
  'civil',
  'constants',
  'engineering',
  'in_memory',
  'names',
  'preprocessing',
  'slice_names',
  'slicing',
]
