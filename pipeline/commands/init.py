"""`farelite init`: looks at rides, asks on a terminal, writes a config and says what comes next."""

from __future__ import annotations

import dataclasses
import pathlib
import shlex
import sys
import tempfile
from collections.abc import Sequence
from typing import Any

from rich.markup import escape
from rich.prompt import Prompt

from components.ride_example_gen.spans import check_inputs
from configs import loading
from configs.base import nearest, unknown
from configs.columns import COORDINATES, LABEL, PASSENGERS, TIME
from configs.dataset import Clock, TimeEncoding
from configs.errors import UserError
from models.whole_files import is_bucket, write_whole
from pipeline.local.terminal import VisibleConsole, plain_table, show_table
from pipeline.sources import data_source
from pipeline.starting.guess import Choices, Guess, guess, read_columns
from pipeline.starting.sample import Sample, read_sample
from pipeline.starting.template import config_text, needed_edits

_MEANINGS = {
  LABEL: 'the fare',
  TIME: 'the pickup time',
  **{role: role.replace('_', ' ') for role in COORDINATES},
  PASSENGERS: 'the number of passengers',
}
_NONE = '-'
"""The answer that there is no such column."""


def run(
  rides: str,
  output: str | None = None,
  name: str | None = None,
  columns: Sequence[str] = (),
  yes: bool = False,
  force: bool = False,
  ask: bool | None = None,
) -> None:
  """Writes a config for a file of rides; arguments as of the command line.

  Args: ask: whether to ask on standard input; where there is a terminal by default, unless `yes`.
  Raises: UserError: there are no rides, the file can't be read or lacks what rides have, or the output is there.
  """
  console = VisibleConsole(highlight=False)
  choices = Choices(columns=_chosen(columns), name=name)
  file, path = _first_file(rides)
  sample = read_sample(file)
  if output or name:
    _free(output or f'{name}.yaml', force)
  if (sys.stdin.isatty() and sys.stdout.isatty() and not yes) if ask is None else ask:
    choices = _Questions(sample, console).ask(choices)
  found = guess(sample, choices)
  text = config_text(found, path)
  target = output or f'{found.name}.yaml'
  _free(target, force)
  if not needed_edits(found):
    _try(text)
  write_whole(pathlib.Path(target), text)
  _show(console, found, target)


def _chosen(columns: Sequence[str]) -> dict[str, str | None]:
  """The columns of `--column`, by canonical name."""
  chosen: dict[str, str | None] = {}
  for text in columns:
    role, separator, column = text.partition('=')
    if not separator or not column:
      raise UserError(f"--column takes CANONICAL=NAME, such as {LABEL}=price, got '{text}'.")
    if role not in _MEANINGS and role != 'key':
      raise UserError(f'--column: {unknown("part of a ride", role, (*_MEANINGS, "key"))}')
    chosen[role] = None if column == _NONE else column
  return chosen


def _first_file(rides: str) -> tuple[str, str]:
  """The first of the files that are named, and the path for the config: whole, so that it is right from any folder."""
  source = data_source(rides)
  [first, *_] = check_inputs(source.base, source.pattern)
  is_url = is_bucket(rides)
  return first, rides if is_url else str(pathlib.Path(rides).expanduser().absolute())


def _free(target: str, force: bool) -> None:
  """Refuses to write over a file. Raises `UserError`."""
  if pathlib.Path(target).suffix not in ('.yaml', '.yml'):
    raise UserError(f"The config is YAML: name it *.yaml, got '{target}'.")
  if pathlib.Path(target).exists() and not force:
    raise UserError(f"'{target}' is there already: name another file with --output, or write over it with --force.")


def _try(text: str) -> None:
  """Reads a config as a run would. Raises `ConfigError`: the user's name, zone or currency is none."""
  with tempfile.NamedTemporaryFile('w', suffix='.yaml', encoding='utf-8') as file:
    file.write(text)
    file.flush()
    loading.load(file.name)


