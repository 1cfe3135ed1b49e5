"""Recipes are found by name and by path, extend each other, and are told by name where they are wrong."""

import pathlib

import pytest
import yaml

from configs import loading
from configs.loading import ConfigError
from configs.presets import RECIPES
from configs.recipe import DENSE_RECIPE, Initialization, Recipe

FOLDER = pathlib.Path(loading.__file__).parent / 'recipes'
PRESETS = (
  *(
    'dense',
    'pruned_50',
    'pruned_80',
    'pruned_90',
    'pruned_50_to_80',
    'blocks_4x1_80',
    'blocks_16x1_80',
    'two_of_four',
  ),
  *('clustered_16', 'qat', 'qat_partial', 'qat_custom', 'pqat_80', 'cqat_16', 'pcqat_80_16'),
)


def recipes_of(*overrides, source='nyc'):
  return loading.load(source, overrides).training.recipes


def preset(name):
  return next(recipe for recipe in recipes_of(f'training.recipes={name}') if recipe.name == name)


def refusal(*overrides, source='nyc'):
  with pytest.raises(ConfigError) as caught:
    loading.load(source, overrides)
  return str(caught.value)


def test_packaged_recipes():
  assert set(RECIPES.names()) == set(PRESETS)


@pytest.mark.parametrize('name', PRESETS)
@pytest.mark.parametrize('source', loading.presets())
def test_every_recipe_fits_every_preset(source, name):
  if (source, name) == ('nyc-baseline', 'qat_custom'):
    assert "unknown layer 'clip'" in refusal('training.recipes=qat_custom', source=source)
    return
  config = loading.load(source, [f'training.recipes={name}'])
  assert loading.validate(yaml.safe_load(loading.dump(config))) == config
  assert config.training.serve == name


@pytest.mark.parametrize('name', PRESETS)
def test_every_recipe_says_what_it_is_and_why(name):
  text = (FOLDER / f'{name}.yaml').read_text(encoding='utf-8')
  assert text.startswith('# ')
  assert yaml.safe_load(text)['summary'].endswith('.')


def test_the_dense_file_is_the_default():
  assert preset('dense') == DENSE_RECIPE


@pytest.mark.parametrize(
  ('name', 'initial', 'final', 'structure'),
  [
    ('pruned_50', 0.0, 0.5, 'unstructured'),
    ('pruned_80', 0.0, 0.8, 'unstructured'),
    ('pruned_90', 0.0, 0.9, 'unstructured'),
    ('pruned_50_to_80', 0.5, 0.8, 'unstructured'),
    ('blocks_4x1_80', 0.0, 0.8, '4x1'),
    ('blocks_16x1_80', 0.0, 0.8, '16x1'),
    ('two_of_four', 0.0, 0.5, '2:4'),
    ('pqat_80', 0.0, 0.8, 'unstructured'),
    ('pcqat_80_16', 0.0, 0.8, 'unstructured'),
  ],
)
def test_pruned_presets(name, initial, final, structure):
  pruning = preset(name).pruning
  assert (pruning.initial_sparsity, pruning.final_sparsity, pruning.structure) == (initial, final, structure)
  assert pruning.schedule.value == 'polynomial'


@pytest.mark.parametrize('name', PRESETS)
def test_the_name_tells_the_techniques(name):
  recipe = preset(name)
  pruned = name.startswith(('pruned', 'blocks', 'two_of', 'pq', 'pcq'))
  found = [bool(technique) for technique in (recipe.pruning, recipe.clustering, recipe.quantization)]
  assert found == [pruned, name in ('clustered_16', 'cqat_16', 'pcqat_80_16'), 'qat' in name]
  assert not recipe.clustering or recipe.clustering.clusters == 16


def test_quantized_presets_name_their_layers():
  hidden = ('dense_0', 'dense_1', 'dense_2')
  assert preset('qat').quantization.layers == 'core'
  assert preset('qat_partial').quantization.layers == hidden
  custom = preset('qat_custom').quantization
  assert custom.layers == ('clip', *hidden, 'fare')
  assert custom.quantize_configs == {'clip': 'models.compression.quantize_configs.ClipQuantizeConfig'}


