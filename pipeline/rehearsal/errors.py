"""What a rehearsal can't go on after."""

from __future__ import annotations


class SpecError(ValueError):
  """The compiled spec is not what a backend takes, or holds what a rehearsal can't run; a sentence."""


class TaskFailedError(RuntimeError):
  """A task failed, or would fail in a cluster; the text is a sentence without the task's name."""
