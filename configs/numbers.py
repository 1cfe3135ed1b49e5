"""How a source writes its numbers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from pydantic import field_validator

from configs.base import Config, Idle, Problem

SPACES = ' \u00a0\u2009\u202f'
"""The space and its no-break, thin and narrow kin: what stands between groups of digits, and before a sign."""

APOSTROPHES = "'\u2019"


class Notation(Config):
  """How numbers are written in texts: those of CSV files, and of text columns elsewhere.

  Attributes:
    decimal: the sign before the fraction; `.` or `,`.
    thousands: the sign between groups of three digits, which may be left out; '' for none, ' ' for any space, "'" also
      for the curly one.
    signs: texts that may stand before or after a number, such as `$` or `EUR`; one of them a number.
    columns: the source columns that are written so, others plainly; all of them where none is listed.
  """

  decimal: Literal['.', ','] = '.'
  thousands: Literal['', ',', '.', ' ', "'"] = ''
  signs: tuple[str, ...] = ()
  columns: tuple[str, ...] = ()

  @field_validator('thousands', mode='before')
  @classmethod
  def _alike(cls, value: object) -> object:
    if isinstance(value, str) and len(value) == 1:
      return ' ' if value in SPACES else "'" if value in APOSTROPHES else value
    return value

  def problems(self) -> Iterator[Problem]:
    if self.decimal == self.thousands:
      yield Problem('', f"decimal and thousands are both '{self.decimal}'; a number has one sign for each.")
    for sign in self.signs:
      if problem := _problem_of(sign):
        yield Problem('signs', f"'{sign}' {problem}.")
    for sign in sorted({sign for sign in self.signs if self.signs.count(sign) > 1}):
      yield Problem('signs', f"'{sign}' is there twice.")
    if self.columns and self.everywhere() == Notation():
      yield Idle(
        'columns', 'has no effect without decimal, thousands or signs; set one of them, or remove columns.', _MARKS
      )

  def everywhere(self) -> Notation:
    """The same for all columns."""
    return self.model_copy(update={'columns': ()})


_MARKS = ('decimal', 'thousands', 'signs')


def _problem_of(sign: str) -> str:
  if sign != sign.strip():
    return 'begins or ends with white space, which may stand between a sign and its number anyway; leave it out'
  if any(letter.isdigit() for letter in sign):
    return 'has a digit, which is a part of the number; a sign is a text such as $ or EUR'
  if not sign.strip(f'+-.,()eE{SPACES}{APOSTROPHES}'):
    return 'is a part of numbers themselves; a sign is a text such as $ or EUR'
  try:
    float(sign)
  except ValueError:
    return ''
  return 'is a number itself; a sign is a text such as $ or EUR'
