"""The geographic block: local kilometres, distances, bearing, landmarks, zones. Mappers: no full pass."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from configs.dataset import COORDINATES, City, Zone
from configs.features import GeographicBlock
from transforms.catalogue import DROPOFF, PICKUP, Feature, Scaled, is_kept, picked
from transforms.rides import RideBatch


def in_zone(ends: tf.Tensor, zone: Zone, origin: tuple[float, float]) -> tf.Tensor:
  """Whether each end of a ride lies in a polygon, by the even-odd rule.

  Args:
    ends: float32 [batch, ends, 2], longitude and latitude relative to the origin, degrees, all finite.
    origin: longitude and latitude, degrees.
  Returns: Float32 [batch, ends], 1 inside and 0 outside.
  Source: M. Shimrat, "Algorithm 112: Position of point relative to polygon", Communications of the ACM 5(8), 1962.
  """
  corners = np.array(zone.polygon) - np.array(origin)
  edges = np.concatenate([corners, np.roll(corners, -1, axis=0)], axis=1)
  edges = edges[edges[:, 1] != edges[:, 3]]  # No ray to the east crosses a level edge.
  x, y, next_x, next_y = edges.T
  slope = (next_x - x) / (next_y - y)
  at_zero = (x - slope * y).astype(np.float32)
  longitude, latitude = tf.split(ends, 2, axis=2)
  below, next_below = (latitude >= side.astype(np.float32) for side in (y, next_y))
  crossed = (at_zero + slope.astype(np.float32) * latitude >= longitude) & tf.not_equal(below, next_below)
  return tf.math.floormod(tf.reduce_sum(tf.cast(crossed, tf.float32), axis=2), 2.0)


EARTH_RADIUS_KM = 6371.0088
"""Mean radius of the earth, kilometres (IUGG)."""

_MID_LATITUDE_ERROR = 5e-6
"""Largest relative error at which the mid-latitude formula may stand in for the haversine."""

_NO_LENGTH = 1e-18
"""Added to one side of the Euclidean distance, in units of the cap. It is lost beside any real distance, but its square
is still a normal float32, so the bearing of identical ends is 0 / 1e-18 = 0 and needs no case of its own."""


def origin(city: City) -> tuple[float, float]:
  """Longitude and latitude of the city's center, degrees, as float32 holds them.

  Rounded once and for all, so that float32 and float64 mean the same origin; the rounding is below half a metre.
  """
  return float(np.float32(city.center_longitude)), float(np.float32(city.center_latitude))


def km_per_degree(latitude: float) -> tuple[float, float]:
  """Kilometres per degree of longitude and of latitude on the plane that touches the earth at a latitude."""
  north = math.radians(EARTH_RADIUS_KM)
  return north * math.cos(math.radians(latitude)), north


def haversine_km(pickup: tf.Tensor, dropoff: tf.Tensor) -> tf.Tensor:
  """Great-circle distance from pickup to dropoff.

  Args:
    pickup, dropoff: float32 [batch, 2], longitude and latitude in degrees (WGS84).
  Returns: Float32 [batch, 1], kilometres; 0 for identical points, NaN where an input is NaN.
  Source: R. W. Sinnott, "Virtues of the Haversine", Sky and Telescope 68(2), 1984; by atan2, which TFLite has.
  """
  return _great_circle_km(dropoff - pickup, tf.concat([pickup[:, 1:], dropoff[:, 1:]], axis=1), 0.0)


def _great_circle_km(difference: tf.Tensor, latitudes: tf.Tensor, origin: float) -> tf.Tensor:
  """The haversine formula from a difference in degrees and both latitudes, relative to an origin."""
  cosines = tf.reduce_prod(tf.cos(latitudes * math.radians(1) + math.radians(origin)), axis=1, keepdims=True)
  east, north = tf.split(tf.square(tf.sin(difference * math.radians(0.5))), 2, axis=1)
  chord = north + cosines * east
  return 2 * EARTH_RADIUS_KM * tf.atan2(tf.sqrt(chord), tf.sqrt(tf.maximum(1 - chord, 0)))


_Row = tuple[str, str, str, tuple[str, ...]]


def catalogue(block: GeographicBlock, city: City) -> list[Feature]:
  """The geographic features in vector order."""
  cap = f'capped at {block.max_distance_km:g} km'
  rows = [
    ('manhattan_km', 'km', f'distance along the street grid, {cap}', COORDINATES),
    ('euclidean_km', 'km', f'straight distance on the local plane, {cap}', COORDINATES),
    ('haversine_km', 'km', f'great-circle distance, {cap}', COORDINATES),
    ('abs_dx_km', 'km', f'distance across the long streets, {cap}', COORDINATES),
    ('abs_dy_km', 'km', f'distance along the long streets, {cap}', COORDINATES),
    *_on_grid('pickup', cap, PICKUP),
    *_on_grid('dropoff', cap, DROPOFF),
    ('log_manhattan', '', 'log(1 + manhattan_km)', COORDINATES),
    ('log_euclidean', '', 'log(1 + euclidean_km)', COORDINATES),
    ('bearing_sin', '', 'sine of the bearing, clockwise from north; 0 for identical ends', COORDINATES),
    ('bearing_cos', '', 'cosine of the bearing, clockwise from north; 0 for identical ends', COORDINATES),
    *_landmarks(block, city),
    *(
      (f'{end}_in_{zone.name}', '', f'1 where the {end} lies in {zone.name}', inputs)
      for zone in city.zones
      for end, inputs in (('pickup', PICKUP), ('dropoff', DROPOFF))
    ),
  ]
  return [Feature(name, 'geographic', unit, meaning, inputs) for name, unit, meaning, inputs in rows]


def _on_grid(end: str, cap: str, inputs: tuple[str, ...]) -> list[_Row]:
  where = f'of the {end} from the city center, across the long streets, {cap}'
  return [
    (f'{end}_x_km', 'km', where, inputs),
    (f'{end}_y_km', 'km', where.replace('across', 'along'), inputs),
  ]


def _landmarks(block: GeographicBlock, city: City) -> list[_Row]:
  pairs = [(end, inputs, mark.name) for end, inputs in (('pickup', PICKUP), ('dropoff', DROPOFF))
           for mark in city.landmarks]  # fmt: skip
  cap = f'capped at {block.landmark_cap_km:g} km'
  near = f'exp(-distance / {block.proximity_km:g} km)'
  distances = [(f'{end}_{mark}_km', 'km', f'distance of the {end} to {mark}, {cap}', ins) for end, ins, mark in pairs]
  return distances + [
    (f'{end}_{mark}_proximity', '', f'nearness of the {end} to {mark}: {near}', ins) for end, ins, mark in pairs
  ]


def engineer(ride: RideBatch, block: GeographicBlock, city: City, keep: Collection[str] | None) -> list[Scaled]:
  """See `transforms.engineering.Block`."""
  return geographic(ride.offsets, block, city, keep)


def geographic(
  offsets: tf.Tensor, block: GeographicBlock, city: City, keep: Collection[str] | None = None
) -> list[Scaled]:
  """The geographic features.

  Args:
    offsets: float32 [batch, k], finite; the first four columns are coordinates relative to `origin(city)` in degrees,
      in the order of `configs.dataset.COORDINATES`.
    block: caps and lengths.
    city: grid, landmarks and zones.
    keep: names of the features that are made; all when `None`. What shares an operation with one of them is computed
      along where leaving it out would cost the lite file more.
  Returns: In the catalogue's order: distances and both ends on the grid, in units of their cap; two logarithms; the
    bearing; landmarks; zones.
  """
  wanted = _Wanted.of(city, keep)
  rest = offsets.shape[1] - 4
  # Equal parts need no list of sizes in the lite file.
  pickup, dropoff, _ = tf.split(offsets, 3 if rest == 2 else [2, 2, rest], axis=1)
  pieces = _on_the_plane(pickup, dropoff, block, city, wanted) if wanted.projected else []
  for zone in city.zones:
    ends = [end for name, end in (('pickup', pickup), ('dropoff', dropoff)) if is_kept(f'{name}_in_{zone.name}', keep)]
    if ends:
      pieces.append(Scaled(in_zone(tf.stack(ends, axis=1), zone, origin(city))))
  return pieces


class _Wanted(NamedTuple):
  """What is kept of the features, and what those need.

  Attributes:
    distances, logs, bearing: names of the capped distances and ends, the logarithms and the bearings that are kept.
    kilometres, proximities: pairs of end and landmark whose distance, or proximity, is kept.
    marks: pairs whose distance is computed, pickups first.
    projected: the parts of `_Projected` that are computed.
  """

  distances: list[str]
  logs: list[str]
  bearing: list[str]
  kilometres: list[tuple[str, str]]
  proximities: list[tuple[str, str]]
  marks: list[tuple[str, str]]
  projected: list[str]

  @classmethod
  def of(cls, city: City, keep: Collection[str] | None) -> _Wanted:
    distances, logs, bearing = (
      [name for name in names if is_kept(name, keep)]
      for names in (_DISTANCES, ('log_manhattan', 'log_euclidean'), ('bearing_sin', 'bearing_cos'))
    )
    pairs = [(end, mark.name) for end in ('pickup', 'dropoff') for mark in city.landmarks]
    kilometres, proximities = (
      [(end, mark) for end, mark in pairs if is_kept(f'{end}_{mark}_{kind}', keep)] for kind in ('km', 'proximity')
    )
    marks = [pair for pair in pairs if pair in kilometres or pair in proximities]
    of_ends = {name[:-5] for name in distances if name.endswith(('_x_km', '_y_km'))} | {end for end, _ in marks}
    needs = {
      'pickup': 'pickup' in of_ends,
      'dropoff': 'dropoff' in of_ends,
      'between': {'manhattan_km', 'euclidean_km', 'abs_dx_km', 'abs_dy_km', *logs, *bearing}
      & {*distances, *logs, *bearing},
      'compass': bearing,
      'turn': 'haversine_km' in distances,
      'middle': 'haversine_km' in distances,
    }
    return cls(distances, logs, bearing, kilometres, proximities, marks, [part for part in needs if needs[part]])


_ENDS = ('pickup_x_km', 'pickup_y_km'), ('dropoff_x_km', 'dropoff_y_km')

_DISTANCES = ('manhattan_km', 'euclidean_km', 'haversine_km', 'abs_dx_km', 'abs_dy_km', *_ENDS[0], *_ENDS[1])
"""Capped distances in the catalogue's order."""


