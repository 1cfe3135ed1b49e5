"""The study: what each technique is worth, measured by cross-validation, and what `farelite study` shows of it.

Needs no TFX: it trains, converts and predicts by `models` alone.
"""
