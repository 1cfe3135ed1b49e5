"""What is reduced: the clipped standardized vector of the training rides, and one-hot columns where they take part."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping, Sequence

import numpy as np
from scipy import sparse


@dataclasses.dataclass(frozen=True)
class Matrix:
  """Rides to fit on.

  Attributes:
    names: of the numeric features.
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
    return joined(self.numeric, self.categories, self.sizes) if self.sizes else self.numeric


def clipped(numeric: np.ndarray, clip: float | None) -> np.ndarray:
  """The standardized vector within `clip` standard deviations, as the model's own `Clip` layer has it."""
  return np.asarray(numeric if clip is None else np.clip(numeric, -clip, clip))


def joined(numeric: np.ndarray, categories: Mapping[str, np.ndarray], sizes: Mapping[str, int]) -> sparse.csr_matrix:
  """Numeric and one-hot columns, sparse: float64 [rides, n + sum of sizes]."""
  return sparse.hstack([sparse.csr_matrix(numeric), *one_hot(categories, sizes)], format='csr')


def one_hot(categories: Mapping[str, np.ndarray], sizes: Mapping[str, int]) -> Sequence[sparse.csr_matrix]:
  """By category, float64 [rides, size] with a single 1 in each row."""
  found = []
  for name, size in sizes.items():
    index = np.asarray(categories[name])
    ones = np.ones(len(index))
    found.append(sparse.csr_matrix((ones, (np.arange(len(index)), index)), shape=(len(index), size)))
  return found
