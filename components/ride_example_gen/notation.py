"""Numbers as a source writes them, turned into numbers as Arrow reads them."""

from __future__ import annotations

import functools
import re
from collections.abc import Sequence

import pyarrow as pa
import pyarrow.compute as pc

from configs.numbers import APOSTROPHES, SPACES, Notation


def ungrouped(text: pa.Array, notation: Notation) -> pa.Array:
  """The texts as Arrow reads them where no cell has groups or a currency sign, which is the ordinary case.

  Raises: pa.ArrowInvalid: a cell has a point that may stand between groups.
  """
  if notation.decimal == '.':
    return text
  if pc.any(pc.match_substring(text, '.')).as_py():
    raise pa.ArrowInvalid('a point')
  return pc.replace_substring(text, ',', '.')


def plainly(text: pa.Array, notation: Notation) -> pa.Array:
  """Numbers of a notation as Arrow reads them; what is none becomes a text that is none. Nulls stay."""
  if notation.signs:
    signed_before, signed_after = _signed(notation.signs)
    text = pc.replace_substring_regex(text, signed_after, r'\1')
    text = pc.replace_substring_regex(text, signed_before, r'\1\2')
  text = pc.if_else(pc.match_substring_regex(text, _written(notation)), text, pa.scalar('?', text.type))
  for separator in _ALIKE.get(notation.thousands, notation.thousands):
    text = pc.replace_substring(text, separator, '')
  return pc.replace_substring_regex(pc.replace_substring(text, ',', '.'), r'^\+', '')


_ALIKE = {' ': SPACES, "'": APOSTROPHES}
"""The separators that count as one."""


@functools.lru_cache(maxsize=32)
def _signed(signs: Sequence[str]) -> tuple[str, str]:
  """Regular expressions of a number behind one of the signs, and before one; a number with both has neither form."""
  any_sign = '|'.join(re.escape(sign) for sign in sorted(signs, key=len, reverse=True))
  sign, space, rest = f'(?:{any_sign})', f'[{SPACES}]*', f'[0-9.,+\\-eE{SPACES}{APOSTROPHES}]'
  return rf'^([+-]?){space}{sign}{space}([+-]?[0-9.,]{rest}*)$', rf'^({rest}*[0-9.,]){space}{sign}$'


@functools.lru_cache(maxsize=32)
def _written(notation: Notation) -> str:
  """The regular expression of a number in a notation, without a currency sign; all groups but the first are whole."""
  group, decimal, digits = _ALIKE.get(notation.thousands, notation.thousands), re.escape(notation.decimal), r'\d+'
  if group:
    digits = rf'(?:\d+|[1-9]\d{{0,2}}(?:[{group}]\d{{3}})+)'
  return rf'^[+-]?(?:{digits}(?:{decimal}\d*)?|{decimal}\d+)(?:[eE][+-]?\d+)?$|^-?(?i:inf|infinity|nan)$'
