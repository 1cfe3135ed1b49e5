"""Lite files in processes of their own, all alive at once; what one of them does to itself harms no other."""

from __future__ import annotations

import concurrent.futures
import pathlib
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import TypeVar

from models.lite.contract import LiteFileError
from models.lite.process import LiteCrashError, LiteProcess

Answer = TypeVar('Answer')

_AT_ONCE = 3
"""Processes that start, end or answer at the same time; more than cores, as each also waits for its disk."""


class Bench:
  """Runs files; use it with `with`.

  Attributes:
    lost: one sentence by the name of each file that can't be used or whose
      process crashed.
  """

  def __init__(self, files: Mapping[str, pathlib.Path], threads: int) -> None:
    """Starts nothing yet.

    Args:
      files: by name.
      threads: of each interpreter.
    """
    self.lost: dict[str, str] = {}
    self._files = files
    self._processes = {name: LiteProcess(path, threads) for name, path in files.items()}
    self._alive: list[str] = []

  def __enter__(self) -> Bench:
    """Starts every process; default delegates are on."""
    with concurrent.futures.ThreadPoolExecutor(_AT_ONCE) as pool:
      started = [pool.submit(self._start, name) for name in self._files]
    self._alive = [name for name, start in zip(self._files, started, strict=True) if start.result()]
    return self

  def __exit__(
    self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
  ) -> None:
    with concurrent.futures.ThreadPoolExecutor(_AT_ONCE) as pool:
      for name in self._alive:
        pool.submit(self._processes[name].__exit__, kind, error, trace)

  @property
  def names(self) -> list[str]:
    """The files whose processes live, in their order."""
    return [*self._alive]

  def ask(self, name: str, question: Callable[[LiteProcess], Answer]) -> Answer | None:
    """Asks one process; `None` where that lost it."""
    process = self._processes[name]
    try:
      return question(process)
    except (LiteFileError, LiteCrashError) as error:
      self.lose(name, self._told(name, error))
      return None

  def ask_all(self, question: Callable[[LiteProcess], Answer]) -> dict[str, Answer]:
    """Asks every process, a few at a time; those that live on, by name."""
    with concurrent.futures.ThreadPoolExecutor(_AT_ONCE) as pool:
      asked = {name: pool.submit(self.ask, name, question) for name in self.names}
    answers = {name: future.result() for name, future in asked.items()}
    return {name: answer for name, answer in answers.items() if answer is not None}

  def lose(self, name: str, reason: str) -> None:
    """Gives a file up, in one sentence, and ends its process."""
    self.lost[name] = reason
    self._alive.remove(name)
    self._processes[name].__exit__(None, None, None)

  def _start(self, name: str) -> bool:
    try:
      self._processes[name].__enter__()
    except (LiteFileError, LiteCrashError) as error:
      self.lost[name] = self._told(name, error)
      return False
    return True

  def _told(self, name: str, error: Exception) -> str:
    if isinstance(error, LiteCrashError):
      return f'The process that ran it was lost: {error.reason}.'
    path = self._files[name]
    return str(error).replace(str(path), path.name)
