"""The process that runs a lite file for `models.lite.process`: `python -m models.lite.worker` and `main`'s arguments.

It reads requests on standard input and answers them in turn, until the input ends. Imports NumPy and LiteRT alone.
"""

from __future__ import annotations

import contextlib
import io
import os
import pathlib
import pkgutil
import re
import resource
import struct
import sys
import time
from collections.abc import Mapping
from typing import IO

import numpy as np

from models.lite.interpreter import LiteFileError, LiteRunner, runtime

_LENGTH = struct.Struct('<Q')


def write_message(stream: IO[bytes], arrays: Mapping[str, np.ndarray]) -> None:
  """Writes arrays of numbers or text, and flushes. Raises `OSError`: the other end is gone."""
  content = io.BytesIO()
  np.savez(content, **arrays)  # type: ignore[arg-type]
  stream.write(_LENGTH.pack(content.tell()))
  stream.write(content.getbuffer())
  stream.flush()


def read_message(stream: IO[bytes]) -> dict[str, np.ndarray] | None:
  """Reads what `write_message` wrote; `None` where the stream ended, be it in the middle of a message."""
  prefix = stream.read(_LENGTH.size)
  if len(prefix) < _LENGTH.size:
    return None
  [length] = _LENGTH.unpack(prefix)
  content = stream.read(length)
  if len(content) < length:
    return None
  with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
    return {name: arrays[name] for name in arrays.files}


ACTION, CALLS, COLUMN = 'action', 'calls', 'column:'
"""Keys of a request: what to do, how often to time it, and the prefix of the examples' columns."""

PREDICT, TIME_CALLS = 'predict', 'time'

RESULT, REFUSAL, PEAK, OPERATORS, COUNTS = 'result', 'refusal', 'peak', 'operators', 'counts'
"""Keys of an answer."""

_WARM_UP = 20


def main(arguments: list[str]) -> None:
  """Answers until the input ends.

  Args: arguments: the file, the interpreter's threads, 1 or 0 for the default delegates, and the dotted path of the
    contract.
  """
  requests, answers = sys.stdin.buffer, os.fdopen(os.dup(1), 'wb')
  # Whatever a library prints must not end up between the answers.
  os.dup2(2, 1)
  runtime()  # The library's own memory is not the file's.
  before = _reset_peak()
  try:
    path, threads, delegates, contract = arguments
    model = LiteRunner(path, int(threads), delegates == '1', pkgutil.resolve_name(contract)())
  except LiteFileError as error:
    write_message(answers, {REFUSAL: np.array(str(error))})
    return
  operators = model.operators()
  names, counts = np.array([*operators], np.str_), np.array([*operators.values()], np.int64)
  write_message(answers, {OPERATORS: names, COUNTS: counts, PEAK: np.array(_peak() - before)})
  while (request := read_message(requests)) is not None:
    try:
      answer = {RESULT: _answer(model, request)}
    except LiteFileError as error:
      answer = {REFUSAL: np.array(str(error))}
    write_message(answers, answer | {PEAK: np.array(_peak() - before)})


def _answer(model: LiteRunner, request: Mapping[str, np.ndarray]) -> np.ndarray:
  columns = {name.removeprefix(COLUMN): column for name, column in request.items() if name.startswith(COLUMN)}
  if str(request[ACTION]) == PREDICT:
    return model.predict(columns)
  return _microseconds(model, columns, int(request[CALLS]))


def _microseconds(model: LiteRunner, columns: Mapping[str, np.ndarray], calls: int) -> np.ndarray:
  """float64 [calls]: how long each call of a warm model took, from setting its inputs to holding its output."""
  taken = model.taken(columns)
  for _ in range(min(calls, _WARM_UP)):
    model.call(taken)
  elapsed = np.empty(calls)
  for call in range(calls):
    start = time.perf_counter_ns()
    model.call(taken)
    elapsed[call] = time.perf_counter_ns() - start
  return elapsed / 1000


def _reset_peak() -> int:
  """Makes Linux count the peak anew from what is there now, without what the imports took for a moment; that, bytes."""
  with contextlib.suppress(OSError):
    pathlib.Path('/proc/self/clear_refs').write_text('5')
  return _peak()


def _peak() -> int:
  """Most resident memory so far, bytes; VmHWM, as `ru_maxrss` of a fresh process starts with what its parent had."""
  try:
    status = pathlib.Path('/proc/self/status').read_text()
  except OSError:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == 'darwin' else 1024)
  found = re.search(r'^VmHWM:\s*(\d+) kB$', status, re.MULTILINE)
  return int(found[1]) * 1024 if found else 0


if __name__ == '__main__':
  main(sys.argv[1:])
