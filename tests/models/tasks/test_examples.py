"""How a user's examples are read for training and for finished files. Oracle: the arrays that were written."""

import numpy as np
import pytest
import tensorflow as tf

from configs.errors import FailedError
from configs.task import Task
from models.samples import RecordSample
from models.streaming import Stream
from models.tasks.building import ModelError, builder
from models.tasks.examples import TaskInputs
from tests.models.tasks import digits

TASK = Task(
  build_fn='tests.models.tasks.user_models.picture_net', kind='classification', label='digit', group='writer',
  slices=('digit',),
)  # fmt: skip
COUNT = 200


@pytest.fixture(scope='module')
def model():
  return builder(TASK, 0)()


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
  return tmp_path_factory.mktemp('digits')


@pytest.fixture(scope='module')
def plain(folder):
  return digits.write_model_inputs(folder / 'plain', 0, COUNT)


@pytest.fixture(scope='module')
def raw(folder):
  return digits.write_raw(folder / 'raw', 0, COUNT)


@pytest.fixture(scope='module')
def graph(folder):
  return digits.graph(str(folder))


def test_a_split_as_the_model_takes_it(model, plain):
  pictures, numbers, writers = digits.rows(0, COUNT)
  found = TaskInputs(TASK, model, None).read([plain], 'train')
  np.testing.assert_array_equal(found.inputs['image'], pictures / 16)
  np.testing.assert_array_equal(found.labels, numbers)
  np.testing.assert_array_equal(found.groups, writers)
  assert (found.labels.dtype, len(found[np.array([1, 5])])) == (np.float32, 2)
  assert found.classifies and found[np.array([1])].classifies
  alone = TaskInputs(TASK.model_copy(update={'group': None}), model, None).read([plain], 'train')
  np.testing.assert_array_equal(alone.groups, np.arange(COUNT))


def test_a_split_that_does_not_fit_is_read_onto_the_disk(model, plain):
  found = TaskInputs(TASK, model, None).read([plain], 'train', memory=20_000)
  assert isinstance(found, Stream)
  with found:
    [piece] = found.pieces()
    np.testing.assert_array_equal(piece.labels, digits.rows(0, COUNT)[1])


def test_without_a_graph_files_take_the_models_inputs(model, plain):
  inputs = TaskInputs(TASK, model, None)
  assert inputs.specs() == {'image': tf.TensorSpec([None, 64], tf.float32, name='image')}
  found = inputs.read_raw([plain], 'eval', RecordSample(50, 0))
  assert (len(found), found.columns['image'].shape) == (50, (50, 64))
  assert {*found.others} == {'digit', 'writer'}


def test_with_a_graph_files_take_what_that_takes(model, raw, graph):
  inputs = TaskInputs(TASK, model, graph)
  assert inputs.specs() == {'picture': tf.TensorSpec([None, 64], tf.float32, name='picture')}
  pictures, numbers, writers = digits.rows(0, COUNT)
  found = inputs.read_raw([raw], 'eval')
  np.testing.assert_array_equal(found.columns['picture'], pictures)
  np.testing.assert_array_equal(found.labels, numbers)  # Of their names, by the graph.
  np.testing.assert_array_equal(found.groups, writers)
  np.testing.assert_array_equal(found.others['digit'], numbers)


def _with_text(columns):
  return {**digits.preprocess(columns), 'image': digits.preprocess(columns)['image'] * tf.cast(
    tf.strings.length(columns['name']), tf.float32)[:, tf.newaxis]}  # fmt: skip


@pytest.mark.parametrize(
  ('preprocessing_fn', 'said'),
  [
    (_with_text, "'name' is text, which TFLite can't look up: leave transform_graph out"),
    (
      lambda columns: {'digit': digits.preprocess(columns)['digit']},
      "transform graph makes no 'image'; it makes digit",
    ),
  ],
  ids=['text', 'another'],
)
def test_a_graph_that_cannot_be_in_front_of_a_file(model, tmp_path, preprocessing_fn, said):
  with pytest.raises(ModelError, match=said):
    TaskInputs(TASK, model, digits.graph(str(tmp_path), preprocessing_fn))


@pytest.mark.parametrize(
  ('change', 'said'),
  [
    ({'slices': ('nib',)}, "task.slices: the examples have no column 'nib'; they have name, picture and writer"),
    ({'group': 'hand'}, "task.group: the examples have no column 'hand'"),
    (
      {'build_fn': 'tests.models.tasks.user_models.pixels'},
      r"makes 'image' of shape \[64\], and the model takes \[16\]",
    ),
  ],
)
def test_a_task_that_a_graph_does_not_fit(graph, change, said):
  task = TASK.model_copy(update=change)
  with pytest.raises(ModelError, match=said):
    TaskInputs(task, builder(task, 0)(), graph)


def test_a_slice_of_no_column_is_refused_before_it_is_trained(model, plain):
  with pytest.raises(ModelError, match="have no column 'nib'"):
    TaskInputs(TASK.model_copy(update={'slices': ('nib',)}), model, None).read([plain], 'train')


@pytest.mark.parametrize(
  ('columns', 'said'),
  [
    ({'digit': [1, 2]}, r"do not hold what the model takes \('image' float32 \[64\].*Feature: image"),
    ({'image': np.zeros([2, 60]), 'digit': [1, 2], 'writer': [1, 1]}, r'do not hold what the model takes'),
    ({'image': np.zeros([2, 64]), 'digit': ['one', 'two'], 'writer': [1, 1]}, "label 'digit' is text"),
    ({'image': np.zeros([2, 64]), 'writer': [1, 1]}, "have no column 'digit'"),
    (
      {'image': np.zeros([2, 64]), 'digit': [1, 2]},
      "have no column 'writer'; where there is a graph, preprocessing_fn",
    ),
    ({'image': np.zeros([2, 64]), 'digit': [1, 12], 'writer': [1, 1]}, 'such as 12: classes are the whole numbers'),
  ],
)
def test_examples_that_do_not_fit(model, tmp_path, columns, said):
  file = digits.write(tmp_path / 'file', {'writer': [0, 0]} | columns if 'image' not in columns else columns)
  with pytest.raises(ModelError, match=f'(?s){said}') as error:
    TaskInputs(TASK, model, None).read([file], 'train')
  assert '\n' not in str(error.value)


def test_an_example_without_a_label_is_told_and_no_number_takes_its_place(model, tmp_path):
  """Of a regression -1 would be a label like any other."""
  task = Task(build_fn='tests.models.tasks.user_models.number', kind='regression', label='digit')
  digits.write(tmp_path / 'first', {'image': np.zeros([1, 64]), 'digit': [3]})
  digits.write(tmp_path / 'second', {'image': np.zeros([1, 64])})
  files = [str(tmp_path / 'first'), str(tmp_path / 'second')]
  inputs = TaskInputs(task, builder(task, 0)(), None)
  for read in (inputs.read, inputs.read_raw):
    with pytest.raises(ModelError, match=r'digit.*is required but could not be found'):
      read(files, 'train')


def test_no_example(model, tmp_path):
  file = digits.write(tmp_path / 'file', {'image': [], 'digit': []})
  task = TASK.model_copy(update={'group': None})
  with pytest.raises((FailedError, ModelError)):
    TaskInputs(task, model, None).read([file], 'train')
