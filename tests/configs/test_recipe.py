"""Recipes: each one is consistent in itself, and a training reads its own JSON back."""

import pydantic
import pytest

from configs.model import Training
from configs.recipe import DENSE_RECIPE, Clustering, FineTuning, Pruning, Quantization, Recipe

HIDDEN = ('dense_0', 'dense_1')
PRUNED = Recipe(name='pruned', pruning=Pruning(final_sparsity=0.5))
EVERYTHING = Recipe(
  name='everything',
  pruning=Pruning(layers={'dense_0': 0.5, 'fare': 0.25}, begin=1, end=1.0, fine_tuning=FineTuning(steps=10)),
  clustering=Clustering(layers=['dense_0']),
  quantization=Quantization(layers=['clip', 'core'], quantize_configs={'clip': 'a.B'}),
)


@pytest.mark.parametrize(
  ('recipes', 'names', 'served'),
  [
    pytest.param(None, ['dense'], 'dense', id='default'),
    pytest.param([PRUNED], ['dense', 'pruned'], 'pruned', id='dense_is_added'),
    pytest.param([PRUNED, DENSE_RECIPE], ['dense', 'pruned'], 'pruned', id='dense_goes_first_but_serves_as_listed'),
    pytest.param([DENSE_RECIPE, PRUNED], ['dense', 'pruned'], 'dense', id='dense_listed_first'),
    pytest.param(PRUNED, ['dense', 'pruned'], 'pruned', id='a_single_one'),
    pytest.param([], ['dense'], 'dense', id='none_listed'),
    pytest.param('pqat_80', ['dense', 'pqat_80'], 'pqat_80', id='by_name'),
  ],
)
def test_dense_is_always_trained_and_the_first_one_listed_serves(recipes, names, served):
  training = Training() if recipes is None else Training(recipes=recipes)
  assert [recipe.name for recipe in training.recipes] == names
  assert (training.serve, training.served_recipe.name) == (served, served)


def test_another_recipe_may_serve():
  assert Training(recipes=[PRUNED, EVERYTHING], serve='everything').served_recipe is not PRUNED


@pytest.mark.parametrize('recipes', [[DENSE_RECIPE], [PRUNED], [EVERYTHING, PRUNED], ['pcqat_80_16', 'two_of_four']])
def test_a_training_reads_its_own_json_back(recipes):
  """Another process validates it from text; a whole number of steps must not become a share, nor the other way."""
  training = Training(recipes=recipes)
  again = Training.model_validate_json(training.model_dump_json())
  assert again == training
  assert again.model_dump_json() == training.model_dump_json()
  for recipe, read in zip(training.recipes, again.recipes, strict=True):
    if recipe.pruning:
      assert (type(read.pruning.begin), type(read.pruning.end)) == (
        type(recipe.pruning.begin),
        type(recipe.pruning.end),
      )


@pytest.mark.parametrize(
  ('values', 'message'),
  [
    pytest.param({'recipes': [PRUNED, PRUNED]}, "recipes: the name 'pruned' is given 2 times", id='doubled'),
    pytest.param(
      {'recipes': [PRUNED], 'serve': 'prund'},
      "serve: no recipe 'prund' is trained, only dense, pruned. Did you mean 'pruned'?",
      id='unknown_serve',
    ),
    pytest.param({'recipes': 3}, 'must be a recipe or a list of recipes, such as [dense, pruned_80], got 3.', id='int'),
    pytest.param({'recipes': None}, 'must be a recipe or a list of recipes', id='null'),
    pytest.param({'epochs': 5, 'steps': 5}, 'give either epochs or steps', id='two_lengths'),
  ],
)
def test_a_training_refuses(values, message):
  with pytest.raises(pydantic.ValidationError) as caught:
    Training(**values)
  assert message in str(caught.value)


@pytest.mark.parametrize(
  ('values', 'message'),
  [
    pytest.param({'name': 'empty'}, 'has no technique: give pruning', id='no_technique'),
    pytest.param(
      {'name': 'dense', 'quantization': {}}, "name: 'dense' is the base itself", id='a_technique_called_dense'
    ),
    pytest.param({'name': 'No-Good', 'quantization': {}}, 'should match pattern', id='bad_name'),
  ],
)
def test_only_dense_has_no_technique(values, message):
  with pytest.raises(pydantic.ValidationError) as caught:
    Recipe(**values)
  assert message in str(caught.value)


