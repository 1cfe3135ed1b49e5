"""FeatureEngineering: a typed front on TFX's Transform."""

__all__ = ['component', 'example_io']
