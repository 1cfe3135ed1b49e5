"""What `farelite study` does: reads the rides, shows progress, prints the tables, writes the page."""

from __future__ import annotations

import datetime
import pathlib
import time
from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from components.study.study_record import StudyRecord
from configs import loading
from configs.errors import UserError
from configs.run import RunConfig
from configs.study import QUICK, StudyBlock, study_block
from configs.study_checks import study_problems
from models.whole_files import write_whole
from pipeline import environment, log_files
from pipeline.data_source import DataSource
from pipeline.options import data_setting
from pipeline.output_directory import OutputDirectory
from pipeline.study.findings import findings
from pipeline.study.progress import StudyProgress
from pipeline.study.tables import StudyTable, markdown, study_tables

_UNITS = 'units'
"""Folder of the output directory in which finished units of work are kept."""


def overrides(settings: Sequence[str], data: str | None, quick: bool, blocks: Sequence[str]) -> tuple[str, ...]:
  """The overrides of a config that the command's options stand for, the user's own `--set` last.

  Raises:
    UserError: there is no block of that name.
  """
  for block in blocks:
    try:
      study_block(block)
    except ValueError as error:
      raise UserError(f'--only: {error}') from None
  only = (f'study.blocks=[{", ".join(dict.fromkeys(blocks))}]',) if blocks else ()
  return (*(QUICK if quick else ()), *only, *((data_setting(data),) if data else ()), *settings)


def check(config: RunConfig) -> None:
  """Refuses a study that its model makes impossible.

  Raises:
    ConfigError: names every mistake.
  """
  problems = study_problems(config)
  if problems:
    raise loading.ConfigError('\n'.join(['The study does not fit the config:', *(f'  - {one}' for one in problems)]))


def run(config: RunConfig, source: DataSource, output: OutputDirectory) -> None:
  """Makes the study and shows it.

  Raises:
    UserError: a user's mistake.
  """
  start = time.monotonic()
  write_whole(output.config, loading.dump(config))
  log = output.logs / f'{datetime.datetime.now():%Y%m%d-%H%M%S}.log'
  with log_files.captured(log) as console:
    with console.status('loading TensorFlow …'):
      environment.prepare()
      from components.ride_example_gen.files import check_inputs
      from components.study import engine, study_files
      from components.study.kept_rides import read_kept
      from pipeline.code_version import code_version
      from pipeline.study import page as page_module

      rides = read_kept(check_inputs(source.base, source.pattern), config.dataset)
    _tell_setting(console, config, len(next(iter(rides.values()))))
    units = output.path / _UNITS
    with StudyProgress(console, units) as progress:
      results = engine.run(config, rides, units, code_version(engine.__name__), progress)
    study_files.write(results, output.path, f'{datetime.datetime.now():%Y-%m-%d %H:%M}')
    rows, about = study_files.read(output.path)
    _show(console, rows, about)
    page = page_module.write(output.path, rows, about)
    console.print(f'\n[bold green]done[/] in {time.monotonic() - start:,.0f} s', soft_wrap=True)
    for name, path in {'page': page, 'results': output.path / study_files.STUDY, 'log': log}.items():
      console.print(f'[dim]{name:<8}[/] {path}', soft_wrap=True)


def _show(console: Console, rows: Sequence[Mapping[str, Any]], about: StudyRecord) -> None:
  """The tables with what they say, and what could not be measured."""
  for table in study_tables(rows, about):
    console.print(_printed(table))
    for sentence in findings(StudyBlock(table.block), table.rows, about):
      console.print(f' [cyan]i[/] {escape(sentence)}')
    console.print()
  for lost in about.lost:
    console.print(f' [yellow]![/] {escape(lost.variant)}: {escape(lost.reason)}')
  for note in about.notes:
    console.print(f' [yellow]![/] {escape(note)}')


def print_markdown(directory: str, blocks: Sequence[str]) -> None:
  """Prints the tables of a finished study as Markdown.

  Raises:
    UserError: there is none, or no block of that name.
  """
  from components.study import study_files

  overrides((), None, False, blocks)
  rows, about = study_files.read(pathlib.Path(directory))
  for table in study_tables(rows, about):
    if not blocks or table.block in blocks:
      print(markdown(table))


def _tell_setting(console: Console, config: RunConfig, rides: int) -> None:
  study = config.study
  taken = f'{rides:,} rides' + (f', a sample of {study.max_rides:,} of them' if rides > study.max_rides else '')
  seeds = f'{study.seeds} seed{"s" if study.seeds > 1 else ""} × {study.folds} folds by time stamp'
  console.print(f'[bold]{config.name}[/bold]: {taken}, {seeds}; {", ".join(block.value for block in study.blocks)}')


def _printed(table: StudyTable) -> Table:
  shown = Table(title=table.title, title_justify='left', title_style='bold', caption=table.told, caption_justify='left',
                box=None, padding=(0, 2, 0, 0), header_style='dim')  # fmt: skip
  for position, heading in enumerate(table.headings):
    shown.add_column(heading, justify='right' if position else 'left', no_wrap=True)
  for row in table.cells:
    shown.add_row(*(escape(cell) for cell in row))
  return shown
