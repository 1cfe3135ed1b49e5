"""Configs: presets load, overrides apply, and mistakes are told all at once with their fix."""

import datetime
import pathlib
import re
import shlex
import subprocess
import sys

import pytest
import yaml

from configs import loading, presets
from configs.features import fourth_root
from configs.loading import ConfigError

_DOCS = pathlib.Path(__file__).parents[2] / 'docs'


@pytest.mark.parametrize('preset', loading.presets())
def test_presets_survive_a_round_trip(preset: str):
  config = loading.load(preset)
  assert loading.validate(yaml.safe_load(loading.dump(config))) == config


@pytest.mark.parametrize(
  'text',
  [
    *(pathlib.Path(str(file)).read_text() for file in presets.packaged().values()),
    'a: [1', 'a: 1\na: 2', 'a: b: c', '\ta: 1', 'a: \x00', 'a: "\ud800"', '&a [*a]', 'a: |\n  x\n y', '[' * 200,
    '\ufeffa: 1', 'a: !!bool perhaps', '---\na: 1\n---\nb: 2', '? a\n: b', 'a: 1\r\nb: 2', '',
  ],
  ids=lambda text: repr(text[:12]),
)  # fmt: skip
def test_libyaml_reads_what_pyyaml_reads(text, monkeypatch):
  """And refuses what that refuses, in its words. Oracle: the reader without libyaml."""

  def read() -> object:
    presets._parsed.cache_clear()
    try:
      return presets.load_yaml(text)
    except ValueError as error:
      return str(error)

  fast = read()
  monkeypatch.setattr(yaml, '__with_libyaml__', False)
  assert fast == read()


def test_presets_are_found_by_name_and_by_path(monkeypatch, tmp_path):
  monkeypatch.chdir(tmp_path)
  assert loading.load('nyc') == loading.load('configs/nyc.yaml')


def test_default_is_chicago():
  assert loading.load().name == 'chicago'


def test_override_replaces_one_value():
  config = loading.load('nyc', ['training.epochs=3', 'model.hidden=[8, 4]', 'split.method=chronological'])
  assert (config.training.epochs, config.model.hidden, config.split.method.value) == (3, (8, 4), 'chronological')
  assert config.dataset == loading.load('nyc').dataset


KIND = '{name: kind, column: k, kind: categorical'


def test_numbers_in_a_vocabulary_are_texts_and_a_tab_has_a_name():
  [extra] = loading.load('nyc', [f'dataset.extras=[{KIND}, vocabulary: [1, 02, x]}}]']).dataset.extras
  assert extra.vocabulary == ('1', '2', 'x')
  assert loading.load('nyc', ['dataset.delimiter=\\t']).dataset.delimiter == '\t'
  assert loading.load('nyc', ['dataset.delimiter=tab']).dataset.delimiter == '\t'


def test_extends_a_file_beside_it(tmp_path):
  (tmp_path / 'base.yaml').write_text('extends: nyc\nname: base\ntraining: {epochs: 3}\n')
  (tmp_path / 'mine.yaml').write_text('extends: base.yaml\nname: mine\n')
  config = loading.load(str(tmp_path / 'mine.yaml'))
  assert (config.name, config.training.epochs, config.dataset.name) == ('mine', 3, 'nyc')


