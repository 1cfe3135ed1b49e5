"""How far a study is: units done, time left; on a pipe, a line as each task ends."""

from __future__ import annotations

import pathlib
import time

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

from configs.study import StudyBlock
from pipeline.report.wording import seconds


class StudyProgress:
  """Shows the progress of a study; use it with `with`.

  Args:
    console: where to draw.
    directory: where units are kept, for the sentence about those of an earlier study.
  """

  def __init__(self, console: Console, directory: pathlib.Path) -> None:
    self._console, self._directory = console, directory
    columns = (TextColumn('{task.description}'), BarColumn(), MofNCompleteColumn(), TaskProgressColumn())
    left = TextColumn('{task.fields[left]}')
    self._progress = Progress(*columns, TimeElapsedColumn(), left, console=console, transient=True)
    self._bar = self._progress.add_task('planning …', total=None, left='')
    self._missing, self._measured, self._start = 0, 0, time.monotonic()
    self._task: tuple[str, float, int, int] | None = None

  def __enter__(self) -> StudyProgress:
    if self._console.is_terminal:
      self._progress.start()
    return self

  def __exit__(self, *_: object) -> None:
    self._end_task()
    self._progress.stop()

  def planned(self, units: int, kept: int) -> None:
    """See `StudyObserver`."""
    self._missing, self._start = units - kept, time.monotonic()
    self._progress.update(self._bar, total=units)
    if kept:
      whole = 'nothing is left to measure' if kept == units else f'going on with the other {units - kept:,}'
      self._console.print(f'{kept:,} of {units:,} units of work are kept in {self._directory}; {whole}', soft_wrap=True)

  def began(self, block: StudyBlock, task: str) -> None:
    """See `StudyObserver`."""
    self._end_task()
    self._task = (f'{block.value}: {task}', time.monotonic(), 0, 0)
    self._progress.update(self._bar, description=self._task[0])

  def finished(self, kept: bool) -> None:
    """See `StudyObserver`."""
    assert self._task is not None
    name, start, units, old = self._task
    self._task = (name, start, units + 1, old + kept)
    self._measured += not kept
    each = (time.monotonic() - self._start) / max(1, self._measured)
    left = f'about {seconds(each * (self._missing - self._measured))} left' if self._measured else ''
    self._progress.update(self._bar, advance=1, left=left)

  def _end_task(self) -> None:
    if self._task is None or not self._task[2]:
      return
    name, start, units, kept = self._task
    self._task = None
    mark = '[cyan]↺[/]' if kept == units else '[green]✓[/]'
    took = 'kept' if kept == units else seconds(time.monotonic() - start)
    self._console.print(f' {mark} {name:<48} {units:>3} units  {took}')
