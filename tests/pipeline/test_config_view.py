"""The config as a run prints it; the oracle is the config itself, read again from what was printed."""

import pytest
import yaml

from configs import loading
from pipeline.local.terminal import config_view

CASES = [
  pytest.param([], ('reduction', 'platform', 'study'), id='preset'),
  pytest.param(['reduction.method=pca', 'training.recipes=[dense, qat_partial]'], ('platform',), id='reduced'),
  pytest.param(['compression.schemes=[int8]', 'platform.image=registry/farelite:1'], ('reduction',), id='platform'),
]


@pytest.mark.parametrize(('overrides', 'left_out'), CASES)
def test_what_is_printed_gives_the_same_config(tmp_path, overrides, left_out):
  config = loading.load('nyc', overrides)
  text, unchanged = config_view(config)
  assert set(left_out) <= set(unchanged)
  assert not set(unchanged) & set(yaml.safe_load(text))
  file = tmp_path / 'printed.yaml'
  file.write_text(text, encoding='utf-8')
  assert loading.load(str(file), []) == config


def test_a_packaged_recipe_stands_by_its_name_and_an_altered_one_is_spelled_out():
  altered = '{name: pruned_80, extends: pruned_80, pruning: {final_sparsity: 0.7}}'
  config = loading.load('nyc', [f'training.recipes=[pqat_80, {altered}]'])
  recipes = yaml.safe_load(config_view(config)[0])['training']['recipes']
  assert recipes[:2] == ['dense', 'pqat_80']
  assert recipes[2]['pruning']['final_sparsity'] == 0.7


def test_a_table_of_zones_takes_few_lines(tmp_path):
  config = loading.load('tlc-yellow-zones')
  text, _ = config_view(config)
  assert len(text.splitlines()) < 200 and max(map(len, text.splitlines())) < 140
  file = tmp_path / 'printed.yaml'
  file.write_text(text, encoding='utf-8')
  assert loading.load(str(file), []) == config
