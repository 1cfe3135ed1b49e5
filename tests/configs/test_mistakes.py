"""No wrong value of any setting is answered in words of pydantic's, and each answer names its setting."""

from __future__ import annotations

import re

import pytest
import yaml

from configs import currency, loading, reference

FOREIGN = re.compile(
  r'Input should|Value error|Field required|Extra inputs|valid (integer|number|string|dictionary|list|tuple|boolean)|'
  r'type=|pydantic|unable to parse|should have at|greater than|less than|constrained|function-|tagged-union|<\w+>',
)
"""Words of pydantic 2's own messages, and of its places."""

WRONG = {
  'word': 'nonsense!', 'empty': '', 'number': -1.5, 'huge': 10**30, 'infinite': float('inf'), 'nan': float('nan'),
  'flag': True, 'list': ['?', []], 'empty_list': [], 'mapping': {'?': {'?': 1}}, 'null': None, 'nested': [[1, 2, 3]],
}  # fmt: skip

SETTINGS = [one.key for one in reference.settings() if '[]' not in one.key]


@pytest.mark.parametrize('kind', WRONG)
def test_a_wrong_value_is_told_in_own_words(kind: str):
  """Oracle: the words of pydantic, and the keys of the reference."""
  foreign, unnamed, taken = [], [], 0
  resolved = yaml.safe_load(loading.dump(loading.load('chicago')))
  for key in SETTINGS:
    message = _refusal(resolved, key, WRONG[kind])
    if message is None:
      taken += 1
      continue
    if FOREIGN.search(message):
      foreign.append(message)
    if key.partition('.')[0] not in message:
      unnamed.append((key, message))
  assert (foreign, unnamed) == ([], [])
  assert taken < len(SETTINGS)


def _refusal(resolved: dict, key: str, value: object) -> str | None:
  values = _copied(resolved)
  *sections, last = key.split('.')
  below = values
  for section in sections:
    if not isinstance(below.get(section), dict):
      below[section] = {}
    below = below[section]
  below[last] = value
  try:
    loading.validate(values)
  except loading.ConfigError as error:
    return str(error)
  return None


def _copied(value):
  if isinstance(value, dict):
    return {key: _copied(below) for key, below in value.items()}
  return [_copied(one) for one in value] if isinstance(value, list) else value


