"""What a reduction keeps of the features, and what it loses."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from models.intervals import root_mean_square
from models.reduction.fitted import Decision, Findings
from models.reduction.mappings import Factors, MappingKind
from models.reduction.matrix import Matrix
from models.reduction.nonnegative import Solver

_POINTS = 2000
_CONVERGED = 5000
"""Steps after which the solver's own error is below that of float64 for any factors that were seen."""


def observe(
  matrix: Matrix,
  mapping: MappingKind,
  components: np.ndarray,
  spectrum: np.ndarray | None,
  read: int,
  notes: Sequence[str],
  decisions: tuple[Decision, ...],
  seed: int,
) -> Findings:
  """The findings.

  Args:
    matrix: the rides that were fitted on.
    mapping: what was fitted.
    components: float64 [rides, k], what it makes of them.
    spectrum: shares of the variance that the method itself tells.
    read: training rides that there were.
    notes: so far.
    decisions: of a selection.
    seed: of the sample of points.
  """
  centered = matrix.numeric - matrix.numeric.mean(axis=0)
  variance = (centered**2).sum(axis=0)
  basis = _orthonormal(components - components.mean(axis=0))
  added = (basis.T @ centered) ** 2
  left = np.maximum(variance - added.sum(axis=0), 0)
  figures: dict[str, float] = {}
  squares = left.sum()
  if isinstance(mapping, Factors):
    exact = Solver.of(mapping.factors, _CONVERGED).solve(mapping.shifted(matrix.numeric[:_POINTS]))
    spread = np.where(components.std(axis=0) > 0, components.std(axis=0), 1)
    misses = (components[:_POINTS] - exact) / spread
    figures = {'solver_rms': float(root_mean_square(misses)), 'solver_max': float(np.abs(misses).max())}
    squares = ((mapping.shifted(matrix.numeric) - components @ mapping.factors) ** 2).sum()
  rows = np.sort(np.random.default_rng(seed).permutation(len(matrix))[:_POINTS])
  return Findings(
    read=read,
    fitted_on=len(matrix),
    notes=tuple(notes),
    explained=added.sum(axis=1) / variance.sum() if spectrum is None else spectrum,
    loadings=_correlations(centered, components),
    unexplained=left / np.where(variance > 0, variance, 1),
    lost=float(left.sum() / variance.sum()),
    error=float(np.sqrt(squares / len(matrix))),
    points=components[rows, :2],
    fares=matrix.fares[rows],
    decisions=decisions,
    figures=figures,
  )


def _orthonormal(components: np.ndarray) -> np.ndarray:
  """Columns that span the same, each one only what those before it don't; zeros where one adds nothing."""
  lengths = np.linalg.norm(components, axis=0)
  scaled = components / np.where(lengths > 0, lengths, 1)
  basis, triangle = np.linalg.qr(scaled)
  return np.asarray(basis * (np.abs(np.diag(triangle)) > 1e-6))


def _correlations(centered: np.ndarray, components: np.ndarray) -> np.ndarray:
  against = components - components.mean(axis=0)
  lengths = np.outer(np.linalg.norm(centered, axis=0), np.linalg.norm(against, axis=0))
  return np.asarray(centered.T @ against / np.where(lengths > 0, lengths, 1))
