"""Thrift's compact protocol, which Parquet's footer and page headers are written in: for tests that make them lie.

A struct is a dictionary of field numbers to (type, value); reading and writing it again gives the same bytes.
"""

from __future__ import annotations

import pathlib
import struct
from collections.abc import Callable
from typing import Any

_TRUE, _FALSE, _BYTE, _I16, _I32, _I64, _DOUBLE, _BINARY, _LIST, _SET, _MAP, _STRUCT = range(1, 13)
Struct = dict[int, tuple[int, Any]]

NUM_ROWS, ROW_GROUPS = 3, 4
"""Of a footer."""
COLUMNS, TOTAL_BYTE_SIZE, GROUP_ROWS = 1, 2, 3
"""Of a row group."""
META_DATA = 3
"""Of a column chunk."""
NUM_VALUES, UNCOMPRESSED, COMPRESSED, DATA_PAGE, DICTIONARY_PAGE = 5, 6, 7, 9, 11
"""Of its metadata; the last two are offsets."""
PAGE_UNCOMPRESSED, PAGE_COMPRESSED, DATA_HEADER, DICTIONARY_HEADER = 2, 3, 5, 7
"""Of a page's header, whose own headers begin with the number of values."""


def edit_footer(path: pathlib.Path, change: Callable[[Struct], None]) -> None:
  """Reads the footer of a Parquet file, lets it be changed, and writes it."""
  data = path.read_bytes()
  start = len(data) - 8 - int.from_bytes(data[-8:-4], 'little')
  footer, end = read_struct(data, start)
  assert written(footer) == data[start:end] and end == len(data) - 8
  change(footer)
  made = written(footer)
  path.write_bytes(data[:start] + made + len(made).to_bytes(4, 'little') + b'PAR1')


def read_struct(data: bytes, place: int) -> tuple[Struct, int]:
  """The struct that begins at a place, and where it ends."""
  found: Struct = {}
  number = 0
  while data[place]:
    step, kind = data[place] >> 4, data[place] & 15
    place += 1
    if step:
      number += step
    else:
      raw, place = _varint(data, place)
      number = _signed(raw)
    value, place = (kind == _TRUE, place) if kind in (_TRUE, _FALSE) else _read(data, place, kind)
    found[number] = kind, value
  return found, place + 1


def _read(data: bytes, place: int, kind: int) -> tuple[Any, int]:
  if kind in (_I16, _I32, _I64):
    raw, place = _varint(data, place)
    return _signed(raw), place
  if kind == _BINARY:
    size, place = _varint(data, place)
    return data[place : place + size], place + size
  if kind == _STRUCT:
    return read_struct(data, place)
  if kind in (_LIST, _SET):
    size, element = data[place] >> 4, data[place] & 15
    place += 1
    if size == 15:
      size, place = _varint(data, place)
    values = []
    for _ in range(size):
      value, place = (data[place], place + 1) if element in (_TRUE, _FALSE, _BYTE) else _read(data, place, element)
      values.append(value)
    return (element, values), place
  if kind == _BYTE:
    return data[place], place + 1
  assert kind == _DOUBLE, kind
  return struct.unpack('<d', data[place : place + 8])[0], place + 8


def written(fields: Struct) -> bytes:
  """A struct's bytes."""
  data, last = b'', 0
  for number, (kind, value) in fields.items():
    kind = (_TRUE if value else _FALSE) if kind in (_TRUE, _FALSE) else kind
    step = number - last
    data += bytes([step << 4 | kind]) if 0 < step < 16 else bytes([kind]) + _number(number)
    data += b'' if kind in (_TRUE, _FALSE) else _write(kind, value)
    last = number
  return data + b'\0'


def _write(kind: int, value: Any) -> bytes:
  if kind in (_I16, _I32, _I64):
    return _number(value)
  if kind == _BINARY:
    return unsigned(len(value)) + value
  if kind == _STRUCT:
    return written(value)
  if kind in (_LIST, _SET):
    element, values = value
    head = bytes([len(values) << 4 | element]) if len(values) < 15 else bytes([0xF0 | element]) + unsigned(len(values))
    one = (lambda item: bytes([item])) if element in (_TRUE, _FALSE, _BYTE) else (lambda item: _write(element, item))
    return head + b''.join(map(one, values))
  return bytes([value]) if kind == _BYTE else struct.pack('<d', value)


def _varint(data: bytes, place: int) -> tuple[int, int]:
  value = shift = 0
  while True:
    byte = data[place]
    value |= (byte & 127) << shift
    place, shift = place + 1, shift + 7
    if byte < 128:
      return value, place


def _signed(raw: int) -> int:
  return raw >> 1 ^ -(raw & 1)


def _number(value: int) -> bytes:
  return unsigned(value << 1 ^ value >> 63)


def unsigned(value: int) -> bytes:
  """A number of no sign."""
  data = b''
  while value > 127:
    data, value = data + bytes([value & 127 | 128]), value >> 7
  return data + bytes([value])
