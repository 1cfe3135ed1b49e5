"""The graph of the run's steps, how long each took, and which came from the cache."""

from __future__ import annotations

import dataclasses

from markupsafe import Markup

from configs.problems import joined
from pipeline.report.charts.bars import length_bar
from pipeline.report.charts.lanes import draw_lanes
from pipeline.report.record import RunRecord
from pipeline.report.wording import counted, seconds
from pipeline.steps import StepState

_WORDS = {
  StepState.COMPLETE: 'ran',
  StepState.CACHED: 'from the cache',
  StepState.SKIPPED: 'skipped',
  StepState.FAILED: 'failed',
}


@dataclasses.dataclass(frozen=True)
class StepRow:
  """One step.

  Attributes:
    name: the node's id.
    state: as in `StepState`.
    word: the state, for people.
    time: how long it took.
    bar: the same as a bar.
    lanes: its part of the graph; empty where the summary has no graph.
    after: the steps that it waits for.
  """

  name: str
  state: str
  word: str
  time: str
  bar: Markup
  lanes: Markup
  after: str


@dataclasses.dataclass(frozen=True)
class StepsSection:
  """The steps: a sentence, and a row each."""

  told: str
  rows: tuple[StepRow, ...]
  has_graph: bool


def steps_section(record: RunRecord) -> StepsSection | None:
  """The section, or `None` if no step ended."""
  steps = record.steps()
  if not steps:
    return None
  graph = {step.name: step.after for step in steps if step.after is not None}
  has_graph = len(graph) == len(steps)
  styles = {step.name: step.state.value for step in steps}
  lanes = draw_lanes(graph, styles) if has_graph else [Markup('')] * len(steps)
  top = max(step.seconds for step in steps)
  rows = tuple(
    StepRow(
      name=step.name,
      state=step.state.value,
      word=_WORDS[step.state],
      time=seconds(step.seconds),
      bar=length_bar(step.seconds, top, f'length {step.state.value}'),
      lanes=lane,
      after=joined(step.after) if step.after else '',
    )
    for step, lane in zip(steps, lanes, strict=True)
  )
  cached = sum(step.state is StepState.CACHED for step in steps)
  told = f'{counted(len(steps), "step")} in {seconds(sum(step.seconds for step in steps))}'
  return StepsSection(f'{told}; {cached or "none"} came from the cache.', rows, has_graph)
