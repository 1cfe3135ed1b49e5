"""Which files a pattern finds, on a disk or in a bucket, and what is passed over, by name and with the reason."""

from __future__ import annotations

import contextlib
import os
import posixpath
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from components.ride_example_gen.files import IngestionError, open_source
from components.ride_example_gen.patterns import ANY_DEPTH, Match, Segment, check_pattern, number_of, segments_of
from components.ride_example_gen.stores import Disk, FolderEntry, Store, store_of
from configs.base import shortened

_CHECKSUMS = ('.crc', '.md5', '.sha1', '.sha256')
_FOLDER = 'it is a folder'
_BLANK = 'it is empty'


class Found(NamedTuple):
  """A file or folder that a pattern leads to.

  Attributes:
    path: its own.
    why: why it is passed over; '' for a file to read.
    filled: the pattern with the digits of its spans in place of their specs.
    values: of the specs, as far as they are known.
    is_link: whether a symbolic link leads to it.
    size: bytes.
    is_blank: whether nothing is in it.
  """

  path: str
  why: str = ''
  filled: str = ''
  values: Mapping[str, int] = {}
  is_link: bool = False
  size: int = 0
  is_blank: bool = False

  @property
  def number(self) -> int | None:
    """Of the span that it is in; `None` for none."""
    return number_of(self.values)


class Listing(NamedTuple):
  """What a pattern finds.

  Attributes:
    files: to read, sorted.
    passed_over: why something else is not read, by its path.
    sizes: bytes of the files, by path.
  """

  files: tuple[str, ...]
  passed_over: dict[str, str]
  sizes: Mapping[str, int] = {}


def find_files(base: str, pattern: str) -> Listing:
  """The files of a glob below `base`, and what it also finds and is passed over.

  Args:
    base: a folder, or the prefix of a bucket; taken as it stands.
    pattern: a glob; a segment that is there as it stands, brackets and all, stands for itself.
  Raises: IngestionError: nothing is left to read, or it can't be listed, or one is a pipe or a device.
  """
  found = find(base, pattern)
  files, blank = without_blank(one for one in found if not one.why)
  passed_over = reasons([*(one for one in found if one.why), *blank])
  if not files:
    raise nothing_found(base, pattern, passed_over)
  return Listing(tuple(one.path for one in files), passed_over, {one.path: one.size for one in files})


def nothing_found(base: str, pattern: str, passed_over: Mapping[str, str]) -> IngestionError:
  """The error where a pattern finds no file to read, with some of what is there instead."""
  whole = posixpath.join(base, pattern)
  error = f"No file matches '{whole}'; check the path and its wildcards."
  return IngestionError(f'{error} {passed_over_sentence(passed_over)}'.strip())


def passed_over_sentence(passed_over: Mapping[str, str]) -> str:
  """How much was passed over, and why, with a few names for each reason; '' for nothing."""
  of_reason: dict[str, list[str]] = {}
  for path, why in passed_over.items():
    of_reason.setdefault(why, []).append(f"'{path}'")
  kinds = [f'{shortened(paths, 3)} ({why})' for why, paths in of_reason.items()]
  count = f'{len(passed_over):,} {"path was" if len(passed_over) == 1 else "paths were"} passed over'
  return f'{count}: {shortened(kinds, 4)}.' if kinds else ''


def without_blank(found: Iterable[Found]) -> tuple[list[Found], list[Found]]:
  """Files to read, and blank ones beside them; where all are blank they are read, which is an error that names one."""
  files = list(found)
  blank = [one for one in files if one.is_blank]
  return ([one for one in files if not one.is_blank], blank) if len(blank) < len(files) else (files, [])


def reasons(found: Iterable[Found]) -> dict[str, str]:
  """Why each is passed over, by path."""
  return {one.path: one.why or _BLANK for one in found}


