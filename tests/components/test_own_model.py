"""A user's own classifier from its function to a version: trained, converted, judged and written behind its graph.

Oracles: scikit-learn's digits, NumPy on what LiteRT makes of the written files, and the SavedModel's own signatures.
"""

import types

import numpy as np
import pytest
import tensorflow as tf

from components.compression_gate.choice import fetch_variants
from components.compression_gate.component import CompressionGate
from components.compression_gate.gate import judge
from components.compression_gate.pushed_version import write_version
from components.compression_gate.report import report
from components.compression_gate.task import task_budget, task_thresholds
from components.compression_gate.task_examples import TaskVersion, read_eval_examples
from components.quantization_rewriter.rewriting import rewrite_all
from configs.compression import Budget, Compression, Measurement, Precision, Scheme
from configs.errors import UserError
from configs.model import Training
from configs.pairs import pair_problems
from configs.recipe import Pruning, Quantization, Recipe
from configs.task import Task
from models.lite.interpreter import LiteRunner
from models.release import check_golden, verify
from models.serving import kernels, read_weights
from models.tasks.building import ModelError, builder
from models.tasks.examples import TaskInputs
from models.tasks.run_fn import run_fn
from models.tasks.variants import task_variants
from tests.models.tasks import digits

TASK = Task(
  build_fn='tests.models.tasks.user_models.picture_net',
  kind='classification',
  label='digit',
  classes=digits.NAMES,
  group='writer',
  slices=('digit',),
  limit=0.8,
  resamples=100,
)
TUNING = {'epochs': 4, 'learning_rate': 2e-3}
RECIPES = (
  Recipe(name='dense'),
  Recipe(
    name='pqat',
    pruning=Pruning(final_sparsity=0.5, fine_tuning=TUNING),
    quantization=Quantization(fine_tuning=TUNING),
  ),
)
TRAINING = Training(epochs=25, batch_size=32, learning_rate=1e-2, weight_decay=0.0, recipes=RECIPES)
SCHEMES = tuple(Scheme(name=each.value, precision=each) for each in (Precision.FLOAT32, Precision.INT8))
COMPRESSION = Compression(schemes=SCHEMES, measurement=Measurement(rounds=3, calls=5, batch=8))


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
  return tmp_path_factory.mktemp('own_model')


@pytest.fixture(scope='module')
def files(folder):
  """Raw and transformed examples by split."""
  spans = {'train': (0, 1200), 'eval': (1200, 1790)}
  made = {(split, 'raw'): digits.write_raw(folder / f'{split}.raw', *span) for split, span in spans.items()}
  return made | {(split, 'model'): digits.write_model_inputs(folder / split, *span) for split, span in spans.items()}


@pytest.fixture(scope='module')
def graph(folder):
  return digits.graph(str(folder))


@pytest.fixture(scope='module')
def trained(folder, files, graph):
  """The SavedModels by recipe."""
  config = {'task': TASK.model_dump_json(), 'training': TRAINING.model_dump_json(), 'checkpoints': str(folder / 'kept')}
  run_fn(
    types.SimpleNamespace(
      custom_config=config,
      transform_output=graph,
      train_files=[files['train', 'model']],
      eval_files=[files['eval', 'model']],
      model_run_dir=str(folder / 'run'),
      serving_model_dir=str(folder / 'serving' / 'Format-Serving'),
      base_model=None,
    )
  )
  return {recipe.name: str(folder / 'run' / 'recipes' / recipe.name / 'Format-Serving') for recipe in RECIPES}


@pytest.fixture(scope='module')
def written(folder, files, graph, trained):
  variants = task_variants(
    TASK, TRAINING, graph, [files['train', 'model']], [files['eval', 'raw']], trained.values(), SCHEMES, 500, 200
  )  # fmt: skip
  return folder / 'files', rewrite_all(
    variants, RECIPES, SCHEMES, trained, str(folder / 'files'), str(folder / 'cache')
  )


@pytest.fixture(scope='module')
def inputs(graph):
  return TaskInputs(TASK, builder(TASK, TRAINING.seed)(), graph)


