"""What a Parquet file's pages hold, by their own headers: a footer may say anything, and Arrow believes it.

A page unpacks to no more than its header says, as that is the buffer it is unpacked into. Headers are structs of
Thrift's compact protocol (github.com/apache/parquet-format, `PageHeader`).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import pyarrow as pa

from components.parquet import pq

_FIRST_READ, _LONGEST_HEADER = 1 << 10, 16 << 20
"""Bytes of a header; a page's smallest and largest value may be in it. Arrow takes none that is longer."""
_DEEPEST = 8


class _Page(NamedTuple):
  """A page's size and number of values, which a dictionary has for other pages, and how its values are packed."""

  values: int
  unpacked: int
  is_dictionary: bool
  encoding: int | None


class Pages(NamedTuple):
  """What reading a file, or a column of a row group, takes.

  Attributes:
    values: of all columns.
    unpacked: bytes of all pages.
    at_once: bytes of the largest pages and dictionaries of the columns of a row group.
    per_row: the most bytes of a row, each column's of the page that has the most; what dictionaries hold left out.
    has_differences: whether texts are packed by what they differ in: Arrow makes room for as many as a page's content
      says.
  """

  values: int
  unpacked: int
  at_once: int
  per_row: float
  has_differences: bool


def inspect_pages(source: pa.NativeFile, footer: pq.FileMetaData) -> Pages:
  """Walks over all pages, whose content is not read.

  Raises: ArrowInvalid: rows or values are not those of the footer, or there is no header where one should be.
  """
  groups = [footer.row_group(number) for number in range(footer.num_row_groups)]
  if sum(group.num_rows for group in groups) != footer.num_rows:
    raise pa.ArrowInvalid(f'its row groups have other than the {footer.num_rows:,} rows of its footer')
  flat = [footer.schema.column(number).max_repetition_level == 0 for number in range(footer.num_columns)]
  found = [[_of_chunk(source, group.column(number)) for number in range(footer.num_columns)] for group in groups]
  for group, columns in zip(groups, found, strict=True):
    for number, pages in enumerate(columns):
      if pages.values != group.column(number).num_values or (flat[number] and pages.values != group.num_rows):
        raise pa.ArrowInvalid(f'a row group has {group.num_rows:,} rows, and {pages.values:,} values of a column')
  every = [pages for columns in found for pages in columns]
  return Pages(
    values=sum(pages.values for pages in every),
    unpacked=sum(pages.unpacked for pages in every),
    at_once=max((sum(pages.at_once for pages in columns) for columns in found), default=0),
    per_row=max((sum(pages.per_row for pages in columns) for columns in found), default=0),
    has_differences=any(pages.has_differences for pages in every),
  )


def _of_chunk(source: pa.NativeFile, chunk: pq.ColumnChunkMetaData) -> Pages:
  values, unpacked, per_row, has_differences = 0, 0, 0.0, False
  largest = {False: 0, True: 0}
  for page in _pages(source, chunk):
    unpacked += page.unpacked
    largest[page.is_dictionary] = max(largest[page.is_dictionary], page.unpacked)
    if not page.is_dictionary:
      values += page.values
      per_row = max(per_row, page.unpacked / max(page.values, 1))
      has_differences |= page.encoding in _DIFFERENCES
  return Pages(values, unpacked, sum(largest.values()), per_row, has_differences)


def _pages(source: pa.NativeFile, chunk: pq.ColumnChunkMetaData) -> Iterator[_Page]:
  """As far as Arrow reads: until the values of a column's part are there, or its bytes end."""
  place = chunk.data_page_offset
  if chunk.dictionary_page_offset is not None and 0 < chunk.dictionary_page_offset < place:
    place = chunk.dictionary_page_offset
  end = place + chunk.total_compressed_size
  missing = chunk.num_values
  while missing > 0 and place < end:
    header, size = _header(source, place)
    try:
      unpacked, packed, kind = header[_UNPACKED], header[_PACKED], header[_KIND]
      inner, encoding = _INNER.get(kind, (None, 0))
      about = header[inner] if inner else {_VALUES: 0}
      page = _Page(about[_VALUES], unpacked, kind == _DICTIONARY, about.get(encoding))
    except (KeyError, TypeError):
      raise pa.ArrowInvalid('a page has no sizes') from None
    if min(page.values, unpacked, packed) < 0 or (page.is_dictionary and page.values > _MOST_PER_BYTE * unpacked):
      raise pa.ArrowInvalid('a page has sizes that cannot be')
    yield page
    place += size + packed
    missing -= 0 if page.is_dictionary else page.values


_KIND, _UNPACKED, _PACKED, _VALUES = 1, 2, 3, 1
"""Fields of a header, and of the one inside it."""
_DICTIONARY = 2
_INNER = {0: (5, 2), _DICTIONARY: (7, 2), 3: (8, 4)}
"""The fields of the header inside it, and of the encoding in that, by the kind of page: the older kind of data, a
dictionary, the newer kind."""
_DIFFERENCES = frozenset({6, 7})
"""Encodings: DELTA_LENGTH_BYTE_ARRAY and DELTA_BYTE_ARRAY."""
_MOST_PER_BYTE = 8
"""Values of a dictionary: those of a bit each are the smallest."""


def _header(source: pa.NativeFile, place: int) -> tuple[dict[int, Any], int]:
  """The header that begins at a place, and its size."""
  size = _FIRST_READ
  while True:
    source.seek(place)
    data = source.read(size)
    reader = _Compact(data)
    try:
      return reader.struct(), reader.place
    except IndexError:
      if len(data) < size or size >= _LONGEST_HEADER:
        raise pa.ArrowInvalid('a page has no whole header') from None
    size *= 8


class _Compact:
  """Reads a struct of Thrift's compact protocol. Raises `IndexError` where the bytes end before it does."""

  def __init__(self, data: bytes) -> None:
    self._data = data
    self.place = 0

  def struct(self, depth: int = 0) -> dict[int, Any]:
    """Values by the numbers of their fields."""
    if depth > _DEEPEST:
      raise pa.ArrowInvalid('a page has no header')
    fields: dict[int, Any] = {}
    number = 0
    while first := self._byte():
      number = number + (first >> 4) if first >> 4 else self._integer()
      # A truth value is in the type itself.
      fields[number] = first & 15 == 1 if first & 15 in (1, 2) else self._value(first & 15, depth)
    return fields

  def _value(self, kind: int, depth: int) -> Any:
    if kind in (1, 2, 3):
      return self._byte()
    if kind in (4, 5, 6):
      return self._integer()
    if kind == 7:
      return self._bytes(8)
    if kind == 8:
      return self._bytes(self._unsigned())
    if kind in (9, 10):
      first = self._byte()
      count = first >> 4 if first >> 4 < 15 else self._unsigned()
      for _ in range(count):
        self._value(first & 15, depth + 1)
      return None
    if kind == 12:
      return self.struct(depth + 1)
    raise pa.ArrowInvalid('a page has no header')

  def _byte(self) -> int:
    self.place += 1
    return self._data[self.place - 1]

  def _bytes(self, size: int) -> bytes:
    self.place += size
    if self.place > len(self._data):
      raise IndexError
    return self._data[self.place - size : self.place]

  def _unsigned(self) -> int:
    value = shift = 0
    while (byte := self._byte()) > 127:
      value |= (byte & 127) << shift
      shift += 7
    return value | byte << shift

  def _integer(self) -> int:
    value = self._unsigned()
    return value >> 1 ^ -(value & 1)
