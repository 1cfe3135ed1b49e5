"""The command line: mistakes are one sentence with exit code 2, help is quick to import."""

import subprocess
import sys

import pytest
from click.testing import CliRunner

from configs import loading
from pipeline.cli import main
from pipeline.commands import doctor
from pipeline.local.terminal import VisibleConsole
from pipeline.options import overridden
from tests.pipeline.made_run import made_run
from tests.pipeline.made_store import MadeStore


def _farelite(*arguments: str, cwd: str | None = None) -> subprocess.CompletedProcess[str]:
  return subprocess.run([sys.executable, '-m', 'pipeline', *arguments], capture_output=True, text=True, cwd=cwd)


@pytest.mark.parametrize(
  ('arguments', 'message'),
  [
    pytest.param(['--config', 'nowhere.yaml'], "No config file 'nowhere.yaml'. Presets: chicago", id='no_config'),
    pytest.param(['--set', 'training.epochz=1'], "unknown key 'epochz'. Did you mean 'epochs'?", id='unknown_key'),
    pytest.param(['--config', 'nyc'], 'No data: give --data FILE_OR_GLOB', id='no_data'),
    pytest.param(['--output', '/dev/null'], "'/dev/null' is a file, not a directory", id='output_is_a_file'),
  ],
)
def test_mistakes(arguments: list[str], message: str):
  result = _farelite('run', *arguments)
  assert result.returncode == 2
  assert message in result.stderr
  assert 'Traceback' not in result.stderr


@pytest.mark.parametrize(
  'words',
  [
    ['run', '--output', ''], ['run', '--config', ''], ['run', '--data', ''], ['features', '--config', ' '],
    ['study', '--output', ''], ['prune', ''], ['rollback', '', '--reason', 'x'], ['runs', 'show', ''], ['report', ''],
    ['init', ''], ['init', 'rides.csv', '--output', ''], ['init', 'rides.csv', '--column', ''],
    ['check', '--config', ''],
    ['schedule', 'pause', ''], ['predict', '', 'rides.csv'], ['predict', 'model', ''], ['serve', ''],
  ],
  ids=' '.join,
)  # fmt: skip
def test_an_empty_word_names_nothing(words: list[str], tmp_path, monkeypatch):
  monkeypatch.chdir(tmp_path)
  result = CliRunner().invoke(main, words)
  assert result.exit_code == 2
  assert ' is empty; say what it should be' in result.stderr
  assert not list(tmp_path.iterdir())


_SCHEDULE = ['schedule', 'create', '--cron', '0 3 * * *', '--time-zone', 'UTC', '--config', 'nyc', '--target']


@pytest.mark.parametrize(
  ('words', 'message'),
  [
    pytest.param(['retrain', '--from', '1', '--to', '2', '--force'], '--force has no effect in', id='force'),
    pytest.param(['study', '--markdown', '--quick', '--data', 'x'], '--data and --quick have no effect',
                 id='quick_markdown'),
    pytest.param(['study', '--markdown', '--output', 'x', '--set', 'name=x'], '--set has no effect with',
                 id='set_of_a_named_study'),
    pytest.param([*_SCHEDULE, 'kfp', '--output', 'x'], '--output has no effect with --target kfp, only with local',
                 id='output_in_a_cloud'),
    pytest.param([*_SCHEDULE, 'vertex', '--units', 'x'], '--units has no effect with --target vertex', id='units'),
    pytest.param([*_SCHEDULE, 'local', '--cluster-time-zone', 'UTC'], '--cluster-time-zone has no effect',
                 id='cluster_zone'),
    pytest.param(['schedule', 'list', '--config', 'nyc'], '--config has no effect with --target local', id='list'),
    pytest.param(['schedule', 'pause', 'x', '--target', 'kfp', '--units', 'x'], '--units has no effect', id='pause'),
    pytest.param(['predict', __file__, 'x.csv', '--config', 'nyc', '--set', 'training.epochs=3'],
                 '--set training.epochs has no effect on a prediction', id='predict_set'),
    pytest.param(['run', '--config', 'nyc', '--data', 'x.csv', '--window', '3'],
                 'retraining.window has no effect while dataset.path (--data) has no spans', id='window'),
  ],
)  # fmt: skip
def test_an_option_without_effect_is_refused(words: list[str], message: str, tmp_path, monkeypatch):
  monkeypatch.chdir(tmp_path)
  result = CliRunner().invoke(main, words)
  assert result.exit_code == 2
  assert message in result.stderr
  assert not list(tmp_path.iterdir())


def test_a_console_goes_on_where_nobody_reads(tmp_path):
  program = (
    'import pathlib, sys\n'
    'from pipeline.local.terminal import captured\n'
    "with captured(pathlib.Path('log')) as console:\n"
    "  for _ in range(9999): console.print('x' * 99)\n"
    "  print('all of it')\n"
  )
  shell = f'set -o pipefail; {sys.executable} -c "$0" | true'
  done = subprocess.run(['bash', '-c', shell, program], cwd=tmp_path, capture_output=True, text=True)
  assert (done.returncode, done.stderr) == (0, '')
  assert (tmp_path / 'log').read_text() == 'all of it\n'


