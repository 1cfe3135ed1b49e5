"""The backends whose behaviour a rehearsal follows."""

from __future__ import annotations

import enum


class Target(str, enum.Enum):
  """A backend that takes compiled specs."""

  VERTEX = 'vertex'
  KFP = 'kfp'
