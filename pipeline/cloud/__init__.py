"""Runs away from this machine: compile, check, submit."""
