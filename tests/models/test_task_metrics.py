"""The metrics of tasks. Oracle: scikit-learn, on all examples, on slices, and on each draw by itself."""

import dataclasses

import numpy as np
import pytest
from sklearn import metrics as oracle

from configs.errors import FailedError
from configs.records import Estimate
from configs.task import MetricName, Task, TaskKind
from models.error_intervals import _drawn, compare
from models.task_metrics import LEAST_PROBABILITY, TaskMetric, confusion, metric_of, predicted_classes

EXAMPLES, RESAMPLES = 400, 300


def _softmax(scores):
  shares = np.exp(scores)
  return (shares / shares.sum(axis=1, keepdims=True)).astype(np.float32)


def _case(classes, seed=0):
  """Labels, predictions, those of a better baseline, groups of two, two slices; of one class's probabilities for 1."""
  generator = np.random.default_rng(seed)
  if classes is None:
    labels = generator.gamma(4, 3, EXAMPLES).astype(np.float32)
    base = (labels + generator.normal(0, 2, EXAMPLES)).astype(np.float32)
    predictions = (base + generator.normal(0, 1, EXAMPLES)).astype(np.float32)
  else:
    labels = generator.integers(0, classes, EXAMPLES).astype(np.float32)
    scores = generator.normal(0, 1, (EXAMPLES, classes))
    scores[np.arange(EXAMPLES), labels.astype(int)] += 2
    base, predictions = _softmax(scores), _softmax(scores + generator.normal(0, 1, scores.shape))
    if classes == 2:
      base, predictions = base[:, 1], predictions[:, 1]
  slices = {'third': np.arange(EXAMPLES) % 3 == 0, 'some': generator.random(EXAMPLES) < 0.6}
  return labels, predictions, base, np.arange(EXAMPLES) // 2, slices


def _clipped(predictions):
  return np.clip(predictions.astype(np.float64), LEAST_PROBABILITY, 1 - LEAST_PROBABILITY)


def _auc(labels, predictions, weights=None):
  if predictions.ndim == 1:
    return oracle.roc_auc_score(labels, predictions, sample_weight=weights)
  each = [
    oracle.roc_auc_score(labels == number, predictions[:, int(number)], sample_weight=weights)
    for number in np.unique(labels)
  ]
  return np.mean(each)


def _accuracy(labels, predictions, weights=None):
  classes = predictions > 0.5 if predictions.ndim == 1 else predictions.argmax(axis=1)
  return oracle.accuracy_score(labels, classes, sample_weight=weights)


def _log_loss(labels, predictions, weights=None):
  clipped = _clipped(predictions)
  if predictions.ndim == 1:
    return oracle.log_loss(labels, clipped, sample_weight=weights)
  # Its own function would scale the clipped rows to a sum of 1.
  return np.average(-np.log(clipped[np.arange(len(labels)), labels.astype(int)]), weights=weights)


def _rmse(labels, predictions, weights=None):
  return oracle.mean_squared_error(labels.astype(float), predictions, sample_weight=weights) ** 0.5


def _mae(labels, predictions, weights=None):
  return oracle.mean_absolute_error(labels.astype(float), predictions, sample_weight=weights)


ORACLES = {
  MetricName.RMSE: _rmse,
  MetricName.MAE: _mae,
  MetricName.ACCURACY: _accuracy,
  MetricName.LOG_LOSS: _log_loss,
  MetricName.AUC: _auc,
}
CASES = [
  pytest.param(metric, classes, id=f'{metric.value}_{classes or "number"}')
  for kind, of in ((TaskKind.REGRESSION, [None]), (TaskKind.CLASSIFICATION, [2, 5]))
  for metric in kind.metrics
  for classes in of
]


def _relative(metric, own, base):
  return base - own if metric.larger_is_better else own / base


@pytest.mark.parametrize(('metric', 'classes'), CASES)
def test_values_are_those_of_scikit_learn(metric, classes):
  labels, predictions, base, groups, slices = _case(classes)
  found = TaskMetric(metric).compare(labels, predictions, base, groups, slices, RESAMPLES)
  own, its = (ORACLES[metric](labels, values) for values in (predictions, base))
  assert found.error.value == pytest.approx(own)
  assert found.ratio.value == pytest.approx(_relative(metric, own, its))
  kind = TaskKind.REGRESSION if classes is None else TaskKind.CLASSIFICATION
  assert {*found.others} == {other.value for other in kind.metrics} - {metric.value}
  for name, other in found.others.items():
    assert other.value == pytest.approx(ORACLES[MetricName(name)](labels, predictions))
    assert other.low < other.value < other.high
  assert [*found.slices] == [*slices]
  for name, mask in slices.items():
    own, its = (ORACLES[metric](labels[mask], values[mask]) for values in (predictions, base))
    assert found.slices[name].examples == mask.sum()
    assert found.slices[name].error == pytest.approx(own)
    assert found.slices[name].ratio.value == pytest.approx(_relative(metric, own, its))


