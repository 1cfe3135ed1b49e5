"""Judges the lite files themselves and picks the one that is pushed, as a TFX component."""

__all__ = [
  'choice',
  'component',
  'measuring',
  'predicted_ahead',
  'pushed_version',
  'records',
  'report',
  'rides',
  'task_examples',
]
