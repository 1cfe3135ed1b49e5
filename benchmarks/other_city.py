"""Writes made-up rides of another city, for `docs/your-city.md`: NOT real data, and nobody's tariff.

`python -m benchmarks.other_city --output rides`

The file is written as an office in Lisbon may write it: in Portuguese, with semicolons, decimal commas and days before
months. What a ride costs is a rule, so it is known what each setting of the page is there for:

    fare = (3.25 + 0.80 * km) * night * (1.25 in a van) + 4.00 at the airport + 5.00 across the river + 1.60 a suitcase

of street kilometres along a grid that is turned by 20 degrees; `night` is 1.2 from 21 to 6. From 1 March 2025 on all of
it is 8 % more. Noise is 3 % of the fare.
"""

from __future__ import annotations

import argparse
import csv
import datetime
import pathlib
from collections.abc import Iterator

import numpy as np

HEADER = (
  'viagem', 'inicio', 'tarifa', 'lon_partida', 'lat_partida', 'lon_chegada', 'lat_chegada', 'passageiros', 'servico',
  'malas', 'distancia', 'hora_fim',
)  # fmt: skip
"""Ride, start, fare, both ends, passengers, service (1 car, 2 van, 3 electric), suitcases, kilometres, time of end."""

CENTER = (38.735, -9.145)
AIRPORT = (38.7756, -9.1354)
RIVER_LATITUDE = 38.69
NEW_TARIFF = datetime.datetime(2025, 3, 1)
GRID_DEGREES = 20.0

_FIRST_DAY = datetime.datetime(2025, 1, 6)
_DAYS = 112
_HOURS = np.array(
  [30, 22, 15, 10, 8, 10, 22, 48, 60, 50, 42, 42, 46, 46, 44, 44, 48, 58, 62, 58, 50, 46, 44, 38], float
)
_KM_PER_DEGREE = 111.2


def rides(count: int, seed: int = 0) -> Iterator[tuple[str, ...]]:
  """Rows as text, in the order of time, the columns of `HEADER`."""
  random = np.random.default_rng(seed)
  hours = random.choice(24, count, p=_HOURS / _HOURS.sum())
  seconds = np.sort(random.integers(0, _DAYS, count) * 86_400 + hours * 3_600 + random.integers(0, 3_600, count))
  start, end = _ends(random, count)
  service = random.choice([1, 2, 3], count, p=[0.75, 0.1, 0.15])
  bags = np.where(_near_airport(start) | _near_airport(end), random.integers(0, 4, count), random.random(count) < 0.1)
  passengers = random.choice([1, 2, 3, 4], count, p=[0.65, 0.22, 0.08, 0.05])
  km = _street_km(start, end)
  for ride in range(count):
    time = _FIRST_DAY + datetime.timedelta(seconds=int(seconds[ride]))
    fare = _fare(time, km[ride], service[ride], bags[ride], start[ride], end[ride]) * random.normal(1, 0.03)
    done = time + datetime.timedelta(minutes=4 + 2.5 * float(km[ride]))
    places = (f'{degrees:.5f}' for degrees in (start[ride][1], start[ride][0], end[ride][1], end[ride][0]))
    row = (f'{time:%d/%m/%Y %H:%M:%S}', f'{fare:.2f}', *places, str(passengers[ride]), str(service[ride]))
    row = (*row, str(int(bags[ride])), f'{km[ride]:.1f}', f'{done:%d/%m/%Y %H:%M:%S}')
    yield (f'V{ride:06d}', row[0], *(cell.replace('.', ',') for cell in row[1:-1]), row[-1])


def _ends(random: np.random.Generator, count: int) -> tuple[np.ndarray, np.ndarray]:
  """Latitude and longitude of both ends: the city, one ride in eight the airport, some across the river."""
  ends = []
  for _ in range(2):
    place = np.asarray(CENTER) + random.normal(0, 1, (count, 2)) * (0.018, 0.028)
    place[:, 0] = np.maximum(place[:, 0], RIVER_LATITUDE + 0.008)
    at_airport, across = random.random(count) < 0.12, random.random(count) < 0.06
    place = np.where(at_airport[:, None], random.normal(AIRPORT, 0.002, (count, 2)), place)
    ends.append(np.where(across[:, None], random.normal((38.66, -9.16), 0.008, (count, 2)), place))
  return ends[0], ends[1]


def _near_airport(place: np.ndarray) -> np.ndarray:
  return np.hypot(*((place - AIRPORT) * (1.0, 0.78)).T) * _KM_PER_DEGREE < 1


def _street_km(start: np.ndarray, end: np.ndarray) -> np.ndarray:
  """Manhattan distance along the turned grid."""
  north, east = ((end - start) * (_KM_PER_DEGREE, _KM_PER_DEGREE * np.cos(np.radians(CENTER[0])))).T
  turn = np.radians(GRID_DEGREES)
  return np.abs(north * np.cos(turn) + east * np.sin(turn)) + np.abs(east * np.cos(turn) - north * np.sin(turn))


def _fare(time: datetime.datetime, km: float, service: int, bags: int, start: np.ndarray, end: np.ndarray) -> float:
  """Euros, without noise."""
  night = 1.2 if time.hour >= 21 or time.hour < 6 else 1.0
  airport = 4.0 * bool(_near_airport(start[None])[0] or _near_airport(end[None])[0])
  across = 5.0 * bool((start[0] < RIVER_LATITUDE) != (end[0] < RIVER_LATITUDE))
  fare = (3.25 + 0.80 * km) * night * (1.25 if service == 2 else 1.0) + airport + across + 1.60 * bags
  return float(fare * (1.08 if time >= NEW_TARIFF else 1.0))


def write(folder: pathlib.Path, count: int, seed: int = 0) -> pathlib.Path:
  """Writes `lisboa.csv` into a folder, which is made, and returns its path."""
  folder.mkdir(parents=True, exist_ok=True)
  path = folder / 'lisboa.csv'
  with path.open('w', newline='', encoding='utf-8') as file:
    csv.writer(file, delimiter=';').writerows([HEADER, *rides(count, seed)])
  return path


def main() -> None:
  """Writes the rides that the page is about."""
  parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
  parser.add_argument('--output', type=pathlib.Path, default=pathlib.Path('rides'), help='a folder')
  parser.add_argument('--rides', type=int, default=8_000)
  parser.add_argument('--seed', type=int, default=0)
  given = parser.parse_args()
  print(write(given.output, given.rides, given.seed))


if __name__ == '__main__':
  main()
