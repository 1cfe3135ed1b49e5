"""Another model than the fare model goes through the trainer, the rewriter and the gate, and these know no ride.

Heights of points from two float columns, judged by the MAE. Oracle: NumPy, on what LiteRT makes of the written files.
"""

import ast
import dataclasses
import functools
import pathlib
import re
from typing import ClassVar

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import tensorflow as tf

from components.compression_gate.choice import fetch_variants
from components.compression_gate.gate import judge
from components.compression_gate.pushed_version import write_version
from components.compression_gate.report import predictions, report
from components.quantization_rewriter.rewriting import rewrite_all
from configs.compression import Budget, Compression, Measurement, Precision, Scheme
from configs.model import Training
from configs.recipe import Pruning, Recipe
from configs.records import Estimate
from models.compression.layers import DENSE_CORE
from models.error_intervals import Comparison, ResampledSums, SliceErrors
from models.keras_compat import keras
from models.lite.interpreter import AnyFile, LiteRunner
from models.lite.variants import Variants
from models.protocols import Terms
from models.recipe_training import RecipeTraining
from models.release import verify
from models.serving import variable_name

ROOT = pathlib.Path(__file__).resolve().parent.parent
POINTS, RESAMPLES = 512, 200
RECIPES = (
  Recipe(name='dense'),
  Recipe(name='pruned', pruning=Pruning(final_sparsity=0.5, fine_tuning={'epochs': 4, 'learning_rate': 3e-3})),
)
TRAINING = Training(epochs=8, batch_size=32, learning_rate=1e-2, recipes=RECIPES)
FLOAT32, INT8 = (Scheme(name=each.value, precision=each) for each in (Precision.FLOAT32, Precision.INT8))
COMPRESSION = Compression(
  schemes=(FLOAT32, INT8),
  budget=Budget(rmse_ratio=1.5, worst_slice_ratio=None),
  measurement=Measurement(rounds=3, calls=5, batch=8),
)


class MeanAbsoluteError:
  """A metric whose one figure is the MAE."""

  name, key, relative = 'MAE', 'mae', 'MAE ratio'
  larger_is_better = classifies = False

  def compare(self, labels, predictions, base_predictions, groups, slices, resamples):
    own, base = np.abs(predictions - labels), np.abs(base_predictions - labels)
    sums = ResampledSums([np.ones(len(labels)), own, base], groups, resamples)
    found = {name: self._slice(own[mask], base[mask]) for name, mask in slices.items()}
    return Comparison(sums.ratio(1, 0), sums.ratio(1, 2), found, {})

  def _slice(self, own, base):
    return SliceErrors(len(own), float(own.mean()), Estimate(float(own.mean() / base.mean())))

  def figures(self, found):
    return {'mae': found and found.error}

  def slice_figures(self, found):
    return {}


@dataclasses.dataclass(frozen=True)
class Points:
  """`models.protocols.Examples`."""

  inputs: dict[str, np.ndarray]
  labels: np.ndarray
  groups: np.ndarray
  terms: ClassVar[Terms] = Terms('point', 'points', 'heights', 'sites')
  classifies: ClassVar[bool] = False

  @functools.cached_property
  def tensors(self):
    columns = {name: tf.constant(column) for name, column in self.inputs.items()}
    return columns, tf.constant(self.labels.reshape(-1, 1))

  def __len__(self):
    return len(self.labels)

  def __getitem__(self, rows):
    return Points({name: column[rows] for name, column in self.inputs.items()}, self.labels[rows], self.groups[rows])


class PointFile(AnyFile):
  """`models.protocols.FileContract`, made anew in the process that runs a file."""

  terms = Points.terms


@dataclasses.dataclass(frozen=True)
class RawPoints:
  """`models.protocols.EvalExamples`."""

  columns: dict[str, np.ndarray]
  labels: np.ndarray
  groups: np.ndarray
  slices: dict[str, np.ndarray]
  metric: ClassVar[MeanAbsoluteError] = MeanAbsoluteError()
  contract: ClassVar[PointFile] = PointFile()

  def shown(self):
    return {**self.columns, 'height': self.labels}

  def __len__(self):
    return len(self.labels)


