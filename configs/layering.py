"""Which layer of a config wrote a setting: the files that extend each other, then the overrides."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from configs.base import Idle


class Implied(str):
  """An override that an option such as `--quick` stands for: where it has no effect, it gives way."""


class Layers:
  """What each layer of a config holds.

  Args:
    files: what was read, what is extended first.
    overrides: `section.key=value` texts; all of them are one layer.
    kept: whether a run wrote the files, so that what has no effect in them gives way.
  """

  def __init__(self, files: Sequence[Mapping[str, Any]], overrides: Sequence[str] = (), kept: bool = False) -> None:
    self._files, self._kept = files, kept
    self._overrides = [(override.partition('=')[0].strip(), override) for override in overrides]

  def gives_way(self, idle: Idle) -> bool:
    """Whether a setting without effect was not written together with the settings that decide so, or after them."""
    override = self._override(idle.where)
    if isinstance(override, Implied) or (self._kept and override is None):
      return True
    return self._place(idle.where) < max(map(self._place, idle.deciders), default=-1)

  def _place(self, setting: str) -> int:
    """The layer that wrote a setting last, or one below it; -1 where none did."""
    if self._override(setting) is not None or any(key.startswith(f'{setting}.') for key, _ in self._overrides):
      return len(self._files)
    return max((place for place, values in enumerate(self._files) if _holds(values, setting)), default=-1)

  def _override(self, setting: str) -> str | None:
    """The last override that writes a setting as a whole."""
    return next((text for key, text in self._overrides[::-1] if f'{setting}.'.startswith(f'{key}.')), None)


def _holds(values: Mapping[str, Any], setting: str) -> bool:
  found: Any = values
  for key in setting.split('.'):
    if not isinstance(found, Mapping):
      return True  # A list, or another value that stands for all below.
    if key not in found:
      return False
    found = found[key]
  return True


def removed(values: dict[str, Any], setting: str) -> bool:
  """Removes a setting at a dotted key; returns whether it was there."""
  *sections, name = setting.split('.')
  found: Any = values
  for section in sections:
    found = found.get(section) if isinstance(found, dict) else None
  return isinstance(found, dict) and found.pop(name, removed) is not removed
