"""The text of a CSV file: its bytes, unpacked, as valid UTF-8, and a look ahead for the end of a cell."""

from __future__ import annotations

import codecs
import contextlib
import gzip
import zlib
from typing import Any

from components.ride_example_gen.csv_records import closing_quote
from components.ride_example_gen.files import Container, IngestionError, open_source

_CHUNK_BYTES = 1 << 20


class Utf8Text:
  """A file's text as a stream; bytes that are no UTF-8 are `\\xNN` in it.

  Attributes: ended: whether all is read.
  """

  def __init__(self, path: str, container: Container):
    """Opens a file. Raises `IngestionError`: it can't be opened."""
    self.ended = False
    self._path = path
    self._open = contextlib.ExitStack()
    file = self._open.enter_context(open_source(path))
    self._file: Any = gzip.GzipFile(fileobj=file) if container is Container.GZIP else file
    self._decoder = codecs.getincrementaldecoder('utf-8')('backslashreplace')

  def __enter__(self) -> Utf8Text:
    return self

  def __exit__(self, *_: object) -> None:
    self._open.close()

  def read(self, size: int) -> bytes:
    """The text of the next bytes, so many at most. Raises `IngestionError`: the file breaks off or is damaged."""
    try:
      chunk = self._file.read(size)
    except (EOFError, zlib.error, OSError) as error:
      raise IngestionError(f"'{self._path}' breaks off or is damaged ({error}); copy or write it again.") from error
    self.ended = not chunk
    if chunk.isascii() and not self._decoder.getstate()[0]:
      return chunk
    return self._decoder.decode(chunk, final=self.ended).encode()


class Scout:
  """Looks ahead in a text, in a reading of its own; it never goes back, so all looks together read the file once."""

  def __init__(self, text: Utf8Text):
    self._text = text
    self._chunk, self._start = b'', 0

  def behind_cell(self, position: int) -> bytes | None:
    """What follows the quotation mark that closes a cell.

    Args: position: in the whole text, inside of the cell; no smaller than those asked for before.
    Returns: One byte, none at the end of the file; `None` where the cell is left open.
    """
    while self._start + len(self._chunk) <= position and self._read_on(0):
      pass
    # What lies before the chunk is quotation marks then, of which two are none.
    skipped = position - self._start
    self._drop(skipped if skipped >= 0 else skipped % 2)
    while True:
      found = closing_quote(self._chunk, 0)
      if found and found.end() < len(self._chunk):
        break
      # Those at the end of the chunk may go on behind it.
      if not self._read_on((len(self._chunk) - len(self._chunk.rstrip(b'"'))) % 2):
        break
    if not found:
      return None
    self._drop(found.start())
    return self._chunk[len(found[0]) :][:1]

  def _read_on(self, kept: int) -> bool:
    """Goes on to the next text behind so many bytes at the end of this one; false at the end of the file."""
    further = b''
    while not further and not self._text.ended:
      further = self._text.read(_CHUNK_BYTES)
    if further:
      self._drop(len(self._chunk) - kept)
      self._chunk += further
    return bool(further)

  def _drop(self, count: int) -> None:
    self._chunk, self._start = self._chunk[count:], self._start + count
