"""The gate on a user's own model: limits in the metric's direction, records, real files of a classifier.

Oracle: made figures by hand; NumPy and scikit-learn, on what LiteRT makes of the files.
"""

import dataclasses
import json
from typing import ClassVar

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import tensorflow as tf
from sklearn.metrics import confusion_matrix, roc_auc_score

from components.compression_gate.choice import Served, Variant, choose, misses, notes, too_little
from components.compression_gate.gate import Judgement, judge
from components.compression_gate.measuring import Measured, measure
from components.compression_gate.pushed_version import ServedVersion, write_version
from components.compression_gate.records import CompressionRecord
from components.compression_gate.report import predictions, report
from components.compression_gate.task import task_budget, task_thresholds
from components.quantization_rewriter.records import file_facts
from configs.compression import Budget, Compression, JudgedOn, Measurement, Objective, Precision, Scheme
from configs.errors import FailedError
from configs.records import Estimate
from configs.task import MetricName, Task, TaskKind
from models.lite.converter import Converter, configured, convert
from models.lite.interpreter import AnyFile, LiteRunner
from models.protocols import Terms
from models.release import verify
from models.task_metrics import TaskMetric, metric_of
from tests.components.test_compression_gate_ruling import OPEN, candidate

ACCURACY, AUC, LOG_LOSS, MAE = map(
  TaskMetric, (MetricName.ACCURACY, MetricName.AUC, MetricName.LOG_LOSS, MetricName.MAE)
)
TASK = Task(
  build_fn='a.build', kind=TaskKind.CLASSIFICATION, label='digit', limit=0.96, max_loss=0.01, worst_slice_loss=0.05
)
BUDGET = task_budget(TASK, Budget())


def _sentences(found, task=TASK, served=None, budget=None):
  served = None if served is None else Served('7', Estimate(served))
  missed = misses(found, budget or task_budget(task, OPEN), task_thresholds(task), served)
  assert all(miss.excess > 1 for miss in missed)
  return [miss.sentence for miss in missed]


@pytest.mark.parametrize(
  ('metric', 'error', 'limit', 'expected'),
  [
    pytest.param(ACCURACY, 0.951, 0.96, 'accuracy is 0.951, below the limit of 0.960 (task.limit)', id='accuracy'),
    pytest.param(ACCURACY, 0.96, 0.96, None, id='accuracy_at_the_limit'),
    pytest.param(ACCURACY, 0.99, 0.96, None, id='accuracy_above'),
    pytest.param(
      ACCURACY, 0.9598, 0.96, 'accuracy is 0.9598, below the limit of 0.9600 (task.limit)', id='hardly_below'
    ),
    pytest.param(ACCURACY, 0.0, 0.96, 'accuracy is 0.000, below the limit of 0.960 (task.limit)', id='none_right'),
    pytest.param(ACCURACY, 0.0, None, None, id='no_limit_where_larger_is_better'),
    pytest.param(LOG_LOSS, 0.31, 0.3, 'log loss is 0.310, above the limit of 0.300 (task.limit)', id='log_loss'),
    pytest.param(LOG_LOSS, 0.29, 0.3, None, id='log_loss_below'),
    pytest.param(LOG_LOSS, 9.0, None, None, id='no_limit_where_smaller_is_better'),
    pytest.param(MAE, 4.0, 3.9, 'MAE is 4.000 m, above the limit of 3.900 m (task.limit)', id='with_a_unit'),
  ],
)
def test_a_limit_in_the_direction_of_its_metric(metric, error, limit, expected):
  kind = TaskKind.CLASSIFICATION if metric.classifies else TaskKind.REGRESSION
  given = {'metric': metric.judged, 'limit': limit, 'kind': kind, 'unit': '' if metric.classifies else 'm'}
  task, same = TASK.model_copy(update=given), 0.0 if metric.larger_is_better else 1.0
  found = candidate(metric=metric, error=error, ratio=same)
  assert _sentences(found, task) == ([] if expected is None else [expected])


