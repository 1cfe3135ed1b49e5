"""A failure is one sentence: the step and the cause, without traceback or Beam's trailer."""

import errno

import pytest

from pipeline.errors import failure_sentence
from pipeline.local.runner import StepFailedError


def _failed(cause: Exception) -> StepFailedError:
  error = StepFailedError('Step')
  error.__cause__ = cause
  return error


@pytest.mark.parametrize(
  ('cause', 'sentence'),
  [
    pytest.param(ValueError('what was wrong.'), 'Step: what was wrong.', id='plain'),
    pytest.param(
      RuntimeError(
        "Traceback (most recent call last):\n  File x\na.b.IngestionError: bad file. [while running 'Read']\n"
      ),
      'Step: bad file.',
      id='from_a_beam_worker',
    ),
    pytest.param(OSError(errno.ENOSPC, 'No space left on device'), 'the disk is full', id='disk_full'),
    pytest.param(RuntimeError('ResourceExhausted: No space left on device'), 'the disk is full', id='disk_full_in_tf'),
    pytest.param(KeyError(), 'Step: KeyError', id='no_message'),
  ],
)
def test_sentence(cause: Exception, sentence: str):
  assert sentence in failure_sentence('Step', _failed(cause))
  assert 'Traceback' not in failure_sentence('Step', _failed(cause))
