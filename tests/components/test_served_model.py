"""The served model where there is no Resolver, and what its absence means for later steps."""

from __future__ import annotations

import pathlib

import pytest
from tfx.types import standard_artifacts

from components.resolvers.served_model import VERSION_PROPERTY, ServedModelExecutor, without_absent


def _version(base: pathlib.Path, name: str) -> pathlib.Path:
  """A version as the Pusher leaves it."""
  for file in ('variables/variables.index', 'model.tflite', 'saved_model.pb'):
    path = base / name / file
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f'{file} of {name}')
  return base / name


def _run(push_destination: pathlib.Path, uri: pathlib.Path) -> standard_artifacts.Model:
  model = standard_artifacts.Model()
  model.uri = str(uri)
  parameters = {'push_destination': str(push_destination), 'code_version': '1'}
  ServedModelExecutor().Do({}, {'model': [model]}, parameters)
  return model


def test_the_model_is_copied_as_a_trainer_writes_it(tmp_path):
  version = _version(tmp_path / 'serving', '3')
  model = _run(tmp_path / 'serving', tmp_path / 'model')
  assert model.get_string_custom_property(VERSION_PROPERTY) == '3'
  copied = tmp_path / 'model' / 'Format-Serving'
  files = {path.relative_to(version): path.read_text() for path in version.rglob('*') if path.is_file()}
  assert {path.relative_to(copied): path.read_text() for path in copied.rglob('*') if path.is_file()} == files
  inputs = {'baseline_model': [model], 'examples': []}
  assert without_absent(inputs, 'baseline_model') == inputs


def test_an_empty_output_means_no_baseline(tmp_path):
  """KFP has no output that may be missing: the artifact is there, its files are not."""
  model = _run(tmp_path / 'serving', tmp_path / 'model')
  assert model.get_string_custom_property(VERSION_PROPERTY) == ''
  assert without_absent({'baseline_model': [model], 'examples': []}, 'baseline_model') == {'examples': []}


@pytest.mark.parametrize('inputs', [pytest.param({}, id='left_out'), pytest.param({'baseline_model': []}, id='empty')])
def test_what_a_resolver_leaves_out_stays_out(inputs):
  assert without_absent(inputs, 'baseline_model') == {}
