"""The study: what each technique is worth, measured by cross-validation, and what `farelite study` shows of it.

Needs no TFX: it trains, converts and predicts by `models` alone.
"""

__all__ = ['engine', 'folds', 'page', 'records', 'reference_models', 'results']