@pytest.mark.parametrize(
  ('metric', 'error', 'served', 'expected'),
  [
    pytest.param(ACCURACY, 0.94, 0.96, None, id='as_much_as_allowed'),
    pytest.param(ACCURACY, 0.99, 0.96, None, id='better'),
    pytest.param(
      ACCURACY,
      0.93,
      0.96,
      'accuracy is 0.930, where version 7, which serves, has 0.960 on the same rides; it may lose 0.02 at most '
      '(task.max_loss_to_served)',
      id='accuracy',
    ),
    pytest.param(
      LOG_LOSS,
      0.31,
      0.3,
      'log loss is 0.310, where version 7, which serves, has 0.300 on the same rides; it may rise by 2.0% at most '
      '(task.max_loss_to_served)',
      id='log_loss',
    ),
    pytest.param(LOG_LOSS, 0.306, 0.3, None, id='log_loss_as_much_as_allowed'),
  ],
)
def test_what_serves_in_the_direction_of_its_metric(metric, error, served, expected):
  task = TASK.model_copy(update={'metric': metric.judged, 'limit': None})
  found = candidate(metric=metric, error=error, ratio=0.0 if metric.larger_is_better else 1.0)
  assert _sentences(found, task, served) == ([] if expected is None else [expected])
  assert not _sentences(found, task.model_copy(update={'max_loss_to_served': None}), served)


@pytest.mark.parametrize(
  ('metric', 'figures', 'judged_on', 'expected'),
  [
    pytest.param(ACCURACY, {'ratio': 0.01}, 'point', None, id='as_much_as_allowed'),
    pytest.param(ACCURACY, {'ratio': -0.3}, 'point', None, id='more_accurate_than_the_baseline'),
    pytest.param(
      ACCURACY,
      {'ratio': 0.014},
      'point',
      'loss of accuracy 0.014 is above the budget of 0.010 (task.max_loss)',
      id='accuracy',
    ),
    pytest.param(
      AUC,
      {'ratio': 0.0, 'slices': {'digit 3': (70, 0.064, 0.1), 'digit 8': (99, -0.2, 0.0), 'few': (3, 0.9, 0.9)}},
      'point',
      "loss of AUC 0.064 in the slice 'digit 3' (70 rides) is above the budget of 0.050 (task.worst_slice_loss)",
      id='worst_slice',
    ),
    pytest.param(
      ACCURACY,
      {'ratio': -0.0001, 'high': 0.02},
      'upper_bound',
      'loss of accuracy 0.000 may be as high as 0.020 (upper bound of the 95 % interval), above the budget of 0.010 '
      '(task.max_loss)',
      id='upper_bound_and_no_sign_of_a_zero',
    ),
    pytest.param(
      LOG_LOSS,
      {'ratio': 1.013},
      'point',
      'log loss ratio 1.013 is above the budget of 1.010 (task.max_loss)',
      id='log_loss',
    ),
    pytest.param(LOG_LOSS, {'ratio': 1.01}, 'point', None, id='log_loss_as_much_as_allowed'),
  ],
)
def test_the_budget_of_a_task(metric, figures, judged_on, expected):
  task = TASK.model_copy(update={'metric': metric.judged, 'limit': None})
  budget = task_budget(task, OPEN.model_copy(update={'judged_on': JudgedOn(judged_on)}))
  found = candidate(metric=metric, error=0.9, **figures)
  assert _sentences(found, task, budget=budget) == ([] if expected is None else [expected])


def test_limits_that_a_task_leaves_out():
  task = TASK.model_copy(update={'limit': None, 'max_loss': None, 'worst_slice_loss': None, 'max_loss_to_served': None})
  assert task_budget(task, Budget(bytes=9)) == Budget(rmse_ratio=None, worst_slice_ratio=None, bytes=9)
  assert _sentences(candidate(metric=ACCURACY, ratio=1.0, error=0.0, slices={'a': (99, 1.0, 1.0)}), task, 1.0) == []
  assert (BUDGET.rmse_ratio, BUDGET.worst_slice_ratio) == (0.01, 0.05)


def _chosen(candidates, objective=Objective.DOWNLOAD, task=TASK):
  found = {each.variant.name: each for each in candidates}
  limits = task_thresholds(task)
  return choose(
    found,
    {name: misses(each, task_budget(task, OPEN), limits) for name, each in found.items()},
    limits,
    objective=objective,
  )


def _accurate(name, error, ratio, **figures):
  return candidate(name, metric=ACCURACY, error=error, ratio=ratio, **figures)


