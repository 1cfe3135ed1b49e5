"""What `farelite report` does: writes the page, and prints where it is and what two runs differ in."""

from __future__ import annotations

import os

from rich.console import Console
from rich.markup import escape

from configs.errors import UserError
from pipeline.local import output as local_output
from pipeline.local import terminal
from pipeline.options import print_json

_SETTINGS = 12
"""As many differing settings are printed."""


def run(directory: str, against: str | None = None, as_json: bool = False) -> None:
  """Writes the page of a run, or the comparison of two.

  Args: as_json: whether to print the summary, or those of both runs, and where the page is.

  Raises `UserError` where one of them is none, or the page can't be written.
  """
  terminal.prepare()
  # TensorFlow logs in every process about the machine.
  with terminal.captured() as console:
    console.quiet = as_json
    from pipeline.report.kept import other_run
    from pipeline.report.page import write, write_comparison

    against = None if against is None else os.fspath(other_run(directory, against))
    try:
      page = write(directory) if against is None else write_comparison(directory, against)
    except OSError as error:
      raise UserError(f"The report of '{directory}' can't be written: {error.strerror or error}.") from error
    if against is not None:
      _compare(console, directory, against)
    console.print(f'[dim]report[/]  {escape(str(page))} ({page.stat().st_size / 1000:,.0f} KB)', soft_wrap=True)
  if as_json:
    from pipeline.summary_record import Summary

    runs = {'run': directory, 'against': against} if against else {'run': directory}
    summaries = {name: Summary.read(local_output.at(str(place)).summary).to_dict() for name, place in runs.items()}
    print_json({'report': str(page), **summaries})


def _compare(console: Console, directory: str, against: str) -> None:
  """The sentences and the outcomes of a comparison."""
  from pipeline.report.comparison import compare
  from pipeline.report.record import read_record

  found = compare(read_record(directory), read_record(against))
  first, *sides = (escape(heading.text) for heading in found.outcomes.headings)
  table = terminal.plain_table(first, *terminal.right(*sides))
  for row in found.outcomes.rows:
    name, *cells = row.cells
    unit = f' ({name.note})' if name.note else ''
    table.add_row(f'{name.text}{unit}', *(escape(f'{cell.text} {cell.note}'.strip()) for cell in cells))
  terminal.show_table(console, table)
  for setting in found.settings[:_SETTINGS]:
    console.print(
      f'[dim]{escape(setting.setting)}[/]: {escape(setting.before)} → {escape(setting.after)}', soft_wrap=True
    )
  if len(found.settings) > _SETTINGS:
    console.print(f'[dim]… and {len(found.settings) - _SETTINGS} more settings, on the page[/]')
  for sentence in found.sentences:
    console.print(escape(sentence), soft_wrap=True)
