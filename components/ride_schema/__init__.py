"""The curated schema of the canonical ride, as a TFX component."""
