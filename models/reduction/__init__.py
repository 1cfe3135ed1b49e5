"""Fewer model inputs: scikit-learn fits, NumPy and TensorFlow apply."""
