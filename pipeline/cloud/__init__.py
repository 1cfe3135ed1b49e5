"""Runs away from this machine: compile, check, submit, schedule."""

__all__ = ['compiled', 'compiler', 'kfp', 'lint', 'settings', 'step', 'vertex']
