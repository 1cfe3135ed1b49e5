"""`farelite compile`: mistakes are reported before anything is written."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest
import yaml

from pipeline.cloud.settings import TargetError
from pipeline.commands import cloud
from pipeline.sources import DataSourceError
from tests.pipeline.cloud.conftest import PLATFORM, RIDES


@pytest.fixture(autouse=True)
def _empty_environment(monkeypatch):
  for name in ('FARELITE_IMAGE', 'FARELITE_PIPELINE_ROOT'):
    monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize(
  ('target', 'overrides', 'output', 'error', 'message'),
  [
    pytest.param('kfp', PLATFORM, 'nyc.json', TargetError, 'has to end with .yaml, which kfp takes', id='json_for_kfp'),
    pytest.param('vertex', PLATFORM, 'nyc.yaml', TargetError, 'has to end with .json', id='yaml_for_vertex'),
    pytest.param('kfp', PLATFORM, 'nyc.yaml', DataSourceError, 'No data: give --data', id='no_rides'),
    pytest.param(
      'kfp', [RIDES], 'nyc.yaml', TargetError, 'No image: set platform.image or FARELITE_IMAGE', id='no_image'
    ),
    pytest.param('kfp', [RIDES, PLATFORM[0]], 'nyc.yaml', TargetError, 'No pipeline root: set platform', id='no_root'),
    pytest.param(
      'kfp',
      [*PLATFORM, 'dataset.path=/data/rides/*.csv'],
      'nyc.yaml',
      TargetError,
      "kfp would refuse this pipeline:\n  - dataset.path or --data: '/data/rides' is on this machine",
      id='local_rides',
    ),
  ],
)
def test_mistakes(target, overrides, output, error, message, tmp_path):
  with pytest.raises(error) as raised:
    cloud.compile_to_file(target, 'nyc', None, overrides, str(tmp_path / output))
  assert message in str(raised.value)
  assert list(tmp_path.iterdir()) == []


def test_what_was_compiled_is_told_as_json(tmp_path, capsys):
  file = tmp_path / 'nyc.yaml'
  cloud.compile_to_file('kfp', 'nyc', None, [*PLATFORM, RIDES], str(file), as_json=True)
  told = json.loads(capsys.readouterr().out)
  assert (told['file'], told['target'], told['schema']) == (str(file), 'kfp', '2.1.0')
  assert told['tasks'] == sorted(next(yaml.safe_load_all(file.read_text()))['root']['dag']['tasks'])


@pytest.mark.parametrize(
  ('words', 'missing'),
  [
    pytest.param(
      ['compile', '--target', 'vertex', '--output', 'nyc.json'],
      ['No image', 'No pipeline root', 'No data'],
      id='compile',
    ),
    pytest.param(
      ['submit', '--target', 'vertex'],
      ['No image', 'No pipeline root', 'No project', 'No region', 'No credentials', 'No data'],
      id='vertex',
    ),
    pytest.param(
      ['submit', '--target', 'kfp'], ['No image', 'No pipeline root', 'No Kubeflow endpoint', 'No data'], id='kfp'
    ),
  ],
)
def test_all_that_is_missing_is_told_at_once(words: list[str], missing: list[str], tmp_path):
  """Oracle: the lines of standard error, and the modules that the process has loaded."""
  program = (
    'import sys\n'
    'from pipeline.cli import main\n'
    f'code = 0\ntry: main({[*words, "--config", "nyc"]})\nexcept SystemExit as end: code = end.code\n'
    "print(code, [name for name in ('tfx', 'tensorflow', 'kfp', 'apache_beam') if name in sys.modules])"
  )
  bare = {
    name: value for name, value in os.environ.items() if not name.startswith(('FARELITE_', 'GOOGLE_', 'CLOUDSDK_'))
  }
  # No machine of Google's answers on this port.
  bare |= {
    'HOME': str(tmp_path),
    'GCE_METADATA_HOST': '127.0.0.1:9',
    'GCE_METADATA_TIMEOUT': '1',
    'NO_GCE_CHECK': 'true',
  }
  done = subprocess.run([sys.executable, '-c', program], env=bare, capture_output=True, text=True)
  assert done.stdout.splitlines()[-1] == '2 []'
  first, *lines = done.stderr.splitlines()
  assert first == f'Error: {len(missing)} things are missing:'
  assert [line for line, word in zip(lines, missing, strict=True) if not line.startswith(f'  - {word}')] == []
