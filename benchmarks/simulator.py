"""Writes any number of NYC-like taxi rides, seeded, in bounded memory: NOT real data.

`python -m benchmarks.simulator --rows 200000 --format parquet --parts 4 --output out/simulated`

The rides serve scale measurements and tests of the machinery; nothing that is learnt from them says anything about
New York. They have the columns of `configs/nyc.yaml` and pass its rules. Where and when people ride is invented (a
mixture of neighbourhoods, an hourly profile); what they pay is the published tariff of the street distance, so the
lowest reachable error is known:

    fare = tariff(pickup time, both ends) + noise,    noise ~ Normal(0, sd), sd in dollars

Noise that would take a fare under the initial charge is cut, and cut alike on the other side. Its mean stays zero, so
the tariff is the best prediction there is, and the RMSE of the noise that was really drawn (always printed, at most
`sd` but for the rounding to cents) is the lowest RMSE that a model can reach on those rides.

Tariff: New York City Taxi and Limousine Commission, Rules of the City of New York, title 35, section 58-26, and its
fare increase of 4 September 2012. Left out: tolls, the state tax and the Newark surcharge. The street distance is
`STREET_FACTOR` times the Manhattan distance along a grid that is rotated by 29 degrees.
"""

from __future__ import annotations

import argparse
import dataclasses
import datetime
import enum
import math
import pathlib
import time
from collections.abc import Iterator, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet

STREET_FACTOR = 1.4
"""Kilometres on the meter per kilometre of Manhattan distance: detours, and waiting counted as miles."""

CHUNK_ROWS = 65_536
"""Rides per random stream: the rides depend on the seed and their place in the sequence, never on the parts."""

INITIAL_CHARGE = 2.5
"""Dollars on entry, before and after 2012; no simulated fare is lower."""

_TIME_FORMAT = '%Y-%m-%d %H:%M:%S UTC'
_UNIT_MILES = 0.2
_NEW_TARIFF = np.datetime64('2012-09-04', 's')
_PER_UNIT = (0.4, 0.5)
_JFK_FLAT = (45.0, 52.0)
_NIGHT, _RUSH = 0.5, 1.0

_FIRST, _LAST = np.datetime64('2009-01-01'), np.datetime64('2015-12-31')
_HOURS = np.array(
  [39, 29, 22, 16, 12, 10, 21, 36, 45, 47, 45, 46, 49, 49, 51, 49, 42, 50, 60, 63, 59, 58, 56, 48], float
)
_PASSENGERS = np.array([0.70, 0.15, 0.045, 0.02, 0.065, 0.02])

_CENTER_LONGITUDE, _CENTER_LATITUDE = -73.97, 40.785
_KM_PER_DEGREE = math.pi / 180 * 6371.0088
_KM_PER_MILE = 1.609344
_GRID = math.radians(29)
_MANHATTAN_ACROSS, _MANHATTAN_ALONG = (-2.2, 2.6), (-10.5, 10.8)
_JFK = (-73.7781, 40.6413)
_AIRPORT_KM = 2.0

# Longitude, latitude, spread in kilometres, share of the rides.
_PLACES = np.array(
  [
    (-73.984, 40.755, 1.2, 0.34),  # Midtown
    (-73.998, 40.728, 1.3, 0.24),  # Downtown
    (-73.957, 40.774, 0.9, 0.14),  # Upper East Side
    (-73.978, 40.785, 0.9, 0.10),  # Upper West Side
    (-73.947, 40.810, 1.2, 0.03),  # Harlem
    (-73.957, 40.700, 2.5, 0.06),  # Brooklyn
    (-73.930, 40.752, 2.0, 0.03),  # Queens
    (-73.910, 40.845, 2.0, 0.01),  # the Bronx
    (-73.874, 40.7769, 0.4, 0.03),  # La Guardia
    (*_JFK, 0.5, 0.02),
  ]
)
_NEAR_SHARE = 0.7
_NEAR_KM = 1.1


class Format(str, enum.Enum):
  """The format of the written files."""

  CSV = 'csv'
  PARQUET = 'parquet'


