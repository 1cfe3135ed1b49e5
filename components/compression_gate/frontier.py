"""The Pareto frontier: what no other point beats in both of two costs."""

from __future__ import annotations

from collections.abc import Mapping


def frontier(costs: Mapping[str, tuple[float, float]]) -> set[str]:
  """The names of the points that none dominates.

  Args:
    costs: two costs of each point by name; smaller is better.

  Returns:
    A point is left out where another one has no larger cost and one smaller;
    equal points stay together.
  """
  return {name for name, own in costs.items() if not any(_dominates(other, own) for other in costs.values())}


def _dominates(other: tuple[float, float], own: tuple[float, float]) -> bool:
  return other != own and other[0] <= own[0] and other[1] <= own[1]
