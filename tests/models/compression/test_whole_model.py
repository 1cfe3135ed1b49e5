"""Recipes on a convolutional net: pruned, clustered and quantized as they promise, and proven on the exported files.

Heights of points in pictures. Oracles: NumPy on the exported variables, and the TFLite file of the exported model.
"""

import dataclasses
import functools
from typing import ClassVar

import numpy as np
import pytest
import tensorflow as tf
from tensorflow_model_optimization.python.core.quantization.keras.default_8bit import default_8bit_quantize_configs

from configs.model import Training
from configs.recipe import Clustering, Pruning, Quantization, Recipe
from models.compression.layers import LayerOrder, kernel_layers
from models.compression.proof import block_sparsity, grid_distance, two_of_four, zeros
from models.compression.whole_model import WholeModel, whole_names
from models.keras_compat import keras
from models.lite.converter import convert, from_saved_model
from models.lite.inspection import LiteFile
from models.protocols import Terms
from models.recipe_training import RecipeTraining
from models.serving import kernels, read_weights, variable_name

PICTURES, SIZE = 256, 8
TUNING = {'epochs': 2, 'learning_rate': 1e-3}
HALF = Pruning(final_sparsity=0.5, fine_tuning=TUNING)
QAT = Quantization(fine_tuning=TUNING)
RECIPES = (
  Recipe(name='dense'),
  Recipe(name='pruned', pruning=HALF),
  Recipe(name='blocks', pruning=HALF.model_copy(update={'structure': '4x1'})),
  Recipe(name='pairs', pruning=Pruning(structure='2:4', layers=('pointwise', 'joined'), fine_tuning=TUNING)),
  Recipe(name='clustered', clustering=Clustering(clusters=8, fine_tuning=TUNING)),
  Recipe(name='qat', quantization=QAT),
  Recipe(name='part', quantization=QAT.model_copy(update={'layers': ('pointwise', 'joined')})),
  Recipe(name='pqat', pruning=HALF, quantization=QAT),
  Recipe(
    name='pcqat',
    pruning=HALF,
    clustering=Clustering(clusters=8, layers=('joined',), fine_tuning=TUNING),
    quantization=QAT,
  ),
)


@dataclasses.dataclass(frozen=True)
class Pictures:
  """`models.protocols.Examples`."""

  inputs: dict[str, np.ndarray]
  labels: np.ndarray
  groups: np.ndarray
  terms: ClassVar[Terms] = Terms('picture', 'pictures', 'heights', 'days')
  classifies: ClassVar[bool] = False

  @functools.cached_property
  def tensors(self):
    return {name: tf.constant(column) for name, column in self.inputs.items()}, tf.constant(self.labels.reshape(-1, 1))

  def __len__(self):
    return len(self.labels)

  def __getitem__(self, rows):
    return Pictures({'picture': self.inputs['picture'][rows]}, self.labels[rows], self.groups[rows])


class Exporter:
  """`models.protocols.ModelExporter`."""

  def export(self, model, directory, structure):
    module = tf.Module()
    module.weights = {variable_name(variable): variable for variable in model.variables}
    spec = tf.TensorSpec([None, SIZE, SIZE, 1], tf.float32, name='picture')
    function = tf.function(lambda picture: {'height': model({'picture': picture})}, autograph=False)
    tf.saved_model.save(module, directory, signatures={'serving': function.get_concrete_function(picture=spec)})


