"""All guesses about a file of rides together, and what was unsure about them."""

from __future__ import annotations

import dataclasses
import datetime
import functools
import re
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from components.ride_example_gen import parsing
from configs import loading
from configs.base import joined, nearest
from configs.columns import COORDINATES, LABEL, PASSENGERS, TIME
from configs.dataset import Clock
from configs.errors import UserError
from pipeline.starting import limits, names
from pipeline.starting.cities import CURRENCIES, NearestCity, nearest_city
from pipeline.starting.extras import USUAL_WORDS, Extra, find_extras, missing_words
from pipeline.starting.lacking import check_chosen, check_roles
from pipeline.starting.limits import Range
from pipeline.starting.number_style import NumberStyle, as_values, guess_style, may_be_grouped
from pipeline.starting.roles import Roles, guess_roles
from pipeline.starting.sample import Sample, shown
from pipeline.starting.time_style import TimeStyle, guess_clock, guess_time, is_time_of_day

_MONTH_FIRST = frozenset({'US', 'PH', 'PR', 'FM', 'PW'})
"""Countries that write the month before the day; ISO 3166."""

_ZONE_PRESETS = {('pulocationid', 'dolocationid'): 'tlc-yellow-zones'}
"""Presets that know where the zones lie, by the columns of the zone ids."""


@dataclasses.dataclass(frozen=True)
class Choices:
  """What the user decided; all else is guessed.

  Attributes:
    columns: source column by canonical name; None for one that there is not.
    format: of the pickup time.
    clock, time_zone, currency, name: as in the config.
  """

  columns: Mapping[str, str | None] = dataclasses.field(default_factory=dict)
  format: str | None = None
  clock: Clock | None = None
  time_zone: str | None = None
  currency: str | None = None
  name: str | None = None


class Plausible(NamedTuple):
  """What is plausible in a city, and what was seen of it.

  Attributes:
    longitude, latitude, fare, passengers: ranges.
    center: latitude and longitude, degrees.
    earliest: the first valid day.
    missing_shares: of the canonical columns where some values are missing.
  """

  longitude: Range
  latitude: Range
  fare: Range
  passengers: Range
  center: tuple[float, float]
  earliest: datetime.date
  missing_shares: Mapping[str, float]


@dataclasses.dataclass(frozen=True)
class Guess:
  """What `farelite init` writes down.

  Attributes:
    name: of config and dataset.
    sample: what it was read off.
    columns: source column by canonical name, `key` included.
    zones: source columns of zone ids, where there are no coordinates.
    time: how the pickup time is written.
    clock, time_zone: whose clock it shows.
    numbers: how numbers are written.
    missing: words for missing values beside the usual ones.
    known_after: columns of the file that only the finished ride knows.
    extras: further columns.
    left: columns that nothing was made of.
    plausible: what the rules are made of.
    city: the nearest one of the time zone database.
    currency: ISO 4217.
    notes: what was unsure, by the key of the config that it is about.
  """

  name: str
  sample: Sample
  columns: Mapping[str, str]
  zones: tuple[str, str] | None
  time: TimeStyle
  clock: Clock
  time_zone: str | None
  numbers: NumberStyle
  missing: tuple[str, ...]
  known_after: tuple[str, ...]
  extras: tuple[Extra, ...]
  left: tuple[str, ...]
  plausible: Plausible
  city: NearestCity | None
  currency: str
  notes: Mapping[str, list[str]]

  @property
  def preset(self) -> str | None:
    """The packaged config that knows where the zones lie, and with them the city; None where it has to be told."""
    found = _ZONE_PRESETS.get(tuple(map(names.squashed, self.zones or ())))  # type: ignore[arg-type]
    return found if found in loading.presets() else None

  @property
  def same_as(self) -> str | None:
    """A preset that reads the same columns, written alike, of the same city; None where there is none."""
    for name in loading.presets():
      dataset = loading.load(name).dataset
      bounds, theirs = dataset.rules.bounds, dataset.source_columns()
      near = bounds.latitude.min < self.plausible.center[0] < bounds.latitude.max
      near &= bounds.longitude.min < self.plausible.center[1] < bounds.longitude.max
      near &= dataset.time.encoding.value == self.time.encoding and dataset.time.format == (
        self.time.format or dataset.time.format
      )
      if near and all(theirs.get(role) == self.columns.get(role) for role in (TIME, LABEL, PASSENGERS, *COORDINATES)):
        return name
    return None


