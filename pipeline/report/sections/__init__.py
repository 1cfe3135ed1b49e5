"""The parts of the page: each reads what it needs of a run, and says nothing where the run did not come to it."""

__all__ = ['data', 'errors', 'model', 'shadow', 'training', 'variants']
