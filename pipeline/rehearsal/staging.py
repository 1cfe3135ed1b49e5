"""Brings the rides of this machine into the rehearsal's bucket, as an upload would."""

from __future__ import annotations

import dataclasses
import os
import pathlib
import re
import shutil

from models.whole_files import is_bucket
from pipeline.data_source import DataSource, DataSourceError
from pipeline.rehearsal.buckets import Buckets

BUCKET = 'gs://farelite-rehearsal'
"""The bucket of whatever the config places in none."""
_RIDES = f'{BUCKET}/rides'
_FIELD = re.compile(r'\{[^{}]*\}')


def staged(source: DataSource, buckets: Buckets) -> DataSource:
  """The source in a bucket; files of this machine are linked or copied there, and keep their times.

  Args:
    source: a path, or already in a bucket, whose files then have to lie in the bucket's folder.
    buckets: where they go.

  Raises:
    DataSourceError: there are no rides, here or in the bucket's folder.
  """
  if is_bucket(source.base):
    if not _matching(buckets.path(source.base), source):
      raise DataSourceError(
        f"'{source.base}/{source.pattern}' is a bucket, which a rehearsal has as a folder: put the rides into "
        f'{buckets.path(source.base)}, or name local ones with --data.'
      )
    return source
  base = pathlib.Path(source.base)
  files = _matching(base, source)
  if not files:
    raise DataSourceError(f"No file matches '{source.base}/{source.pattern}'; name the rides with --data.")
  folder = buckets.path(_RIDES)
  shutil.rmtree(folder, ignore_errors=True)
  for file in files:
    target = folder / file.relative_to(base)
    target.parent.mkdir(parents=True, exist_ok=True)
    _upload(file, target)
  return dataclasses.replace(source, base=_RIDES)


def _matching(base: pathlib.Path, source: DataSource) -> list[pathlib.Path]:
  """Files of the pattern, with a wildcard for each field such as `{SPAN}`; which spans are read, the step decides."""
  return sorted(path for path in base.glob(_FIELD.sub('*', source.pattern)) if path.is_file())


def _upload(file: pathlib.Path, target: pathlib.Path) -> None:
  try:
    os.link(file, target)
  except OSError:  # Another disk, or a file of somebody else's.
    shutil.copy2(file, target)
