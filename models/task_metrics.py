"""The metrics of a user's own model: errors of numbers, and how well classes are told, each beside those of a baseline.

Labels of a classification are numbers of classes, as float32 [examples] (`models.tasks.building.check_labels`);
predictions are probabilities: [examples] of class 1, or [examples, classes].

Each metric is a mean of one score for each example (the RMSE its root), so one set of draws gives the intervals of
all. The area under the ROC curve is no mean; its scores say how it changes with the weight of each example. Their mean
is the area, and their mean over a draw is the area of that draw to the first order: sorting anew for each draw would
take minutes. Of hundreds of examples such an interval is that of whole draws; of a few dozen it is up to a fifth
narrower.

Source: the scores of an area are made of the placements of E. R. DeLong et al., "Comparing the Areas under Two or More
Correlated Receiver Operating Characteristic Curves", Biometrics 44(3), 1988.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import numpy as np

from configs.errors import FailedError
from configs.records import Estimate
from configs.task import MetricName, Task, TaskKind
from models.error_intervals import Comparison, ResampledSums, SliceErrors

LEAST_PROBABILITY = 1 / 512
"""The log loss takes a smaller probability of the true class for this, and one above 1 - 1/512 for that. Those of an
8-bit file are multiples of 1/256, so its 0 is whatever is smaller than this; float files are held to the same."""

_NAMES = {MetricName.RMSE: 'RMSE', MetricName.MAE: 'MAE', MetricName.AUC: 'AUC'}
"""In sentences, where that is not the metric's value in words."""


class MetricError(FailedError, ValueError):  # What callers of a metric expect.
  """Predictions that a metric is not defined for."""


def metric_of(task: Task) -> TaskMetric:
  """What a task is judged by."""
  return TaskMetric(task.judged)


