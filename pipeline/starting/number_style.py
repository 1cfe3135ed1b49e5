"""How a file writes numbers: its decimal mark, what groups thousands, and signs of currencies beside them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from components.ride_example_gen import parsing
from configs.columns import LABEL
from configs.currency import SIGNS
from pipeline.starting import names

_SPACES = r'[\x{00a0}\x{2009}\x{202f}]'
_LOOKED_AT = 1_000
_MOSTLY = 0.8


class NumberStyle(NamedTuple):
  """How numbers are written; the attributes are those of `dataset.numbers`."""

  decimal: str = '.'
  thousands: str = ''
  signs: tuple[str, ...] = ()
  columns: tuple[str, ...] = ()

  def of(self, column: str) -> NumberStyle:
    """How one column is written."""
    return self if not self.columns or column in self.columns else NumberStyle()

  def among(self, used: Collection[str]) -> NumberStyle:
    """Without the columns that a config has no use for."""
    columns = tuple(column for column in self.columns if column in used)
    return self._replace(columns=columns) if columns or not self.columns else NumberStyle()

  @property
  def is_default(self) -> bool:
    """Whether the config needs no word about it."""
    return self == NumberStyle()

  @property
  def currency(self) -> str:
    """The ISO 4217 code that the signs stand for; empty where they are none or stand for several."""
    return next((SIGNS[sign] for sign in self.signs if SIGNS.get(sign)), '')


_STYLES = (('.', ''), (',', ''), ('.', ','), (',', '.'), ('.', ' '), (',', ' '), ('.', "'"), (',', "'"))
"""Decimal mark and grouping; of several that read equally much, the first."""


def guess_style(columns: Mapping[str, pa.Array]) -> NumberStyle:
  """The one style that reads most cells of a file's text columns; where the fares need another one, theirs.

  That one is then of the columns alone that the first one does not read.

  Only columns count that the style reads mostly, so that dates and texts have no say.
  """
  found = {name: column.drop_null()[:_LOOKED_AT] for name, column in columns.items() if parsing.is_text(column.type)}
  named = {name: _spaces_alike(text) for name, text in found.items() if len(text)}
  texts = list(named.values())
  with_more = [text for text in texts if _share(text, r"^[-+.,' \d]*$") < _MOSTLY]
  signs = tuple(sign for sign in SIGNS if any(_has_sign(text, sign) for text in with_more))
  amounts = [text for name, text in named.items() if names.score(name, LABEL) > 0]
  signs = tuple(dict.fromkeys([*signs, *(sign for text in amounts if (sign := _any_sign(text)))]))
  signs = tuple(sign for sign in signs if not any(sign != longer and sign in longer for longer in signs))
  bare = {name: _spaces_alike(_without(text, signs)) for name, text in named.items()}
  style = _most_readable(list(bare.values()))
  unread = [name for name in bare if not _readable_cells(bare[name], *style)]
  other = _most_readable([bare[name] for name in unread if names.score(name, LABEL) > 0])
  alone = tuple(name for name in unread if _readable_cells(bare[name], *other))
  return NumberStyle(*other, signs, alone) if alone and style == _STYLES[0] else NumberStyle(*style, signs)


def _most_readable(texts: Sequence[pa.Array]) -> tuple[str, str]:
  read = {style: sum(_readable_cells(text, *style) for text in texts) for style in _STYLES}
  return max(read, key=lambda style: read[style])


def _has_sign(text: pa.Array, sign: str) -> bool:
  """Whether amounts, most of a column's cells, have a sign."""
  amount = rf"^-?{re.escape(sign)}\s*-?[\d.,' ]+$|^-?[\d.,' ]+\s*{re.escape(sign)}$"
  return _share(text, amount) > 1 - _MOSTLY


def _any_sign(text: pa.Array) -> str:
  """What stands before or behind most amounts of a column, whatever it is; empty where nothing does."""
  amount = r"^-?(?P<before>[^\d\s'+()-]*)\s*-?\d[\d.,' ]*?\s*(?P<behind>[^\d\s.,'+()-]*)$"
  parts = pc.extract_regex(text, amount).drop_null()
  for part in ('before', 'behind'):
    counted = Counter(pc.struct_field(parts, [parts.type.get_field_index(part)]).to_pylist())
    for sign, count in counted.most_common(1):
      if sign.strip('.,') and len(sign) <= _LONGEST_SIGN and count > _MOSTLY * len(text):
        return sign
  return ''


