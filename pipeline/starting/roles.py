"""Which column is which part of a ride: by its name, and by its values where names say nothing or the wrong thing."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from configs.base import joined
from configs.columns import COORDINATES, LABEL, PASSENGERS, TIME
from pipeline.starting import names
from pipeline.starting.cities import nearest_city
from pipeline.starting.time_style import TimeStyle

PICKUP_LONGITUDE, PICKUP_LATITUDE, DROPOFF_LONGITUDE, DROPOFF_LATITUDE = COORDINATES
_LIMITS = {PICKUP_LONGITUDE: 180, PICKUP_LATITUDE: 90, DROPOFF_LONGITUDE: 180, DROPOFF_LATITUDE: 90}
_MOSTLY = 0.8
_SWAPPED_NEAR, _SWAPPED_FAR = 150.0, 750.0
"""Kilometres to the nearest city with latitude and longitude the other way round, and as they are named."""

_FARTHEST_NORTH = 70.0
"""Degrees of latitude beyond which no town has taxis enough for a model; Tromsø is at 69.6."""


class Roles(NamedTuple):
  """Source columns of a ride.

  Attributes:
    columns: source column by canonical name, `key` included, of what was found.
    zones: source columns of zone ids at both ends, where there are no coordinates.
    notes: what was unsure, by canonical name.
  """

  columns: dict[str, str]
  zones: tuple[str, str] | None
  notes: dict[str, list[str]]


def guess_roles(
  columns: Mapping[str, object],
  values: Mapping[str, np.ndarray],
  times: Mapping[str, TimeStyle],
  chosen: Mapping[str, str],
) -> Roles:
  """Finds the parts of a ride among the columns of a file.

  Args:
    columns: all of them by name, in order.
    values: float64 [rows] of those that are mostly numbers, NaN where one is missing.
    times: those that are mostly time stamps.
    chosen: what is known already, by canonical name.
  """
  roles = Roles({**chosen}, None, {})
  _find_time(roles, times)
  _find_coordinates(roles, columns, values)
  _turn_round(roles, values, chosen)
  _find_by_name(roles, PASSENGERS, [name for name, value in values.items() if _are_counts(value)])
  _find_by_name(roles, names.KEY, list(columns))
  _find_fare(roles, values, times)
  return roles._replace(zones=_zones(roles, columns))


def _find_by_name(roles: Roles, role: str, candidates: list[str], least: float = 1.0) -> None:
  """Takes the candidate whose name fits best, and notes the next one."""
  if role in roles.columns:
    return
  free = [name for name in candidates if name not in roles.columns.values()]
  ranked = sorted(free, key=lambda name: -names.score(name, role))
  fitting = [name for name in ranked if names.score(name, role) >= least]
  if fitting:
    roles.columns[role] = fitting[0]
    if len(fitting) > 1 and role != names.KEY:
      roles.notes.setdefault(role, []).append(f'It may also be {joined(repr(name) for name in fitting[1:4])}.')


_DROPOFF = -4.0
"""The name of a dropoff's time scores less."""


def _find_time(roles: Roles, times: Mapping[str, TimeStyle]) -> None:
  if TIME in roles.columns or not times:
    return
  taken = roles.columns.values()
  rank = {name: score for name in times if name not in taken and (score := names.score(name, TIME)) > _DROPOFF}
  if not rank:
    return
  # Of names that say equally much, the earlier one: rides begin before they end.
  best = max(rank.values())
  equal = [name for name in rank if rank[name] == best]
  roles.columns[TIME] = min(equal, key=lambda name: float(np.median(times[name].readings)))
  if len(equal) > 1:
    others = joined(repr(name) for name in equal if name != roles.columns[TIME])
    roles.notes.setdefault(TIME, []).append(f'It may also be {others}; this one is the earliest.')


def _find_coordinates(roles: Roles, columns: Mapping[str, object], values: Mapping[str, np.ndarray]) -> None:
  for role in COORDINATES:
    fitting = [name for name, value in values.items() if _are_degrees(value)]
    _find_by_name(roles, role, fitting, least=5.0)
  # Names that say the axis alone, such as lon and lon2: the pickup comes first.
  for role in COORDINATES:
    free = [name for name in columns if name in values and _are_degrees(values[name])]
    _find_by_name(roles, role, free)
  missing = [role for role in COORDINATES if role not in roles.columns]
  if missing:
    _by_values(roles, missing, values)


def _are_degrees(value: np.ndarray) -> bool:
  """Whether numbers may be coordinates: within 180 degrees, and finer than whole ones."""
  seen = value[np.isfinite(value) & (value != 0)]
  return bool(len(seen)) and float(np.mean(np.abs(seen) <= 180)) > _MOSTLY and float(np.mean(seen % 1 != 0)) > 0.5


_SPREAD = 3.0
"""Degrees between the quarters of a city's coordinates, at most."""


def _by_values(roles: Roles, missing: list[str], values: Mapping[str, np.ndarray]) -> None:
  """Two pairs of columns whose numbers are alike, each pair within a few degrees: longitudes and latitudes.

  Which pair is which, the nearest city decides.
  """
  taken = {column for role, column in roles.columns.items() if role not in COORDINATES}
  centers = {name: _center(value) for name, value in values.items() if name not in taken and _is_local(value)}
  pairs = [pair for pair in itertools.combinations(centers, 2) if abs(centers[pair[0]] - centers[pair[1]]) < 1]
  disjoint = [(first, second) for first, second in itertools.permutations(pairs, 2) if not {*first} & {*second}]
  possible = [
    (city.kilometres, longitudes, latitudes)
    for longitudes, latitudes in disjoint
    if abs(centers[latitudes[0]]) <= _FARTHEST_NORTH
    and (city := nearest_city(centers[latitudes[0]], centers[longitudes[0]]))
  ]
  if not possible:
    return
  _, longitudes, latitudes = min(possible)
  found = dict(zip(COORDINATES, (longitudes[0], latitudes[0], longitudes[1], latitudes[1]), strict=True))
  for role in missing:
    if found[role] not in roles.columns.values():
      roles.columns[role] = found[role]
      roles.notes.setdefault(role, []).append('By its values alone; the pickup is taken to come first.')


