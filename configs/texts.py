"""Texts of any origin, as they may be shown."""

from __future__ import annotations

import json
import string
import unicodedata

_OBEYED = frozenset({'Cc', 'Cf', 'Cs', 'Zl', 'Zp'})
"""Unicode's categories of what a terminal obeys instead of showing it: controls, directions of text, ends of lines."""


def visible(text: str) -> str:
  """A text of any origin as a terminal may have it: what it would obey is spelled out as in JSON, but ends of lines."""
  if text.isascii() and text.replace('\n', '').isprintable():
    return text
  # In JSON such signs are inside strings, so that it keeps its meaning.
  return ''.join(
    json.dumps(sign)[1:-1] if sign != '\n' and unicodedata.category(sign) in _OBEYED else sign for sign in text
  )


def unseen_cell(word: str) -> str:
  """Why no cell of a column is ever a word, for the rest of a sentence; empty where one may be."""
  if not word.strip(string.whitespace):
    return 'is an empty cell, which is missing anyway; leave it out'
  if word != word.strip(string.whitespace):
    return f'has white space at an end, of which cells are trimmed before; write {word.strip(string.whitespace)!r}'
  return ''


def quoted(text: str) -> str:
  """A text in quotation marks, in one line."""
  return f"'{visible(text)}'".replace('\n', r'\n')


def ended(text: str) -> str:
  """A text with a full stop, unless it ends in a question."""
  return text if text.endswith('?') else f'{text}.'
