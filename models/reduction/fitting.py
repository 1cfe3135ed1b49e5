"""Fits a reduction on training rides, and measures what it keeps of the features and what it loses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from configs.base import shortened
from configs.reduction import Reduction
from models.error_intervals import root_mean_square
from models.reduction.fitted import Findings, Fitted
from models.reduction.mappings import Affine, Factors, MappingKind, Matrix, ReductionError, Selection, Solver, clipped
from models.reduction.projections import Basis, project
from models.reduction.records import Decision
from models.reduction.selections import select

_POINTS = 2000
_CONVERGED = 5000
"""Steps after which the solver's own error is below that of float64 for any factors that were seen."""


def _observe(
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
    components: float64 [rides, k], what it makes of them.
    spectrum: shares of the variance as the method itself has them.
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


_SHOWN_NAMES = 5


def fit(
  reduction: Reduction,
  names: Sequence[str],
  numeric: np.ndarray,
  fares: np.ndarray,
  *,
  clip: float | None = None,
  categories: Mapping[str, np.ndarray] | None = None,
  sizes: Mapping[str, int] | None = None,
  read: int | None = None,
  basis: Basis | None = None,
) -> Fitted:
  """Fits a reduction by scikit-learn.

  Args:
    reduction: its method; not none.
    names: of the features, [n].
    numeric: float [rides, n], the standardized training split, or a sample of it.
    fares: float [rides], the city's currency.
    clip: what the model clips the vector to, `Model.clip`.
    categories: int [rides] by categorical column; read where `reduction.takes_categoricals` alone.
    sizes: number of values by categorical column.
    read: rides that the sample was taken from; as many as given when unset.
    basis: principal axes from elsewhere, for data that do not fit memory; the rides given are then for the pictures.
  Raises: ReductionError: the rides don't allow it, such as fewer of them than components.
  """
  total = len(fares) if read is None else read
  rows: np.ndarray | slice = slice(None)
  if len(fares) > reduction.sample:
    rows = np.sort(np.random.default_rng(reduction.seed).choice(len(fares), reduction.sample, replace=False))
  taken = sizes if reduction.takes_categoricals and sizes else {}
  matrix = Matrix(
    names=tuple(names),
    numeric=np.asarray(clipped(np.asarray(numeric)[rows], clip), np.float64),
    fares=np.asarray(fares, np.float64)[rows],
    categories={name: np.asarray((categories or {})[name])[rows] for name in taken},
    sizes=taken,
  )
  _check(reduction, matrix)
  notes = [] if total == len(matrix) else [f'Fitted on a random sample of {len(matrix):,} of {total:,} training rides.']
  if matrix.constant:
    notes.append(f'Constant in the training rides, so without effect: {shortened(matrix.constant, _SHOWN_NAMES)}.')
  decisions: tuple[Decision, ...] = ()
  outputs: tuple[str, ...] = ()
  spectrum: np.ndarray | None = None
  mapping: MappingKind
  if reduction.method.is_selection:
    decisions = select(reduction, matrix)
    mapping = Selection(np.flatnonzero([decision.kept for decision in decisions]))
    outputs = tuple(decision.name for decision in decisions if decision.kept)
    if not outputs:
      best = max(decisions, key=lambda found: np.nan_to_num(found.score or 0.0, nan=-np.inf))
      raise ReductionError(
        f'No feature reaches reduction.threshold {reduction.least:g}; the best one, {best.name}, has {best.score:.3g}.'
      )
  else:
    found = project(reduction, matrix, basis)
    mapping, spectrum = found.mapping, found.spectrum
    notes += found.notes
  components = mapping.raw(matrix.numeric, matrix.categories)
  outputs = outputs or tuple(f'{reduction.method.value}_{number}' for number in range(components.shape[1]))
  mean, scale = _standardization(reduction, mapping, components, basis)
  findings = _observe(matrix, mapping, components, spectrum, total, notes, decisions, reduction.seed)
  return Fitted(reduction, matrix.names, outputs, clip, mapping, mean, scale, findings)


def _check(reduction: Reduction, matrix: Matrix) -> None:
  """What makes every method senseless."""
  if not matrix.names:
    raise ReductionError('There is no numeric feature to reduce; switch a block on under features.')
  if len(matrix) < 2:
    raise ReductionError(
      f'reduction.method {reduction.method.value} needs at least 2 training rides, got {len(matrix)}.'
    )
  if not matrix.varies.any():
    raise ReductionError(
      f'All {len(matrix.names)} features are constant over the {len(matrix):,} training rides, so there is nothing to '
      'reduce: give more rides, or set reduction.method to none.'
    )
  wanted = reduction.components
  if not isinstance(wanted, int):
    return
  varying, width = int(matrix.varies.sum()), len(matrix.names) + sum(matrix.sizes.values())
  if wanted > width:
    raise ReductionError(
      f'reduction.components is {wanted}, but the rides have {width} features; at most {width} components can be made '
      'of them.'
    )
  if wanted > varying + sum(matrix.sizes.values()):
    raise ReductionError(
      f'reduction.components is {wanted}, but only {varying} of the {len(matrix.names)} features vary over the '
      f'training rides; constant: {shortened(matrix.constant, _SHOWN_NAMES)}. Give at most {varying}.'
    )
  if reduction.method.is_projection and wanted > len(matrix):
    raise ReductionError(
      f'reduction.components is {wanted}, but there are {len(matrix)} training rides, fewer than components: give more '
      'rides or fewer components.'
    )


def _standardization(
  reduction: Reduction, mapping: MappingKind, components: np.ndarray, basis: Basis | None
) -> tuple[np.ndarray, np.ndarray]:
  """Mean and scale that give the model inputs of mean 0, and unit variance or, without whitening, that of the first."""
  width = components.shape[1]
  if isinstance(mapping, Selection):
    return np.zeros(width), np.ones(width)
  mean, spread = components.mean(axis=0), components.std(axis=0)
  if basis is not None and isinstance(mapping, Affine):
    # Exact ones over all rides, where the rides at hand are a sample.
    mean = np.zeros(width)
    spread = np.ones(width) if reduction.whiten else np.sqrt(basis.variances[:width])
  if not reduction.whiten:
    spread = np.full_like(spread, spread[0])
  scale = np.where(spread > 0, 1 / np.where(spread > 0, spread, 1), 0)
  return mean, scale
