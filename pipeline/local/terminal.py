"""What a run shows in the terminal, and what it keeps out of it."""

from __future__ import annotations

import contextlib
import io
import json
import logging
import os
import pathlib
import sys
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import IO, Any

import yaml
from rich.console import Console, ConsoleOptions, RenderableType
from rich.progress import Progress, SpinnerColumn, TaskID, TextColumn
from rich.segment import Segment
from rich.table import Column, Table
from rich.text import Text

from configs import loading
from configs.base import written
from configs.compression import SCHEMES
from configs.presets import RECIPES, PresetFolder
from configs.run import RunConfig
from configs.texts import visible
from pipeline.local.steps import Step, StepState, is_look_up

_MARKS = {
  StepState.COMPLETE: ('✓', 'green'),
  StepState.CACHED: ('↺', 'cyan'),
  StepState.SKIPPED: ('–', 'yellow'),
  StepState.FAILED: ('✗', 'red'),
}

_WIDEST = 10_000
"""Columns, as good as no limit."""


class LiveView(Progress):
  """Shows steps while they run; on a pipe, a line as each one ends. Look-ups that took no time have no line."""

  def __init__(self, console: Console) -> None:
    columns = (TextColumn('{task.description:<24}'), TextColumn('[bold]{task.elapsed:6.1f} s'))
    spinner = SpinnerColumn(style='cyan')
    super().__init__(spinner, *columns, console=console, transient=True, disable=not console.is_interactive)
    self._running: dict[str, TaskID] = {}

  def started(self, name: str) -> None:
    """See `StepObserver`."""
    self._running[name] = self.add_task(name, total=None)

  def ended(self, step: Step) -> None:
    """See `StepObserver`."""
    if (running := self._running.pop(step.name, None)) is not None:
      self.remove_task(running)
    if is_look_up(step.name) and step.seconds < 1 and step.state is not StepState.FAILED:
      return
    mark, color = _MARKS[step.state]
    line = Text.assemble((f' {mark} ', color), f'{step.name:<24}', (f'{step.seconds:7.1f} s', 'bold'))
    line.append(f'  {step.state.value}' if step.state is not StepState.COMPLETE else '', style=color)
    line.append(f'  begun {step.ahead:.1f} s before' if step.ahead else '', style='dim')
    self.console.print(line)


def plain_table(*columns: Column | str) -> Table:
  """A table without lines."""
  return Table(*columns, box=None, padding=(0, 2, 0, 0), header_style='dim')


def whole(*names: str) -> tuple[Column, ...]:
  """Columns of words that stay on one line."""
  return tuple(Column(name, no_wrap=True) for name in names)


def right(*names: str, no_wrap: bool = False) -> tuple[Column, ...]:
  """Columns of figures."""
  return tuple(Column(name, justify='right', no_wrap=no_wrap) for name in names)


def show_table(console: Console, table: Table, wraps: bool = False) -> None:
  """Prints a table with all of its columns, at any width.

  On a pipe or in a log lines are as long as they must be. A terminal that is too narrow gets the columns in several
  tables below each other, each with the first column in front.

  Args: wraps: whether a terminal that is too narrow gets one table instead, whose sentences go on in further lines.
  """
  if wraps and console.is_terminal:
    console.print(table)
    return
  parts = [_part(table, columns) for columns in _groups(console, table)] if console.is_terminal else [table]
  for part in parts:
    console.print(_at_full_width(console, part), soft_wrap=True)


def _at_full_width(console: Console, table: Table) -> Table:
  table.width = console.measure(table, options=console.options.update_width(_WIDEST)).maximum
  return table


def _groups(console: Console, table: Table) -> Iterator[list[int]]:
  """Indices of the columns that fit side by side, the first column always among them."""
  wide = console.options.update_width(_WIDEST)
  first, *widths = (console.measure(_part(table, [index]), options=wide).maximum for index in range(len(table.columns)))
  group, taken = [0], first
  for index, width in enumerate(widths, 1):
    if taken + width > console.width and len(group) > 1:
      yield group
      group, taken = [0], first
    group.append(index)
    taken += width
  yield group


