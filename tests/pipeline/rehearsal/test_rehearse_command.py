"""A user's mistakes end before the first step, in a sentence and with exit code 2."""

from __future__ import annotations

import pathlib
import re

import pytest
from click.testing import CliRunner

from pipeline import cli


@pytest.mark.parametrize(
  ('arguments', 'sentence'),
  [
    pytest.param(['--target', 'argo'], "'argo' is not one of 'vertex', 'kfp'", id='unknown_target'),
    pytest.param([], "Missing option '--target'", id='no_target'),
    pytest.param(['--target', 'kfp', '--data', 'none/*.csv'], "No file matches '.*none/", id='no_rides'),
    pytest.param(
      ['--target', 'vertex', '--data', 'gs://company/rides/*.csv'],
      'is a bucket, which a rehearsal has as a folder',
      id='bucket',
    ),
    pytest.param(['--target', 'kfp', '--set', 'training.epochz=1'], "unknown key 'epochz'", id='config'),
  ],
)
def test_mistakes(arguments: list[str], sentence: str, tmp_path: pathlib.Path):
  result = CliRunner().invoke(cli.main, ['rehearse', '--output', str(tmp_path / 'out'), *arguments])
  assert result.exit_code == 2
  assert re.search(sentence, result.output), result.output
