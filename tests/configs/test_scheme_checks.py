"""Schemes against the model and the recipes. Oracle for what sparse encoding goes with: the converter and LiteRT."""

import numpy as np
import pytest
import tensorflow as tf
from ai_edge_litert.interpreter import Interpreter

from configs import loading
from configs.compression import Precision, Scheme, applies
from configs.loading import ConfigError
from configs.recipe import DENSE_RECIPE, Pruning, Recipe
from models.keras_compat import keras
from models.lite.inspection import LiteFile
from tests.models.lite.converters import from_keras

BLOCKS = 'training.recipes=blocks_16x1_80'


def refusal(*overrides, source='nyc'):
  with pytest.raises(ConfigError) as caught:
    loading.load(source, overrides)
  return str(caught.value)


@pytest.mark.parametrize(
  ('scheme', 'overrides', 'message'),
  [
    pytest.param(
      '{name: x, extends: int8, float_layers: [dense_3]}',
      [],
      "compression.schemes.x.float_layers: unknown layer 'dense_3'. The dense layers are dense_0, dense_1, dense_2, "
      "fare. Did you mean 'dense_2'?",
      id='unknown_layer',
    ),
    pytest.param(
      '{name: x, extends: int8, float_layers: clip}',
      [],
      "compression.schemes.x.float_layers must be dense layers, not the custom layer 'clip'; leave it out.",
      id='custom_layer',
    ),
    pytest.param(
      '{name: x, extends: int8, float_layers: hour_of_week_embedding}',
      ['features.crosses.enabled=true'],
      "float_layers must be dense layers, not the embedding table 'hour_of_week_embedding'; leave it out.",
      id='embedding',
    ),
    pytest.param(
      '{name: x, extends: int8, float_layers: [fare, dense_0]}',
      ['model.hidden=[8]'],
      'compression.schemes.x.float_layers has every dense layer, so that none would be int8; leave one of them out.',
      id='every_layer',
    ),
    pytest.param(
      '{name: x, extends: int8, tolerance: 5}',
      [],
      "compression.schemes.x.tolerance must be at most 1, got 5: it is a fraction of the fares' standard deviation, "
      'and the same fare for every ride differs by 1. For 5 % write 0.05.',
      id='tolerance_in_percent',
    ),
    pytest.param(
      '{name: x, extends: int8, tolerance: 500}',
      [],
      'the same fare for every ride differs by 1.\n',
      id='tolerance_beyond_percent',
    ),
    pytest.param(
      '{name: x, extends: int8, calibration: {rides: 50}}',
      [],
      'compression.schemes.x.calibration.rides must not be fewer than longest, the highest fares among them, got 50 '
      'rides and longest 100; set longest to at most 50, or rides to at least 100.',
      id='fewer_rides_than_longest',
    ),
    pytest.param(
      'dynamic_range_sparse',
      ['training.recipes=[qat]'],
      'compression.schemes.dynamic_range_sparse.sparse: no recipe of this run prunes; sparse encoding would change '
      'nothing. Add one to training.recipes, such as blocks_16x1_80, or leave the scheme out.',
      id='nothing_pruned',
    ),
    pytest.param(
      'float32_sparse',
      ['training.recipes=[qat,pruned_80,two_of_four]'],
      'compression.schemes.float32_sparse.sparse: no recipe of this run prunes in blocks whose inputs are a multiple '
      "of 4, which TFLite's float kernels want; no file would be encoded sparsely. Add one to training.recipes, such "
      'as blocks_4x1_80, or leave the scheme out.',
      id='no_blocks',
    ),
    pytest.param(
      'dynamic_range_sparse',
      ['training.recipes=[blocks_4x1_80]'],
      'dynamic_range_sparse.sparse: no recipe of this run prunes in blocks whose inputs are a multiple of 16, which '
      "TFLite's 8-bit kernels want; no file would be encoded sparsely. Add one to training.recipes, such "
      'as blocks_16x1_80',
      id='other_blocks',
    ),
    pytest.param(
      'float32_sparse',
      ['training.recipes={name: narrow, extends: pruned_80, pruning: {structure: 2x1}}'],
      'no recipe of this run prunes in blocks whose inputs are a multiple of 4',
      id='blocks_that_are_made_dense_again',
    ),
    pytest.param(
      'int8_float_output',
      ['training.recipes=[qat,pqat_80]'],
      'compression.schemes.int8_float_output.float_layers has no place beside qat and pqat_80 of training.recipes, ',
      id='float_layers_of_a_recipe_trained_for_8_bits',
    ),
    pytest.param(
      'int8_integer_only',
      ['training.recipes=[qat,qat_partial]'],
      'compression.schemes.int8_integer_only.integer_only must be false with qat_partial of training.recipes, which '
      'leaves fare in float; take a recipe with quantization.layers core, such as qat, or the scheme int8.',
      id='integers_alone_of_a_partly_trained_recipe',
    ),
    pytest.param(
      'int8_per_channel',
      ['training.recipes=clustered_16'],
      'compression.schemes.int8_per_channel.per_channel must be false with clustered_16 of training.recipes: a scale '
      'for each unit stores one value as several integers, which undoes clusters.',
      id='per_channel_with_clusters',
    ),
    pytest.param(
      'int8_per_channel',
      ['training.recipes=[qat]'],
      'per_channel must be false with qat of training.recipes, trained for 8 bits: its kernels are on a grid of one '
      'scale.',
      id='per_channel_of_a_recipe_trained_for_8_bits',
    ),
    *(
      pytest.param(
        f'{{name: x, precision: {precision}, sparse: true}}',
        [BLOCKS],
        f'compression.schemes.x.sparse must be false with precision {precision}: {reason}.',
        id=f'sparse_{precision}',
      )
      for precision, reason in (
        ('float16', 'TFLite makes NaN of blocks of 16-bit floats'),
        ('int16x8', 'TFLite computes wrong fares from blocks of 8-bit weights and 16-bit activations'),
        ('weight_only_int8', "the LiteRT quantizer can't read sparse weights"),
        ('dynamic_int4', "the LiteRT quantizer can't read sparse weights"),
      )
    ),
  ],
)
def test_refuses(scheme, overrides, message):
  text = refusal(f'compression.schemes={scheme}', *overrides) + '\n'
  assert text.startswith('The config has 1 error:\n')
  assert message in text


