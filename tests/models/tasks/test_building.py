"""What a user's function may return, and what is said of all else: what, and what to do."""

import re

import numpy as np
import pytest

from configs.task import MetricName, Task
from models.tasks.building import ModelError, builder, check_labels

CLASSES = Task(build_fn='tests.models.tasks.user_models.picture_net', kind='classification', label='digit')


def _task(name, **others):
  return Task(**{**CLASSES.model_dump(), 'build_fn': f'tests.models.tasks.user_models.{name}', **others})


def test_each_call_gives_the_same_model_anew():
  build = builder(CLASSES, 3)
  first, second = build(), build()
  assert [weight.name for weight in first.weights] == [weight.name for weight in second.weights]
  assert [layer.name for layer in first.layers][1] == 'reshape'
  for one, other in zip(first.get_weights(), second.get_weights(), strict=True):
    np.testing.assert_array_equal(one, other)
  assert not {id(layer) for layer in first.layers} & {id(layer) for layer in second.layers}
  another = builder(CLASSES, 4)()
  assert not np.array_equal(first.get_weights()[0], another.get_weights()[0])


@pytest.mark.parametrize(
  ('name', 'said'),
  [
    ('with_lambda', "'doubled' is a Lambda.*derived from keras.layers.Layer, with get_config"),
    ('unknown_size', r"input 'image' has shape \[None, None, None, 3\]: all sizes but that of the batch must be known"),
    ('logits', "activation 'linear', and a classification gives probabilities: end it in softmax"),
    ('nested', "'backbone' is a model inside of the model: call its layers on the inputs one by one"),
    ('twice', "'shared' is called 2 times: give each place a layer of its own"),
    ('two_outputs', r'gives \[None, 10\] and \[None, 1\], where one output'),
    ('rounded_codes', r"'table' looks up what is float32.*keras.Input\(\[1\], dtype='int32'\)"),
    ('without_kernel', 'no dense layer and no convolution'),
    ('keras_3', 'is a Keras 3 model.*import tf_keras as keras'),
    ('subclassed', r'is a subclassed model \(Subclassed\).*functional or Sequential'),
    ('text', "input 'image' is string, and files take float32, int32 or int64"),
    ('nothing', 'must return a tf_keras.Model, got builtins.NoneType'),
    ('same_model', 'gives the same layers at each call: make model and layers inside of the function'),
    ('other_each_time', 'gives other layers or names at each call'),
    ('absent', "can't be imported.*PYTHONPATH"),
  ],
)
def test_what_cannot_be_compressed_is_refused(name, said):
  with pytest.raises(ModelError, match=f'(?s){said}') as error:
    builder(_task(name), 0)
  assert '\n' not in str(error.value)


@pytest.mark.parametrize(
  ('task', 'said'),
  [
    (_task('picture_net', classes=('even', 'odd')), 'gives 10 classes, and task.classes names 2'),
    (_task('picture_net', kind='regression'), 'gives 10 numbers per example, and a regression has one'),
    (_task('number'), "activation 'linear'.*end it in sigmoid"),
    (Task(build_fn='no_such_package.build', kind='regression', label='x'), "'no_such_package.build' can't be imported"),
  ],
)
def test_a_task_that_does_not_fit(task, said):
  with pytest.raises(ModelError, match=said):
    builder(task, 0)


@pytest.mark.parametrize(
  ('labels', 'said'),
  [
    ([0, 1, 10], 'of 1 of 3 examples in the eval split is no class, such as 10: classes are the whole numbers from 0'),
    ([0.5, 1, -1], 'of 2 of 3 examples'),
    ([np.nan, 1, 2], 'of 1 of 3 examples'),
  ],
)  # fmt: skip
def test_a_label_that_is_no_class(labels, said):
  with pytest.raises(ModelError, match=re.escape(said)):
    check_labels(np.array(labels, np.float32), 10, 'digit', 'eval')


@pytest.mark.parametrize(
  ('change', 'said'),
  [
    ({'build_fn': 'build'}, 'must be the dotted path of a function that makes the model'),
    ({'metric': 'rmse'}, 'must be one of accuracy, log_loss and auc for a classification, got rmse'),
    ({'metric': MetricName.MAE}, 'must be one of accuracy, log_loss and auc for a classification, got mae'),
    ({'metric': 'f1'}, 'must be one of accuracy, log_loss and auc for a classification, got f1'),
    ({'metric': 'f1', 'kind': 'regression'}, 'must be one of rmse and mae for a regression, got f1'),
    ({'classes': ['one']}, 'must name at least two classes'),
    ({'unit': 'm'}, 'has no effect in a classification'),
    ({'limit': 96}, 'limit must be a share of 1 for accuracy, got 96. For 96 % write 0.96'),
    ({'max_loss': 1}, 'max_loss must be below 1, got 1: no accuracy can lose more. For one point write 0.01'),
    ({'worst_slice_loss': 5, 'metric': 'auc'}, 'worst_slice_loss must be below 1, got 5: no auc can lose more'),
    ({'limit': -1, 'metric': 'log_loss'}, 'limit must be above 0 for log_loss'),
    ({'kind': 'regression', 'classes': ['a', 'b']}, 'has no effect in a regression'),
  ],
)
def test_settings_of_a_task(change, said):
  with pytest.raises(ValueError, match=said):
    Task(**{'build_fn': 'a.b', 'kind': 'classification', 'label': 'x', **change})
