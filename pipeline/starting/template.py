"""The config that says what was guessed, commented: what each part means, and what was unsure."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator
from typing import Any

import yaml

from configs.base import joined, shortened
from configs.columns import COORDINATES, LABEL, PASSENGERS, TIME
from configs.dataset import Clock, Dataset, FileFormat, TimeEncoding
from pipeline.errors import visible
from pipeline.starting import limits, names
from pipeline.starting.guess import Guess

_WIDTH = 118
_SHOWN_NAMES, _SHOWN_ZONES = 30, 400
_EDIT = 'EDIT THIS: '
"""What stands before the edit without which a config can't be used."""


def config_text(guess: Guess, path: str) -> str:
  """The YAML text of a config.

  Args: path: the rides, as `dataset.path`.
  """
  sections = (_head, _dataset, _columns, _time, _rules, _city, _rest)
  lines = [line for section in sections for line in section(guess, path)]
  return '\n'.join(lines) + '\n'


def needed_edits(guess: Guess) -> tuple[str, ...]:
  """What has to be put in by hand before the config can be used; sentences."""
  if guess.zones and not guess.preset:
    return ('dataset.places.zones, the longitude and latitude of every zone id, and the center of dataset.city.',)
  return ()


def _head(guess: Guess, path: str) -> Iterator[str]:
  for edit in needed_edits(guess):
    yield from _comment(_EDIT + edit)
  sample = guess.sample
  number = f'{sample.rows:,} ride{"s" if sample.rows != 1 else ""}'
  first = '' if sample.whole else 'the first '
  yield from _comment(f'Written by farelite init after a look at {first}{number} of {sample.path}.')
  yield from _comment(
    'Comments that begin with "Unsure" are worth a look; farelite check says what a run would make of it, '
    'farelite config show KEY what a setting means, and farelite config schema is for editors.'
  )
  if guess.same_as:
    what = (
      f'The preset {guess.same_as} has the same columns, and what people know about the city: its airports, its tariffs'
    )
    yield from _comment(f'{what}. farelite run --config {guess.same_as} --data … takes these rides as well.')
  if guess.preset:
    yield from _comment('The preset knows where the zones lie, and the rest of the city.')
    yield f'extends: {guess.preset}'
  yield f'name: {_scalar(guess.name)}'


def _dataset(guess: Guess, path: str) -> Iterator[str]:
  yield ''
  yield 'dataset:'
  yield f'  name: {_scalar(guess.name)}'
  yield f'  path: {_scalar(path)}'
  if guess.sample.kind is FileFormat.CSV and guess.sample.delimiter != ',':
    yield f'  delimiter: {_scalar(guess.sample.delimiter)}'
  if not guess.preset:
    yield from _notes(guess, 'currency', 2)
    yield f'  currency: {_scalar(guess.currency)}'
  if guess.missing:
    usual = Dataset.model_fields['missing'].get_default()
    yield from _comment('Words that mean a missing value, as some cells of numbers have them.', 2)
    yield f'  missing: {_flow([*usual, *guess.missing])}'
  if not guess.numbers.is_default:
    numbers = {key: value for key, value in guess.numbers._asdict().items() if value}
    yield from _comment('How numbers are written: the decimal mark, what groups thousands, signs beside an amount.', 2)
    lists = {key: list(value) for key, value in numbers.items() if isinstance(value, tuple)}
    yield f'  numbers: {_flow(numbers | lists)}'


def _columns(guess: Guess, path: str) -> Iterator[str]:
  yield from _comment('Which column is what; the names on the left are what the model calls them.', 2)
  yield '  columns:'
  for role in (names.KEY, LABEL, *COORDINATES, PASSENGERS):
    if role in guess.columns:
      yield from _notes(guess, role, 4)
      yield f'    {role}: {_scalar(guess.columns[role])}'
  yield from _places(guess)
  if guess.known_after:
    yield from _comment('Known only after the ride, so no input.', 2)
    yield f'  known_after_ride: {_flow(guess.known_after)}'
  yield from _extras(guess)


def _places(guess: Guess) -> Iterator[str]:
  if guess.zones and not guess.preset:
    pickup, dropoff = guess.zones
    ids = {column: guess.sample.columns[column].drop_null().unique().to_pylist() for column in guess.zones}
    seen = sorted({str(zone) for zones in ids.values() for zone in zones})
    what = 'The rides have ids of zones in place of coordinates.'
    yield from _comment(f'{what} Put in the middle of every zone as id: [longitude, latitude].', 2)
    yield '  places:'
    yield f'    pickup: {_scalar(pickup)}'
    yield f'    dropoff: {_scalar(dropoff)}'
    yield from _comment(f'The ids that were seen: {shortened(seen, _SHOWN_ZONES)}.', 4)
    yield "    zones: {}  # EDIT THIS, such as {'132': [-73.78, 40.64], '138': [-73.87, 40.77]}"