@pytest.mark.parametrize('order', [1, -1])
def test_the_most_accurate_is_the_one_that_is_right_most_often(order):
  """Among equal downloads, and by the objective; in both orders."""
  candidates = [_accurate('a.int8', 0.981, -0.001), _accurate('b.int8', 0.972, 0.008)][::order]
  choice = _chosen(candidates)
  assert choice.chosen == 'a.int8'
  assert choice.reason == (
    'a.int8 is the most accurate of those that share the smallest download within 1 %, all that keep the budget '
    '(objective download: 500 bytes after gzip, 1,000 as it is, loss of accuracy -0.001, accuracy 0.981 of at least '
    '0.96).'
  )
  assert choice.reasons['b.int8'] == (
    'Keeps the budget, but a.int8 is more accurate (loss of accuracy -0.001 of 0.008) and equal but for noise '
    '(500 of 500 bytes after gzip).'
  )
  by_error = _chosen(candidates, Objective.ERROR)
  assert by_error.chosen == 'a.int8'
  assert by_error.reasons['b.int8'] == (
    'Keeps the budget, but a.int8 is more accurate (loss of accuracy -0.001 of 0.008).'
  )


def test_the_nearest_is_the_one_that_misses_least():
  """A point of accuracy counts as much as one per cent of the bytes: 3 points too many are nearer than 10 %."""
  large = _accurate('a.int8', 0.99, 0.0, size=1100)
  found = {each.variant.name: each for each in (large, _accurate('b.int8', 0.97, 0.04, size=900))}
  budget = task_budget(TASK, OPEN.model_copy(update={'bytes': 1000}))
  choice = choose(found, {name: misses(each, budget) for name, each in found.items()})
  assert choice.reason.endswith('nearest is b.int8: loss of accuracy 0.040 is above the budget of 0.010.')


def test_the_baseline_is_named_where_it_is_another():
  base = _accurate('qat.float32', 0.9, 0.0)
  said = notes({'qat.float32': base}, {'qat.float32': []}, [], 'qat.float32', Compression(), [])
  assert said == ['There is no dense.float32 to compare with, so every loss of accuracy is against qat.float32.']


@pytest.mark.parametrize(
  ('labels', 'expected'),
  [
    ([3.0] * 12, 'All 12 examples to judge by are of one class (3), so they show no mistake.'),
    ([3.0] * 11 + [4.0], None),
  ],
)
def test_one_class_is_too_little(labels, expected):
  assert too_little(np.array(labels), np.arange(12), task_thresholds(TASK), Terms(), classes=True) == expected


@dataclasses.dataclass(frozen=True)
class Points:
  """`models.protocols.EvalExamples` of a classification."""

  columns: dict[str, np.ndarray]
  labels: np.ndarray
  groups: np.ndarray
  slices: dict[str, np.ndarray]
  metric: TaskMetric = ACCURACY
  contract: ClassVar[AnyFile] = AnyFile()

  def shown(self):
    return {'class': self.labels.astype(np.int16)}

  def __len__(self):
    return len(self.labels)


class PointVersion:
  """`models.protocols.Version`."""

  facts: ClassVar[dict] = {'dataset': 'points', 'inputs': ()}

  def tolerance(self, spread):
    return spread

  def golden_rows(self, predictions):
    return np.arange(2)

  def write_golden(self, version_dir, columns, predictions, tolerance):
    pass

  def write_warm_up(self, version_dir, columns):
    pass


COUNT, SLOPE = 300, 4.0


def _points():
  """Class 1 lies to the right, with noise; the slices are one of each kind, and one of a single class."""
  generator = np.random.default_rng(0)
  x = generator.normal(0, 1, COUNT).astype(np.float32)
  labels = (x + generator.normal(0, 0.3, COUNT) > 0).astype(np.float32)
  slices = {'even': np.arange(COUNT) % 2 == 0, 'ones': labels == 1}
  return Points({'x': x}, labels, np.arange(COUNT), slices)


def _file(shift, saved_model=None):
  """A file that gives the probability of class 1 to the right of a point."""
  module = tf.Module()
  module.shift = tf.Variable(np.float32(shift))
  function = tf.function(
    lambda x: {'p': tf.sigmoid(SLOPE * (x - module.shift))},
    input_signature=[tf.TensorSpec([None], tf.float32, name='x')],
  )
  signatures = {'serving_default': function.get_concrete_function()}
  if saved_model is not None:
    tf.saved_model.save(module, str(saved_model), signatures=signatures)
  return convert(configured(Converter.from_concrete_functions([*signatures.values()], module)))


