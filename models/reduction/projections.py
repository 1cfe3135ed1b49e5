"""Projections by scikit-learn, as arrays, and principal axes of rides that do not fit memory."""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np

from configs.reduction import Reduction, ReductionMethod
from models.reduction.mappings import Affine, Factors, Matrix, ReductionError, clipped

_ROWS_PER_FEATURE = 20
"""A batch of an incremental pca should be many times as long as it is wide: each one is merged by an SVD."""


class Basis(NamedTuple):
  """All principal axes of some rides, the one of the largest variance first.

  Attributes:
    center: float64 [n], the mean.
    axes: float64 [m, n], orthonormal rows.
    variances: float64 [m], along the axes.
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
  Raises: ReductionError: there are fewer rides than features.
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


_MOST_AXES = 200
"""Of a truncated SVD whose number of components is to be found by a share of the variance."""

_RELATIVE_RANK = 1e-5
"""Axes with a spread below this share of the largest one are the rounding of float32 features."""


_LEAST_SPREAD = 1e-2
"""Directions in which rides of one fare band differ by less, in standard deviations, are left out by lda. They are
differences of nearly equal features, with weights so large that float32 could not add them up to 1e-5."""


@dataclasses.dataclass(frozen=True)
class Projected:
  """A fitted projection.

  Attributes:
    spectrum: float64 [m], shares of the variance by component, also of those that were not chosen; `None` where the
      method has none.
    notes: sentences on what a person should know.
  """

  mapping: Affine | Factors
  spectrum: np.ndarray | None = None
  notes: tuple[str, ...] = ()


def project(reduction: Reduction, matrix: Matrix, basis: Basis | None = None) -> Projected:
  """Fits the projection that `reduction` names.

  Args:
    reduction: its method is a projection.
    matrix: the rides; at least one feature varies.
    basis: principal axes from elsewhere, for pca.
  Raises: ReductionError: the rides don't allow it.
  """
  with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter('always')
    found = _FITS[reduction.method](reduction, matrix, basis)
  # What scikit-learn warns of, such as iterations that did not converge, belongs into the report.
  warned = [str(warning.message) for warning in caught if 'onverge' in str(warning.message)]
  return dataclasses.replace(found, notes=(*found.notes, *dict.fromkeys(warned)))


def _pca(reduction: Reduction, matrix: Matrix, basis: Basis | None) -> Projected:
  from sklearn.decomposition import PCA

  notes: tuple[str, ...] = ()
  if basis is None:
    whole = PCA(svd_solver='full').fit(matrix.numeric)
    basis = Basis(whole.mean_, whole.components_, whole.explained_variance_, len(matrix))
  else:
    notes = (f'The axes are those of all {basis.rides:,} training rides.',)
  shares = basis.variances / basis.variances.sum()
  count = _count(reduction, shares, matrix)
  _within_rank(count, np.sqrt(basis.variances))
  axes = basis.axes[:count]
  if reduction.whiten:
    axes = axes / np.sqrt(basis.variances[:count])[:, None]
  return Projected(Affine(basis.center, axes.T), shares, notes)


def _svd(reduction: Reduction, matrix: Matrix, _: Basis | None) -> Projected:
  from sklearn.decomposition import TruncatedSVD

  whole = matrix.whole()
  # scikit-learn takes fewer components than columns; a thousand cells need not be taken apart to the last one.
  most = min(whole.shape[1] - 1, len(matrix) - 1, _MOST_AXES)
  wanted = reduction.size if isinstance(reduction.size, int) else most
  if wanted > min(whole.shape[1] - 1, len(matrix)):
    raise ReductionError(
      f'reduction.components is {wanted}, but a truncated svd of {len(matrix):,} rides with {whole.shape[1]} columns '
      f'has at most {min(whole.shape[1] - 1, len(matrix))}; use pca for all of them.'
    )
  found = TruncatedSVD(n_components=wanted, n_iter=10, random_state=reduction.seed).fit(whole)
  shares = found.explained_variance_ratio_
  count = wanted if isinstance(reduction.size, int) else _share(float(reduction.size or 1), shares)
  if count is None:
    raise ReductionError(
      f'The first {wanted} components hold {shares.sum():.3g} of the variance, less than reduction.components '
      f'{reduction.size:g}: give a smaller share, or a number.'
    )
  _within_rank(count, found.singular_values_)
  weights = found.components_[:count].T
  width = len(matrix.names)
  ends = np.cumsum([width, *matrix.sizes.values()])
  tables = {name: weights[end - size : end] for (name, size), end in zip(matrix.sizes.items(), ends[1:], strict=True)}
  return Projected(Affine(np.zeros(width), weights[:width], tables), shares)


def _ica(reduction: Reduction, matrix: Matrix, _: Basis | None) -> Projected:
  from sklearn.decomposition import FastICA

  count = _count(reduction, None, matrix)
  _within_rank(count, np.linalg.svd(matrix.numeric - matrix.numeric.mean(axis=0), compute_uv=False))
  found = FastICA(count, whiten='unit-variance', random_state=reduction.seed, max_iter=1000).fit(matrix.numeric)
  return Projected(Affine(found.mean_, found.components_.T))


def _nmf(reduction: Reduction, matrix: Matrix, _: Basis | None) -> Projected:
  from sklearn.decomposition import NMF

  lowest = matrix.numeric.min(axis=0) if reduction.shift else np.zeros(len(matrix.names))
  negative = [name for name, least in zip(matrix.names, matrix.numeric.min(axis=0), strict=True) if least < 0]
  if negative and not reduction.shift:
    raise ReductionError(
      f'nmf takes no negative values, but {len(negative)} of {len(matrix.names)} standardized features have some, such '
      f'as {negative[0]}: set reduction.shift to true.'
    )
  shifted = matrix.numeric - lowest
  count = _count(reduction, None, matrix)
  found = NMF(count, init='nndsvda', max_iter=500, random_state=reduction.seed).fit(shifted)
  return Projected(Factors(lowest, found.components_, reduction.iterations))


def _lda(reduction: Reduction, matrix: Matrix, _: Basis | None) -> Projected:
  from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

  classes = fare_classes(matrix.fares, reduction.fare_bands)
  rides = np.bincount(classes)
  present = int((rides > 0).sum())
  if present < 2:
    raise ReductionError(
      f'lda separates classes of fares, but all {len(matrix):,} training rides are in one fare band: '
      f'give reduction.fare_bands that divide fares from {matrix.fares.min():g} to {matrix.fares.max():g}.'
    )
  if len(matrix) <= present:
    raise ReductionError(f'lda of {present} fare bands needs more training rides than bands, got {len(matrix)}.')
  most = min(present - 1, int(matrix.varies.sum()))
  count = most if reduction.size is None else _of(reduction.size, most)
  if count > most:
    raise ReductionError(
      f'reduction.components is {count}, but the fares fall into {present} bands, and lda has at most {most}.'
    )
  found = LinearDiscriminantAnalysis(solver='svd', n_components=count, tol=_LEAST_SPREAD).fit(matrix.numeric, classes)
  weights = found.scalings_[:, :count]
  if weights.shape[1] < count:
    raise ReductionError(f'The fare bands differ in only {weights.shape[1]} directions; give so many components.')
  return Projected(Affine(found.xbar_, weights))


def _pls(reduction: Reduction, matrix: Matrix, _: Basis | None) -> Projected:
  from sklearn.cross_decomposition import PLSRegression

  if matrix.fares.min() == matrix.fares.max():
    raise ReductionError(f'pls follows the fare, but all {len(matrix):,} training rides cost {matrix.fares[0]:g}.')
  count = _count(reduction, None, matrix)
  _within_rank(count, np.linalg.svd(matrix.numeric - matrix.numeric.mean(axis=0), compute_uv=False))
  found = PLSRegression(n_components=count).fit(matrix.numeric, matrix.fares)
  # Its own `transform` centers, scales and rotates; the names are scikit-learn's, private since 1.1.
  return Projected(Affine(found._x_mean, found.x_rotations_ / found._x_std[:, None]))


_FITS: dict[ReductionMethod, Callable[[Reduction, Matrix, Basis | None], Projected]] = {
  ReductionMethod.PCA: _pca,
  ReductionMethod.SVD: _svd,
  ReductionMethod.ICA: _ica,
  ReductionMethod.NMF: _nmf,
  ReductionMethod.LDA: _lda,
  ReductionMethod.PLS: _pls,
}


def fare_classes(fares: np.ndarray, bands: int | Sequence[float]) -> np.ndarray:
  """The fare band of each ride: int [rides] from 0 on.

  Args:
    fares: float [rides].
    bands: how many, of equally many rides each as far as equal fares allow; or where they begin, but for the first one.
  """
  begins: Any = bands
  if isinstance(bands, int):
    begins = np.unique(np.quantile(fares, np.arange(1, bands) / bands))
  return np.searchsorted(np.asarray(begins, np.float64), fares, side='right')


def _count(reduction: Reduction, shares: np.ndarray | None, matrix: Matrix) -> int:
  """Number of components, by number, by share of the variance, or by share of the features."""
  size = reduction.size
  assert size is not None
  if shares is not None and not isinstance(size, int):
    return _share(size, shares) or len(shares)
  return _of(size, len(matrix.names))


def _of(size: int | float, whole: int) -> int:
  return size if isinstance(size, int) else max(1, round(size * whole))


def _share(wanted: float, shares: np.ndarray) -> int | None:
  """How many of the first shares exceed `wanted` in sum, as scikit-learn's PCA counts; `None` where all don't."""
  count = int(np.searchsorted(np.cumsum(shares), wanted, side='right')) + 1
  return count if count <= len(shares) else None


def _within_rank(count: int, spreads: np.ndarray) -> None:
  rank = int((spreads > _RELATIVE_RANK * spreads[0]).sum())
  if count > rank:
    raise ReductionError(
      f'reduction.components asks for {count}, but the features have only {rank} independent directions: the others '
      f'are sums of them. Give at most {rank}.'
    )
