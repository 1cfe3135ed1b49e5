"""Keeps the frameworks' chatter out of the terminal and in a file."""

from __future__ import annotations

import contextlib
import logging
import os
import pathlib
import sys
import warnings
from collections.abc import Iterator

from rich.console import Console

_WIDTH = 120
"""Columns where there is no terminal to ask."""


@contextlib.contextmanager
def captured(log: pathlib.Path) -> Iterator[Console]:
  """Sends everything that is printed or logged to `log`, C++ included.

  Args:
    log: is created or appended to.

  Yields:
    A console that still writes to what standard output was.
  """
  sys.stdout.flush()
  sys.stderr.flush()
  saved = os.dup(1), os.dup(2)
  with log.open('ab', buffering=0) as file, os.fdopen(saved[0], 'w', encoding='utf-8', closefd=False) as terminal:
    handler = logging.StreamHandler(os.fdopen(os.dup(file.fileno()), 'w', encoding='utf-8'))
    handler.setFormatter(logging.Formatter('%(asctime)s %(levelname)s %(name)s: %(message)s'))
    root = logging.getLogger()
    before = root.handlers[:], root.level
    root.handlers[:] = [handler]
    root.setLevel(logging.INFO)
    os.dup2(file.fileno(), 1)
    os.dup2(file.fileno(), 2)
    try:
      with warnings.catch_warnings():
        warnings.simplefilter('ignore')
        width = None if terminal.isatty() else _WIDTH
        yield Console(file=terminal, highlight=False, soft_wrap=not terminal.isatty(), width=width)
    finally:
      sys.stdout.flush()
      sys.stderr.flush()
      handler.flush()
      os.dup2(saved[0], 1)
      os.dup2(saved[1], 2)
      root.handlers[:], root.level = before
      handler.stream.close()
  for descriptor in saved:
    os.close(descriptor)