@pytest.mark.parametrize(
  ('values', 'message'),
  [
    pytest.param({'final_sparsity': 80}, 'must be a fraction in [0, 1), got 80. For 80 % write 0.8.', id='percent'),
    pytest.param({'final_sparsity': 0}, 'greater than 0', id='no_sparsity'),
    pytest.param({}, 'final_sparsity\n  Field required', id='missing'),
    pytest.param(
      {'final_sparsity': 0.5, 'initial_sparsity': 0.7},
      'initial_sparsity must not be above final_sparsity, got 0.7 above 0.5.',
      id='falling',
    ),
    pytest.param(
      {'layers': {'dense_0': 0.9, 'fare': 0.2}, 'initial_sparsity': 0.5},
      'initial_sparsity must not be above layers.fare, got 0.5 above 0.2.',
      id='falling_in_one_layer',
    ),
    pytest.param(
      {'final_sparsity': 0.5, 'initial_sparsity': 0.2, 'schedule': 'constant'},
      'initial_sparsity: 0.2 has no effect: the constant schedule starts at final_sparsity',
      id='initial_of_a_constant',
    ),
    pytest.param(
      {'final_sparsity': 0.5, 'begin': 0.6, 'end': 0.3},
      'end must be after begin, got begin 0.6 and end 0.3.',
      id='back',
    ),
    pytest.param({'final_sparsity': 0.5, 'begin': 9, 'end': 9}, 'got begin 9 and end 9.', id='no_time'),
    pytest.param({'final_sparsity': 0.5, 'end': 1.5}, 'must be a share of all steps in [0, 1] or a whole', id='share'),
    pytest.param({'final_sparsity': 0.5, 'begin': -1}, 'greater than or equal to 0', id='negative_step'),
    pytest.param({'final_sparsity': 0.5, 'structure': '4'}, "must be 'unstructured', '2:4' or a block", id='structure'),
    pytest.param({'final_sparsity': 0.5, 'layers': []}, 'must name at least one layer', id='no_layers'),
    pytest.param({'final_sparsity': 0.5, 'layers': {}}, 'at least 1 item', id='no_sparsities'),
    pytest.param(
      {'final_sparsity': 0.8, 'structure': '2:4'}, 'final_sparsity must be 0.5 with structure 2:4, got 0.8', id='2:4'
    ),
    pytest.param(
      {'layers': {'dense_1': 0.8}, 'structure': '2:4'}, 'layers.dense_1 must be 0.5 with structure 2:4', id='2:4_layer'
    ),
    *(
      pytest.param({'structure': '2:4', name: value}, f'{name} has no effect with structure 2:4', id=f'2:4_{name}')
      for name, value in {'begin': 5, 'end': 0.9, 'frequency': 3, 'initial_sparsity': 0.1}.items()
    ),
  ],
)
def test_a_pruning_refuses(values, message):
  with pytest.raises(pydantic.ValidationError) as caught:
    Pruning(**values)
  assert message in str(caught.value)
  assert caught.value.error_count() == 1


def test_a_pruning_tells_all_its_mistakes():
  with pytest.raises(pydantic.ValidationError) as caught:
    Pruning(final_sparsity=0.5, initial_sparsity=0.7, begin=0.5, end=0.5)
  text = str(caught.value)
  assert 'end must be after begin' in text
  assert 'initial_sparsity must not be above' in text


@pytest.mark.parametrize('structure', ['2:4', 124], ids=['quoted', 'as_yaml_reads_it_without_quotes'])
def test_two_of_four_says_its_sparsity(structure):
  pruning = Pruning(structure=structure)
  assert (pruning.structure, pruning.two_of_four, pruning.final_sparsity, pruning.block) == ('2:4', True, 0.5, (1, 1))


def test_a_block_is_inputs_by_units():
  assert Pruning(structure='16x1', final_sparsity=0.8).block == (16, 1)


@pytest.mark.parametrize(
  ('layers', 'targets'),
  [
    pytest.param('hidden', {'dense_0': 0.8, 'dense_1': 0.8}, id='hidden'),
    pytest.param('core', {'dense_0': 0.8, 'dense_1': 0.8, 'fare': 0.8}, id='core'),
    pytest.param('fare', {'fare': 0.8}, id='one_name'),
    pytest.param(['hidden', 'x_embedding'], {'dense_0': 0.8, 'dense_1': 0.8, 'x_embedding': 0.8}, id='group_and_name'),
    pytest.param({'fare': 0.2}, {'fare': 0.2}, id='by_layer'),
    pytest.param({'dense_1': 0.3, 'hidden': 0.6}, {'dense_0': 0.6, 'dense_1': 0.3}, id='layer_before_group'),
    pytest.param({'hidden': 0.6, 'core': 0.3}, {'dense_0': 0.6, 'dense_1': 0.6, 'fare': 0.3}, id='hidden_before_core'),
  ],
)
def test_targets_by_layer(layers, targets):
  pruning = Pruning(final_sparsity=0.8, layers=layers)
  assert pruning.targets(HIDDEN) == targets
  named = Recipe(name='x', pruning=pruning).with_layer_names(HIDDEN).pruning
  assert named.targets(HIDDEN) == targets
  # What is left of the groups is the default alone, which the trainer knows too.
  assert layers == 'hidden' or not {'hidden', 'core'} & set(named.layers)


def test_groups_become_names_in_every_technique():
  named = EVERYTHING.with_layer_names(HIDDEN)
  assert named.quantization.layers == ('clip', 'dense_0', 'dense_1', 'fare')
  assert named.clustering.layers == ('dense_0',)
  assert (
    Recipe(name='x', quantization=Quantization(layers='hidden')).with_layer_names(HIDDEN).quantization.layers == HIDDEN
  )
  assert PRUNED.with_layer_names(HIDDEN) is PRUNED


@pytest.mark.parametrize('path', ['ClipQuantizeConfig', 'a..B', 'a.b-c', '', '1.B'])
def test_a_quantize_config_is_a_dotted_path(path):
  with pytest.raises(
    pydantic.ValidationError, match=r'quantize_configs\.clip must be the dotted path of a QuantizeConfig'
  ):
    Quantization(layers=['clip'], quantize_configs={'clip': path})


def test_fine_tuning_steps_replace_the_default_epochs():
  assert FineTuning().epochs
  assert FineTuning(steps=5).epochs is None
  with pytest.raises(pydantic.ValidationError, match='give either epochs or steps'):
    FineTuning(epochs=2, steps=5)
