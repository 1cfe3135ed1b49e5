"""Writes small files whole or not at all."""

from __future__ import annotations

import os
import pathlib


def write_whole(path: pathlib.Path, text: str) -> None:
  """Replaces a file by a new text, even if the machine stops half way: the old one or the new one is there."""
  staged = path.with_name(f'{path.name}.tmp')
  with staged.open('w', encoding='utf-8') as file:
    file.write(text)
    file.flush()
    os.fsync(file.fileno())
  staged.replace(path)