def guess(sample: Sample, choices: Choices = Choices()) -> Guess:
  """Guesses everything that a config has to say about a file.

  Raises: UserError: no column of it can be the fare, the pickup time or the places, or a chosen one is not there.
  """
  numbers, values, times, roles = read_columns(sample, choices)
  check_roles(sample, roles)
  columns, notes = roles.columns, dict(roles.notes)
  plausible = _plausible(columns, values, times[columns[TIME]])
  city = None if roles.zones else nearest_city(*plausible.center)
  time = _time(sample, columns[TIME], times[columns[TIME]], city, choices)
  clock, zone = _clock(time, city, choices, notes)
  if not np.any(time.readings % _DAY):
    notes[TIME] = [*notes.get(TIME, []), _days_alone(sample, columns[TIME])]
  if may_be_grouped(sample.columns[columns[LABEL]], numbers):
    note = f"All have three digits behind the '{numbers.decimal}'. If it groups thousands, write the fares without it."
    notes[LABEL] = [*notes.get(LABEL, []), note]
  used = {*columns.values(), *(roles.zones or ())}
  after = tuple(name for name in sample.columns if name not in used and _is_after(name, times))
  missing = missing_words(sample, columns)
  extras, left = find_extras(sample, numbers, {*used, *after}, {*USUAL_WORDS, *missing})
  return Guess(
    name=choices.name or _slug(sample.path),
    sample=sample,
    columns=columns,
    zones=roles.zones,
    time=time,
    clock=clock,
    time_zone=zone,
    numbers=numbers.among(used),
    missing=missing,
    known_after=after,
    extras=extras,
    left=left,
    plausible=plausible,
    city=city,
    currency=_currency(columns[LABEL], numbers, city, choices, notes),
    notes=notes,
  )


def read_columns(
  sample: Sample, choices: Choices
) -> tuple[NumberStyle, dict[str, np.ndarray], dict[str, TimeStyle], Roles]:
  """How numbers are written, the columns that are numbers and that are times, and the parts of a ride among all.

  Raises: UserError: a chosen column is not there, or can't be what it was chosen for.
  """
  for column in choices.columns.values():
    if column is not None and column not in sample.columns:
      raise UserError(f"'{sample.path}' has no column '{column}'.{nearest(column, sample.columns)}")
  numbers = guess_style(sample.columns)
  read = {name: as_values(column, numbers.of(name)) for name, column in sample.columns.items()}
  values = {name: found for name, found in read.items() if found is not None}
  found = {name: guess_time(column) for name, column in sample.columns.items()}
  times = {name: style for name, style in found.items() if style is not None}
  absent = {role for role, column in choices.columns.items() if column is None}
  chosen = {role: column for role, column in choices.columns.items() if column is not None}
  check_chosen(sample, chosen, values, times)
  roles = guess_roles(sample.columns, values, times, chosen)
  return (
    numbers,
    values,
    times,
    roles._replace(columns={role: column for role, column in roles.columns.items() if role not in absent}),
  )


_DAY = 86_400
"""Seconds."""


def _days_alone(sample: Sample, column: str) -> str:
  """A note about stamps without a time of day, which may be in another column."""
  clocks = [repr(shown(name)) for name, cells in sample.columns.items() if is_time_of_day(cells)]
  where = f'; {joined(clocks)} has the time of day' if len(clocks) == 1 else ''
  mend = 'join both in one column, or the model does not see the hour' if clocks else 'the model does not see the hour'
  return f"'{shown(column)}' holds days alone, so all rides are at midnight{where}: {mend}."


def _plausible(columns: Mapping[str, str], values: Mapping[str, np.ndarray], time: TimeStyle) -> Plausible:
  fares = values[columns[LABEL]]
  fare = limits.fares_of(fares)
  longitude, latitude, center = _places(columns, values)
  return Plausible(
    longitude=longitude,
    latitude=latitude,
    fare=fare,
    passengers=limits.passengers_of(values.get(columns.get(PASSENGERS, ''), np.array([]))),
    center=center,
    earliest=limits.first_day(time.readings),
    missing_shares=_missing_shares(columns, values),
  )


