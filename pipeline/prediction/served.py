"""The version that a server answers with: verified, loaded, followed as others are pushed; and rides as JSON has them.

A ride is an object of the model's raw columns by name (`inputs` of the manifest). What `farelite predict` gives no fare
for is refused here, by the same rules of the dataset.
"""

from __future__ import annotations

import dataclasses
import datetime
import difflib
import hashlib
import json
import logging
import math
import pathlib
import queue
from collections.abc import Mapping
from typing import Any

import numpy as np

from configs.dataset import EPOCH, TIME, Dataset
from configs.errors import UserError
from models.lite.client import LiteModel
from models.release import ManifestError, PushedModel, check_golden, find_pushed, is_version, versions_below
from models.served_versions import versions
from pipeline.prediction.scoring import kept_dataset

INSTANCES, PREDICTIONS = 'instances', 'predictions'
"""Keys of a request and of its answer."""

_BODY = frozenset({INSTANCES, 'parameters'})
_SHOWN = 40
"""Characters of a value in a sentence."""


class RequestError(UserError):
  """A request that is not what it should be; the message is one sentence that names the instance and the column."""


@dataclasses.dataclass(frozen=True)
class _Column:
  """What a value of a column may be.

  Attributes:
    least, most: the smallest and the largest valid number.
    meaning: for a message.
  """

  name: str
  least: float
  most: float
  meaning: str

  def number(self, value: Any) -> float:
    """The value as a number, NaN where missing. Raises `ValueError` with the end of a sentence."""
    if value is None:
      if self.name == TIME:
        raise ValueError(f"has no '{TIME}', which every ride needs: {self.meaning}.")
      return math.nan
    if isinstance(value, bool) or not isinstance(value, (int, float)):
      raise ValueError(f"has {_shown(value)} as '{self.name}', which is no number or null.")
    if self.name == TIME and value % 1:
      raise ValueError(f"has {_shown(value)} as '{TIME}', which is no whole number of seconds.")
    if not self.least <= value <= self.most:
      span = f'{self.least:,.12g} to {self.most:,.12g}'
      raise ValueError(f"has {_shown(value)} as '{self.name}', which lies outside of {span}.")
    return value


def _shown(value: Any) -> str:
  text = json.dumps(value, ensure_ascii=False)
  return text if len(text) <= _SHOWN else f'{text[:_SHOWN]}…'


