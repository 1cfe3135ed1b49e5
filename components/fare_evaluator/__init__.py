"""TFX's Evaluator for fares: slices that must add up, intervals beside the metrics."""

__all__ = ['component', 'records', 'slices']
