"""Schemes are found by name and by path, extend each other, and are told by name where they are wrong."""

import pathlib

import pytest
import yaml

from configs import loading
from configs.compression import FLOAT32_SCHEME, SCHEMES, Compression, Precision, Scheme
from configs.loading import ConfigError

FOLDER = pathlib.Path(loading.__file__).parent / 'schemes'
PRESETS = (
  *('float32', 'float32_sparse', 'float16', 'dynamic_range', 'dynamic_range_sparse'),
  *('int8', 'int8_integer_only', 'int8_float_output', 'int16x8', 'weight_only_int8', 'dynamic_int4'),
  *('int8_sparse', 'int8_per_channel'),
)
AVAILABLE = f'Available: {", ".join(sorted(PRESETS))}.'


def schemes_of(*overrides, source='nyc'):
  return loading.load(source, overrides).compression.schemes


def preset(name):
  return next(scheme for scheme in Compression(schemes=name).schemes if scheme.name == name)


def refusal(*overrides, source='nyc'):
  with pytest.raises(ConfigError) as caught:
    loading.load(source, overrides)
  return str(caught.value)


def test_packaged_schemes():
  assert set(SCHEMES.names()) == set(PRESETS)


@pytest.mark.parametrize('source', loading.presets())
def test_every_scheme_fits_every_preset(source):
  config = loading.load(source, [f'compression.schemes=[{",".join(PRESETS)}]', 'training.recipes=blocks_16x1_80'])
  assert [scheme.name for scheme in config.compression.schemes] == list(PRESETS)
  assert loading.validate(yaml.safe_load(loading.dump(config))) == config


@pytest.mark.parametrize('name', PRESETS)
def test_every_scheme_says_what_it_is_and_why(name):
  text = (FOLDER / f'{name}.yaml').read_text(encoding='utf-8')
  assert text.startswith('# ')
  assert yaml.safe_load(text)['summary'].endswith('.')


@pytest.mark.parametrize('name', PRESETS)
def test_the_name_tells_the_precision(name):
  scheme = preset(name)
  precision = max((p.value for p in Precision if name.startswith(p.value)), key=len)
  assert scheme.precision.value == precision
  assert scheme.sparse == name.endswith('sparse')
  assert scheme.per_channel == name.endswith('per_channel')
  assert scheme.integer_only == name.endswith('integer_only')
  assert scheme.float_layers == (('fare',) if name.endswith('float_output') else ())


def test_without_a_word_about_it():
  assert [scheme.name for scheme in schemes_of()] == ['float32', 'dynamic_range', 'float16', 'int8']


def test_a_list_mixes_names_paths_and_mappings(tmp_path, monkeypatch):
  monkeypatch.chdir(tmp_path)
  (tmp_path / 'mine.yaml').write_text('summary: mine\nprecision: float16\n')
  listed = '[int8,./mine.yaml,{name: x, extends: int8, float_layers: [fare]}]'
  schemes = schemes_of(f'compression.schemes={listed}', 'training.recipes=dense')
  assert schemes == (
    FLOAT32_SCHEME,
    preset('int8'),
    Scheme(name='mine', summary='mine', precision='float16'),
    Scheme(name='x', precision='int8', float_layers=['fare'], tolerance=preset('int8').tolerance),
  )


@pytest.mark.parametrize('value', ['int8', '[int8]', 'configs/schemes/int8.yaml', 'int8.yaml'])
def test_a_single_scheme_and_a_packaged_path(value, tmp_path, monkeypatch):
  monkeypatch.chdir(tmp_path)
  assert schemes_of(f'compression.schemes={value}') == (FLOAT32_SCHEME, preset('int8'))


def test_a_file_extends_a_file_beside_it(tmp_path):
  (tmp_path / 'base.yaml').write_text('extends: int8\ncalibration: {rides: 500}\n')
  (tmp_path / 'mine.yaml').write_text('extends: base.yaml\ncalibration: {seed: 3}\n')
  scheme = schemes_of(f'compression.schemes={tmp_path / "mine.yaml"}')[1]
  assert (scheme.precision.value, scheme.calibration.rides, scheme.calibration.seed) == ('int8', 500, 3)


