"""Says in one sentence why a run failed."""

from __future__ import annotations

import errno
import re

_ERROR_LINE = re.compile(r'^(?:[\w.]+\.)?(\w*(?:Error|Exception|Refused|Found)): (.+)$', re.MULTILINE)
_BEAM_STEP = re.compile(r"\s*\[while running '[^]]*'?\]?\s*$")


def failure_sentence(step: str, error: BaseException) -> str:
  """The sentence for a user: the step and what was wrong, without a traceback.

  Args:
    step: name of the step that raised.
    error: what it raised; Beam wraps a worker's exception as text.
  """
  root = root_cause(error)
  if (isinstance(root, OSError) and root.errno == errno.ENOSPC) or 'No space left on device' in str(root):
    return f'{step}: the disk is full. Free some space and run again; finished steps are kept.'
  text = str(root).strip()
  worker_errors = _ERROR_LINE.findall(text)
  if worker_errors:
    text = worker_errors[-1][1]
  text = _BEAM_STEP.sub('', text).strip() or type(root).__name__
  return f'{step}: {text}'


def root_cause(error: BaseException) -> BaseException:
  """The innermost explicit cause, such as the one that `StepFailedError` was raised from."""
  while error.__cause__ is not None:
    error = error.__cause__
  return error