class PointInputs:
  """`models.protocols.RawInputs`."""

  contract = PointFile()
  output = 'height'

  def specs(self):
    return {name: tf.TensorSpec([None], tf.float32, name=name) for name in ('east', 'north')}

  def for_graph(self, columns):
    return dict(columns)


class PointExporter:
  """`models.protocols.ModelExporter`."""

  def export(self, model, directory, structure):
    module = tf.Module()
    module.weights = {variable_name(variable): variable for variable in model.variables}
    specs = {name: tf.TensorSpec([None, 1], tf.float32, name=name) for name in model.input_names}
    function = tf.function(lambda **inputs: {'height': model(inputs)}, autograph=False)
    tf.saved_model.save(module, directory, signatures={'serving': function.get_concrete_function(**specs)})


class PointVersion:
  """`models.protocols.Version`."""

  facts: ClassVar[dict] = {'dataset': 'hills', 'inputs': ()}

  def tolerance(self, spread):
    return max(0.5, spread)

  def golden_rows(self, predictions):
    return np.array([0, 7])

  def write_golden(self, version_dir, columns, predictions, tolerance):
    np.savez(version_dir / 'assets.extra' / 'golden.npz', predictions=predictions, tolerance=tolerance, **columns)

  def write_warm_up(self, version_dir, columns):
    pass


def features(columns):
  """The features graph: a column of each raw input, from -1 to 1."""
  return {name: column[:, tf.newaxis] / 100 for name, column in columns.items()}


def build():
  """`models.protocols.Build`; the output layer has another name than the fare model's."""
  keras.utils.set_random_seed(1)
  inputs = {name: keras.Input([1], name=name) for name in ('east', 'north')}
  core = keras.Sequential([keras.Input([2])], name=DENSE_CORE)
  for depth, units in enumerate((32, 16)):
    core.add(keras.layers.Dense(units, activation='relu', name=f'dense_{depth}'))
  core.add(keras.layers.Dense(1, name='height'))
  return keras.Model(inputs, core(keras.layers.Concatenate()([*inputs.values()])))


def points(seed):
  """Columns in metres and heights of a ridge."""
  generator = np.random.default_rng(seed)
  columns = {name: generator.uniform(-100, 100, POINTS).astype(np.float32) for name in ('east', 'north')}
  heights = np.abs(columns['east']) / 10 + columns['north'] / 20 + generator.normal(0, 0.3, POINTS)
  return columns, heights.astype(np.float32), np.arange(POINTS) // 2


def transformed(seed):
  columns, heights, sites = points(seed)
  return Points({name: column[:, np.newaxis] / 100 for name, column in columns.items()}, heights, sites)


@pytest.fixture(scope='module')
def trained(tmp_path_factory):
  """The folder of SavedModels by recipe."""
  folder = tmp_path_factory.mktemp('trained')
  training = RecipeTraining(
    training=TRAINING,
    described='points',
    unit='m',
    build=build,
    examples=transformed(0),
    held_out=transformed(1),
    exporter=PointExporter(),
    logs=str(folder / 'logs'),
    checkpoints=str(folder / 'checkpoints'),
  )
  training.run(str(folder / 'recipes'), 'model')
  return {recipe.name: str(folder / 'recipes' / recipe.name / 'model') for recipe in RECIPES}


@pytest.fixture(scope='module')
def held_out():
  columns, heights, sites = points(1)
  west = columns['east'] < 0
  return RawPoints(columns, heights, sites, {'west': west, 'east': ~west})


@pytest.fixture(scope='module')
def written(trained, held_out, tmp_path_factory):
  """The folder of the files, and their record."""
  folder = tmp_path_factory.mktemp('written')
  variants = Variants(build, PointInputs(), features, transformed(0), held_out)
  return folder, rewrite_all(variants, RECIPES, COMPRESSION.schemes, trained, str(folder), str(folder / 'cache'))


@pytest.fixture(scope='module')
def judged(written, held_out, tmp_path_factory):
  variants = fetch_variants(str(written[0]), tmp_path_factory.mktemp('fetched'))
  return variants, judge(variants, held_out, COMPRESSION, RESAMPLES)


