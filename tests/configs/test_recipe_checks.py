"""Recipes against the model they are for. Oracle for what is refused: tfmot itself, which fails or does nothing.

Blocks are masked as the trainer has it, by `models.compression.pruning`.
"""

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_model_optimization as tfmot
from tensorflow_model_optimization.python.core.clustering.keras import cluster_wrapper
from tensorflow_model_optimization.python.core.quantization.keras import quantize_aware_activation

from configs import loading
from configs.checks import QUANTIZABLE
from configs.loading import ConfigError
from configs.model import Activation
from configs.pruning import kernel_problems
from configs.recipe import Pruning
from models.compression.pruning import AlignedPruning
from models.keras_compat import keras

CROSSES = 'features.crosses.enabled=true'


def refusal(recipe, *overrides):
  with pytest.raises(ConfigError) as caught:
    loading.load('nyc', [f'training.recipes={recipe}', *overrides])
  return str(caught.value)


def mask(shape, sparsity, structure):
  """The mask that the trainer makes of random weights."""
  pruning = Pruning(structure=structure, final_sparsity=sparsity)
  weights = tf.Variable(np.random.default_rng(0).normal(size=shape).astype(np.float32))
  variables = [(weights, tf.Variable(tf.ones(shape)), tf.Variable(0.0))]
  schedule = tfmot.sparsity.keras.ConstantSparsity(sparsity, 1, -1, 1)
  made = AlignedPruning(
    lambda: tf.constant(1), variables, schedule, pruning.block, 'AVG', (2, 4) if pruning.two_of_four else None
  )
  return made._maybe_update_block_mask(weights)[1].numpy()