@pytest.mark.parametrize(
  ('override', 'message'),
  [
    pytest.param('training.epochz=3', r"training\.epochz: unknown key 'epochz'\. Did you mean 'epochs'\?", id='typo'),
    pytest.param('bogus=3', r"bogus: unknown key 'bogus'\.", id='unknown_section'),
    pytest.param(
      'training.epochs=many', r"training\.epochs must be a whole number above 0.*got 'many'", id='wrong_type'
    ),
    pytest.param('training.learning_rate=-1', r'learning_rate must be a number above 0, got -1', id='impossible_value'),
    pytest.param(
      'split.eval_share=20',
      r'split\.eval_share must be a fraction in \[0, 1\), got 20\. For 20 % write 0\.2',
      id='percent',
    ),
    pytest.param(
      'split.method=hsh',
      r"split\.method must be one of hash, chronological, newest_span, got 'hsh'",
      id='unknown_choice',
    ),
    pytest.param('training={epochs: 5, steps: 10}', r'training: give either epochs or steps', id='two_lengths'),
    pytest.param('dataset.time.clock=utc', r'clock: utc needs a time_zone', id='utc_without_zone'),
    pytest.param('dataset.time.time_zone=Mars/Base', r"unknown time zone 'Mars/Base'", id='unknown_zone'),
    pytest.param('dataset.rules.fare={min: 5, max: 2}', r'min must not be larger than max', id='empty_range'),
    pytest.param('dataset.delimiter="§"', r"delimiter must be one ASCII character.*got '§'; usual", id='delimiter'),
    pytest.param("dataset.delimiter='\"'", r'delimiter must be one ASCII .* quotation mark or line end', id='quote'),
    pytest.param('dataset.delimiter=|', r"delimiter must be one ASCII character.*got ''; .* quoted", id='no_delimiter'),
    pytest.param('dataset.delimiter=a', r'delimiter must be one ASCII character, no letter', id='letter'),
    pytest.param('dataset.missing=[" "]', r"missing: ' ' is an empty cell, which is missing anyway", id='empty_word'),
    pytest.param('dataset.missing=["N/A "]', r"'N/A ' has white space at an end, .*; write 'N/A'\.", id='wide_word'),
    pytest.param(f'dataset.extras=[{KIND}, vocabulary: [" a"]}}]', r"'kind': ' a' has white space", id='wide_value'),
    pytest.param(f'dataset.extras=[{KIND}, vocabulary: [""]}}]', r"'kind': '' is an empty cell", id='empty_value'),
    pytest.param(
      f'dataset.extras=[{KIND}, vocabulary: [NA, b]}}]',
      r"'kind': 'NA' is also in dataset\.missing, and so never a value; leave it out of one",
      id='missing_value',
    ),
    pytest.param(f'dataset.extras=[{KIND}, vocabulary: [a, yes]}}]', r"quote each word, such as 'yes'", id='yes'),
    pytest.param(f'dataset.extras=[{KIND}, vocabulary: [a], unit: km}}]', r"unit of 'kind' has no effect", id='unit'),
    pytest.param(
      'features.crosses={enabled: true, crosses: []}', r'crosses\.crosses is empty; name one', id='no_cross'
    ),
    pytest.param(
      'features.crosses.crosses=[cell_pair, cell_pair]', r"crosses\.crosses has 'cell_pair' twice", id='cross_twice'
    ),
    pytest.param(
      'training.early_stopping.holdout=0', r'holdout must be a number above 0 and below 1, got 0', id='nothing_held_out'
    ),
    pytest.param('evaluation.slices.hours=[0, 24]', r'hours must be below 24, .*got 24', id='hour_of_no_day'),
    pytest.param(
      'study.reductions.methods=[]', r'methods must be a list of one or more texts, got \[\]', id='no_method'
    ),
    pytest.param('study.reductions.shares=[]', r'shares must be a list of one or more numbers', id='no_share'),
    pytest.param('study.embeddings.widths=[]', r'widths must be a list of one or more whole numbers', id='no_width'),
    pytest.param(
      'study.dimensions={features: [], noise: [], training_rides: []}',
      r'dimensions has no number to compare',
      id='no_dimension',
    ),
    pytest.param(
      'dataset.known_after_ride=[passenger_count]', r"'passenger_count' is known only after the ride", id='leak'
    ),
    pytest.param(
      'dataset.extras=[{name: fare_amount, column: x}]', r"extras: the name 'fare_amount' is taken", id='name_taken'
    ),
    pytest.param('dataset.rules.earliest=1900-01-01', r'32-bit seconds since 2009', id='too_early'),
    pytest.param('evaluation.slices.hours=[6, 10]', r'must start at 0 and rise', id='bands_do_not_start_at_zero'),
    pytest.param(
      'validation.max_missing_share={pickup_lat: 0.1}',
      r"unknown column 'pickup_lat'\. Did you mean 'pickup_latitude'\?",
      id='share_of_an_unknown_column',
    ),
    pytest.param(
      'name=Bad Name', r"- name must have lower-case letters, digits and hyphens .*, got 'Bad Name'\.", id='bad_name'
    ),
    pytest.param('name=-nyc', r"begin with a letter or digit .*, got '-nyc'", id='name_begins_with_a_hyphen'),
    pytest.param(f'name={"a" * 129}', r'have at most 128 characters', id='long_name'),
    pytest.param('name="nyc\\n"', r'name must have', id='name_ends_with_a_line_break'),
  ],
)
def test_refuses(override: str, message: str):
  with pytest.raises(ConfigError, match=message):
    loading.load('nyc', [override])


def test_tells_all_errors_at_once():
  with pytest.raises(ConfigError) as caught:
    loading.load('nyc', ['training.epochs=0', 'model.l2=-1', 'split.seeed=1'])
  text = str(caught.value)
  assert text.startswith('The config has 3 errors:')
  assert all(place in text for place in ('training.epochs', 'model.l2', 'split.seeed'))