def find(base: str, pattern: str) -> tuple[Found, ...]:
  """All that a pattern leads to, sorted by path, each once.

  Raises: IngestionError: see `find_files`; or a name is no UTF-8.
  """
  check_pattern(pattern)
  store = store_of(base)
  segments = segments_of(pattern)
  unique: dict[str, Found] = {}
  with store.listing(base):
    for one in _Walk(store).below(_Place(base, trail=(store.identity(base),)), segments):
      before = unique.setdefault(one.path, one)
      if before.why and not one.why:
        unique[one.path] = one
      elif before.values != one.values and not (before.why or one.why):
        raise IngestionError(f"'{one.path}' fits '{pattern}' in two ways; say which folder has the number.")
    files = [one for one in sorted(unique.values()) if not one.why]
    wild = any(segment.is_wild for segment in segments)
    checked = {one.path: _looked_at(store, one, wild) for one in files}
  for path in unique:
    _check_name(path)
  linked = _linked(list(checked.values())) if isinstance(store, Disk) else {}
  return tuple(
    checked.get(one.path, one)._replace(why=linked.get(one.path, one.why)) for one in sorted(unique.values())
  )


def _check_name(path: str) -> None:
  try:
    path.encode()
  except UnicodeEncodeError:
    shown = os.fsencode(path).decode('utf-8', 'backslashreplace')
    raise IngestionError(f"The name of '{shown}' is no UTF-8; rename it.") from None


_BLANK_BYTES = 256
"""A larger file is not empty inside: gzip packs nothing into some twenty bytes and the file's name."""


def _looked_at(store: Store, one: Found, wild: bool) -> Found:
  """A file with its size, which no pipe has, and whether nothing but white space is in it, where nobody named it."""
  size = store.size(one.path)
  return one._replace(size=size, is_blank=wild and size <= _BLANK_BYTES and _is_blank(one.path))


def _is_blank(path: str) -> bool:
  with open_source(path) as file:
    content = file.read()
  if content.startswith(b'\x1f\x8b'):
    with contextlib.suppress(zlib.error):
      content = zlib.decompress(content, zlib.MAX_WBITS | 16)
  return not content.removeprefix(b'\xef\xbb\xbf').strip()


def _linked(files: Sequence[Found]) -> dict[str, str]:
  """Of several ways to one file all but one are passed over: links, where there is a way without.

  Each span is whole in itself: a link from one to another is the same rides delivered twice, which others look for.
  """
  if not any(one.is_link for one in files):
    return {}
  first: dict[tuple[str, int | None], str] = {}
  again: dict[str, str] = {}
  for one in sorted(files, key=lambda one: (one.is_link, one.path)):
    same = first.setdefault((os.path.realpath(one.path), one.number), one.path)
    if same != one.path:
      again[one.path] = f"it is a link to '{same}'"
  return again


class _Place(NamedTuple):
  """A folder on the way, and what is known of it; see `Found`.

  Attributes:
    is_any_depth: whether the folders in it are entered by themselves.
    trail: what identifies it and the folders above it.
  """

  path: str
  filled: tuple[str, ...] = ()
  values: Mapping[str, int] = {}
  is_link: bool = False
  is_any_depth: bool = False
  trail: tuple[object, ...] = ()

  def found(self, path: str, why: str = '') -> Found:
    return Found(path, why, '/'.join(self.filled), self.values, self.is_link)

  def entered(self, path: str, match: Match, is_link: bool = False) -> _Place:
    """What is one segment further down."""
    return self._replace(
      path=path,
      filled=(*self.filled, match.filled),
      values={**self.values, **match.values},
      is_link=self.is_link or is_link,
      is_any_depth=False,
    )


