"""What one pass over kept rides knows of them: their hours, their columns, their files. Each adds up over files."""

from __future__ import annotations

import dataclasses
import math
import operator
from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

import numpy as np

from components.ride_example_gen.splitting import hash_of
from configs.columns import HOURS_PER_WEEK
from configs.dataset import EPOCH

DAY_SECONDS = 86_400
STAMP_GROUPS = 256
STAMP_SEED = 2009
"""Of the hash of a time stamp; any number, but always the same one."""

K = TypeVar('K')
V = TypeVar('V')


@dataclasses.dataclass(frozen=True)
class TimeProfile:
  """When rides begin, on the wall clock.

  Attributes:
    hours: rides by hour of the week, 168 of them from Monday 0 h on.
    groups: rides by a hash of the time stamp, so that rides of one stamp are in one group; where all stamps are whole
      minutes, in any group, as it was rounding then that gave them one.
    first, last: the earliest and the latest `pickup_seconds`; None without rides.
  """

  hours: tuple[int, ...] = (0,) * HOURS_PER_WEEK
  groups: tuple[int, ...] = (0,) * STAMP_GROUPS
  first: int | None = None
  last: int | None = None

  def __add__(self, other: TimeProfile) -> TimeProfile:
    if self.first is None:
      return other
    return TimeProfile(
      _sums(self.hours, other.hours),
      _sums(self.groups, other.groups),
      _extreme(min, self.first, other.first),
      _extreme(max, self.last, other.last),
    )

  @property
  def rides(self) -> int:
    return sum(self.hours)

  @property
  def by_hour(self) -> tuple[int, ...]:
    """Rides by hour of the day, 24 of them."""
    return self.hours_on(range(7))

  def hours_on(self, days: Iterable[int]) -> tuple[int, ...]:
    """Rides by hour of the day on some days of the week, of which Monday is 0; 24 of them."""
    chosen = list(days)
    return tuple(sum(self.hours[24 * day + hour] for day in chosen) for hour in range(24))

  @property
  def by_day(self) -> tuple[int, ...]:
    """Rides by day of the week, Monday first."""
    return tuple(sum(self.hours[24 * day : 24 * (day + 1)]) for day in range(7))

  @property
  def days(self) -> int:
    """Calendar days from the first ride to the last one, both included; 0 without rides."""
    if self.first is None or self.last is None:
      return 0
    return self.last // DAY_SECONDS - self.first // DAY_SECONDS + 1

  @property
  def effective_rides(self) -> float:
    """How many independent rides would vary as much by chance as these, which come in groups of one time stamp.

    Kish's n² / Σ c² over the stamps' counts c. Of the groups' counts g the expected Σ g² is
    Σ c² + (n² - Σ c²) / groups, which is solved for Σ c²; where each ride has a stamp of its own, the answer is within
    a tenth or so.

    Source: L. Kish, "Survey Sampling", 1965, section 8.2.
    """
    rides, groups = self.rides, len(self.groups)
    squares = (sum(count * count for count in self.groups) - rides * rides / groups) / (1 - 1 / groups)
    return rides * rides / max(squares, float(rides), 1.0)


def _sums(ours: tuple[int, ...], theirs: tuple[int, ...]) -> tuple[int, ...]:
  """Entry by entry; nothing is as good as zeros."""
  return tuple(map(operator.add, ours, theirs)) if ours and theirs else ours or theirs


def _extreme(choose: Any, mine: Any, other: Any) -> Any:
  """The smaller or larger one of two, of which None is neither."""
  there = [value for value in (mine, other) if value is not None]
  return choose(there) if there else None


