"""Runs a lite file in a process of its own, which may crash, be killed or hang without harm to this one.

A process can be started before its file is there: it imports what it needs while the caller still makes the file.
"""

from __future__ import annotations

import contextlib
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import IO, NamedTuple

import numpy as np

import models
from configs.errors import FailedError
from models.lite import worker
from models.lite.interpreter import AnyFile, LiteFileError
from models.lite.messages import read_message, write_message
from models.protocols import FileContract
from models.signals import deferred_signals

_ROOT = pathlib.Path(models.__file__).resolve().parent.parent
_GRACE = 5.0
"""Seconds that an idle process gets to end by itself."""

_STDERR_BYTES = 1 << 16

_NO_THREADS = {'OPENBLAS_NUM_THREADS': '1'}
"""NumPy's library of linear algebra, which nothing here calls, starts threads that cost as much as the import."""


class LiteCrashError(FailedError):
  """The process of a lite file ended or hung; `reason` is how, such as `killed by SIGSEGV`."""

  def __init__(self, path: str, reason: str) -> None:
    super().__init__(f"The process that ran '{path}' was lost: {reason}.")
    self.reason = reason


class Started(NamedTuple):
  """A process that has no file yet, and what it writes to standard error."""

  process: subprocess.Popen[bytes]
  errors: IO[bytes]


def _start() -> Started:
  """Call it with signals deferred until somebody has what it returns, which could end unowned otherwise."""
  with contextlib.ExitStack() as unowned:
    errors = unowned.enter_context(tempfile.TemporaryFile())
    with deferred_signals():
      # From this folder, `models` is this package and none in the caller's own.
      process = subprocess.Popen(
        [sys.executable, '-m', worker.__name__],
        cwd=_ROOT,
        env=os.environ | _NO_THREADS,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=errors,
        start_new_session=True,
      )
      unowned.pop_all()
    return Started(process, errors)


class StartedAhead:
  """Processes for files that are still being made; use it with `with`, in any number of threads.

  Each of them serves one file and no other. When the block ends, those that are left go, and where an error ends it,
  also those that were taken: a thread that waits for an answer then has none to wait for.
  """

  def __init__(self) -> None:
    self._lock = threading.Lock()
    self._waiting: list[Started] = []
    self._taken: list[Started] = []
    self._ended = False

  def __enter__(self) -> StartedAhead:
    return self

  def __exit__(
    self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
  ) -> None:
    with deferred_signals():
      with self._lock:
        self._ended = True
      for started in self._waiting:
        _discard(started)
      for started in self._taken if kind is not None else ():
        started.process.kill()

  def prepare(self, count: int = 1) -> None:
    """Starts processes until so many wait for a file."""
    for _ in range(count):
      with deferred_signals(), self._lock:
        if self._ended or len(self._waiting) >= count:
          return
        self._waiting.append(_start())

  def take(self) -> Started:
    """One that waits, or a new one where none does; the caller ends it. Raises `RuntimeError` after the block's end."""
    with self._lock:
      if self._ended:
        raise RuntimeError('Nothing is started any more.')
      while self._waiting:
        started = self._waiting.pop(0)
        if started.process.poll() is None:
          break
        _discard(started)
      else:
        started = _start()
      self._taken.append(started)
      return started


def _discard(started: Started) -> None:
  """Ends a process that no file was given to."""
  process = started.process
  assert process.stdin is not None and process.stdout is not None
  process.kill()
  process.wait()
  for stream in (process.stdin, process.stdout, started.errors):
    stream.close()


