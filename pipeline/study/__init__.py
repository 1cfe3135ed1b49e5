"""The study: what each technique is worth, measured by cross-validation, and what `farelite study` shows of it.

Needs no TFX: it trains, converts and predicts by `models` alone.
"""

__all__ = ['engine', 'fare_models', 'folds', 'page', 'records', 'reference_models', 'results']