SHIFTS = {'dense.float32': 0.0, 'near.int8': 0.02, 'far.int8': 0.5}
COMPRESSION = Compression(
  schemes=tuple(Scheme(name=each.value, precision=each) for each in (Precision.FLOAT32, Precision.INT8)),
  budget=task_budget(TASK, Budget()),
  measurement=Measurement(rounds=3, calls=5, batch=8),
)


@pytest.fixture(scope='module')
def files(tmp_path_factory):
  """Paths by variant, and that of a SavedModel."""
  folder = tmp_path_factory.mktemp('files')
  for name, shift in SHIFTS.items():
    (folder / f'{name}.tflite').write_bytes(_file(shift, folder / 'saved' if name == 'near.int8' else None))
  return {name: folder / f'{name}.tflite' for name in SHIFTS}, folder / 'saved'


def _variants(files):
  return [Variant(file_facts(name, path.read_bytes()), path) for name, path in files[0].items()]


def _judged(files, metric=ACCURACY, serving=None, examples=None, drawn_from=None, **limits):
  task = TASK.model_copy(update={'metric': metric.judged, 'limit': None, **limits})
  settings = COMPRESSION.model_copy(update={'budget': task_budget(task, Budget())})
  given = dataclasses.replace(examples or _points(), metric=metric_of(task))
  found = judge(
    _variants(files), given, settings, 200, thresholds=task_thresholds(task), serving=serving, drawn_from=drawn_from
  )
  return found, report(found, _variants(files), given, settings)


@pytest.fixture(scope='module')
def judged(files):
  return _judged(files)


def test_files_are_judged_by_their_accuracy(files, judged):
  found, record = judged
  points = _points()
  right = {name: (LiteRunner(path).predict(points.columns) > 0.5) == points.labels for name, path in files[0].items()}
  for name, each in right.items():
    row = record.named(name)
    assert row.accuracy.value == pytest.approx(each.mean())
    assert row.accuracy_loss.value == pytest.approx(right['dense.float32'].mean() - each.mean())
    assert row.auc.value == pytest.approx(
      roc_auc_score(points.labels, LiteRunner(files[0][name]).predict(points.columns))
    )
    slices = {found.name: found.accuracy.value for found in row.slices}
    assert slices == pytest.approx({name: each[mask].mean() for name, mask in points.slices.items()})
  assert record.named('near.int8').within_budget and not record.named('far.int8').within_budget
  assert record.chosen in ('dense.float32', 'near.int8')
  assert found.choice.reasons['far.int8'].startswith('loss of accuracy 0.')


def test_a_record_of_a_task(judged):
  """It says what is judged, and holds neither an RMSE nor a confusion matrix of what nobody asks for."""
  found, record = judged
  content = json.loads(record.to_json())
  assert content['metric'] == 'accuracy' and content['served_accuracy'] is None
  assert not [key for key in content if key.startswith('served_') and key[7:] not in ('version', 'accuracy')]
  rows = {row['name']: row for row in content['variants']}
  assert not [key for row in rows.values() for key in row if 'rmse' in key or 'mae' in key]
  points = _points()
  for name, row in rows.items():
    if name not in ('dense.float32', record.chosen):
      assert 'confusion' not in row
      continue
    classes = found.candidates[name].measured.predictions > 0.5
    assert row['confusion'] == confusion_matrix(points.labels, classes).tolist()
  assert CompressionRecord.parse(record.to_json(), 'file') == record


def test_an_auc_has_no_slice_of_one_class_and_says_so(files):
  found, record = _judged(files, AUC)
  assert [each.name for each in record.named('far.int8').slices] == ['even']
  assert found.notes == ['Slices of one class have no AUC and are not judged: ones.']
  # Shifting a curve keeps its area.
  assert record.named('far.int8').auc_loss.value == pytest.approx(0)


def test_an_eval_split_of_one_class_pushes_nothing(files):
  points = _points()
  ones = dataclasses.replace(points, labels=np.ones(COUNT, np.float32), slices={})
  found, _ = _judged(files, examples=ones)
  assert found.choice.reason == (
    'All 300 examples to judge by are of one class (1), so they show no mistake. Nothing is pushed and the served '
    'model stays.'
  )
  with pytest.raises(FailedError, match='There is no AUC of 300 examples that are all of class 1'):
    _judged(files, AUC, examples=ones)


