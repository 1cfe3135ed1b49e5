"""Hours of the day and days of the week: how far two parts of the rides differ in them, and which have no ride.

Statistics of `pickup_seconds` itself say nothing: a later part of the rides is always at another time.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from tensorflow_metadata.proto.v0 import statistics_pb2

from components.ride_example_gen.profile import TimeProfile
from components.ride_example_gen.spans import TRAIN
from components.ride_validator.findings import Finding, Kind, Level
from configs.dataset import TIME
from configs.validation import Severity, Validation

HOUR_OF_DAY, DAY_OF_WEEK = 'hour_of_day', 'day_of_week'
"""What findings call the parts of the time that are compared."""

_OF_LIKE_DAYS = 0.25
"""The share of the threshold that holds where both sides cover a week, or days of one kind are compared.

Over the real Chicago rides, Saturday's or Sunday's hours are 0.04 to 0.12 from those of working days, so the whole of
the default threshold, 0.2, is for a working day beside a Sunday. Hours of working days are within 0.014 of each other
there and those of whole weeks within 0.003, while a clock that is 5 hours wrong takes them 0.07 away.
"""

_KINDS_OF_DAYS = (range(5), range(5, 6), range(6, 7))
"""Working days, Saturdays, Sundays."""

_HOURS, _GROUPS = 'hour_of_week', 'stamp_groups'
"""Names of the custom statistics of `pickup_seconds`."""


def jensen_shannon(counts: Sequence[float], others: Sequence[float]) -> float:
  """Jensen-Shannon divergence of two histograms over the same buckets.

  Args: counts, others: not negative, and not all zero.
  Returns: Base 2, in [0, 1]: 0 for equal shares, 1 where no bucket has something of both.
  Source: J. Lin, "Divergence measures based on the Shannon entropy", IEEE Trans. Inf. Theory 37(1), 1991.
  """
  here, there = _shares(counts), _shares(others)
  middle = _entropy([(share + other) / 2 for share, other in zip(here, there, strict=True)])
  # Rounding may leave a divergence of equal shares a hair below zero.
  return max(0.0, middle - (_entropy(here) + _entropy(there)) / 2)


def _shares(counts: Sequence[float]) -> list[float]:
  whole = sum(counts)
  return [count / whole for count in counts]


def _entropy(shares: Iterable[float]) -> float:
  return -sum(share * math.log2(share) for share in shares if share > 0)


class Divergence(NamedTuple):
  """How far a part of the time differs.

  Attributes:
    part: `HOUR_OF_DAY` or `DAY_OF_WEEK`.
    value: Jensen-Shannon, base 2, in [0, 1].
    limit: the largest accepted one.
    furthest: the bucket whose share differs most, its share here and there.
  """

  part: str
  value: float
  limit: float
  furthest: tuple[int, float, float]


def time_divergences(now: TimeProfile, other: TimeProfile, threshold: float) -> Iterator[Divergence]:
  """Of the hours of the day, and of the days of the week where both sides cover a week.

  Where a side may be a single day, hours are those of one kind of days, which both sides have. Nothing where a side has
  no rides. No limit is below what chance may do to so few independent rides.

  Args: threshold: the config's.
  """
  if not now.rides or not other.rides:
    return
  weeks = min(now.days, other.days) >= 7
  days = None if weeks else _days_of_both(now, other)
  hours, hours_there = ((time.by_hour if days is None else time.hours_on(days)) for time in (now, other))
  parts = [(HOUR_OF_DAY, hours, hours_there), *([(DAY_OF_WEEK, now.by_day, other.by_day)] if weeks else [])]
  for part, here, there in parts:
    effective = [time.effective_rides * sum(rides) / time.rides for time, rides in ((now, here), (other, there))]
    limit = max(threshold * (_OF_LIKE_DAYS if weeks or days else 1.0), _by_chance(len(here), *effective))
    pairs = list(zip(_shares(here), _shares(there), strict=True))
    bucket = max(range(len(pairs)), key=lambda index: abs(pairs[index][0] - pairs[index][1]))
    yield Divergence(part, jensen_shannon(here, there), min(limit, 1.0), (bucket, *pairs[bucket]))


def _days_of_both(now: TimeProfile, other: TimeProfile) -> range | None:
  """The kind of days of which both sides have rides, most rides where there are several; None where there is none.

  A few rides after midnight, which a day's file may have, are no kind of days.
  """
  rides = {days: [sum(time.hours_on(days)) for time in (now, other)] for days in _KINDS_OF_DAYS}
  there = [days for days, found in rides.items() if found[0] > _SPILT * now.rides and found[1] > _SPILT * other.rides]
  return max(there, key=lambda days: min(rides[days]), default=None)


_SPILT = 0.05
"""So small a share of the rides may be another day's."""


