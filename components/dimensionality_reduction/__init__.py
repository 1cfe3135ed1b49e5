"""DimensionalityReduction: a shorter feature vector, fitted once and applied in graph."""

__all__ = ['component']
