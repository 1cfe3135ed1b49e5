"""The geographic block: local kilometres, distances, bearing, landmarks, zones. Mappers: no full pass."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence, Set
from typing import Any

import numpy as np

from configs.dataset import COORDINATES, City, Landmark, Zone
from configs.features import GeographicBlock
from transforms.catalogue import DROPOFF, PICKUP, Feature, Scaled, is_kept, picked
from transforms.later import tf
from transforms.rides import RideBatch

_ENDS = (('pickup', PICKUP), ('dropoff', DROPOFF))


def in_zone(ends: tf.Tensor, zone: Zone, origin: tuple[float, float]) -> tf.Tensor:
  """Whether each end of a ride is in a polygon, by the even-odd rule.

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


def catalogue(block: GeographicBlock, city: City) -> list[Feature]:
  """The geographic features in vector order."""
  cap = f'capped at {block.max_distance_km:g} km'
  near = f'exp(-distance / {block.proximity_km:g} km)'
  marks = [(end, inputs, mark.name) for end, inputs in _ENDS for mark in city.landmarks]
  rows = [
    ('manhattan_km', 'km', f'distance along the street grid, {cap}', COORDINATES),
    ('euclidean_km', 'km', f'straight distance on the local plane, {cap}', COORDINATES),
    ('haversine_km', 'km', f'great-circle distance, {cap}', COORDINATES),
    ('abs_dx_km', 'km', f'distance across the long streets, {cap}', COORDINATES),
    ('abs_dy_km', 'km', f'distance along the long streets, {cap}', COORDINATES),
    *(
      (f'{end}_{axis}_km', 'km', f'of the {end} from the city center, {way} the long streets, {cap}', inputs)
      for end, inputs in _ENDS
      for axis, way in (('x', 'across'), ('y', 'along'))
    ),
    ('log_manhattan', '', 'log(1 + manhattan_km)', COORDINATES),
    ('log_euclidean', '', 'log(1 + euclidean_km)', COORDINATES),
    ('bearing_sin', '', 'sine of the bearing, clockwise from north; 0 for identical ends', COORDINATES),
    ('bearing_cos', '', 'cosine of the bearing, clockwise from north; 0 for identical ends', COORDINATES),
    *(
      (f'{end}_{mark}_km', 'km', f'distance of the {end} to {mark}, capped at {block.landmark_cap_km:g} km', inputs)
      for end, inputs, mark in marks
    ),
    *((f'{end}_{mark}_proximity', '', f'nearness of the {end} to {mark}: {near}', ins) for end, ins, mark in marks),
    *(
      (f'{end}_in_{zone.name}', '', f'1 where the {end} lies in {zone.name}', inputs)
      for zone in city.zones
      for end, inputs in _ENDS
    ),
  ]
  return [Feature(name, 'geographic', unit, meaning, inputs) for name, unit, meaning, inputs in rows]


def engineer(ride: RideBatch, block: GeographicBlock, city: City, keep: Collection[str] | None) -> list[Scaled]:
  """See `transforms.engineering.Block`.

  What shares an operation with a feature that is kept is computed along where leaving it out would cost the lite file
  more.

  Returns: In the catalogue's order: distances and both ends on the grid, in units of their cap; two logarithms; the
    bearing; landmarks; zones.
  """
  rest = ride.offsets.shape[1] - 4
  # Equal parts need no list of sizes in the lite file.
  pickup, dropoff, _ = tf.split(ride.offsets, 3 if rest == 2 else [2, 2, rest], axis=1)
  pieces = _on_the_plane(pickup, dropoff, block, city, keep)
  for zone in city.zones:
    ends = [end for name, end in (('pickup', pickup), ('dropoff', dropoff)) if is_kept(f'{name}_in_{zone.name}', keep)]
    if ends:
      pieces.append(Scaled(in_zone(tf.stack(ends, axis=1), zone, origin(city))))
  return pieces


_DX_DY = ('abs_dx_km', 'abs_dy_km')
_ON_GRID = {'pickup': ('pickup_x_km', 'pickup_y_km'), 'dropoff': ('dropoff_x_km', 'dropoff_y_km')}
_DISTANCES = ('manhattan_km', 'euclidean_km', 'haversine_km', *_DX_DY, *_ON_GRID['pickup'], *_ON_GRID['dropoff'])
"""Capped distances in the catalogue's order."""

_LOGARITHMS = {'log_manhattan': 'manhattan_km', 'log_euclidean': 'euclidean_km'}
_BEARING = ('bearing_sin', 'bearing_cos')