def _by_chance(buckets: int, rides: float, others: float) -> float:
  """What the divergence of two random parts of the same rides hardly ever exceeds.

  With n rides a side, 4 n ln 2 times the divergence is distributed as χ² of `buckets - 1` degrees of freedom, of which
  this takes the mean and five standard deviations.
  """
  degrees = buckets - 1
  return (degrees + 5 * math.sqrt(2 * degrees)) / (8 * math.log(2)) * (1 / rides + 1 / others)


_DAYS = ('Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday', 'Saturday', 'Sunday')


def time_findings(
  kind: Kind, now: TimeProfile, other: TimeProfile, validation: Validation, split: str = TRAIN
) -> Iterator[Finding]:
  """The divergences as findings of a split, as those of the columns are.

  Args:
    now: of the split.
    other: of the previous span (`kind` DRIFT) or of the eval split (`kind` SKEW).
  """
  drift = kind is Kind.DRIFT
  threshold = validation.drift_threshold if drift else validation.skew_threshold
  there = 'the previous span' if drift else 'the eval split'
  for found in time_divergences(now, other, threshold):
    above = found.value > found.limit
    bucket, share, before = found.furthest
    place = f'at {bucket} h' if found.part == HOUR_OF_DAY else f'on {_DAYS[bucket]}s'
    yield Finding(
      split=split,
      feature=found.part,
      kind=kind,
      severity=(Level.ERROR if validation.drift_stops else Level.WARNING) if above else Level.INFO,
      stops=above and validation.drift_stops and validation.severity is not Severity.NEVER,
      expected=f'rides within a divergence of {found.limit:.3g} from {there}',
      came=f'{found.value:.3g} ({_percent(share)} of the rides {place}, there {_percent(before)})',
      divergence=round(found.value, 6),
      threshold=round(found.limit, 6),
    )


def _percent(share: float) -> str:
  return f'{100 * share:.3g} %'


def empty_hours(time: TimeProfile) -> Iterator[tuple[int, int]]:
  """Bands of hours of the day without a ride, as first and last hour, where chance does not leave them empty.

  A band of L hours is expected to have at least (L / 20)² of all rides: at the quietest hours of the day, the real
  rides of New York and Chicago have three times that for one hour, and just as much for twelve.
  """
  hours, rides = time.by_hour, time.effective_rides
  ridden = [hour for hour in range(24) if hours[hour]]
  for hour, following in zip(ridden, [*ridden[1:], *(first + 24 for first in ridden[:1])], strict=True):
    expected = min(((following - hour - 1) / 20) ** 2, 0.99)
    if expected and -rides * math.log1p(-expected) > _UNLIKELY:
      yield (hour + 1) % 24, (following - 1) % 24


_UNLIKELY = math.log(1000)
"""Of a chance of one in a thousand."""


def empty_days(time: TimeProfile) -> tuple[str, ...]:
  """Days of the week without a ride, of rides that cover two weeks and are many enough to tell."""
  if time.days < 14 or time.effective_rides * 0.1 < _UNLIKELY:
    return ()
  return tuple(name for name, rides in zip(_DAYS, time.by_day, strict=True) if not rides)


def add_times(statistics: statistics_pb2.DatasetFeatureStatisticsList, time: TimeProfile) -> None:
  """Adds hours to the statistics of `pickup_seconds`, as custom statistics, which TFDV carries along."""
  for feature in _time_features(statistics):
    for name, counts in ((_HOURS, time.hours), (_GROUPS, time.groups)):
      histogram = feature.custom_stats.add(name=name).histogram
      histogram.type = statistics_pb2.Histogram.STANDARD
      for low, count in enumerate(counts):
        histogram.buckets.add(low_value=low, high_value=low + 1, sample_count=count)


def read_times(statistics: statistics_pb2.DatasetFeatureStatisticsList) -> TimeProfile | None:
  """What `add_times` left; None in statistics of an older version."""
  for feature in _time_features(statistics):
    found = {
      custom.name: tuple(int(bucket.sample_count) for bucket in custom.histogram.buckets)
      for custom in feature.custom_stats
    }
    if found.keys() >= {_HOURS, _GROUPS}:
      ends = int(feature.num_stats.min), int(feature.num_stats.max)
      return TimeProfile(found[_HOURS], found[_GROUPS], *ends)
  return None


def _time_features(
  statistics: statistics_pb2.DatasetFeatureStatisticsList,
) -> Iterator[statistics_pb2.FeatureNameStatistics]:
  for dataset in statistics.datasets:
    if dataset.name in ('', 'All Examples') or len(statistics.datasets) == 1:
      yield from (one for one in dataset.features if TIME in (one.name, '.'.join(one.path.step)))