@pytest.mark.parametrize(
  ('scheme', 'overrides'),
  [
    pytest.param('{name: x, precision: dynamic_int4, float_layers: [fare]}', [], id='quantizer_with_float_layers'),
    pytest.param('{name: x, extends: int8, calibration: {rides: 100}}', [], id='only_the_longest'),
    pytest.param('{name: x, extends: int8, calibration: {rides: 20, longest: 0}}', [], id='none_of_the_longest'),
    pytest.param('{name: x, extends: int8, tolerance: 1}', [], id='tolerance_of_one'),
    pytest.param(
      '{name: x, extends: int8, sparse: true}', ['training.recipes=[pruned_80,blocks_16x1_80]'], id='sparse'
    ),
    pytest.param('float32_sparse', [BLOCKS], id='sparse_float32'),
    pytest.param('int8_float_output', ['model.hidden=[8]', 'training.recipes=dense'], id='one_of_two_layers_in_float'),
    pytest.param('int8_integer_only', ['training.recipes=[qat,pqat_80]'], id='integers_alone_of_a_whole_core'),
    pytest.param('{name: x, extends: int16x8, float_layers: fare}', [], id='made_of_the_plain_weights'),
    pytest.param('int8_sparse', [BLOCKS], id='sparse_int8'),
    pytest.param('int8_per_channel', ['training.recipes=pruned_80'], id='per_channel'),
    pytest.param(
      '{name: x, extends: dynamic_range, per_channel: true}', ['training.recipes=qat'], id='of_plain_weights'
    ),
  ],
)
def test_accepts(scheme, overrides):
  loading.load('nyc', [f'compression.schemes={scheme}', *overrides])


def test_all_mistakes_of_a_run_are_told_at_once():
  text = refusal(
    'compression.schemes=[float32_sparse,{name: x, extends: int8, tolerance: 2, float_layers: [far, clip], '
    'calibration: {rides: 9}}]',
    'compression.budget={rmse_ratio: 0.01, worst_slice_ratio: 0.05, bytes: 9, latency_us: 0.01}',
    'training.recipes={name: y, clustering: {layers: [a]}}',
    'validation.max_missing_share={nothing: 0.5}',
  )
  assert text.startswith('The config has 11 errors:\n')
  places = ('float32_sparse.sparse', 'x.tolerance', 'x.float_layers', 'x.calibration.rides')
  assert all(f'compression.schemes.{place}' in text for place in places)
  limits = ('rmse_ratio', 'worst_slice_ratio', 'bytes', 'latency_us')
  assert all(f'compression.budget.{limit} must be at least' in text for limit in limits)


