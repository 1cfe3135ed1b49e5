"""Inputs that can't be right, by the profile of the rides alone: no TensorFlow, so that `farelite check` is quick."""

from __future__ import annotations

import collections
import datetime
import itertools
from collections.abc import Iterator, Mapping

from components.ride_example_gen import spans
from components.ride_example_gen.profile import ColumnProfile, FileProfile, Profile, TimeProfile
from components.ride_example_gen.quarantine import RideCounts
from components.ride_example_gen.spans import EVAL, FEWEST_AGAIN, TRAIN
from components.ride_validator.findings import Finding, Kind, Level, percent
from components.ride_validator.hours import empty_days, empty_hours, time_findings
from configs.base import joined, shortened
from configs.dataset import COORDINATES, EPOCH, LABEL, PASSENGERS, TIME, Dataset
from configs.parts import Part
from configs.validation import Leakage, Severity, Validation, known_after_ride

INPUTS = Part(
  Dataset,
  *(f'columns.{name}' for name in (LABEL, *COORDINATES, PASSENGERS)),
  'time.column',
  'places.pickup',
  'places.dropoff',
  *(f'extras.{name}' for name in ('name', 'column', 'kind', 'vocabulary')),
  'known_after_ride',
)
"""What is read of a dataset here."""

_FEWEST = 10
"""Of fewer rides, a constant column, an odd category or a correlation may be chance."""

_MOSTLY = 0.5
"""A larger share of a categorical column's values outside of its vocabulary is warned of."""

_TELLS_THE_FARE = 0.97
"""Largest correlation with the fare, of the values or of the logarithms, that is not warned of.

Of the real Chicago fares with their tips it is 0.986, with tolls and tips of made-up shares on the New York fares 0.985
to 0.992. The distance, the best that is known before, has 0.85 in New York, and the meter's miles 0.76 in Chicago.
"""

_OFF_DAY_AT_LEAST = 3
"""So many rides of another day, as one or two are soon a large share of few."""


def input_findings(counts: RideCounts, dataset: Dataset, validation: Validation) -> tuple[Finding, ...]:
  """All that the counts of an ingestion, or of a `survey`, tell about rides that can't be right.

  A warning stops a run only where `validation.severity` is `warning`; `validation.leakage: stop` makes errors of inputs
  that only the finished ride can know; a redelivery stops whatever the config says, as the model would be tested on
  what it was trained on, or count the same rides twice.

  Args:
    counts: with their profile; nothing is found in those of an older version, but for names.
    dataset: of which `INPUTS` are read.
    validation: severity, leakage, `max_off_day_share`, and the skew's threshold.
  """
  profile = counts.profile
  train, evaluated = (profile.times.get(split) for split in (TRAIN, EVAL))
  return (
    *_of_columns(profile, dataset, validation),
    *_empty_times(profile, validation),
    *(time_findings(Kind.SKEW, train, evaluated, validation) if train and evaluated else ()),
    *_off_day(profile, validation),
    *_redeliveries(profile),
  )


def _finding(
  kind: Kind,
  feature: str,
  expected: str,
  came: str,
  validation: Validation,
  level: Level = Level.WARNING,
  split: str = '',
) -> Finding:
  """One of the given level, which stops by the usual rule."""
  levels = {Severity.ERROR: (Level.ERROR,), Severity.WARNING: (Level.ERROR, Level.WARNING), Severity.NEVER: ()}
  return Finding(split, feature, kind, level, level in levels[validation.severity], expected, came)


def _of_columns(profile: Profile, dataset: Dataset, validation: Validation) -> Iterator[Finding]:
  """What the columns of all rides show, and what those of the newest span show alone.

  Few rides of a day may have one value of a code or a count by chance; of a place or a fare they don't.
  """
  of_all = [*_columns(profile.columns, dataset, validation), *_leaks(profile.columns, dataset, validation)]
  yield from of_all
  if profile.newest_span is None:
    return
  said = {(finding.kind, finding.feature) for finding in of_all}
  for finding in (*_columns(profile.newest, dataset, validation), *_leaks(profile.newest, dataset, validation)):
    by_chance = finding.kind is Kind.CONSTANT and finding.feature not in (TIME, LABEL, *COORDINATES)
    if (finding.kind, finding.feature) not in said and not by_chance:
      yield finding.of_span(profile.newest_span)


def _columns(columns: Mapping[str, ColumnProfile], dataset: Dataset, validation: Validation) -> Iterator[Finding]:
  """Columns without a value, of one value, and categorical ones of mostly unknown values."""
  sources = dataset.source_columns()
  for name, column in columns.items():
    known = column.rides - column.missing
    if name not in sources or not column.rides:
      continue  # The config says that the source has no such column.
    if not known:
      came = f'none in {column.rides:,} rides'
      yield _finding(Kind.EMPTY, name, f"values in the column '{sources[name]}'", came, validation)
    elif known >= _FEWEST and column.codes and column.codes[-1] > _MOSTLY * known:
      share = f'{column.codes[-1]:,} of {known:,} ({percent(column.codes[-1] / known)})'
      such = f", such as '{column.other}'" if column.other else ''
      expected = f"mostly values of its vocabulary in the column '{sources[name]}'"
      yield _finding(Kind.OTHER_VALUES, name, expected, f'others in {share}{such}', validation)
    elif known >= _FEWEST and column.smallest == column.largest:
      came = f'{_value(name, column, dataset)} in every one of {known:,} rides'
      yield _finding(Kind.CONSTANT, name, f"values that differ in the column '{sources[name]}'", came, validation)


