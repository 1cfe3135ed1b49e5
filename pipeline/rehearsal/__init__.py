"""Runs a compiled spec without a cluster: every step as its own process, in what a pod would give it."""