def test_missing_keys_are_named():
  with pytest.raises(ConfigError, match=r'dataset is missing'):
    loading.validate({'name': 'x'})


@pytest.mark.parametrize(
  ('text', 'message'),
  [
    pytest.param('name: [', r'no valid YAML: .* in line', id='bad_yaml'),
    pytest.param('- 1\n- 2\n', r'must hold a mapping', id='a_list'),
    pytest.param('', r'must hold a mapping', id='empty'),
    pytest.param('extends: nowhere\n', r"No config file 'nowhere'", id='unknown_base'),
    pytest.param(f'extends: {"n" * 300}\n', r"No config file 'nnn", id='long_base'),
    pytest.param('a: 1\nb: {c: 2, c: 3}\n', r"no valid YAML: the key 'c' is there twice in line 2\.", id='key_twice'),
    pytest.param(f'a: {"[" * 200}{"]" * 200}\n', r'it nests more than 100 deep in line 1\.', id='deep'),
    pytest.param(f'a: {"9" * 5000}\n', r'a number is too large in line 1\.', id='digits'),
    pytest.param(f'a: 0x{"f" * 5000}\n', r'a number is too large in line 1\.', id='hexadecimal_digits'),
    pytest.param('a: 2026-99-99\n', r"'2026-99-99' is no timestamp in line 1\.", id='no_day'),
    pytest.param('a: !!float ""\n', r"'' is no float in line 1\.", id='empty_number'),
    pytest.param('a: 1\nb: !!bool perhaps\n', r"'perhaps' is no bool in line 2\.", id='no_bool'),
    pytest.param('a: "\\ud800"\n', r'half of a sign, which no file can hold in line 1\.', id='half_a_sign'),
    pytest.param('a: &x [*x]\n', r"'\*x' stands inside of what it means in line 1\.", id='endless'),
    pytest.param('extends: /dev/null\n', r"No config file '/dev/null'", id='device'),
    pytest.param('extends: ../other.yaml\n', r"'\.\./other\.yaml', which lies outside of '.*/mine'", id='outside'),
    pytest.param('extends: link.yaml\n', r"'link\.yaml', which lies outside of", id='link_to_outside'),
    pytest.param('extends: notes\n', r"'notes', which is no YAML file: its name ends in none of", id='no_yaml'),
    pytest.param('training: {recipes: notes}\n', r"recipe '.*notes' is no YAML file", id='recipe_no_yaml'),
    pytest.param(
      'training: {recipes: [{name: x, extends: ../other.yaml}]}\n', r'which lies outside', id='recipe_outside'
    ),
    pytest.param('training: {recipes: [half.yaml]}\n', r'which lies outside', id='extended_by_a_recipe'),
  ],
)
def test_refuses_files(tmp_path, text: str, message: str):
  folder = tmp_path / 'mine'
  folder.mkdir()
  (tmp_path / 'other.yaml').write_text('name: secret\n')
  (folder / 'link.yaml').symlink_to(tmp_path / 'other.yaml')
  (folder / 'notes').write_text('secret: 1\n')
  (folder / 'half.yaml').write_text('extends: ../other.yaml\n')
  file = folder / 'mine.yaml'
  file.write_text(text if 'training' not in text else f'extends: nyc\n{text}')
  with pytest.raises(ConfigError, match=message) as caught:
    loading.load(str(file))
  assert 'secret' not in str(caught.value)


LAUGHS = {
  'lists': ('[x, x]', '[{0}]'),
  'values': ('{{a: x, b: x}}', '{{a: {1}, b: {2}}}'),
  'keys': ('[x, x]', '{{? [{0}] : 1}}'),
  'merged': ('{{a: x}}', '{{<<: [{0}]}}'),
  'texts': (f'["{"x" * 5000}"]', '[{0}]'),
}
"""The first anchor, and each further one, of the ten aliases of the one before."""


@pytest.mark.parametrize('kind', LAUGHS)
def test_aliases_that_multiply_are_refused_at_once(tmp_path, kind: str):
  """Thirty anchors are 10 to the 30th values. In a process that may have little memory, and soon."""
  first, further = LAUGHS[kind]
  lines = [f'k0: &k0 {first.format()}']
  for number in range(1, 30):
    alias = f'*k{number - 1} '
    lines.append(f'k{number}: &k{number} {further.format(", ".join([alias] * 10), alias, alias)}')
  (tmp_path / 'mine.yaml').write_text('extends: nyc\n' + '\n'.join(lines) + '\n')
  program = (
    'import resource, sys\nfrom configs import loading\n'
    'resource.setrlimit(resource.RLIMIT_AS, (1 << 30, 1 << 30))\nresource.setrlimit(resource.RLIMIT_CPU, (20, 20))\n'
    'try:\n  loading.load(sys.argv[1])\nexcept loading.ConfigError as error:\n  print(error)\n'
  )
  done = subprocess.run([sys.executable, '-c', program, str(tmp_path / 'mine.yaml')], capture_output=True, text=True)
  assert 'holds more than 100,000 values, those behind aliases counted each time' in done.stdout, done.stderr[-500:]
  assert len(done.stdout) < 500


