"""Training recipes in a whole run; the saved files are read back with plain TensorFlow."""

from __future__ import annotations

import json
import pathlib

import numpy as np
import pytest
import tensorflow as tf

from pipeline.local import output
from tests.integration.conftest import Project, simulated

RECIPES = ('dense', 'pruned_80', 'pqat_80', 'clustered_16')
SETTINGS = (f'training.recipes=[{",".join(RECIPES)}]', 'training.serve=pqat_80')


@pytest.fixture(scope='module')
def trained(tmp_path_factory):
  """A run of several recipes that serves a quantization-aware one: project, summary, states."""
  directory = tmp_path_factory.mktemp('recipes')
  project = Project(simulated(directory / 'rides'), output.prepare(str(directory / 'out')))
  return project, *project.run(*SETTINGS)


def _kernels(path):
  """Kernels by layer name of an exported model, by TensorFlow alone."""
  loaded = tf.saved_model.load(str(path))
  variables = loaded.signatures['serving_raw'].variables
  return {v.name.split('/')[-2]: v.numpy() for v in variables if v.name.endswith('kernel:0')}


def _serving(row):
  return pathlib.Path(row['path'], 'Format-Serving')


def test_every_recipe_has_a_model_of_its_own(trained):
  _, summary, states = trained
  assert summary['status'] == 'pushed', summary['reason']
  assert tuple(row['name'] for row in summary['recipes']) == RECIPES
  assert len({row['path'] for row in summary['recipes']}) == len(RECIPES)
  assert states['BaseEvaluator'] == 'complete'
  for row in summary['recipes']:
    extra = _serving(row) / 'assets.extra'
    assert {path.name for path in extra.iterdir()} == {'config.yaml', 'recipe.yaml', 'fare_model.weights.h5'}
    assert pathlib.Path(row['path'], 'training_report', 'weights.svg').read_bytes().startswith(b'<svg xmlns=')


def test_table_is_true_of_the_saved_files(trained):
  """Oracle: variables of the loaded SavedModels, counted by NumPy."""
  _, summary, _ = trained
  for row in summary['recipes']:
    kernels = _kernels(_serving(row))
    assert set(kernels) == {'dense_0', 'dense_1', 'fare'}
    assert row['parameters'] == sum(kernel.size for kernel in kernels.values())
    assert row['nonzero'] == sum(np.count_nonzero(kernel) for kernel in kernels.values())
    assert row['sparsity'] == pytest.approx(1 - row['nonzero'] / row['parameters'])
    limited = [kernels['dense_0'], kernels['dense_1']]
    assert row['distinct_weights'] == max(
      len(np.unique(k)) for k in (limited if row['name'] != 'dense' else kernels.values())
    )


@pytest.mark.parametrize('name', ['pruned_80', 'pqat_80'])
def test_pruned_layers_are_sparse_and_the_output_is_not(trained, name):
  _, summary, _ = trained
  row = next(row for row in summary['recipes'] if row['name'] == name)
  kernels = _kernels(_serving(row))
  for layer in ('dense_0', 'dense_1'):
    assert np.count_nonzero(kernels[layer]) <= round(0.2 * kernels[layer].size) + 1
  assert np.count_nonzero(kernels['fare']) >= 0.5 * kernels['fare'].size


def test_clusters_and_8_bits_are_really_few_values(trained):
  _, summary, _ = trained
  kernels = {row['name']: _kernels(_serving(row)) for row in summary['recipes']}
  assert all(len(np.unique(kernels['clustered_16'][layer])) <= 16 for layer in ('dense_0', 'dense_1'))
  assert all(len(np.unique(kernel)) <= 255 for kernel in kernels['pqat_80'].values())


def test_served_recipe_is_what_was_pushed_and_judged_beside_the_base(trained):
  _, summary, _ = trained
  served = next(row for row in summary['recipes'] if row['served'])
  assert served['name'] == 'pqat_80'
  pushed, kept = _kernels(summary['pushed_path']), _kernels(_serving(served))
  assert all(np.array_equal(pushed[layer], kept[layer]) for layer in kept)
  assert summary['metrics']['rmse']['value'] == pytest.approx(served['rmse']['value'], rel=1e-3)
  dense = next(row for row in summary['recipes'] if row['name'] == 'dense')
  names = [row['name'] for row in summary['slices']]
  assert [row['name'] for row in summary['base_slices']] == names
  assert summary['base_slices'][0]['root_mean_squared_error'] == pytest.approx(dense['rmse']['value'], rel=1e-3)


def test_reports_tell_the_whole_course(trained):
  _, summary, _ = trained
  reports = {
    row['name']: json.loads(pathlib.Path(row['path'], 'training_report', 'training_report.json').read_text())
    for row in summary['recipes']
  }
  assert len({report['base_digest'] for report in reports.values()}) == 1
  assert [stage['technique'] for stage in reports['pqat_80']['stages']] == ['pruning', 'quantization']
  sparsity = reports['pruned_80']['stages'][0]['curves']['sparsity']
  assert sparsity == sorted(sparsity)
  assert sparsity[-1] == pytest.approx(0.8, abs=0.01)
  logs = pathlib.Path(summary['curves'], 'tensorboard')
  assert {path.name for path in logs.iterdir()} == set(RECIPES)


def test_second_run_is_cached(trained):
  project, first, _ = trained
  summary, states = project.run(*SETTINGS)
  assert {states[name] for name in ('PruningTrainer', 'BaseEvaluator')} == {'cached'}
  assert summary['recipes'] == first['recipes']


def test_recipe_without_effect_stops_before_training(trained):
  """Its length in steps is known only with the rides, so the trainer says it."""
  project, first, _ = trained
  recipe = 'training.recipes=[{name: late, pruning: {final_sparsity: 0.8, frequency: 1000}}]'
  summary, _ = project.run(recipe)
  assert summary['status'] == 'failed'
  assert "Recipe 'late'" in summary['reason']
  assert '1000' in summary['reason']
  assert project.versions() == [pathlib.Path(first['pushed_path']).name]