def _part(table: Table, columns: Sequence[int]) -> Table:
  """A table of some columns of another one."""
  chosen = [table.columns[index] for index in columns]
  part = plain_table(*(Column(one.header, justify=one.justify, no_wrap=one.no_wrap) for one in chosen))
  for cells in zip(*(one.cells for one in chosen), strict=True):
    part.add_row(*cells)
  return part


def print_paths(console: Console, paths: Mapping[str, pathlib.Path | str | None]) -> None:
  """Prints where things are, by their names, below this folder from here; those that are not `None`."""
  table, here = Table.grid(padding=(0, 2)), pathlib.Path.cwd()
  for name, path in paths.items():
    if path:
      inside = pathlib.Path(path).is_relative_to(here)
      table.add_row(f'[dim]{name}[/dim]', str(pathlib.Path(path).relative_to(here) if inside else path))
  console.print(table)


class _LastingFile(io.FileIO):
  """A descriptor for writing; once nobody reads what goes there, it goes nowhere."""

  def write(self, content: Any, /) -> int:
    try:
      return super().write(content)
    except BrokenPipeError:
      return len(content)


class _VisibleText(io.TextIOWrapper):
  """Text that no terminal obeys. A console of rich's writes around it, as its colors are to be obeyed."""

  rich_proxied_file: io.TextIOWrapper

  def write(self, text: str, /) -> int:
    return super().write(visible(text))


@contextlib.contextmanager
def lasting_output() -> Iterator[None]:
  """Lets a command that prints come to its end where nobody reads (`| head -1`, `>&-`), and shows controls in texts."""
  if sys.stdout is not sys.__stdout__:  # Somebody in this process reads it.
    yield
    return
  for descriptor in (1, 2):
    try:
      os.fstat(descriptor)
    except OSError:
      os.dup2(os.open(os.devnull, os.O_WRONLY), descriptor)
  buffer = io.BufferedWriter(_LastingFile(1, 'w', closefd=False))
  text = _VisibleText(buffer, encoding='utf-8', line_buffering=True)
  text.rich_proxied_file = io.TextIOWrapper(buffer, encoding='utf-8', line_buffering=True)
  with contextlib.redirect_stdout(text):
    try:
      yield
    finally:
      text.flush()


class VisibleConsole(Console):
  """A console that shows controls in what it is given, instead of passing them on."""

  def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
    for segment in super().render(renderable, options):
      yield segment if segment.control else segment._replace(text=visible(segment.text))


_WIDTH = 120
"""Columns where there is no terminal."""


@contextlib.contextmanager
def redirected(file: IO[bytes], *descriptors: int) -> Iterator[list[int]]:
  """Sends to a file what is written to some descriptors, C++ included; yields duplicates of what they were."""
  sys.stdout.flush()
  sys.stderr.flush()
  before = [os.dup(descriptor) for descriptor in descriptors]
  for descriptor in descriptors:
    os.dup2(file.fileno(), descriptor)
  try:
    yield before
  finally:
    sys.stdout.flush()
    sys.stderr.flush()
    for descriptor, duplicate in zip(descriptors, before, strict=True):
      os.dup2(duplicate, descriptor)
      os.close(duplicate)


@contextlib.contextmanager
def captured(log: pathlib.Path = pathlib.Path(os.devnull)) -> Iterator[Console]:
  """Appends all that is printed or logged to `log`, C++ included; yields a console on what standard output was."""
  with log.open('ab') as file, redirected(file, 1, 2) as (output, _), warnings.catch_warnings():
    warnings.simplefilter('ignore')
    handler = logging.StreamHandler(os.fdopen(os.dup(file.fileno()), 'w', encoding='utf-8'))
    handler.setFormatter(logging.Formatter('%(asctime)s %(levelname)s %(name)s: %(message)s'))
    root = logging.getLogger()
    before = root.handlers[:], root.level
    root.handlers[:] = [handler]
    root.setLevel(logging.INFO)
    try:
      with io.TextIOWrapper(io.BufferedWriter(_LastingFile(output, 'w', closefd=False)), encoding='utf-8') as terminal:
        width = None if terminal.isatty() else _WIDTH
        yield VisibleConsole(file=terminal, highlight=False, soft_wrap=not terminal.isatty(), width=width)
    finally:
      root.handlers[:], root.level = before
      handler.stream.close()


