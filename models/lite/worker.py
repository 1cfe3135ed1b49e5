"""The process that runs a lite file for `models.lite.process`: `python -m models.lite.worker`.

It reads requests on standard input and answers them in turn, until the input ends; the first one names the file.
Imports NumPy and LiteRT alone.
"""

from __future__ import annotations

import contextlib
import os
import pathlib
import pkgutil
import re
import resource
import sys
import time
from collections.abc import Mapping

import numpy as np

from models.lite.interpreter import LiteFileError, LiteRunner, runtime
from models.lite.messages import read_message, write_message

PATH, THREADS, DELEGATES, CONTRACT = 'path', 'threads', 'delegates', 'contract'
"""Keys of the first request: the file, the interpreter's threads, whether it has the default delegates, and the dotted
path of the contract."""

ACTION, CALLS, COLUMN = 'action', 'calls', 'column:'
"""Keys of a further request: what to do, how often to time it, and the prefix of the examples' columns."""

PREDICT, TIME_CALLS = 'predict', 'time'

RESULT, REFUSAL, PEAK, OPERATORS, COUNTS = 'result', 'refusal', 'peak', 'operators', 'counts'
"""Keys of an answer."""

_WARM_UP = 20


def main() -> None:
  """Answers until the input ends."""
  requests, answers = sys.stdin.buffer, os.fdopen(os.dup(1), 'wb')
  # Whatever a library prints must not end up between the answers.
  os.dup2(2, 1)
  runtime()  # The library's own memory is not the file's.
  opening = read_message(requests)
  if opening is None:  # It was started ahead, for a file that never came.
    return
  before = _reset_peak()
  try:
    contract = pkgutil.resolve_name(str(opening[CONTRACT]))()
    model = LiteRunner(str(opening[PATH]), int(opening[THREADS]), bool(opening[DELEGATES]), contract)
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
  main()
  # Taking Python apart takes as long as answering, and what it holds goes with the process.
  sys.stderr.flush()
  os._exit(0)
