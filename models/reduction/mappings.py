"""What a fitted reduction computes, as arrays, and its NumPy form; `models.reduction.in_graph` has TensorFlow's.

scikit-learn solves for the weights of an NMF by coordinate descent until it has converged, which no lite file can. Its
multiplicative update converges so slowly that 50 steps miss the solution by 0.2 to 0.35 standard deviations (root mean
square, New York rides, 5 to 22 factors); accelerated projected gradients miss it by 1e-5 to 3e-3, and at 22 factors are
nearer to it than scikit-learn's own default tolerance.
"""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from scipy import sparse

from configs.errors import FailedError

_RIDGE = 1e-6
"""Relative to the factors' own length; the start need not be exact."""


class Solver(NamedTuple):
  """Projected gradient with constant momentum, for normalized factors.

  One step makes of the last two states `x`, `y` and the projections `b` onto the factors the next state
  `relu([x, y, b] @ step)`.

  Attributes:
    project: float64 [n, k], from the non-negative vector to `b`.
    start: float64 [k, k], from `b` to the first state, before the relu.
    step: float64 [3 k, k].
    finish: float64 [k], from the last state to the weights of the factors.
  Source: Y. Nesterov, "Introductory Lectures on Convex Optimization", 2004, scheme 2.2.9 with a projection.
  """

  project: np.ndarray
  start: np.ndarray
  step: np.ndarray
  finish: np.ndarray
  iterations: int

  @classmethod
  def of(cls, factors: np.ndarray, iterations: int) -> Solver:
    """The solver for float64 [k, n] non-negative factors; one that is 0 everywhere gets weight 0."""
    lengths = np.linalg.norm(factors, axis=1)
    used = lengths > 0
    lengths = np.where(used, lengths, 1)
    normalized = factors / lengths[:, None]
    gram, unit = normalized @ normalized.T, np.eye(len(factors))
    smallest, largest = np.linalg.eigvalsh(gram)[[0, -1]]
    largest = max(largest, np.finfo(np.float64).tiny)
    # Without strong convexity the momentum is what so many steps can use.
    convexity = math.sqrt(max(max(smallest, 0) / largest, (2 / (iterations + 1)) ** 2))
    momentum = (1 - convexity) / (1 + convexity)
    shrinking = unit - gram / largest
    step = np.concatenate([(1 + momentum) * shrinking, -momentum * shrinking, unit / largest])
    return cls(normalized.T, np.linalg.inv(gram + _RIDGE * unit), step, used / lengths, iterations)

  def solve(self, vectors: np.ndarray) -> np.ndarray:
    """Weights of the factors: float [rides, n] non-negative to [rides, k] non-negative."""
    projected = vectors @ self.project
    state = before = np.maximum(projected @ self.start, 0)
    for _ in range(self.iterations):
      state, before = np.maximum(np.concatenate([state, before, projected], axis=1) @ self.step, 0), state
    return np.asarray(state * self.finish)


@dataclasses.dataclass(frozen=True)
class Selection:
  """Some of the features as they are; `kept`, int [k], are their rising positions in the full vector."""

  kept: np.ndarray

  def raw(self, numeric: np.ndarray, categories: Mapping[str, np.ndarray]) -> np.ndarray:
    """Float [rides, n] to [rides, k]."""
    return np.asarray(numeric[:, self.kept])


@dataclasses.dataclass(frozen=True)
class Affine:
  """A projection: pca, svd, ica, lda and pls.

  Attributes:
    center: float64 [n], what is subtracted first.
    weights: float64 [n, k].
    tables: by categorical column, float64 [size, k]: the row of a ride's value is added. It is what the weights of its
      one-hot columns would add.
  """

  center: np.ndarray
  weights: np.ndarray
  tables: Mapping[str, np.ndarray] = dataclasses.field(default_factory=dict)

  def raw(self, numeric: np.ndarray, categories: Mapping[str, np.ndarray]) -> np.ndarray:
    """Float [rides, n] to float64 [rides, k], equal to scikit-learn's `transform`."""
    found = (numeric - self.center) @ self.weights
    for name, table in self.tables.items():
      found = found + table[categories[name]]
    return np.asarray(found)


@dataclasses.dataclass(frozen=True)
class Factors:
  """Weights of non-negative factors: nmf.

  Attributes:
    lowest: float64 [n], subtracted first; what is below it counts as 0.
    factors: float64 [k, n], non-negative.
  """

  lowest: np.ndarray
  factors: np.ndarray
  iterations: int

  def raw(self, numeric: np.ndarray, categories: Mapping[str, np.ndarray]) -> np.ndarray:
    """Float [rides, n] to float64 [rides, k], near scikit-learn's `transform`; see `Solver`."""
    return Solver.of(self.factors, self.iterations).solve(self.shifted(numeric))

  def shifted(self, numeric: np.ndarray) -> np.ndarray:
    """The non-negative vector that is factorized."""
    return np.asarray(np.maximum(numeric - self.lowest, 0))


MappingKind = Selection | Affine | Factors


@dataclasses.dataclass(frozen=True)
class Matrix:
  """Rides to fit on.

  Attributes:
    numeric: float64 [rides, n], as the model sees them: standardized, clipped.
    fares: float64 [rides].
    categories: int64 [rides] by categorical column; empty unless they take part.
    sizes: number of values by categorical column.
  """

  names: tuple[str, ...]
  numeric: np.ndarray
  fares: np.ndarray
  categories: Mapping[str, np.ndarray] = dataclasses.field(default_factory=dict)
  sizes: Mapping[str, int] = dataclasses.field(default_factory=dict)

  def __len__(self) -> int:
    return len(self.fares)

  @functools.cached_property
  def varies(self) -> np.ndarray:
    """Which features have more than one value: bool [n]."""
    return np.asarray(self.numeric.max(axis=0) > self.numeric.min(axis=0))

  @property
  def constant(self) -> list[str]:
    """Features that have one value in all rides."""
    return [name for name, varies in zip(self.names, self.varies, strict=True) if not varies]

  def whole(self) -> np.ndarray | sparse.csr_matrix:
    """Numeric columns, then one one-hot column per value of each category: [rides, n + sum of sizes]."""
    if not self.sizes:
      return self.numeric
    rows, ones = np.arange(len(self)), np.ones(len(self))
    one_hot = [
      sparse.csr_matrix((ones, (rows, self.categories[name])), shape=(len(self), size))
      for name, size in self.sizes.items()
    ]
    return sparse.hstack([sparse.csr_matrix(self.numeric), *one_hot], format='csr')


def clipped(numeric: np.ndarray, clip: float | None) -> np.ndarray:
  """The standardized vector within `clip` standard deviations, as the model's own `Clip` layer has it."""
  return np.asarray(numeric if clip is None else np.clip(numeric, -clip, clip))


class ReductionError(FailedError):
  """The rides don't allow the reduction of the config; the message is one sentence."""
