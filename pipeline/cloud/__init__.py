"""Runs away from this machine: compile, check, submit."""

__all__ = ['compiled', 'compiler', 'kfp', 'lint', 'settings', 'vertex']
