"""Fares for files of rides, by a lite file. No TFX component, and no TFX: `farelite predict` and services call it.

`model_files` finds and verifies the model, `scoring` turns a block of rows into
predictions, `streaming` does so for files, `writing` writes what comes of it.
"""
