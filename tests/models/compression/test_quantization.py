"""Quantization-aware training: kernels on the grid, what came before is kept, and ranges that cut nothing off."""

import numpy as np
import pytest

from configs.model import Activation, Model
from configs.recipe import Clustering, Pruning, Quantization, Recipe
from models.compression.compressor import Compressor
from models.compression.quantization import Preserved, QuantizationAware
from models.compression.quantize_configs import ClipQuantizeConfig, quantize_config
from models.compression.quantized_model import HEADROOM, on_grid, quantized_model
from models.recipe_training import FinalModels
from models.rides import Rides
from models.training import predict, train
from tests.models.compression.simulated import (
  CLIP,
  DEAREST,
  MODEL,
  TRAINING,
  TUNING,
  build,
  kernels,
  simulated_rides,
)

CORE = ('dense_0', 'dense_1', 'dense_2', 'fare')
# Not the middle layer, and never the output: layers without zeros or clusters between those with.
PRUNING = Pruning(final_sparsity=0.75, layers=('dense_0', 'dense_2'), fine_tuning=TUNING)
CLUSTERING = Clustering(clusters=6, layers=('dense_0', 'dense_1'), fine_tuning=TUNING)
QUANTIZATION = Quantization(fine_tuning=TUNING)
QAT = Recipe(name='qat', quantization=QUANTIZATION)
PQAT = Recipe(name='pqat', pruning=PRUNING, quantization=QUANTIZATION)
CQAT = Recipe(name='cqat', clustering=CLUSTERING, quantization=QUANTIZATION)
PCQAT = Recipe(name='pcqat', pruning=PRUNING, clustering=CLUSTERING, quantization=QUANTIZATION)
ALL = [pytest.param(recipe, id=recipe.name) for recipe in (QAT, PQAT, CQAT, PCQAT)]


def _without_quantization(recipe):
  return Recipe(name='before', pruning=recipe.pruning, clustering=recipe.clustering)


@pytest.mark.parametrize('recipe', ALL)
def test_kernels_lie_on_the_grid(compressor, recipe):
  found = kernels(compressor.apply(recipe).weights)
  for layer in CORE:
    assert on_grid(found[layer]).tobytes() == found[layer].tobytes()
  assert len(np.unique(found['cell_pair_embedding'])) == found['cell_pair_embedding'].size


@pytest.mark.parametrize('recipe', ALL[1:])
def test_zeros_and_clusters_of_the_earlier_techniques_are_kept(compressor, recipe):
  """Oracle: the same recipe without quantization. Rounding may turn a small weight or cluster to zero, no other way."""
  before, after = (kernels(compressor.apply(one).weights) for one in (_without_quantization(recipe), recipe))
  for layer in CORE:
    if recipe.pruning and layer in recipe.pruning.layers:
      was_zero = before[layer] == 0
      assert was_zero.mean() == pytest.approx(0.75, abs=0.01)
      assert not after[layer][was_zero].any()
      # At most what is below half a step of the grid.
      assert (after[layer] == 0).sum() <= was_zero.sum() + 3
    if recipe.clustering and layer in recipe.clustering.layers:
      assert len(np.unique(after[layer])) <= 6
  assert not np.array_equal(before['dense_1'], after['dense_1'])


def test_layers_without_zeros_are_trained_freely(compressor):
  """tfmot's shared quantizer would drop the zeros of all layers after the first one without."""
  found = kernels(compressor.apply(PCQAT).weights)
  assert len(np.unique(found['dense_2'])) > 6, 'pruned, not clustered'
  assert (found['dense_1'] == 0).mean() < 0.5, 'clustered, not pruned'


def test_the_final_model_predicts_as_the_trained_one(rides, compressor):
  """Oracle: the model in training itself, with a quantizer of each kind, to one step of the output's range."""
  plain = build()
  plain.set_weights(compressor.apply(_without_quantization(PCQAT)).weights)
  preserved = {'dense_0': Preserved(True, True), 'dense_1': Preserved(clusters=True), 'dense_2': Preserved(zeros=True)}
  aware = QuantizationAware(plain, QUANTIZATION, preserved)
  aware.settle()
  aware.calibrate(rides)
  train(aware.model, rides, TRAINING.model_copy(update=TUNING))
  aware.settle()
  aware.calibrate(rides)
  final = quantized_model(plain, QUANTIZATION, aware.ranges)
  step = (aware.ranges['fare'][1] - aware.ranges['fare'][0]) / 255
  np.testing.assert_allclose(predict(final, rides), predict(aware.model, rides), atol=step * 1.001)


