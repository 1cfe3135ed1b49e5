"""Looks into SVG files."""

from __future__ import annotations

import re
from xml.etree import ElementTree

SVG = '{http://www.w3.org/2000/svg}'


def parsed(text: str) -> ElementTree.Element:
  """The root of a well-formed file; nothing in it may be undrawable."""
  assert not re.search(r'\b(?:nan|inf)\b', re.sub(r'<(?:text|title)\b.*?</(?:text|title)>', '', text))
  return ElementTree.fromstring(text)


def lines(root: ElementTree.Element, style: str) -> list[ElementTree.Element]:
  """What has exactly these classes."""
  return [one for one in root.iter() if one.get('class') == style]


def points(path: ElementTree.Element) -> int:
  """How many points a path goes through."""
  return len(re.findall('[ML]', path.get('d', '')))


def texts(root: ElementTree.Element) -> list[str]:
  """What is written, in its order."""
  return [one.text or '' for one in root.iter(f'{SVG}text')]