def test_a_sample_is_said_to_be_one_by_the_tasks_own_setting(files):
  found, record = _judged(files, drawn_from=900)
  said = 'Judged on 300 of 900 examples of the eval split, drawn at random (task.judged_examples).'
  assert said in found.notes and record.drawn_from == 900


@pytest.mark.parametrize('allowed', [0.001, 0.5])
def test_what_serves_is_held_against_the_files(files, allowed):
  serving = ServedVersion('7', files[0]['dense.float32'], ('x',))
  found, record = _judged(files, serving=serving, max_loss=0.9, worst_slice_loss=None, max_loss_to_served=allowed)
  assert record.served_accuracy == found.candidates['dense.float32'].errors.error
  assert record.served_rmse is None
  lost = [name for name, missed in found.missed.items() if missed]
  assert ('far.int8' in lost) is (allowed == 0.001)


def test_a_served_version_without_a_sound_file_is_no_baseline(files):
  found, _ = _judged(files, serving=ServedVersion('7', None, reason='It is gone.'))
  assert found.notes == ['It is gone. It is no baseline: task.max_loss_to_served is not held against anything.']


def test_the_manifest_of_a_task(files, judged, tmp_path):
  found, _ = judged
  scheme = COMPRESSION.schemes[0]
  write_version(
    str(tmp_path / '1'), str(files[1]), found.chosen, scheme, _points(), found.baseline, PointVersion(), 'code'
  )
  metrics = json.loads((tmp_path / '1' / 'assets.extra' / 'manifest.json').read_text())['metrics']
  assert metrics['baseline'] == 'dense.float32' and not [key for key in metrics if 'rmse' in key]
  read = verify(tmp_path / '1').metrics
  assert read.accuracy == found.chosen.errors.error and read.accuracy_loss == found.chosen.errors.ratio


def test_predictions_of_classes_are_flat(judged):
  found, _ = judged
  table = pq.read_table(pa.BufferReader(predictions(found, _points())))
  p = found.candidates['dense.float32'].measured.predictions
  assert table.column_names[:3] == ['class', 'dense.float32', 'dense.float32.probability']
  assert table.schema.field('dense.float32').type == pa.int16()
  np.testing.assert_array_equal(table['dense.float32'].to_numpy(), p > 0.5)
  np.testing.assert_allclose(table['dense.float32.probability'].to_numpy(), np.maximum(p, 1 - p), rtol=1e-6)


def _converted(function, *shape):
  """A file of a function of `x`."""
  module = tf.Module()
  module.function = tf.function(function, input_signature=[tf.TensorSpec([None, *shape], tf.float32, name='x')])
  return convert(configured(Converter.from_concrete_functions([module.function.get_concrete_function()], module)))


def _three_classes(bias):
  """A file that tells three classes apart by the nearest of three corners, with a bias to the first one."""
  corners = np.eye(3, dtype=np.float32)
  return _converted(lambda x: {'p': tf.nn.softmax(SLOPE * (x @ corners) + [bias, 0.0, 0.0])}, 3)


@pytest.mark.parametrize('bias', [0.0, 3.0])
def test_files_of_several_classes(bias, tmp_path):
  """With a bias the second file takes too many for the first class, which a slice of another one shows most."""
  generator = np.random.default_rng(0)
  labels = generator.integers(0, 3, COUNT)
  x = (np.eye(3)[labels] + generator.normal(0, 0.3, (COUNT, 3))).astype(np.float32)
  slices = {f'class {number}': labels == number for number in range(3)}
  examples = Points({'x': x}, labels.astype(np.float32), np.arange(COUNT), slices)
  paths = {}
  for name, each in (('dense.float32', 0.0), ('biased.int8', bias)):
    paths[name] = tmp_path / f'{name}.tflite'
    paths[name].write_bytes(_three_classes(each))
  found, record = _judged((paths, None), examples=examples)
  row, wanted = record.named('biased.int8'), LiteRunner(paths['biased.int8']).predict({'x': x}).argmax(axis=1)
  assert row.accuracy.value == pytest.approx(np.mean(wanted == labels))
  assert row.within_budget is (bias == 0)
  if bias:
    assert row.worst_slice.name in ('class 1', 'class 2')
    assert row.worst_slice.accuracy.value == pytest.approx(np.mean((wanted == labels)[slices[row.worst_slice.name]]))
    assert "in the slice 'class " in row.reason and row.reason.endswith('(task.worst_slice_loss).')
  assert record.named('dense.float32').confusion == tuple(
    map(tuple, confusion_matrix(labels, LiteRunner(paths['dense.float32']).predict({'x': x}).argmax(axis=1)).tolist())
  )
  assert found.candidates['dense.float32'].measured.predictions.shape == (COUNT, 3)