@pytest.mark.parametrize(
  ('recipe', 'overrides', 'message'),
  [
    pytest.param(
      '{name: x, pruning: {final_sparsity: 0.5, layers: [dense_3]}}',
      [],
      "training.recipes.x.pruning.layers: unknown layer 'dense_3'. The model has clip, dense_0, dense_1, dense_2, "
      "fare. Did you mean 'dense_2'?",
      id='pruning_unknown_layer',
    ),
    pytest.param(
      '{name: x, pruning: {final_sparsity: 0.5, layers: hiden}}', [], "Did you mean 'hidden'?", id='unknown_group'
    ),
    pytest.param(
      '{name: x, pruning: {layers: {pickup_cel_embedding: 0.5}}}',
      [CROSSES],
      "unknown layer 'pickup_cel_embedding'. The model has clip, pickup_cell_embedding, dropoff_cell_embedding, "
      "hour_of_week_embedding, dense_0, dense_1, dense_2, fare. Did you mean 'pickup_cell_embedding'?",
      id='unknown_embedding',
    ),
    pytest.param(
      '{name: x, pruning: {final_sparsity: 0.5, layers: [clip]}}', [], "layer 'clip' has no weights to prune", id='clip'
    ),
    pytest.param(
      '{name: x, pruning: {layers: {fare: 0.01}}}',
      [],
      "training.recipes.x.pruning.layers.fare: 0.01 of the 16 weights of layer 'fare' (16x1) prunes none of them; take "
      'at least 0.0625, or leave the layer out.',
      id='too_small',
    ),
    pytest.param(
      '{name: x, pruning: {final_sparsity: 0.99, layers: [fare]}}',
      [],
      "training.recipes.x.pruning.final_sparsity: 0.99 of the 16 weights of layer 'fare' (16x1) leaves none of them; "
      'take at most 0.9375, or leave the layer out.',
      id='too_large',
    ),
    pytest.param(
      '{name: x, pruning: {final_sparsity: 0.9, structure: 16x8, layers: [dense_2]}}',
      [],
      "final_sparsity: 0.9 of the 4 blocks of 16x8 of layer 'dense_2' (32x16) leaves none of them; take at most 0.75",
      id='too_large_in_blocks',
    ),
    pytest.param(
      '{name: x, pruning: {structure: 2:4}}',
      ['model.hidden=[64,30,16]'],
      "training.recipes.x.pruning.structure: 2:4 takes the inputs of each unit in fours, and layer 'dense_2' has 30 "
      'inputs; make them a multiple of 4 (such as 32), or leave the layer out of pruning.layers.',
      id='2:4_width',
    ),
    pytest.param(
      '{name: x, pruning: {final_sparsity: 0.8, structure: 4x1, layers: core}}',
      [],
      "structure: blocks need more than one input and one unit, unlike layer 'fare' of 16x1 weights; take "
      'unstructured, or leave the layer out of pruning.layers.',
      id='blocks_on_the_output',
    ),
    pytest.param(
      'blocks_16x1_80',
      ['model.hidden=[64,12,8]'],
      'training.recipes.blocks_16x1_80.pruning.structure: a block of 16x1 is larger than the 12 inputs of layer '
      "'dense_2' of 12x8 weights; take a block of at most 12 inputs, or leave the layer out of pruning.layers.",
      id='block_larger_than_the_inputs',
    ),
    pytest.param(
      '{name: x, pruning: {final_sparsity: 0.5, structure: 1x65, layers: [dense_0]}}',
      [],
      "a block of 1x65 is larger than the 64 units of layer 'dense_0' of ?x64 weights; take a block of at most "
      '64 units',
      id='block_larger_than_the_units',
    ),
    pytest.param(
      '{name: x, pruning: {final_sparsity: 0.8, frequency: 100, fine_tuning: {steps: 60}}}',
      [],
      'training.recipes.x.pruning: pruning every 100 steps within steps 1 to 36 of a fine-tuning of 60 steps updates '
      'the masks only once, at step 1, with the initial sparsity 0',
      id='too_rarely',
    ),
    pytest.param(
      '{name: x, pruning: {final_sparsity: 0.8, end: 500, fine_tuning: {steps: 60}}}',
      [],
      'training.recipes.x.pruning: pruning ends at step 500, beyond the 60 steps of its fine-tuning',
      id='beyond_the_run',
    ),
    pytest.param(
      '{name: x, pruning: {final_sparsity: 0.8, begin: 40, end: 0.5, fine_tuning: {steps: 60}}}',
      [],
      'steps 40 to 30 of a fine-tuning of 60 steps never updates a mask',
      id='step_after_share',
    ),
    pytest.param(
      '{name: x, clustering: {layers: [dense_3]}}',
      [],
      "training.recipes.x.clustering.layers: unknown layer 'dense_3'.",
      id='clustering_unknown_layer',
    ),
    pytest.param(
      '{name: x, clustering: {layers: [clip, hidden]}}',
      [],
      "training.recipes.x.clustering.layers: clustering takes dense layers only, and 'clip' is a custom layer",
      id='clustering_a_custom_layer',
    ),
    pytest.param(
      '{name: x, clustering: {layers: [pickup_cell_embedding]}}',
      [CROSSES],
      "clustering takes dense layers only, and 'pickup_cell_embedding' is an embedding table",
      id='clustering_an_embedding',
    ),
    pytest.param(
      '{name: x, clustering: {clusters: 17, layers: core}}',
      [],
      "training.recipes.x.clustering.clusters: 17 clusters are more than the 16 weights of layer 'fare' (16x1); take "
      'at most 16, or leave the layer out.',
      id='more_clusters_than_weights',
    ),
    pytest.param(
      '{name: x, extends: pruned_50, clustering: {clusters: 2}}',
      [],
      'training.recipes.x.clustering.clusters must be at least 3 where zeros are kept, as one of them is zero, got 2 '
      "for the pruned layer 'dense_0'.",
      id='two_clusters_with_zeros',
    ),
    pytest.param(
      '{name: x, quantization: {layers: [far]}}',
      [],
      "training.recipes.x.quantization.layers: unknown layer 'far'. The model has clip, dense_0, dense_1, dense_2, "
      "fare. Did you mean 'fare'?",
      id='quantization_unknown_layer',
    ),
    pytest.param(
      '{name: x, quantization: {layers: [clip, core]}}',
      [],
      "training.recipes.x.quantization.layers: layer 'clip' is a custom layer and needs a QuantizeConfig: set "
      'quantization.quantize_configs.clip to the dotted path of one',
      id='custom_layer_without_config',
    ),
    pytest.param(
      'qat_custom',
      ['model.clip=null'],
      "training.recipes.qat_custom.quantization.layers: unknown layer 'clip'. The model has dense_0, dense_1, dense_2, "
      'fare. There is no clip layer, as model.clip is unset.',
      id='no_clip_layer',
    ),
    pytest.param(
      '{name: x, quantization: {layers: [core, hour_of_week_embedding]}}',
      [CROSSES],
      "embedding tables such as 'hour_of_week_embedding' can't be trained for quantization: tfmot has no 8-bit scheme "
      'for Embedding; leave it out.',
      id='quantizing_an_embedding',
    ),
    pytest.param(
      '{name: x, quantization: {quantize_configs: {clip: a.B}}}',
      [],
      "training.recipes.x.quantization.quantize_configs.clip: layer 'clip' is not among quantization.layers (dense_0, "
      'dense_1, dense_2, fare); add it there, or leave this out.',
      id='idle_config',
    ),
    pytest.param(
      '{name: x, quantization: {quantize_configs: {clip: Clip}}}',
      [],
      'training.recipes.x.quantization.quantize_configs.clip must be the dotted path of a QuantizeConfig',
      id='no_dotted_path',
    ),
    pytest.param(
      'qat',
      ['model.activation=relu6'],
      "training.recipes.qat.quantization: tfmot's 8-bit scheme does not support the activation 'relu6' of layer "
      "'dense_0'; set model.activation to one of relu, tanh, linear.",
      id='activation',
    ),
  ],
)
def test_refuses(recipe, overrides, message):
  text = refusal(recipe, *overrides)
  assert text.startswith('The config has 1 error:\n')
  assert message in text


