"""Keras and TFLite: the fare model, its training, its signatures. Only `run_fn` knows TFX."""