def test_a_list_mixes_names_paths_and_mappings(tmp_path, monkeypatch):
  monkeypatch.chdir(tmp_path)
  (tmp_path / 'mine.yaml').write_text('summary: mine\npruning: {final_sparsity: 0.6}\n')
  value = '[dense,pruned_80,./mine.yaml,{name: x, pruning: {final_sparsity: 0.7}}]'
  recipes = recipes_of(f'training.recipes={value}')
  assert [recipe.name for recipe in recipes] == ['dense', 'pruned_80', 'mine', 'x']
  assert [recipe.pruning.final_sparsity for recipe in recipes[1:]] == [0.8, 0.6, 0.7]


@pytest.mark.parametrize(
  'value', ['qat', '[qat]', '{name: qat, quantization: {}}', 'configs/recipes/qat.yaml', 'qat.yaml']
)
def test_a_single_recipe_and_a_packaged_path(value, tmp_path, monkeypatch):
  monkeypatch.chdir(tmp_path)
  assert [recipe.name for recipe in recipes_of(f'training.recipes={value}')] == ['dense', 'qat']


def test_a_file_s_own_name_goes_before_its_stem(tmp_path):
  (tmp_path / 'mine.yaml').write_text('name: other\nquantization: {}\n')
  assert recipes_of(f'training.recipes={tmp_path / "mine.yaml"}')[1].name == 'other'


def test_a_recipe_extends_another():
  """Everything but name and summary, which would not be true of the changed one."""
  recipe = recipes_of('training.recipes={name: x, extends: pcqat_80_16, pruning: {power: 2}, quantization: null}')[1]
  base = preset('pcqat_80_16')
  assert recipe == Recipe(name='x', pruning=base.pruning.model_copy(update={'power': 2.0}), clustering=base.clustering)
  assert (recipe.summary, recipe.clustering.initialization) == ('', Initialization.KMEANS_PLUS_PLUS)


def test_a_file_extends_a_file_beside_it(tmp_path):
  (tmp_path / 'base.yaml').write_text('extends: pruned_80\npruning: {end: 0.5}\n')
  (tmp_path / 'mine.yaml').write_text('extends: base.yaml\npruning: {fine_tuning: {steps: 100}}\n')
  pruning = recipes_of(f'training.recipes={tmp_path / "mine.yaml"}')[1].pruning
  assert (pruning.final_sparsity, pruning.end) == (0.8, 0.5)
  assert (pruning.fine_tuning.epochs, pruning.fine_tuning.steps) == (None, 100)


@pytest.mark.parametrize('listed', ['[mine.yaml]', 'mine.yaml', '[{name: mine, extends: mine.yaml}]'])
def test_a_config_finds_recipes_beside_itself_first(tmp_path, monkeypatch, listed):
  here, there = tmp_path / 'here', tmp_path / 'there'
  for folder, sparsity in ((here, 0.3), (there, 0.6)):
    folder.mkdir()
    (folder / 'mine.yaml').write_text(f'pruning: {{final_sparsity: {sparsity}}}\n')
  (there / 'config.yaml').write_text(f'extends: nyc\ntraining: {{recipes: {listed}}}\n')
  monkeypatch.chdir(here)
  config = str(there / 'config.yaml')
  assert recipes_of(source=config)[1].pruning.final_sparsity == 0.6
  (there / 'mine.yaml').unlink()
  assert recipes_of(source=config)[1].pruning.final_sparsity == 0.3


def test_recipes_of_a_base_config_are_found_beside_it(tmp_path):
  (tmp_path / 'base').mkdir()
  (tmp_path / 'base' / 'mine.yaml').write_text('quantization: {}\n')
  (tmp_path / 'base' / 'base.yaml').write_text('extends: nyc\ntraining: {recipes: mine.yaml}\n')
  (tmp_path / 'config.yaml').write_text('extends: base/base.yaml\n')
  assert recipes_of(source=str(tmp_path / 'config.yaml'))[1].name == 'mine'


AVAILABLE = f'Available: {", ".join(sorted(PRESETS))}.'