@pytest.mark.parametrize(
  ('recipe', 'overrides'),
  [
    pytest.param('pruned_80', ['model.activation=relu6'], id='relu6_without_quantization'),
    pytest.param('{name: x, quantization: {layers: [fare]}}', ['model.activation=relu6'], id='relu6_elsewhere'),
    pytest.param('qat', ['model.dropout=0.2'], id='dropout'),
    pytest.param('{name: x, clustering: {clusters: 2}}', [], id='two_clusters_without_zeros'),
    pytest.param('{name: x, clustering: {clusters: 16, layers: core}}', [], id='as_many_clusters_as_weights'),
    pytest.param('{name: x, pruning: {layers: {hidden: 0.8, cell_pair_embedding: 0.9}}}', ['features.crosses='
                 '{enabled: true, crosses: [cell_pair]}'], id='embedding'),
    pytest.param('{name: x, pruning: {layers: {hidden: 0.9, dense_0: 0.5, dense_1: 0.5, dense_2: 0.5}}}', [],
                 id='no_layer_left_of_a_group'),
    pytest.param('{name: x, extends: pruned_80, pruning: {final_sparsity: null, layers: {dense_0: 0.5}}}', [],
                 id='inherited_sparsity_set_to_null'),
    pytest.param('{name: x, pruning: {layers: {fare: 0.0625}}}', [], id='just_one_weight'),
    pytest.param('{name: x, pruning: {layers: {fare: 0.9375}}}', [], id='all_but_one_weight'),
    pytest.param('{name: x, pruning: {final_sparsity: 0.8, begin: 40, end: 0.8, fine_tuning: {steps: 60}}}', [],
                 id='step_before_share'),
    pytest.param('blocks_16x1_80', ['model.hidden=[64,16,8]'], id='block_spans_the_inputs'),
    pytest.param('{name: x, pruning: {final_sparsity: 0.5, structure: 1x64}}', ['model.hidden=[64,64]'],
                 id='block_spans_the_units'),
    pytest.param('{name: x, pruning: {final_sparsity: 0.8, begin: 40, end: 0.1}}', [], id='unknown_number_of_steps'),
  ],
)  # fmt: skip
def test_accepts(recipe, overrides):
  config = loading.load('nyc', [f'training.recipes={recipe}', *overrides])
  assert loading.validate(config.model_dump(mode='json')) == config


def test_several_mistakes_of_one_recipe_are_told_together():
  text = refusal(
    '[{name: x, pruning: {final_sparsity: 0.01, layers: [fare, nothing]}, clustering: {clusters: 99, layers: [fare]}},'
    '{name: y, quantization: {layers: [clip]}}]',
  )
  assert text.startswith('The config has 4 errors:\n')
  places = ('x.pruning.final_sparsity', 'x.pruning.layers', 'x.clustering.clusters', 'y.quantization.layers')
  assert all(f'training.recipes.{place}' in text for place in places)


