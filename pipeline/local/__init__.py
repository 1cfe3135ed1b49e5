"""Runs on this machine: the output directory, the steps, what the terminal shows, `summary.json`."""

__all__ = ['output', 'run', 'runner', 'steps', 'summary', 'terminal', 'unchanged']
