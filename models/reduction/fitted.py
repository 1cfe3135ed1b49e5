"""A fitted reduction: what it computes, and what is known about it."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import numpy as np

from configs.reduction import Reduction
from models.reduction.mappings import MappingKind, Selection
from models.reduction.matrix import clipped
from models.rides import Rides
from transforms import names


@dataclasses.dataclass(frozen=True)
class Decision:
  """What a selection did with a feature.

  Attributes:
    name: the feature.
    score: in the unit of the method; higher is kept. NaN for a constant one.
    kept: whether the model gets it.
    reason: a phrase, such as '0.41 nats, rank 3 of 44'.
  """

  name: str
  score: float
  kept: bool
  reason: str


@dataclasses.dataclass(frozen=True)
class Findings:
  """What is shown of a reduction; arrays are float64.

  Attributes:
    read: training rides that there were.
    fitted_on: training rides that it was fitted on.
    notes: sentences on what a person should know.
    explained: [m], by component the share of the variance that it adds: all
      that a pca or svd could have had, where others tell of those chosen. Of
      all features, by the best linear reconstruction from the components.
    loadings: [n, k], correlation of each feature with each component; 0 for a
      constant feature.
    unexplained: [n], by feature the share of its variance that a linear
      reconstruction from the components misses; 0 for a constant one.
    lost: share of the whole variance that it misses.
    error: root mean square of what a ride's vector differs by from its
      reconstruction, in standard deviations. The method's own reconstruction
      for nmf, the best linear one for the others.
    points: [rides, 2], the first two components of a sample, as scikit-learn
      has them; one column where there is one component.
    fares: [rides] of that sample.
    decisions: by feature; empty for a projection.
    figures: further numbers by name, such as an error of the solver.
  """

  read: int
  fitted_on: int
  notes: tuple[str, ...]
  explained: np.ndarray
  loadings: np.ndarray
  unexplained: np.ndarray
  lost: float
  error: float
  points: np.ndarray
  fares: np.ndarray
  decisions: tuple[Decision, ...] = ()
  figures: Mapping[str, float] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class Fitted:
  """A reduction fitted on training rides.

  Attributes:
    reduction: how it was made.
    names: of the full vector's features, [n].
    outputs: names of what is left, [k].
    clip: the full vector is clipped to this many standard deviations before a
      projection; `None` leaves it as it is. A selection does not clip.
    mapping: from the full vector to scikit-learn's own output.
    mean: float64 [k], of that output over the training rides; 0 for a selection.
    scale: float64 [k], what it is multiplied with after that; 1 for a selection.
    findings: what is shown of it.
  """

  reduction: Reduction
  names: tuple[str, ...]
  outputs: tuple[str, ...]
  clip: float | None
  mapping: MappingKind
  mean: np.ndarray
  scale: np.ndarray
  findings: Findings

  @property
  def is_selection(self) -> bool:
    """Whether the outputs are features of the full vector."""
    return isinstance(self.mapping, Selection)

  def project(self, numeric: np.ndarray, categories: Mapping[str, np.ndarray] | None = None) -> np.ndarray:
    """scikit-learn's `transform`.

    Args:
      numeric: float [rides, n], the full standardized vector.
      categories: int [rides] by categorical column, where they take part.

    Returns:
      Float64 [rides, k].
    """
    within = numeric if self.is_selection else clipped(numeric, self.clip)
    return self.mapping.raw(np.asarray(within, np.float64), categories or {})

  def apply(self, numeric: np.ndarray, categories: Mapping[str, np.ndarray] | None = None) -> np.ndarray:
    """The vector that the model gets in place of the full one: float32 [rides, k], standardized."""
    if isinstance(self.mapping, Selection):
      return np.ascontiguousarray(self.mapping.raw(np.asarray(numeric, np.float32), {}))
    return np.asarray((self.project(numeric, categories) - self.mean) * self.scale, np.float32)

  def apply_to(self, rides: Rides) -> Rides:
    """Rides whose numeric vector is reduced, and whose categorical columns are gone where they took part."""
    inputs = {name: column for name, column in rides.inputs.items() if name not in self.taken}
    inputs[names.NUMERIC] = self.apply(rides.inputs[names.NUMERIC], rides.inputs)
    return Rides(inputs, rides.fares, rides.seconds)

  @property
  def taken(self) -> tuple[str, ...]:
    """Categorical columns that are part of the projection."""
    return tuple(getattr(self.mapping, 'tables', {}))
