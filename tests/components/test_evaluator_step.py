"""The evaluator's executor as TFX calls it: TFMA itself, on a model that is one line.

Oracle: NumPy on the fares that the test writes; each ride has a code of its own in every slicing.
"""

from __future__ import annotations

import json
import pathlib

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_model_analysis as tfma
from tfx.dsl.components.base import base_beam_executor
from tfx.types import artifact_utils, standard_artifacts
from tfx.utils import json_utils, proto_utils

from components.fare_evaluator.component import FareEvaluator, FareEvaluatorExecutor
from components.fare_evaluator.slices import eval_config
from components.in_memory import COMPUTED, works_in_memory
from configs import loading
from configs.dataset import LABEL, TIME
from configs.errors import FailedError
from models.serving import SERVING_DEFAULT, TRANSFORM_FEATURES
from tests.components.made_reports import made_report
from transforms import names

SECONDS = np.arange(1, 13)
ERRORS = np.array([0.5, -2, 0.25, 1, -1, 0.125, 1.5, -0.5, 1, -1, 0.5, 0])
FARES = SECONDS - ERRORS
SLICINGS = (names.SLICE_TIME_BAND, names.SLICE_DISTANCE_BAND, names.SLICE_AIRPORT, names.SLICE_MISSING_DROPOFF)


class _Model(tf.Module):
  """Predicts the time; a ride is one of an airport where that is even."""

  @tf.function(input_signature=[tf.TensorSpec([None], tf.string, 'examples')])
  def serve(self, examples):
    return {LABEL: tf.cast(_time(examples), tf.float32)}

  @tf.function(input_signature=[tf.TensorSpec([None], tf.string, 'examples')])
  def features(self, examples):
    odd = _time(examples) % 2
    codes = {name: tf.zeros_like(odd) for name in SLICINGS}
    return codes | {names.SLICE_AIRPORT: 1 - odd}


def _time(examples):
  return tf.io.parse_example(examples, {TIME: tf.io.FixedLenFeature([], tf.int64)})[TIME]


def _artifact(kind, uri: pathlib.Path):
  made = kind()
  made.uri = str(uri)
  return made


@pytest.fixture(scope='module')
def inputs(tmp_path_factory):
  """The candidate, and the rides of a split that is evaluated and of one that is not."""
  folder = tmp_path_factory.mktemp('inputs')
  model = _Model()
  signatures = {SERVING_DEFAULT: model.serve, TRANSFORM_FEATURES: model.features}
  tf.saved_model.save(model, str(folder / 'model' / 'Format-Serving'), signatures=signatures)
  for split, rides in (('eval', range(12)), ('train', range(3))):
    path = folder / 'examples' / f'Split-{split}' / 'data.gz'
    path.parent.mkdir(parents=True)
    with tf.io.TFRecordWriter(str(path), 'GZIP') as writer:
      for i in rides:
        values = {TIME: tf.train.Feature(int64_list=tf.train.Int64List(value=[int(SECONDS[i])]))}
        values[LABEL] = tf.train.Feature(float_list=tf.train.FloatList(value=[float(FARES[i])]))
        writer.write(tf.train.Example(features=tf.train.Features(feature=values)).SerializeToString())
  examples = _artifact(standard_artifacts.Examples, folder / 'examples')
  examples.split_names = artifact_utils.encode_split_names(['train', 'eval'])
  return {'examples': [examples], 'model': [_artifact(standard_artifacts.Model, folder / 'model')]}


def _evaluate(inputs, folder: pathlib.Path, max_rmse: float | None = 5.0, in_memory_rides: int = 0, share: str = ''):
  """What the step leaves in its `evaluation`, and its blessing."""
  evaluation = loading.load('nyc', ['evaluation.bootstrap=200']).evaluation
  outputs = {
    'evaluation': [_artifact(standard_artifacts.ModelEvaluation, folder / 'evaluation')],
    'blessing': [_artifact(standard_artifacts.ModelBlessing, folder / 'blessing')],
  }
  properties = {
    'eval_config': proto_utils.proto_to_json(eval_config(max_rmse)),
    'example_splits': json_utils.dumps(['eval']),
    'fairness_indicator_thresholds': json_utils.dumps(None),
    'bootstrap': evaluation.bootstrap,
    'slices': evaluation.slices.model_dump_json(),
    'dataset': FareEvaluator.DATASET.dump(loading.load('nyc').dataset),
    'max_rmse_share': share,
    'code_version': '1',
    'in_memory_rides': in_memory_rides,
  }
  context = base_beam_executor.BaseBeamExecutor.Context(
    beam_pipeline_args=['--direct_num_workers=1'], tmp_dir=str(folder / 'tmp'), unique_id='1'
  )
  FareEvaluatorExecutor(context).Do(inputs, outputs, properties)
  found = {
    name: json.loads((folder / 'evaluation' / f'{name}.json').read_text(encoding='utf-8'))
    for name in ('slices', 'intervals')
  }
  return found, outputs['blessing'][0]


FORMS = pytest.mark.parametrize('rides', [0, 11, 12], ids=['by_beam', 'one_ride_too_many', 'in_memory'])


