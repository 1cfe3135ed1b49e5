"""Errors of fares with bootstrap intervals, and beside those of a baseline; rides of one time stamp are drawn together.

An interval over rides is a bootstrap of whole time stamps. It draws as often as the run's `evaluation.bootstrap` says,
and by one rule: the draws depend on that number and on the time stamps alone. So the same rides have the same figures
wherever they are shown, and models that are compared are drawn alike. Of fewer than ten time stamps there is none.

Fares, predictions and stamps, the time stamps of the rides, are arrays [rides] throughout, of at least one ride.

Source: the cluster bootstrap with Poisson(1) weights, an approximation of the multinomial one; Chamandy et al.,
"Estimating Uncertainty for Massive Data Streams", Google, 2012.
"""

from __future__ import annotations

import functools
import math
import statistics
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from configs.records import Estimate

WORST = 5
"""Rides that `rmse_without_worst` leaves out: a handful of dirty rows rules an RMSE."""

_SEED = 0
_MOST_CLUSTERS = 100_000
"""As many are drawn from; more would take minutes and change no digit that is shown."""
_CHUNK = 2_000_000
_AT_ONCE = 10
"""Chunks that are multiplied together: the more draws, the faster is the product."""
_BLOCK = 8192
"""Clusters of one product."""
_MOST_KEPT = 4_000_000
"""Clusters times draws that are kept for the next bootstrap of as many, at 8 bytes each."""

_POINTS = 2**16
_POISSON = np.searchsorted(
  np.cumsum([math.exp(-1) / math.factorial(count) for count in range(9)]), (np.arange(_POINTS) + 0.5) / _POINTS
).astype(np.float64)
"""Poisson(1) at equally likely points, mean 1 and variance 0.99997: a tenth of the time of `Generator.poisson`."""

_FEWEST_CLUSTERS = 10
"""Of fewer time stamps there is no interval: it would be of width zero, or as good as."""

_Z = 1.96
"""Half the width of a 95 % interval in standard errors."""


def root_mean_square(values: np.ndarray, axis: int | None = None) -> np.ndarray:
  """Root of the mean square of numbers, computed in float64: of errors, their RMSE.

  Args:
    values: at least one along the axis.
    axis: along which; `None` for all numbers.
  Returns: Float64 without that axis.
  """
  return np.sqrt(np.mean(np.asarray(values, np.float64) ** 2, axis=axis))


def rmse_without_worst(errors: np.ndarray) -> float:
  """The RMSE of all errors [rides] but the `WORST` largest; of all where there are no more than those."""
  kept = np.sort(np.abs(errors))
  return float(root_mean_square(kept[:-WORST] if len(kept) > WORST else kept))


class ResampledSums:
  """Sums over all rides, and over the rides of each draw; whole time stamps are drawn, in bounded memory.

  Args:
    columns: numbers [rides]; at least one column.
    stamps: the time stamp of each ride, shape [rides]; rides that share one are not independent.
  """

  def __init__(self, columns: Sequence[np.ndarray], stamps: np.ndarray, resamples: int) -> None:
    cluster = _clusters(stamps)
    sums = np.stack([np.bincount(cluster, weights=column) for column in columns], axis=1)
    self._total = sums.sum(axis=0)
    self._clusters = np.count_nonzero(sums, axis=0)
    self._drawn = _drawn(sums, resamples)

  def ratio(self, above: int, below: int) -> Estimate | None:
    """One column's sum over another's, each named by its position; `None` where the other's is zero."""
    return self._estimate(above, below, lambda ratios: ratios)

  def root_ratio(self, above: int, below: int) -> Estimate | None:
    """The root of `ratio`."""
    return self._estimate(above, below, np.sqrt)

  def _estimate(self, above: int, below: int, shape: Callable[[np.ndarray], np.ndarray]) -> Estimate | None:
    if not self._total[below]:
      return None
    value = float(shape(self._total[above] / self._total[below]))
    # Of a small slice, or of few time stamps, a draw can hold nothing.
    held = self._drawn[:, below] > 0
    if self._clusters[below] < _FEWEST_CLUSTERS or not held.any():
      return Estimate(value)
    low, high = np.percentile(shape(self._drawn[held, above] / self._drawn[held, below]), [2.5, 97.5])
    return Estimate(value, float(low), float(high))


def error_intervals(
  fares: np.ndarray, predictions: np.ndarray, stamps: np.ndarray, resamples: int
) -> dict[str, Estimate]:
  """`rmse` and `mae` with 95 % percentile intervals, in the unit of the fares."""
  errors = _errors(fares, predictions)
  sums = ResampledSums([np.ones(len(errors)), errors**2, np.abs(errors)], stamps, resamples)
  rmse, mae = sums.root_ratio(1, 0), sums.ratio(2, 0)
  assert rmse is not None and mae is not None
  return {'rmse': rmse, 'mae': mae}


