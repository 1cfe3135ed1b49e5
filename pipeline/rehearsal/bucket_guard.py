"""Reports when a step opens a bucket's folder as only a local directory can be opened.

In a rehearsal a bucket is a folder, so `open(uri)` would work where a pod would find no such file. The interpreter of
the rehearsal's image imports this module first. TFX's `fileio` and TensorFlow read in C++, which raises no audit event;
Beam decides by the scheme itself.
"""

from __future__ import annotations

import pathlib
import sys
import types
from typing import Any

MARK = 'rehearsal: opened as a local file: '
"""What a line about it begins with, in the step's log."""
_EVENTS = frozenset({'open', 'os.listdir', 'os.scandir', 'os.mkdir', 'os.remove', 'os.rename', 'os.rmdir', 'glob.glob'})
_ROOMS = ('/components/', '/configs/', '/models/', '/transforms/')
_BY_SCHEME = (
  '/components/pusher/',
  '/components/ride_example_gen/',
  '/models/served_versions.py',
  '/models/whole_files.py',
)
"""Code that asks first whether a place is local."""
_OWN_FILE_SYSTEMS = ('/apache_beam/', '/tensorflow/', '/tfx/')


def install() -> None:
  """Watches this process. The folder of the buckets is beside that of the image, which `sys.prefix` is in."""
  folder = f'{pathlib.Path(sys.prefix).parents[1] / "buckets"}/'
  reported: set[str] = set()

  def watch(event: str, arguments: tuple[Any, ...]) -> None:
    if event not in _EVENTS or not arguments or not isinstance(arguments[0], str):
      return
    if not arguments[0].startswith(folder):
      return
    place = _culprit(sys._getframe(1))
    if place and place not in reported:
      reported.add(place)
      sys.stderr.write(f'{MARK}{place} gs://{arguments[0].removeprefix(folder)}\n')

  sys.addaudithook(watch)


def _culprit(frame: types.FrameType | None) -> str | None:
  """The line of this project that opened it, `models/release.py:61`, or `None` where another file system did."""
  site = f'{pathlib.Path(sys.prefix)}/'
  while frame is not None:
    file = frame.f_code.co_filename
    if any(part in file for part in _OWN_FILE_SYSTEMS):
      return None
    if file.startswith(site) and any(part in file for part in _ROOMS):
      inner = file.partition('/site-packages/')[2]
      return None if any(part in file for part in _BY_SCHEME) else f'{inner}:{frame.f_lineno}'
    frame = frame.f_back
  return None
