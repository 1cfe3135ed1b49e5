"""Lite files of whole convolutional models: made, run, proven, and refused where they are damaged.

The weights are set by hand. Oracles: Keras on the same pictures, NumPy on the same kernels, and the files' own bytes.
"""

import dataclasses
import functools
import importlib.util
from typing import ClassVar

import numpy as np
import pytest
import tensorflow as tf
from tensorflow.lite.python import schema_py_generated as schema

from components.quantization_rewriter.rewriting import rewrite_all
from configs.compression import SCHEMES, packaged_schemes
from configs.recipe import Clustering, Pruning, Quantization, Recipe
from models.compression import layers
from models.compression.quantized_model import HEADROOM
from models.compression.whole_model import WholeModel, final_model
from models.keras_compat import keras
from models.lite.inspection import LiteFile
from models.lite.interpreter import AnyFile, LiteFileError, LiteRunner
from models.lite.process import LiteProcess
from models.lite.promise import ValidationError
from models.lite.validation import check_structure
from models.lite.variants import Variants
from models.protocols import Terms
from models.recipe_training import WEIGHTS
from models.serving import EXTRA, variable_name
from tests.models.lite.made_model import QUANTIZERS
from tests.models.lite.small_files import changed

PICTURES, SIZE, CLASSES = 300, 8, 4
HALF, QAT = Pruning(final_sparsity=0.5), Quantization()
DENSE = Recipe(name='dense')
RECIPES = (
  Recipe(name='pruned', pruning=HALF),
  Recipe(name='blocks', pruning=Pruning(final_sparsity=0.5, structure='4x1', layers=('joined',))),
  Recipe(name='clustered', clustering=Clustering(clusters=8)),
  Recipe(name='qat', quantization=QAT),
  Recipe(name='part', quantization=Quantization(layers=('first', 'depth', 'joined'))),
  Recipe(name='pqat', pruning=HALF, quantization=QAT),
)
RECIPE = {recipe.name: recipe for recipe in (DENSE, *RECIPES)}
KERNELS = ('first', 'depth', 'point', 'back', 'joined', 'digit')
FLOAT32, INT8, INT16X8, PER_CHANNEL = packaged_schemes('float32', 'int8', 'int16x8', 'int8_per_channel')
NOT_HERE = {
  *(() if any(map(importlib.util.find_spec, QUANTIZERS)) else ('weight_only_int8', 'dynamic_int4')),
  *(() if tuple(map(int, tf.__version__.split('.')[:2])) >= (2, 21) else ('int8_per_channel',)),
}


@dataclasses.dataclass(frozen=True)
class Pictures:
  """`models.protocols.Examples` and `RawExamples`."""

  inputs: dict[str, np.ndarray]
  terms: ClassVar[Terms] = Terms('picture', 'pictures', 'classes', 'days')
  labels: ClassVar[np.ndarray] = np.zeros(PICTURES, np.float32)
  groups: ClassVar[np.ndarray] = np.arange(PICTURES)

  @property
  def columns(self):
    return self.inputs

  def __len__(self):
    return PICTURES


class PictureInputs:
  """`models.protocols.RawInputs`."""

  contract, output = AnyFile(), 'predicted'

  def specs(self):
    return {'picture': tf.TensorSpec([None, SIZE, SIZE, 1], tf.float32, name='picture')}

  def for_graph(self, columns):
    return dict(columns)


@functools.cache
def pictures(brightest=1.0):
  noise = np.random.default_rng(0).uniform(0, brightest, [PICTURES, SIZE, SIZE, 1])
  return Pictures({'picture': noise.astype(np.float32)})


