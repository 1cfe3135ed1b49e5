"""What a source of rides calls its columns, and where the zones lie that it may have in place of coordinates."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any

from pydantic import BeforeValidator, field_validator

from configs.base import Config, Interval, Problem
from configs.columns import COORDINATES


def _one_or_several(value: Any) -> Any:
  """One name as a text, however it is written, so that equal configs dump equally."""
  names = [value] if isinstance(value, str) else value
  if not isinstance(names, (list, tuple)) or not names or not all(isinstance(name, str) for name in names):
    raise ValueError(f"must be a column's name or a list of names, such as [RateCodeID, RatecodeID], got {value!r}.")
  twice = next((name for name in names if names.count(name) > 1), None)
  if twice is not None:
    raise ValueError(f"has the name '{twice}' twice.")
  return names[0] if len(names) == 1 else tuple(names)


ColumnName = Annotated[str | tuple[str, ...], BeforeValidator(_one_or_several)]
"""A source's column: its name, or the names that it goes by in one file or another, of which the first is the primary
one: what comes after reading sees no other."""


def names_of(column: ColumnName) -> tuple[str, ...]:
  """Every name that a column may have in a file, the primary one first."""
  return (column,) if isinstance(column, str) else column


def primary(column: ColumnName) -> str:
  """The name by which a column goes once it is read."""
  return names_of(column)[0]


class ZonePlaces(Config):
  """Zone ids in place of coordinates.

  Attributes:
    pickup: the source's column of the zone that the ride began in; whole numbers or texts.
    dropoff: the source's column of the zone that the ride ended in.
    zones: where each zone lies, as [longitude, latitude] of its centroid, degrees (WGS84); `null` for an id that stands
      for no known place, whose rides have no coordinates at that end. A ride with an id that is not here is set aside.
  """

  pickup: ColumnName
  dropoff: ColumnName
  zones: dict[str, tuple[float, float] | None]

  @field_validator('zones', mode='before')
  @classmethod
  def _ids_are_texts(cls, zones: Any) -> Any:
    """YAML has `132` for a number."""
    if not isinstance(zones, Mapping):
      return zones
    if not zones:
      raise ValueError('is empty: give each zone id its place, such as 132: [-73.79, 40.65].')
    texts = [str(zone).strip() for zone in zones]
    twice = next((zone for zone in texts if texts.count(zone) > 1), None)
    if twice is not None:
      raise ValueError(f"has the zone '{twice}' twice.")
    return dict(zip(texts, zones.values(), strict=True))

  def problems(self) -> Iterator[Problem]:
    if {*names_of(self.pickup)} & {*names_of(self.dropoff)}:
      yield Problem('', 'pickup and dropoff are one column; a ride begins in one zone and ends in another.')
    for zone, place in self.zones.items():
      if place and not (-180 <= place[0] <= 180 and -90 <= place[1] <= 90):
        shown = ', '.join(f'{degrees:g}' for degrees in place)
        yield Problem(f'zones.{zone}', f'must be [longitude, latitude] in degrees, or null, got [{shown}].')

  def columns(self) -> dict[str, ColumnName]:
    """The column of the zone ids from which each coordinate comes."""
    return {name: self.pickup if name.startswith('pickup') else self.dropoff for name in COORDINATES}

  def lie_within(self, longitude: Interval, latitude: Interval) -> bool:
    """Whether any zone does."""
    places = [place for place in self.zones.values() if place]
    return any(longitude.min <= x <= longitude.max and latitude.min <= y <= latitude.max for x, y in places)