@pytest.mark.parametrize(
  ('value', 'message'),
  [
    pytest.param(
      'pruned_8', f"training.recipes: Unknown recipe 'pruned_8'. {AVAILABLE} Did you mean 'pruned_80'?", id='name'
    ),
    pytest.param(
      '[dense,qta]', f"training.recipes: Unknown recipe 'qta'. {AVAILABLE} Did you mean 'qat'?", id='listed'
    ),
    pytest.param(
      '[{name: x, extends: pqat_8}]',
      f"training.recipes.x: Unknown recipe 'pqat_8'. {AVAILABLE} Did you mean 'pqat_80'?",
      id='extended',
    ),
    pytest.param('./nowhere.yaml', "training.recipes: No recipe file './nowhere.yaml'. Available: ", id='path'),
    pytest.param('[{extends: pruned_80}]', 'training.recipes.0.name is missing.', id='no_name'),
    pytest.param(
      '[{name: x, extends: [qat]}]', 'training.recipes.x: extends takes the name or the path', id='two_bases'
    ),
    pytest.param('3', 'training.recipes must be a recipe or a list of recipes', id='number'),
    pytest.param('', 'training.recipes must be a recipe or a list of recipes', id='nothing'),
    pytest.param('[3]', 'training.recipes.0 must be a section, got 3', id='number_in_a_list'),
    pytest.param('[{name: x}]', 'training.recipes.x has no technique', id='no_technique'),
    pytest.param(
      '[qat,{name: x, extends: pruned_80, pruning: {final_sparsity: 80}}]',
      'training.recipes.x.pruning.final_sparsity must be a fraction in [0, 1), got 80. For 80 % write 0.8.',
      id='percent',
    ),
    pytest.param(
      '{name: x, pruning: {layers: {dense_0: 80}}}',
      'training.recipes.x.pruning.layers.dense_0 must be a fraction in [0, 1), got 80. For 80 % write 0.8.',
      id='percent_of_a_layer',
    ),
    pytest.param(
      '{name: x, pruning: {final_sparsty: 0.8, final_sparsity: 0.5}}',
      "training.recipes.x.pruning.final_sparsty: unknown key 'final_sparsty'. Did you mean 'final_sparsity'?",
      id='unknown_key',
    ),
    pytest.param(
      '{name: x, pruning: {final_sparsity: 0.5, structure: 4y1}}',
      "training.recipes.x.pruning.structure must be 'unstructured', '2:4' or a block such as '4x1'",
      id='structure',
    ),
  ],
)
def test_refuses(value, message, tmp_path, monkeypatch):
  monkeypatch.chdir(tmp_path)
  text = refusal(f'training.recipes={value}')
  assert text.startswith('The config has 1 error:\n')
  assert message in text


def test_tells_all_mistakes_at_once():
  """Mistakes within recipes in one go; those that need the whole model, across sections, in another one."""
  text = refusal(
    'training.recipes=[pruned_8,{name: x, pruning: {final_sparsity: 80, end: 2.0}},{name: y}]', 'model.l2=-1'
  )
  places = ("'pruned_8'", 'recipes.x.pruning.final_sparsity', 'recipes.x.pruning.end', 'recipes.y', 'model.l2')
  assert text.startswith('The config has 5 errors:\n')
  assert all(place in text for place in places)
  text = refusal('training.recipes=[qat,{name: x, clustering: {layers: [a, b]}}]', 'model.activation=relu6',
                 'validation.max_missing_share={nothing: 0.5}')  # fmt: skip
  assert text.startswith('The config has 4 errors:\n')


@pytest.mark.parametrize(
  ('text', 'message'),
  [
    pytest.param('pruning: [', 'is no valid YAML: while parsing', id='bad_yaml'),
    pytest.param('- 1\n', 'must hold a mapping of settings, such as pruning:', id='a_list'),
    pytest.param('extends: mine.yaml\n', 'extends itself: ', id='itself'),
    pytest.param('summary: none\n', 'training.recipes.mine has no technique', id='no_technique'),
  ],
)
def test_refuses_files(tmp_path, monkeypatch, text, message):
  monkeypatch.chdir(tmp_path)
  (tmp_path / 'mine.yaml').write_text(text)
  assert message in refusal('training.recipes=mine.yaml')


def test_unreadable_bytes(tmp_path):
  (tmp_path / 'mine.yaml').write_bytes(b'\xff\xfe\xfa')
  assert "mine.yaml' can't be read" in refusal(f'training.recipes={tmp_path / "mine.yaml"}')


def test_names_without_reading_everything():
  assert RECIPES.name_of({'name': 'x', 'bogus': 1}) == 'x'
  assert RECIPES.name_of('nowhere') is None