def week_hours(seconds: np.ndarray) -> np.ndarray:
  """Hour of the week of each time stamp, 0 to 167, from Monday 0 h on; int64 [rides].

  Args: seconds: int64 [rides], `pickup_seconds`.
  """
  return (seconds // 3600 + 24 * EPOCH.weekday()) % HOURS_PER_WEEK


def profile_times(seconds: np.ndarray, hashes: np.ndarray | None = None) -> TimeProfile:
  """When rides begin.

  Args:
    seconds: int64 [rides], `pickup_seconds`.
    hashes: of the stamps, where they are known.
  """
  if not len(seconds):
    return TimeProfile()
  hashes = hash_of(seconds, STAMP_SEED) if hashes is None else hashes
  groups = (hashes % np.uint64(STAMP_GROUPS)).astype(np.int64)
  if not np.any(seconds % 60):
    groups = (groups + np.arange(len(groups))) % STAMP_GROUPS
  return TimeProfile(
    tuple(np.bincount(week_hours(seconds), minlength=HOURS_PER_WEEK).tolist()),
    tuple(np.bincount(groups, minlength=STAMP_GROUPS).tolist()),
    int(seconds.min()),
    int(seconds.max()),
  )


@dataclasses.dataclass(frozen=True)
class Moments:
  """Two columns' means, and sums of squares and of products around them, which add up without loss of digits.

  Source: T. F. Chan, G. H. Golub and R. J. LeVeque, "Updating Formulae and a Pairwise Algorithm for Computing Sample
  Variances", Stanford 1979.
  """

  count: int = 0
  mean_x: float = 0.0
  mean_y: float = 0.0
  xx: float = 0.0
  yy: float = 0.0
  xy: float = 0.0

  def __add__(self, other: Moments) -> Moments:
    count = self.count + other.count
    if not count:
      return self
    share, weight = other.count / count, self.count * other.count / count
    dx, dy = other.mean_x - self.mean_x, other.mean_y - self.mean_y
    return Moments(
      count,
      self.mean_x + dx * share,
      self.mean_y + dy * share,
      self.xx + other.xx + dx * dx * weight,
      self.yy + other.yy + dy * dy * weight,
      self.xy + other.xy + dx * dy * weight,
    )

  @property
  def correlation(self) -> float | None:
    """Pearson's, in [-1, 1]; None where a column does not vary."""
    spread = math.sqrt(self.xx) * math.sqrt(self.yy)
    return max(-1.0, min(1.0, self.xy / spread)) if spread else None


@dataclasses.dataclass(frozen=True)
class ColumnProfile:
  """The values of a canonical column.

  Attributes:
    rides: all kept rides, those without a value included.
    missing: rides without a value.
    smallest, largest: of the values; None where there is none.
    codes: of a categorical column, rides by code; the last one counts all other values.
    other: of a categorical column, the first value that is none of the vocabulary, as the source has it.
    with_fare: of a numeric column besides the coordinates, with the fare; `with_fare_log` of both columns' logarithms.
  """

  rides: int = 0
  missing: int = 0
  smallest: float | None = None
  largest: float | None = None
  codes: tuple[int, ...] = ()
  other: str | None = None
  with_fare: Moments = Moments()
  with_fare_log: Moments = Moments()

  def __add__(self, other: ColumnProfile) -> ColumnProfile:
    return ColumnProfile(
      self.rides + other.rides,
      self.missing + other.missing,
      _extreme(min, self.smallest, other.smallest),
      _extreme(max, self.largest, other.largest),
      _sums(self.codes, other.codes),
      other.other if self.other is None else self.other,
      self.with_fare + other.with_fare,
      self.with_fare_log + other.with_fare_log,
    )


@dataclasses.dataclass(frozen=True)
class FileProfile:
  """The kept rides of a file, or of several.

  Attributes:
    span: label of the span that it belongs to; of spans that are no days and of files without spans any other name.
    rides: how many.
    on_day: rides that begin on the span's day; None where the span is no day.
    digest: a sum of hashes of the rides, so that the same rides in another order, format or division are equal.
    read: rows of the file, those included that were set aside; 0 where an older version did not count them.
  """

  span: str = ''
  rides: int = 0
  on_day: int | None = None
  digest: int = 0
  read: int = 0

  def __add__(self, other: FileProfile) -> FileProfile:
    on_day = None if self.on_day is None or other.on_day is None else self.on_day + other.on_day
    digest = (self.digest + other.digest) % 2**64
    return FileProfile(self.span, self.rides + other.rides, on_day, digest, self.read + other.read)


@dataclasses.dataclass(frozen=True)
class Profile:
  """What is known of the kept rides of some files.

  Attributes:
    times: by split.
    columns: by canonical name, the label included; of all splits.
    files: by path, or by the name of another source.
    newest: columns of the newest span alone, by canonical name, where that span is the eval split; else empty.
  """

  times: dict[str, TimeProfile] = dataclasses.field(default_factory=dict)
  columns: dict[str, ColumnProfile] = dataclasses.field(default_factory=dict)
  files: dict[str, FileProfile] = dataclasses.field(default_factory=dict)
  newest: dict[str, ColumnProfile] = dataclasses.field(default_factory=dict)

  def spans(self) -> dict[str, FileProfile]:
    """The files of each span together, by its label, in their order."""
    found: dict[str, FileProfile] = {}
    for file in self.files.values():
      found[file.span] = found[file.span] + file if file.span in found else file
    return found

  @property
  def newest_span(self) -> str | None:
    """The label of the span that is the eval split, beside older ones; `None` where there is no such span."""
    *older, last = [*self.spans()] or ['']
    return last if older and self.newest else None

  @classmethod
  def total(cls, profiles: Iterable[Profile]) -> Profile:
    """The sum over files, in their order."""
    times: dict[str, TimeProfile] = {}
    columns: dict[str, ColumnProfile] = {}
    files: dict[str, FileProfile] = {}
    newest: dict[str, ColumnProfile] = {}
    for profile in profiles:
      _add(times, profile.times)
      _add(columns, profile.columns)
      _add(files, profile.files)
      _add(newest, profile.newest)
    return cls(times, columns, files, newest)

  @classmethod
  def of(cls, values: Mapping[str, Any]) -> Profile:
    """The inverse of `dataclasses.asdict`, also by way of JSON."""
    moments = ('with_fare', 'with_fare_log')
    columns, newest = (
      {
        name: _made(ColumnProfile, column | {key: _made(Moments, column[key]) for key in moments})
        for name, column in values.get(part, {}).items()
      }
      for part in ('columns', 'newest')
    )
    return cls(
      {name: _made(TimeProfile, time) for name, time in values.get('times', {}).items()},
      columns,
      {name: _made(FileProfile, file) for name, file in values.get('files', {}).items()},
      newest,
    )


def _add(totals: dict[K, V], more: Mapping[K, V]) -> None:
  for key, value in more.items():
    totals[key] = totals[key] + value if key in totals else value  # type: ignore[operator]


def _made(kind: Any, values: Mapping[str, Any]) -> Any:
  return kind(**{name: tuple(value) if isinstance(value, list) else value for name, value in values.items()})
