"""The threshold and the errors of the evaluator. Oracle: NumPy on the same fares, and the config's own limits."""

from __future__ import annotations

import json

import numpy as np
import pytest
import tensorflow as tf
from google.protobuf import json_format
from tensorflow_model_analysis.proto import config_pb2

from components.fare_evaluator import in_memory, slices
from configs import loading
from configs.dataset import LABEL, TIME
from models.error_intervals import error_intervals
from models.serving import SERVING_DEFAULT
from transforms import names


def _thresholds(config: config_pb2.EvalConfig) -> dict[str, list]:
  [spec] = config.metrics_specs
  assert not any(metric.HasField('threshold') for metric in spec.metrics), 'a plain one would hold for every slice'
  return {metric.class_name: list(metric.per_slice_thresholds) for metric in spec.metrics}


def test_the_rmse_of_all_rides_is_judged_and_nothing_else():
  thresholds = _thresholds(slices.eval_config(7.5))
  assert set(thresholds) == {'RootMeanSquaredError', 'MeanAbsoluteError', 'Calibration', 'ExampleCount'}
  [judged] = thresholds.pop('RootMeanSquaredError')
  assert not any(thresholds.values())
  assert list(judged.slicing_specs) == [config_pb2.SlicingSpec()]
  assert judged.threshold.value_threshold.upper_bound.value == 7.5
  assert not judged.threshold.HasField('change_threshold')


def test_without_a_limit_nothing_is_validated():
  assert not any(_thresholds(slices.eval_config()).values())


def test_slices_of_the_one_model():
  """What serves may cut the rides in another way, so it is no baseline here."""
  config = slices.eval_config()
  assert [list(spec.feature_keys) for spec in config.slicing_specs] == [[], *([key] for key in names.SLICES)]
  assert [(spec.is_baseline, spec.label_key) for spec in config.model_specs] == [(False, LABEL)]


class _Model(tf.Module):
  """Predicts the time stamp, divided by ten; one ride has no number at time stamp 990."""

  @tf.function(input_signature=[tf.TensorSpec([None], tf.string, 'examples')])
  def serve(self, examples):
    seconds = tf.io.parse_example(examples, {TIME: tf.io.FixedLenFeature([], tf.int64)})[TIME]
    return {LABEL: tf.where(seconds == 990, float('nan'), tf.cast(seconds, tf.float32) / 10)}


@pytest.fixture(scope='module')
def saved_model(tmp_path_factory) -> str:
  model, path = _Model(), str(tmp_path_factory.mktemp('model'))
  tf.saved_model.save(model, path, signatures={SERVING_DEFAULT: model.serve})
  return path


def _examples(folder, name: str, seconds, fares) -> str:
  path = str(folder / name)
  with tf.io.TFRecordWriter(path, 'GZIP') as writer:
    for second, fare in zip(seconds, fares, strict=True):
      features = {
        TIME: tf.train.Feature(int64_list=tf.train.Int64List(value=[second])),
        LABEL: tf.train.Feature(float_list=tf.train.FloatList(value=[fare])),
      }
      writer.write(tf.train.Example(features=tf.train.Features(feature=features)).SerializeToString())
  return path


def _intervals(model: str, files: list[str]):
  return slices.intervals(in_memory.outcomes_of_split(model, files), 200)


def test_errors_of_the_exported_model_on_a_split(saved_model, tmp_path):
  """Two files; the five worst rides of twelve are too low and too high."""
  seconds = np.arange(12) * 10
  errors = np.array([0.5, -9, 0.25, 8, -7, 0.125, 6, -5, 1, -1, 0.5, 0])
  fares = seconds / 10 - errors
  files = [
    _examples(tmp_path, name, seconds[part], fares[part]) for name, part in (('b', slice(6, 12)), ('a', slice(0, 6)))
  ]
  found = _intervals(saved_model, files)
  kept = np.array(sorted(errors, key=abs)[:7])
  assert found.rides == 12
  assert found.rmse.value == pytest.approx(np.sqrt(np.mean(errors**2)), rel=1e-5)
  assert found.mae.value == pytest.approx(np.mean(np.abs(errors)), rel=1e-5)
  assert found.rmse_without_worst_5 == pytest.approx(np.sqrt(np.mean(kept**2)), rel=1e-5)
  expected = error_intervals(fares, seconds / 10, seconds, 200)
  assert [found.rmse.low, found.rmse.high] == pytest.approx([expected['rmse'].low, expected['rmse'].high], rel=1e-4)
  assert found.rmse.low < found.rmse.value < found.rmse.high


def test_of_five_rides_none_is_left_out(saved_model, tmp_path):
  file = _examples(tmp_path, 'a', np.arange(5) * 10, np.arange(5) + 2.0)
  assert _intervals(saved_model, [file]).rmse_without_worst_5 == pytest.approx(2.0)


def test_a_split_without_rides_and_a_model_without_numbers_are_refused(saved_model, tmp_path):
  with pytest.raises(ValueError, match='holds no ride'):
    _intervals(saved_model, [_examples(tmp_path, 'a', [], [])])
  with pytest.raises(ValueError, match='predicts no number for 1 of 2 rides'):
    _intervals(saved_model, [_examples(tmp_path, 'b', [980, 990], [1.0, 1.0])])


