"""The nearest city of the time zone database: what its zone and its country's currency may be."""

from __future__ import annotations

import functools
import importlib.resources
import math
import re
from typing import NamedTuple

_EARTH_KM = 6371.0

_CURRENCIES = {
  'USD': 'US PR EC SV PA', 'GBP': 'GB', 'BRL': 'BR', 'MXN': 'MX', 'CAD': 'CA', 'AUD': 'AU', 'NZD': 'NZ', 'CHF': 'CH',
  'EUR': 'AD AT BE CY DE EE ES FI FR GR HR IE IT LT LU LV MC ME MT NL PT SI SK SM VA', 'INR': 'IN', 'JPY': 'JP',
  'CNY': 'CN', 'KRW': 'KR', 'SGD': 'SG', 'THB': 'TH', 'IDR': 'ID', 'PHP': 'PH', 'VND': 'VN', 'TRY': 'TR',
  'RUB': 'RU', 'PLN': 'PL', 'CZK': 'CZ', 'SEK': 'SE', 'NOK': 'NO', 'DKK': 'DK', 'HUF': 'HU', 'RON': 'RO',
  'ARS': 'AR', 'CLP': 'CL', 'COP': 'CO',
  'PEN': 'PE', 'UYU': 'UY', 'ZAR': 'ZA', 'EGP': 'EG', 'NGN': 'NG', 'KES': 'KE', 'AED': 'AE', 'SAR': 'SA', 'ILS': 'IL',
  'HKD': 'HK', 'TWD': 'TW',
}  # fmt: skip
"""ISO 4217 codes and the countries that pay by them, ISO 3166; others are asked for."""

CURRENCIES = frozenset(_CURRENCIES)
"""The known codes."""

_NO_CITIES = frozenset({'AQ', 'LI'})
"""Antarctica's stations, and Vaduz, which would stand for Munich."""


class NearestCity(NamedTuple):
  """A city that names a time zone.

  Attributes:
    zone: its IANA name.
    country: ISO 3166.
    currency: ISO 4217; empty where it is not known.
    kilometres: how far it is.
  """

  zone: str
  country: str
  currency: str
  kilometres: float


def nearest_city(latitude: float, longitude: float) -> NearestCity | None:
  """The nearest city that has a time zone to its name; None where the system has no such list. Degrees, WGS84."""
  found = min(_cities(), key=lambda city: _kilometres(latitude, longitude, city[2], city[3]), default=None)
  if found is None:
    return None
  country, zone, city_latitude, city_longitude = found
  currency = next((code for code, countries in _CURRENCIES.items() if country in countries.split()), '')
  return NearestCity(zone, country, currency, _kilometres(latitude, longitude, city_latitude, city_longitude))


@functools.cache
def _cities() -> tuple[tuple[str, str, float, float], ...]:
  """Country, zone, latitude and longitude of the database's cities."""
  try:
    text = importlib.resources.files('tzdata').joinpath('zoneinfo/zone.tab').read_text(encoding='utf-8')
  except (ModuleNotFoundError, OSError):
    return ()
  rows = [line.split('\t') for line in text.splitlines() if line and not line.startswith('#')]
  return tuple((row[0], row[2], *_degrees(row[1])) for row in rows if row[0] not in _NO_CITIES)


def _degrees(text: str) -> tuple[float, float]:
  """ISO 6709, such as `+404251-0740023`: degrees, minutes and perhaps seconds."""
  latitude, longitude = re.findall(r'[+-]\d+', text)
  return _decimal(latitude, 2), _decimal(longitude, 3)


def _decimal(text: str, digits: int) -> float:
  sign, degrees, rest = text[0], text[1 : 1 + digits], text[1 + digits :].ljust(4, '0')
  value = int(degrees) + int(rest[:2]) / 60 + int(rest[2:]) / 3600
  return -value if sign == '-' else value


def _kilometres(latitude: float, longitude: float, other_latitude: float, other_longitude: float) -> float:
  """The great-circle distance by the haversine formula."""
  a, b = math.radians(latitude), math.radians(other_latitude)
  half = math.sin((b - a) / 2) ** 2
  half += math.cos(a) * math.cos(b) * math.sin(math.radians(other_longitude - longitude) / 2) ** 2
  return 2 * _EARTH_KM * math.asin(min(1.0, math.sqrt(half)))
