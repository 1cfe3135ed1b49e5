"""Every setting of a config has an effect, or is refused: a walk through the config's own schema.

Oracle: the tables in `effect_tables.py`, written by hand; a new setting without an entry fails here.
"""

import ast
import functools
import pathlib

import pytest
import yaml

from configs import loading
from configs.base import at
from configs.compression import Scheme
from configs.loading import ConfigError
from configs.parts import leaves
from configs.presets import merge
from configs.recipe import Recipe
from configs.run import RunConfig
from configs.study import QUICK
from tests.configs.effect_tables import ALWAYS, BESIDE, HOLDERS, NAMED, READ_BY, READ_IN_CONFIGS, SOMETIMES

ROOT = pathlib.Path(__file__).parents[2]

LISTED = {'training.recipes': Recipe, 'compression.schemes': Scheme}
"""What a list of named things holds; `configs.parts` takes such a list for one setting."""

SETTINGS = [
  *(leaf for leaf in leaves(RunConfig) if leaf not in LISTED),
  *(f'{section}.{leaf}' for section, model in LISTED.items() for leaf in leaves(model)),
]


def test_every_setting_has_an_entry():
  always = [f'{section}.{name}'.lstrip('.') for section, names in ALWAYS.items() for name in names.split()]
  assert sorted([*always, *SOMETIMES, *NAMED]) == sorted(SETTINGS)


@functools.cache
def _read_outside():
  """What the other rooms read: `holder.attribute` for each attribute and each key, and names by themselves."""
  found = set()
  for room in ('transforms', 'models', 'components', 'pipeline'):
    for file in (ROOT / room).rglob('*.py'):
      for node in ast.walk(ast.parse(file.read_text(encoding='utf-8'))):
        if isinstance(node, (ast.Attribute, ast.Subscript)):
          holder = getattr(node.value, 'attr', getattr(node.value, 'id', ''))
          name = node.attr if isinstance(node, ast.Attribute) else getattr(node.slice, 'value', '')
          found |= {f'{holder}.{name}', name}
        elif isinstance(node, ast.Name):
          found.add(node.id)
  return found


@pytest.mark.parametrize('setting', [setting for setting in SETTINGS if setting not in READ_IN_CONFIGS])
def test_every_setting_is_read(setting):
  section, _, name = setting.rpartition('.')
  readers = [reader for place, reader in READ_BY.items() if f'{setting}.'.startswith(f'{place}.')]
  holder = HOLDERS.get(section, section.rpartition('.')[2])
  assert {*(readers or [f'{holder}.{name}'])} <= _read_outside()


ALL_CASES = [pytest.param(*item, id=item[0]) for item in SOMETIMES.items()]
ALL_CASES += [pytest.param(*item, id=f'{item[0]}-{number}') for number, item in enumerate(BESIDE)]


def _refusal(overrides, source='nyc'):
  with pytest.raises(ConfigError) as caught:
    loading.load(source, overrides)
  return str(caught.value)


@pytest.mark.parametrize(('setting', 'case'), ALL_CASES)
def test_a_setting_without_effect_is_refused_with_the_mend(setting, case):
  text = _refusal([*case.off, f'{setting}={case.value}'])
  [line] = [line for line in text.splitlines() if setting.removesuffix('.min').removesuffix('.max') in line]
  assert case.says in line
  assert any(
    word in line
    for word in (f'remove {setting.rpartition(".")[0]}', 'leave it out', 'set one', 'components', 'at most')
  )


@pytest.mark.parametrize(('setting', 'case'), ALL_CASES)
def test_it_is_accepted_where_it_has_one_and_gives_way_to_what_comes_after_it(setting, case, tmp_path):
  file = tmp_path / 'mine.yaml'
  values = functools.reduce(merge, map(_as_mapping, (*case.on, f'{setting}={case.value}')), {'extends': 'nyc'})
  file.write_text(yaml.safe_dump(values))
  if not case.gives_way:
    assert case.says in _refusal(case.off, str(file))
  for config in (loading.load(str(file)), *([loading.load(str(file), case.off)] if case.gives_way else [])):
    assert loading.validate(yaml.safe_load(loading.dump(config))) == config


