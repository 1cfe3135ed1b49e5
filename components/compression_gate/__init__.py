"""Judges the lite files themselves and picks the one that is pushed, as a TFX component."""
