"""A schedule, wherever it is kept."""

from __future__ import annotations

import dataclasses
import enum


class ScheduleTarget(str, enum.Enum):
  """Who looks at the clock."""

  LOCAL = 'local'
  KFP = 'kfp'
  VERTEX = 'vertex'


class State(str, enum.Enum):
  """Whether a schedule fires."""

  ACTIVE = 'active'
  PAUSED = 'paused'


@dataclasses.dataclass(frozen=True)
class Schedule:
  """What `farelite schedule list` shows.

  Attributes:
    name: by which it is paused and deleted.
    target: who looks at the clock.
    cron: the expression, as that scheduler has it.
    zone: of the expression.
    state: whether it fires.
    place: a file, or the scheduler's own name of it.
    note: what is still to be done, or ''.
  """

  name: str
  target: ScheduleTarget
  cron: str
  zone: str
  state: State
  place: str
  note: str = ''
