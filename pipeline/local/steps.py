"""What became of each step of a run. Needs no TFX, as the terminal, the report and predictions use it."""

from __future__ import annotations

import dataclasses
import enum
from collections.abc import Mapping, Sequence
from typing import Any, Protocol


class StepState(str, enum.Enum):
  """How a step ended."""

  COMPLETE = 'complete'
  CACHED = 'cached'
  SKIPPED = 'skipped'
  FAILED = 'failed'


_LOOK_UPS = frozenset({'BaselineStatistics', 'ServedModel', 'WarmStartModel'})


def is_look_up(name: str) -> bool:
  """Whether a node only finds what an earlier run left; it is shown apart, and no figure counts it as a step."""
  # Compiled for Vertex, one look-up is two tasks with endings to its name.
  return name.split('-')[0] in _LOOK_UPS


@dataclasses.dataclass(frozen=True)
class Output:
  """One output artifact: where it is and its custom properties."""

  uri: str
  properties: Mapping[str, Any]


@dataclasses.dataclass(frozen=True)
class Step:
  """A step that ended.

  Attributes:
    name: the node's id.
    seconds: wall time, driver and metadata included.
    outputs: artifacts by output key; empty unless complete or cached.
    began: when, by `time.monotonic`; `None` where nobody looked at the clock.
    ahead: seconds before that in which a part of its work was done beside other steps.
  """

  name: str
  state: StepState
  seconds: float
  outputs: Mapping[str, Sequence[Output]] = dataclasses.field(default_factory=dict)
  began: float | None = None
  ahead: float = 0.0


class StepObserver(Protocol):
  """Is called for each step as a run goes on; two may run at a time, each in a thread of its own."""

  def started(self, name: str) -> None:
    """A step begins."""

  def ended(self, step: Step) -> None:
    """A step ended, in whatever state."""


def next_step(order: Sequence[str], ended: Sequence[Step]) -> str | None:
  """The first step that has not ended yet, such as `4 (Trainer)`; `None` where all have.

  Args: order: names of all steps as they are listed; look-ups have no number.
  """
  done = {step.name for step in ended if step.state is not StepState.FAILED}
  names = [name for name in order if not is_look_up(name)]
  return next((f'{place} ({name})' for place, name in enumerate(names, 1) if name not in done), None)


def output_of(steps: Sequence[Step], name: str, key: str) -> Output | None:
  """The single output `key` of the step `name`, or `None` if it did not come to that."""
  for step in steps:
    if step.name == name and step.outputs.get(key):
      return step.outputs[key][0]
  return None
