"""One sentence for why a command ended, or a run failed."""

from __future__ import annotations

import contextlib
import errno
import json
import re
import signal
import sys
import threading
from collections.abc import Iterator

from configs.errors import FailedError, FareliteError, UserError
from configs.texts import visible

_ENDING = (signal.SIGTERM, signal.SIGHUP)
_ERROR_LINE = re.compile(r'^(?:[\w.]+\.)?(\w*(?:Error|Exception)): (.+)$', re.MULTILINE)
_BEAM_STEP = re.compile(r"\s*\[while running '[^]]*'?\]?\s*$")
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
_FREE = 'Free some space and run again; finished steps are kept.'

_PLACES = {
  errno.ENOENT: ('is not there', 'Check its name.'),
  errno.EACCES: ('is not open to this user', 'Fix its rights, or name another place.'),
  errno.EPERM: ('is not open to this user', 'Fix its rights, or name another place.'),
  errno.EISDIR: ('is a directory', 'Name a file.'),
  errno.ENOTDIR: ('is below a file, not a directory', 'Name another place.'),
  errno.EEXIST: ('is there already', 'Move it away, or name another place.'),
  errno.EROFS: ('is on a disk that can only be read', 'Name another place.'),
  errno.ENAMETOOLONG: ('has too long a name', 'Choose a shorter one.'),
}
"""What is wrong with a path, and what to do, by the number of the system's error."""

_FILE_SYSTEM_KINDS = ('NotFoundError', 'PermissionDeniedError', 'UnauthenticatedError', 'UnavailableError')
"""TensorFlow's errors that its file systems raise, those of buckets above all."""


def with_advice(error: KeyboardInterrupt, advice: str) -> KeyboardInterrupt:
  """An interrupt that says how to go on, in place of what is always so. Args: advice: a clause without a full stop."""
  return KeyboardInterrupt(error.args[0] if error.args else signal.SIGINT, advice)


def interrupted_by(error: KeyboardInterrupt) -> str:
  """What became of a run that the error ended, as `interrupted by SIGTERM`; Ctrl-C is SIGINT."""
  return f'interrupted by {_signal_of(error).name}'


def _signal_of(error: KeyboardInterrupt) -> signal.Signals:
  return signal.Signals(error.args[0] if error.args else signal.SIGINT)


def message_and_exit_code(error: BaseException) -> tuple[str, int] | None:
  """What a command prints of the error that ended it.

  Returns a line with what is wrong, where, and what to do, and the exit code; `None` where the error is a fault of the
  program, or click prints it.
  """
  if isinstance(error, KeyboardInterrupt):
    number = _signal_of(error)
    kept = error.args[1] if len(error.args) > 1 else 'what was finished is kept'
    # On a line of its own, after ^C.
    what = '\nInterrupted' if number is signal.SIGINT else f'Ended by {number.name}'
    return f'{what}; {kept}.', 128 + number
  mine = error if isinstance(error, FareliteError) else _translated(error)
  return None if mine is None else (visible(f'Error: {mine}'), mine.exit_code)


@contextlib.contextmanager
def ended_by_signals() -> Iterator[None]:
  """Makes of `kill`, and of a terminal that is closed, what Ctrl-C is: child processes end, half-made files go.

  A signal that somebody ignores, as `nohup` does, or handles stays as it is. Raises `KeyboardInterrupt` of the signal.
  """

  def end(number: int, frame: object) -> None:
    raise KeyboardInterrupt(number)

  is_main = threading.current_thread() is threading.main_thread()  # No other thread may handle signals.
  numbers = [number for number in _ENDING if is_main and signal.getsignal(number) is signal.SIG_DFL]
  for number in numbers:
    signal.signal(number, end)
  try:
    yield
  finally:
    for number in numbers:
      signal.signal(number, signal.SIG_DFL)


def _translated(error: BaseException) -> FareliteError | None:
  """An error of the system or of a library that a user may cause, as one of this project's.

  The libraries are only looked for among what is loaded: an error of theirs can't come from elsewhere.
  """
  if isinstance(error, OSError):
    return _of_the_system(error)
  if isinstance(error, UnicodeDecodeError):
    return UserError(f'A file that is read holds bytes that are no UTF-8 text ({error.reason}).', 'Save it as UTF-8.')
  if isinstance(error, json.JSONDecodeError):
    return UserError(f'A file that is read is no valid JSON (line {error.lineno}: {error.msg}).', 'Write it again.')
  if isinstance(error, _loaded('yaml', 'YAMLError')):
    return UserError(f'A file that is read is no valid YAML ({" ".join(str(error).split())}).', 'Fix it.')
  if isinstance(error, _loaded('ml_metadata.errors', 'StatusError')):
    return UserError(f"The metadata store can't be used: {_line(error)}.", 'Check that it can be reached and written.')
  if isinstance(error, _loaded('tensorflow.python.framework.errors_impl', *_FILE_SYSTEM_KINDS)):
    return UserError(f"A file can't be used: {_line(error)}.", 'Check its place and your rights there.')
  return None


def _of_the_system(error: OSError) -> FareliteError | None:
  if error.errno == errno.EPIPE:
    return None  # Whoever read the output has enough; click ends quietly.
  where = error.filename2 if error.filename2 and error.errno == errno.EEXIST else error.filename
  if error.errno in _FULL:
    return FailedError(f"The disk of '{where}' is full." if where else 'The disk is full.', _FREE)
  what, fix = _PLACES.get(error.errno or 0, (None, ''))
  if what and where:
    return UserError(f"'{where}' {what}.", fix)
  reason = (error.strerror or str(error) or type(error).__name__).strip().splitlines()[0].rstrip('.')
  return FailedError(f"'{where}' can't be used: {reason}." if where else f'{reason}.', 'Fix that and run again.')


def _loaded(module: str, *names: str) -> tuple[type[BaseException], ...]:
  return tuple(getattr(sys.modules[module], name) for name in names) if module in sys.modules else ()


def _line(error: BaseException) -> str:
  return (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip('.')


def failure_sentence(step: str, error: BaseException) -> str:
  """The sentence for a user: the step and what it raised, without a traceback; Beam wraps errors of workers as text."""
  root = root_cause(error)
  if (isinstance(root, OSError) and root.errno in _FULL) or 'No space left on device' in str(root):
    return f'{step}: the disk is full. {_FREE}'
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
