"""The graph of steps as lanes beside a list: each step one row, its edges lines that run down to it."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

from markupsafe import Markup

from pipeline.report.charts.svg import element

ROW = 34.0
"""Height of a row, in CSS pixels; the style sheet has the same."""

_LANE, _EDGE = 16.0, 9.0


@dataclasses.dataclass(frozen=True)
class _Lane:
  """A step whose edges are not all drawn yet."""

  source: str
  targets: frozenset[str]


def draw_lanes(after: Mapping[str, Sequence[str]], styles: Mapping[str, str]) -> list[Markup]:
  """Draws the graph.

  Args:
    after: for each step, in topological order, the steps that it waits for.
    styles: class of each step's dot.

  Returns:
    A picture for each row, all equally wide.
  """
  edges = _reduced(after)
  lanes: list[_Lane | None] = []
  rows: list[tuple[int, list[Markup]]] = []
  for name in after:
    own = _own_lane(lanes, name)
    parts = _through(lanes, name, own)
    targets = frozenset(step for step, before in edges.items() if name in before)
    lanes[:] = [_left(lane, name) for lane in lanes]
    lanes += [None] * (own + 1 - len(lanes))
    if targets:
      lanes[own] = _Lane(name, targets)
      parts.append(_path(own, ROW / 2, own, ROW))
    parts.append(element('circle', cx=_x(own), cy=ROW / 2, r=5, class_=f'step {styles[name]}'))
    rows.append((len(lanes), parts))
  width = _x(max(count for count, _ in rows) - 1) + _EDGE
  return [_row(width, parts) for _, parts in rows]


def _reduced(after: Mapping[str, Sequence[str]]) -> dict[str, set[str]]:
  """The graph without edges that a longer way says already; steps that are not in it are left out."""
  above: dict[str, set[str]] = {}
  edges: dict[str, set[str]] = {}
  for name, told in after.items():
    direct = {step for step in told if step in above}
    above[name] = direct.union(*(above[step] for step in direct))
    edges[name] = {step for step in direct if not any(step in above[other] for other in direct)}
  return edges


def _own_lane(lanes: Sequence[_Lane | None], name: str) -> int:
  """The leftmost lane that ends here, else a free one."""
  ending = [index for index, lane in enumerate(lanes) if lane and lane.targets == {name}]
  free = [index for index, lane in enumerate(lanes) if lane is None]
  return min(ending or free or [len(lanes)])


def _through(lanes: Sequence[_Lane | None], name: str, own: int) -> list[Markup]:
  """What comes from above: lines into this step, and lines that pass it."""
  parts = []
  for index, lane in enumerate(lanes):
    if lane is None:
      continue
    if name in lane.targets:
      parts.append(_path(index, 0, own, ROW / 2))
    if lane.targets != {name}:
      parts.append(_path(index, 0, index, ROW))
  return parts


def _left(lane: _Lane | None, name: str) -> _Lane | None:
  """The lane below a step that it may have led to."""
  targets = lane.targets - {name} if lane else frozenset()
  return _Lane(lane.source, targets) if lane and targets else None


def _path(lane: int, top: float, target: int, bottom: float) -> Markup:
  x, end, middle = _x(lane), _x(target), (top + bottom) / 2
  return element('path', d=f'M{x:g} {top:g}C{x:g} {middle:g} {end:g} {middle:g} {end:g} {bottom:g}', class_='lane')


def _x(lane: int) -> float:
  return _EDGE + _LANE * lane


def _row(width: float, parts: Sequence[Markup]) -> Markup:
  return element(
    'svg', *parts, viewBox=f'0 0 {width:g} {ROW:g}', width=f'{width:g}', height=f'{ROW:g}', aria_hidden='true'
  )
