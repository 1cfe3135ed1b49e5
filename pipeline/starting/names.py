"""What the name of a column says about it, in the languages and habits of published rides."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

from configs.columns import COORDINATES, KNOWN_AFTER_RIDE, LABEL, PASSENGERS, TIME, plain_name

PICKUP_LONGITUDE, PICKUP_LATITUDE, DROPOFF_LONGITUDE, DROPOFF_LATITUDE = COORDINATES
KEY = 'key'
PICKUP_ZONE, DROPOFF_ZONE = 'pickup', 'dropoff'
"""The keys of `dataset.places`."""


def _words(text: str) -> frozenset[str]:
  return frozenset(text.split())


_PICKUP = _words(
  'pickup pick up pu start started begin beginning origin orig from src source departure depart board boarding '
  'abholung abhol beginn start von einstieg abfahrt origine prise recogida origen inicio salida desde embarque origem '
  'partida partenza'
)
_DROPOFF = _words(
  'dropoff drop off do end ended dest destination to stop arrival alight ziel nach ausstieg ankunft ende arrivee '
  'depose destino fin llegada final hasta desembarque chegada fim arrivo'
)
_LONGITUDE = _words(
  'lon long lng longitude longitud longitudine laenge lange laengengrad langengrad geolaenge geolange x'
)
_LATITUDE = _words('lat latitude latitud latitudine breite breitengrad geobreite y')
_PASSENGERS = _words(
  'passenger passengers pax riders fahrgaeste fahrgaste personen pasajeros passageiros passagers personas pessoas '
  'people passeggeri'
)
_TIME = _words(
  'time datetime timestamp ora orario date day stamp at ts zeit datum uhrzeit zeitpunkt fecha hora data heure instant '
  'when tpep lpep'
)
_OTHER_TIME = _words('updated created modified payment paid request requested booked dispatch dispatched order birth')
_KEYS = _words('key id rideid tripid rowid uuid fahrtid uniquekey ridekey tripkey idviaje idcorrida')
_ZONES = _words('location locationid zone zoneid area areaid community tract borough taz')
_PAID = _words('tip tips toll tolls tax surcharge fee extra extras trinkgeld propina gorjeta pourboire discount')
"""What is paid besides the fare."""

_MEASURES = _words(
  'distance distances distancia distanz entfernung strecke distanza afstand dystans odleglosc mileage recorrido '
  'km kms kilometer kilometers kilometre kilometres kilometros quilometros kilometri kilometrow mile miles mi meilen '
  'millas milhas miglia meters metres metros metri '
  'duration duracion duracao duree durata dauer fahrzeit fahrtdauer duur czas tiempo tempo temps '
  'seconds secs minutes mins hours minutos minuti minuten segundos secondi secondes sekunden horas heures stunden'
)
"""How far and how long a ride was."""

_NO_FARE = _PAID | _MEASURES | _words('type id code count lat lon')
_FARES = {
  'fareamount': 10, 'fareamt': 10, 'fare': 9, 'basepassengerfare': 9, 'fahrpreis': 9, 'tripfare': 8,
  'ridefare': 8, 'meteredfare': 8, 'meterfare': 8,
  'price': 8, 'preis': 8, 'tarifa': 8, 'importe': 8, 'importo': 8, 'tariffa': 8,
  'precio': 8, 'preco': 8, 'prix': 8, 'basefare': 7, 'tarif': 7,
  'valor': 7, 'montant': 7, 'betrag': 7, 'cost': 7, 'costo': 7, 'custo': 7, 'prezzo': 8, 'entgelt': 7, 'amount': 6,
  'charge': 5, 'monto': 8, 'bedrag': 7, 'kwota': 7, 'cena': 8, 'prijs': 8, 'ritprijs': 9, 'tarief': 7, 'oplata': 7,
  'fahrtpreis': 9, 'fahrtkosten': 8, 'recette': 6,
}  # fmt: skip
"""How surely a name, or a word of one, means the fare; 10 is the most."""

_TOTALS = _words(
  'total totalamount totalamt amounttotal triptotal totalfare grandtotal totale gesamt gesamtbetrag gesamtpreis summe '
  'suma soma somme totaal totaalbedrag razem'
)
"""All that was paid, perhaps with tips and tolls: the fare where nothing else is."""

LEAST_OF_A_TOTAL = 0.5
"""How surely a total means the fare: less than any name of it."""

_A_WORD_OF_IT = 3
_AFTER = 20
_LONG_WORD = 4


def tokens(name: str) -> list[str]:
  """The words of a name, small and without accents: `PULocationID` gives pu, location, id."""
  plain = unicodedata.normalize('NFKD', name.replace('ß', 'ss'))
  plain = ''.join(sign for sign in plain if not unicodedata.combining(sign))
  return [word.lower() for word in re.findall(r'[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+|[A-Z]+|\d+', plain)]


def squashed(name: str) -> str:
  """A name without what people write differently: case, accents, spaces and marks."""
  return ''.join(tokens(name))


_KNOWN_AFTER = frozenset(map(plain_name, KNOWN_AFTER_RIDE))


def is_known_after(name: str) -> bool:
  """Whether only the finished ride knows what a column of this name holds, the fare itself left out."""
  if squashed(name) in _FARES:
    return False
  return plain_name(name) in _KNOWN_AFTER or bool(_PAID & {*tokens(name)})


def is_measure(name: str) -> bool:
  """Whether a name says how far or how long a ride was, so that it never is the fare."""
  words = tokens(name)
  grown = (measure for measure in _MEASURES if len(measure) > _LONG_WORD)
  return bool(_MEASURES & {*words}) or any(measure in word for measure in grown for word in words)


def score(name: str, role: str) -> float:
  """How surely a name means a canonical column, a zone or the key: 0 for not at all, 10 at most."""
  words = tokens(name)
  if role in COORDINATES:
    return _coordinate(words, role)
  if role == LABEL:
    if ''.join(words) in _TOTALS:
      return LEAST_OF_A_TOTAL
    return _fare(words) - (_AFTER if is_known_after(name) else 0)
  if role == TIME:
    return _time(words)
  if role == PASSENGERS:
    return 10.0 if _PASSENGERS & {*words, ''.join(words)} and 'id' not in words else 0.0
  if role in (PICKUP_ZONE, DROPOFF_ZONE):
    return 8.0 if _ZONES & {*words} and end_of(words) == role else 0.0
  return {1: 10.0, 2: 8.0}.get(len(words), 0.0) if ''.join(words) in _KEYS else 0.0


def _coordinate(words: list[str], role: str) -> float:
  axis = _LONGITUDE if role in (PICKUP_LONGITUDE, DROPOFF_LONGITUDE) else _LATITUDE
  rest = _without_axis(words, axis)
  if rest is None:
    return 0.0
  wanted = PICKUP_ZONE if role in (PICKUP_LONGITUDE, PICKUP_LATITUDE) else DROPOFF_ZONE
  end = end_of(rest)
  return 10.0 - min(4, max(0, len(rest) - 1)) / 2 if end == wanted else 2.0 if end is None else 0.0


def _without_axis(words: list[str], axis: frozenset[str]) -> list[str] | None:
  """The other words of a name, if it has one for the axis, perhaps grown together with the rest."""
  for position, word in enumerate(words):
    if word in axis:
      return [*words[:position], *words[position + 1 :]]
  for position, word in enumerate(words):
    for name in sorted(axis, key=len, reverse=True):
      if len(name) > 1 and len(word) > len(name) and (word.endswith(name) or word.startswith(name)):
        rest = word.removesuffix(name) if word.endswith(name) else word.removeprefix(name)
        if end_of([rest]) is not None:
          return [*words[:position], rest, *words[position + 1 :]]
  return None


def end_of(words: Iterable[str]) -> str | None:
  """Which end of the ride words are about, the first that says so: `pickup`, `dropoff` or None."""
  for word in words:
    # The longest one decides: desembarque ends with embarque.
    found = [
      (len(known), end)
      for end, ends in ((PICKUP_ZONE, _PICKUP), (DROPOFF_ZONE, _DROPOFF))
      for known in ends
      if word == known or (len(known) >= _LONG_WORD and (word.startswith(known) or word.endswith(known)))
    ]
    if found:
      return max(found)[1]
  return None


def _fare(words: list[str]) -> float:
  if (whole := ''.join(words)) in _FARES:
    return float(_FARES[whole])
  if _NO_FARE & {*words}:
    return 0.0
  return max((_FARES.get(word, 0) - _A_WORD_OF_IT for word in words), default=0) if words else 0.0


def _time(words: list[str]) -> float:
  joined = ''.join(words)
  found = 3.0 if _TIME & {*words} or any(joined.endswith(word) for word in _TIME if len(word) >= _LONG_WORD) else 0.0
  end = end_of(words)
  found += {PICKUP_ZONE: 5.0, DROPOFF_ZONE: -8.0, None: 0.0}[end]
  return found - (4.0 if _OTHER_TIME & {*words} else 0.0)