def test_aliases_that_nest_are_as_deep_as_what_they_mean(tmp_path):
  lines = ['k0: &k0 [x]', *(f'k{number}: &k{number} [*k{number - 1} ]' for number in range(1, 5000))]
  (tmp_path / 'mine.yaml').write_text('\n'.join(lines) + '\n')
  with pytest.raises(ConfigError, match=r'it nests more than 100 deep in line 1\d\d'):
    loading.load(str(tmp_path / 'mine.yaml'))


def test_an_alias_is_its_anchor(tmp_path):
  (tmp_path / 'mine.yaml').write_text('extends: nyc\ntraining: {epochs: &n 3, seed: *n }\n')
  training = loading.load(str(tmp_path / 'mine.yaml')).training
  assert (training.epochs, training.seed) == (3, 3)


def test_keys_that_a_merge_overrides_are_not_there_twice(tmp_path):
  (tmp_path / 'mine.yaml').write_text('extends: nyc\ntraining: {<<: {epochs: 3, seed: 1}, epochs: 4}\n')
  training = loading.load(str(tmp_path / 'mine.yaml')).training
  assert (training.epochs, training.seed) == (4, 1)


def test_extends_a_file_of_a_folder_below_that_extends_one_above_it(tmp_path):
  (tmp_path / 'below').mkdir()
  (tmp_path / 'base.yaml').write_text('extends: nyc\nname: base\n')
  (tmp_path / 'below' / 'middle.yaml').write_text('extends: ../base.yaml\ntraining: {epochs: 3}\n')
  (tmp_path / 'mine.yaml').write_text('extends: below/middle.yaml\n')
  config = loading.load(str(tmp_path / 'mine.yaml'))
  assert (config.name, config.training.epochs) == ('base', 3)


def test_extending_itself_is_refused(tmp_path):
  file = tmp_path / 'mine.yaml'
  file.write_text(f'extends: {file}\n')
  with pytest.raises(ConfigError, match='extends itself'):
    loading.load(str(file))


def test_unknown_file_names_the_presets():
  with pytest.raises(ConfigError, match=r"No config file 'nycc'\. Presets: chicago.*Did you mean 'nyc'\?"):
    loading.load('nycc')


@pytest.mark.parametrize('override', ['training', '=3', 'a..b=1'])
def test_malformed_override(override: str):
  with pytest.raises(ConfigError, match=r'--set takes section\.key=value'):
    loading.load('nyc', [override])


def test_the_hint_for_a_value_that_is_no_yaml_can_be_used():
  with pytest.raises(ConfigError) as caught:
    loading.load('nyc', ["dataset.time.format=%Y-%m-%d o'clock"])
  message, hint = str(caught.value).split('; quote a text inside, too: ')
  assert (
    message
    == "--set dataset.time.format: '%Y-%m-%d o'clock' is no valid YAML value (while scanning a directive in line 1)"
  )
  flag, override = shlex.split(hint)
  assert (flag, loading.load('nyc', [override]).dataset.time.format) == ('--set', "%Y-%m-%d o'clock")


def test_the_documented_daily_config_loads(tmp_path):
  [text] = re.findall(r'```yaml\n(# daily\.yaml\n.*?)```', (_DOCS / 'retraining.md').read_text(), re.DOTALL)
  (tmp_path / 'daily.yaml').write_text(text)
  config = loading.load(str(tmp_path / 'daily.yaml'))
  assert (config.name, config.dataset.name, config.retraining.window) == ('daily', 'nyc', 7)
  assert config.dataset.path == 'rides/{YYYY}/{MM}/{DD}/*.csv'


def test_override_below_a_value():
  with pytest.raises(ConfigError, match=r"'name' is a value, not a section"):
    loading.load('nyc', ['name.first=1'])


def test_dates_are_dates():
  assert loading.load('nyc').dataset.city.tariff_changes == (datetime.date(2012, 9, 4),)


@pytest.mark.parametrize(('vocabulary', 'width'), [(1, 1), (16, 2), (168, 4), (10_000, 10), (14_641, 11)])
def test_fourth_root(vocabulary: int, width: int):
  assert fourth_root(vocabulary) == width
