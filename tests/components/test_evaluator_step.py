"""The evaluator's executor as TFX calls it: TFMA itself, on a model that is one line.

Oracle: NumPy on the fares that the test writes; each ride has a code of its own in every slicing.
"""

from __future__ import annotations

import json
import pathlib

import numpy as np
import pytest
import tensorflow as tf
from tfx.dsl.components.base import base_beam_executor
from tfx.types import artifact_utils, standard_artifacts
from tfx.utils import json_utils, proto_utils

from components.fare_evaluator.component import FareEvaluatorExecutor
from components.fare_evaluator.slices import eval_config
from configs import loading
from configs.dataset import LABEL, TIME
from models.serving import SERVING_DEFAULT, TRANSFORM_FEATURES
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


def _evaluate(inputs, folder: pathlib.Path, max_rmse: float | None = 5.0):
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
    'code_version': '1',
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


def test_what_the_step_leaves_of_a_model_that_is_good_enough(inputs, tmp_path):
  """The rides of the train split do not count."""
  found, blessing = _evaluate(inputs, tmp_path)
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


def test_a_model_that_is_not_good_enough_is_not_valid(inputs, tmp_path):
  """By TFMA's own validation; no push hangs on it."""
  _, blessing = _evaluate(inputs, tmp_path, max_rmse=0.5)
  assert blessing.get_int_custom_property('blessed') == 0


def test_without_a_limit_the_same_is_measured(inputs, tmp_path):
  found, blessing = _evaluate(inputs, tmp_path, max_rmse=None)
  assert not blessing.has_custom_property('blessed') or not blessing.get_int_custom_property('blessed')
  assert found['intervals']['rides'] == 12
  assert len(found['slices']) == 6
