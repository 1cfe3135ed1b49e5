"""The reference and the JSON schema say what the settings' classes say, and what a run takes."""

from __future__ import annotations

import copy
import json

import jsonschema
import pytest
import yaml

from configs import loading, reference, schema
from configs.errors import UserError
from configs.presets import packaged
from tests.conftest import REPOSITORY

SCHEMA = jsonschema.Draft202012Validator(schema.json_schema())


def test_every_setting_has_a_meaning():
  assert [one.key for one in reference.settings() if len(one.meaning) < 5] == []


def test_no_meaning_stands_for_a_setting_that_is_gone():
  """Oracle: the classes' fields, and class variables of theirs, such as those of a technique."""
  gone = [
    f'{name}.{key}'
    for name, model in schema.models().items()
    for key in schema.documented(model)
    if key not in model.model_fields and not hasattr(model, key)
  ]
  assert gone == []


def test_the_page_is_fresh():
  page = (REPOSITORY / 'docs' / 'config.md').read_text(encoding='utf-8')
  assert page == reference.markdown(), 'make docs'


def test_every_leaf_of_a_resolved_config_is_in_the_reference():
  """Oracle: what `loading.dump` writes of the Chicago preset."""

  def leaves(value: object, prefix: str) -> list[str]:
    if not isinstance(value, dict):
      return [prefix]
    return [leaf for key, below in value.items() for leaf in leaves(below, f'{prefix}.{key}'.strip('.'))] or [prefix]

  known = {one.key for one in reference.settings()}
  found = leaves(yaml.safe_load(loading.dump(loading.load('chicago'))), '')
  free = ('validation.max_missing_share.', 'beam.extra.')
  assert [key for key in found if key not in known and not key.startswith(free)] == []


@pytest.mark.parametrize(
  ('key', 'type_', 'unit', 'default'),
  [
    ('training.epochs', 'a whole number above 0, or null', 'epochs', '40'),
    ('training.loss', 'one of huber, mse', '', 'huber'),
    ('split.eval_share', 'a number above 0 and below 1', 'share', '0.2'),
    ('dataset.rules.bounds.longitude.min', 'a number', 'degrees', ''),
    ('features.temporal.rush_hours', 'a list of lists of 2 numbers from 0 to 24', 'h', '[[7, 10], [16, 20]]'),
    ('dataset.currency', 'a text of an ISO 4217 code such as USD', '', 'USD'),
    ('training.recipes[].quantization.fine_tuning.epochs', 'a whole number above 0, or null', 'epochs', '20'),
  ],
)
def test_a_setting(key: str, type_: str, unit: str, default: str):
  found = reference.find(key)
  assert (found.type, found.unit, found.default) == (type_, unit, default)


@pytest.mark.parametrize(
  ('key', 'message'),
  [
    pytest.param('training.epochz', "no setting 'training.epochz'. Did you mean 'training.epochs'?", id='misspelled'),
    pytest.param('huber_delta', "Did you mean 'training.huber_delta'?", id='last_word_alone'),
    pytest.param('qqq', 'farelite config show lists the sections', id='nothing_near'),
  ],
)
def test_an_unknown_setting(key: str, message: str):
  with pytest.raises(UserError, match=message.replace('?', r'\?')):
    reference.find(key)


def test_a_place_in_a_list():
  assert reference.find('dataset.extras.0.unit').key == 'dataset.extras[].unit'


@pytest.mark.parametrize('name', packaged())
def test_presets_fit_the_schema(name: str):
  values = yaml.safe_load(packaged()[name].read_text(encoding='utf-8'))
  assert [error.message for error in SCHEMA.iter_errors(_as_json(values))] == []
  resolved = yaml.safe_load(loading.dump(loading.load(name)))
  assert [error.message for error in SCHEMA.iter_errors(_as_json(resolved))] == []


def _as_json(values: object) -> object:
  """As an editor reads it: YAML's days are texts, and its keys too."""
  return json.loads(json.dumps(copy.deepcopy(values), default=str))


@pytest.mark.parametrize(
  'setting',
  [
    pytest.param({'training': {'epochz': 3}}, id='unknown_key'),
    pytest.param({'training': {'epochs': 'many'}}, id='word_for_a_number'),
    pytest.param({'training': {'loss': 'hubr'}}, id='unknown_word'),
    pytest.param({'split': {'eval_share': 20}}, id='percent'),
    pytest.param({'dataset': {'extras': [{'column': 'x'}]}}, id='item_without_name'),
    pytest.param({'dataset': 3}, id='no_section'),
  ],
)
def test_the_schema_refuses_what_a_run_refuses(setting: dict):
  assert list(SCHEMA.iter_errors(setting))
  with pytest.raises(loading.ConfigError):
    loading.validate({'name': 'x', **setting})


@pytest.mark.parametrize(
  'setting',
  [
    pytest.param({'extends': 'nyc'}, id='extends'),
    pytest.param({'training': {'recipes': 'pqat_80'}}, id='one_recipe_by_name'),
    pytest.param({'training': {'recipes': ['dense', {'extends': 'qat', 'name': 'mine'}]}}, id='recipe_extended'),
    pytest.param({'compression': {'schemes': ['int8']}}, id='scheme_by_name'),
    pytest.param({'study': {'blocks': 'features'}}, id='one_block'),
    pytest.param({'dataset': {'city': {'center_latitude': 1}}}, id='part_of_a_section'),
  ],
)
def test_the_schema_takes_what_a_run_takes(setting: dict):
  assert [error.message for error in SCHEMA.iter_errors(setting)] == []


def test_each_class_of_the_schema_is_described():
  assert [name for name, one in schema.json_schema()['$defs'].items() if not one.get('description')] == []