class LiteProcess:
  """A lite file in a process of its own; use it with `with`, one thread at a time.

  The process imports NumPy and LiteRT alone, so it is what a client of the file is. It is gone when the block ends,
  however that comes.

  Attributes:
    peak_bytes: how far the peak of the process's resident memory (VmHWM) had risen by the last answer above what it was
      before the file was read; the examples on their way through the pipe are part of it.
    operators: how often each operator stands in the file; `DELEGATE` counts the parts that a delegate took over.
  """

  def __init__(
    self,
    path: str | os.PathLike[str],
    threads: int = 1,
    default_delegates: bool = True,
    timeout: float = 120.0,
    contract: FileContract | None = None,
    ahead: StartedAhead | None = None,
  ) -> None:
    """Starts nothing yet.

    Args:
      default_delegates: see `LiteRunner`.
      timeout: seconds after which an unanswered call counts as hung.
      contract: see `LiteRunner`; the process makes its own by the path of the class.
      ahead: gives the process, which is a new one otherwise.
    """
    self._path = os.fspath(path)
    kind = type(contract or AnyFile())
    self._opening = {
      worker.PATH: np.array(str(pathlib.Path(path).absolute())),
      worker.THREADS: np.array(threads),
      worker.DELEGATES: np.array(default_delegates),
      worker.CONTRACT: np.array(f'{kind.__module__}.{kind.__qualname__}'),
    }
    self._timeout = timeout
    self._ahead = ahead
    self._process: subprocess.Popen[bytes] | None = None
    self._errors: IO[bytes] | None = None
    self._crash: LiteCrashError | None = None
    self.peak_bytes = 0
    self.operators: dict[str, int] = {}

  def __enter__(self) -> LiteProcess:
    """Starts the process, or takes one that was started ahead, and loads the file.

    Raises:
      LiteFileError: the file can't be used.
      LiteCrashError: loading it crashed or hung.
    """
    try:
      with deferred_signals():
        self._process, self._errors = self._ahead.take() if self._ahead else _start()
      answer = self._exchange(self._opening)
    except BaseException:
      if self._process is not None:
        self._end(0)
      if self._errors is not None:
        self._errors.close()
      raise
    names, counts = answer[worker.OPERATORS].tolist(), answer[worker.COUNTS].tolist()
    self.operators = dict(zip(names, counts, strict=True))
    return self

  def __exit__(
    self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
  ) -> None:
    self._end(_GRACE if kind is None else 0)
    assert self._errors is not None
    self._errors.close()

  def predict(self, columns: Mapping[str, np.ndarray]) -> np.ndarray:
    """Predictions, float32; see `LiteRunner.predict`.

    Raises:
      LiteFileError: the examples don't fit the file.
      LiteCrashError: the process crashed, was killed, or hung.
    """
    return self._request(worker.PREDICT, columns)

  def time(self, columns: Mapping[str, np.ndarray], calls: int) -> np.ndarray:
    """Latency of one batch as a caller has it: inputs set, invoked, output taken.

    Args:
      columns: the batch, [examples, ...] by name.
      calls: how often the model is called, after a warm-up that is not counted.
    Returns: float64 [calls], microseconds of each whole call.
    Raises: As `predict`.
    """
    return self._request(worker.TIME_CALLS, columns, calls)

  @property
  def pid(self) -> int:
    """The process's id, for who accounts for it."""
    assert self._process is not None
    return self._process.pid

  def _request(self, action: str, columns: Mapping[str, np.ndarray], calls: int = 0) -> np.ndarray:
    if self._process is None:
      raise RuntimeError('Use LiteProcess with `with`; no process runs.')
    if self._crash is not None:
      raise LiteCrashError(self._path, self._crash.reason)
    for name, column in columns.items():
      if np.asarray(column).dtype.hasobject:
        raise LiteFileError(f"Column '{name}' must hold numbers, got {np.asarray(column).dtype}.")
    request = {worker.ACTION: np.array(action), worker.CALLS: np.array(calls)}
    request |= {worker.COLUMN + name: np.asarray(column) for name, column in columns.items()}
    return self._exchange(request)[worker.RESULT]

  def _exchange(self, request: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Sends a request and takes the answer."""
    process = self._process
    assert process is not None and process.stdin is not None and process.stdout is not None
    late = threading.Event()

    def stop() -> None:
      late.set()
      process.kill()

    # Whatever this thread waits for, writing or reading, ends when the process does.
    watch = threading.Timer(self._timeout, stop)
    watch.daemon = True
    watch.start()
    try:
      write_message(process.stdin, request)
      answer = read_message(process.stdout)
    except (BrokenPipeError, ConnectionResetError):
      answer = None
    finally:
      watch.cancel()
    if answer is None or late.is_set():
      self._crash = self._lost(late.is_set())
      raise self._crash
    if worker.REFUSAL in answer:
      raise LiteFileError(str(answer[worker.REFUSAL]))
    self.peak_bytes = int(answer[worker.PEAK])
    return answer

  def _lost(self, late: bool) -> LiteCrashError:
    assert self._process is not None
    code = self._end(_GRACE)
    if late:
      return LiteCrashError(self._path, f'it gave no answer within {self._timeout:g} s and was stopped')
    reason = f'killed by {_signal_name(-code)}' if code < 0 else f'it ended with exit code {code}'
    message = self._last_error()
    return LiteCrashError(self._path, f'{reason} ({message})' if message else reason)

  def _last_error(self) -> str:
    """The last line on its standard error that is no mere information."""
    assert self._errors is not None
    size = self._errors.seek(0, os.SEEK_END)
    self._errors.seek(max(0, size - _STDERR_BYTES))
    lines = self._errors.read().decode('utf-8', 'replace').strip().splitlines()
    return next((line.strip()[:300] for line in reversed(lines) if not line.startswith('INFO:')), '')

  def _end(self, patience: float) -> int:
    """Ends the process, by force after some seconds or at once, and reaps it; returns its exit code."""
    process = self._process
    assert process is not None and process.stdin is not None and process.stdout is not None
    if not patience:
      process.kill()
    with contextlib.suppress(OSError):
      # To a process that waits for requests this is the end of them.
      process.stdin.close()
    try:
      with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(patience or None)
    finally:  # Also where the wait is interrupted.
      process.kill()
    code = process.wait()
    process.stdout.close()
    return code


Beside = Callable[[bytes, LiteProcess], None]
"""Is called with a file's bytes and a process that runs it."""


def _signal_name(number: int) -> str:
  try:
    return signal.Signals(number).name
  except ValueError:
    return f'signal {number}'
