"""Training again as data arrives: what has been read, what is new, whether to run, and the past spans in order."""

__all__ = ['ledger', 'plan', 'triggers']
