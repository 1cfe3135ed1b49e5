"""What `farelite init` reads off a file of rides, each guess a pure function of cells, and the config that says it."""

__all__ = ['guess', 'sample', 'template']