@pytest.mark.parametrize(('metric', 'classes'), CASES)
def test_intervals_are_those_of_whole_draws(metric, classes):
  """Oracle: scikit-learn, by the weights of each draw; an area within a tenth of the width, as it is of first order."""
  labels, predictions, base, groups, _ = _case(classes)
  found = TaskMetric(metric).compare(labels, predictions, base, groups, {}, RESAMPLES)
  drawn = _drawn(np.eye(groups.max() + 1), RESAMPLES)[:, groups]
  own, its = ([ORACLES[metric](labels, values, weights) for weights in drawn] for values in (predictions, base))
  for estimate, draws in ((found.error, own), (found.ratio, _relative(metric, np.array(own), np.array(its)))):
    low, high = np.percentile(draws, [2.5, 97.5])
    near = 0.1 * (high - low) if metric is MetricName.AUC else 1e-9
    assert (estimate.low, estimate.high) == pytest.approx((low, high), abs=near)


@pytest.mark.parametrize(('metric', 'classes'), CASES)
def test_the_worse_model_loses_and_the_baseline_beside_itself_does_not(metric, classes):
  """From both sides: the baseline of the cases is the better one."""
  labels, worse, better, groups, slices = _case(classes)
  judged = TaskMetric(metric)
  same = 0.0 if metric.larger_is_better else 1.0
  assert judged.compare(labels, worse, better, groups, slices, 100).ratio.bottom > same
  assert judged.compare(labels, better, worse, groups, slices, 100).ratio.top < same
  beside = judged.compare(labels, worse, worse, groups, slices, 100)
  for ratio in (beside.ratio, *(found.ratio for found in beside.slices.values())):
    assert dataclasses.astuple(ratio) == pytest.approx((same, same, same))


def test_an_rmse_is_that_of_rides():
  """Oracle: `error_intervals.compare`, for all and for slices."""
  case = _case(None)
  found, wanted = TaskMetric(MetricName.RMSE).compare(*case, RESAMPLES), compare(*case, RESAMPLES)
  for ours, theirs in ((found.error, wanted.error), (found.ratio, wanted.ratio), (found.others, wanted.others)):
    ours, theirs = (dataclasses.asdict(each if isinstance(each, Estimate) else each['mae']) for each in (ours, theirs))
    assert ours == pytest.approx(theirs)
  for name, errors in found.slices.items():
    assert dataclasses.asdict(errors.ratio) == pytest.approx(dataclasses.asdict(wanted.slices[name].ratio))


@pytest.mark.parametrize('classes', [2, 5])
def test_probabilities_of_an_8_bit_file(classes):
  """Multiples of 1/256 with zeros and ties: finite, and the areas are scikit-learn's."""
  labels, predictions, base, groups, _ = _case(classes)
  coarse = (np.floor(predictions * 256) / 256).astype(np.float32)
  coarse[:2] = 0
  found = TaskMetric(MetricName.LOG_LOSS).compare(labels, coarse, base, groups, {}, 100)
  assert found.others['auc'].value == pytest.approx(_auc(labels, coarse))
  sure = np.zeros_like(coarse) if classes == 2 else np.eye(classes, dtype=np.float32)[[0] * EXAMPLES]
  wrong = TaskMetric(MetricName.LOG_LOSS).compare(np.ones(EXAMPLES, np.float32), sure, base, groups, {}, 100)
  assert wrong.error.value == pytest.approx(np.log(512))
  right = TaskMetric(MetricName.LOG_LOSS).compare(np.zeros(EXAMPLES, np.float32), sure, base, groups, {}, 100)
  assert right.error.value == pytest.approx(-np.log(511 / 512))


@pytest.mark.parametrize(('tie', 'wanted'), [(np.array([0.5, 0.5]), [0, 0]), (np.array([[0.2, 0.4, 0.4]] * 2), [1, 1])])
def test_of_classes_as_likely_the_first_is_predicted(tie, wanted):
  classes, probabilities = predicted_classes(tie)
  assert classes.tolist() == wanted
  np.testing.assert_array_equal(probabilities, tie.max(axis=-1))


