"""Fewer model inputs: projections of the feature vector, or a selection of the features."""

from __future__ import annotations

import enum
from collections.abc import Iterator
from typing import Annotated

from pydantic import BeforeValidator, Field

from configs.base import Config, Idle, PositiveInt, Problem, joined

_PROJECTIONS = ('pca', 'svd', 'ica', 'nmf', 'lda', 'pls')
_SHARES_OF_VARIANCE = ('pca', 'svd')


class ReductionMethod(str, enum.Enum):
  """How the feature vector is made shorter; all are scikit-learn's, on the transformed training split."""

  NONE = 'none'
  PCA = 'pca'
  SVD = 'svd'
  ICA = 'ica'
  NMF = 'nmf'
  LDA = 'lda'
  PLS = 'pls'
  VARIANCE = 'variance'
  CORRELATION = 'correlation'
  MUTUAL_INFORMATION = 'mutual_information'
  PERMUTATION = 'permutation'
  RFE = 'rfe'
  L1 = 'l1'

  @property
  def is_projection(self) -> bool:
    """Whether each input of the model is a mixture of all features."""
    return self.value in _PROJECTIONS

  @property
  def is_selection(self) -> bool:
    """Whether the model's inputs are some of the features, and the others are not computed."""
    return self is not ReductionMethod.NONE and not self.is_projection

  @property
  def counts_variance(self) -> bool:
    """Whether a share means a share of the variance, and not of the features."""
    return self.value in _SHARES_OF_VARIANCE


class PcaEngine(str, enum.Enum):
  """What fits a PCA: scikit-learn on a sample, scikit-learn batch by batch, or tf.Transform in Beam."""

  SKLEARN = 'sklearn'
  INCREMENTAL = 'incremental'
  TFT = 'tft'


class RankingModel(str, enum.Enum):
  """The model whose importances rank the features, for `permutation` and `rfe`."""

  TREES = 'trees'
  LINEAR = 'linear'


_THRESHOLDS = {
  ReductionMethod.VARIANCE: (1e-3, 0.25, 'the least variance of a feature scaled to [0, 1], at most 0.25'),
  ReductionMethod.CORRELATION: (0.95, 1.0, 'the largest absolute correlation of two features, below 1'),
  ReductionMethod.MUTUAL_INFORMATION: (None, None, 'the least mutual information with the fare, in nats'),
  ReductionMethod.PERMUTATION: (None, None, 'the least increase of the RMSE when a feature is shuffled'),
  ReductionMethod.L1: (None, None, 'the least absolute coefficient, in currency per standard deviation'),
}
"""Default, upper end and meaning of each method's threshold."""

_OWN = {
  'whiten': (ReductionMethod.PCA,),
  'engine': (ReductionMethod.PCA,),
  'fare_bands': (ReductionMethod.LDA,),
  'shift': (ReductionMethod.NMF,),
  'iterations': (ReductionMethod.NMF,),
  'categoricals': (ReductionMethod.SVD,),
  'scorer': (ReductionMethod.PERMUTATION, ReductionMethod.RFE),
}
"""Settings that have an effect with some methods alone."""

_BY_THRESHOLD = (ReductionMethod.VARIANCE, ReductionMethod.CORRELATION)
"""Selections whose default is a threshold and not a share."""

_DEFAULT_SHARE = 0.5
_DEFAULT_VARIANCE = 0.99


def _number_or_share(value: object) -> object:
  """Refuses what is neither a count nor a share, with what would be right."""
  if value is None:
    return None
  if isinstance(value, bool) or not isinstance(value, (int, float)):
    raise ValueError(f'must be a number of inputs from 1 on, or a share in (0, 1), got {value!r}.')
  if not value > 0:
    raise ValueError(f'must be a number of inputs from 1 on, or a share in (0, 1), got {value:g}.')
  if isinstance(value, float) and value >= 1:
    count = f' For the number write {value:.0f}, without a point.' if value.is_integer() else ''
    percent = f' For {value:g} % write {value / 100:g}.' if 1 < value < 100 else ''
    raise ValueError(f'must be a number of inputs, or a share in (0, 1), got {value}.{percent}{count}')
  return value