def test_recipes_are_trained_and_proven(trained):
  """Oracle: the exported variables."""
  weights = tf.train.load_checkpoint(f'{trained["pruned"]}/variables/variables')
  kernels = [weights.get_tensor(name) for name in weights.get_variable_to_shape_map() if 'dense_1' in name]
  [kernel] = [kernel for kernel in kernels if getattr(kernel, 'ndim', 0) == 2]
  assert (kernel == 0).sum() == kernel.size // 2


def test_files_are_written_as_promised(written, held_out):
  made = {variant.name: variant for variant in written[1].variants}
  assert [*made] == ['dense.float32', 'dense.int8', 'pruned.float32', 'pruned.int8']
  assert {name: variant.reason for name, variant in made.items()} == dict.fromkeys(made)
  assert made['pruned.int8'].types == {'dense_0': 'int8', 'dense_1': 'int8', 'height': 'int8'}
  assert made['pruned.float32'].sparsity > 0.45 > made['dense.float32'].sparsity
  assert made['dense.int8'].calibration_rides == POINTS
  found = LiteRunner(written[0] / 'dense.float32.tflite').predict(held_out.columns)
  assert np.abs(found - held_out.labels).mean() < 1 < np.abs(held_out.labels - held_out.labels.mean()).mean()


def test_the_gate_judges_by_another_metric(judged, written, held_out):
  variants, judgement = judged
  errors = {
    name: np.abs(LiteRunner(written[0] / f'{name}.tflite').predict(held_out.columns) - held_out.labels)
    for name in ('dense.float32', 'pruned.int8')
  }
  found = judgement.candidates['pruned.int8'].errors
  assert found.error.value == pytest.approx(errors['pruned.int8'].mean(), rel=1e-5)
  assert found.ratio.value == pytest.approx(errors['pruned.int8'].mean() / errors['dense.float32'].mean(), rel=1e-5)
  assert found.error.low < found.error.value < found.error.high
  west = held_out.slices['west']
  assert found.slices['west'].error == pytest.approx(errors['pruned.int8'][west].mean(), rel=1e-5)
  assert re.fullmatch(r'\S+\.int8 is the .* \(objective download: [\d,]+ bytes after gzip, .*, MAE ratio .*\)\.',
                      judgement.choice.reason)  # fmt: skip
  record = report(judgement, variants, held_out, COMPRESSION)
  assert record.named('pruned.int8').mae == found.error
  assert record.named('pruned.int8').rmse is None
  table = pq.read_table(pa.BufferReader(predictions(judgement, held_out)))
  assert table.column_names == ['east', 'north', 'height', 'dense.float32', judgement.choice.chosen]


def test_what_the_gate_says_is_about_points(judged, held_out, tmp_path):
  variants, _ = judged
  tight = Budget(rmse_ratio=1e-3, worst_slice_ratio=1e-3, latency_us=1e-3)
  refused = judge(variants, held_out, COMPRESSION.model_copy(update={'budget': tight}), RESAMPLES)
  sentences = ' '.join([refused.choice.reason, *refused.choice.reasons.values(), *refused.notes])
  assert 'MAE ratio 1.000 is above' in sentences
  assert ' points) is above' in sentences and 'µs for one point are above' in sentences
  assert not RIDE_WORDS.search(sentences)


def test_a_version_is_written(judged, trained, held_out, tmp_path):
  _, judgement = judged
  model = trained[judgement.chosen.variant.facts.recipe]
  scheme = COMPRESSION.schemes[0]
  write_version(
    str(tmp_path / '1'), model, judgement.chosen, scheme, held_out, judgement.baseline, PointVersion(), 'code'
  )
  manifest = verify(tmp_path / '1')
  assert (manifest.dataset, manifest.currency) == ('hills', None)
  assert manifest.metrics.mae == judgement.chosen.errors.error
  golden = np.load(tmp_path / '1' / 'assets.extra' / 'golden.npz')
  np.testing.assert_array_equal(golden['predictions'], judgement.chosen.measured.predictions[[0, 7]])