def slice_intervals(
  fares: np.ndarray, predictions: np.ndarray, stamps: np.ndarray, slices: Mapping[str, np.ndarray], resamples: int
) -> dict[str, Estimate]:
  """The RMSE of slices with 95 % intervals, out of the draws of all rides: that of all rides is `error_intervals`'.

  Args: slices: by name, which rides belong to it: bool [rides].
  Returns: By name, in the unit of the fares; a slice without a ride is left out.
  """
  masks = {name: mask for name, mask in slices.items() if mask.any()}
  if not masks:
    return {}
  squared = _errors(fares, predictions) ** 2
  sums = ResampledSums([*masks.values(), *(squared * mask for mask in masks.values())], stamps, resamples)
  found = {name: sums.root_ratio(len(masks) + position, position) for position, name in enumerate(masks)}
  return {name: rmse for name, rmse in found.items() if rmse is not None}


def ratio_interval(
  fares: np.ndarray, predictions: np.ndarray, base_predictions: np.ndarray, stamps: np.ndarray, resamples: int
) -> Estimate:
  """RMSE relative to that of another model, with a paired 95 % interval.

  Each draw takes the same rides for both models, so what both find hard cancels: the interval is much narrower than
  those of the two errors.

  Args: base_predictions: of the model that it is compared with.
  Returns: RMSE of the model over RMSE of the base; below 1 the model is better.
  Raises: ValueError: the base makes no error at all, so that there is no ratio.
  """
  columns = [_errors(fares, values) ** 2 for values in (predictions, base_predictions)]
  return _to_base(ResampledSums(columns, stamps, resamples).root_ratio(0, 1))


def mean_error(errors: np.ndarray, stamps: np.ndarray) -> Estimate:
  """A mean with its 95 % interval, by a formula in place of draws.

  Args:
    errors: float64 [rides], at least one.
    stamps: the time stamp of each ride [rides]; rides that share one are not independent.
  Returns: No interval where the rides have fewer than ten time stamps.
  Source: the cluster-robust variance of a mean; Cameron and Miller, "A Practitioner's Guide to Cluster-Robust
    Inference", J. Human Resources 50(2), 2015.
  """
  mean = float(errors.mean())
  _, cluster = np.unique(stamps, return_inverse=True)
  sums = np.bincount(cluster, weights=errors - mean)
  if len(sums) < _FEWEST_CLUSTERS:
    return Estimate(mean)
  reach = _Z * float(np.sqrt(np.sum(sums**2) * len(sums) / (len(sums) - 1))) / len(errors)
  return Estimate(mean, mean - reach, mean + reach)


def widened(looks: int, false_alarms: float = 0.05, sides: int = 2) -> float:
  """By how much the halves of 95 % intervals are to be longer where the one that stands out most is what is told.

  Args:
    looks: number of intervals that are looked at, at least 1.
    false_alarms: share of cases in which chance alone may put any of them beyond.
    sides: 2 where being off to either side counts, else 1.
  Returns: A factor; 1 for one look at its defaults.
  Source: Bonferroni's correction.
  """
  normal = statistics.NormalDist()
  return normal.inv_cdf(1 - false_alarms / (sides * looks)) / normal.inv_cdf(0.975)


def _to_base(ratio: Estimate | None) -> Estimate:
  if ratio is None:
    raise ValueError('The base predicts every fare exactly; there is no ratio of errors to it.')
  return ratio


def _errors(fares: np.ndarray, predictions: np.ndarray) -> np.ndarray:
  """Predictions minus fares, float64 [rides]."""
  return np.asarray(predictions, np.float64) - np.asarray(fares, np.float64)


def _clusters(stamps: np.ndarray) -> np.ndarray:
  """What is drawn together, as integers [rides]: a time stamp, or where there are very many, some of them at random.

  Groups of clusters are as independent as clusters are, and that many show the spread as well.
  """
  _, cluster = np.unique(stamps, return_inverse=True)
  count = int(cluster.max()) + 1
  if count <= _MOST_CLUSTERS:
    return cluster
  return np.random.default_rng(_SEED).permutation(count)[cluster] % _MOST_CLUSTERS


