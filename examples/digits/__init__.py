"""scikit-learn's 1,797 handwritten digits through TFX, with compression by Farelite; see `docs/components.md`."""
