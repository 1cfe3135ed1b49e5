"""Runs on this machine: the output directory, the steps, what the terminal shows, `summary.json`."""
