"""What the linter says does not depend on the order in which a spec lists its parts, which YAML leaves open.

Oracle: the same spec written the other way round.
"""

from __future__ import annotations

import copy
import dataclasses

import pytest

from pipeline.cloud.lint import lint
from pipeline.targets import Target


def _reversed(value):
  """The same mappings, their last entry first; lists keep their order."""
  if isinstance(value, dict):
    return {key: _reversed(inner) for key, inner in reversed(value.items())}
  return [_reversed(inner) for inner in value] if isinstance(value, list) else value


def _with_mistakes(spec):
  """Two or more of each kind, in steps that lie apart."""
  tasks, executors = spec['root']['dag']['tasks'], spec['deploymentSpec']['executors']
  for step in ('StatisticsGen', 'CompressionGate', 'RideSchema'):
    executors[f'{step}_executor']['container'].pop('image')
  for step, key in (('RideExampleGen', 'quarantine'), ('CompressionGate', 'report'), ('PruningTrainer', 'model')):
    # One type, in several places: it is told of once.
    spec['components'][step]['outputDefinitions']['artifacts'][key]['artifactType'] = {
      'instanceSchema': 'title: Gone\ntype: object\n'
    }
  for key in ('statistics', 'schema'):
    tasks['ExampleValidator']['inputs']['artifacts'][key]['taskOutputArtifact']['producerTask'] = 'Nobody'
  tasks['Pusher']['inputs']['artifacts']['model']['taskOutputArtifact']['outputArtifactKey'] = 'nothing'
  for step in ('Pusher', 'AnomalyGate'):
    tasks[step].setdefault('dependentTasks', []).append('Nobody')
  for step, key in (('PruningTrainer', 'custom_config'), ('QuantizationRewriter', 'cache')):
    tasks[step]['inputs']['parameters'][key]['runtimeValue']['constant'] = '/srv/here'
  for step in ('PruningTrainer', 'AnomalyGate'):
    for name in ('zeal', 'haste'):
      tasks[step]['inputs']['parameters'][name] = {'componentInputParameter': name}
  spec['root']['inputDefinitions'] = {
    'parameters': {name: {'parameterType': 'NUMBER_INTEGER'} for name in ('width', 'depth')}
  }


@pytest.mark.parametrize('target', [pytest.param(target, id=target.value) for target in (Target.VERTEX, Target.KFP)])
def test_the_same_mistakes_are_told_in_the_same_order(pipelines, target):
  compiled = pipelines[target]
  job = copy.deepcopy(compiled.job)
  spec = job['pipelineSpec'] if job else copy.deepcopy(compiled.spec)
  _with_mistakes(spec)
  there = lint(dataclasses.replace(compiled, spec=spec, job=job))
  job = _reversed(job)
  back = lint(dataclasses.replace(compiled, spec=job['pipelineSpec'] if job else _reversed(spec), job=job))
  assert back == there
  assert len(there) == len(set(there)) >= 14
  by_step = [found.split(' ')[0] for found in there if 'has no image' in found]
  assert by_step == sorted(by_step) != []
  assert [found.split(' ')[0] for found in there if "artifact type 'Gone'" in found] == ['CompressionGate.report']
  assert [found.split("'")[1] for found in there if 'has no value' in found] == ['depth', 'width']