_LONGEST_SIGN = 5


def has_digits(column: pa.Array) -> bool:
  """Whether most cells of a text column have a digit."""
  return parsing.is_text(column.type) and column.null_count < len(column) and _share(column, r'\d') > _MOSTLY


def is_escaped(text: pa.Array) -> bool:
  """Whether most cells hold bytes that are no UTF-8, which are read as `\\x80`."""
  return text.null_count < len(text) and _share(text, r'\\x[89a-f][0-9a-f]') > _MOSTLY


def _share(text: pa.Array, regex: str) -> float:
  """Of cells that match."""
  return float(pc.mean(pc.match_substring_regex(text, regex).cast(pa.float64())).as_py())


def _without(text: pa.Array, signs: Sequence[str]) -> pa.Array:
  if not signs:
    return text
  either = '|'.join(re.escape(sign) for sign in signs)
  text = pc.replace_substring_regex(text, rf'^(-?)\s*(?:{either})\s*', r'\1')
  return pc.replace_substring_regex(text, rf'\s*(?:{either})$', '')


def _spaces_alike(text: pa.Array) -> pa.Array:
  return pc.replace_substring_regex(text, _SPACES, ' ')


def _readable_cells(text: pa.Array, decimal: str, thousands: str) -> int:
  read = pc.sum(pc.match_substring_regex(text, _pattern(decimal, thousands))).as_py() or 0
  return read if read > _MOSTLY * len(text) else 0


def _pattern(decimal: str, thousands: str) -> str:
  grouped = rf'\d{{1,3}}(?:{re.escape(thousands)}\d{{3}})+|' if thousands else ''
  mark = re.escape(decimal)
  return rf'^[+-]?(?:(?:{grouped}\d+)(?:{mark}\d*)?|{mark}\d+)(?:[eE][+-]?\d+)?$'


def as_values(column: pa.Array, style: NumberStyle) -> np.ndarray | None:
  """A column as float64 [rows], NaN where it is missing or no number; None where it is mostly no number."""
  kind = column.type
  if pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind):
    return parsing.as_numbers(column, (), '').values
  if not parsing.is_text(kind) or column.null_count == len(column):
    return None
  text = _without(_spaces_alike(column), style.signs)
  readable = pc.fill_null(pc.match_substring_regex(text, _pattern(style.decimal, style.thousands)), False)
  words = pc.fill_null(pc.match_substring_regex(column, r'\d'), False)
  with_digits, numbers = pc.sum(words).as_py() or 0, pc.sum(readable).as_py() or 0
  if numbers <= _MOSTLY * with_digits or numbers <= (1 - _MOSTLY) * (len(column) - column.null_count):
    return None
  text = pc.if_else(readable, text, pa.scalar(None, text.type))
  text = pc.replace_substring(text, style.thousands, '') if style.thousands else text
  text = pc.replace_substring_regex(text, r'^\+', '')
  return np.array(pc.fill_null(pc.replace_substring(text, style.decimal, '.').cast(pa.float64()), np.nan), np.float64)


def may_be_grouped(column: pa.Array, style: NumberStyle) -> bool:
  """Whether nearly all cells have just three digits behind the decimal mark, as groups of thousands have."""
  if not parsing.is_text(column.type) or column.null_count == len(column):
    return False
  return _share(column, rf'(^|\D)[1-9]\d{{0,2}}{re.escape(style.decimal)}\d{{3}}(\D|$)') > _NEARLY


_NEARLY = 0.99


def missing_texts(column: pa.Array, known: Sequence[str]) -> tuple[str, ...]:
  """Words in a column of numbers, other than the known ones, such as 'N/A': most often meant as missing."""
  if not parsing.is_text(column.type):
    return ()
  cells = column.drop_null()
  words = cells.filter(pc.invert(pc.match_substring_regex(cells, r'\d')))
  return tuple(word for word in pc.unique(words).to_pylist()[:_WORDS] if word not in known and len(word) <= _LONGEST)


_WORDS, _LONGEST = 5, 12