def build(seed=1):
  """Two convolutions, a depthwise one, a residual addition, normalizations in front of and without an activation."""
  made, kernel = keras.layers, functools.partial(keras.initializers.GlorotUniform, seed)
  picture = keras.Input([SIZE, SIZE, 1], name='picture')
  first = made.Conv2D(8, 3, padding='same', use_bias=False, kernel_initializer=kernel(), name='first')(picture)
  first = made.ReLU(name='rectified')(made.BatchNormalization(name='first_normal')(first))
  depth = made.DepthwiseConv2D(3, padding='same', use_bias=False, depthwise_initializer=kernel(), name='depth')(first)
  depth = made.Activation('relu', name='depth_rectified')(made.BatchNormalization(name='depth_normal')(depth))
  point = made.Conv2D(8, 1, use_bias=False, kernel_initializer=kernel(), name='pointwise')(depth)
  added = made.Add(name='added')([first, made.BatchNormalization(name='point_normal')(point)])
  flat = made.Flatten(name='flat')(made.MaxPooling2D(2, name='pooled')(added))
  hidden = made.Dense(16, activation='relu', kernel_initializer=kernel(), name='joined')(flat)
  output = made.Dense(1, kernel_initializer=kernel(), name='height')(made.Dropout(0.1, seed=seed, name='drop')(hidden))
  return keras.Model({'picture': picture}, output)


def pictures(seed):
  """A bright row in noise; its height is the label."""
  generator = np.random.default_rng(seed)
  found = generator.normal(0, 0.1, [PICTURES, SIZE, SIZE, 1]).astype(np.float32)
  rows = generator.integers(0, SIZE, PICTURES)
  found[np.arange(PICTURES), rows] += 1
  return Pictures({'picture': found}, rows.astype(np.float32), np.arange(PICTURES))


@pytest.fixture(scope='module')
def trained(tmp_path_factory):
  """Folders of the exported models by recipe, all proven."""
  folder = tmp_path_factory.mktemp('whole')
  training = Training(epochs=6, batch_size=32, learning_rate=1e-2, huber_delta=5.0, recipes=RECIPES)
  RecipeTraining(
    training=training,
    described='pictures',
    unit='rows',
    build=build,
    examples=pictures(0),
    held_out=pictures(1),
    exporter=Exporter(),
    logs=str(folder / 'logs'),
    checkpoints=str(folder / 'checkpoints'),
  ).run(str(folder / 'recipes'), 'model')
  return {recipe.name: str(folder / 'recipes' / recipe.name / 'model') for recipe in RECIPES}


def test_the_order_is_the_models():
  order = LayerOrder.of(build())
  assert order.kernels == ('first', 'depth', 'pointwise', 'joined', 'height')
  assert (order.hidden, order.output) == (('first', 'pointwise', 'joined'), 'height')
  assert order.rounded_behind == {
    'first': 'rectified',
    'depth': 'depth_rectified',
    'pointwise': 'point_normal',
    'joined': 'joined',
    'height': 'height',
  }  # fmt: skip


@pytest.mark.parametrize('name', ['pruned', 'pqat', 'pcqat'])
def test_half_of_each_hidden_kernel_is_zero_and_no_depthwise_one(trained, name):
  found = kernels(read_weights(trained[name]))
  for layer in ('first', 'pointwise', 'joined'):
    assert zeros(found[layer]) >= found[layer].size // 2 - 1, layer
  assert not zeros(found['height']) if name == 'pruned' else True
  assert zeros(found['depth']) < 10


def test_blocks_run_along_the_inputs_of_a_filter(trained):
  found = kernels(read_weights(trained['blocks']))
  for layer in ('first', 'pointwise', 'joined'):
    blocks = block_sparsity(found[layer], (4, 1))
    assert abs(blocks.zero - blocks.total / 2) <= 1 and not blocks.strays, layer


def test_two_of_four(trained):
  found = kernels(read_weights(trained['pairs']))
  assert two_of_four(found['pointwise']) and two_of_four(found['joined']) and not two_of_four(found['height'])


@pytest.mark.parametrize(
  ('name', 'clustered'),
  [pytest.param('clustered', ('pointwise', 'joined'), id='plain'), pytest.param('pcqat', ('joined',), id='quantized')],
)
def test_clusters(trained, name, clustered):
  found = kernels(read_weights(trained[name]))
  assert max(len(np.unique(found[layer])) for layer in clustered) <= 8


@pytest.mark.parametrize('name', ['qat', 'pqat', 'pcqat'])
def test_each_filter_has_a_grid_of_its_own(trained, name):
  found = kernels(read_weights(trained[name]))
  for unit in range(8):
    assert grid_distance(found['first'][..., unit]) < 1e-3
  assert grid_distance(found['joined']) < 1e-3


