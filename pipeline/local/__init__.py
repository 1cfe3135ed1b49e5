"""Runs on this machine: the output directory, the steps, what the terminal shows, `summary.json`."""

__all__ = ['ahead', 'output', 'run', 'runner', 'steps', 'summary', 'terminal', 'unchanged']
