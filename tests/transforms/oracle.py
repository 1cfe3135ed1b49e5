"""An independent oracle of every feature: NumPy in float64 and `datetime`, ride by ride, no code of `transforms`.

Sources: `datetime` for the calendar; R. W. Sinnott's haversine by arcsin; the
equirectangular projection; all else is the feature's own definition. Inputs
are rounded to float32 first, as the rides are.
"""

from __future__ import annotations

import datetime
import math

import numpy as np
from matplotlib.path import Path

from configs.dataset import Dataset
from configs.features import Features

KM = 6371.0088 * math.pi / 180
COORDINATES = ('pickup_longitude', 'pickup_latitude', 'dropoff_longitude', 'dropoff_latitude')
NAN = float('nan')


def seconds_of(text: str) -> int:
  """Seconds since 2009-01-01 of an ISO time."""
  return int((datetime.datetime.fromisoformat(text) - datetime.datetime(2009, 1, 1)).total_seconds())


def named_rides() -> dict[str, dict[str, float]]:
  """Rides that a feature could get wrong, by the name of the trap."""
  plain = {
    'pickup_seconds': seconds_of('2013-05-15 17:45:30'),
    'pickup_longitude': -73.9857,
    'pickup_latitude': 40.7484,
    'dropoff_longitude': -73.7781,
    'dropoff_latitude': 40.6413,
    'passenger_count': 2.0,
  }
  times = {
    'plain': '2013-05-15 17:45:30',
    'leap_day': '2012-02-29 23:59:59',
    'day_after_leap_day': '2012-03-01 00:00:00',
    'month_end': '2011-01-31 23:59:59',
    'year_end': '2010-12-31 23:59:59',
    'year_start': '2011-01-01 00:00:00',
    'epoch': '2009-01-01 00:00:00',
    'before_2009': '2008-12-31 23:59:59',
    'leap_day_before_2009': '2008-02-29 07:00:00',
    'century_leap_day': '2000-02-29 12:00:00',
    'last_second_before_tariff': '2012-09-03 23:59:59',
    'first_second_of_tariff': '2012-09-04 00:00:00',
    'rush_starts': '2014-03-03 07:00:00',
    'rush_ends': '2014-03-03 10:00:00',
    'second_before_rush': '2014-03-03 15:59:59',
    'sunday_night': '2014-03-02 23:30:00',
    'earliest': '1941-01-01 00:00:00',
    'latest': '2076-12-31 23:59:59',
  }
  rides = {name: plain | {'pickup_seconds': seconds_of(text)} for name, text in times.items()}
  rides['missing_dropoff'] = plain | {'dropoff_longitude': NAN, 'dropoff_latitude': NAN}
  rides['missing_one_coordinate'] = plain | {'pickup_latitude': NAN}
  rides['missing_both_ends'] = plain | dict.fromkeys(COORDINATES, NAN)
  rides['missing_passengers'] = plain | {'passenger_count': NAN}
  rides['infinite'] = plain | {'dropoff_longitude': float('inf'), 'passenger_count': float('-inf')}
  rides['not_on_earth'] = plain | {'pickup_latitude': 401.2}
  rides['identical_points'] = plain | {'dropoff_longitude': -73.9857, 'dropoff_latitude': 40.7484}
  rides['one_float_apart'] = plain | {
    'dropoff_longitude': float(np.nextafter(np.float32(-73.9857), np.float32(0))),
    'dropoff_latitude': 40.7484,
  }
  rides['very_far'] = plain | {'dropoff_longitude': -72.6, 'dropoff_latitude': 41.9}
  rides['to_new_jersey'] = plain | {'dropoff_longitude': -74.0776, 'dropoff_latitude': 40.7282}
  rides['staten_island'] = plain | {'dropoff_longitude': -74.15, 'dropoff_latitude': 40.60}
  rides['at_landmark'] = plain | {'pickup_longitude': -73.7781, 'pickup_latitude': 40.6413}
  return rides


def as_columns(rides: dict[str, dict[str, float]] | list[dict[str, float]]) -> dict[str, np.ndarray]:
  """Rides as canonical columns: int64 seconds, float32 the rest."""
  rows = list(rides.values()) if isinstance(rides, dict) else rides
  return {
    name: np.array([row[name] for row in rows], np.int64 if name == 'pickup_seconds' else np.float32)
    for name in rows[0]
  }


def expected_features(columns: dict[str, np.ndarray], dataset: Dataset, features: Features) -> dict[str, np.ndarray]:
  """Every feature by name, float64 [rows], NaN where an input is missing."""
  rows = [
    _ride({name: float(column[row]) for name, column in columns.items()}, dataset, features)
    for row in range(len(columns['pickup_seconds']))
  ]
  return {name: np.array([row[name] for row in rows]) for name in rows[0]}


