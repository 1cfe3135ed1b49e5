"""`docs/your-city.md`, block by block: its commands end well, and its config does what the page says of it."""

from __future__ import annotations

import csv
import json
import os
import pathlib
import re
import shlex
import subprocess
import sys

import numpy as np
import pytest
import yaml

from benchmarks import other_city
from configs import reference
from tests.conftest import REPOSITORY

PAGE = (REPOSITORY / 'docs' / 'your-city.md').read_text(encoding='utf-8')
BLOCKS = re.findall(r'^```(sh|yaml)\n(.*?)^```$', PAGE, re.DOTALL | re.MULTILINE)
QUICKLY = [
  *('--set', 'training.epochs=12', '--set', 'compression.schemes=int8', '--set', 'evaluation.bootstrap=100'),
  *('--set', 'compression.measurement.rounds=3', '--set', 'compression.measurement.calls=10'),
]
"""What a run on the page is given here beside its own words."""


@pytest.fixture(scope='module')
def followed(tmp_path_factory) -> tuple[pathlib.Path, dict[str, str]]:
  """The folder of who followed the page, and what each command said."""
  folder = tmp_path_factory.mktemp('city')
  said: dict[str, str] = {}
  for language, block in BLOCKS:
    if language == 'yaml':
      (folder / block.splitlines()[0].removeprefix('# ')).write_text(block, encoding='utf-8')
      continue
    for line in block.splitlines():
      said[line] = _follow(shlex.split(line, comments=True), folder)
  return folder, said


def _follow(words: list[str], folder: pathlib.Path) -> str:
  programs = {'farelite': ['-m', 'pipeline'], 'python': []}
  command = [sys.executable, *programs[words[0]], *words[1:], *(QUICKLY if words[1] == 'run' else [])]
  # The page's reader is in the checkout, where the benchmarks are found.
  found = os.environ | {'PYTHONPATH': str(REPOSITORY)}
  done = subprocess.run(command, cwd=folder, capture_output=True, text=True, env=found)
  assert done.returncode == 0, f'{shlex.join(words)}\n{done.stdout}\n{done.stderr}'
  return done.stdout


def test_every_command_ends_well(followed):
  _, said = followed
  assert {line.split()[1] for line in said if line.startswith('farelite')} == {
    'init', 'check', 'features', 'run', 'predict', 'config',
  }  # fmt: skip


def test_the_model_is_pushed_and_knows_the_rule(followed):
  """Oracle: the rule's own noise; without the page's settings the RMSE is three times as large."""
  folder, _ = followed
  summary = json.loads((folder / 'out/lisbon/summary.json').read_text())
  assert summary['status'] == 'pushed'
  assert summary['metrics']['rmse']['value'] < 1.0


def test_the_features_are_those_that_the_page_names(followed):
  _, said = followed
  [shown] = [text for line, text in said.items() if ' features ' in line]
  assert [
    name
    for name in ('pickup_airport_km', 'dropoff_in_south_bank', 'night_hours', 'service', 'bags')
    if name not in shown
  ] == []


def test_predictions_are_near_the_fares(followed):
  folder, _ = followed
  with (folder / 'fares.csv').open() as file:
    fares = [float(row['prediction']) if row['prediction'] else np.nan for row in csv.DictReader(file)]
  with (folder / 'rides/lisboa.csv').open(encoding='utf-8') as file:
    paid = [float(row['tarifa'].replace(',', '.')) for row in csv.DictReader(file, delimiter=';')]
  assert len(fares) == len(paid) == 8_000
  assert np.nanmean(np.abs(np.array(fares) - paid)) < 1.0


def test_the_schema_takes_the_page_s_config(followed):
  jsonschema = pytest.importorskip('jsonschema')
  folder, _ = followed
  schema = json.loads((folder / 'farelite.schema.json').read_text())
  for name in ('lisbon.yaml', 'mine.yaml'):
    values = json.loads(json.dumps(yaml.safe_load((folder / name).read_text(encoding='utf-8')), default=str))
    assert [error.message for error in jsonschema.Draft202012Validator(schema).iter_errors(values)] == []


def test_each_key_of_the_page_is_a_setting():
  named = re.findall(r'`((?:dataset|features|evaluation|compression|training|retraining|validation)\.[a-z_.]+)`', PAGE)
  known = {one.key for one in reference.settings()}
  assert [key for key in named if key not in known] == []


def test_the_rides_are_the_same_each_time(tmp_path):
  first, second = other_city.write(tmp_path / 'a', 50), other_city.write(tmp_path / 'b', 50)
  assert first.read_bytes() == second.read_bytes()
  shown = re.search(r'^```\n(viagem.*?)^```', PAGE, re.DOTALL | re.MULTILINE)[1].splitlines()
  with (tmp_path / 'whole').open('w') as file:
    csv.writer(file, delimiter=';').writerows([other_city.HEADER, next(iter(other_city.rides(8_000)))])
  assert (tmp_path / 'whole').read_text().splitlines() == shown