@pytest.mark.parametrize(
  ('name', 'floats'),
  [
    pytest.param('qat', set(), id='whole'),
    pytest.param('pqat', set(), id='whole_pruned'),
    pytest.param('part', {'CONV_2D', 'DEPTHWISE_CONV_2D', 'ADD', 'FULLY_CONNECTED'}, id='part'),
  ],
)
def test_the_file_has_normalizations_folded_and_no_layer_left_float(trained, name, floats):
  converter = from_saved_model(trained[name], 'serving')
  converter.optimizations = [tf.lite.Optimize.DEFAULT]
  file = LiteFile(convert(converter))
  found = set(file.operators())
  assert found <= {
    'QUANTIZE', 'CONV_2D', 'DEPTHWISE_CONV_2D', 'ADD', 'MAX_POOL_2D', 'RESHAPE', 'FULLY_CONNECTED', 'DEQUANTIZE',
    'SHAPE', 'STRIDED_SLICE', 'PACK',
  }  # fmt: skip
  graph = file._graph
  names = dict(zip(map(id, graph.operators), file.operators(), strict=True))
  moved = ('QUANTIZE', 'DEQUANTIZE', 'RESHAPE')
  left = {names[id(one)] for one in graph.operators if names[id(one)] not in moved and file._is_float(one)}
  assert left == floats


def test_ranges_are_of_what_the_model_gives_and_not_where_tfmot_starts(trained):
  weights = read_weights(trained['qat'])
  low, high = (float(weights[f'quant_rectified/output_{end}']) for end in ('min', 'max'))
  assert low == 0 < high and (low, high) != (-6.0, 6.0)


def test_names_of_whole_models():
  plain = build()
  assert whole_names(plain, Quantization()) == tuple(kernel_layers(plain))
  assert whole_names(plain, Quantization(layers=('joined', 'depth'))) == ('depth', 'joined')
  with pytest.raises(ValueError, match=r"'pointwize'\. It has: first, .*Did you mean 'pointwise'\?"):
    whole_names(plain, Quantization(layers=('pointwize',)))


def test_a_layer_that_cannot_be_quantized_is_named_with_what_can_be_done():
  picture = keras.Input([SIZE], name='picture')
  made = keras.layers.PReLU(name='bent')(keras.layers.Dense(4, name='dense')(picture))
  plain = keras.Model({'picture': picture}, keras.layers.Dense(1, name='height')(made))
  with pytest.raises(
    ValueError, match=r"no 8-bit form of 'bent' \(PReLU\): name the layers .*or give it a QuantizeCon"
  ):
    WholeModel(plain, Quantization(), {})


@pytest.mark.parametrize('ahead', ['dense', 'pool'])
def test_a_normalization_that_no_convolution_takes_in_is_refused(ahead):
  made, picture = keras.layers, keras.Input([SIZE, SIZE, 1], name='picture')
  found = made.Dense(4, name='dense')(made.Flatten()(picture)) if ahead == 'dense' else made.MaxPooling2D()(picture)
  found = made.Flatten()(made.BatchNormalization(name='normal')(found))
  plain = keras.Model({'picture': picture}, made.Dense(1, name='height')(found))
  said = r"no 8-bit form of 'normal' \(BatchNormalization that is not right behind a Conv2D or DepthwiseConv2D\)"
  with pytest.raises(ValueError, match=said):
    WholeModel(plain, Quantization(), {})