def _value(name: str, column: ColumnProfile, dataset: Dataset) -> str:
  """The only value of a column, of a categorical one as text, of the time as the city's clock shows it."""
  if name == TIME and column.smallest is not None:
    return str(EPOCH + datetime.timedelta(seconds=column.smallest))
  vocabulary = {extra.name: extra.vocabulary for extra in dataset.extras if extra.kind == 'categorical'}.get(name)
  assert column.smallest is not None
  return f"'{vocabulary[int(column.smallest)]}'" if vocabulary else f'{column.smallest:.8g}'


_BEFORE = 'an input that is known before the ride'


def _leaks(columns: Mapping[str, ColumnProfile], dataset: Dataset, validation: Validation) -> Iterator[Finding]:
  """Inputs that only the finished ride can know, by their names or by their correlation with the fare."""
  level = Level.ERROR if validation.leakage is Leakage.STOP else Level.WARNING
  by_name = known_after_ride(dataset)
  for name, source in by_name.items():
    came = f"the column '{source}', which only the finished ride knows"
    yield _finding(Kind.LEAKAGE, name, _BEFORE, came, validation, level)
  numeric = {PASSENGERS, *(extra.name for extra in dataset.extras if extra.kind == 'numeric')}
  for name in sorted(numeric & columns.keys()):
    column = columns[name]
    found = [moments.correlation or 0.0 for moments in (column.with_fare, column.with_fare_log)]
    strongest = max(found, key=abs)
    if name not in by_name and column.with_fare.count >= _FEWEST and abs(strongest) > _TELLS_THE_FARE:
      scale = '' if strongest == found[0] else ', both as logarithms'
      came = f'one whose correlation with {LABEL} is {strongest:.3f}{scale}, as if the fare were part of it'
      yield _finding(Kind.LEAKAGE, name, _BEFORE, came, validation, level)


def _empty_times(profile: Profile, validation: Validation) -> Iterator[Finding]:
  """Hours of the day and days of the week without a ride: in all rides, or in a split alone."""
  found: dict[tuple[str, str], str] = {}
  for split, time in {'': sum(profile.times.values(), TimeProfile()), **profile.times}.items():
    if bands := list(empty_hours(time)):
      said = joined(f'{first} to {last + 1} h' if first != last else f'{first} h' for first, last in bands)
      # The hours of a 12-hour clock without its half of the day are 0 to 11, or 1 to 12.
      half = any(band in ((12, 23), (13, 23), (13, 0)) for band in bands)
      hint = ', as where %I is read without %p' if half else ''
      found.setdefault(('rides at every hour of the day', f'none from {said}{hint}'), split)
    if days := empty_days(time):
      found.setdefault(('rides on every day of the week', f'none on {joined(f"{day}s" for day in days)}'), split)
  for (expected, came), split in found.items():
    yield _finding(Kind.HOURS, TIME, expected, came, validation, split=split)


def _off_day(profile: Profile, validation: Validation) -> Iterator[Finding]:
  """Spans with too many rides of other days; of spans that are further apart than a day only the source knows."""
  dated = {label: span for label, span in profile.spans().items() if span.on_day is not None and span.rides}
  if not _are_daily(dated):
    return
  for label, span in dated.items():
    assert span.on_day is not None
    off, limit = span.rides - span.on_day, validation.max_off_day_share
    if off >= _OFF_DAY_AT_LEAST and off > limit * span.rides:
      expected = f'at most {percent(limit)} of the rides of span {label} on another day'
      why = 'is the clock or the folder wrong? Where a span is more than its day, set validation.max_off_day_share: 1'
      came = f'{percent(off / span.rides)} ({off:,} of {span.rides:,}): {why}'
      yield _finding(Kind.OFF_DAY, TIME, expected, came, validation, Level.ERROR)


def _are_daily(dated: Mapping[str, FileProfile]) -> bool:
  """Whether the usual distance of spans is a day; a single one is taken for a day."""
  days = sorted(filter(None, map(spans.day_of, dated)))
  distances = collections.Counter((later - earlier).days for earlier, later in itertools.pairwise(days))
  return not distances or distances.most_common(1)[0][0] == 1


def _redeliveries(profile: Profile) -> Iterator[Finding]:
  """Spans, and files that are no such spans, with the very same rides."""
  said: set[tuple[int, int]] = set()
  for what, named in (('span', profile.spans()), ('file', profile.files)):
    same: dict[tuple[int, int], list[str]] = collections.defaultdict(list)
    for name, rides in named.items():
      if rides.rides >= FEWEST_AGAIN:
        same[rides.digest, rides.rides].append(name)
    for key, names in same.items():
      if len(names) > 1 and key not in said:
        said.add(key)
        came = f'the same {key[1]:,} rides in {shortened(names, 4)}: a redelivery, on which no model may be blessed'
        expected = f'other rides in every {what}'
        yield Finding('', '', Kind.REDELIVERY, Level.ERROR, True, expected, came)
