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


_ISO_4217 = (
  'AED AFN ALL AMD ANG AOA ARS AUD AWG AZN BAM BBD BDT BGN BHD BIF BMD BND BOB BRL BSD BTN BWP BYN BZD CAD CDF CHF '
  'CLP CNY COP CRC CUP CVE CZK DJF DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GNF GTQ GYD HKD HNL HRK '
  'HTG HUF IDR ILS INR IQD IRR ISK JMD JOD JPY KES KGS KHR KMF KPW KRW KWD KYD KZT LAK LBP LKR LRD LSL LYD MAD MDL '
  'MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MYR MZN NAD NGN NIO NOK NPR NZD OMR PAB PEN PGK PHP PKR PLN PYG QAR RON '
  'RSD RUB RWF SAR SBD SCR SDG SEK SGD SHP SLE SLL SOS SRD SSP STN SVC SYP SZL THB TJS TMT TND TOP TRY TTD TWD TZS '
  'UAH UGX USD UYU UZS VED VES VND VUV WST XAF XCD XCG XOF XPF YER ZAR ZMW ZWG ZWL XXX XTS'
)
"""ISO 4217's codes of money that rides are paid in, and its XXX and XTS for none and for tests."""

_CODES = frozenset(_ISO_4217.split())


def code(value: object) -> str:
  """An ISO 4217 code as it is. Raises `ValueError` for anything else, with the code that is meant."""
  text = str(value).strip()
  if isinstance(value, str) and value in _CODES:
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
  if text.upper() in _CODES:
    return (text.upper(),)
  for word in text.casefold().split():
    for name in (word, word.removesuffix('s'), word.removesuffix('es')):
      if name in _NAMES:
        return _NAMES[name]
  if re.fullmatch('[A-Za-z]{3}', text):
    return tuple(sorted(one for one in _CODES if one[:2] == text[:2].upper()))  # The country's two letters.
  near = nearest(text.casefold(), _NAMES)
  return _NAMES[near.split("'")[1]] if near else ()