RIDE_WORDS = re.compile(r'(?<![A-Za-z])(?:fare|ride|pickup|taxi|currency|currencies)s?(?![a-z])', re.IGNORECASE)
KNOW_NO_RIDE = (
  *(f'tasks/{name}' for name in ('building', 'examples', 'run_fn', 'serving', 'variants')),
  *('background', 'checkpoints', 'compiled_steps', 'example_files', 'protocols', 'recipe_training', 'streaming',
    'trainer_run', 'training'),
  *(f'compression/{name}' for name in ('clustering', 'compressor', 'layers', 'proof', 'pruning',
                                       'quantization', 'quantize_configs', 'quantized_model', 'report',
                                       'techniques', 'training_charts')),
  *(f'lite/{name}' for name in ('conversion', 'converter', 'flatbuffer', 'inspection', 'interpreter',
                                'metadata', 'process', 'promise', 'quantizer_compat', 'validation', 'variants',
                                'whole_errors', 'whole_validation', 'worker')),
)  # fmt: skip
GENERIC = [
  *(f'models/{name}.py' for name in KNOW_NO_RIDE),
  *(f'components/compression_gate/{name}.py' for name in ('choice', 'component', 'gate', 'measuring',
                                                          'pushed_version', 'report')),
  'components/pruning_trainer/component.py',
  'components/quantization_rewriter/component.py',
]  # fmt: skip
IMPLEMENTATION = (
  *(
    'models.fare_model',
    'models.lite.client',
    'models.lite.columns',
    'models.lite.rides',
    'models.rides',
    'models.run_fn',
  ),
  *('components.compression_gate.rides', 'transforms'),
)
ALLOWED = {
  # Where an executor takes the implementation.
  'components/compression_gate/component.py': (
    *('components.compression_gate.rides import JudgedRides', '-> JudgedRides |', 'return JudgedRides('),
    *("'currency'", 'evaluation.judged_rides', 'dataset and code_version for rides.'),
  ),
  'components/pruning_trainer/component.py': ('import of_rides', 'of_rides(dataset', 'Of fares, by'),
  'components/quantization_rewriter/component.py': (
    *('import of_rides', 'of_rides(dataset', 'compression.metadata describes rides', 'what fare models were made by'),
    *("'fare_model'", "'currency'", 'calibration_rides', 'validation_rides'),
  ),
  # Keys of files and of configs, which users have.
  'models/trainer_run.py': ('config.sample_rides',),
  'components/compression_gate/choice.py': ('min_slice_rides', 'evaluation.min_rides is', 'evaluation.judged_rides'),
  'components/compression_gate/report.py': ('rides=len(', "'rides': "),
  'components/compression_gate/pushed_version.py': ("'rides': ",),
  'models/lite/conversion.py': ('calibration.rides',),
  'models/tasks/variants.py': ('calibration.rides',),
  'models/recipe_training.py': ("'fare_model.weights.h5'", 'training.sample_rides', '"sample_rides"'),
}
"""What else of rides stands in a module, by the module; gets shorter, never longer."""


@pytest.mark.parametrize('file', GENERIC)
def test_modules_for_any_model_know_no_ride(file):
  text = (ROOT / file).read_text(encoding='utf-8')
  for allowed in ALLOWED.get(file, ()):
    assert allowed in text, 'it is there no more: take it out of the list'
    text = text.replace(allowed, '')
  named = {text.count('\n', 0, found.start()) + 1: found[0] for found in RIDE_WORDS.finditer(text)}
  assert not named


@pytest.mark.parametrize('file', [file for file in GENERIC if not file.endswith('component.py')])
def test_modules_for_any_model_import_no_implementation(file):
  imported = [
    node.module if isinstance(node, ast.ImportFrom) else alias.name
    for node in ast.walk(ast.parse((ROOT / file).read_text(encoding='utf-8')))
    if isinstance(node, ast.Import | ast.ImportFrom)
    for alias in node.names
  ]
  assert not [name for name in imported for other in IMPLEMENTATION if f'{name}.'.startswith(f'{other}.')]
