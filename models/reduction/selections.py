"""Feature selections by scikit-learn: a score for each feature, what is kept, and why."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np

from configs.reduction import RankingModel, Reduction, ReductionMethod
from models.reduction.mappings import Matrix, ReductionError
from models.reduction.records import Decision

_HELD_OUT = 0.25
_SHUFFLES = 5
_TREES = 50
_FOLDS = 5


@dataclasses.dataclass(frozen=True)
class _Scored:
  """Scores float64 [n] and what they are, for the reasons; some methods decide themselves what is kept."""

  scores: np.ndarray
  unit: str
  kept: np.ndarray | None = None
  reasons: dict[int, str] = dataclasses.field(default_factory=dict)


def select(reduction: Reduction, matrix: Matrix) -> tuple[Decision, ...]:
  """Decides on every feature, in the order of the vector.

  Args:
    reduction: its method is a selection.
    matrix: the rides; at least one feature varies. A constant one is never kept.
  Raises: ReductionError: the rides don't allow it.
  """
  varying = np.flatnonzero(matrix.varies)
  inner = dataclasses.replace(
    matrix, names=tuple(matrix.names[index] for index in varying), numeric=matrix.numeric[:, varying]
  )
  wanted = _wanted(reduction, matrix)
  found = _SCORES[reduction.method](reduction, inner, wanted)
  if found.kept is not None:
    kept = found.kept
  elif wanted is None:
    kept = found.scores > reduction.least
  else:
    kept = np.isin(np.arange(len(varying)), np.argsort(-found.scores, kind='stable')[:wanted])
  ranks = np.empty(len(varying), int)
  ranks[np.argsort(-found.scores, kind='stable')] = np.arange(1, len(varying) + 1)
  decisions = {
    int(index): Decision(
      name=matrix.names[index],
      score=float(score),
      kept=bool(stays),
      reason=found.reasons.get(position) or f'{score:.3g} {found.unit}, rank {rank} of {len(varying)}',
    )
    for position, (index, score, stays, rank) in enumerate(zip(varying, found.scores, kept, ranks, strict=True))
  }
  constant: dict[str, Any] = {'score': float('nan'), 'kept': False, 'reason': 'constant in the training rides'}
  return tuple(decisions.get(index, Decision(name=name, **constant)) for index, name in enumerate(matrix.names))


def _wanted(reduction: Reduction, matrix: Matrix) -> int | None:
  """How many are kept; `None` where a threshold decides."""
  if reduction.least is not None or reduction.size is None:
    return None
  size = reduction.size
  count = size if isinstance(size, int) else max(1, round(size * len(matrix.names)))
  return min(count, int(matrix.varies.sum()))


def _variance(reduction: Reduction, matrix: Matrix, wanted: int | None) -> _Scored:
  """Of the features scaled to [0, 1]: standardized ones all have variance 1."""
  from sklearn.feature_selection import VarianceThreshold
  from sklearn.preprocessing import MinMaxScaler

  scaled = MinMaxScaler().fit_transform(matrix.numeric)
  found = VarianceThreshold(0.0).fit(scaled)
  return _Scored(np.asarray(found.variances_), 'variance after scaling to [0, 1]')


def _correlation(reduction: Reduction, matrix: Matrix, wanted: int | None) -> _Scored:
  """Of the most correlated pair the one goes that follows the fare less, until none is above the threshold."""
  pairs = np.abs(np.corrcoef(matrix.numeric, rowvar=False)).reshape(len(matrix.names), -1)
  np.fill_diagonal(pairs, -1)
  with_fare = _abs_correlation(matrix.numeric, matrix.fares)
  left, reasons = pairs.copy(), {}
  kept = np.ones(len(matrix.names), bool)
  while kept.sum() > 1:
    first, second = np.unravel_index(np.argmax(left), left.shape)
    if (kept.sum() <= wanted) if wanted is not None else (left[first, second] <= reduction.least):
      break
    gone, stays = (first, second) if with_fare[first] < with_fare[second] else (second, first)
    reasons[int(gone)] = (
      f'correlates {left[first, second]:.3f} with {matrix.names[stays]}, which follows the fare closer '
      f'({with_fare[stays]:.3f} and {with_fare[gone]:.3f})'
    )
    kept[gone] = False
    left[gone], left[:, gone] = -1, -1
  for index in np.flatnonzero(kept):
    highest = left[index].max()
    reasons[int(index)] = f'at most {highest:.3f} with any other that is kept' if highest >= 0 else 'the last one left'
  return _Scored(with_fare, 'correlation with the fare', kept, reasons)


def _abs_correlation(numeric: np.ndarray, fares: np.ndarray) -> np.ndarray:
  centered, against = numeric - numeric.mean(axis=0), fares - fares.mean()
  scale = np.linalg.norm(centered, axis=0) * np.linalg.norm(against)
  return np.abs(centered.T @ against) / np.where(scale > 0, scale, 1)


def _mutual_information(reduction: Reduction, matrix: Matrix, wanted: int | None) -> _Scored:
  from sklearn.feature_selection import mutual_info_regression

  if len(matrix) <= 4:
    raise ReductionError(
      f'mutual_information looks at 3 neighbours of a ride, so it needs more rides than {len(matrix)}.'
    )
  scores = mutual_info_regression(matrix.numeric, matrix.fares, random_state=reduction.seed)
  return _Scored(scores, 'nats with the fare')


def _permutation(reduction: Reduction, matrix: Matrix, wanted: int | None) -> _Scored:
  """What the RMSE on held-out rides rises by when a feature is shuffled."""
  from sklearn.inspection import permutation_importance
  from sklearn.model_selection import train_test_split

  if len(matrix) < 8:
    raise ReductionError(
      f'permutation holds out a part of the training rides, so it needs 8 at least, got {len(matrix)}.'
    )
  parts = train_test_split(matrix.numeric, matrix.fares, test_size=_HELD_OUT, random_state=reduction.seed)
  fitted = _model(reduction).fit(parts[0], parts[2])
  found = permutation_importance(
    fitted, parts[1], parts[3], scoring='neg_root_mean_squared_error', n_repeats=_SHUFFLES, random_state=reduction.seed
  )
  return _Scored(np.asarray(found.importances_mean), 'more RMSE without it')


def _model(reduction: Reduction) -> Any:
  """What ranks the features; a forest rather than boosted trees, as those crawl where another process has a core."""
  if reduction.scorer is RankingModel.LINEAR:
    from sklearn.linear_model import Ridge

    return Ridge()
  from sklearn.ensemble import ExtraTreesRegressor

  return ExtraTreesRegressor(_TREES, min_samples_leaf=3, random_state=reduction.seed)


def _rfe(reduction: Reduction, matrix: Matrix, wanted: int | None) -> _Scored:
  """Drops the least important feature of a model, fits again, and so on."""
  from sklearn.feature_selection import RFE

  assert wanted is not None
  found = RFE(_model(reduction), n_features_to_select=wanted).fit(matrix.numeric, matrix.fares)
  kept = np.asarray(found.support_)
  last = len(matrix.names) - wanted
  reasons = {
    index: f'eliminated as number {last + 2 - rank} of {last}' if rank > 1 else 'among the last ones left'
    for index, rank in enumerate(found.ranking_)
  }
  return _Scored(-np.asarray(found.ranking_, np.float64), '', kept, reasons)


def _l1(reduction: Reduction, matrix: Matrix, wanted: int | None) -> _Scored:
  """Absolute coefficients of a lasso whose penalty cross-validation chose."""
  from sklearn.linear_model import LassoCV

  if len(matrix) < 2 * _FOLDS:
    raise ReductionError(
      f'l1 cross-validates in {_FOLDS} folds, so it needs {2 * _FOLDS} training rides, got {len(matrix)}.'
    )
  found = LassoCV(cv=_FOLDS, random_state=reduction.seed).fit(matrix.numeric, matrix.fares)
  return _Scored(np.abs(found.coef_), f'absolute coefficient at penalty {found.alpha_:.3g}')


_SCORES: dict[ReductionMethod, Callable[[Reduction, Matrix, int | None], _Scored]] = {
  ReductionMethod.VARIANCE: _variance,
  ReductionMethod.CORRELATION: _correlation,
  ReductionMethod.MUTUAL_INFORMATION: _mutual_information,
  ReductionMethod.PERMUTATION: _permutation,
  ReductionMethod.RFE: _rfe,
  ReductionMethod.L1: _l1,
}