def test_a_served_file_of_other_classes_is_no_baseline(files, tmp_path):
  """It runs on the same columns, and gives more numbers."""
  path = tmp_path / 'served.tflite'
  path.write_bytes(_converted(lambda x: {'p': tf.nn.softmax(tf.stack([x, -x, x], axis=1))}))
  found, record = _judged(files, serving=ServedVersion('7', path, ('x',)))
  assert record.served_version is None
  assert found.notes == [
    'Version 7, which serves, does not run on these examples: it gives 3 numbers for each, and not 1 number. It is no '
    'baseline: task.max_loss_to_served is not held against anything.'
  ]


def test_an_example_without_a_number_for_some_class_is_counted_once(tmp_path):
  path = tmp_path / 'a.tflite'
  path.write_bytes(_converted(lambda x: {'p': tf.stack([x / x, x / x, x], axis=1)}))
  x = np.ones(COUNT, np.float32)
  x[[3, 8]] = 0
  _, lost = measure({'a': path}, {'x': x}, COMPRESSION.measurement)
  assert lost == {'a': 'It gives no number for 2 of 300 examples.'}


@pytest.mark.parametrize(('classes', 'kept'), [(3, True), (50, True), (51, False)])
def test_several_classes(classes, kept):
  """Made predictions: flat columns, and a confusion matrix of few enough classes."""
  generator = np.random.default_rng(0)
  labels = generator.integers(0, classes, COUNT).astype(np.float32)
  given = generator.random((COUNT, classes)).astype(np.float32)
  given /= given.sum(axis=1, keepdims=True)
  examples = Points({}, labels, np.arange(COUNT), {})
  made = _accurate('dense.float32', 0.1, 0.0)
  ran = Measured(given, made.measured.latency_us, made.measured.latency_us, 1)
  made = dataclasses.replace(made, measured=ran, errors=ACCURACY.compare(labels, given, given, labels, {}, 100))
  judgement = Judgement(_chosen([made], task=TASK.model_copy(update={'limit': None})), 'dense.float32',
                        {'dense.float32': made}, {'dense.float32': []}, {}, [])  # fmt: skip
  record = report(judgement, [made.variant], examples, COMPRESSION)
  [row] = json.loads(record.to_json())['variants']
  assert ('confusion' in row) is kept
  if kept:
    assert row['confusion'] == confusion_matrix(labels, given.argmax(axis=1), labels=range(classes)).tolist()
  table = pq.read_table(pa.BufferReader(predictions(judgement, examples)))
  np.testing.assert_array_equal(table['dense.float32'].to_numpy(), given.argmax(axis=1))
  np.testing.assert_array_equal(table['dense.float32.probability'].to_numpy(), given.max(axis=1))


def test_the_frontier_goes_by_the_direction():
  """Equal in size, and the one that is more often right stays alone; of errors the one with the smaller one."""
  for metric, best in ((ACCURACY, 'a.int8'), (MAE, 'b.int8')):
    made = {
      name: dataclasses.replace(candidate(name, metric=metric, error=error, ratio=0.5),
                                measured=Measured(np.zeros(2, np.float32), *[candidate().measured.latency_us] * 2, 1))
      for name, error in (('a.int8', 0.9), ('b.int8', 0.8))
    }  # fmt: skip
    examples = Points({}, np.zeros(2, np.float32), np.arange(2), {}, metric)
    judgement = Judgement(choose(made, dict.fromkeys(made, ())), best, made, {name: [] for name in made}, {}, [])
    record = report(judgement, [each.variant for each in made.values()], examples, COMPRESSION)
    assert [variant.name for variant in record.variants if variant.frontier_size] == [best]
    assert [variant.name for variant in record.variants if variant.frontier_latency] == [best]