def _ride(ride: dict[str, float], dataset: Dataset, features: Features) -> dict[str, float]:
  limits = {'pickup_longitude': 180, 'pickup_latitude': 90, 'dropoff_longitude': 180, 'dropoff_latitude': 90}
  for name, value in ride.items():
    if not math.isfinite(value) or abs(value) > limits.get(name, math.inf):
      ride = ride | {name: NAN}
  for end in ('pickup', 'dropoff'):
    if math.isnan(ride[f'{end}_longitude'] + ride[f'{end}_latitude']):
      ride = ride | {f'{end}_longitude': NAN, f'{end}_latitude': NAN}
  result = _time(ride['pickup_seconds'], dataset, features) | _place(ride, dataset, features)
  result |= {name: ride[name] for name in ride if name not in ('pickup_seconds', *COORDINATES)}
  result['missing_pickup'] = float(math.isnan(ride['pickup_longitude']))
  result['missing_dropoff'] = float(math.isnan(ride['dropoff_longitude']))
  result['missing_passengers'] = float(math.isnan(ride['passenger_count']))
  result |= {f'missing_{extra.name}': float(math.isnan(ride.get(extra.name, NAN))) for extra in dataset.extras}
  return result


def _time(seconds: float, dataset: Dataset, features: Features) -> dict[str, float]:
  moment = datetime.datetime(2009, 1, 1) + datetime.timedelta(seconds=seconds)
  hour = moment.hour + moment.minute / 60 + moment.second / 3600
  spans = features.temporal.rush_hours
  result = {
    'hour': hour,
    'day_of_week': moment.weekday(),
    'month': moment.month,
    'linear_time': seconds / 86400 / 365.25,
    'weekend': float(moment.weekday() >= 5),
    'rush_hour': float(any(start <= hour < end for start, end in spans)),
  }
  for name, turn in (('hour', hour / 24), ('day_of_week', moment.weekday() / 7), ('month', (moment.month - 1) / 12)):
    result[f'{name}_sin'], result[f'{name}_cos'] = math.sin(2 * math.pi * turn), math.cos(2 * math.pi * turn)
  for day in dataset.city.tariff_changes:
    result[f'tariff_{day:%Y_%m_%d}'] = float(moment.date() >= day)
  return result


def _place(ride: dict[str, float], dataset: Dataset, features: Features) -> dict[str, float]:
  city, block = dataset.city, features.geographic
  lon0, lat0 = float(np.float32(city.center_longitude)), float(np.float32(city.center_latitude))
  shrink = math.cos(math.radians(city.center_latitude))

  def local(lon: float, lat: float) -> tuple[float, float]:
    return (lon - lon0) * KM * shrink, (lat - lat0) * KM

  def on_grid(east: float, north: float) -> tuple[float, float]:
    """Components across and along a street that runs clockwise from north."""
    angle = math.radians(city.grid_rotation_degrees)
    along = (math.sin(angle), math.cos(angle))
    across = (math.cos(angle), -math.sin(angle))
    return east * across[0] + north * across[1], east * along[0] + north * along[1]

  def cap(value: float, limit: float = block.max_distance_km) -> float:
    return value if math.isnan(value) else max(-limit, min(limit, value))

  result = {f'{name}_offset': ride[name] - (lon0 if 'longitude' in name else lat0) for name in COORDINATES}
  ends = {end: local(ride[f'{end}_longitude'], ride[f'{end}_latitude']) for end in ('pickup', 'dropoff')}
  for end, (east, north) in ends.items():
    x, y = on_grid(east, north)
    result[f'{end}_x_km'], result[f'{end}_y_km'] = cap(x), cap(y)
    for mark in city.landmarks:
      distance = math.dist((east, north), local(mark.longitude, mark.latitude))
      result[f'{end}_{mark.name}_km'] = cap(distance, block.landmark_cap_km)
      result[f'{end}_{mark.name}_proximity'] = math.exp(-distance / block.proximity_km)
    for zone in city.zones:
      point = (ride[f'{end}_longitude'], ride[f'{end}_latitude'])
      result[f'{end}_in_{zone.name}'] = (
        NAN if any(map(math.isnan, point)) else float(Path(zone.polygon).contains_point(point))
      )
  east, north = ends['dropoff'][0] - ends['pickup'][0], ends['dropoff'][1] - ends['pickup'][1]
  dx, dy = on_grid(east, north)
  length = math.hypot(east, north)
  result |= {
    'euclidean_km': cap(length),
    'manhattan_km': cap(abs(dx) + abs(dy)),
    'haversine_km': cap(haversine_km(*(ride[name] for name in COORDINATES))),
    'abs_dx_km': cap(abs(dx)),
    'abs_dy_km': cap(abs(dy)),
    'log_euclidean': math.log1p(cap(length)),
    'log_manhattan': math.log1p(cap(abs(dx) + abs(dy))),
    'bearing_sin': 0.0 if length == 0 else east / length,
    'bearing_cos': 0.0 if length == 0 else north / length,
  }
  return result


def haversine_km(lon1: float, lat1: float, lon2: float, lat2: float) -> float:
  """Great-circle distance by arcsin, float64."""
  lon1, lat1, lon2, lat2 = (math.radians(value) for value in (lon1, lat1, lon2, lat2))
  a = math.sin((lat2 - lat1) / 2) ** 2 + math.cos(lat1) * math.cos(lat2) * math.sin((lon2 - lon1) / 2) ** 2
  return 2 * 6371.0088 * math.asin(math.sqrt(a))


def standardized(values: np.ndarray, analyzed: np.ndarray) -> np.ndarray:
  """Standardizes one feature by the moments of the analyzed rides; 0 where missing or constant."""
  known = analyzed[~np.isnan(analyzed)]
  deviation = known.std() if len(known) else 0.0
  if deviation <= 1e-6 * max(abs(known.mean()) if len(known) else 0, 0.1):
    return np.zeros_like(values)
  return np.nan_to_num((values - known.mean()) / deviation)
