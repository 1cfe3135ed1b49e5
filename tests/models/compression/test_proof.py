"""The proof holds for what tfmot really makes, and names what is missing in models damaged one way at a time.

Pruned kernels carry tfmot's own masks. A damaged model is an exported one whose variable files were rewritten.
"""

import itertools

import numpy as np
import pytest
import tensorflow_model_optimization as tfmot

from configs.columns import TERMS
from configs.layer_names import OUTPUT_LAYER
from configs.recipe import Clustering, Pruning, Quantization, Recipe
from models.compression.layers import LayerOrder
from models.compression.proof import NoEffectError, base_digest, promised_zeros, prove, zeros
from models.keras_compat import keras
from models.protocols import Terms
from models.serving import kernels, read_weights
from tests.models.compression.made_kernels import (
  BLOCKS,
  BY_NAME,
  CLUSTERED,
  DENSE,
  ONE_LAYER,
  PAIRS,
  PCQAT,
  PQAT,
  PRUNED,
  QAT,
  SPARSE_CLUSTERED,
  TWO_OF_FOUR,
  clustered,
  fewer_zeros,
  made_by,
  more_zeros,
  random_kernel,
  tfmot_mask,
  with_weights,
)
from tests.models.small_exports import SHAPES, export, on_grid, quantized, rewritten, small_model, with_core

ORDER = LayerOrder(('dense_0', 'dense_1', 'fare'))
FARE = 55.0
"""Largest fare of the base; the exported ranges end at 50, which is within 10 %."""


@pytest.fixture(scope='module')
def exports(tmp_path_factory):
  """Plain, whole-core and one-layer quantized models as they come from tfmot."""
  root = tmp_path_factory.mktemp('exports')
  models = {'plain': small_model(), 'whole': quantized(), 'partial': quantized('dense_1')}
  return {name: export(model, root / name) for name, model in models.items()}


@pytest.fixture
def prove_with(exports, tmp_path):
  """Proves a recipe on a copy with other kernels; other variables by their full names."""

  def proves(recipe, changed=None, others=None, graph=None):
    if graph is None:
      graph = 'plain' if recipe.quantization is None else 'partial' if recipe is ONE_LAYER else 'whole'
    made = {_variable(layer): kernel for layer, kernel in {**made_by(recipe), **(changed or {})}.items()}
    copy = rewritten(exports[graph], tmp_path / 'model', made | (others or {}))
    prove(recipe, copy, exports['plain'], ORDER, FARE, Terms(*TERMS))

  return proves


def _variable(layer):
  return f'{layer}/{"embeddings" if layer.endswith("_embedding") else "kernel"}'


def without_inputs(layer, units):
  """A pruned kernel on the 8-bit grid whose first units have no input."""
  kernel = random_kernel(layer)
  kernel[:, :units] = 0
  smallest = np.sort(np.abs(kernel).ravel())[int(kernel.size * 0.8)]
  return on_grid(np.where(np.abs(kernel) < smallest, 0, kernel))


ALL = [PRUNED, BLOCKS, PAIRS, TWO_OF_FOUR, BY_NAME, CLUSTERED, SPARSE_CLUSTERED, QAT, ONE_LAYER, PQAT, PCQAT, DENSE]


@pytest.mark.parametrize('recipe', [pytest.param(recipe, id=recipe.name) for recipe in ALL])
def test_what_a_recipe_should_make_is_proven(recipe, prove_with):
  prove_with(recipe)


