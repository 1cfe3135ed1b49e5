"""A calm view of a run: one line per step, with its time."""

from __future__ import annotations

import time

from rich.console import Console, RenderableType
from rich.live import Live
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from pipeline.steps import Step, StepState

_MARKS = {
  StepState.COMPLETE: ('✓', 'green'),
  StepState.CACHED: ('↺', 'cyan'),
  StepState.SKIPPED: ('–', 'yellow'),
  StepState.FAILED: ('✗', 'red'),
}
_PLAIN_STEPS = frozenset({'EarlierStatistics', 'ServedModel', 'WarmStartModel'})
"""Look-ups; not worth a line where they take no time."""


class LiveView:
  """Shows steps while they run; on a pipe, a line as each one ends.

  Args:
    console: where to draw.
  """

  def __init__(self, console: Console) -> None:
    self._console = console
    self._running: dict[str, float] = {}
    self._live = Live(console=console, get_renderable=self._current, refresh_per_second=8, transient=True)

  def __enter__(self) -> LiveView:
    if self._console.is_terminal:
      self._live.start()
    return self

  def __exit__(self, *_: object) -> None:
    if self._live.is_started:
      self._live.stop()

  def started(self, name: str) -> None:
    """See `StepObserver`."""
    self._running[name] = time.monotonic()

  def ended(self, step: Step) -> None:
    """See `StepObserver`."""
    self._running.pop(step.name, None)
    if _is_plain(step):
      return
    mark, color = _MARKS[step.state]
    line = Text.assemble((f' {mark} ', color), f'{step.name:<24}', (f'{step.seconds:7.1f} s', 'bold'))
    line.append(f'  {step.state.value}' if step.state is not StepState.COMPLETE else '', style=color)
    self._console.print(line)

  def _current(self) -> RenderableType:
    rows = Table.grid(padding=(0, 1))
    for name, since in list(self._running.items()):
      rows.add_row(
        Spinner('dots', style='cyan'),
        f'{name:<24}',
        Text(f'{time.monotonic() - since:6.1f} s', style='bold'),
      )
    return rows


def _is_plain(step: Step) -> bool:
  """Whether a step is a look-up that took no time; compiled for Vertex, one is two tasks with endings to its name."""
  return step.name.split('-')[0] in _PLAIN_STEPS and step.seconds < 1 and step.state is not StepState.FAILED