@pytest.fixture(scope='module')
def examples(inputs, files):
  return read_eval_examples(inputs, [files['eval', 'raw']], TASK, 10_000)


@pytest.fixture(scope='module')
def judged(written, examples, tmp_path_factory):
  variants = fetch_variants(str(written[0]), tmp_path_factory.mktemp('fetched'))
  settings = COMPRESSION.model_copy(update={'budget': task_budget(TASK, Budget(min_slice_rides=30))})
  return variants, settings, judge(variants, examples, settings, 100, ('pqat',), task_thresholds(TASK))


def test_what_is_exported_answers_as_tfx_and_the_file_ask(trained, files):
  """Oracle: what the model was trained for."""
  model = tf.saved_model.load(trained['dense'])
  pictures, numbers, _ = digits.rows(1200, 1790)
  found = model.signatures['serving_raw'](picture=tf.constant(pictures))['predictions'].numpy()
  assert found.shape == (590, 10)
  assert (found.argmax(axis=1) == numbers).mean() > 0.9
  records = [*tf.data.TFRecordDataset(files['eval', 'raw'], 'GZIP').as_numpy_iterator()]
  served = model.signatures['serving_default'](examples=tf.constant(records))['predictions'].numpy()
  np.testing.assert_allclose(served, found, atol=1e-6)
  made = model.signatures['transform_features'](examples=tf.constant(records))
  np.testing.assert_array_equal(made['digit'].numpy().reshape(-1), numbers)


def test_recipes_had_their_effect(trained):
  found = kernels(read_weights(trained['pqat']))
  assert all((found[name] == 0).mean() > 0.49 for name in ('conv2d', 'conv2d_1', 'conv2d_2'))


def test_files_take_pictures_and_give_probabilities(written, inputs, examples):
  made = {variant.name: variant for variant in written[1].variants}
  assert {name: variant.reason for name, variant in made.items()} == dict.fromkeys(made)
  assert [*made] == ['dense.float32', 'dense.int8', 'pqat.float32', 'pqat.int8']
  assert {*made['pqat.int8'].types.values()} == {'int8'}
  runner = LiteRunner(written[0] / 'pqat.int8.tflite')
  assert runner.inputs == {'picture': np.float32}
  found = runner.predict(examples.columns)
  assert found.shape == (590, 10)
  assert (found.argmax(axis=1) == examples.labels).mean() > 0.9
  np.testing.assert_allclose(found.sum(axis=1), 1, atol=0.02)


def test_the_gate_judges_by_accuracy_and_per_digit(written, judged, examples):
  variants, settings, judgement = judged
  found = judgement.candidates['pqat.int8'].errors
  predictions = LiteRunner(written[0] / 'pqat.int8.tflite').predict(examples.columns).argmax(axis=1)
  assert found.error.value == pytest.approx((predictions == examples.labels).mean())
  assert found.error.low < found.error.value < found.error.high
  sevens = examples.labels == 7
  assert found.slices['digit=seven'].error == pytest.approx((predictions[sevens] == 7).mean())
  assert found.slices['digit=seven'].examples == sevens.sum()
  record = report(judgement, variants, examples, settings)
  assert record.named('pqat.int8').accuracy == found.error
  assert record.named('pqat.int8').rmse is None


def test_a_graph_that_one_component_lacks_is_told(trained, inputs):
  inputs.check_models(trained.values())
  with pytest.raises(ModelError, match='models take picture, and the examples here give image: give PruningTrainer'):
    TaskInputs(TASK, builder(TASK, TRAINING.seed)(), None).check_models(trained.values())


def test_a_model_without_the_signature_of_files_is_told(inputs, tmp_path):
  module = tf.Module()
  function = tf.function(lambda x: {'y': x}).get_concrete_function(x=tf.TensorSpec([None], tf.float32))
  tf.saved_model.save(module, str(tmp_path), signatures={'serving_default': function})
  with pytest.raises(ModelError, match="has no signature 'serving_raw', which files are compared with"):
    inputs.check_models([str(tmp_path)])