def _is_local(value: np.ndarray) -> bool:
  if not _are_degrees(value):
    return False
  seen = value[np.isfinite(value) & (value != 0)]
  low, middle, high = np.quantile(seen, [0.25, 0.5, 0.75])
  fine = float(np.mean(np.abs(seen * 1000 % 1) > 1e-6)) > 0.3
  return bool(high - low < _SPREAD and abs(middle) > 0.5 and fine)


def _center(value: np.ndarray) -> float:
  return float(np.median(value[np.isfinite(value) & (value != 0)]))


def _turn_round(roles: Roles, values: Mapping[str, np.ndarray], chosen: Mapping[str, str]) -> None:
  """Exchanges latitudes and longitudes that are named the wrong way round, which the nearest city tells."""
  if any(role not in roles.columns or roles.columns[role] not in values for role in COORDINATES) or (
    {*chosen} & {*COORDINATES}
  ):
    return
  for longitude, latitude in ((PICKUP_LONGITUDE, PICKUP_LATITUDE), (DROPOFF_LONGITUDE, DROPOFF_LATITUDE)):
    x, y = (_center(values[roles.columns[role]]) for role in (longitude, latitude))
    if not _are_turned(x, y):
      continue
    columns = roles.columns
    columns[longitude], columns[latitude] = columns[latitude], columns[longitude]
    note = f'Named the other way round: latitude {x:.4g} and longitude {y:.4g} are in a city, the reverse is not.'
    roles.notes.setdefault(longitude, []).append(note)


def _are_turned(longitude: float, latitude: float) -> bool:
  """Whether a place is the middle of a city only if its longitude is taken for its latitude and the reverse."""
  if abs(longitude) > _FARTHEST_NORTH:
    return False
  if abs(latitude) > _FARTHEST_NORTH:
    return True
  named, turned = nearest_city(latitude, longitude), nearest_city(longitude, latitude)
  return bool(named and turned and turned.kilometres < _SWAPPED_NEAR and named.kilometres > _SWAPPED_FAR)


def _are_counts(value: np.ndarray) -> bool:
  seen = value[np.isfinite(value)]
  return bool(len(seen)) and float(np.mean((seen % 1 == 0) & (seen >= 0) & (seen < 100))) > 0.95


_LEAST_CORRELATION = 0.3
_BY_VALUES_LEAST = 30


def _find_fare(roles: Roles, values: Mapping[str, np.ndarray], times: Mapping[str, TimeStyle]) -> None:
  """By its name, or that of a total, or else the amount that grows most with the distance."""
  amounts = [
    name
    for name, value in values.items()
    if name not in times and float(np.mean(value[np.isfinite(value)] >= 0)) > _MOSTLY
  ]
  _find_by_name(roles, LABEL, amounts)
  if LABEL not in roles.columns:
    _find_by_name(roles, LABEL, amounts, least=names.LEAST_OF_A_TOTAL)
    if LABEL in roles.columns:
      roles.notes.setdefault(LABEL, []).append('By its name, all that was paid, perhaps with tips and tolls.')
  if LABEL in roles.columns or any(role not in roles.columns for role in COORDINATES):
    return
  distance = _distance(*(values[roles.columns[role]] for role in COORDINATES))
  taken = roles.columns.values()
  free = [name for name in amounts if not (name in taken or names.is_known_after(name) or names.is_measure(name))]
  grows = {name: _correlation(values[name], distance) for name in free if not _are_counts(values[name])}
  best = max(grows, key=lambda name: grows[name], default=None)
  if best is not None and grows[best] > _LEAST_CORRELATION:
    roles.columns[LABEL] = best
    note = f'By its values alone, which grow with the distance (rank correlation {grows[best]:.2f}).'
    roles.notes.setdefault(LABEL, []).append(note)


def _distance(x: np.ndarray, y: np.ndarray, other_x: np.ndarray, other_y: np.ndarray) -> np.ndarray:
  """Roughly: a plane is good enough to rank the rides of a city."""
  return np.hypot((other_x - x) * np.cos(np.radians(y)), other_y - y)


def _correlation(first: np.ndarray, second: np.ndarray) -> float:
  """Spearman's, of the rows that have both."""
  both = np.isfinite(first) & np.isfinite(second)
  if both.sum() < _BY_VALUES_LEAST:
    return 0.0
  ranks = [np.argsort(np.argsort(part[both], kind='stable')) for part in (first, second)]
  return float(np.corrcoef(ranks[0], ranks[1])[0, 1])


def _zones(roles: Roles, columns: Mapping[str, object]) -> tuple[str, str] | None:
  """Columns of zone ids, only asked for where there are no coordinates."""
  if any(role in roles.columns for role in COORDINATES):
    return None
  free = [name for name in columns if name not in roles.columns.values()]
  ends = [
    max((name for name in free if names.score(name, end)), key=lambda name: names.score(name, end), default=None)
    for end in (names.PICKUP_ZONE, names.DROPOFF_ZONE)
  ]
  return (ends[0], ends[1]) if ends[0] and ends[1] else None
