"""The eval split of a user's own model: its sample and its slices. Oracle: the arrays that were written."""

import io
from types import SimpleNamespace

import numpy as np
import pyarrow.parquet as pq
import pytest
import tensorflow as tf
from tfx.types import standard_artifacts

from components.compression_gate.report import predictions
from components.compression_gate.task import task_thresholds
from components.compression_gate.task_examples import JudgedTask, read_eval_examples
from configs.compression import Compression
from configs.evaluation import Evaluation
from configs.model import Training
from configs.task import Task
from models.tasks.building import builder
from models.tasks.examples import TaskInputs

TASK = Task(build_fn='tests.models.tasks.user_models.number', kind='regression', label='digit', slices=['writer'])
WRITERS = (None, -1, 3, None, 1_234_567, 1_234_568, -1)


def write(path, column, values):
  """A gzip TFRecord of blank pictures, without the column where its value is None."""
  path.parent.mkdir(parents=True, exist_ok=True)
  with tf.io.TFRecordWriter(str(path), 'GZIP') as writer:
    for number, value in enumerate(values):
      example = tf.train.Example()
      example.features.feature['image'].float_list.value.extend([0.0] * 64)
      example.features.feature['digit'].int64_list.value.append(number)
      kinds = {str: 'bytes_list', float: 'float_list', int: 'int64_list'}
      if value is not None:
        taken = value.encode() if isinstance(value, str) else value
        getattr(example.features.feature[column], kinds[type(value)]).value.append(taken)
      writer.write(example.SerializeToString())
  return str(path)


@pytest.fixture(scope='module')
def inputs():
  return TaskInputs(TASK, builder(TASK, 0)(), None)


def sliced(examples):
  return {name: np.flatnonzero(mask).tolist() for name, mask in examples.slices.items()}


@pytest.mark.parametrize(
  ('values', 'expected'),
  [
    pytest.param(
      WRITERS,
      {'is missing': [0, 3], '=-1': [1, 6], '=3': [2], '=1234567': [4], '=1234568': [5]},
      id='whole_numbers',
    ),
    pytest.param((0.1, None, -1.0, 0.1, 2.00000024), {'is missing': [1], '=-1': [2], '=0.1': [0, 3], '=2.0000002': [4]},
                 id='fractions'),
    pytest.param(('a', None, 'missing', 'a'), {'is missing': [1], '=missing': [2], '=a': [0, 3]}, id='texts'),
  ],
)  # fmt: skip
def test_a_slice_of_each_value_and_of_those_without_one(inputs, tmp_path, values, expected):
  found = read_eval_examples(inputs, [write(tmp_path / 'file', 'writer', values)], TASK, 100)
  named = {f'writer{"" if name.startswith("=") else " "}{name}': rows for name, rows in expected.items()}
  assert sliced(found) == named


def test_a_missing_number_is_null_beside_the_predictions(inputs, tmp_path):
  examples = read_eval_examples(inputs, [write(tmp_path / 'file', 'writer', WRITERS)], TASK, 100)
  ran = SimpleNamespace(measured=SimpleNamespace(predictions=np.zeros(len(WRITERS), np.float32)))
  judged = SimpleNamespace(
    baseline='dense.float32', candidates={'dense.float32': ran}, choice=SimpleNamespace(chosen=None)
  )
  table = pq.read_table(io.BytesIO(predictions(judged, examples)))
  assert table.column('writer').to_pylist() == list(WRITERS)


@pytest.mark.parametrize(('task', 'expected'), [(TASK.model_copy(update={'judged_examples': 5}), 5), (TASK, 7)])
def test_a_task_says_on_how_many_it_is_judged(tmp_path, task, expected):
  write(tmp_path / 'Split-eval' / 'file', 'writer', WRITERS)
  artifact = standard_artifacts.Examples()
  artifact.uri, artifact.split_names = str(tmp_path), '["eval"]'
  given = {'task': task, 'compression': Compression(), 'training': Training()}
  case = JudgedTask({'examples': [artifact]}, {key: value.model_dump_json() for key, value in given.items()})
  assert len(case.examples) == expected
  assert case.examples.drawn_from == (None if expected == len(WRITERS) else len(WRITERS))


def test_as_many_as_rides_by_default_and_a_setting_that_a_task_has():
  assert TASK.judged_examples == Evaluation().judged_rides
  section, name = task_thresholds(TASK).sample_setting.split('.')
  assert section == 'task' and name in Task.model_fields
