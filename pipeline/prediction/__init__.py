"""Fares for files of rides, by a lite file. No TFX component, and no TFX: `farelite predict` and services call it.

`scoring` finds and verifies the model and turns a block of rows into predictions; `streaming` does so for files.
"""

__all__ = ['scoring', 'streaming']