class RideReader:
  """Reads requests for one model.

  Args:
    meanings: of the model's inputs by name, in order.
    dataset: whose rules hold; `None` where they are not known.
  """

  def __init__(self, meanings: Mapping[str, str], dataset: Dataset | None) -> None:
    self._columns = [_column(name, meaning, dataset) for name, meaning in meanings.items()]
    self._names = frozenset(meanings)

  def columns(self, body: bytes) -> dict[str, np.ndarray]:
    """The columns [rides] of a request's rides, which may be none: int64 seconds, float32 the rest, NaN where missing.

    Raises: RequestError: it is no JSON object with `instances`, or a ride is not valid.
    """
    try:
      found = json.loads(body, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
      raise RequestError(f'The body is no JSON: {_first_line(error)}.') from None
    if not isinstance(found, dict) or not isinstance(found.get(INSTANCES), list):
      raise RequestError(f"The body must be an object with '{INSTANCES}', a list of rides.")
    for key in found:
      if key not in _BODY or (key != INSTANCES and found[key]):
        raise RequestError(f"The body has '{key}', which has no effect here; leave it out.")
    rows = found[INSTANCES]
    for place, row in enumerate(rows):
      if not isinstance(row, dict):
        raise RequestError(f"Instance {place} is {_shown(row)}, not an object with a ride's columns.")
      if not self._names.issuperset(row):
        raise RequestError(self._unknown(place, next(name for name in row if name not in self._names)))
    columns = {}
    for column in self._columns:
      name, number = column.name, column.number
      values: list[float] = []
      try:
        for row in rows:
          values.append(number(row.get(name)))
      except ValueError as error:
        raise RequestError(f'Instance {len(values)} {error}') from None
      columns[name] = np.array(values, np.int64 if name == TIME else np.float32)
    return columns

  def _unknown(self, place: int, name: str) -> str:
    close = difflib.get_close_matches(name, self._names, 1)
    what = f"did you mean '{close[0]}'?" if close else f'they are {", ".join(column.name for column in self._columns)}.'
    return f'Instance {place} has {_shown(name)}, which is no column of a ride; {what}'


def _no_constant(name: str) -> None:
  raise ValueError(f'{name} is no number there; null stands for what is missing')


def _first_line(error: BaseException) -> str:
  if isinstance(error, RecursionError):
    return 'it is nested too deep'
  if 'set_int_max_str_digits' in str(error):  # Python's limit on integers, in words for whoever runs it.
    return 'a whole number in it has thousands of digits'
  return str(error).splitlines()[0].rstrip('.')


def _column(name: str, meaning: str, dataset: Dataset | None) -> _Column:
  """The rules of a column: the dataset's, and what the model's type holds."""
  if name == TIME:
    if dataset is None:
      return _Column(name, -(2**31), 2**31 - 1, meaning)
    first, last = (
      (datetime.datetime.combine(day, datetime.time()) - EPOCH).total_seconds()
      for day in (dataset.rules.earliest, dataset.rules.latest + datetime.timedelta(days=1))
    )
    return _Column(name, max(first, -(2**31)), min(last - 1, 2**31 - 1), meaning)
  most = float(np.finfo(np.float32).max)
  interval = dataset.rules.interval(name) if dataset else None
  return _Column(name, interval.min, interval.max, meaning) if interval else _Column(name, -most, most, meaning)


class LoadedVersion:
  """A version in memory: any number of threads may ask it, and it needs its folder no more.

  Attributes:
    name: of the version's folder.
    manifest: verified.
  """

  def __init__(self, pushed: PushedModel, threads: int) -> None:
    """Reads what `find_pushed` verified, and runs the golden rides.

    Args: threads: that may ask at the same time.

    Raises: ManifestError: there is no version around the file, the file was altered since, or golden rides have another
      fare. LiteFileError: the lite file can't be used.
    """
    if pushed.version is None or pushed.manifest is None:
      raise ManifestError(f"'{pushed.file}' is a file on its own; name its version's directory, which can be verified.")
    self.name, self.manifest = pushed.version.absolute().name, pushed.manifest
    content = pushed.file.read_bytes()
    [listed] = [facts for name, facts in pushed.manifest.files.items() if pushed.version / name == pushed.file]
    if hashlib.sha256(content).hexdigest() != listed.sha256:
      raise ManifestError(f"'{pushed.file}' changed while it was read; copy or push the version again.")
    check_golden(pushed.version)
    self._models: queue.SimpleQueue[LiteModel] = queue.SimpleQueue()
    for _ in range(threads):
      self._models.put(LiteModel(content))
    dataset = kept_dataset(pushed.version)
    self.has_rules = dataset is not None
    self._reader = RideReader({column.name: column.meaning for column in self.manifest.inputs}, dataset)

  def answer(self, body: bytes) -> np.ndarray:
    """The fares of a request's rides: float32 [rides], in the city's currency.

    Raises: RequestError: the request is not what it should be.
    """
    columns = self._reader.columns(body)
    model = self._models.get()
    try:
      return model.predict(columns)
    finally:
      self._models.put(model)


class ServedVersions:
  """The newest sound version of a place, which `look` finds again.

  Args:
    place: a version's folder, or the folder of the versions.
    threads: as of `LoadedVersion`.

  Attributes:
    changes: how often it was another one.
    refused: why newer versions than it do not serve, by name.
  """

  def __init__(self, place: str, threads: int) -> None:
    """Raises `ManifestError` or `LiteFileError` where nothing there can serve: the error of the newest version."""
    self._place, self._threads = pathlib.Path(place), threads
    self._current: LoadedVersion | None = None
    self.refused: dict[str, str] = {}
    self.changes = 0
    # One version that is named stays; of a folder, the versions are followed.
    self.follows = self._place.is_dir() and not is_version(place)
    if not self.follows:
      self._current = LoadedVersion(find_pushed(place), threads)
      return
    self._current = self._newest()
    if self._current is None:
      none = f"'{place}' is no directory of versions: it has none.{versions_below(self._place)}"
      raise ManifestError(next(iter(self.refused.values()), none))

  @property
  def current(self) -> LoadedVersion:
    """What answers."""
    assert self._current is not None
    return self._current

  def look(self) -> bool:
    """Looks for the newest sound version; whether another one answers from now on.

    Whoever asked before gets the answer of the one before. Where there is none, the last one stays.
    """
    found = self._newest()
    if found is None or found is self._current:
      return False
    self._current = found
    self.changes += 1
    return True

  def _newest(self) -> LoadedVersion | None:
    """The current one where it is the newest that is sound, or a newly loaded one."""
    current = self._current
    refused: dict[str, str] = {}
    found = None
    for number in reversed(versions(self._place)):
      name = str(number)
      if current is not None and name == current.name:
        found = current
        break
      try:
        found = LoadedVersion(find_pushed(self._place / name), self._threads)
        break
      except (UserError, OSError) as error:
        refused[name] = str(error)
        if self.refused.get(name) != refused[name]:
          logging.getLogger(__name__).warning('Version %s does not serve: %s', name, error)
    self.refused = refused
    return found