def pruned_model(block, seed=0):
  """48 inputs, 32 units, one output; 80 % of the blocks of the first kernel are zero."""
  generator = np.random.default_rng(seed)
  model = keras.Sequential([keras.Input([48]), keras.layers.Dense(32, activation='relu'), keras.layers.Dense(1)])
  height, width = block
  kept = generator.permutation(np.arange(48 * 32 // (height * width)) % 5 == 0)
  mask = kept.reshape(48 // height, 32 // width).repeat(height, axis=0).repeat(width, axis=1)
  kernel, bias = model.layers[0].get_weights()
  model.layers[0].set_weights([kernel * mask, bias])
  return model


def sparse_file(model, precision, rides):
  converter = from_keras(model)
  default = [] if precision is Precision.FLOAT32 else [tf.lite.Optimize.DEFAULT]
  converter.optimizations = [*default, tf.lite.Optimize.EXPERIMENTAL_SPARSITY]
  if precision is Precision.FLOAT16:
    converter.target_spec.supported_types = [tf.float16]
  if precision.is_calibrated:
    converter.representative_dataset = lambda: ([ride[None]] for ride in rides)
  if precision is Precision.INT16X8:
    ops = tf.lite.OpsSet.EXPERIMENTAL_TFLITE_BUILTINS_ACTIVATIONS_INT16_WEIGHTS_INT8
    converter.target_spec.supported_ops = [ops]
  return converter.convert()


def difference(file, model, rides):
  """Root mean square difference of a file's outputs from the model's, over their standard deviation."""
  interpreter = Interpreter(model_content=file)
  [taken], [given] = interpreter.get_input_details(), interpreter.get_output_details()
  interpreter.resize_tensor_input(taken['index'], rides.shape)
  interpreter.allocate_tensors()
  interpreter.set_tensor(taken['index'], rides)
  interpreter.invoke()
  expected = model(rides).numpy()
  return np.sqrt(np.mean((interpreter.get_tensor(given['index']) - expected) ** 2)) / expected.std()


@pytest.mark.parametrize(
  ('precision', 'structure', 'accepted'),
  [
    (Precision.FLOAT32, '4x1', True),
    (Precision.FLOAT32, '16x1', True),
    (Precision.FLOAT32, '2x4', False),
    (Precision.FLOAT32, '2x1', False),
    (Precision.FLOAT32, '1x16', False),
    (Precision.FLOAT32, '8x1', True),
    (Precision.DYNAMIC_RANGE, '4x1', False),
    (Precision.DYNAMIC_RANGE, '16x1', True),
    (Precision.DYNAMIC_RANGE, '16x2', True),
    (Precision.INT8, '4x1', False),
    (Precision.INT8, '16x1', True),
    (Precision.INT16X8, '16x1', False),
    (Precision.FLOAT16, '16x1', False),
  ],
)
def test_sparse_encoding_applies_where_the_file_computes_right(precision, structure, accepted):
  recipe = Recipe(name='x', pruning=Pruning(structure=structure, final_sparsity=0.8))
  assert applies(Scheme(name='x', precision=precision, sparse=True), recipe) == accepted
  model = pruned_model(recipe.pruning.block)
  rides = np.random.default_rng(1).normal(size=(200, 48)).astype(np.float32)
  file = sparse_file(model, precision, rides)
  try:
    right = difference(file, model, rides) < 0.1 and 'DENSIFY' not in LiteFile(file).operators()
  except RuntimeError as error:
    assert 'failed to' in str(error)
    right = False
  assert right == accepted


def test_a_scheme_that_is_not_sparse_applies_to_every_recipe():
  assert applies(Scheme(name='x', precision='float16'), DENSE_RECIPE)
  assert not applies(Scheme(name='x', precision='float32', sparse=True), DENSE_RECIPE)
