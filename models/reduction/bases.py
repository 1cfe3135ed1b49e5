"""Principal axes of rides that do not fit memory."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from models.reduction.errors import ReductionError
from models.reduction.matrix import clipped

_ROWS_PER_FEATURE = 20
"""A batch of an incremental pca should be many times as long as it is wide: each one is merged by an SVD."""


class Basis(NamedTuple):
  """All principal axes of some rides, the one of the largest variance first.

  Attributes:
    center: float64 [n], the mean.
    axes: float64 [m, n], orthonormal rows.
    variances: float64 [m], along the axes.
    rides: how many.
  """

  center: np.ndarray
  axes: np.ndarray
  variances: np.ndarray
  rides: int


def incremental_basis(batches: Iterable[np.ndarray], clip: float | None) -> Basis:
  """Axes by scikit-learn's `IncrementalPCA`, which holds one batch at a time.

  Args:
    batches: float [rows, n] of the standardized vector, as they come.
    clip: what the model clips the vector to.

  Raises:
    ReductionError: there are fewer rides than features.
  """
  from sklearn.decomposition import IncrementalPCA

  found: IncrementalPCA | None = None
  waiting = np.zeros([0, 0])
  for batch in batches:
    rows = np.asarray(clipped(batch, clip), np.float64)
    waiting = np.concatenate([waiting, rows]) if len(waiting) else rows
    enough = _ROWS_PER_FEATURE * waiting.shape[1]
    # scikit-learn takes no batch shorter than it is wide, so the last one must never be a short rest.
    while len(waiting) >= 2 * enough:
      found = (found or IncrementalPCA(n_components=waiting.shape[1])).partial_fit(waiting[:enough])
      waiting = waiting[enough:]
  if len(waiting) < waiting.shape[1] or not len(waiting):
    raise ReductionError(
      f'An incremental pca of {waiting.shape[1]} features needs at least as many training rides, got {len(waiting)}: '
      'set reduction.engine to sklearn.'
    )
  found = (found or IncrementalPCA(n_components=waiting.shape[1])).partial_fit(waiting)
  return Basis(found.mean_, found.components_, found.explained_variance_, int(found.n_samples_seen_))
