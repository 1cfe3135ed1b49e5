"""`farelite study`: reads the rides, shows progress, prints the tables, writes the page."""

from __future__ import annotations

import datetime
import pathlib
import time
from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from configs import loading
from configs.checks import recipe_problems, scheme_problems
from configs.errors import UserError
from configs.layers import model_layers
from configs.run import RunConfig
from configs.study import QUICK, StudyBlock, study_block
from models.whole_files import write_whole
from pipeline import garbage
from pipeline.local import terminal
from pipeline.local.output import OutputDirectory
from pipeline.options import data_setting, print_json
from pipeline.report.tables import seconds
from pipeline.sources import DataSource
from pipeline.study.page import StudyTable, findings, markdown, study_tables, write
from pipeline.study.records import StudyRecord


class StudyProgress:
  """Shows the progress of a study; use it with `with`. Units of earlier studies are in `directory`."""

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


def overrides(settings: Sequence[str], data: str | None, quick: bool, blocks: Sequence[str]) -> tuple[str, ...]:
  """The overrides of a config that the command's options stand for, the user's own `--set` last.

  Raises `UserError` where there is no block of that name.
  """
  for block in blocks:
    try:
      study_block(block)
    except ValueError as error:
      raise UserError(f'--only: {error}') from None
  only = (f'study.blocks=[{", ".join(dict.fromkeys(blocks))}]',) if blocks else ()
  return (*(QUICK if quick else ()), *only, *((data_setting(data),) if data else ()), *settings)


def check(config: RunConfig) -> None:
  """Refuses a study that its model makes impossible. Raises `ConfigError`, which names every mistake."""
  if StudyBlock.COMPRESSION not in config.study.blocks:
    return
  sweep, layers = config.study.compression, model_layers(config.dataset, config.features, config.model)
  recipes = [problem for recipe in sweep.recipes for problem in recipe_problems(recipe, config.model, layers)]
  schemes = [problem for scheme in sweep.schemes for problem in scheme_problems(scheme, sweep.recipes, layers)]
  problems = [problem.under('study', 'compression', 'recipes') for problem in recipes]
  problems += [problem.under('study', 'compression', 'schemes') for problem in schemes]
  if problems:
    raise loading.ConfigError('\n'.join(['The study does not fit the config:', *(f'  - {one}' for one in problems)]))


def run(config: RunConfig, source: DataSource, output: OutputDirectory, as_json: bool = False) -> None:
  """Makes the study and shows it. Args: as_json: whether the record and the rows are printed, and nothing else."""
  start = time.monotonic()
  write_whole(output.config, loading.dump(config))
  log = output.logs / f'{datetime.datetime.now():%Y%m%d-%H%M%S}.log'
  with terminal.captured(log) as console:
    console.quiet = as_json
    with console.status('loading TensorFlow …'), garbage.none_expected():
      terminal.prepare()
      from components.ride_example_gen.listing import passed_over_sentence
      from components.ride_example_gen.spans import list_inputs
      from pipeline.code_version import code_version
      from pipeline.study import engine, results
      from pipeline.study.folds import read_kept

      found = list_inputs(source.base, source.pattern)
      rides = read_kept(found.files, config.dataset)
    if found.passed_over:
      console.print(f' [cyan]i[/] {escape(passed_over_sentence(found.passed_over))}', soft_wrap=True)
    _print_setting(console, config, len(next(iter(rides.values()))))
    units = output.path / 'units'  # Of work; those that are finished.
    with StudyProgress(console, units) as progress:
      measured = engine.run(config, rides, units, code_version(engine.__name__), progress)
    results.write(measured, output.path, f'{datetime.datetime.now():%Y-%m-%d %H:%M}')
    rows, about = results.read(output.path)
    _show(console, rows, about)
    page = write(output.path, rows, about)
    console.print(f'\n[bold green]done[/] in {time.monotonic() - start:,.0f} s', soft_wrap=True)
    for name, path in {'page': page, 'results': output.path / results.STUDY, 'log': log}.items():
      console.print(f'[dim]{name:<8}[/] {path}', soft_wrap=True)
  if as_json:
    print_json({**about.to_dict(), 'page': str(page), 'rows': [_as_json(row) for row in rows]})


def _as_json(row: Mapping[str, Any]) -> dict[str, Any]:
  """A row of the results; JSON knows no number that is none."""
  return {name: None if value != value else value for name, value in row.items()}


def _show(console: Console, rows: Sequence[Mapping[str, Any]], about: StudyRecord) -> None:
  """The tables with their findings, and what could not be measured."""
  for table in study_tables(rows, about):
    console.print(f'[bold]{escape(table.title)}[/]')
    terminal.show_table(console, _printed(table))
    console.print(escape(table.note), style='dim')
    for sentence in findings(StudyBlock(table.block), table.rows, about):
      console.print(f' [cyan]i[/] {escape(sentence)}')
    console.print()
  for lost in about.lost:
    console.print(f' [yellow]![/] {escape(lost.variant)}: {escape(lost.reason)}')
  for note in about.notes:
    console.print(f' [yellow]![/] {escape(note)}')


def print_markdown(directory: str, blocks: Sequence[str]) -> None:
  """Prints the tables of a finished study as Markdown.

  Raises `UserError` where there is none, or no block of that name.
  """
  from pipeline.study import results

  overrides((), None, False, blocks)
  rows, about = results.read(pathlib.Path(directory))
  for table in study_tables(rows, about):
    if not blocks or table.block in blocks:
      print(markdown(table))


def _print_setting(console: Console, config: RunConfig, rides: int) -> None:
  study = config.study
  taken = f'{rides:,} rides' + (f', a sample of {study.max_rides:,} of them' if rides > study.max_rides else '')
  seeds = f'{study.seeds} seed{"s" if study.seeds > 1 else ""} × {study.folds} folds by time stamp'
  console.print(f'[bold]{config.name}[/bold]: {taken}, {seeds}; {", ".join(block.value for block in study.blocks)}')


def _printed(table: StudyTable) -> Table:
  name, *figures = (heading.text for heading in table.shown.headings)
  shown = terminal.plain_table(*terminal.whole(name), *terminal.right(*figures, no_wrap=True))
  for row in table.shown.rows:
    shown.add_row(*(escape(cell.text) for cell in row.cells))
  return shown
