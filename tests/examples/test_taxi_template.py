"""TFX's taxi template, changed as `docs/components.md` says, on the template's own runner."""

import itertools
import os
import pathlib
import re
import subprocess
import sys

import numpy as np
import pytest

from models.lite.interpreter import LiteRunner
from models.release import verify
from tests.conftest import REPOSITORY

PAGE = (REPOSITORY / 'docs' / 'components.md').read_text(encoding='utf-8').partition("## TFX's taxi template")[2]
ROWS = 3000


def _block(kind):
  [found] = re.findall(rf'^```{kind}\n(.*?)^```', PAGE, re.DOTALL | re.MULTILINE)
  return found


@pytest.fixture(scope='module')
def pushed(tmp_path_factory):
  """The folder of the pushed version, of a template whose steps and features are switched on."""
  import tfx
  from tfx.tools.cli import labels
  from tfx.tools.cli.handler import template_handler

  root = tmp_path_factory.mktemp('template')
  taxi = root / 'taxi'
  flags = {labels.MODEL: 'taxi', labels.PIPELINE_NAME: 'taxi', labels.DESTINATION_PATH: str(taxi)}
  template_handler.copy_template(flags)
  rides = pathlib.Path(tfx.__file__).parent / 'examples' / 'chicago_taxi_pipeline' / 'data' / 'simple' / 'data.csv'
  (taxi / 'data').mkdir(exist_ok=True)
  with rides.open(encoding='utf-8') as lines:
    (taxi / 'data' / 'data.csv').write_text(''.join(itertools.islice(lines, ROWS)), encoding='utf-8')
  pipeline, features = taxi / 'pipeline' / 'pipeline.py', taxi / 'models' / 'features.py'
  pipeline.write_text(re.sub(r'^( +)# (components\.append)', r'\1\2', pipeline.read_text(), flags=re.MULTILINE))
  features.write_text(_with_all_features(features.read_text()))
  [command] = re.findall(r'^```\n(touch .*?)^```', PAGE, re.DOTALL | re.MULTILINE)
  subprocess.run(command, shell=True, check=True, cwd=taxi)
  (taxi / 'compression.py').write_text(_block('python'))
  subprocess.run(['git', 'apply', '-p0', '-'], input=_block('diff'), text=True, check=True, cwd=taxi)
  script = 'from taxi import local_runner; local_runner.run()'
  paths = f'{root}:{REPOSITORY}'
  subprocess.run(
    [sys.executable, '-c', script], check=True, cwd=root, env={**os.environ, 'PYTHONPATH': paths}, timeout=500
  )
  [version] = root.glob('tfx_pipeline_output/taxi/serving_model/*')
  return version


def _with_all_features(text):
  """What the template has commented out, in the place of what it has not."""
  start, comments, rest = re.split(r'^# Uncomment below .*\n((?:#.*\n)+)', text, flags=re.MULTILINE)
  return start + re.sub(r'^# ?', '', comments, flags=re.MULTILINE) + rest


def test_the_change_is_short():
  added = [line[1:] for line in _block('diff').splitlines() if line.startswith('+') and not line.startswith('+++')]
  lines = [line for line in (*added, *_block('python').splitlines()) if line.strip()]
  assert len(lines) <= 40


def test_a_small_file_is_pushed(pushed):
  """It takes what Transform makes, text as the numbers of a vocabulary, and tells tips better than a coin."""
  manifest = verify(pushed)
  assert manifest.metrics.accuracy.value > 0.6
  assert {'trip_miles_xf', 'payment_type_xf', 'company_xf'} <= {column.name for column in manifest.inputs}
  runner = LiteRunner(pushed / 'model.tflite')
  rows = {name: np.zeros([3, 1], kind) for name, kind in runner.inputs.items()}
  found = runner.predict(rows)
  assert found.shape == (3,) and ((found >= 0) & (found <= 1)).all()