class Reduction(Config):
  """How the feature vector is made shorter, between the features and the training.

  Attributes:
    method: a projection (pca, svd, ica, nmf, lda, pls), a selection (variance, correlation, mutual_information,
      permutation, rfe, l1), or none.
    components: inputs that the model gets: a number, or a share in (0, 1), of the variance for pca and svd and of the
      features otherwise. When unset: 0.99 of the variance, half of the features, or what the threshold keeps; for lda
      one less than the fare bands.
    threshold: selects instead of `components`; its meaning depends on the method, see `docs/reduction.md`.
    whiten: with pca alone: every component gets unit variance. Where false, all are divided by the standard deviation
      of the first one and keep their relative spread.
    fare_bands: classes of lda: a number of bands with equally many rides, or the fares where the bands begin but for
      the first.
    shift: with nmf alone, subtract each feature's least value first, as factors have to be non-negative.
    iterations: with nmf alone, steps of the solution in graph.
    scorer: what ranks the features for permutation and rfe.
    categoricals: with svd alone, the one-hot columns of buckets, crosses and categorical extras are part of the matrix,
      and have no embeddings then.
    engine: what fits a pca.
    sample: largest number of training rides that are fitted on; a random sample where there are more.
      `engine: incremental` and `tft` take all.
    seed: of the sample and of whatever the method draws.
  """

  method: ReductionMethod = ReductionMethod.NONE
  components: Annotated[int | float | None, BeforeValidator(_number_or_share)] = None
  threshold: Annotated[float, Field(gt=0)] | None = None
  whiten: bool = True
  fare_bands: PositiveInt | tuple[float, ...] = 8
  shift: bool = True
  iterations: Annotated[int, Field(ge=1, le=1000)] = 50
  scorer: RankingModel = RankingModel.TREES
  categoricals: bool = False
  engine: PcaEngine = PcaEngine.SKLEARN
  sample: Annotated[int, Field(ge=2)] = 200_000
  seed: Annotated[int, Field(ge=0, lt=2**31)] = 0

  @property
  def is_on(self) -> bool:
    """Whether there is anything to do."""
    return self.method is not ReductionMethod.NONE

  @property
  def takes_categoricals(self) -> bool:
    """Whether the categorical columns are part of what is reduced, so that the model gets none of them."""
    return self.method is ReductionMethod.SVD and self.categoricals

  @property
  def size(self) -> int | float | None:
    """`components`, or its default; `None` where a threshold decides, or lda's classes."""
    by_threshold = self.threshold is not None or self.method in _BY_THRESHOLD
    if self.components is not None or by_threshold or self.method is ReductionMethod.LDA:
      return self.components
    return _DEFAULT_VARIANCE if self.method.counts_variance else _DEFAULT_SHARE

  @property
  def least(self) -> float | None:
    """`threshold`, or its default; `None` where `size` decides."""
    if self.components is not None:
      return None
    return self.threshold if self.threshold is not None else _THRESHOLDS.get(self.method, (None,))[0]

  def problems(self) -> Iterator[Problem]:
    # What else has no effect where nothing is reduced, `configs.effects` says.
    if self.is_on and self.threshold is not None:
      yield from self._threshold_problems(self.threshold)
    yield from self._band_problems()
    if self.is_on:
      yield from self._idle_settings()

  def _threshold_problems(self, threshold: float) -> Iterator[Problem]:
    if self.method not in _THRESHOLDS:
      message = f'has no meaning with method {self.method.value}; give components instead.'
      yield Idle('threshold', message, ('method',))
      return
    _, most, meaning = _THRESHOLDS[self.method]
    if self.components is not None:
      yield Problem('threshold', 'must be null where components is given: a selection goes by one of them.')
    if most is not None and threshold >= most:
      yield Problem('threshold', f'must be below {most:g}, got {threshold:g}: it is {meaning}.')

  def _band_problems(self) -> Iterator[Problem]:
    bands = self.fare_bands
    count = bands if isinstance(bands, int) else len(bands) + 1
    if isinstance(bands, int) and bands < 2:
      yield Problem('fare_bands', f'must be at least 2, got {bands}: lda tells classes apart, and one class is none.')
    elif not isinstance(bands, int) and (list(bands) != sorted(set(bands)) or not bands or bands[0] <= 0):
      yield Problem('fare_bands', f'must be rising fares above 0, at least one of them, got {list(bands)}.')
    if self.method is ReductionMethod.LDA and isinstance(self.components, int) and self.components > count - 1 >= 1:
      most = f'must be at most {count - 1} with {count} fare_bands, got {self.components}'
      yield Problem('components', f'{most}: lda has one less than classes.')

  def _idle_settings(self) -> Iterator[Problem]:
    """Settings of other methods: what has no effect is most likely a misunderstanding."""
    for name, methods in _OWN.items():
      if self.method not in methods and getattr(self, name) != type(self).model_fields[name].default:
        owners = joined(method.value for method in methods)
        message = f'has no effect with method {self.method.value}, only with {owners}; leave it out.'
        yield Idle(name, message, ('method',))