def _on_the_plane(
  pickup: tf.Tensor, dropoff: tf.Tensor, block: GeographicBlock, city: City, wanted: _Wanted
) -> list[Scaled]:
  """All but the zones."""
  cap = block.max_distance_km
  projected = _project(pickup, dropoff, block, city, wanted.projected)
  lengths = _lengths(projected, pickup, dropoff, block, city, wanted)
  pieces = []
  capped, names = _capped(projected, lengths, wanted)
  if wanted.distances:
    pieces.append(Scaled(picked(capped, names, wanted.distances), cap))
  if wanted.logs:
    # log(1 + d * cap) = log(1 / cap + d) + log(cap)
    bare = [name.replace('log_', '') + '_km' for name in wanted.logs]
    pieces.append(Scaled(tf.math.log(picked(capped, names, bare) + 1 / cap), 1, math.log(cap)))
  if wanted.bearing:
    compass = picked(projected['compass'], ['bearing_sin', 'bearing_cos'], wanted.bearing)
    pieces.append(Scaled(compass / lengths['euclidean_km']))
  if wanted.kilometres:
    own = picked(lengths['marks'], wanted.marks, wanted.kilometres)
    pieces.append(Scaled(tf.minimum(own, block.landmark_cap_km / cap), cap))
  if wanted.proximities:
    own = picked(lengths['marks'], wanted.marks, wanted.proximities)
    pieces.append(Scaled(tf.exp(own * (-cap / block.proximity_km))))
  return pieces


