"""Where the rides are: the path of files as TFX's file-based ExampleGen takes it, or BigQuery."""

from __future__ import annotations

import dataclasses
import importlib.util
import pathlib
import re
from collections.abc import Mapping

from configs.bigquery import BigQuery
from configs.dataset import Dataset
from configs.errors import UserError

_SCHEME = re.compile(r'^([a-z0-9]+)://')
_WILD = re.compile(r'[*?\[{]')


class DataSourceError(UserError):
  """There is nothing to read where the user pointed."""


@dataclasses.dataclass(frozen=True)
class DataSource:
  """Files to read, or a query or table.

  Attributes:
    base: an absolute directory or bucket URI.
    pattern: a glob below it; may hold `{SPAN}`, `{VERSION}`, `{YYYY}`, `{MM}`, `{DD}`.
    spans: number and plain glob of each span to read, oldest first, once they are resolved.
    bigquery: the query or table; base and pattern are only a name for it then.
    version: of its data, for the cache; None where it is not known, and what is read is never taken from the cache.
  """

  base: str
  pattern: str
  spans: tuple[tuple[int, str], ...] = ()
  bigquery: BigQuery | None = None
  version: str | None = None

  def with_spans(self, patterns: Mapping[int, str]) -> DataSource:
    """The same source with resolved spans.

    Args:
      patterns: glob below `base` by span number.
    """
    return dataclasses.replace(self, spans=tuple(sorted(patterns.items())))

  def with_version(self, version: str) -> DataSource:
    """The same source, known to hold this state of the data."""
    return dataclasses.replace(self, version=version)

  def inputs(self) -> dict[str, str]:
    """Glob by the name of ExampleGen's input split: one for each resolved span, or the pattern as it is."""
    return {f'span-{number}': pattern for number, pattern in self.spans} or {'rides': self.pattern}


def rides_of(dataset: Dataset) -> DataSource:
  """Where a dataset's rides are.

  Raises:
    DataSourceError: see `data_source`.
  """
  source = dataset.bigquery
  if source is None:
    return data_source(dataset.path)
  return DataSource(base='bigquery:/', pattern=source.table or 'query', bigquery=source, version=source.version)


def files_of(dataset: Dataset, what: str) -> DataSource:
  """A dataset's files, for what can't take rides from elsewhere.

  Args:
    dataset: the rides.
    what: the command, for the sentence.

  Raises:
    DataSourceError: the rides are in BigQuery; or see `data_source`.
  """
  if dataset.bigquery is not None:
    raise DataSourceError(
      f'{what} needs files (dataset.path), and these rides are in BigQuery; docs/beam.md says what takes those.'
    )
  return data_source(dataset.path)


def data_source(path: str | None) -> DataSource:
  """Splits a path, glob, bucket URI or `package://NAME/...` at its first wildcard.

  Raises:
    DataSourceError: no path, no such package, or a directory without a pattern.
  """
  if not path:
    raise DataSourceError('No data: give --data FILE_OR_GLOB, or set dataset.path or dataset.bigquery in the config.')
  scheme = _SCHEME.match(path)
  if scheme and scheme.group(1) == 'package':
    path = _inside_package(path)
  elif not scheme:
    path = str(pathlib.Path(path).expanduser().absolute())
    if pathlib.Path(path).is_dir():
      raise DataSourceError(f"'{path}' is a directory; name its files, such as '{path}/*.csv' or '{path}/*.parquet'.")
  wild = _WILD.search(path)
  cut = path.rfind('/', 0, wild.start() if wild else None)
  return DataSource(base=path[:cut] or '/', pattern=path[cut + 1 :])


def _inside_package(path: str) -> str:
  name, _, inner = path.removeprefix('package://').partition('/')
  spec = importlib.util.find_spec(name)
  if spec is None or not spec.submodule_search_locations:
    raise DataSourceError(f"'{path}' names the package '{name}', which is not installed.")
  return f'{next(iter(spec.submodule_search_locations))}/{inner}'
