"""How amounts are written, of fares and of errors alike, in sentences, in tables and on pages.

Currencies differ in size: an error of 3.52 dollars is one of 18,547 rupiah, of which nobody pays a thousandth.
"""

from __future__ import annotations

_THOUSANDS = 1000


def amount_digits(value: float, digits: int = 2) -> int:
  """Decimals of an amount: `digits`, but none where it is in thousands, as it is in currencies of small units."""
  return 0 if abs(value) >= _THOUSANDS else digits


def amount(value: float, unit: str = '', digits: int = 2) -> str:
  """An amount, with its unit if it has one: `3.52 USD`, `18,547 IDR`. Args: digits: see `amount_digits`."""
  return f'{value:,.{amount_digits(value, digits)}f} {unit}'.rstrip()


def interval(value: float, low: float | None, high: float | None, digits: int = 2) -> tuple[str, str]:
  """An amount, and its interval with as many decimals: `3.52`, `[3.11, 4.02]`; '' where none is known."""
  decimals = amount_digits(value, digits)
  bounds = '' if low is None or high is None else f'[{low:,.{decimals}f}, {high:,.{decimals}f}]'
  return amount(value, digits=digits), bounds


def bound(value: float) -> str:
  """An amount that a config sets, as it was written: `2.5`, `1,000,000` and not `1e+06`."""
  return f'{value:g}' if amount_digits(value) else amount(value)
