"""Where rides can't be: every command says the same sentence, and ends with exit code 2."""

import pytest
from click.testing import CliRunner

from configs.errors import UserError
from pipeline.cli import main

COMMANDS = [
  pytest.param(['run'], id='run'),
  pytest.param(['retrain', '--window', '3'], id='retrain'),
  pytest.param(['study'], id='study'),
  pytest.param(['rehearse', '--target', 'kfp'], id='rehearse'),
  pytest.param(['compile', '--target', 'vertex'], id='compile'),
  pytest.param(['compile', '--target', 'kfp'], id='compile_kfp'),
]

PLACES = {
  's3://rides/*.csv': "'s3://rides/*.csv' is not in a bucket that TensorFlow reads by itself; use gs://BUCKET/...",
  'https://city.gov/rides.csv': "'https://city.gov/rides.csv' is not in a bucket that TensorFlow reads by itself",
  '/rides/**.csv': '** stands for folders at any depth, alone between two slashes',
  '/rides/{YYYY}/{MM}/x.csv': "The pattern '{YYYY}/{MM}/x.csv' has a date without {DD}.",
}


@pytest.mark.parametrize('place', PLACES)
@pytest.mark.parametrize('words', COMMANDS)
def test_one_sentence(words, place, tmp_path, monkeypatch):
  monkeypatch.chdir(tmp_path)
  output = 'out.json' if 'vertex' in words else 'out.yaml' if 'compile' in words else 'out'
  result = CliRunner().invoke(main, [*words, '--config', 'nyc', '--data', place, '--output', output])
  said = str(result.exception) if isinstance(result.exception, UserError) else result.output
  assert PLACES[place] in said
  assert result.exit_code == 2 or isinstance(result.exception, UserError)