@pytest.mark.parametrize(
  ('recipe', 'changed'),
  [
    pytest.param(PRUNED, fewer_zeros(PRUNED, 'dense_0', 1), id='one_zero_too_few'),
    pytest.param(PRUNED, more_zeros(PRUNED, 'dense_0', 1), id='one_zero_too_many'),
    pytest.param(PQAT, more_zeros(PQAT, 'dense_0', 20), id='weights_that_rounding_made_zero'),
    pytest.param(QAT, more_zeros(QAT, 'dense_0', 9), id='rounded_to_zero_without_pruning'),
    pytest.param(PCQAT, {'fare': np.full(SHAPES['fare'], 1.27)}, id='a_single_cluster'),
    pytest.param(
      PQAT,
      {'dense_1': without_inputs('dense_1', 4), 'fare': np.array([*[[0.0]] * 4, *[[1.27]] * 4])},
      id='zeros_behind_units_that_pruning_left_no_input',
    ),
  ],
)
def test_what_arithmetic_may_do_is_no_failure(recipe, changed, prove_with):
  prove_with(recipe, changed)


PRUNING_DAMAGE = [
  pytest.param(
    PRUNED,
    fewer_zeros(PRUNED, 'dense_0', 2),
    r"Recipe 'pruned', layer 'dense_0': promised 154 zero weights of 192 \(0.8\), found 152",
    id='two_zeros_too_few',
  ),
  pytest.param(
    PRUNED, more_zeros(PRUNED, 'dense_1', 2), r"layer 'dense_1': promised 102 zero weights .* found 104", id='too_many'
  ),
  pytest.param(PRUNED, {'dense_0': random_kernel('dense_0')}, r"'dense_0': promised 154 .* found 0\.", id='not_pruned'),
  pytest.param(
    PRUNED,
    fewer_zeros(PRUNED, 'dense_0', 1) | fewer_zeros(PRUNED, 'dense_1', 1),
    r"'dense_0, dense_1': promised the zeros of all pruned layers within one weight .* found 2 too few",
    id='one_too_few_in_each_layer',
  ),
  pytest.param(
    PRUNED,
    with_weights(PRUNED, OUTPUT_LAYER, 0, 0),
    r"'fare': promised a layer that is not pruned, with at most 0 zeros, found 1",
    id='output_pruned_silently',
  ),
  pytest.param(
    PRUNED,
    {'pickup_cell_embedding': np.eye(7, 3)},
    r"'pickup_cell_embedding': promised a layer that is not pruned",
    id='embedding_pruned_silently',
  ),
  pytest.param(
    BLOCKS,
    fewer_zeros(BLOCKS, 'dense_0', 1),
    r"'dense_0': promised zeros in whole blocks of 4x1, found 3 zeros outside",
    id='broken_block',
  ),
  pytest.param(
    PAIRS,
    fewer_zeros(PAIRS, 'dense_0', 1),
    r'promised zeros in whole blocks of 1x2, found 1 zeros outside',
    id='broken_pair',
  ),
  pytest.param(
    BLOCKS,
    {'dense_0': np.zeros((12, 16)) + np.eye(12, 16)},
    r'promised zeros in whole blocks of 4x1, found 36 zeros outside',
    id='zeros_without_blocks',
  ),
  pytest.param(
    TWO_OF_FOUR,
    {'dense_0': np.roll(made_by(TWO_OF_FOUR)['dense_0'], 1, axis=0)},
    r"'dense_0': promised two zeros in any four consecutive inputs of a unit",
    id='two_of_four_out_of_step',
  ),
  pytest.param(
    PQAT,
    {'dense_0': on_grid(random_kernel('dense_0'))},
    r"'pqat', layer 'dense_0': promised 154 zero weights .* found \d\.",
    id='zeros_lost_by_quantization',
  ),
  pytest.param(
    PQAT,
    {OUTPUT_LAYER: np.array([[1.27], *[[0.0]] * 4, *[[0.5]] * 3])},
    r"'fare': promised a layer that is not pruned, with at most 2 zeros, found 4",
    id='quantized_output_pruned_silently',
  ),
]

