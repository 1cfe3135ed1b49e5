"""The report says what the exported files hold, and its pictures and TensorBoard logs can be read."""

import json
import math

import numpy as np
import pytest
import tensorflow as tf
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from configs.recipe import Clustering, Pruning, Quantization, Recipe
from models.compression.compressor import Stage
from models.compression.layers import LayerOrder
from models.compression.proof import base_digest
from models.compression.records import TrainingReport
from models.compression.report import training_report, write_report, write_weight_histograms
from models.rides import Rides
from models.serving import kernels, read_weights
from models.training import TrainingHistory
from tests.models.compression.made_kernels import tfmot_mask
from tests.models.small_exports import SHAPES, export, quantized, rewritten, small_model
from tests.models.svg import parsed, texts

RECIPE = Recipe(
  name='pqat',
  pruning=Pruning(final_sparsity=0.8, layers=('dense_0',)),
  quantization=Quantization(layers=('dense_0', 'dense_1', 'fare')),
)
CURVES = {
  'step': [4, 8],
  'epoch': [1.0, 2.0],
  'loss': [3.0, math.nan],
  'rmse': [4.0, 2.0],
  'learning_rate': [3e-3, 1e-3],
}
STAGES = (
  Stage(
    'pruning', TrainingHistory(CURVES | {'sparsity': [0.4, 0.8], 'sparsity/dense_0': [0.4, 0.8]}, 1.5, resumed_from=4)
  ),
  Stage('quantization', TrainingHistory(CURVES | {'val_loss': [3.5, 2.5]}, 2.0)),
)


@pytest.fixture(scope='module')
def folders(tmp_path_factory):
  """The dense base and a quantized model, of whose first kernel 80 % are zero."""
  root = tmp_path_factory.mktemp('report')
  whole = export(quantized(), root / 'whole')
  kernel = kernels(read_weights(whole))['dense_0']
  compressed = rewritten(whole, root / 'pqat', {'dense_0/kernel': kernel * tfmot_mask(kernel, 0.8)})
  return export(small_model(), root / 'base'), compressed