def test_a_console_shows_controls(capsys):
  VisibleConsole(force_terminal=True, highlight=False).print('[bold]a\x1b[31mb[/bold]')
  assert capsys.readouterr().out == '\x1b[1ma\\u001b[31mb\x1b[0m\n'


def test_no_file_matches_is_said_before_the_run(tmp_path):
  result = _farelite('run', '--config', 'nyc', '--data', f'{tmp_path}/*.csv', '--output', str(tmp_path / 'out'))
  assert result.returncode == 2
  assert f"No file matches '{tmp_path}/*.csv'" in result.stderr
  assert not (tmp_path / 'out' / 'serving').exists()


FRAMEWORKS = {'tensorflow', 'tfx', 'apache_beam', 'ml_metadata', 'pandas', 'scipy', 'sklearn', 'matplotlib'}
LIGHT = {
  'run --help': FRAMEWORKS | {'pyarrow', 'pydantic', 'numpy'},
  'features --config nyc': FRAMEWORKS,
  'config show training': FRAMEWORKS | {'pyarrow'},
  'config schema': FRAMEWORKS | {'pyarrow'},
  'report {run}': FRAMEWORKS,
  'runs {run}': FRAMEWORKS - {'ml_metadata'} | {'pyarrow', 'numpy'},
  'rollback {store} --reason x': FRAMEWORKS - {'ml_metadata'} | {'pyarrow'},
  'prune --dry-run --set retention.runs=1 {store}': FRAMEWORKS - {'ml_metadata'},
  'doctor': FRAMEWORKS,
}
"""What a command that answers within a second may not load; `predict` and an unchanged `run` are tested apart."""


@pytest.mark.parametrize(('command', 'heavy'), LIGHT.items(), ids=LIGHT)
def test_what_answers_within_a_second_loads_nothing_heavy(tmp_path, command, heavy):
  """Oracle: the modules that are loaded, not a clock."""
  if '{run}' in command:
    MadeStore(tmp_path)  # For `runs`.
    command = command.format(run=made_run(tmp_path))
  if '{store}' in command:
    made = MadeStore(tmp_path)
    for version in (1, 2):
      made.run(version=version)
    command = command.format(store=tmp_path)
  program = (
    'import sys, pipeline.cli\n'
    'from click.testing import CliRunner\n'
    f'done = CliRunner().invoke(pipeline.cli.main, {command.split()})\n'
    "print(done.exit_code, sorted({name.split('.')[0] for name in sys.modules}))\n"
  )
  done = subprocess.run([sys.executable, '-c', program], capture_output=True, text=True, check=True)
  loaded = done.stdout.splitlines()[-1]
  assert loaded.startswith('0 '), done.stdout
  assert {module for module in heavy if f"'{module}'" in loaded} == set()


def test_doctor_finds_a_damaged_package(tmp_path, monkeypatch):
  """Oracle: the lists of files that pip writes, of a whole package, a torn file, a lost one, and no package at all."""
  made = tmp_path / 'apache_beam-2.0.dist-info'
  made.mkdir()
  (made / 'METADATA').write_text('Name: apache-beam\nVersion: 2.0\n')
  (made / 'RECORD').write_text('"a,b.py",sha256=x,3\nc.pyc,,\nd.pyc,,9\napache_beam-2.0.dist-info/RECORD,,\n')
  (tmp_path / 'a,b.py').write_text('1+1')
  monkeypatch.setattr(sys, 'path', [str(tmp_path)])
  monkeypatch.setattr(doctor, '_PAIRS', {'tfx': ('1.21',)})
  monkeypatch.setattr(doctor, '_UNPAIRED', ('apache-beam',))
  assert doctor._files().ok
  (tmp_path / 'a,b.py').write_text('1+')
  assert (doctor._files().ok, doctor._files().text) == (False, 'a,b.py is of 2 bytes, not 3')
  (tmp_path / 'a,b.py').unlink()
  assert (doctor._files().ok, doctor._files().text) == (False, 'a,b.py is gone')
  monkeypatch.setattr(doctor, '_UNPAIRED', ('apache-beam', 'ml-metadata'))
  assert doctor._files().text == 'a,b.py is gone (2 findings)'


def test_doctor_loads_packages_where_it_is_asked_to():
  result = _farelite('doctor', '--imports')
  for text in ('tensorflow   adds up, imported in', 'ran a pipeline', 'ML Metadata opens an SQLite store'):
    assert text in result.stdout


def test_features_lists_meaning_and_unit():
  result = _farelite('features', '--config', 'nyc', '--set', 'features.crosses.enabled=true')
  assert result.returncode == 0, result.stderr
  for text in ('haversine_km', 'km', 'day_of_week', 'Monday', 'hour_of_week', '168'):
    assert text in result.stdout


def test_suggests_no_hidden_option():
  result = CliRunner().invoke(main, ['retrain', '--windw', '3'])
  assert result.exit_code == 2
  assert '--window' in result.stderr
  assert '--now' not in result.stderr


@pytest.mark.parametrize(
  'data', ['*.csv', '{YYYY}/{MM}/{DD}/*.csv', '[ab].csv', "O'Hare #1: a.csv", 'Zürich/*.csv', '5', 'null']
)
def test_any_glob_is_taken_as_it_is_typed(data):
  assert loading.load('nyc', overridden((), data, None)).dataset.path == data
