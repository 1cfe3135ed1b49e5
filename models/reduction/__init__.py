"""Fewer model inputs: scikit-learn fits, NumPy and TensorFlow apply."""

__all__ = ['fitted', 'fitting', 'in_graph', 'mappings', 'plots', 'projections', 'records']
