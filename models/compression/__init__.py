"""Pruning, clustering and quantization-aware training of the dense core, and the proof that they had an effect."""

__all__ = ['compressor', 'layers', 'proof', 'quantized_model', 'records', 'report', 'training_charts', 'whole_model']
