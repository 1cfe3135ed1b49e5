"""Buckets as folders: URIs for a step as paths, and paths from a step as URIs."""

from __future__ import annotations

import dataclasses
import pathlib
import re

from pipeline.rehearsal.spec import SpecError

_URI = re.compile(r'(?<!\w)gs://')
_MOUNT = re.compile(r'(?<![\w./-])/gcs/')
_PLAIN_PATH = re.compile(r'[\w./ +@=,-]+')


@dataclasses.dataclass(frozen=True)
class Buckets:
  """One folder for each bucket.

  The spec and the store of artifacts hold `gs://` URIs throughout; only the process of a step sees folders.

  Attributes: folder: an absolute directory; the bucket `b` is `folder/b`.
  """

  folder: pathlib.Path

  def __post_init__(self) -> None:
    if not _PLAIN_PATH.fullmatch(str(self.folder)):
      raise SpecError(f"'{self.folder}' has signs that would need quotes inside JSON; choose a plainer --output.")

  def localized(self, text: str) -> str:
    """The text with every `gs://bucket/…` and `/gcs/bucket/…` as a path; JSON stays JSON."""
    return _MOUNT.sub(f'{self.folder}/', _URI.sub(f'{self.folder}/', text))

  def globalized(self, text: str) -> str:
    """The text with every path below the folder as a `gs://` URI."""
    return text.replace(f'{self.folder}/', 'gs://')

  def path(self, uri: str) -> pathlib.Path:
    """The file or folder that stands for the object or the prefix `uri`."""
    return pathlib.Path(self.localized(uri))

  def files(self, uri: str) -> int:
    """How many files there are at or below a URI; a bucket knows no empty directories."""
    path = self.path(uri)
    return sum(inner.is_file() for inner in (path, *path.rglob('*')))