FARES = np.array([4, 8, 6, 10, 5, 7], np.float32)
"""Of rides that are predicted a dollar too high, and two dollars at the airport: an RMSE of 1.58, 1 and 2."""


def _outcomes(fares: np.ndarray) -> in_memory.Outcomes:
  airport = np.array([0, 1, 0, 1, 0, 1], np.int16)
  return in_memory.Outcomes(fares, fares + 1 + airport, np.arange(6), {names.SLICE_AIRPORT: airport})


def _config(max_rmse: float | None, *judged: str) -> config_pb2.EvalConfig:
  """Of `eval_config`; what is judged is all rides, or a feature's slices."""
  config = slices.eval_config(max_rmse, [names.SLICE_AIRPORT])
  if judged:
    [threshold] = config.metrics_specs[0].metrics[0].per_slice_thresholds
    threshold.slicing_specs[0].feature_keys[:] = judged
  return config


@pytest.mark.parametrize(
  ('config', 'fares', 'blessed', 'missing', 'broken'),
  [
    pytest.param(_config(2), FARES, True, 0, 0, id='threshold_kept'),
    pytest.param(_config(1.5), FARES, False, 0, 1, id='threshold_broken'),
    pytest.param(_config(1.5, names.SLICE_AIRPORT), FARES, False, 0, 1, id='threshold_broken_by_a_slice'),
    pytest.param(_config(2, names.SLICE_AIRPORT), FARES, True, 0, 0, id='threshold_kept_by_slices'),
    pytest.param(_config(2, names.SLICE_TIME_BAND), FARES, False, 1, 0, id='missing_slice'),
    pytest.param(_config(2), 0 * FARES, True, 0, 0, id='calibration_is_no_number'),
    pytest.param(_config(None), FARES, False, 0, 0, id='no_threshold'),
  ],
)
def test_the_files_in_memory_are_those_of_tfma(tmp_path, config, fares, blessed, missing, broken):
  """Oracle: TFMA's own conversions, validation and defaults, on the same figures; to the byte."""
  verdict = in_memory.evaluate(_outcomes(fares), config, 'model', str(tmp_path))
  assert (verdict.validation_ok, len(verdict.missing_slices)) == (blessed, missing)
  assert len(verdict.metric_validations_per_slice) == broken
  expected, completed = _by_tfma(_outcomes(fares), config)
  for name, records in expected.items():
    [file] = tmp_path.glob(f'{name}*.tfrecord')
    assert [*tf.data.TFRecordDataset(str(file)).as_numpy_iterator()] == records, name
  run = json.loads((tmp_path / 'eval_config.json').read_text())
  assert run['evalConfig'] == json_format.MessageToDict(completed)


def _by_tfma(outcomes: in_memory.Outcomes, config: config_pb2.EvalConfig):
  """The records by file, and the config with TFMA's defaults."""
  import tensorflow_model_analysis as tfma
  from tfx.components import Evaluator  # noqa: F401, gives TFMA the names that it lacks.

  writer = tfma.writers.metrics_plots_and_validations_writer
  config = tfma.utils.update_eval_config_with_defaults(config, has_baseline=False, rubber_stamp=True)
  rows = [
    (key, {tfma.metrics.MetricKey(name=name, example_weighted=False): value for name, value in metrics.items()})
    for key, metrics in in_memory._slices(outcomes, config)
  ]
  combine = writer.CombineValidations(config)
  accumulated = combine.create_accumulator()
  for row in rows:
    accumulated = combine.add_input(accumulated, tfma.evaluators.metrics_validator.validate_metrics(row, config))
  protos = {
    'metrics': [writer.convert_slice_metrics_to_proto(row, None) for row in rows],
    'plots': [writer.convert_slice_plots_to_proto((key, {}), None) for key, _ in rows],
    'attributions': [writer.convert_slice_attributions_to_proto((key, {})) for key, _ in rows],
    'validations': [combine.extract_output(accumulated)],
  }
  return {name: [one.SerializeToString(deterministic=True) for one in made] for name, made in protos.items()}, config


def test_an_evaluation_is_read_as_tfma_reads_it(tmp_path):
  """Oracle: `tfma.load_eval_result`; a calibration that is no number, too."""
  import tensorflow_model_analysis as tfma
  from tfx.components import Evaluator  # noqa: F401, gives TFMA the names that it lacks.

  in_memory.evaluate(_outcomes(0 * FARES), _config(2), 'model', str(tmp_path))
  config = loading.load('chicago')
  rows = slices.read_slices(str(tmp_path), [names.SLICE_AIRPORT], config.evaluation.slices, config.dataset)
  expected = {key: metrics[''][''] for key, metrics in tfma.load_eval_result(str(tmp_path)).slicing_metrics}
  assert [row.name for row in rows] == ['all', 'no airport', 'airport ride']
  for row in rows:
    metrics = expected[tuple((part.feature, part.value) for part in row.slice)]
    found = row.model_dump(exclude={'name', 'slice'})
    assert found == pytest.approx({name: float(value['doubleValue']) for name, value in metrics.items()}, nan_ok=True)
  assert np.isnan(rows[0].calibration)
