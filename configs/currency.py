"""The currency of the fares: its ISO 4217 code, and what else people call it."""

from __future__ import annotations

import re

from configs.base import nearest

SIGNS = {
  'US$': 'USD', 'R$': 'BRL', '$': '', '€': 'EUR', '£': 'GBP', '₹': 'INR', '₽': 'RUB', '₺': 'TRY', '₩': 'KRW', '¥': '',
  'zł': 'PLN', 'Kč': 'CZK', 'CHF': 'CHF', 'USD': 'USD', 'EUR': 'EUR', 'GBP': 'GBP', 'BRL': 'BRL', 'MXN': 'MXN',
  'CAD': 'CAD', 'AUD': 'AUD', 'INR': 'INR', 'JPY': 'JPY', 'kr': '',
}  # fmt: skip
"""Signs beside an amount, a longer one before what it begins with, and the currency that it can only mean."""

_SHARED = {'$': ('USD', 'CAD', 'AUD', 'MXN'), '¥': ('JPY', 'CNY'), 'kr': ('SEK', 'NOK', 'DKK')}
"""The currencies that a sign may mean, the likeliest first."""

_NAMES = {
  'dollar': ('USD', 'CAD', 'AUD', 'NZD', 'SGD', 'HKD'), 'euro': ('EUR',), 'pound': ('GBP', 'EGP'), 'sterling': ('GBP',),
  'peso': ('MXN', 'ARS', 'CLP', 'COP', 'PHP', 'UYU'), 'real': ('BRL',), 'reais': ('BRL',), 'rupee': ('INR', 'PKR'),
  'yen': ('JPY',), 'yuan': ('CNY',), 'renminbi': ('CNY',), 'won': ('KRW',), 'rupiah': ('IDR',), 'baht': ('THB',),
  'dong': ('VND',), 'lira': ('TRY',), 'rouble': ('RUB',), 'ruble': ('RUB',), 'zloty': ('PLN',), 'złoty': ('PLN',),
  'koruna': ('CZK',), 'krona': ('SEK',), 'kronor': ('SEK',), 'krone': ('NOK', 'DKK'), 'kroner': ('NOK', 'DKK'),
  'forint': ('HUF',), 'leu': ('RON',), 'lei': ('RON',), 'franc': ('CHF', 'XOF', 'XAF'), 'rand': ('ZAR',),
  'naira': ('NGN',), 'shilling': ('KES',), 'dirham': ('AED', 'MAD'), 'riyal': ('SAR', 'QAR'), 'shekel': ('ILS',),
  'sol': ('PEN',), 'soles': ('PEN',), 'ringgit': ('MYR',), 'dinar': ('RSD', 'KWD', 'DZD', 'TND'), 'hryvnia': ('UAH',),
}  # fmt: skip
"""Codes by the name of a currency, the likeliest first."""


def code(value: object) -> str:
  """An ISO 4217 code as it is. Raises `ValueError` for anything else, with the code that is meant."""
  text = str(value).strip()
  if isinstance(value, str) and re.fullmatch('[A-Z]{3}', value):
    return value
  meant = _meant(text)
  mend = f' Write {meant[0]}.' if len(meant) == 1 else f' Is it {" or ".join(meant[:4])}?' if meant else ''
  raise ValueError(f"must be an ISO 4217 code of three capital letters such as USD, got '{text}'.{mend}")


def _meant(text: str) -> tuple[str, ...]:
  """The codes that a sign, a name or a code in small letters may stand for."""
  if sign := SIGNS.get(text):
    return (sign,)
  if text in _SHARED:
    return _SHARED[text]
  if re.fullmatch('[A-Za-z]{3}', text) and text.lower() not in _NAMES:
    return (text.upper(),)
  for word in text.casefold().split():
    for name in (word, word.removesuffix('s'), word.removesuffix('es')):
      if name in _NAMES:
        return _NAMES[name]
  near = nearest(text.casefold(), _NAMES)
  return _NAMES[near.split("'")[1]] if near else ()