def predicted_classes(predictions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
  """The most likely class of each example, the first of equal ones, int64 [examples], and its probability."""
  each = _of_each_class(predictions)
  classes = each.argmax(axis=1)
  return classes, np.take_along_axis(each, classes[:, np.newaxis], axis=1)[:, 0]


def confusion(labels: np.ndarray, predictions: np.ndarray) -> np.ndarray:
  """How many examples of each class are taken for which, int64 [classes, classes]: true ones by predicted ones."""
  classes = _of_each_class(predictions).shape[1]
  cells = labels.astype(np.int64) * classes + predicted_classes(predictions)[0]
  return np.bincount(cells, minlength=classes**2).reshape(classes, classes)


@dataclasses.dataclass(frozen=True)
class TaskMetric:
  """A metric of `configs.task.MetricName`; see `models.protocols.Metric`. Others of its kind are shown beside it."""

  judged: MetricName

  @property
  def key(self) -> str:
    """`rmse`, `mae`, `accuracy`, `log_loss` or `auc`."""
    return self.judged.value

  @property
  def name(self) -> str:
    """Such as `accuracy` or `RMSE`."""
    return _NAMES.get(self.judged, self.key.replace('_', ' '))

  @property
  def relative(self) -> str:
    """Such as `loss of accuracy` or `RMSE ratio`."""
    return f'loss of {self.name}' if self.larger_is_better else f'{self.name} ratio'

  @property
  def larger_is_better(self) -> bool:
    """The metric's own direction."""
    return self.judged.larger_is_better

  @property
  def classifies(self) -> bool:
    """Whether classes are told."""
    return self.judged in TaskKind.CLASSIFICATION.metrics

  def compare(
    self,
    labels: np.ndarray,
    predictions: np.ndarray,
    base_predictions: np.ndarray,
    groups: np.ndarray,
    slices: Mapping[str, np.ndarray],
    resamples: int,
  ) -> Comparison:
    """See `models.protocols.Metric`. Slices where the metric is not defined, as an AUC of one class, are left out.

    Raises: MetricError: the metric is not defined for all examples, or the baseline makes no error.
    """
    columns: list[np.ndarray] = []
    places: dict[str | None, int] = {}
    for name, mask in ((None, np.ones(len(labels), bool)), *slices.items()):
      own, base = (_scores(self.judged, labels[mask], values[mask]) for values in (predictions, base_predictions))
      if own is not None and base is not None:
        places[name] = len(columns)
        columns += [mask, *(_placed(each, mask) for each in (own, base - own if self.larger_is_better else base))]
    if None not in places:
      raise MetricError(
        f'There is no AUC of {len(labels):,} examples that are all of class {labels[0]:g}; give an eval split with '
        'several classes, or judge by another metric (task.metric).'
      )
    others = {other: _scores(other, labels, predictions) for other in self._others}
    shown = {other: scores for other, scores in others.items() if scores is not None}
    sums = ResampledSums([*columns, *shown.values()], groups, resamples)
    found = {name: self._figures(sums, place) for name, place in places.items()}
    error, relative = found.pop(None)
    if relative is None:
      raise MetricError(f'The baseline makes no error, so there is no {self.relative} to it.')
    return Comparison(
      error=error,
      ratio=relative,
      slices={
        str(name): SliceErrors(int(slices[str(name)].sum()), figure.value, ratio)
        for name, (figure, ratio) in found.items()
      },
      others={
        other.value: _mean(other, sums, len(columns) + position, places[None]) for position, other in enumerate(shown)
      },
    )

  def figures(self, found: Comparison | None) -> dict[str, Estimate | None]:
    """The metric, how it stands to the baseline's (`<metric>_loss` or `<metric>_ratio`), and the kind's others."""
    others = [other.value for other in self._others]
    if found is None:
      return dict.fromkeys((self.key, self._relative_key, *others))
    return {self.key: found.error, self._relative_key: found.ratio} | {key: found.others.get(key) for key in others}

  def slice_figures(self, found: SliceErrors) -> dict[str, Estimate | None]:
    """The metric, and how it stands to the baseline's."""
    return {self.key: Estimate(found.error), self._relative_key: found.ratio}

  @property
  def _relative_key(self) -> str:
    return f'{self.key}_loss' if self.larger_is_better else f'{self.key}_ratio'

  @property
  def _others(self) -> list[MetricName]:
    [kind] = [kind for kind in TaskKind if self.judged in kind.metrics]
    return [metric for metric in kind.metrics if metric is not self.judged]

  def _figures(self, sums: ResampledSums, place: int) -> tuple[Estimate, Estimate | None]:
    """The metric and how it stands to the baseline's, by the columns of a slice, which begin at a place."""
    count, own, base = place, place + 1, place + 2
    if self.larger_is_better:
      relative = sums.ratio(base, count)
    else:
      relative = sums.root_ratio(own, base) if self.judged is MetricName.RMSE else sums.ratio(own, base)
    return _mean(self.judged, sums, own, count), relative


def _mean(metric: MetricName, sums: ResampledSums, scores: int, count: int) -> Estimate:
  """A metric by the columns of its scores and of the examples that have one."""
  found = (sums.root_ratio if metric is MetricName.RMSE else sums.ratio)(scores, count)
  assert found is not None  # There are examples.
  if metric is MetricName.AUC and found.high is not None and found.low is not None:
    return Estimate(found.value, max(found.low, 0.0), min(found.high, 1.0))
  return found


def _placed(scores: np.ndarray, mask: np.ndarray) -> np.ndarray:
  """Scores of some examples among all, zero for the rest."""
  column = np.zeros(len(mask))
  column[mask] = scores
  return column


def _scores(metric: MetricName, labels: np.ndarray, predictions: np.ndarray) -> np.ndarray | None:
  """What the mean of makes the metric, float64 [examples]; `None` where it is not defined."""
  if metric is MetricName.AUC:
    return _area_scores(labels, predictions)
  if metric is MetricName.ACCURACY:
    return (predicted_classes(predictions)[0] == labels).astype(np.float64)
  if metric is MetricName.LOG_LOSS:
    of_label = np.take_along_axis(_of_each_class(predictions), labels.astype(np.int64)[:, np.newaxis], axis=1)[:, 0]
    return -np.log(np.clip(of_label, LEAST_PROBABILITY, 1 - LEAST_PROBABILITY))
  errors = predictions.astype(np.float64).reshape(len(labels)) - labels
  return errors**2 if metric is MetricName.RMSE else np.abs(errors)


def _area_scores(labels: np.ndarray, predictions: np.ndarray) -> np.ndarray | None:
  """Of the mean area over each class that occurs against the rest; of two classes there is one area."""
  each = _of_each_class(predictions)
  occur = np.unique(labels).astype(np.int64)
  if len(occur) < 2:
    return None
  classes = [1] if each.shape[1] == 2 else occur
  return np.mean([_placements(each[:, number], labels == number) for number in classes], axis=0)


def _placements(values: np.ndarray, positive: np.ndarray) -> np.ndarray:
  """The area under the curve of values, plus by how much it rises with the weight of each example, float64 [examples].

  An example's placement is the share of the other side that it is on the right side of; what ties counts half.
  """
  placed = np.empty(len(values))
  for side, sign in ((positive, 1), (~positive, -1)):
    others = np.sort(sign * values[~side])
    below, upto = (np.searchsorted(others, sign * values[side], end) for end in ('left', 'right'))  # type: ignore[call-overload]
    placed[side] = (below + upto) / 2 / len(others)
  area = placed[positive].mean()
  sizes = np.where(positive, positive.sum(), (~positive).sum())
  return area + (placed - area) * len(values) / sizes


def _of_each_class(predictions: np.ndarray) -> np.ndarray:
  """Probabilities as float64 [examples, classes]."""
  values = predictions.astype(np.float64).reshape(len(predictions), -1)
  return values if values.shape[1] > 1 else np.hstack([1 - values, values])