def build(classes=CLASSES, activation='relu'):
  """Convolutions, two with kernels of one shape, a residual addition, normalizations with factors of either sign."""
  made = keras.layers

  def start(seed, scale=1.0):
    return keras.initializers.VarianceScaling(scale, seed=seed)

  picture = keras.Input([SIZE, SIZE, 1], name='picture')
  first = made.Conv2D(8, 3, padding='same', use_bias=False, kernel_initializer=start(1), name='first')(picture)
  first = made.ReLU(6.0, name='rectified')(made.BatchNormalization(name='first_normal')(first))
  depth = made.DepthwiseConv2D(3, padding='same', depthwise_initializer=start(2), name='depth')(first)
  depth = made.Activation(activation, name='depth_rectified')(made.BatchNormalization(name='depth_normal')(depth))
  point = made.Conv2D(8, 1, kernel_initializer=start(3), name='point')(depth)
  added = made.Add(name='added')([first, made.BatchNormalization(name='point_normal')(point)])
  added = made.ReLU(name='added_rectified')(added)
  back = made.Conv2D(8, 1, activation='relu', kernel_initializer=start(4), name='back')(added)
  flat = made.Flatten(name='flat')(made.AveragePooling2D(2, name='pooled')(back))
  hidden = made.Dense(16, activation='relu', kernel_initializer=start(5), name='joined')(flat)
  end = 'softmax' if classes > 1 else None
  output = made.Dense(classes, activation=end, kernel_initializer=start(6, 40.0), name='digit')(hidden)
  model = keras.Model({'picture': picture}, output)
  for number, layer in enumerate(one for one in model.layers if isinstance(one, made.BatchNormalization)):
    generator = np.random.default_rng(number)
    layer.set_weights([generator.uniform(*ends, 8) for ends in ((-1.5, 1.5), (-0.3, 0.3), (-0.3, 0.3), (0.5, 2))])
  return model


