"""Writes the pages beside the run that they tell of."""

from __future__ import annotations

import os
import pathlib

from models.whole_files import write_whole
from pipeline.report.comparison import compare
from pipeline.report.page import render, run_page
from pipeline.report.record import read_record

PAGE = 'report.html'


def write(directory: str | os.PathLike[str]) -> pathlib.Path:
  """Writes `report.html` from what a run left; also for one that failed or pushed nothing.

  Args:
    directory: the output directory of the run, with its `summary.json`.

  Returns:
    The page.

  Raises:
    UserError: there is no summary, or it is none.
    OSError: the page can't be written.
  """
  record = read_record(directory)
  path = record.output.path / PAGE
  write_whole(path, run_page(record))
  return path


def write_comparison(directory: str | os.PathLike[str], against: str | os.PathLike[str]) -> pathlib.Path:
  """Writes `report-against-NAME.html` into the first run's directory.

  Args:
    directory: the output directory of a run.
    against: that of another run, whose folder's name is NAME.

  Returns:
    The page.

  Raises:
    UserError: one of them holds no summary.
    OSError: the page can't be written.
  """
  first, second = read_record(directory), read_record(against)
  page = render('against.html', comparison=compare(first, second))
  path = first.output.path / f'report-against-{second.output.path.name}.html'
  write_whole(path, page)
  return path