def _capped(
  projected: Mapping[str, tf.Tensor], lengths: Mapping[str, tf.Tensor], wanted: _Wanted
) -> tuple[tf.Tensor | None, list[str]]:
  """Every distance that is kept or whose logarithm is, within -1 and 1, and their names; pairs come whole."""
  needed = {*wanted.distances, *(name.replace('log_', '') + '_km' for name in wanted.logs)}
  columns, names = [], []
  if 'manhattan_km' in needed:
    columns.append(tf.reduce_sum(tf.abs(projected['between']), axis=1, keepdims=True))
    names.append('manhattan_km')
  for name in ('euclidean_km', 'haversine_km'):
    if name in needed:
      columns.append(lengths[name])
      names.append(name)
  for pair, make in (('abs_dx_km', 'abs_dy_km'), 'between'), (_ENDS[0], 'pickup'), (_ENDS[1], 'dropoff'):
    if needed & {*pair}:
      columns.append(tf.abs(projected[make]) if make == 'between' else projected[make])
      names += pair
  return (tf.clip_by_value(tf.concat(columns, axis=1), -1, 1), names) if columns else (None, names)


_PARTS = ('pickup', 'dropoff', 'between', 'compass', 'turn', 'middle')
"""What is linear in the coordinates, pairs of columns, lengths in units of the cap.

Both ends across and along the street grid, from the city's center; the same from pickup to dropoff; from pickup to
dropoff east and north; from pickup to dropoff the angles of latitude and longitude as arcs of a great circle; half the
difference of the longitudes and the mean latitude, in radians.
"""