def compressed(kernel, name, recipe):
  """A kernel as the recipe's training leaves it."""
  hidden = tuple(name for name in KERNELS[:-1] if name != 'depth')
  if recipe.pruning and name in recipe.pruning.names(hidden, 'digit'):
    inputs, _ = recipe.pruning.block
    kept = np.random.default_rng(2).permutation(np.arange(kernel.size // inputs) % 2)
    return kernel * np.repeat(kept.reshape(-1, kernel.shape[-1]), inputs, axis=0).reshape(kernel.shape)
  if recipe.clustering and name in hidden:
    step = np.abs(kernel).max() / 4
    return np.clip(np.rint(kernel / step), -3, 4) * step
  return kernel


def save(recipe, directory, build=build):
  """A model as it is exported: the variables, and the plain weights beside them."""
  plain = build()
  for name, layer in layers.kernel_layers(plain).items():
    layers.kernel(layer).assign(compressed(layers.kernel(layer).numpy(), name, recipe))
  model = plain
  if recipe.quantization:
    aware = WholeModel(plain, recipe.quantization, {})
    aware.settle()
    aware.calibrate(pictures())
    model = final_model(plain, recipe.quantization, aware.ranges)
  module = tf.Module()
  module.weights = {variable_name(variable): variable for variable in model.variables}
  tf.saved_model.save(module, str(directory))
  (directory / EXTRA).mkdir()
  plain.save_weights(str(directory / EXTRA / WEIGHTS))
  return str(directory)


@pytest.fixture(scope='module')
def saved(tmp_path_factory):
  folder = tmp_path_factory.mktemp('saved')
  return {name: save(recipe, folder / name) for name, recipe in RECIPE.items()}


@pytest.fixture(scope='module')
def variants():
  return Variants(build, PictureInputs(), None, pictures(), pictures())


@pytest.fixture(scope='module')
def written(variants, saved, tmp_path_factory):
  """The folder of the files, and their records by name: all schemes of the base, some of the others."""
  folder, found = tmp_path_factory.mktemp('written'), {}
  some = packaged_schemes('float32', 'dynamic_range', 'int8', 'float32_sparse')
  # Kernels of an untrained model don't keep their probabilities with 15 values for each filter.
  every = [
    each.model_copy(update={'tolerance': 0.5} if 'int4' in each.name else {})
    for each in packaged_schemes(*SCHEMES.names())
  ]
  for recipes, schemes in (([DENSE], every), (RECIPES, some)):
    record = rewrite_all(variants, recipes, schemes, saved, str(folder), str(folder / 'cache'))
    found |= {variant.name: variant for variant in record.variants}
  return folder, found


def content(written, name):
  return (written[0] / f'{name}.tflite').read_bytes()


def refused(variants, saved, content, scheme=INT8, recipe='dense'):
  """The sentence that a file is refused with."""
  plain, _ = variants._model(RECIPE[recipe], saved[recipe])
  with pytest.raises(ValidationError) as caught:
    check_structure(content, variants._promise(RECIPE[recipe], scheme, plain))
  return str(caught.value)


def test_every_file_is_made_and_proven(written):
  lost = {name: variant.reason for name, variant in written[1].items() if variant.reason}
  assert lost.keys() == {'dense.int8_float_output', *(f'dense.{name}' for name in NOT_HERE)}
  assert lost['dense.int8_float_output'] == (
    "Scheme 'int8_float_output' keeps fare in float, which takes a model with a dense core; for this one, name the "
    'layers that shall be integers in quantization.layers of a recipe.'
  )
  assert 'blocks.float32_sparse' in written[1] and 'pruned.float32_sparse' not in written[1]


@pytest.mark.parametrize(
  ('name', 'held'),
  [
    pytest.param('dense.float32', 'float32', id='float32'),
    pytest.param('dense.float16', 'float16', id='float16'),
    pytest.param('dense.int8', 'int8', id='int8'),
    pytest.param('dense.int16x8', 'int8', id='int16x8'),
    pytest.param('qat.int8', 'int8', id='quantization_aware'),
  ],
)
def test_types_of_kernels(written, name, held):
  assert written[1][name].types == dict.fromkeys(KERNELS, held)


def test_small_kernels_stay_float_where_ranges_come_as_they_are(written):
  """TFLite's limit is 1,024 weights."""
  types = written[1]['dense.dynamic_range'].types
  assert types == dict.fromkeys(KERNELS, 'float32') | {'joined': 'int8'}


def test_named_layers_alone_are_integers(written):
  types = written[1]['part.int8'].types
  assert types == dict.fromkeys(KERNELS, 'float32') | dict.fromkeys(('first', 'depth', 'joined'), 'int8')


@pytest.mark.parametrize('recipe', ['dense', 'qat'])
def test_everything_is_folded_fused_and_computed_in_integers(written, recipe):
  first, *others, last = LiteFile(content(written, f'{recipe}.int8')).operators()
  # Training gives a mean a range of its own, so that one QUANTIZE of integers may be left.
  assert [first, *(name for name in others if name != 'QUANTIZE'), last] == [
    *('QUANTIZE', 'CONV_2D', 'DEPTHWISE_CONV_2D', 'CONV_2D', 'ADD', 'CONV_2D', 'AVERAGE_POOL_2D', 'RESHAPE'),
    *('FULLY_CONNECTED', 'FULLY_CONNECTED', 'SOFTMAX', 'DEQUANTIZE'),
  ]


@pytest.mark.parametrize('name', ['dense.float32', 'dense.int8', 'qat.int8', 'part.int8', 'pqat.int8'])
def test_files_give_probabilities_as_the_model_does(written, variants, saved, name):
  recipe = name.partition('.')[0]
  model = variants._model(RECIPE[recipe], saved[recipe])[name == 'qat.int8' or recipe in ('part', 'pqat')]
  expected = model(pictures().inputs).numpy()
  runner = LiteRunner(content(written, name))
  found = runner.predict(pictures().columns)
  assert found.shape == (PICTURES, CLASSES) and found.dtype == np.float32
  np.testing.assert_allclose(found.sum(axis=1), 1, atol=CLASSES / 256)
  np.testing.assert_allclose(found, expected, atol=1e-5 if name == 'dense.float32' else 0.1)
  assert np.std(expected) > 0.1
  assert runner.predict({'picture': pictures().columns['picture'][:0]}).shape == (0, CLASSES)


def test_a_process_gives_what_this_one_does(written):
  path = written[0] / 'dense.int8.tflite'
  with LiteProcess(path) as process:
    np.testing.assert_array_equal(process.predict(pictures().columns), LiteRunner(path).predict(pictures().columns))


@pytest.mark.parametrize('name', ['pruned.float32', 'pruned.int8', 'pqat.int8'])
def test_zeros_are_kept(written, name):
  """Oracle: half of each hidden kernel but the depthwise one's."""
  plain = build()
  sizes = {name: layers.kernel(layer).shape.num_elements() for name, layer in layers.kernel_layers(plain).items()}
  zero = sum(size for name, size in sizes.items() if name not in ('depth', 'digit')) / 2 / sum(sizes.values())
  assert zero <= written[1][name].sparsity < zero + 0.02


def test_clusters_are_kept_in_each_filter(written, variants, saved):
  plain, _ = variants._model(RECIPE['clustered'], saved['clustered'])
  found = check_structure(content(written, 'clustered.int8'), variants._promise(RECIPE['clustered'], INT8, plain))
  clustered = {layer.name: max(len(np.unique(row)) for row in layer.matrix) for layer in found}
  assert all(clustered[name] <= 8 for name in ('first', 'point', 'back', 'joined')) and clustered['digit'] > 8
  assert {layer.name: layer.distinct for layer in found}['first'] > 8, 'factors and scales of filters'


@pytest.mark.parametrize('name', ['dense.int8', 'dense.int16x8', 'qat.int8'])
def test_each_filter_has_a_scale(written, variants, saved, name):
  recipe, _, scheme = name.partition('.')
  plain, _ = variants._model(RECIPE[recipe], saved[recipe])
  kept = variants._promise(RECIPE[recipe], packaged_schemes('float32', scheme)[1], plain)
  found = {layer.name: len(layer.scales) for layer in check_structure(content(written, name), kept)}
  assert found == dict.fromkeys(KERNELS, 8) | {'joined': 1, 'digit': 1}


def test_kernels_of_one_shape_are_told_apart_by_their_values(written):
  """Oracle: the order of the file, which is the model's."""
  kernels = {name: layers.kernel(layer).numpy() for name, layer in layers.kernel_layers(build()).items()}
  matrices = {name: layers.filters(kernel, name == 'depth') for name, kernel in kernels.items()}
  assert matrices['point'].shape == matrices['back'].shape
  for scheme in ('float32', 'int8', 'float16'):
    file = LiteFile(content(written, f'dense.{scheme}'))
    places = file.kernels(dict(reversed(matrices.items())))
    assert sorted(places, key=places.get) == list(KERNELS)
  with pytest.raises(ValueError, match=r"no kernel of 8 x 5 \(filters x inputs\) for layer 'more'"):
    file.kernels(matrices | {'more': np.ones((8, 5))})


def test_tensors_are_called_by_their_layers(written):
  names = {tensor.name.decode() for tensor in LiteFile(content(written, 'qat.int8'))._graph.tensors}
  assert {*KERNELS, 'first.1', 'picture', 'predicted'} <= names


def test_where_accuracy_is_lost(written):
  errors = {error.name: error for error in written[1]['dense.int8'].layer_errors}
  assert list(errors) == list(KERNELS)
  assert all(0 < error.own_error < 2 * error.error < 0.2 for error in errors.values())
  hybrid = {error.name: error.error for error in written[1]['dense.dynamic_range'].layer_errors}
  assert hybrid['back'] < 1e-5 < hybrid['joined']


def test_probabilities_have_their_own_range_and_a_number_has_headroom(written, tmp_path):
  """Oracle: TFLite's 1/256 for a softmax, and the range of the model's predictions."""
  assert LiteFile(content(written, 'dense.int8')).output_step() == 1 / 256
  one = functools.partial(build, 1)
  variants = Variants(one, PictureInputs(), None, pictures(), pictures())
  file = variants.write(DENSE, INT8, save(DENSE, tmp_path / 'one', one))
  expected = one()(pictures().inputs).numpy().reshape(-1)
  found = LiteRunner(file).predict(pictures().columns)
  assert found.shape == expected.shape and np.abs(found - expected).max() < 0.1 * np.ptp(expected)
  low, high = min(0.0, expected.min()), max(0.0, expected.max())
  assert LiteFile(file).output_step() == pytest.approx(HEADROOM * (high - low) / 255, rel=0.05)


def test_a_transform_graph_goes_in_front(tmp_path):
  """Grey values from 0 to 255 enter; the graph divides them. Oracle: the model on what it gives."""

  def transform(columns):
    return {'picture': columns['picture'] / 255}

  grey = pictures(255.0)
  variants = Variants(build, PictureInputs(), transform, pictures(), grey)
  saved = save(DENSE, tmp_path / 'dense')
  record = rewrite_all(variants, [DENSE], [FLOAT32, INT8], {'dense': saved}, str(tmp_path), str(tmp_path / 'cache'))
  assert [variant.reason for variant in record.variants] == [None, None] and record.features.bytes > 0
  found = LiteRunner(tmp_path / 'dense.float32.tflite').predict(grey.columns)
  np.testing.assert_allclose(found, build()(pictures().inputs), atol=1e-5)


def test_sequences_and_embeddings(tmp_path):
  """A table, a convolution along one axis, a dense layer at each position, a sigmoid."""
  words = {'word': np.random.default_rng(0).integers(0, 50, [PICTURES, 12]).astype(np.int32)}

  def build():
    made = keras.layers
    word = keras.Input([12], dtype='int32', name='word')
    table = made.Embedding(50, 8, embeddings_initializer=keras.initializers.RandomUniform(-1, 1, seed=0), name='table')
    found = made.Conv1D(16, 3, activation='relu', name='along')(table(word))
    found = made.Flatten(name='flat')(made.Dense(16, activation='tanh', name='each')(found))
    return keras.Model({'word': word}, made.Dense(1, activation='sigmoid', name='end')(found))

  class Words(PictureInputs):
    def specs(self):
      return {'word': tf.TensorSpec([None, 12], tf.int32, name='word')}

  keras.utils.set_random_seed(0)
  model = build()
  saved = {'dense': save(DENSE, tmp_path / 'dense', lambda: model)}
  variants = Variants(build, Words(), None, Pictures(words), Pictures(words))
  schemes = packaged_schemes('float32', 'int8_integer_only')
  record = rewrite_all(variants, [DENSE], schemes, saved, str(tmp_path), str(tmp_path / 'cache'))
  assert [variant.reason for variant in record.variants] == [None, None]
  assert record.variants[1].types == dict.fromkeys(('table', 'along', 'each', 'end'), 'int8')
  found = LiteRunner(tmp_path / 'dense.float32.tflite').predict(words)
  np.testing.assert_allclose(found, model(words).numpy().reshape(-1), atol=1e-5)


def test_the_integer_part_is_what_stands_between_the_conversions(written):
  """The rewriter has compared it with the file."""
  part = LiteFile((written[0] / 'dense.int8_integer_only.core.tflite').read_bytes())
  assert part.operators() == LiteFile(content(written, 'dense.int8')).operators()[1:-1]
  header = (written[0] / 'dense.int8_integer_only.core.h').read_text()
  assert '// Input 0: int8 [1, 64], for ' in header and '// Output: int8 [1, 4], for 0 to 0.996' in header
  assert 'features' not in header.lower()


def test_activations_of_another_type_are_refused(variants, saved, written):
  sentence = refused(variants, saved, content(written, 'dense.int16x8'))
  assert sentence == "Layer 'first' computes with int16, but int8 says int8."


def test_a_layer_left_in_float_is_refused(variants, saved, written):
  sentence = refused(variants, saved, content(written, 'part.int8'), recipe='qat')
  assert sentence == "Layer 'point' holds float32 weights, but int8 says int8."


def test_an_operator_between_layers_in_float_is_refused(tmp_path):
  """TFLite has no integer sine."""
  bent = functools.partial(build, CLASSES, tf.sin)
  variants = Variants(bent, PictureInputs(), None, pictures(), pictures())
  saved = {'dense': save(DENSE, tmp_path / 'dense', bent)}
  file = variants.write(DENSE, INT8, saved['dense'])
  assert refused(variants, saved, file) == "SIN behind layer 'depth' computes with floats, but int8 says int8."


@pytest.mark.parametrize(
  ('kind', 'behind', 'layer'),
  [
    pytest.param('MUL', 'DEPTHWISE_CONV_2D', 'depth', id='normalization'),
    pytest.param('RELU', 'FULLY_CONNECTED', 'joined', id='rectifier'),
    pytest.param('RELU6', 'ADD', 'point', id='rectifier_of_a_sum'),
  ],
)
def test_what_is_not_folded_is_refused(variants, saved, written, kind, behind, layer):
  def damage(lite):
    [graph] = lite.subgraphs
    codes = {max(code.builtinCode, code.deprecatedBuiltinCode): code for code in lite.operatorCodes}
    wanted = getattr(schema.BuiltinOperator, behind)
    ahead = next(one for one in graph.operators if lite.operatorCodes[one.opcodeIndex] is codes[wanted])
    ahead.builtinOptions.fusedActivationFunction = schema.ActivationFunctionType.NONE
    code, operator = schema.OperatorCodeT(), schema.OperatorT()
    code.builtinCode = code.deprecatedBuiltinCode = getattr(schema.BuiltinOperator, kind)
    code.version, operator.opcodeIndex = 1, len(lite.operatorCodes)
    operator.inputs, operator.outputs = [len(graph.tensors)], [ahead.outputs[0]]
    if kind == 'MUL':
      operator.inputs.append(ahead.inputs[2])
      operator.builtinOptionsType, operator.builtinOptions = schema.BuiltinOptions.MulOptions, schema.MulOptionsT()
    between = schema.TensorT()
    between.shape, between.type, between.buffer = graph.tensors[ahead.outputs[0]].shape, schema.TensorType.FLOAT32, 0
    ahead.outputs = [len(graph.tensors)]
    graph.tensors.append(between)
    lite.operatorCodes.append(code)
    graph.operators.insert(graph.operators.index(ahead) + 1, operator)

  sentence = refused(variants, saved, changed(content(written, 'dense.float32'), damage), FLOAT32)
  assert sentence == f"{kind} behind layer '{layer}' stands by itself, and is no part of that layer."


def joined_kernel(lite):
  """The tensor of the dense layer's kernel, and its buffer."""
  [graph] = lite.subgraphs
  [tensor] = [one for one in graph.tensors if list(one.shape) == [16, 128]]
  return tensor, lite.buffers[tensor.buffer]


def test_a_moved_zero_is_refused(variants, saved, written):
  def damage(lite):
    _, buffer = joined_kernel(lite)
    values = np.asarray(buffer.data, np.uint8).view(np.int8).copy()
    zero, other = np.flatnonzero(values == 0)[0], np.flatnonzero(values)[0]
    values[[zero, other]] = values[[other, zero]]
    buffer.data = values.view(np.uint8)

  sentence = refused(variants, saved, changed(content(written, 'pruned.int8'), damage), recipe='pruned')
  assert sentence == "Layer 'joined' is zero in the model and not in the file at 1 of 1024 places."


def test_a_lost_cluster_is_refused(variants, saved, written):
  def damage(lite):
    _, buffer = joined_kernel(lite)
    values = np.asarray(buffer.data, np.uint8).view(np.float32).copy()
    values[0] = 0.123
    buffer.data = values.view(np.uint8)

  sentence = refused(
    variants, saved, changed(content(written, 'clustered.float32'), damage), FLOAT32, recipe='clustered'
  )
  assert sentence == "Layer 'joined' has 9 distinct weights in the file and 8 in the model."


def test_one_scale_for_all_filters_is_refused(variants, saved, written):
  def damage(lite):
    tensor = next(one for one in lite.subgraphs[0].tensors if list(one.shape) == [8, 3, 3, 1])
    tensor.quantization.scale, tensor.quantization.zeroPoint = [0.1], [0]

  sentence = refused(variants, saved, changed(content(written, 'dense.int8'), damage))
  assert sentence == "Layer 'first' has 1 scales for 8 filters; int8 says one for each."
  sentence = refused(variants, saved, content(written, 'dense.int8'), PER_CHANNEL)
  assert sentence == "Layer 'joined' has 1 scales for 16 filters; int8_per_channel says one for each."


@pytest.mark.parametrize('shape', [pytest.param([2, 2], id='pictures'), pytest.param(None, id='unknown')])
def test_a_file_that_gives_neither_numbers_nor_classes_is_refused(shape):
  detail = {'dtype': np.float32, 'shape_signature': np.array([-1, *(shape or [-1])])}
  with pytest.raises(LiteFileError, match=r"its output 'y' is float32 \[batch, .*not float32 \[batch\] or \[batch, cl"):
    AnyFile().check_signature('file', {'x': {}}, {'y': detail})