OTHER_DAMAGE = [
  pytest.param(
    CLUSTERED,
    {'dense_0': 1 + np.arange(192).reshape(12, 16) % 17},
    r"'dense_0': promised at most 16 distinct weights, found 17",
    id='seventeen_distinct_values',
  ),
  pytest.param(
    CLUSTERED,
    {'dense_1': np.where(np.arange(128).reshape(16, 8) % 2, 0, 1)},
    r"'dense_1': promised a layer that is not pruned",
    id='pruned_instead_of_clustered',
  ),
  pytest.param(
    SPARSE_CLUSTERED,
    {'dense_0': clustered(random_kernel('dense_0'), 8)},
    r"'dense_0': promised 96 zero weights .* found 0",
    id='zeros_lost_by_clustering',
  ),
  pytest.param(
    PCQAT,
    {'dense_0': on_grid(random_kernel('dense_0') * tfmot_mask(random_kernel('dense_0')))},
    r"'pcqat', layer 'dense_0': promised at most 16 distinct weights, found \d\d",
    id='clusters_lost_by_quantization',
  ),
  pytest.param(
    QAT,
    with_weights(QAT, 'dense_1', (0, 0), 0.005),
    r"'dense_1': promised weights that are multiples of max\|w\| / 127, found .* 0.5 steps off",
    id='a_weight_off_the_grid',
  ),
  pytest.param(
    PQAT, {'dense_0': np.zeros((12, 16))}, r"'dense_0': promised 8-bit weights, found nothing but", id='empty'
  ),
  pytest.param(
    DENSE, {'fare': random_kernel('fare')}, r"'dense': promised the dense base itself, found other", id='another_base'
  ),
]


@pytest.mark.parametrize(('recipe', 'changed', 'message'), [*PRUNING_DAMAGE, *OTHER_DAMAGE])
def test_a_missing_effect_is_reported(recipe, changed, message, prove_with):
  with pytest.raises(NoEffectError, match=message):
    prove_with(recipe, changed)


@pytest.mark.parametrize(
  ('others', 'message'),
  [
    pytest.param(
      {'quant_fare/post_activation_max': 24.0},
      r"'fare': promised a range for fares of up to 55.00, found .* at 24.00",
      id='saturating_output',
    ),
    pytest.param(
      {'quant_dense_1/post_activation_min': -6.0, 'quant_dense_1/post_activation_max': 6.0},
      r"'dense_1': promised a calibrated output range, found the one that tfmot starts from",
      id='never_calibrated',
    ),
    pytest.param(
      {'quant_dense_0/kernel_min': -0.5, 'quant_dense_0/kernel_max': 0.5},
      r"'dense_0': promised a range that holds the kernel, found 1.27 in a range up to 0.5",
      id='saturating_kernel',
    ),
    pytest.param(
      {'quant_dense_0/post_activation_max': None},
      r"'dense_0': promised a range for the quantized output, found none",
      id='no_range',
    ),
    pytest.param(
      {'quant_dense_0/kernel_max': None},
      r"'dense_0': promised a quantized kernel, found one in full",
      id='no_kernel_range',
    ),
  ],
)
def test_ranges_that_saturate_or_were_never_set_are_reported(others, message, prove_with):
  with pytest.raises(NoEffectError, match=message):
    prove_with(QAT, others=others)


@pytest.mark.parametrize(
  ('recipe', 'graph', 'message'),
  [
    pytest.param(QAT, 'plain', r"'dense_0': promised FakeQuant nodes in the graph, found none", id='not_quantized'),
    pytest.param(QAT, 'partial', r"'dense_0': promised a quantized kernel|'fare': promised FakeQuant", id='partly'),
    pytest.param(
      ONE_LAYER, 'whole', r"'dense_0': promised a kernel in full precision, found a quantized", id='too_much'
    ),
    pytest.param(
      PRUNED,
      'whole',
      r"'dense_0, dense_1, fare|input.*: promised a graph without quantization, found 7 FakeQuant nodes",
      id='quantized_without_being_asked',
    ),
  ],
)
def test_quantization_has_to_be_in_the_graph_where_it_is_due(recipe, graph, message, prove_with):
  with pytest.raises(NoEffectError, match=message):
    prove_with(recipe, graph=graph)


