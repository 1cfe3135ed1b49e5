"""What `farelite init` reads off a file of rides, and what `farelite check` foresees of a run on them.

Each guess is a pure function of cells; `template` writes the config that says all of them.
"""

__all__ = ['guess', 'outlook', 'sample', 'template']