@pytest.fixture(scope='module')
def rides():
  generator = np.random.default_rng(0)
  fares = generator.gamma(4, 3, 300)
  held_out = Rides({}, fares.astype(np.float32), np.arange(300) // 2)
  return held_out, fares + generator.normal(0, 2, 300), fares + generator.normal(0, 1.9, 300)


def _report(*given, **named):
  return _made(*given, **named).to_dict()


def _made(folders, rides, recipe=RECIPE, stages=STAGES, compressed=None):
  held_out, predictions, base_predictions = rides
  return training_report(
    recipe,
    stages,
    saved_model_dir=compressed or folders[1],
    base_dir=folders[0],
    order=LayerOrder(('dense_0', 'dense_1', 'fare')),
    held_out=held_out,
    predictions=predictions,
    base_predictions=base_predictions,
    resamples=200,
  )


def test_layers_are_those_of_the_files(folders, rides):
  """Oracle: the variables that TensorFlow itself loads."""
  report = _report(folders, rides)
  loaded = tf.saved_model.load(folders[1])
  found = {variable.name: variable.numpy() for variable in loaded.signatures['serving_default'].variables}
  assert [layer['name'] for layer in report['layers']] == list(SHAPES)
  for layer in report['layers']:
    kind = 'embeddings' if layer['name'].endswith('_embedding') else 'kernel'
    kernel = found[f'{layer["name"]}/{kind}:0']
    assert layer['shape'] == list(kernel.shape)
    assert (layer['parameters'], layer['nonzero']) == (kernel.size, np.count_nonzero(kernel))
    assert layer['sparsity'] == pytest.approx(np.mean(kernel == 0))
    assert layer['distinct'] == len(set(kernel.ravel().tolist()))
    counts, _ = np.histogram(kernel, layer['histogram']['edges'])
    np.testing.assert_array_equal(layer['histogram']['after'], counts)
    assert sum(layer['histogram']['before']) == kernel.size
  by_name = {layer['name']: layer for layer in report['layers']}
  assert by_name['dense_0']['sparsity'] == pytest.approx(0.8, abs=1 / 192)
  assert {name: layer['target_sparsity'] for name, layer in by_name.items()} == dict.fromkeys(SHAPES) | {'dense_0': 0.8}
  assert {name: layer['range'] for name, layer in by_name.items()} == {
    'pickup_cell_embedding': None, 'dense_0': [0, 50], 'dense_1': [0, 50], 'fare': [0, 50]
  }  # fmt: skip


def test_totals_are_sums_over_kernels(folders, rides):
  report = _report(folders, rides)
  totals = report['totals']
  assert totals['parameters'] == sum(math.prod(shape) for shape in SHAPES.values())
  assert totals['nonzero'] == sum(layer['nonzero'] for layer in report['layers'])
  assert totals['sparsity'] == pytest.approx(1 - totals['nonzero'] / totals['parameters'])
  assert totals['pruned_sparsity'] == pytest.approx(0.8, abs=1 / 192)
  assert totals['biases'] == 16 + 8 + 1
  assert report['base_digest'] == base_digest(folders[0])


@pytest.mark.parametrize(
  ('recipe', 'layers'),
  [
    pytest.param(
      Recipe(name='cqat', clustering=Clustering(layers=('dense_1',)), quantization=Quantization()), ['dense_1'],
      id='clustered_layers_limit_most',
    ),
    pytest.param(RECIPE, ['dense_0', 'dense_1', 'fare'], id='then_quantized_ones'),
    pytest.param(
      Recipe(name='pruned', pruning=Pruning(final_sparsity=0.5)), ['dense_0', 'dense_1'], id='then_pruned_ones'
    ),
    pytest.param(Recipe(name='dense'), list(SHAPES), id='all_of_the_dense_base'),
  ],
)  # fmt: skip
def test_distinct_weights_are_those_of_the_layers_that_a_recipe_limits(recipe, layers, folders, rides):
  report = _report(folders, rides, recipe, ())
  found = {layer['name']: layer['distinct'] for layer in report['layers']}
  assert report['totals']['distinct_weights'] == max(found[name] for name in layers)


def test_errors_are_reported_with_their_ratio_to_the_base(folders, rides):
  held_out, predictions, base_predictions = rides
  metrics = _report(folders, rides)['metrics']
  rmse, base = (np.sqrt(np.mean((values - held_out.fares) ** 2)) for values in (predictions, base_predictions))
  assert metrics['rmse']['value'] == pytest.approx(rmse)
  assert metrics['mae']['value'] == pytest.approx(np.mean(np.abs(predictions - held_out.fares)))
  assert metrics['rmse_ratio']['value'] == pytest.approx(rmse / base)
  assert all(estimate['low'] < estimate['value'] < estimate['high'] for estimate in metrics.values())


def test_stages_keep_their_curves_and_what_is_not_finite_is_null(folders, rides):
  report = _report(folders, rides)
  assert report['recipe'] == RECIPE.model_dump(mode='json', exclude_none=True)
  assert report['seconds'] == 3.5
  assert [(stage['technique'], stage['resumed_from']) for stage in report['stages']] == [
    ('pruning', 4),
    ('quantization', 0),
  ]
  assert report['stages'][0]['curves']['sparsity/dense_0'] == [0.4, 0.8]
  assert report['stages'][0]['curves']['loss'] == [3.0, None]


@pytest.mark.parametrize(
  ('recipe', 'stages', 'files'),
  [
    pytest.param(RECIPE, STAGES, {'training_report.json', 'training.svg', 'weights.svg'}, id='two_stages'),
    pytest.param(Recipe(name='qat', quantization=Quantization()), STAGES[1:],
                 {'training_report.json', 'training.svg', 'weights.svg'}, id='without_sparsity'),
    pytest.param(Recipe(name='dense'), (), {'training_report.json', 'weights.svg'}, id='dense_base'),
  ],
)  # fmt: skip
def test_data_and_pictures_are_written(recipe, stages, files, folders, rides, tmp_path):
  report = _made(folders, rides, recipe, stages)
  directory = tmp_path / 'made' / 'here'
  write_report(report, str(directory))
  assert {path.name for path in directory.iterdir()} == files
  assert json.loads((directory / 'training_report.json').read_text()) == report.to_dict()
  for name in files - {'training_report.json'}:
    assert recipe.name in ' '.join(texts(parsed((directory / name).read_text())))


def test_a_report_is_drawn_again_from_its_own_file(folders, rides, tmp_path):
  write_report(_made(folders, rides), str(tmp_path / 'first'))
  write_report(TrainingReport.read(tmp_path / 'first' / 'training_report.json'), str(tmp_path / 'again'))
  for name in ('training_report.json', 'training.svg', 'weights.svg'):
    assert (tmp_path / 'again' / name).read_bytes() == (tmp_path / 'first' / name).read_bytes()


def test_tensorboard_reads_the_histograms(folders, tmp_path):
  """Oracle: TensorBoard's own reader."""
  before, after = (kernels(read_weights(folder)) for folder in folders)
  write_weight_histograms(before, after, str(tmp_path))
  events = EventAccumulator(str(tmp_path), size_guidance={'tensors': 0}).Reload()
  assert set(events.Tags()['tensors']) == {f'weights/{layer}' for layer in SHAPES}
  for layer in SHAPES:
    steps = events.Tensors(f'weights/{layer}')
    assert [event.step for event in steps] == [0, 1]
    for event, kernel in zip(steps, (before[layer], after[layer]), strict=True):
      buckets = tf.make_ndarray(event.tensor_proto)
      assert buckets[:, 2].sum() == kernel.size
      assert buckets[0, 0] == pytest.approx(kernel.min())