class _Questions:
  """Asks for what was guessed, with the guess as the default."""

  def __init__(self, sample: Sample, console: VisibleConsole) -> None:
    self._sample, self._console = sample, console

  def ask(self, choices: Choices) -> Choices:
    """The user's choices. Raises `UserError` where the answers end, or a part of a ride has no column."""
    self._console.print(
      f'{self._sample.rows:,} rides of {escape(self._sample.path)}. Enter takes what is in parentheses.', soft_wrap=True
    )
    choices = dataclasses.replace(choices, columns=self._columns(choices))
    found = guess(self._sample, choices)
    if found.time.encoding == TimeEncoding.STRING.value and found.time.others:
      choices = dataclasses.replace(choices, format=self._format(found))
      found = guess(self._sample, choices)
    clock = Clock(self._answer('Whose clock do the stamps show', found.clock.value, [one.value for one in Clock]))
    zone = None
    if clock is Clock.UTC:
      default = found.time_zone or (found.city.zone if found.city else None)
      zone = self._answer("The city's time zone", default)
    currency = self._answer('The currency of the fares', found.currency)
    name = self._answer('A name for the dataset', found.name)
    return dataclasses.replace(choices, clock=clock, time_zone=zone, currency=currency.upper(), name=name)

  def _columns(self, choices: Choices) -> dict[str, str | None]:
    guessed = read_columns(self._sample, choices)[3]
    columns = dict(choices.columns)
    for role, meaning in _MEANINGS.items():
      if role in columns or (role in COORDINATES and guessed.zones):
        continue
      self._notes(guessed.notes.get(role, []))
      default = guessed.columns.get(role, _NONE if role == PASSENGERS else None)
      columns[role] = self._column(f'Which column is {meaning}', default, optional=role == PASSENGERS)
    return columns

  def _column(self, question: str, default: str | None, optional: bool) -> str | None:
    while True:
      name = self._answer(question + (f' ({_NONE} for none)' if optional else ''), default)
      if optional and name == _NONE:
        return None
      if name in self._sample.columns:
        return name
      self._notes([f"There is no column '{name}'.{nearest(name, self._sample.columns)}"])

  def _format(self, found: Guess) -> str:
    formats = (found.time.format or '', *found.time.others)
    example = next(iter(self._sample.columns[found.columns[TIME]].drop_null())).as_py()
    return self._answer(f"How is a time such as '{example}' to be read", formats[0], formats)

  def _notes(self, notes: Sequence[str]) -> None:
    for note in notes:
      self._console.print(f' [cyan]i[/] {escape(note)}')

  def _answer(self, question: str, default: str | None, choices: Sequence[str] = ()) -> str:
    among = f' ({" or ".join(choices)})' if choices else ''
    shown: Any = ... if default is None else default
    try:
      while True:
        answer = Prompt.ask(escape(question + among), console=self._console, default=shown).strip()
        if answer in choices or (answer and not choices):
          return answer
    except EOFError:
      raise UserError('The answers ended, and nothing was written: answer all questions, or give --yes.') from None


def _show(console: VisibleConsole, found: Guess, target: str) -> None:
  """What was found, what was unsure, and what comes next."""
  table = plain_table('part of a ride', 'column', 'first value')
  for role, meaning in _MEANINGS.items():
    column = found.columns.get(role)
    if column is not None:
      cells = found.sample.columns[column].drop_null()
      table.add_row(meaning, escape(column), escape(str(cells[0].as_py())[:40]) if len(cells) else '')
  show_table(console, table)
  edits = needed_edits(found)
  for key, notes in found.notes.items():
    for note in notes if not (key == 'currency' and found.preset) else ():
      console.print(f' [cyan]i[/] {key}: {escape(note)}', soft_wrap=True)
  for edit in edits:
    console.print(f' [yellow]![/] To be put in by hand: {escape(edit)}', soft_wrap=True)
  shown = shlex.quote(target)
  console.print(f'[bold green]wrote[/] {escape(target)}', soft_wrap=True)
  console.print(f'next: farelite check --config {escape(shown)}', soft_wrap=True)