def _extras(guess: Guess) -> Iterator[str]:
  if guess.extras or guess.left:
    yield from _comment(
      'Other columns. What is known before the ride may be an input: take the # away from its line.', 2
    )
  if guess.extras:
    yield '  # extras:'
  for extra in guess.extras:
    words = {'kind': 'categorical', 'vocabulary': list(extra.vocabulary)} if extra.vocabulary else {'kind': 'numeric'}
    item = {'name': extra.name, 'column': extra.column, **words}
    yield f'  #   - {_flow(item)}' + ('  # and its column into numbers.columns, above' if extra.styled else '')
  if guess.left:
    columns = shortened([repr(name[:60]) for name in guess.left], _SHOWN_NAMES)
    yield from _comment(f'Of many values or one: {columns}.', 2)


def _time(guess: Guess, path: str) -> Iterator[str]:
  time = guess.time
  yield '  time:'
  yield from _notes(guess, TIME, 4)
  yield f'    column: {_scalar(guess.columns[TIME])}'
  yield f'    encoding: {time.encoding}'
  if time.encoding == TimeEncoding.STRING.value:
    if time.others:
      yield from _comment(f'Unsure: {joined(map(repr, time.others))} reads every cell as well, to other days.', 4)
    yield f'    format: {_scalar(time.format)}'
  yield from _comment(
    "Whose clock the stamps show: local, the city's own, or utc. " + ' '.join(guess.notes.get('clock', [])), 4
  )
  yield f'    clock: {guess.clock.value}'
  if guess.clock is Clock.UTC:
    yield from _notes(guess, 'time_zone', 4)
    yield f'    time_zone: {_scalar(guess.time_zone)}'


def _rules(guess: Guess, path: str) -> Iterator[str]:
  yield from _comment(
    'A ride that breaks a rule is set aside, with its reason; from quantiles of the rides, and wider.', 2
  )
  yield '  rules:'
  yield f'    fare: {_range(guess.plausible.fare)}'
  if not guess.preset:
    yield '    bounds:'
    yield f'      longitude: {_range(guess.plausible.longitude)}'
    yield f'      latitude: {_range(guess.plausible.latitude)}'
  if PASSENGERS in guess.columns:
    yield f'    passengers: {_range(guess.plausible.passengers)}'
  ranges = [f'{_scalar(extra.name)}: {_range(extra.plausible)}' for extra in guess.extras if extra.plausible]
  if ranges:
    what = 'Of the columns of numbers above, where they are inputs'
    yield from _comment(f'{what}; what was not seen yet, such as another season, may want more.', 4)
    yield f'    # extras: {{{", ".join(ranges)}}}'
  yield f'    earliest: {guess.plausible.earliest.isoformat()}'
  yield '    # A larger share of rides that were set aside stops a run.'
  yield '    max_quarantined_share: 0.1'


def _city(guess: Guess, path: str) -> Iterator[str]:
  if guess.preset:
    return
  yield '  city:'
  yield '    # The middle of the pickups.'
  yield f'    center_latitude: {guess.plausible.center[0]:g}'
  yield f'    center_longitude: {guess.plausible.center[1]:g}'
  yield from _comment('Airports and other places that fares depend on, and days on which the tariff changed:', 4)
  yield '    # landmarks:'
  latitude, longitude = (round(degrees, 2) for degrees in guess.plausible.center)
  yield f'    #   - {{name: airport, latitude: {latitude:g}, longitude: {longitude:g}}}'
  yield '    # tariff_changes: [2024-01-01]'


def _rest(guess: Guess, path: str) -> Iterator[str]:
  yield ''
  yield 'split: {method: hash, eval_share: 0.2, seed: 0}'
  if guess.plausible.missing_shares:
    yield ''
    yield from _comment('Larger shares of missing values stop a run; these are half as large again as what was seen.')
    yield 'validation:'
    yield '  max_missing_share:'
    for role, share in guess.plausible.missing_shares.items():
      yield f'    {role}: {limits.missing_limit(share):g}'
  if PASSENGERS not in guess.columns:
    yield ''
    yield 'features:'
    yield '  passengers: {enabled: false}'


def _notes(guess: Guess, key: str, indent: int) -> Iterator[str]:
  for note in guess.notes.get(key, []):
    yield from _comment(f'Unsure: {note}', indent)


def _comment(text: str, indent: int = 0) -> list[str]:
  """Text as comment lines; whatever a name of a column holds, it stays in the comment."""
  margin = ' ' * indent + '# '
  words = ' '.join(visible(text).split())
  return textwrap.wrap(words, _WIDTH, initial_indent=margin, subsequent_indent=margin, break_on_hyphens=False)


def _range(range_: limits.Range) -> str:
  return f'{{min: {range_.min:.10g}, max: {range_.max:.10g}}}'


def _scalar(value: Any) -> str:
  """A text as YAML that reads as the same text, on one line."""
  return _flow([value])[1:-1]


def _flow(value: Iterable[Any]) -> str:
  """A list or mapping of texts as YAML on one line."""
  plain = value if isinstance(value, dict) else list(value)
  style: Any = {'default_flow_style': True, 'allow_unicode': True, 'width': float('inf'), 'sort_keys': False}
  text = yaml.safe_dump(plain, **style).strip()
  # Only double quotes hold the end of a line on one.
  return text if len(text.splitlines()) == 1 else yaml.safe_dump(plain, **style, default_style='"').strip()
