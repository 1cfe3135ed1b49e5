"""A user's own model, made by a function of the user's: how it is built, read for, exported, trained and converted."""

__all__ = ['building', 'examples', 'run_fn', 'serving', 'variants']
