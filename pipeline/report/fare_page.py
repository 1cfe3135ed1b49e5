"""A page that runs a pushed model by itself: LiteRT.js, the lite file and its golden rides in one HTML file.

The runtime is built from `page/` by `make page` (a wheel and the image carry it), and is data of this package.
"""

from __future__ import annotations

import base64
import gzip
import json
import math
import pathlib
import urllib.parse
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from markupsafe import Markup

from configs.amounts import amount, bound
from configs.columns import COORDINATES, LABEL, TIME
from configs.dataset import EPOCH, Dataset
from configs.errors import UserError
from configs.records import RecordPart
from models.lite.columns import InputColumn
from models.release import GOLDEN, ManifestError, find_pushed, read_golden
from models.whole_files import is_bucket, write_whole
from pipeline.prediction.scoring import kept_dataset
from pipeline.report.page import render

RUNTIME = pathlib.Path(__file__).parent / 'runtime'

_SCRIPT, _WASM = 'litert.js', 'litert.wasm.gz'

_LICENCE = 'LiteRT.js inside: © Google LLC, Apache License 2.0.'

_MARGIN = 0.08
"""Of the map, around what it has to show, as a share of it."""

_NARROWEST = 0.02
"""Degrees of a map at least."""

_FLATTEST, _STEEPEST = 0.5, 0.8
"""Height to width of a map, in degrees."""


class Field(RecordPart):
  """A field of the page's form.

  Attributes:
    name: of the model's input.
    kind: `time`, `number`, or `choice` among `choices`, whose position is the number.
    low, high: what is valid; `None` where nothing says so.
  """

  name: str
  kind: str
  label: str
  unit: str = ''
  low: float | str | None = None
  high: float | str | None = None
  choices: tuple[str, ...] = ()


def write_fare_page(model: str, output: str, server: str | None = None) -> pathlib.Path:
  """Writes the page of a pushed version.

  Args:
    model: a pushed version, or the directory of the versions.
    output: the page's path, in a folder that is there.
    server: base or full URL of a server that answers as Vertex AI has it; `/predict` is added to a bare base.
  Returns: the page. Raises `UserError`: the version is not what was pushed, a URL or path can't be, or there is no
  runtime; `OSError` where the page can't be written.
  """
  path, address = _page_path(output), _address(server) if server else None
  script, wasm = _runtime()
  pushed = find_pushed(model)
  if pushed.version is None or pushed.manifest is None:
    raise UserError(f"'{model}' is a file on its own; a page needs its version's golden rides: name the version.")
  content = pushed.file.read_bytes()
  manifest, golden = pushed.manifest, read_golden(pushed.version / GOLDEN)
  dataset = kept_dataset(pushed.version)
  fields = tuple(_fields(manifest.inputs, dataset))
  zones = dict(dataset.places.zones) if dataset and dataset.places else {}
  _check_golden(golden['rides'], fields, pushed.version)
  about = {
    'currency': manifest.currency or 'USD',
    'epoch': EPOCH.isoformat(),
    'fields': [field.to_dict() for field in fields],
    'ends': (COORDINATES[:2], COORDINATES[2:]),
    'first': _first(golden['rides']),
    'golden': {'rides': golden['rides'], 'fares': golden[LABEL], 'tolerance': golden['tolerance']},
    'map': _map(golden['rides']),
    'areas': [zone.polygon for zone in dataset.city.zones] if dataset else [],
    'places': [mark.model_dump(include={'name', 'longitude', 'latitude'}) for mark in _landmarks(dataset)],
    'zones': zones,
    'server': address,
  }
  page = render(
    'fare.html',
    title=f'Fares of {manifest.dataset}',
    manifest=manifest,
    version=f'version {pushed.version.name}',
    size=len(content),
    currency=about['currency'],
    amount=amount,
    bound=bound,
    fields=fields,
    zones=zones,
    golden=golden,
    server=address,
    origin=address and _origin(address),
    about=_json(about),
    wasm=base64.b64encode(wasm).decode(),
    model=base64.b64encode(gzip.compress(content, mtime=0)).decode(),
    runtime=Markup(script),
    licence=_LICENCE,
  )
  write_whole(path, page)
  return path


def _page_path(output: str) -> pathlib.Path:
  path = pathlib.Path(output)
  if is_bucket(output) or path.suffix.lower() not in ('.html', '.htm'):
    raise UserError(f"The output '{output}' must be a local file that ends in .html.")
  if path.is_dir() or not path.absolute().parent.is_dir():
    what = 'is a directory' if path.is_dir() else 'lies in a directory that is not there'
    raise UserError(f"The output '{output}' {what}; name a file.")
  return path