_OPTIONAL = (
  'reduction',
  'beam',
  'metadata',
  'retention',
  'retraining',
  'notify',
  'platform',
  'serving',
  'tracking',
  'study',
)
"""Sections that most runs leave as they are."""


def config_view(config: RunConfig) -> tuple[str, tuple[str, ...]]:
  """The resolved config as YAML that gives the same config when it is read again.

  Returns the text, and the sections that are left out of it as they are all by default. A recipe or scheme that is the
  packaged one of its name stands there by that name.
  """
  values = config.model_dump(mode='json')
  unchanged = tuple(
    name for name in _OPTIONAL if getattr(config, name) == type(config).model_fields[name].get_default()
  )
  for name in unchanged:
    del values[name]
  _named(values['training'], 'recipes', config.training.recipes, RECIPES)
  _named(values['compression'], 'schemes', config.compression.schemes, SCHEMES)
  if config.dataset.places:
    values['dataset']['places']['zones'] = _Table(values['dataset']['places']['zones'])
  text = yaml.dump(values, Dumper=_Dumper, sort_keys=False, allow_unicode=True, default_flow_style=None, width=118)
  return text, unchanged


_SAID_ELSEWHERE = frozenset({'name', 'dataset.path'})
_VALUE = 90
"""Characters of a value that are shown."""


def config_differences(config: RunConfig) -> tuple[str, tuple[str, ...]]:
  """What is not as in the preset that the config is nearest to; for another dataset than the presets', as by default.

  Returns what the rest is like, in words, and the differing settings as `key: value`, without the name and the path of
  the rides.
  """
  mine = _flat(config)
  compared = []
  for name in loading.presets_of(config.dataset.name):
    theirs = _flat(loading.load(name))
    compared.append((name, {key: mine.get(key) for key in mine | theirs if mine.get(key) != theirs.get(key)}))
  if compared:
    name, different = min(compared, key=lambda one: len(one[1]))
    words = f'the preset {name}'
  else:
    words = f'the defaults, and the columns and rules of the dataset {config.dataset.name}'
    places = [place for section in RunConfig.model_fields for place in _set(config, section)]
    different = {key: value for key, value in mine.items() if any(f'{key}.'.startswith(f'{one}.') for one in places)}
  lines = (f'{key}: {_short(value)}' for key, value in different.items() if key not in _SAID_ELSEWHERE)
  return words, tuple(lines)


def _set(config: RunConfig, section: str) -> Iterator[str]:
  return iter(()) if section in ('name', 'dataset') else written(config, section)


def _flat(config: RunConfig) -> dict[str, Any]:
  """Every setting by its dotted key, as JSON knows its value; packaged recipes and schemes by their names."""
  values = config.model_dump(mode='json')
  _named(values['training'], 'recipes', config.training.recipes, RECIPES)
  _named(values['compression'], 'schemes', config.compression.schemes, SCHEMES)
  found: dict[str, Any] = {}

  def add(place: str, value: Any) -> None:
    if isinstance(value, dict) and value:
      for key, below in value.items():
        add(f'{place}.{key}' if place else key, below)
    else:
      found[place] = value

  add('', values)
  return found


def _short(value: Any) -> str:
  text = json.dumps(value, ensure_ascii=False) if not isinstance(value, str) else value
  return text if len(text) <= _VALUE else f'{text[:_VALUE]}…'


class _Table(dict[str, Any]):
  """A mapping of so many keys that several share a line."""


class _Dumper(yaml.SafeDumper):
  """YAML's safe dumper, which knows a table."""


_Dumper.add_representer(_Table, lambda dumper, table: dumper.represent_mapping('tag:yaml.org,2002:map', table, True))


def _named(section: dict[str, Any], key: str, items: tuple[Any, ...], presets: PresetFolder) -> None:
  """Puts names in the place of what is packaged under them."""
  for position, item in enumerate(items):
    if item.name in presets.names() and item == type(item).model_validate(presets.spelled_out(item.name)):
      section[key][position] = item.name


def prepare() -> None:
  """Call before the first import of TensorFlow or TFX."""
  # tensorflow-model-optimization and TFMA must see Keras 2 where TensorFlow would take Keras 3.
  os.environ.setdefault('TF_USE_LEGACY_KERAS', '1')
  os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '1')