@pytest.mark.parametrize(
  ('recipe', 'message'),
  [
    pytest.param(
      Recipe(name='p', pruning=Pruning(final_sparsity=0.5, layers=('depth',), fine_tuning=TUNING)),
      r"pruning\.layers: 'depth' is a depthwise convolution",
      id='pruning',
    ),
    pytest.param(
      Recipe(name='c', clustering=Clustering(layers=('depth',), fine_tuning=TUNING)),
      r"clustering\.layers: 'depth' is a depthwise convolution",
      id='clustering',
    ),
    pytest.param(
      Recipe(name='q', clustering=Clustering(layers=('first',), fine_tuning=TUNING), quantization=QAT),
      r"clustering\.layers: 'first' is a convolution, .* Cluster dense layers alone",
      id='clusters_of_filters',
    ),
  ],
)
def test_what_would_have_no_effect_is_refused_by_name(recipe, message, tmp_path):
  training = Training(epochs=1, batch_size=32, recipes=(RECIPES[0], recipe))
  with pytest.raises(ValueError, match=message):
    RecipeTraining(
      training=training,
      described='',
      unit='',
      build=build,
      examples=pictures(0),
      held_out=pictures(1),
      exporter=Exporter(),
      logs=str(tmp_path),
      checkpoints=str(tmp_path / 'checkpoints'),
    ).run(str(tmp_path), 'model')


def test_what_is_looked_up_in_a_table_is_not_rounded():
  """In eight bits neighbours of 2,000 words would be one; inputs that are numbers have ranges by their names."""
  made, generator = keras.layers, np.random.default_rng(0)
  word = keras.Input([1], dtype='int32', name='word')
  numbers = [keras.Input([1], name=name) for name in ('width', 'height')]
  table = made.Embedding(2000, 4, embeddings_initializer=keras.initializers.RandomUniform(-1, 1, seed=0), name='table')
  dense = [made.Dense(2, name=f'of_{number.name}')(number) for number in numbers]
  joined = made.Concatenate(name='joined')([made.Flatten(name='flat')(table(word)), *dense])
  plain = keras.Model([word, *numbers], made.Dense(1, name='end')(joined))
  inputs = {'word': generator.integers(0, 2000, [100, 1]).astype(np.int32), 'width': generator.uniform(0, 3, [100, 1])}
  inputs = {**inputs, 'width': inputs['width'].astype(np.float32), 'height': np.full([100, 1], -1, np.float32)}
  rows = Pictures(inputs, np.zeros(100, np.float32), np.arange(100))
  aware = WholeModel(plain, QAT, {})
  aware.calibrate(rows)
  found, expected = (model(rows.tensors[0]).numpy() for model in (aware.model, plain))
  np.testing.assert_allclose(found, expected, atol=0.1)
  assert expected.std() > 0.3 and {*aware.ranges} > {'input_width', 'input_height', 'table', 'end'}
  assert aware.ranges['input_height'] == (-1, 0) and aware.ranges['input_width'][1] > 2.5


class BentQuantizeConfig(default_8bit_quantize_configs.Default8BitOutputQuantizeConfig):
  """A user's: what comes out of the layer is rounded, and nothing in it."""


def test_a_custom_layer_is_quantized_by_the_users_own_config():
  """Oracle: the ranges are those of what the layer gives."""
  made, picture = keras.layers, keras.Input([SIZE], name='picture')
  bent = made.PReLU(name='bent', alpha_initializer=keras.initializers.Constant(0.5))
  plain = keras.Model({'picture': picture}, made.Dense(1, name='height')(bent(made.Dense(4, name='dense')(picture))))
  path = f'{BentQuantizeConfig.__module__}.{BentQuantizeConfig.__qualname__}'
  aware = WholeModel(plain, Quantization(quantize_configs={'bent': path}), {})
  rows = Pictures({'picture': np.random.default_rng(0).normal(0, 1, [64, SIZE]).astype(np.float32)},
                  np.zeros(64, np.float32), np.arange(64))  # fmt: skip
  aware.calibrate(rows)
  given = keras.Model(plain.inputs, plain.get_layer('bent').output)(rows.tensors[0]).numpy()
  assert aware.ranges['bent'] == pytest.approx((given.min(), given.max()), rel=0.05)
  found, expected = (model(rows.tensors[0]).numpy() for model in (aware.model, plain))
  np.testing.assert_allclose(found, expected, atol=0.1)
  assert not np.array_equal(found, expected)
