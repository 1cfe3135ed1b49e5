"""A failure is one sentence: the step and the cause, without traceback or Beam's trailer."""

import errno

import pytest

from pipeline.errors import failure_sentence, visible
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


@pytest.mark.parametrize(
  ('text', 'shown'),
  [
    ('Zwölf — „fares“ …\n  of 東京 \U0001f695', 'Zwölf — „fares“ …\n  of 東京 \U0001f695'),
    ('a\x1b[31mb\x9b1mc\x07\x7f', r'a\u001b[31mb\u009b1mc\u0007\u007f'),
    ('\rback\u202eturned\u2028line', r'\rback\u202eturned\u2028line'),
    ('\udcff', r'\udcff'),
  ],
  ids=['text', 'controls', 'directions', 'no_text'],
)
def test_a_text_is_shown_and_not_obeyed(text: str, shown: str):
  assert visible(text) == shown