def _address(server: str) -> str:
  """The URL to post to."""
  try:
    parts = urllib.parse.urlsplit(server)
    whole = parts.scheme in ('http', 'https') and parts.hostname and (parts.port or True)
  except ValueError:
    whole = False
  # What may end a source in the page's policy, or hide a password in a page that is handed on.
  if not whole or any(sign in server for sign in ' ;,\'"@') or not server.isascii():
    raise UserError(f"--server takes a URL such as http://127.0.0.1:8080, got '{server}'.")
  return server if parts.path.strip('/') else f'{_origin(server)}/predict'


def _origin(address: str) -> str:
  parts = urllib.parse.urlsplit(address)
  return f'{parts.scheme}://{parts.netloc}'


def _runtime() -> tuple[str, bytes]:
  """LiteRT.js as a script, and its WebAssembly, compressed."""
  try:
    return (RUNTIME / _SCRIPT).read_text(encoding='utf-8'), (RUNTIME / _WASM).read_bytes()
  except FileNotFoundError:
    raise UserError(
      'LiteRT.js, which a page runs the model by, is not built here: run make page, which needs npm.'
    ) from None


def _landmarks(dataset: Dataset | None) -> Sequence[Any]:
  return dataset.city.landmarks if dataset else ()


def _fields(inputs: Sequence[InputColumn], dataset: Dataset | None) -> Iterator[Field]:
  """The form, in the order of the manifest."""
  extras = {extra.name: extra for extra in dataset.extras} if dataset else {}
  for column in inputs:
    name, label = column.name, column.name.replace('_', ' ')
    if name == TIME:
      # Without rules, what 32 bits of seconds can hold.
      first, last = (dataset.rules.earliest, dataset.rules.latest) if dataset else ('1941-01-01', '2076-12-31')
      yield Field(name=name, kind='time', label='pickup time', low=f'{first}T00:00:00', high=f'{last}T23:59:59')
    elif name in extras and extras[name].vocabulary:
      yield Field(name=name, kind='choice', label=label, choices=extras[name].vocabulary)
    else:
      rule = dataset.rules.interval(name) if dataset else None
      low, high = (rule.min, rule.max) if rule else (None, None)
      unit = '' if name in COORDINATES else column.unit
      yield Field(name=name, kind='number', label=label, unit=unit, low=low, high=high)


def _check_golden(rides: Mapping[str, Sequence[Any]], fields: Sequence[Field], version: pathlib.Path) -> None:
  named = {field.name for field in fields}
  if unlike := sorted(named ^ set(rides)):
    raise ManifestError(f"The golden rides of '{version}' and its manifest differ in '{unlike[0]}'; push it again.")


def _first(rides: Mapping[str, Sequence[Any]]) -> dict[str, Any]:
  """The golden ride that the page begins with: the longest one, in degrees, whose ends are known."""
  found = ({name: column[place] for name, column in rides.items()} for place in range(len(rides[TIME])))
  return max(found, key=_length)


def _length(ride: Mapping[str, Any]) -> float:
  """Degrees between the ends; -1 where one is missing."""
  west, south, east, north = (ride[name] for name in COORDINATES)
  return -1.0 if None in (west, south, east, north) else math.hypot(east - west, north - south)


def _map(rides: Mapping[str, Sequence[float | None]]) -> dict[str, float]:
  """The part of the world that the map shows, in degrees: where golden rides begin and end, and a margin."""
  ranges = []
  for axis in (0, 1):
    known = [value for name in COORDINATES[axis::2] for value in rides[name] if value is not None] or [0.0]
    ranges.append((min(known), max(known)))
  widths = [max(high - low, _NARROWEST) for low, high in ranges]
  widths[0] = max(widths[0], widths[1] / _STEEPEST)
  widths[1] = max(widths[1], widths[0] * _FLATTEST)
  (west, east), (south, north) = (
    ((low + high) / 2 - width * (0.5 + _MARGIN), (low + high) / 2 + width * (0.5 + _MARGIN))
    for (low, high), width in zip(ranges, widths, strict=True)
  )
  return {'west': west, 'east': east, 'south': south, 'north': north}


def _json(values: Mapping[str, Any]) -> Markup:
  """JSON for a script element, which nothing in it ends."""
  return Markup(json.dumps(values, allow_nan=False).replace('<', '\\u003c'))
