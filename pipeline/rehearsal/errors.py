"""What a rehearsal can't go on after."""

from __future__ import annotations

from configs.errors import FailedError, UserError


class SpecError(UserError):
  """The compiled spec is not what a backend takes, or holds what a rehearsal can't run; a sentence."""


class TaskFailedError(FailedError):
  """A task failed, or would fail in a cluster; the text is a sentence without the task's name."""