def test_a_config_finds_schemes_beside_itself_and_recipes_too(tmp_path, monkeypatch):
  (tmp_path / 'there').mkdir()
  (tmp_path / 'there' / 'mine.yaml').write_text('precision: float16\n')
  (tmp_path / 'there' / 'half.yaml').write_text('extends: pruned_50\n')
  (tmp_path / 'there' / 'config.yaml').write_text(
    'extends: nyc\ntraining: {recipes: half.yaml}\ncompression: {schemes: [mine.yaml, {name: x, extends: mine.yaml}]}\n'
  )
  monkeypatch.chdir(tmp_path)
  config = loading.load('there/config.yaml')
  assert [scheme.name for scheme in config.compression.schemes] == ['float32', 'mine', 'x']
  assert config.training.serve == 'half'


def test_one_limit_is_overridden():
  assert loading.load('nyc', ['compression.budget.rmse_ratio=1.0001']).compression == Compression(
    budget={'rmse_ratio': 1.0001}
  )


@pytest.mark.parametrize(
  ('value', 'message'),
  [
    pytest.param(
      'int8_qta', f"compression.schemes: Unknown scheme 'int8_qta'. {AVAILABLE} Did you mean 'int8'?", id='name'
    ),
    pytest.param(
      '[int8,weight_only]',
      f"compression.schemes: Unknown scheme 'weight_only'. {AVAILABLE} Did you mean 'weight_only_int8'?",
      id='listed',
    ),
    pytest.param(
      '[{name: x, extends: flat16}]',
      f"compression.schemes.x: Unknown scheme 'flat16'. {AVAILABLE} Did you mean 'float16'?",
      id='extended',
    ),
    pytest.param('./nowhere.yaml', "compression.schemes: No scheme file './nowhere.yaml'. Available: ", id='path'),
    pytest.param('[{extends: int8}]', 'compression.schemes.0.name is missing.', id='no_name'),
    pytest.param('[{name: x}]', 'compression.schemes.x.precision is missing.', id='no_precision'),
    pytest.param(
      '[{name: x, extends: [int8]}]',
      "compression.schemes.x: extends takes the name or the path of one scheme, got ['int8'].",
      id='two_bases',
    ),
    pytest.param(
      '3',
      'compression.schemes must be a scheme or a list of schemes, such as [float32, int8], got 3.',
      id='number',
    ),
    pytest.param(
      '{name: x, precison: int8, precision: int8}',
      "compression.schemes.x.precison: unknown key 'precison'. Did you mean 'precision'?",
      id='unknown_key',
    ),
    pytest.param(
      '{name: x, extends: int8, calibration: {ride: 3}}',
      "compression.schemes.x.calibration.ride: unknown key 'ride'. Did you mean 'rides'?",
      id='unknown_key_below',
    ),
    pytest.param(
      '[int8,int8]', "compression.schemes: the name 'int8' is given 2 times; each scheme needs its own.", id='twice'
    ),
    pytest.param(
      '{name: x, extends: int8_integer_only, float_layers: fare}',
      'compression.schemes.x.integer_only must be false with float_layers, as fare would stay float.',
      id='inherited',
    ),
  ],
)
def test_refuses(value, message, tmp_path, monkeypatch):
  monkeypatch.chdir(tmp_path)
  text = refusal(f'compression.schemes={value}')
  assert text.startswith('The config has 1 error:\n')
  assert message in text


@pytest.mark.parametrize(
  ('text', 'message'),
  [
    pytest.param('precision: [', "scheme 'mine.yaml' is no valid YAML: while parsing", id='bad_yaml'),
    pytest.param('- 1\n', 'must hold a mapping of settings, such as precision: int8.', id='a_list'),
    pytest.param('extends: mine.yaml\n', "mine.yaml' extends itself: ", id='itself'),
  ],
)
def test_refuses_files(tmp_path, monkeypatch, text, message):
  monkeypatch.chdir(tmp_path)
  (tmp_path / 'mine.yaml').write_text(text)
  assert message in refusal('compression.schemes=mine.yaml')


def test_tells_mistakes_of_schemes_and_recipes_at_once():
  text = refusal(
    'compression.schemes=[int,{name: x, precision: int4}]', 'training.recipes=qta', 'compression.budget.bytes=-1'
  )
  assert text.startswith('The config has 4 errors:\n')
  assert all(place in text for place in ("scheme 'int'", 'schemes.x.precision', "recipe 'qta'", 'budget.bytes'))