def test_a_budget_that_a_task_takes_the_place_of_is_refused():
  compression = Compression(schemes=SCHEMES, budget=Budget(rmse_ratio=1.05))
  with pytest.raises(UserError, match='budget: rmse_ratio would have no effect: a task says by max_loss'):
    CompressionGate(
      variants=None, examples=None, models={}, trained=None, compression=compression, task=TASK, training=TRAINING
    )


@pytest.mark.parametrize(
  ('scheme', 'recipes', 'said'),
  [
    pytest.param(
      'int8_per_channel', ['dense', 'qat'],
      'compression.schemes.int8_per_channel.per_channel must be false with qat of training.recipes, trained for 8 '
      'bits: its kernels are on a grid of one scale.',
      id='a_scale_for_each_unit',
    ),
    pytest.param(
      {'name': 'x', 'extends': 'int8', 'float_layers': 'digit'}, ['pqat_80'],
      'compression.schemes.x.float_layers has no place beside pqat_80 of training.recipes, trained for 8 bits',
      id='float_layers',
    ),
    pytest.param(
      'int8_integer_only', ['qat', 'qat_partial'],
      'integer_only must be false with qat_partial of training.recipes, which leaves the output in float',
      id='integers_alone',
    ),
    pytest.param('int8_sparse', ['qat'], 'sparse: no recipe of this run prunes; sparse encoding would', id='no_zeros'),
    pytest.param(
      {'name': 'x', 'extends': 'int8', 'calibration': {'rides': 500, 'longest': 50}}, ['dense'],
      'compression.schemes.x.calibration.longest has no effect on classes, of which none is the highest; leave it out.',
      id='the_highest_class',
    ),
  ],
)  # fmt: skip
def test_a_scheme_that_its_recipes_make_impossible_is_refused_before_anything_runs(scheme, recipes, said):
  own = {'compression': Compression(schemes=[scheme]), 'training': Training(recipes=recipes), 'task': TASK}
  with pytest.raises(UserError) as caught:
    CompressionGate(variants=None, examples=None, models={}, trained=None, **own)
  assert said in str(caught.value) and '\n' not in str(caught.value)


@pytest.mark.parametrize(
  ('schemes', 'recipes'),
  [
    pytest.param(['int8', 'int16x8', 'dynamic_range', 'float16'], ['qat', 'pqat_80', 'clustered_16'], id='ordinary'),
    pytest.param(['float32_sparse'], ['dense', 'blocks_4x1_80'], id='sparse_where_it_applies'),
    pytest.param(['int8_per_channel'], ['dense', 'clustered_16'], id='clusters_in_other_layers'),
    pytest.param([{'name': 'x', 'extends': 'int16x8', 'per_channel': True}], ['qat'], id='of_plain_weights'),
    pytest.param(['int8_integer_only'], ['qat'], id='integers_alone'),
  ],
)
def test_pairs_that_some_model_makes_right(schemes, recipes):
  settings = Compression(schemes=schemes), Training(recipes=recipes).recipes
  for classifies in (True, False):
    assert [*pair_problems(*settings, classifies)] == []


def test_a_limit_that_no_file_reaches_pushes_nothing(judged, examples):
  variants, settings, _ = judged
  task = TASK.model_copy(update={'limit': 0.9999})
  found = judge(variants, examples, settings, 100, (), task_thresholds(task))
  assert found.choice.chosen is None
  assert 'below the limit of 1.000' in found.choice.reason or 'task.limit' in found.choice.reason


def test_a_version_is_written_and_checks_itself(judged, trained, inputs, examples, tmp_path):
  _, _, judgement = judged
  version = TaskVersion(TASK, inputs, examples)
  chosen = judgement.chosen
  write_version(
    str(tmp_path / '1'), trained[chosen.variant.facts.recipe], chosen,
    next(scheme for scheme in SCHEMES if scheme.name == chosen.variant.facts.scheme),
    examples, judgement.baseline, version, 'code',
  )  # fmt: skip
  manifest = verify(tmp_path / '1')
  assert (manifest.dataset, manifest.currency) == ('tests.models.tasks.user_models', None)
  assert [column.name for column in manifest.inputs] == ['picture']
  assert manifest.metrics.accuracy == chosen.errors.error
  check_golden(tmp_path / '1')