def _drawn(sums: np.ndarray, resamples: int) -> np.ndarray:
  """Sums [draws, columns] of what the clusters [clusters, columns] add, each one as often as a draw takes it."""
  draws = _kept_draws if len(sums) * resamples <= _MOST_KEPT else _draws
  blocks = [sums[start : start + _BLOCK] for start in range(0, len(sums), _BLOCK)]
  parts = draws(len(sums), resamples)
  return np.concatenate([sum(map(np.matmul, weights, blocks)) for weights in parts])


def _draws(clusters: int, resamples: int) -> Iterator[Iterable[np.ndarray]]:
  """How often each draw takes each cluster, by chunks of the draws: float64 [draws of a chunk, `_BLOCK`] each."""
  generator = np.random.default_rng(_SEED)
  step = max(1, _CHUNK // clusters)
  sizes = [min(step, resamples - start) for start in range(0, resamples, step)]
  for first in range(0, len(sizes), _AT_ONCE):
    shapes = [(size, clusters) for size in sizes[first : first + _AT_ONCE]]
    taken = np.concatenate([generator.integers(0, _POINTS, size=shape, dtype=np.uint16) for shape in shapes])
    yield (_POISSON[taken[:, start : start + _BLOCK]] for start in range(0, clusters, _BLOCK))


@functools.lru_cache(maxsize=1)
def _kept_draws(clusters: int, resamples: int) -> list[list[np.ndarray]]:
  """`_draws`, kept: models that are compared one after the other have the same, and making them takes the time."""
  return [list(weights) for weights in _draws(clusters, resamples)]


class SliceErrors(NamedTuple):
  """One slice of the examples.

  Attributes:
    error: in the unit of the labels.
    ratio: to the baseline's; `None` where the baseline makes no error, so that there is no ratio.
  """

  examples: int
  error: float
  ratio: Estimate | None


class Comparison(NamedTuple):
  """All examples.

  Attributes:
    error: in the unit of the labels.
    ratio: to the baseline's; paired.
    others: further figures that are shown, by name.
  """

  error: Estimate
  ratio: Estimate
  slices: Mapping[str, SliceErrors]
  others: Mapping[str, Estimate]


def compare(
  fares: np.ndarray,
  predictions: np.ndarray,
  base_predictions: np.ndarray,
  stamps: np.ndarray,
  slices: Mapping[str, np.ndarray],
  resamples: int,
) -> Comparison:
  """What `error_intervals` and `ratio_interval` give, for all rides and every slice at once.

  Drawing takes most of the time of a bootstrap, so the slices share the draws of all rides: Poisson weights of
  different time stamps are independent, hence those of a slice are as if it had been drawn by itself.

  Args:
    base_predictions: of the baseline.
    slices: by name, which rides belong to it: bool [rides], at least one true.
  Raises: ValueError: the baseline makes no error at all, so that there is no ratio.
  """
  errors, base_errors = (np.asarray(values, np.float64) - fares for values in (predictions, base_predictions))
  # The first row is all rides; [1 + slices, rides].
  masks = np.stack([np.ones(len(fares), bool), *slices.values()])
  squared, base_squared = masks * errors**2, masks * base_errors**2
  sums = ResampledSums([masks[0], np.abs(errors), *squared, *base_squared], stamps, resamples)
  own = range(2, 2 + len(masks))
  rmse, mae = sums.root_ratio(own[0], 0), sums.ratio(1, 0)
  overall, *ratios = [sums.root_ratio(column, column + len(masks)) for column in own]
  assert rmse is not None and mae is not None
  return Comparison(
    error=rmse,
    ratio=_to_base(overall),
    others={'mae': mae},
    slices={
      name: SliceErrors(int(mask.sum()), float(root_mean_square(errors[mask])), ratio)
      for (name, mask), ratio in zip(slices.items(), ratios, strict=True)
    },
  )


class RootMeanSquareError:
  """The metric of fares: RMSE, and the MAE beside it; see `models.protocols.Metric`."""

  name, key, relative = 'RMSE', 'rmse', 'RMSE ratio'
  larger_is_better = classifies = False
  compare = staticmethod(compare)

  def figures(self, found: Comparison | None) -> dict[str, Estimate | None]:
    """`rmse`, `mae` and `rmse_ratio`."""
    if found is None:
      return dict.fromkeys(('rmse', 'mae', 'rmse_ratio'))
    return {'rmse': found.error, 'mae': found.others['mae'], 'rmse_ratio': found.ratio}

  def slice_figures(self, found: SliceErrors) -> dict[str, Estimate | None]:
    """`rmse` and `rmse_ratio`."""
    return {'rmse': Estimate(found.error), 'rmse_ratio': found.ratio}


RMSE = RootMeanSquareError()
"""The only one there need be."""
