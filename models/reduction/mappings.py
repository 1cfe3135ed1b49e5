"""What a fitted reduction computes, as arrays, and its NumPy form; `models.reduction.in_graph` has TensorFlow's."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import numpy as np

from models.reduction.nonnegative import Solver


@dataclasses.dataclass(frozen=True)
class Selection:
  """Some of the features as they are.

  Attributes:
    kept: int [k], rising positions in the full vector.
  """

  kept: np.ndarray

  @property
  def width(self) -> int:
    """Number of outputs."""
    return len(self.kept)

  def raw(self, numeric: np.ndarray, categories: Mapping[str, np.ndarray]) -> np.ndarray:
    """Float [rides, n] to [rides, k]."""
    del categories
    return np.asarray(numeric[:, self.kept])


@dataclasses.dataclass(frozen=True)
class Affine:
  """A projection: pca, svd, ica, lda and pls.

  Attributes:
    center: float64 [n], what is subtracted first.
    weights: float64 [n, k].
    tables: by categorical column, float64 [size, k]: the row of a ride's value
      is added. It is what the weights of its one-hot columns would add.
  """

  center: np.ndarray
  weights: np.ndarray
  tables: Mapping[str, np.ndarray] = dataclasses.field(default_factory=dict)

  @property
  def width(self) -> int:
    """Number of outputs."""
    return int(self.weights.shape[1])

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
    iterations: steps of the solver.
  """

  lowest: np.ndarray
  factors: np.ndarray
  iterations: int

  @property
  def width(self) -> int:
    """Number of outputs."""
    return len(self.factors)

  def raw(self, numeric: np.ndarray, categories: Mapping[str, np.ndarray]) -> np.ndarray:
    """Float [rides, n] to float64 [rides, k], near scikit-learn's `transform`; see `Solver`."""
    del categories
    return Solver.of(self.factors, self.iterations).solve(self.shifted(numeric))

  def shifted(self, numeric: np.ndarray) -> np.ndarray:
    """The non-negative vector that is factorized."""
    return np.asarray(np.maximum(numeric - self.lowest, 0))


MappingKind = Selection | Affine | Factors
