"""Runs away from this machine: compile, check, submit."""

__all__ = ['compiler', 'kfp', 'lint', 'settings', 'vertex']