def _project(
  pickup: tf.Tensor, dropoff: tf.Tensor, block: GeographicBlock, city: City, parts: Sequence[str]
) -> dict[str, tf.Tensor]:
  """Some of `_PARTS`, [batch, 2] each, in one product."""
  # The difference before the product: identical points then differ by exactly 0, whatever a kernel rounds.
  points = tf.concat([pickup, dropoff, dropoff - pickup], axis=1)
  compass = np.diag(km_per_degree(city.center_latitude)) / block.max_distance_km
  grid = compass @ _rotation(city)
  arc = math.radians(EARTH_RADIUS_KM) / block.max_distance_km
  weights = np.zeros((3, 2, 6, 2))
  weights[0, :, 0] = weights[1, :, 1] = weights[2, :, 2] = grid
  weights[2, :, 3] = compass
  weights[2, :, 4] = [[0, arc], [arc, 0]]
  weights[2, 0, 5, 0] = weights[0, 1, 5, 1] = weights[1, 1, 5, 1] = math.radians(0.5)
  shift = np.zeros((6, 2), np.float32)
  shift[5, 1] = math.radians(origin(city)[1])
  chosen = [_PARTS.index(part) for part in parts]
  matrix = weights[:, :, chosen].reshape(6, -1).astype(np.float32)
  # GPUs multiply matrices in ten bits of mantissa by default (TensorFloat-32), processors in float32.
  with tf.device('/device:CPU:0'):
    product = tf.matmul(points, matrix) + shift[chosen].reshape(-1)
  return dict(zip(parts, tf.split(product, len(parts), axis=1), strict=True))


def _rotation(city: City) -> np.ndarray:
  """From east and north to across and along streets that run clockwise from north: [2, 2], for rows."""
  angle = math.radians(city.grid_rotation_degrees)
  return np.array([[math.cos(angle), math.sin(angle)], [-math.sin(angle), math.cos(angle)]])


def _great_circle(
  projected: Mapping[str, tf.Tensor], pickup: tf.Tensor, dropoff: tf.Tensor, block: GeographicBlock, city: City
) -> tf.Tensor:
  """Two sides of a right-angled triangle, [batch, 2], whose third is as long as the great circle.

  They are the sides of the mid-latitude formula, which takes few operations and errs, relative to the haversine, by at
  most `d² / 24 * max(tan² latitude, 1/2)` for a distance of d radians: 2e-6 for 50 km in New York, a tenth of a metre.
  Where the city's cap or latitude allows for more than `_MID_LATITUDE_ERROR`, one side is the haversine itself and the
  other 0.
  """
  farthest = block.max_distance_km / EARTH_RADIUS_KM
  if farthest**2 / 24 * max(math.tan(math.radians(city.center_latitude)) ** 2, 0.5) <= _MID_LATITUDE_ERROR:
    return projected['turn'] * tf.cos(projected['middle'])
  latitudes = tf.concat([pickup[:, 1:], dropoff[:, 1:]], axis=1)
  exact = _great_circle_km(dropoff - pickup, latitudes, origin(city)[1]) / block.max_distance_km
  return tf.concat([exact, tf.zeros_like(exact)], axis=1)


def _lengths(
  projected: Mapping[str, tf.Tensor],
  pickup: tf.Tensor,
  dropoff: tf.Tensor,
  block: GeographicBlock,
  city: City,
  wanted: _Wanted,
) -> dict[str, tf.Tensor]:
  """Euclidean and great-circle distance, [batch, 1] each, and `marks`; those that are wanted, in units of the cap."""
  places = {mark.name: np.array([mark.longitude, mark.latitude]) - np.array(origin(city)) for mark in city.landmarks}
  units = np.array(km_per_degree(city.center_latitude))
  sides, starts, sizes = [], [], {}
  if {'euclidean_km', 'log_euclidean', *wanted.bearing} & {*wanted.distances, *wanted.logs, *wanted.bearing}:
    sides, starts, sizes = [projected['between']], [[-_NO_LENGTH, 0]], {'euclidean_km': 1}
  if 'haversine_km' in wanted.distances:
    sides.append(_great_circle(projected, pickup, dropoff, block, city))
    starts.append([0, 0])
    sizes['haversine_km'] = 1
  if wanted.marks:
    sides += [projected[end] for end, _ in wanted.marks]
    starts += [places[name] * units @ _rotation(city) / block.max_distance_km for _, name in wanted.marks]
    sizes['marks'] = len(wanted.marks)
  if not sides:
    return {}
  squares = tf.math.squared_difference(tf.stack(sides, axis=1), np.array(starts, np.float32))
  lengths = tf.sqrt(tf.reduce_sum(squares, axis=2))
  return dict(zip(sizes, tf.split(lengths, list(sizes.values()), axis=1) if len(sizes) > 1 else [lengths], strict=True))
