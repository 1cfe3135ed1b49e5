"""Runs a compiled spec without a cluster: every step as its own process, in what a pod would give it."""

__all__ = ['buckets', 'dag_runner', 'image', 'invocation', 'spec', 'task_runner']
