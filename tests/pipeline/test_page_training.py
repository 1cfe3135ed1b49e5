"""Recipes, their courses and layers, as they are read. Oracle: the made run's numbers, by hand."""

from __future__ import annotations

import json
import pathlib
import shutil
from typing import Any

import pytest

from pipeline.report.page import run_page
from pipeline.report.record import read_record
from pipeline.report.tables import counted
from tests.pipeline.made_run import interval, made_run, write_json
from tests.pipeline.page_reader import Axes, pictures, section, tables, text


def _recipes(directory: pathlib.Path, **changes: dict[str, Any]) -> str:
  """The page with other figures in the reports of some recipes."""
  for name, change in changes.items():
    path = directory / f'artifacts/PruningTrainer/model_run/9/recipes/{name}/training_report/training_report.json'
    write_json(path, json.loads(path.read_text(encoding='utf-8')) | change)
  return run_page(read_record(directory))


def _totals(parameters: int, zeros: float, pruned: float | None, distinct: int) -> dict[str, Any]:
  return {
    'parameters': parameters,
    'nonzero': 1,
    'sparsity': zeros,
    'pruned_sparsity': pruned,
    'biases': 3,
    'distinct_weights': distinct,
  }


def test_recipes_with_their_best_figures(tmp_path):
  """Of RMSE and ratio the smallest is best, of zeros the largest; the rest is neither good nor bad."""
  directory = made_run(tmp_path / 'out')
  changes = {
    name: {
      'metrics': {'rmse': interval(rmse, 0.1), 'mae': interval(1, 0.1), 'rmse_ratio': interval(ratio, 0.02)},
      'totals': _totals(parameters, zeros, pruned, distinct),
      'seconds': seconds,
    }
    for name, rmse, ratio, parameters, zeros, pruned, distinct, seconds in (
      ('dense', 4.5, 1.01, 1000, 0.0, None, 400, 4.0),
      ('pruned_80', 4.4, 1.03, 2000, 0.5, 0.8, 300, 3.0),
      ('pqat_80', 4.6, 0.99, 3000, 0.7, 0.9, 200, 75.0),
      ('qat', 4.7, 1.02, 4000, 0.1, None, 100, 1.0),
    )
  }
  table = tables(_recipes(directory, **changes))['Training recipes']
  assert {name: [cell.value for cell in table.column(name) if cell.best] for name in table.names} == (
    {key: [] for key in table.names} | {'RMSE': [4.4], 'to dense': [0.99], 'zeros': [0.7]}
  )
  assert {name: (cell.text, cell.note) for name, cell in table.row('pqat_80').items()} == {
    'recipe': ('pqat_80', 'What pqat_80 does.'),
    'RMSE': ('4.60', '[4.50, 4.70]'),
    'to dense': ('0.990', '[0.970, 1.010]'),
    'weights': ('3,000', ''),
    'zeros': ('70.0 %', ''),
    'zeros of pruned layers': ('90.0 %', ''),
    'distinct values': ('200', ''),
    'fine-tuning': ('1 min 15 s', ''),
  }
  assert [row[0].text for row in table.rows if 'Judged by the evaluator.' in row[0].note] == ['dense']
  assert table.sortable


def test_layers_of_every_recipe(tmp_path):
  """A layer that one recipe lacks has no figure there; a share of exactly zero is no measured one."""
  directory = made_run(tmp_path / 'out')
  layer = {
    'parameters': 10,
    'nonzero': 5,
    'distinct': 5,
    'target_sparsity': None,
    'range': None,
    'histogram': {'edges': [-1.0, 0.0, 1.0], 'before': [4, 6], 'after': [4, 6]},
  }
  first = layer | {'name': 'one', 'shape': [2, 5], 'sparsity': 0.0}
  second = layer | {'name': 'two', 'shape': [10], 'sparsity': 0.25, 'parameters': 1234}
  changes = {'dense': {'layers': [first, second]}, 'pruned_80': {'layers': [first | {'sparsity': 0.5}]}}
  table = tables(_recipes(directory, **changes))['Share of zero weights by layer and recipe']
  assert table.names == ['layer', 'weights', 'dense', 'pruned_80', 'pqat_80', 'qat']
  assert [[(cell.text, cell.note, 'none' in cell.classes) for cell in row] for row in table.rows] == [
    [
      ('one', '2 × 5', False),
      ('10', '', False),
      ('0', '', True),
      ('50.0 %', '', False),
      ('–', '', True),
      ('–', '', True),
    ],
    [
      ('two', '10', False),
      ('1,234', '', False),
      ('25.0 %', '', False),
      ('–', '', True),
      ('–', '', True),
      ('–', '', True),
    ],
  ]


