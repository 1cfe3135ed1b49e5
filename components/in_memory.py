"""Whether a Beam step works without Beam: in this process, on rides that fit into memory.

Beam's price is some seconds for each step, and some hundred microseconds for each ride. Up to `beam.in_memory_rides`
rides, and where Beam would run in this very process anyway, a step computes the same by itself and writes it in the
same format. This is the one place that decides it, and it leaves word on what the step makes. Needs no TFX, as the
report reads that word.
"""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
  from tfx import types

  from components.specs import Properties

COMPUTED = 'computed'
"""The property that says so, on its outputs; a `Computed`."""


class Computed(str, enum.Enum):
  """How a step worked that can do without Beam."""

  IN_MEMORY = 'in memory'
  BY_BEAM = 'by Beam'


def works_in_memory(exec_properties: Properties, rides: int, *made: types.Artifact) -> bool:
  """Decides, and notes it on what is made.

  Args:
    exec_properties: `in_memory_rides` is the most rides; 0 where another engine was chosen.
    rides: how many the step has to do with.
  """
  decided = rides <= exec_properties['in_memory_rides']
  for artifact in made:
    artifact.set_string_custom_property(COMPUTED, (Computed.IN_MEMORY if decided else Computed.BY_BEAM).value)
  return decided
