"""The entry of a container writes what TFX's own entry writes."""

from __future__ import annotations

import argparse
import json
import pathlib
from typing import Any

import pytest
from tfx.orchestration.kubeflow.v2.container import kubeflow_v2_run_executor

from pipeline.cloud import step

NAME = 'projects/0/locations/here/metadataStores/default/artifacts/1'
SPEC = json.dumps({'parameters': {'count': {'parameterType': 'NUMBER_INTEGER'}}})


def _artifact(folder: pathlib.Path, key: str, title: str) -> dict[str, Any]:
  schema = {'instanceSchema': f'title: tfx.{title}\ntype: object\n'}
  return {'artifacts': [{'name': NAME, 'uri': str(folder / key), 'type': schema}]}


def _invocation(folder: pathlib.Path) -> dict[str, Any]:
  types = {'model': 'Model', 'blessing': 'ModelBlessing', 'text': 'String', 'number': 'Float', 'count': 'Integer'}
  made = {key: _artifact(folder, key, title) for key, title in {**types, 'truth': 'Boolean'}.items()}
  wanted = ('text', 'number', 'count', 'truth')
  return {
    'inputs': {
      'artifacts': {'model': _artifact(folder, 'served', 'Model')},
      'parameterValues': {'count': 2, 'name': 'a', 'driven': 'before'},
      'parameters': {'count': {'intValue': '2'}, 'name': {'stringValue': 'a'}},
    },
    'outputs': {
      'artifacts': made,
      'parameters': {key: {'outputFile': str(folder / f'{key}.txt')} for key in wanted},
      'outputFile': str(folder / 'task_1' / 'executor_output.json'),
    },
  }


def _output(folder: pathlib.Path) -> dict[str, Any]:
  text = (folder / 'task_1' / 'executor_output.json').read_text()
  return dict(json.loads(text.replace(str(folder), 'FOLDER')))


@pytest.mark.parametrize('spec', [SPEC, None], ids=['typed', 'untyped'])
@pytest.mark.parametrize('kind', ['Plain', 'ByBeam', 'Evaluator', 'FareEvaluator'])
def test_the_entry_writes_what_tfxs_entry_writes(tmp_path, kind, spec):
  """Oracle: TFX's entry, on the same invocation after the same driver; artifacts, parameters, arguments for Beam.

  FareEvaluator's blessing names the model as that of TFX's Evaluator, though it is none of its classes.
  """
  beam = ['--setup_file=/setup.py']
  for name, called in (('theirs', kind.removeprefix('Fare')), ('ours', kind)):
    path = f'tests.pipeline.cloud.step_executors.{called}'
    folder = tmp_path / name
    (folder / 'task_1').mkdir(parents=True)
    driven = {'parameterValues': {'driven': 'after'}, 'parameters': {'driven': {'stringValue': 'after'}}}
    (folder / 'task_1' / 'executor_output.json').write_text(json.dumps(driven))
    invocation = json.dumps(_invocation(folder))
    if name == 'ours':
      step.run(path, invocation, spec, [*beam])
    else:
      words = {'executor_class_path': path, 'json_serialized_invocation_args': invocation}
      arguments = argparse.Namespace(**words, json_serialized_inputs_spec_args=spec)
      kubeflow_v2_run_executor._run_executor(arguments, [*beam])
  ours = _output(tmp_path / 'ours')
  assert ours == _output(tmp_path / 'theirs')
  assert ours['parameterValues'] == {'text': 'a', 'number': 2.5, 'count': 3.0, 'truth': True}
  blessing = ours['artifacts']['blessing']['artifacts'][0]['metadata']
  assert (blessing['current_model_id'] == NAME) == kind.endswith('Evaluator')
  given = ours['artifacts']['model']['artifacts'][0]['metadata']['given']
  assert "('driven', 'after')" in given
  assert f"'{'_extra_flags' if kind == 'Plain' else '_beam_pipeline_args'}': ['--setup_file=/setup.py'" in given


def test_an_output_parameter_without_a_value_is_refused(tmp_path):
  invocation = _invocation(tmp_path)
  invocation['outputs']['parameters']['model'] = {'outputFile': 'x'}
  with pytest.raises(ValueError, match='An output parameter needs one artifact that holds a string'):
    step.run('tests.pipeline.cloud.step_executors.Plain', json.dumps(invocation), SPEC, [])
