"""Stops a run whose rides are mostly invalid, as a TFX component."""