@pytest.mark.parametrize('recipe', ALL)
def test_nothing_of_the_training_is_left_in_the_model(compressor, recipe):
  compressed = compressor.apply(recipe)
  model = FinalModels(build).of(compressed).model
  names = {variable.name.split('/')[-1].split(':')[0] for variable in model.weights}
  # What tfmot's default 8-bit scheme makes of dense layers, and the names of the input's range.
  expected = {'kernel', 'bias', 'embeddings', 'optimizer_step', 'kernel_min', 'kernel_max', 'post_activation_min'}
  assert {name for name in names if not name.startswith('quantize_layer')} == expected | {'post_activation_max'}
  exported = {variable.name: variable.numpy() for variable in model.weights}
  for variable, stated in zip(build().weights, compressed.weights, strict=True):
    np.testing.assert_array_equal(exported[variable.name], stated)


def test_no_fare_and_no_prediction_is_cut_off(compressor, base_weights, rides):
  """Oracle: the float model with the same weights, its output scaled so that it predicts more than any fare."""
  plain = build()
  plain.set_weights([*base_weights[:-2], base_weights[-2] * 20, base_weights[-1] * 20])
  aware = QuantizationAware(plain, QUANTIZATION, {})
  aware.settle()
  aware.calibrate(rides)
  wanted = predict(plain, rides)
  assert wanted.max() > 2 * DEAREST
  np.testing.assert_allclose(predict(aware.model, rides), wanted, atol=0.03 * wanted.max())


def test_the_output_has_headroom_over_the_predictions_and_not_over_the_labels(compressor, rides):
  """Oracle: the float model with the trained weights, to 5 % for the rounding inside."""
  compressed = compressor.apply(QAT)
  plain = build()
  plain.set_weights(compressed.weights)
  highest = predict(plain, rides).max()
  assert compressed.ranges['fare'][1] == pytest.approx(HEADROOM * highest, rel=0.05)


def test_ranges_are_those_of_the_data(compressor, rides):
  """Oracle: activations of the float model with the same weights, by NumPy, to 5 % for the rounding inside."""
  compressed = compressor.apply(QAT)
  weights = compressed.weights
  tables = kernels(weights)
  values = np.concatenate(
    [
      np.clip(rides.inputs['numeric'], -MODEL.clip, MODEL.clip),
      tables['pickup_cell_embedding'][rides.inputs['pickup_cell']],
      tables['cell_pair_embedding'][rides.inputs['cell_pair']],
    ],
    axis=1,
  )
  assert compressed.ranges['input'] == pytest.approx((values.min(), values.max()))
  for position, layer in enumerate(CORE[:-1]):
    values = np.maximum(values @ weights[2 + 2 * position] + weights[3 + 2 * position], 0)
    assert compressed.ranges[layer] == pytest.approx((0, values.max()), rel=0.05)


def test_layers_that_are_not_quantized_keep_zeros_and_clusters(compressor):
  """Oracle: the same recipe without quantization. The embedding table and two layers are fine-tuned along."""
  pruning = Pruning(final_sparsity=0.5, layers=('cell_pair_embedding', 'dense_0'), fine_tuning=TUNING)
  clustering = Clustering(clusters=6, layers=('dense_1',), fine_tuning=TUNING)
  quantization = Quantization(layers=('dense_2',), fine_tuning=TUNING)
  recipe = Recipe(name='partial', pruning=pruning, clustering=clustering, quantization=quantization)
  before, after = (kernels(compressor.apply(one).weights) for one in (_without_quantization(recipe), recipe))
  for layer in pruning.layers:
    assert (before[layer] == 0).mean() == pytest.approx(0.5, abs=0.01)
    np.testing.assert_array_equal(before[layer] == 0, after[layer] == 0)
    assert not np.array_equal(before[layer], after[layer])
  np.testing.assert_array_equal(before['dense_1'], after['dense_1'])
  assert len(np.unique(after['dense_1'])) == 6


