"""`farelite check`: what a run would keep, set aside, warn of and refuse, without the run."""

from __future__ import annotations

import dataclasses
from typing import Any

from rich.console import Console
from rich.markup import escape

from components.ride_example_gen.listing import passed_over_sentence
from configs.base import shortened
from configs.errors import UserError
from configs.run import RunConfig
from pipeline.local.terminal import VisibleConsole, plain_table, right, show_table
from pipeline.options import print_json
from pipeline.sources import DataSource
from pipeline.starting.outlook import Outlook, outlook

_SHOWN_FILES = 3


def run(config: RunConfig, source: DataSource, as_json: bool = False) -> None:
  """Reads the rides and prints what a run would make of them.

  Raises: UserError: a run would not go on to train, or a file can't be read.
  """
  console = VisibleConsole(highlight=False, soft_wrap=True)
  with VisibleConsole(stderr=True).status('reading the rides …'):
    found = outlook(config, source)
  if as_json:
    print_json(_as_json(config, found))
  else:
    _show(console, config, found)
  if found.refusals:
    raise UserError('A run would not train. ' + ' '.join(found.refusals))
  if not as_json:
    console.print('[bold green]A run would train on these rides.[/]')


def _as_json(config: RunConfig, found: Outlook) -> dict[str, Any]:
  """Counts as in counts.json, their profile in short, findings as in findings.json."""
  counts = {key: value for key, value in dataclasses.asdict(found.counts).items() if key != 'profile'}
  columns = {
    name: {'missing': column.missing, 'rides': column.rides, 'min': column.smallest, 'max': column.largest}
    for name, column in found.columns().items()
  }
  first, last = (str(day) for day in found.days) if found.days else (None, None)
  return {
    'name': config.name,
    'would_train': not found.refusals,
    'refusals': list(found.refusals),
    'warnings': list(found.warnings),
    **counts,
    'first_pickup': first,
    'last_pickup': last,
    'columns': columns,
    'findings': [dataclasses.asdict(finding) for finding in found.findings],
  }


def _show(console: Console, config: RunConfig, found: Outlook) -> None:
  counts = found.counts
  files = shortened([escape(file) for file in counts.files], _SHOWN_FILES)
  console.print(f'{len(counts.files):,} file{"s" if len(counts.files) != 1 else ""}: {files}')
  if counts.passed_over:
    console.print(f' [yellow]![/] {escape(passed_over_sentence(counts.passed_over))}')
  splits = ', '.join(f'{count:,} {split}' for split, count in counts.splits.items())
  days = f', from {found.days[0]} to {found.days[1]}' if found.days else ''
  console.print(f'{counts.read:,} rides read, {counts.kept:,} kept ({splits}){days}')
  if counts.quarantined:
    _show_set_aside(console, found)
  _show_columns(console, config, found)
  for warning in found.warnings:
    console.print(f' [yellow]![/] {escape(warning)}')


def _show_set_aside(console: Console, found: Outlook) -> None:
  counts = found.counts
  table = plain_table('set aside', *right('rides', 'share'), 'such as')
  for reason, count in sorted(counts.quarantined.items(), key=lambda item: -item[1]):
    table.add_row(reason, f'{count:,}', f'{count / counts.read:.2%}', escape(_example(found, reason)))
  show_table(console, table)


def _example(found: Outlook, reason: str) -> str:
  """The first broken values of a reason, with their columns and the settings that help."""
  return '; '.join(example.phrase() for example in found.counts.examples if example.reason == reason)


def _show_columns(console: Console, config: RunConfig, found: Outlook) -> None:
  sources = config.dataset.source_columns()
  table = plain_table('column', 'of', *right('missing', 'from', 'to'))
  for name, column in found.columns().items():
    if name not in sources or not column.rides:
      continue
    smallest, largest = (f'{value:.7g}' if value is not None else '' for value in (column.smallest, column.largest))
    table.add_row(name, escape(sources[name]), f'{column.missing / column.rides:.1%}', smallest, largest)
  if table.row_count:
    show_table(console, table)