def _on_the_plane(
  pickup: tf.Tensor, dropoff: tf.Tensor, block: GeographicBlock, city: City, keep: Collection[str] | None
) -> list[Scaled]:
  """All but the zones."""
  distances, logarithms, bearing = (
    [name for name in names if is_kept(name, keep)] for names in (_DISTANCES, _LOGARITHMS, _BEARING)
  )
  pairs = [(end, mark) for end, _ in _ENDS for mark in city.landmarks]
  kilometres, proximities = (
    [(end, mark) for end, mark in pairs if is_kept(f'{end}_{mark.name}_{kind}', keep)] for kind in ('km', 'proximity')
  )
  marks = [pair for pair in pairs if pair in kilometres or pair in proximities]
  needed = {*distances, *(_LOGARITHMS[name] for name in logarithms)}
  projected = _project(pickup, dropoff, block, city, _parts(needed, {end for end, _ in marks}, bool(bearing)))
  sides: dict[str, list[tuple[tf.Tensor, Any]]] = {}
  if bearing or 'euclidean_km' in needed:
    sides['euclidean_km'] = [(projected['between'], [-_NO_LENGTH, 0])]
  if 'haversine_km' in needed:
    sides['haversine_km'] = [(_great_circle(projected, pickup, dropoff, block, city), [0, 0])]
  if marks:
    sides['marks'] = [(projected[end], _on_grid(mark, block, city)) for end, mark in marks]
  lengths = _lengths(sides)
  cap, pieces = block.max_distance_km, []
  capped, names = _capped(projected, lengths, needed)
  if distances:
    pieces.append(Scaled(picked(capped, names, distances), cap))
  if logarithms:
    # log(1 + d * cap) = log(1 / cap + d) + log(cap)
    bare = picked(capped, names, [_LOGARITHMS[name] for name in logarithms])
    pieces.append(Scaled(tf.math.log(bare + 1 / cap), 1, math.log(cap)))
  if bearing:
    pieces.append(Scaled(picked(projected['compass'], _BEARING, bearing) / lengths['euclidean_km']))
  if kilometres:
    own = picked(lengths['marks'], marks, kilometres)
    pieces.append(Scaled(tf.minimum(own, block.landmark_cap_km / cap), cap))
  if proximities:
    own = picked(lengths['marks'], marks, proximities)
    pieces.append(Scaled(tf.exp(own * (-cap / block.proximity_km))))
  return pieces


def _parts(needed: Set[str], ends: Set[str], bearing: bool) -> list[str]:
  """Those of `_PARTS` that distances, ends near landmarks, and the bearing are made of."""
  needs = {end: end in ends or bool(needed & {*names}) for end, names in _ON_GRID.items()}
  needs['between'] = bearing or bool(needed & {'manhattan_km', 'euclidean_km', *_DX_DY})
  needs['compass'] = bearing
  needs['turn'] = needs['middle'] = 'haversine_km' in needed
  return [part for part in _PARTS if needs[part]]


def _capped(
  projected: Mapping[str, tf.Tensor], lengths: Mapping[str, tf.Tensor], needed: Set[str]
) -> tuple[tf.Tensor | None, list[str]]:
  """Every distance that is needed, within -1 and 1, and their names; pairs come whole."""
  columns: dict[tuple[str, ...], tf.Tensor] = {}
  if 'manhattan_km' in needed:
    columns[('manhattan_km',)] = tf.reduce_sum(tf.abs(projected['between']), axis=1, keepdims=True)
  columns |= {(name,): lengths[name] for name in ('euclidean_km', 'haversine_km') if name in needed}
  if needed & {*_DX_DY}:
    columns[_DX_DY] = tf.abs(projected['between'])
  columns |= {names: projected[end] for end, names in _ON_GRID.items() if needed & {*names}}
  names = [name for group in columns for name in group]
  return (tf.clip_by_value(tf.concat(list(columns.values()), axis=1), -1, 1) if columns else None), names


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
  if not parts:
    return {}
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


def _on_grid(mark: Landmark, block: GeographicBlock, city: City) -> np.ndarray:
  """A landmark across and along the street grid, in units of the cap: [2]."""
  place = np.array([mark.longitude, mark.latitude]) - np.array(origin(city))
  return place * np.array(km_per_degree(city.center_latitude)) @ _rotation(city) / block.max_distance_km


def _lengths(sides: Mapping[str, Sequence[tuple[tf.Tensor, Any]]]) -> dict[str, tf.Tensor]:
  """By name, the distances of points [batch, 2] from a fixed one each: [batch, points]."""
  if not sides:
    return {}
  points, starts = zip(*(side for several in sides.values() for side in several), strict=True)
  squares = tf.math.squared_difference(tf.stack(points, axis=1), np.array(starts, np.float32))
  lengths = tf.sqrt(tf.reduce_sum(squares, axis=2))
  counts = [len(several) for several in sides.values()]
  return dict(zip(sides, tf.split(lengths, counts, axis=1) if len(counts) > 1 else [lengths], strict=True))