def test_a_custom_layer_has_to_be_quantized(prove_with):
  recipe = Recipe(name='custom', quantization=Quantization(quantize_configs={'clip': 'some.module.ClipQuantizeConfig'}))
  with pytest.raises(NoEffectError, match=r"'custom', layer 'clip': promised FakeQuant nodes in the graph, found none"):
    prove_with(recipe)


@pytest.mark.parametrize(
  ('wrap', 'name'),
  [
    pytest.param(
      lambda layer: tfmot.sparsity.keras.prune_low_magnitude(layer), r'prune_low_magnitude_dense_0/mask', id='pruning'
    ),
    pytest.param(
      lambda layer: tfmot.clustering.keras.cluster_weights(
        layer, 4, tfmot.clustering.keras.CentroidInitialization.LINEAR
      ),
      r'cluster_dense_0/(cluster_centroids|pulling_indices)_kernel',
      id='clustering',
    ),
  ],
)
def test_a_wrapper_that_was_not_stripped_is_reported(wrap, name, exports, tmp_path):
  """Oracle: tfmot's own wrapper around one layer, exported as it is."""

  def clone(core):
    return keras.models.clone_model(core, clone_function=lambda it: wrap(it) if it.name == 'dense_0' else it)

  directory = export(with_core(clone), tmp_path / 'model')
  with pytest.raises(NoEffectError, match=rf"promised no variable of a training wrapper, found '.*{name}"):
    prove(PRUNED, directory, exports['plain'], ORDER, FARE, Terms(*TERMS))


def test_a_model_of_other_layers_is_reported(exports, tmp_path):
  directory = export(small_model(hidden=(16,)), tmp_path / 'model')
  with pytest.raises(
    NoEffectError, match=r"layer '(dense_1|fare)': promised a kernel of shape .*, found (None|\(16, 1\))"
  ):
    prove(PRUNED, directory, exports['plain'], ORDER, FARE, Terms(*TERMS))


def test_a_layer_that_is_not_there_is_reported(exports):
  recipe = Recipe(name='far', clustering=Clustering(layers=('dense_7',)))
  with pytest.raises(
    NoEffectError, match=r"'far', layer 'dense_7': promised a compressed kernel, found only kernels of pic"
  ):
    prove(recipe, exports['plain'], exports['plain'], ORDER, FARE, Terms(*TERMS))


@pytest.mark.parametrize('structure', ['unstructured', '1x2', '4x1', '16x1', '2:4'])
def test_promised_zeros_are_those_of_tfmot(structure):
  """Oracle: the masks of tfmot's own `pruning_impl`, for shapes at and off the edges of blocks."""
  generator = np.random.default_rng(0)
  for shape, sparsity in itertools.product([(40, 64), (33, 10), (101, 7)], [0.05, 0.5, 0.8, 0.875, 0.95, 0.999]):
    pruning = Pruning(final_sparsity=0.5 if structure == '2:4' else sparsity, structure=structure)
    kernel = generator.normal(size=shape).astype(np.float32)
    mask = tfmot_mask(kernel, sparsity, pruning.block, (2, 4) if pruning.two_of_four else None)
    rows, columns = pruning.block
    first_of_each_block = mask[::rows, ::columns]
    assert promised_zeros(pruning, shape, sparsity) == zeros(first_of_each_block)


def test_digest_follows_every_bit_and_nothing_else(exports, tmp_path):
  digest = base_digest(exports['plain'])
  assert len(digest) == 64
  same = rewritten(exports['plain'], tmp_path / 'same', {})
  assert base_digest(same) == digest
  kernel = kernels(read_weights(exports['plain']))['dense_1'].copy()
  kernel[0, 0] = np.nextafter(kernel[0, 0], np.float32(9))
  assert base_digest(rewritten(exports['plain'], tmp_path / 'bit', {'dense_1/kernel': kernel})) != digest