@pytest.mark.parametrize(
  ('override', 'message'),
  [
    ('training.epochs=x', "training.epochs must be a whole number above 0, or null, got 'x'."),
    ('training.loss=hubr', "training.loss must be one of huber, mse, got 'hubr'. Did you mean 'huber'?"),
    ('dataset=3', 'dataset must be a section, got 3. Its keys are set below it, such as name: …'),
    ('training.warm_start=maybe', "training.warm_start must be true or false, got 'maybe'."),
    ('model.hidden=[]', 'model.hidden must be a list of one or more whole numbers above 0, at most 16, got [].'),
    ('model.hidden=[8, x]', "model.hidden.1 must be a whole number above 0, got 'x'."),
    ('dataset.rules.earliest=yesterday', "dataset.rules.earliest must be a day such as 2026-03-08, got 'yesterday'."),
    ('reduction.fare_bands=x', "reduction.fare_bands must be a whole number above 0 or a list of numbers, got 'x'."),
    ('dataset.extras=[{column: x}]', 'dataset.extras.0.name is missing.'),
    (
      'dataset.city.windows={A B: [1, 2]}',
      "windows must have keys that are each a text of small letters, digits and _, a letter first, got 'A B'.",
    ),
    ('dataset.city.windows={a: 3}', 'dataset.city.windows.a must be a list of 2 numbers from 0 to 24, got 3.'),
    (
      'features.crosses.embedding={foo: 3}',
      'features.crosses.embedding must have keys that are each one of pickup_cell',
    ),
    ('dataset.currency=dollars', "such as USD, got 'dollars'. Is it USD or CAD or AUD or NZD?"),
    ('dataset.currency=euro', "such as USD, got 'euro'. Write EUR."),
    ('dataset.currency=usd', "got 'usd'. Write USD."),
    ('dataset.currency=£', "got '£'. Write GBP."),
    ('dataset.currency=$', "got '$'. Is it USD or CAD or AUD or MXN?"),
    ('dataset.currency=Mexican pesos', "got 'Mexican pesos'. Is it MXN or ARS or CLP or COP?"),
    ('dataset.currency=CHP', "such as USD, got 'CHP'. Write CHF."),
    ('dataset.currency=QQQ', "such as USD, got 'QQQ'."),
    ('training.learning_rate=.inf', 'training.learning_rate must be a finite number above 0, got Infinity.'),
    ('dataset.rules.fare.max=.nan', 'dataset.rules.fare.max must be a finite number, got NaN.'),
    ('dataset.rules.bounds.longitude.min=-.inf', 'longitude.min must be a finite number, got -Infinity.'),
    ('training.epochs=true', 'training.epochs must be a whole number above 0, or null, got true.'),
    ('dataset.rules.fare.min=true', 'dataset.rules.fare.min must be a number, got true.'),
    ('evaluation.slices.hours=[0, true]', 'hours must be a list of one or more numbers, got [0, true].'),
    ("training.learning_rate='0.2'", "training.learning_rate must be a number above 0, got '0.2'."),
    ('training.epochs="5"', "training.epochs must be a whole number above 0, or null, got '5'."),
    ('validation.max_missing_share={passenger_count: true}', 'numbers from 0 to 1, got {"passenger_count": true}.'),
    ('evaluation.slices.columns.vendor=[Alfa]', 'evaluation.slices.columns.vendor must be [] where the column is'),
    ('dataset.time.format=yyyy-MM-dd HH:mm:ss', "is written as Java has it; write '%Y-%m-%d %H:%M:%S'"),
    ("dataset.time.format=dd/MM/yyyy'T'HH:mm", "is written as Java has it; write '%d/%m/%YT%H:%M'"),
    ('dataset.time.format=YYYY-MM-DD hh:mm:ss A', "is written as Java has it; write '%Y-%m-%d %I:%M:%S %p'"),
  ],
)
def test_a_mistake(override: str, message: str):
  with pytest.raises(loading.ConfigError) as caught:
    loading.load('nyc' if 'format' in override else 'chicago', [override])
  lines = str(caught.value).splitlines()
  assert lines[0] == 'The config has 1 error:'
  assert message in lines[1]


@pytest.mark.parametrize('text', ['7e-3', '7E-3', '7.0e-3', '7.0e-03', '.007', '0.007'])
def test_numbers_in_scientific_notation_are_numbers(text: str):
  """Oracle: Python's `float`; YAML 1.1 reads some of these as texts."""
  assert loading.load('chicago', [f'training.learning_rate={text}']).training.learning_rate == float(text)


def test_no_preset_has_lost_a_currency():
  """Oracle: the codes that `init` writes by the country, and those that signs and names stand for."""
  from pipeline.starting.cities import CURRENCIES

  listed = {*CURRENCIES, *filter(None, currency.SIGNS.values())}
  listed |= {code for codes in (*currency._NAMES.values(), *currency._SHARED.values()) for code in codes}
  assert {code for code in listed if currency.code(code) != code} == set()


def test_each_mistake_is_told_once():
  with pytest.raises(loading.ConfigError) as caught:
    loading.load('chicago', ['study.embeddings.widths=[x]', 'beam.extra={a: {}}'])
  assert len(str(caught.value).splitlines()) == 3


@pytest.mark.parametrize(
  ('overrides', 'follows'),
  [
    pytest.param(['training.epochs=x', 'evaluation.slices.columns.vendor=[1]'], True, id='a_rule_across_sections'),
    pytest.param(['dataset.name=A B', 'compression.budget.bytes=10'], True, id='without_a_required_setting'),
    pytest.param(['training.epochs=x', 'training.loss=y'], False, id='all_is_said'),
    pytest.param(['compression.budget.bytes=10'], False, id='the_rule_itself'),
  ],
)
def test_checks_that_could_not_be_made_are_announced(overrides: list[str], follows: bool):
  """Oracle: what the same config is refused for once the wrong types are gone."""
  with pytest.raises(loading.ConfigError) as caught:
    loading.load('chicago', overrides)
  last = str(caught.value).splitlines()[-1]
  assert (last == 'Further checks follow once these are mended.') == follows