@pytest.mark.parametrize(
  ('shape', 'structure'),
  [
    pytest.param((16, 8), '16x1', id='spans_the_inputs'),
    pytest.param((16, 8), '4x8', id='spans_the_units'),
    pytest.param((17, 8), '16x1', id='cut_off_at_the_lower_edge'),
    pytest.param((5, 3), '4x2', id='cut_off_at_both_edges'),
    pytest.param((8, 1), 'unstructured', id='a_single_unit_without_blocks'),
  ],
)
def test_blocks_are_accepted_where_the_mask_is_made_of_them(shape, structure):
  """Oracle: half of the blocks, rounded as tfmot does, each one whole."""
  assert not kernel_problems(Pruning(structure=structure, final_sparsity=0.5), 'x', 0.5, *shape)
  height, width = Pruning(structure=structure, final_sparsity=0.5).block
  made = mask(shape, 0.5, structure)
  blocks = [made[row : row + height, column : column + width] for row in range(0, shape[0], height)
            for column in range(0, shape[1], width)]  # fmt: skip
  assert all(block.min() == block.max() for block in blocks)
  assert sum(block.max() for block in blocks) == round(0.5 * len(blocks))


@pytest.mark.parametrize(
  ('shape', 'structure'), [((16, 1), '4x1'), ((1, 8), '1x2'), ((12, 8), '16x1'), ((8, 3), '2x4')]
)
def test_blocks_are_refused_where_a_kernel_has_no_room_for_them(shape, structure):
  problems = kernel_problems(Pruning(structure=structure, final_sparsity=0.5), 'x', 0.5, *shape)
  assert [problem.where for problem in problems] == ['structure']


@pytest.mark.parametrize('inputs', range(3, 13))
def test_two_of_four_is_refused_where_tfmot_makes_less_of_it(inputs):
  refused = kernel_problems(Pruning(structure='2:4'), 'x', 0.5, inputs, 3)
  assert bool(refused) == (np.mean(mask((inputs, 3), 0.5, '2:4') == 0) != 0.5)


@pytest.mark.parametrize('structure', ['unstructured', '4x1', '3x2'])
@pytest.mark.parametrize('shape', [(8, 4), (10, 5), (16, 3)])
def test_extremes_are_refused_where_tfmot_prunes_nothing_or_would_leave_nothing(shape, structure):
  for sparsity in (0.001, 0.01, 0.02, 0.03, 0.05, 0.1, 0.2, 0.5, 0.8, 0.9, 0.95, 0.97, 0.99, 0.999):
    zeros = mask(shape, sparsity, structure) == 0
    refused = kernel_problems(Pruning(structure=structure, final_sparsity=sparsity), 'x', sparsity, *shape)
    if any('prunes none' in problem.message for problem in refused):
      assert not zeros.any()
    elif refused:
      # tfmot keeps a last block against the sparsity.
      across, along = Pruning(structure=structure, final_sparsity=0.5).block
      assert 0 < (~zeros).sum() <= across * along
    else:
      assert zeros.any()


def test_unknown_inputs_leave_out_what_depends_on_them():
  assert not kernel_problems(Pruning(structure='2:4'), 'dense_0', 0.5, None, 6)
  assert not kernel_problems(Pruning(structure='16x1', final_sparsity=0.001), 'dense_0', 0.001, None, 6)


@pytest.mark.parametrize('activation', list(Activation))
def test_quantizable_activations_are_tfmot_s(activation):
  """By its own lists, and by a layer of it."""
  known = quantize_aware_activation.QuantizeAwareActivation
  names = known._PRE_QUANT_ACTIVATIONS | known._POST_QUANT_ACTIVATIONS
  assert (activation in QUANTIZABLE) == (activation.value in names)
  model = keras.Sequential([keras.Input([4]), keras.layers.Dense(2, activation=activation.value)])
  if activation in QUANTIZABLE:
    tfmot.quantization.keras.quantize_model(model)
  else:
    with pytest.raises(ValueError, match='Only some Keras activations'):
      tfmot.quantization.keras.quantize_model(model)


def test_tfmot_quantizes_no_embedding():
  model = keras.Sequential([keras.Input([], dtype='int64'), keras.layers.Embedding(20, 8)])
  with pytest.raises((TypeError, RuntimeError)):
    tfmot.quantization.keras.quantize_model(model)


@pytest.mark.parametrize(('clusters', 'zeros', 'works'), [(2, True, False), (3, True, True), (2, False, True)])
def test_tfmot_wants_three_clusters_where_zeros_are_kept(clusters, zeros, works):
  initialization = tfmot.clustering.keras.CentroidInitialization.LINEAR

  def wrap():
    return cluster_wrapper.ClusterWeights(keras.layers.Dense(4), clusters, initialization, preserve_sparsity=zeros)

  if works:
    wrap()
  else:
    with pytest.raises(ValueError, match='must be greater than 2'):
      wrap()
