"""Stops a run whose rides are not what the schema expects, as a TFX component."""