@pytest.mark.parametrize('classes', [2, 5])
def test_confusion(classes):
  labels, predictions, *_ = _case(classes)
  wanted = oracle.confusion_matrix(labels, predicted_classes(predictions)[0], labels=range(classes))
  np.testing.assert_array_equal(confusion(labels, predictions), wanted)


def test_the_interval_of_an_area_ends_at_1():
  """One pair of 1,600 in the wrong order: a draw without either of the two is beyond 1 to the first order."""
  labels = np.repeat([0, 1], 40).astype(np.float32)
  values = np.linspace(0.1, 0.9, 80)
  values[[39, 40]] = values[[40, 39]]
  found = TaskMetric(MetricName.AUC).compare(labels, values, values, np.arange(80), {}, 200).error
  assert found.value == pytest.approx(1 - 1 / 1600)
  assert found.low < found.value < found.high == 1


def test_an_area_of_one_class_is_not_defined():
  """Judged, it is told; of a slice it is left out, and so it is where another metric is judged."""
  labels, predictions, base, groups, slices = _case(5)
  alone = {**slices, 'class 3': labels == 3}
  assert [*TaskMetric(MetricName.AUC).compare(labels, predictions, base, groups, alone, 100).slices] == [
    'third',
    'some',
  ]
  assert 'class 3' in TaskMetric(MetricName.ACCURACY).compare(labels, predictions, base, groups, alone, 100).slices
  threes = np.full(EXAMPLES, 3, np.float32)
  message = 'There is no AUC of 400 examples that are all of class 3; give an eval split with several classes, or judge'
  with pytest.raises(FailedError, match=message):
    TaskMetric(MetricName.AUC).compare(threes, predictions, base, groups, {}, 100)
  found = TaskMetric(MetricName.ACCURACY).compare(threes, predictions, base, groups, {}, 100)
  assert [*found.others] == ['log_loss'] and TaskMetric(MetricName.ACCURACY).figures(found)['auc'] is None


def test_no_ratio_to_a_baseline_without_an_error():
  labels, predictions, _, groups, slices = _case(None)
  exact = {'exact': np.arange(EXAMPLES) < 9, 'rest': np.arange(EXAMPLES) >= 9}
  base = np.where(exact['exact'], labels, predictions)
  assert TaskMetric(MetricName.MAE).compare(labels, predictions, base, groups, exact, 100).slices['exact'].ratio is None
  with pytest.raises(FailedError, match='The baseline makes no error, so there is no MAE ratio to it'):
    TaskMetric(MetricName.MAE).compare(labels, predictions, labels, groups, slices, 100)


@pytest.mark.parametrize(
  ('metric', 'words', 'keys'),
  [
    (MetricName.RMSE, ('RMSE', 'RMSE ratio'), ['rmse', 'rmse_ratio', 'mae']),
    (MetricName.MAE, ('MAE', 'MAE ratio'), ['mae', 'mae_ratio', 'rmse']),
    (MetricName.ACCURACY, ('accuracy', 'loss of accuracy'), ['accuracy', 'accuracy_loss', 'log_loss', 'auc']),
    (MetricName.LOG_LOSS, ('log loss', 'log loss ratio'), ['log_loss', 'log_loss_ratio', 'accuracy', 'auc']),
    (MetricName.AUC, ('AUC', 'loss of AUC'), ['auc', 'auc_loss', 'accuracy', 'log_loss']),
  ],
)
def test_words_and_keys(metric, words, keys):
  judged = TaskMetric(metric)
  assert (judged.name, judged.relative) == words
  assert [*judged.figures(None)] == keys and set(judged.figures(None).values()) == {None}
  case = _case(2 if judged.classifies else None)
  found = judged.compare(*case, 100)
  assert [*judged.figures(found)] == keys and None not in judged.figures(found).values()
  assert [*judged.slice_figures(found.slices['third'])] == keys[:2]
  assert judged.key == keys[0]


def test_the_metric_of_a_task():
  task = Task(build_fn='a.build', kind=TaskKind.CLASSIFICATION, label='digit')
  assert metric_of(task) == TaskMetric(MetricName.ACCURACY)
  assert metric_of(task.model_copy(update={'metric': MetricName.AUC})) == TaskMetric(MetricName.AUC)