class _Walk:
  """Follows the segments of a pattern from folder to folder."""

  def __init__(self, store: Store):
    self._store = store

  def below(self, place: _Place, segments: Sequence[Segment]) -> Iterator[Found]:
    segment, *rest = segments
    if segment.text == ANY_DEPTH:
      yield from self._at_any_depth(place, segments)
    elif segment.is_wild:
      yield from self._fitting(place, segment, rest)
    else:
      yield from self._by_name(place, segment, rest)

  def _by_name(self, place: _Place, segment: Segment, rest: Sequence[Segment]) -> Iterator[Found]:
    child = place.entered(posixpath.join(place.path, segment.text), Match(segment.text, {}))
    if rest:
      yield from self.below(child, rest)
    elif self._store.is_folder(child.path):
      yield child.found(child.path, _FOLDER)
    elif self._store.exists(child.path):
      yield child.found(child.path)

  def _at_any_depth(self, place: _Place, segments: Sequence[Segment]) -> Iterator[Found]:
    at_zero = place._replace(filled=(*place.filled, ANY_DEPTH), is_any_depth=True)
    yield from self.below(at_zero, segments[1:])
    for entry in self._store.entries(place.path):
      if not entry.is_folder():
        continue
      path = posixpath.join(place.path, entry.name)
      identity = self._store.identity(path)
      if why := _set_apart(entry.name):
        yield place.found(path, why)
      elif identity in place.trail:
        yield place.found(path, 'it is a link back to a folder above it')
      else:
        link, trail = place.is_link or entry.is_link, (*place.trail, identity)
        yield from self._at_any_depth(place._replace(path=path, is_link=link, trail=trail), segments)

  def _fitting(self, place: _Place, segment: Segment, rest: Sequence[Segment]) -> Iterator[Found]:
    entries = self._store.entries(place.path)
    # A lone * is in no name that somebody gave on purpose, and would hide all others.
    itself = segment.text != '*' and segment.text in [entry.name for entry in entries]
    if itself:
      yield from self._by_name(place, segment, rest)
    for entry in entries:
      if (entry.name == segment.text and itself) or not segment.finds(entry.name):
        continue
      if rest and (not entry.is_folder() or _is_hidden(entry.name, segment.text)):
        continue  # No glob goes through them.
      path = posixpath.join(place.path, entry.name)
      if why := f"'{segment.text}' is there by this very name" if itself else _set_apart(entry.name, segment.text):
        yield place.found(path, why)
      else:
        yield from self._entered(place, segment, rest, path, entry)

  def _entered(
    self, place: _Place, segment: Segment, rest: Sequence[Segment], path: str, entry: FolderEntry
  ) -> Iterator[Found]:
    match = segment.match(entry.name)
    if match is None:
      yield place.found(path, f"it does not fit '{segment.text}'")
    elif any(place.values.get(name, value) != value for name, value in match.values.items()):
      yield place.found(path, 'its numbers are not those of its folder')
    elif rest:
      yield from self._further(place.entered(path, match, entry.is_link), segment, rest)
    elif not entry.is_folder():
      yield place.entered(path, match, entry.is_link).found(path)
    elif not place.is_any_depth:
      yield place.found(path, _FOLDER)

  def _further(self, place: _Place, segment: Segment, rest: Sequence[Segment]) -> Iterator[Found]:
    """What is in a folder; a span's folder with nothing of it is named itself."""
    found = list(self.below(place, rest))
    yield from found
    if not found and segment.has_specs and not any(later.has_specs for later in rest):
      yield place.found(place.path, f"nothing in it fits '{'/'.join(later.text for later in rest)}'")


def _is_hidden(name: str, pattern: str = '') -> bool:
  return name.startswith('.') and not pattern.startswith('.')


def _set_apart(name: str, pattern: str = '') -> str:
  """Why nothing of this name is rides, unless the pattern asks for such names; '' for all others."""
  if _is_hidden(name, pattern):
    return 'its name begins with a dot'
  if name.startswith('_') and not pattern.startswith('_'):
    return 'its name begins with an underscore'
  if any(name.lower().endswith(suffix) and not pattern.lower().endswith(suffix) for suffix in _CHECKSUMS):
    return 'it is a checksum'
  return ''