def _places(columns: Mapping[str, str], values: Mapping[str, np.ndarray]) -> tuple[Range, Range, tuple[float, float]]:
  """Bounds of longitude and latitude, and the middle of the pickups; those of the world without coordinates."""
  if any(role not in columns for role in COORDINATES):
    return Range(-180, 180), Range(-90, 90), (0.0, 0.0)
  x, y, other_x, other_y = (values[columns[role]] for role in COORDINATES)
  longitude = limits.bounds_of(np.concatenate([x, other_x]), 180)
  latitude = limits.bounds_of(np.concatenate([y, other_y]), 90)
  inside = (x >= longitude.min) & (x <= longitude.max) & (y >= latitude.min) & (y <= latitude.max)
  if not inside.any():
    return longitude, latitude, (sum(latitude) / 2, sum(longitude) / 2)
  return longitude, latitude, (round(float(np.median(y[inside])), 4), round(float(np.median(x[inside])), 4))


def _missing_shares(columns: Mapping[str, str], values: Mapping[str, np.ndarray]) -> dict[str, float]:
  shares = {
    role: float(np.mean(np.isnan(values[name])))
    for role, name in columns.items()
    if role in (*COORDINATES, PASSENGERS) and name in values
  }
  return {role: share for role, share in shares.items() if share}


def _time(sample: Sample, column: str, found: TimeStyle, city: NearestCity | None, choices: Choices) -> TimeStyle:
  """The style of the pickup time, by the user's format, or by what the country writes first."""
  if choices.format:
    stamps = parsing.parse_stamps(sample.columns[column].drop_null(), choices.format)
    return found._replace(format=choices.format, readings=stamps.seconds[stamps.valid], others=())
  if city and found.others:
    return guess_time(sample.columns[column], month_first=city.country in _MONTH_FIRST) or found
  return found


def _clock(
  time: TimeStyle, city: NearestCity | None, choices: Choices, notes: dict[str, list[str]]
) -> tuple[Clock, str | None]:
  zone = choices.time_zone or (city.zone if city else None)
  found = guess_clock(time, zone)
  clock = choices.clock or found.clock
  if choices.clock is None:
    notes['clock'] = [_why(found.sure, clock, time)]
  if clock is Clock.UTC and choices.time_zone is None and city:
    note = f'{city.zone} is the zone of the nearest city that has one, {city.kilometres:,.0f} km away.'
    notes.setdefault('time_zone', []).append(note)
  return clock, zone if clock is Clock.UTC else None


def _why(sure: bool, clock: Clock, time: TimeStyle) -> str:
  if time.has_offset and clock is Clock.UTC:
    return 'The stamps carry their offset from UTC.'
  if sure:
    claim = 'The stamps claim UTC, but the' if time.claims_utc and clock is Clock.LOCAL else 'The'
    whose = "the city's own" if clock is Clock.LOCAL else 'UTC'
    return f'{claim} fewest rides are before dawn if the clock is {whose}.'
  other = 'set it to utc, with a time_zone, if the stamps are UTC' if clock is Clock.LOCAL else 'local if they are not'
  return f'The rides by hour of day do not tell whose clock it is; {other}.'


def _is_after(name: str, times: Mapping[str, TimeStyle]) -> bool:
  return names.is_known_after(name) or (name in times and names.end_of(names.tokens(name)) == names.DROPOFF_ZONE)


def _currency(
  fare: str, numbers: NumberStyle, city: NearestCity | None, choices: Choices, notes: dict[str, list[str]]
) -> str:
  if choices.currency:
    return choices.currency
  said = [word.upper() for word in names.tokens(fare) if word.upper() in CURRENCIES]
  if said or numbers.currency:
    return said[0] if said else numbers.currency
  found = city.currency if city else ''
  nearest_one = (
    f'that of {city.zone}, the nearest city that has a time zone.' if found and city else 'none is known here; set it.'
  )
  notes['currency'] = [nearest_one]
  return found or 'USD'


@functools.cache
def _slug(path: str) -> str:
  """A name for a config out of a file's."""
  stem = path.replace('\\', '/').rpartition('/')[2].split('.')[0].lower()
  return re.sub(r'[^a-z0-9]+', '-', stem).strip('-')[:60] or 'rides'
