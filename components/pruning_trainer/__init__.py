"""TFX's Trainer for the dense base and its training recipes, and the keys of what it leaves."""

__all__ = ['component', 'keys']