def test_names_of_recipes_come_from_the_summary_where_the_config_is_lost(tmp_path):
  totals = _totals(1, 0.0, None, 1) | {
    'seconds': 1.0,
    **{name: interval(1.0, 0.1) for name in ('rmse', 'mae', 'rmse_ratio')},
  }
  recipes = [totals | {'name': 'qat', 'summary': 's', 'served': True, 'path': '/gone'}]
  directory = made_run(tmp_path / 'out', recipes=recipes)
  (directory / 'config.yaml').unlink()
  assert tables(run_page(read_record(directory)))['Training recipes'].texts('recipe') == ['qat']


def test_a_training_without_an_eval_split_has_no_second_figure(tmp_path):
  directory = made_run(tmp_path / 'out')
  path = directory / 'artifacts/PruningTrainer/model_run/9/history.json'
  write_json(path, {'epoch': [1.0, 3.0], 'step': [1.0, 1234.0], 'loss': [3.0, 2.0], 'rmse': [3.0, 2.0]})
  found = text(section(run_page(read_record(directory)), 'training'))
  assert 'The dense base was trained for 3 epochs (1,234 steps).' in found
  assert 'At the end its RMSE was' not in found


def test_courses_of_recipes_share_one_scale(tmp_path):
  """So that they can be compared by eye: the same loss lies at the same height in each."""
  directory = made_run(tmp_path / 'out')
  stage = {'technique': 'quantization', 'seconds': 1.0, 'resumed_from': 0}
  losses = {'pruned_80': [9.0, 8.0, 7.0, 6.0], 'pqat_80': [5.0, 4.0, 3.0, 2.0], 'qat': [1.0, 1.0, 1.0, 1.0]}
  changes = {
    name: {'stages': [stage | {'curves': {'step': [10, 20, 30, 40], 'loss': loss}}]} for name, loss in losses.items()
  }
  drawn = pictures(_recipes(directory, **changes))
  axes = {name: Axes(drawn[f'Loss of {name} by step.']).y_ticks for name in losses}
  assert axes['pruned_80'] == axes['pqat_80'] == axes['qat']
  figures = [figure for figure, _ in axes['qat']]
  assert min(figures) <= 2
  assert max(figures) >= 6


@pytest.mark.parametrize('lost', ['history', 'reports'])
def test_half_of_a_training_is_still_shown(tmp_path, lost):
  """As of a run that stopped between the base and its recipes, or of one whose curves are gone."""
  directory = made_run(tmp_path / 'out')
  folder = directory / 'artifacts/PruningTrainer/model_run/9'
  if lost == 'history':
    (folder / 'history.json').unlink()
  else:
    shutil.rmtree(folder / 'recipes')
  found = section(run_page(read_record(directory)), 'training')
  assert ('The dense base was trained for' in text(found)) == (lost == 'reports')
  assert ('Training recipes' in tables(found)) == (lost == 'history')
  shutil.rmtree(folder)
  folder.mkdir()
  assert '<section id="training"' not in run_page(read_record(directory))


def test_the_base_alone_has_no_zeros_to_show_by_layer(tmp_path):
  directory = made_run(tmp_path / 'out')
  for name in ('pruned_80', 'pqat_80', 'qat'):
    shutil.rmtree(directory / f'artifacts/PruningTrainer/model_run/9/recipes/{name}')
  found = section(run_page(read_record(directory)), 'training')
  assert list(tables(found)) == ['Training recipes']
  assert tables(found)['Training recipes'].texts('recipe') == ['dense']


def test_one_of_a_thing_is_not_several(tmp_path):
  """One epoch of one step, one number and one category."""
  directory = made_run(tmp_path / 'out')
  path = directory / 'artifacts/PruningTrainer/model_run/9/history.json'
  write_json(path, {'epoch': [1.0], 'step': [1.0], 'loss': [3.0], 'rmse': [3.0]})
  page = text(run_page(read_record(directory)))
  assert 'The dense base was trained for 1 epoch (1 step).' in page
  assert [counted(count, 'category', 'categories').replace('\N{NO-BREAK SPACE}', ' ') for count in (1, 2)] == [
    '1 category',
    '2 categories',
  ]


def test_curves_say_what_they_measure(tmp_path):
  """Of a run that measured the whole training split, that; of an older one, its batches and their mean."""
  directory = made_run(tmp_path / 'out')
  path = directory / 'artifacts/PruningTrainer/model_run/9/history.json'
  older = text(section(run_page(read_record(directory)), 'training'))
  assert 'Train, faint: mean over the batches since the point before, which leave out the last, partial batch' in older
  told = json.loads(path.read_text(encoding='utf-8'))
  curve = [4.0] * len(told['epoch'])
  write_json(path, told | {'train_loss': curve, 'train_rmse': curve})
  page = run_page(read_record(directory))
  found = text(section(page, 'training'))
  assert 'Both lines are measured at each point, on the model as it stands there' in found
  assert 'At the end its RMSE was 4.00 USD on the rides it learned from' in found
  [drawn] = [drawn for label, drawn in pictures(page).items() if label.startswith('RMSE (USD) of the dense base')]
  assert 'faint' not in drawn
  assert 'Loss, faint: mean over the batches' in found