@pytest.mark.parametrize(
  ('layers', 'ranges'),
  [
    pytest.param(('dense_0',), ['input', 'dense_0'], id='first'),
    pytest.param(('dense_1',), ['dense_0', 'dense_1'], id='behind_a_dropout'),
  ],
)
def test_named_layers_alone(compressor, base_weights, layers, ranges):
  recipe = Recipe(name='partial', quantization=Quantization(layers=layers, fine_tuning=TUNING))
  compressed = compressor.apply(recipe)
  assert list(compressed.ranges) == ranges
  for layer, kernel in kernels(compressed.weights).items():
    assert (on_grid(kernel).tobytes() == kernel.tobytes()) == (layer in layers)
    assert not np.array_equal(kernel, kernels(base_weights)[layer]), 'all layers are fine-tuned'


def test_a_custom_layer_gets_its_fixed_range(compressor):
  recipe = Recipe(name='clip', quantization=Quantization(quantize_configs=CLIP, fine_tuning=TUNING))
  compressed = compressor.apply(recipe)
  limit = MODEL.clip
  assert compressed.ranges['clip'] == compressed.ranges['input'] == (-limit, limit)
  model = FinalModels(build).of(compressed).model
  named = {variable.name: float(variable) for variable in model.weights if 'quant_clip/output' in variable.name}
  assert named == {'quant_clip/output_min:0': -limit, 'quant_clip/output_max:0': limit}


@pytest.mark.parametrize(
  ('model', 'inputs'),
  [
    pytest.param(lambda: build(numeric=0), ('pickup_cell', 'cell_pair'), id='embeddings_alone'),
    pytest.param(
      lambda: build(Model(hidden=(8,), activation=Activation.TANH, clip=None), cells=()),
      ('numeric',),
      id='numeric_tanh',
    ),
  ],
)
def test_every_shape_of_model(model, inputs):
  """Oracle: the float model with the same weights."""
  rides = simulated_rides(128)
  fresh = model()
  rides = Rides({name: rides.inputs[name] for name in fresh.input_names}, rides.fares, rides.seconds)
  assert set(inputs) <= set(fresh.input_names)
  compressed = Compressor(model, fresh.get_weights(), rides, TRAINING).apply(
    Recipe(name='qat', quantization=Quantization(fine_tuning={'steps': 2}))
  )
  plain = model()
  plain.set_weights(compressed.weights)
  step = (compressed.ranges['fare'][1] - compressed.ranges['fare'][0]) / 255
  np.testing.assert_allclose(
    predict(FinalModels(model).of(compressed).model, rides), predict(plain, rides), atol=4 * step
  )


@pytest.mark.parametrize(
  ('quantization', 'message'),
  [
    pytest.param({'layers': ('dense_9',)}, "quantization.layers: the model has no .* 'dense_9'", id='unknown_layer'),
    pytest.param(
      {'layers': ('cell_pair_embedding',)}, "'cell_pair_embedding' is an embedding table; only dense", id='embedding'
    ),
    pytest.param({'quantize_configs': {'clop': 'a.b'}}, "has no custom layer 'clop'", id='unknown_custom_layer'),
    pytest.param({'quantize_configs': {'features': 'a.b'}}, "has no custom layer 'features'", id='concatenation'),
    pytest.param(
      {'quantize_configs': {'clip': 'no.such.Config'}}, r"can't import 'no.such.Config' \(No mod", id='module'
    ),
    pytest.param(
      {'quantize_configs': {'clip': 'models.fare_model.None_'}}, "can't import 'models.fare_model", id='class'
    ),
    pytest.param(
      {'quantize_configs': {'clip': 'models.fare_model.Clip'}},
      "'models.fare_model.Clip' is no .*QuantizeConfig",
      id='kind',
    ),
  ],
)
def test_refuses(compressor, quantization, message):
  with pytest.raises(ValueError, match=message):
    compressor.apply(Recipe(name='wrong', quantization=Quantization(**quantization)))


def test_refuses_an_activation_that_tfmot_does_not_know():
  plain = build(Model(hidden=(4,), activation=Activation.RELU6))
  with pytest.raises(ValueError, match="'dense_0' has the activation relu6, which tfmot can't quantize; set"):
    QuantizationAware(plain, QUANTIZATION, {})


def test_a_quantize_config_is_found_by_its_path():
  assert isinstance(quantize_config('clip', CLIP['clip']), ClipQuantizeConfig)
  with pytest.raises(ValueError, match=r"quantize_configs\.clip: can't import 'Config'"):
    quantize_config('clip', 'Config')