def _as_mapping(override):
  place, _, value = override.partition('=')
  return functools.reduce(lambda below, key: {key: below}, place.split('.')[::-1], yaml.safe_load(value))


@pytest.mark.parametrize(('setting', 'values', 'idle'), [(name, *case) for name, case in NAMED.items()])
def test_a_technique_and_a_scheme_refuse_what_has_no_effect(setting, values, idle):
  section, _, name = setting.removeprefix('training.').removeprefix('compression.').partition('.')

  def load(found):
    item = {'name': 'mine', **({name.partition('.')[0]: found} if section == 'recipes' else found)}
    values = loading.load('nyc', ['training.recipes=[dense, blocks_16x1_80]']).model_dump(mode='json')
    values['training' if section == 'recipes' else 'compression'][section].append(item)
    return loading.validate(values)

  load(values)
  with pytest.raises(ConfigError, match=r'has no effect|must be false|is not among'):
    load({**values, **idle})


def test_all_settings_without_effect_are_told_at_once():
  settings = ('reduction.components=8', 'split.method=chronological', 'split.seed=3', 'beam.flink.parallelism=2')
  text = _refusal([*settings, 'training.epochs=9', 'training.steps=9'])
  assert text.startswith('The config has 2 errors:')  # Those of several sections, once each one is right.
  assert ': give either epochs or steps' in text
  text = _refusal(settings)
  assert text.startswith('The config has 3 errors:')
  assert 'beam.flink.parallelism has no effect while beam.engine is direct; set that to flink, or remove' in text
  assert 'split.seed has no effect with split.method chronological, which draws nothing; set that to hash, or' in text
  assert (
    'reduction.components has no effect while reduction.method is none; set a method (pca, …), or remove '
    'reduction.components.'
  ) in text


def test_a_preset_gives_way_and_the_same_file_does_not(tmp_path):
  (tmp_path / 'base.yaml').write_text('extends: nyc\nreduction: {method: pca, components: 8, whiten: false}\n')
  (tmp_path / 'off.yaml').write_text('extends: base.yaml\nreduction: {method: none}\n')
  (tmp_path / 'again.yaml').write_text('extends: off.yaml\nreduction: {components: 4}\n')
  assert loading.load(str(tmp_path / 'off.yaml')).reduction == RunConfig.model_fields['reduction'].default
  assert loading.load(str(tmp_path / 'base.yaml'), ['reduction.method=svd']).reduction.components == 8
  assert 'reduction.components has no effect' in _refusal([], str(tmp_path / 'again.yaml'))
  assert loading.load(str(tmp_path / 'again.yaml'), ['reduction.method=ica']).reduction.components == 4


def test_what_a_run_kept_is_read_though_it_has_no_effect(tmp_path):
  file = tmp_path / 'config.yaml'
  file.write_text('extends: nyc\nreduction: {components: 8}\n')
  assert loading.load(str(file), kept=True).reduction.components is None
  with pytest.raises(ConfigError, match=r'split\.seed has no effect'):
    loading.load(str(file), ['split.method=chronological', 'split.seed=3'], kept=True)


def test_what_quick_stands_for_gives_way():
  assert loading.load('nyc', [*QUICK, 'study.blocks=[references]']).study.dimensions == at(
    RunConfig.model_fields['study'].default, 'dimensions'
  )
  assert 'study.dimensions.noise' in _refusal([*QUICK, 'study.blocks=[references]', 'study.dimensions.noise=[9]'])


@pytest.mark.parametrize('preset', loading.presets())
def test_no_preset_holds_a_setting_without_effect(preset):
  text = loading.packaged()[preset].read_text(encoding='utf-8')
  values = yaml.safe_load(text)
  base = yaml.safe_load(loading.packaged()[values.pop('extends')].read_text()) if 'extends' in values else {}
  assert loading.validate(merge(base, values)) == loading.load(preset)
