"""Each run's summary, config and page, kept in a folder of its own: the next run writes over the output directory's."""

from __future__ import annotations

import datetime
import logging
import os
import pathlib
import shutil
import uuid

from components.pusher.rollback import origin, rollbacks
from configs import loading
from configs.base import shortened
from configs.errors import UserError
from configs.run import RunConfig
from models.release import is_version
from models.served_versions import version_number
from models.whole_files import delete, move_whole, write_whole
from pipeline.code_version import git_commit
from pipeline.local import output as local_output
from pipeline.local.output import KeptRun, OutputDirectory, kept_runs
from pipeline.report.page import write
from pipeline.summary_record import Status, Summary

_STAGED = '.tmp-'


def keep(
  config: RunConfig, output: OutputDirectory, summary: Summary, page: pathlib.Path | None = None
) -> KeptRun | None:
  """Keeps a run that has ended, in whatever way; its folder appears whole or not at all.

  Args:
    summary: of a run that did not begin, too, which the output directory's own files say nothing of.
    page: the run's, which is copied; it is made where it is left out.
  Returns: The folder; `None` where the summary names no run, or the run is kept already.
  Raises: OSError: it can't be written.
  """
  if not summary.run or (output.runs / summary.run).exists():
    return None
  staged, kept = KeptRun(output.runs / f'{_STAGED}{summary.run}'), KeptRun(output.runs / summary.run)
  delete(staged.path)  # Of a call that was killed.
  staged.path.mkdir(parents=True)
  try:
    summary.write(staged.summary)
    write_whole(staged.config, loading.dump(config))
    if page is not None:
      shutil.copyfile(page, staged.page)
    else:
      _make_page(staged)
    move_whole(staged.path, kept.path)
  except BaseException:
    delete(staged.path)
    raise
  return kept


def _make_page(staged: KeptRun) -> None:
  """A page that can't be made is logged: the figures are in the summary."""
  try:
    write(staged.path)
  except Exception:
    logging.getLogger(__name__).exception('The page of a run could not be made.')


def keep_refused(config: RunConfig, output: OutputDirectory, reason: str) -> KeptRun | None:
  """Keeps that a run was refused before it had an id; see `keep`."""
  now = datetime.datetime.now(datetime.timezone.utc)
  summary = Summary(
    status=Status.FAILED,
    reason=reason,
    name=config.name,
    run=f'{now:%Y%m%d-%H%M%S}-{uuid.uuid4().hex[:6]}',
    pipeline=config.name,
    started=now.isoformat(timespec='seconds'),
    output=str(output.path),
    git_commit=git_commit(),
  )
  return keep(config, output, summary)


def other_run(directory: str | os.PathLike[str], against: str | os.PathLike[str]) -> str | os.PathLike[str]:
  """The folder of the run that another one is compared with.

  Args:
    directory: of the run itself.
    against: an output directory, or a folder of its `runs`; or a pushed version of `directory`, by its number or its
      path, or the id of one of its runs, or how that begins.
  Raises: UserError: there is no such run, or nothing is kept of it.
  """
  place, wanted = pathlib.Path(against), os.fspath(against)
  if place.is_dir() and not is_version(place):
    return against
  output = local_output.at(os.fspath(directory))
  if place.is_dir():
    place = place.resolve()
    output, wanted = local_output.at(os.fspath(place.parent.parent)), place.name
  elif os.sep in wanted:
    raise UserError(f"There is no '{wanted}'; name an output directory, or a version or run of '{directory}'.")
  elif isinstance(local_output.as_kept(output), KeptRun):
    output = local_output.at(os.fspath(output.path.parent.parent))
  return find_kept(output, wanted).path


def find_kept(output: OutputDirectory, wanted: str) -> KeptRun:
  """What is kept of a run.

  Args: wanted: a run's id or its beginning; or a version, of which the run is taken that pushed its bytes first.
  Raises: UserError: there is no such run, or nothing is kept of it.
  """
  kept, version = kept_runs(output), version_number(wanted)
  if version is not None and (pushed := pushed_by(output, version)) is not None:
    return pushed
  found = [run for run in kept if run.path.name.startswith(wanted)]
  if len(found) == 1:
    return found[0]
  if found:
    raise UserError(f"'{wanted}' begins {len(found)} runs: {shortened([run.path.name for run in found], 5)}.")
  names = shortened([run.path.name for run in reversed(kept)], 3)
  there = f'kept are {names} (farelite history shows all)' if kept else 'no run is kept there yet'
  raise UserError(f"'{output.path}' keeps no run and no version '{wanted}'; {there}.")


def pushed_by(output: OutputDirectory, version: int) -> KeptRun | None:
  """What is kept of the run that pushed the bytes of a version; `None` where nothing is."""
  first = str(origin(rollbacks(output.serving), version))
  return next((run for run in kept_runs(output) if Summary.read(run.summary).pushed_version == first), None)