@FORMS
def test_what_the_step_leaves_of_a_model_that_is_good_enough(inputs, tmp_path, rides):
  """The rides of the train split do not count."""
  found, blessing = _evaluate(inputs, tmp_path, in_memory_rides=rides)
  assert blessing.get_int_custom_property('blessed') == 1
  assert found['intervals']['rides'] == 12
  assert found['intervals']['rmse']['value'] == pytest.approx(np.sqrt(np.mean(ERRORS**2)), rel=1e-5)
  rows = {row['name']: row for row in found['slices']}
  assert len(rows) == 6
  for name, chosen in (('all', SECONDS > 0), ('airport ride', SECONDS % 2 == 0), ('no airport', SECONDS % 2 == 1)):
    assert rows[name]['example_count'] == chosen.sum()
    assert rows[name]['root_mean_squared_error'] == pytest.approx(np.sqrt(np.mean(ERRORS[chosen] ** 2)), rel=1e-4)
    assert rows[name]['mean_absolute_error'] == pytest.approx(np.abs(ERRORS[chosen]).mean(), rel=1e-4)
    assert rows[name]['calibration'] == pytest.approx(SECONDS[chosen].sum() / FARES[chosen].sum(), rel=1e-4)


@FORMS
def test_a_model_that_is_not_good_enough_is_not_valid(inputs, tmp_path, rides):
  """By TFMA's own validation; no push hangs on it."""
  _, blessing = _evaluate(inputs, tmp_path, max_rmse=0.5, in_memory_rides=rides)
  assert blessing.get_int_custom_property('blessed') == 0


@FORMS
@pytest.mark.parametrize(
  ('deviation', 'blessed'), [pytest.param(2.0, 1, id='below_the_share'), pytest.param(1.0, 0, id='above_the_share')]
)
def test_a_relative_limit_goes_by_the_fares_trained_on(inputs, tmp_path, rides, deviation, blessed):
  """The RMSE is 0.97; oracle: 0.6 times the deviation that the model's report has."""
  report = tmp_path / 'model' / 'training_report' / 'training_report.json'
  report.parent.mkdir(parents=True)
  report.write_text(made_report(deviation).to_json())
  [model] = inputs['model']
  (tmp_path / 'model' / 'Format-Serving').symlink_to(pathlib.Path(model.uri) / 'Format-Serving')
  trained = inputs | {'model': [_artifact(standard_artifacts.Model, tmp_path / 'model')]}
  _, blessing = _evaluate(trained, tmp_path, None, rides, share='0.6')
  assert blessing.get_int_custom_property('blessed') == blessed


def test_a_relative_limit_of_a_model_without_a_report_says_what_to_do(inputs, tmp_path):
  with pytest.raises(FailedError, match=r'does not say what fares .* train again, or set evaluation.max_rmse'):
    _evaluate(inputs, tmp_path, None, 12, share='0.6')


@FORMS
def test_without_a_limit_the_same_is_measured(inputs, tmp_path, rides):
  found, blessing = _evaluate(inputs, tmp_path, max_rmse=None, in_memory_rides=rides)
  assert not blessing.has_custom_property('blessed') or not blessing.get_int_custom_property('blessed')
  assert found['intervals']['rides'] == 12
  assert len(found['slices']) == 6


@pytest.mark.parametrize('max_rmse', [5.0, 0.5, None], ids=['good', 'bad', 'no_limit'])
def test_both_forms_write_the_same(inputs, tmp_path, max_rmse):
  """Oracle: TFMA's own writers, by way of Beam. Its RMSE is Keras's, in float32; all else agrees to rounding."""
  made = {}
  for form, rides in (('by Beam', 0), ('in memory', 12)):
    _, made[form] = _evaluate(inputs, tmp_path / form, max_rmse, rides)
  folders = [tmp_path / form / 'evaluation' for form in made]
  written = [sorted(path.name for path in folder.iterdir()) for folder in folders]
  assert written[0] == written[1]
  results = [tfma.load_eval_result(str(folder)) for folder in folders]
  sliced = [{key: metrics[''][''] for key, metrics in result.slicing_metrics} for result in results]
  assert sliced[0].keys() == sliced[1].keys()
  for key, metrics in sliced[0].items():
    assert metrics.keys() == sliced[1][key].keys()
    for name, value in metrics.items():
      precision = 3e-7 if name == 'root_mean_squared_error' else 1e-12
      assert sliced[1][key][name]['doubleValue'] == pytest.approx(value['doubleValue'], rel=precision), (key, name)
  validations = [tfma.load_validation_result(str(folder)) for folder in folders]
  assert _without_values(validations[0]) == _without_values(validations[1])
  assert results[0].config == results[1].config
  records = [
    {name: sorted(record.numpy() for record in tf.data.TFRecordDataset(str(folder / name))) for name in written[0]
     if name.startswith(('plots', 'attributions'))}
    for folder in folders
  ]  # fmt: skip
  assert records[0] == records[1] and len(records[0]) == 2
  blessings = [
    {name: value for name, value in artifact.mlmd_artifact.custom_properties.items()} for artifact in made.values()
  ]
  assert blessings[0] == blessings[1]
  assert [_files(tmp_path / form / 'blessing') for form in made] == [_files(tmp_path / 'by Beam' / 'blessing')] * 2


def _without_values(validation):
  """TFMA's verdict; the figures that it quotes are compared by themselves."""
  copy = type(validation)()
  copy.CopyFrom(validation)
  for of_slice in copy.metric_validations_per_slice:
    for failure in of_slice.failures:
      failure.metric_value.Clear()
      failure.message = ''
  return copy


def _files(folder: pathlib.Path) -> list[str]:
  return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


def test_what_is_made_says_how(inputs, tmp_path):
  for form, rides in (('by Beam', 11), ('in memory', 12)):
    artifact = _artifact(standard_artifacts.ModelEvaluation, tmp_path)
    assert works_in_memory({'in_memory_rides': rides}, 12, artifact) == (form == 'in memory')
    assert artifact.get_string_custom_property(COMPUTED) == form