@dataclasses.dataclass(frozen=True)
class Written:
  """What one call wrote.

  Attributes:
    paths: the files, in the order of the rides.
    rows: the number of rides in them.
    noise_rmse: root mean square of fare minus tariff, dollars: the lowest
      RMSE that a model can reach on these rides; 0 for no rides.
  """

  paths: tuple[pathlib.Path, ...]
  rows: int
  noise_rmse: float


def simulate(rows: int, seed: int = 0, noise: float = 1.0) -> Iterator[pa.RecordBatch]:
  """Yields rides in batches of up to `CHUNK_ROWS`; a longer run starts with the same rides.

  Args:
    rows: the number of rides, at least 0.
    seed: of everything random, at least 0.
    noise: standard deviation of the fare around the tariff, dollars.

  Yields:
    Record batches: `key` int64 (0, 1, …), `fare_amount` float64 (dollars, whole cents), `pickup_datetime` string
    (`2011-01-28 20:42:59 UTC`, meant as the wall clock), the four coordinates float64 (degrees, 6 decimals),
    `passenger_count` int64 (1 to 6).

  Raises:
    ValueError: for negative arguments.
  """
  if rows < 0 or seed < 0 or noise < 0:
    raise ValueError(f'rows, seed and noise must not be negative, got {rows}, {seed} and {noise:g}.')
  for start in range(0, rows, CHUNK_ROWS):
    batch = _chunk(start // CHUNK_ROWS, seed, noise)
    yield batch.slice(0, min(CHUNK_ROWS, rows - start))


def simulate_day(day: datetime.date, rows: int, seed: int = 0, noise: float = 1.0) -> pa.RecordBatch:
  """Rides of one day, at the day's own tariff; another day has other rides.

  Args:
    day: of every pickup, on the wall clock.
    rows: at most `CHUNK_ROWS`.
    seed: as in `simulate`.
    noise: as in `simulate`.
  """
  if not 0 <= rows <= CHUNK_ROWS:
    raise ValueError(f'rows of a day must be 0 to {CHUNK_ROWS:,}, got {rows:,}.')
  return _chunk(day.toordinal(), seed, noise, np.datetime64(day)).slice(0, rows)


def tariff(batch: pa.RecordBatch) -> np.ndarray:
  """The published fare of each ride: the best prediction of `fare_amount`.

  Args:
    batch: rides in the columns of `simulate`.

  Returns:
    float64 [rows], dollars; the initial charge is the least.
  """
  stamps = pc.strptime(batch.column('pickup_datetime'), _TIME_FORMAT, 's').to_numpy(zero_copy_only=False)
  ends = ('pickup_longitude', 'pickup_latitude', 'dropoff_longitude', 'dropoff_latitude')
  return _tariff(stamps, *(batch.column(name).to_numpy() for name in ends))


def write(
  directory: pathlib.Path,
  rows: int,
  seed: int = 0,
  noise: float = 1.0,
  file_format: Format = Format.CSV,
  parts: int = 1,
) -> Written:
  """Writes the rides of `simulate` into `rides-00000-of-00004.csv` and its siblings; holds one chunk in memory.

  Args:
    directory: made if absent.
    rows: the number of rides.
    seed: as in `simulate`.
    noise: as in `simulate`.
    file_format: CSV with a header in each part, or Parquet.
    parts: the number of files; they differ by one ride at most. One after the other they hold the same rides for
      any number of parts.

  Raises:
    ValueError: for fewer than one part, or as `simulate`.
  """
  if parts < 1:
    raise ValueError(f'parts must be at least 1, got {parts}.')
  directory.mkdir(parents=True, exist_ok=True)
  paths = tuple(directory / f'rides-{part:05d}-of-{parts:05d}.{file_format.value}' for part in range(parts))
  schema = _chunk(0, 0, 0.0).schema
  batches = simulate(rows, seed, noise)
  left, squares = next(batches, None), 0.0
  for part, path in enumerate(paths):
    wanted = rows * (part + 1) // parts - rows * part // parts
    with _writer(path, schema, file_format) as writer:
      while wanted and left is not None:
        piece = left.slice(0, wanted)
        writer.write_table(pa.Table.from_batches([piece]))
        squares += float(np.sum((piece.column('fare_amount').to_numpy() - tariff(piece)) ** 2))
        wanted -= piece.num_rows
        left = left.slice(piece.num_rows) if piece.num_rows < left.num_rows else next(batches, None)
  return Written(paths, rows, math.sqrt(squares / rows) if rows else 0.0)


def _writer(path: pathlib.Path, schema: pa.Schema, file_format: Format) -> pa.csv.CSVWriter | pa.parquet.ParquetWriter:
  if file_format is Format.PARQUET:
    return pa.parquet.ParquetWriter(path, schema)
  return pa.csv.CSVWriter(path, schema)


def _chunk(index: int, seed: int, noise: float, day: np.datetime64 | None = None) -> pa.RecordBatch:
  random = np.random.default_rng([seed, index])
  stamps = _stamps(random)
  if day is not None:
    stamps = day + (stamps - stamps.astype('datetime64[D]'))
  pickup_longitude, pickup_latitude = (np.round(degrees, 6) for degrees in _places(random))
  dropoff_longitude, dropoff_latitude = (
    np.round(degrees, 6) for degrees in _dropoffs(random, pickup_longitude, pickup_latitude)
  )
  passengers = random.choice(np.arange(1, 7), CHUNK_ROWS, p=_PASSENGERS / _PASSENGERS.sum())
  fare = _tariff(stamps, pickup_longitude, pickup_latitude, dropoff_longitude, dropoff_latitude)
  room = fare - INITIAL_CHARGE
  fare = np.round(fare + np.clip(random.normal(0.0, noise, CHUNK_ROWS), -room, room), 2)
  return pa.RecordBatch.from_pydict(
    {
      'key': index * CHUNK_ROWS + np.arange(CHUNK_ROWS),
      'fare_amount': fare,
      'pickup_datetime': pc.strftime(pa.array(stamps), _TIME_FORMAT),
      'pickup_longitude': pickup_longitude,
      'pickup_latitude': pickup_latitude,
      'dropoff_longitude': dropoff_longitude,
      'dropoff_latitude': dropoff_latitude,
      'passenger_count': passengers,
    }
  )


def _stamps(random: np.random.Generator) -> np.ndarray:
  """datetime64[s] [CHUNK_ROWS]: any day alike, hours as busy as a city's."""
  days = random.integers(0, int((_LAST - _FIRST).astype(int)) + 1, CHUNK_ROWS)
  hours = random.choice(24, CHUNK_ROWS, p=_HOURS / _HOURS.sum())
  seconds = days * 86_400 + hours * 3_600 + random.integers(0, 3_600, CHUNK_ROWS)
  return _FIRST.astype('datetime64[s]') + seconds.astype('timedelta64[s]')


def _places(random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
  """Longitudes and latitudes out of the mixture of neighbourhoods."""
  place = _PLACES[random.choice(len(_PLACES), CHUNK_ROWS, p=_PLACES[:, 3] / _PLACES[:, 3].sum())]
  east, north = random.normal(0.0, 1.0, (2, CHUNK_ROWS)) * place[:, 2]
  return _moved(place[:, 0], place[:, 1], east, north)


def _dropoffs(
  random: np.random.Generator, longitude: np.ndarray, latitude: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
  """Mostly near the pickup, mostly along the avenues; else anywhere in the mixture."""
  across, along = random.laplace(0.0, (_NEAR_KM / 2, _NEAR_KM), (CHUNK_ROWS, 2)).T
  east = across * math.cos(_GRID) + along * math.sin(_GRID)
  north = along * math.cos(_GRID) - across * math.sin(_GRID)
  near = random.random(CHUNK_ROWS) < _NEAR_SHARE
  near &= ~_near_jfk(longitude, latitude)
  far = _places(random)
  return tuple(np.where(near, a, b) for a, b in zip(_moved(longitude, latitude, east, north), far, strict=True))  # type: ignore[return-value]


def _moved(
  longitude: np.ndarray, latitude: np.ndarray, east: np.ndarray, north: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
  """The places some kilometres east and north of others."""
  per_longitude = _KM_PER_DEGREE * math.cos(math.radians(_CENTER_LATITUDE))
  return longitude + east / per_longitude, latitude + north / _KM_PER_DEGREE


def _tariff(
  stamps: np.ndarray,
  pickup_longitude: np.ndarray,
  pickup_latitude: np.ndarray,
  dropoff_longitude: np.ndarray,
  dropoff_latitude: np.ndarray,
) -> np.ndarray:
  """See `tariff`; `stamps` are datetime64[s] on the wall clock."""
  new = (stamps >= _NEW_TARIFF).astype(int)
  pickup, dropoff = (pickup_longitude, pickup_latitude), (dropoff_longitude, dropoff_latitude)
  (across, along), (other_across, other_along) = _on_grid(*pickup), _on_grid(*dropoff)
  miles = STREET_FACTOR * (np.abs(across - other_across) + np.abs(along - other_along)) / _KM_PER_MILE
  metered = INITIAL_CHARGE + np.take(_PER_UNIT, new) * np.floor(miles / _UNIT_MILES)
  flat = (_near_jfk(*pickup) & _in_manhattan(*dropoff)) | (_in_manhattan(*pickup) & _near_jfk(*dropoff))
  return np.where(flat, np.take(_JFK_FLAT, new), metered + _surcharges(stamps))


def _surcharges(stamps: np.ndarray) -> np.ndarray:
  """Dollars: by night (8 pm to 6 am), and on weekdays from 4 pm to 8 pm."""
  days = stamps.astype('datetime64[D]')
  hours = (stamps - days).astype('timedelta64[h]').astype(int)
  night = (hours >= 20) | (hours < 6)
  rush = np.is_busday(days) & (hours >= 16) & (hours < 20)
  return _NIGHT * night + _RUSH * rush


def _on_grid(longitude: np.ndarray, latitude: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
  """Kilometres across and along the avenues, from the middle of Manhattan."""
  east = (longitude - _CENTER_LONGITUDE) * _KM_PER_DEGREE * math.cos(math.radians(_CENTER_LATITUDE))
  north = (latitude - _CENTER_LATITUDE) * _KM_PER_DEGREE
  across = east * math.cos(_GRID) - north * math.sin(_GRID)
  return across, east * math.sin(_GRID) + north * math.cos(_GRID)


def _in_manhattan(longitude: np.ndarray, latitude: np.ndarray) -> np.ndarray:
  """Whether places are on the island, taken as a rectangle along the avenues."""
  across, along = _on_grid(longitude, latitude)
  beside = (across >= _MANHATTAN_ACROSS[0]) & (across <= _MANHATTAN_ACROSS[1])
  return beside & (along >= _MANHATTAN_ALONG[0]) & (along <= _MANHATTAN_ALONG[1])


def _near_jfk(longitude: np.ndarray, latitude: np.ndarray) -> np.ndarray:
  (across, along), (jfk_across, jfk_along) = (
    _on_grid(longitude, latitude),
    _on_grid(np.array(_JFK[0]), np.array(_JFK[1])),
  )
  return np.hypot(across - jfk_across, along - jfk_along) <= _AIRPORT_KM


def main(arguments: Sequence[str] | None = None) -> None:
  """The command line."""
  parser = argparse.ArgumentParser(prog='python -m benchmarks.simulator', description='Simulated rides, not real data.')
  parser.add_argument('--rows', type=int, required=True, help='number of rides')
  parser.add_argument('--seed', type=int, default=0)
  parser.add_argument('--format', type=Format, choices=list(Format), default=Format.CSV, metavar='csv|parquet')
  parser.add_argument('--parts', type=int, default=1, help='number of files')
  parser.add_argument('--noise', type=float, default=1.0, help='sd of the fare around the tariff, dollars')
  parser.add_argument('--output', type=pathlib.Path, required=True, help='directory')
  options = parser.parse_args(arguments)
  started = time.monotonic()
  try:
    written = write(options.output, options.rows, options.seed, options.noise, options.format, options.parts)
  except ValueError as error:
    parser.error(str(error))
  size = sum(path.stat().st_size for path in written.paths)
  seconds = time.monotonic() - started
  print(
    f'Simulated {written.rows:,} rides (not real data) into {len(written.paths)} {options.format.value} files, ', end=''
  )
  print(f'{size / 1e6:.1f} MB, in {options.output} in {seconds:.1f} s.')
  print(f'Lowest reachable RMSE (the noise): ${written.noise_rmse:.4f}, for a requested sd of ${options.noise:g}.')


if __name__ == '__main__':
  main()
