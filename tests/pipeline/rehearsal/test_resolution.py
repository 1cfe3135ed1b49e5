"""Resolvers over the rehearsal's own store; the queries are those in TFX's own test data."""

from __future__ import annotations

import importlib.util
import pathlib

import pytest
from google.protobuf import text_format
from kfp.pipeline_spec import pipeline_spec_pb2

from pipeline.rehearsal import invocation
from pipeline.rehearsal.spec import SpecError
from pipeline.targets import Target
from tests.pipeline.rehearsal.small_specs import Rehearsals, artifact_type, container, resolver, spec


def _queries(name: str) -> dict[str, dict[str, str]]:
  """Executor to output key to query, out of a file of TFX's test data."""
  package = importlib.util.find_spec('tfx')
  assert package and package.submodule_search_locations
  folder = pathlib.Path(package.submodule_search_locations[0]) / 'orchestration/kubeflow/v2/testdata'
  config = pipeline_spec_pb2.PipelineDeploymentConfig()
  text_format.Parse((folder / f'expected_{name}_resolver_executor.pbtxt').read_text(), config)
  return {
    label: {key: query.filter for key, query in executor.resolver.output_artifact_queries.items()}
    for label, executor in config.executors.items()
  }


def _blessed_pipeline(script: str) -> dict:
  """A trainer, an evaluator that blesses, and the model blessed last before them, as TFX compiles it."""
  queries = {key: text for found in _queries('latest_blessed_model').values() for key, text in found.items()}
  find_blessing = {'model_blessing': queries['model_blessing']}
  find_model = {'model': queries['model']}
  name = "evaluated = inputs['artifacts']['model']['artifacts'][0]['name']\n"
  return spec(
    {
      'FindBlessing': resolver(find_blessing, {'model_blessing': 'tfx.ModelBlessing'}),
      'FindModel': resolver(find_model, {'model': 'tfx.Model'}, inputs={'input': ('FindBlessing', 'model_blessing')}),
      'Train': container(outputs={'model': 'tfx.Model'}, after=['FindModel'], cache=False),
      'Evaluate': container(
        name + script,
        inputs={'model': ('Train', 'model'), 'baseline': ('FindModel', 'model')},
        outputs={'blessing': 'tfx.ModelBlessing'},
      ),
    }
  )


def _models(rehearsals: Rehearsals) -> list[str]:
  return [
    artifact['name'] for e in rehearsals.store._executions if e.task == 'Train' for artifact in e.outputs['model']
  ]


def _baseline(rehearsals: Rehearsals) -> list[str]:
  found = [e for e in rehearsals.store._executions if e.task == 'FindModel']
  return [artifact['name'] for artifact in found[-1].outputs['model']]


def test_the_next_rehearsal_finds_the_model_that_the_last_one_blessed(tmp_path: pathlib.Path):
  rehearsals = Rehearsals(tmp_path, Target.VERTEX)
  blesses = _blessed_pipeline('write(blessed=1.0, current_model_id=evaluated)')
  refuses = _blessed_pipeline('write(blessed=0.0, current_model_id=evaluated)')
  for content, expected in ((blesses, None), (refuses, 0), (refuses, 0), (blesses, 0), (refuses, 3)):
    assert [step.failure for step in rehearsals.run(content)] == [None] * 4
    assert _baseline(rehearsals) == ([] if expected is None else [_models(rehearsals)[expected]])


def test_another_pipeline_finds_nothing(tmp_path: pathlib.Path):
  rehearsals = Rehearsals(tmp_path, Target.VERTEX)
  rehearsals.run(_blessed_pipeline('write(blessed=1.0, current_model_id=evaluated)'))
  rehearsals.run(
    _blessed_pipeline('write(blessed=1.0, current_model_id=evaluated)') | {'pipelineInfo': {'name': 'other'}}
  )
  assert _baseline(rehearsals) == []


def _artifact(name: str, title: str = 'tfx.Model', **metadata: object) -> dict:
  return {'name': name, 'type': artifact_type(title), 'uri': f'gs://b/{name}', 'metadata': metadata, 'files': 1}


def test_latest_artifact_is_the_newest_of_its_type():
  [query] = [text for found in _queries('latest_artifact').values() for key, text in found.items() if key == 'model']
  newest_first = [_artifact('3', 'tfx.Examples'), _artifact('2'), _artifact('1')]
  assert invocation.newest(query, {}, newest_first) == newest_first[1]
  assert invocation.newest(query, {}, []) is None


@pytest.mark.parametrize(
  ('query', 'expected'),
  [
    pytest.param('metadata.span.number_value=2', '2', id='number'),
    pytest.param('metadata.city.string_value="nyc"', '1', id='text'),
    pytest.param('name="1"', '1', id='name'),
    pytest.param('state=DELETED', None, id='only_live_ones'),
    pytest.param("name=\"{{$.inputs.artifacts['input'].metadata['x']}}\"", None, id='refers_to_nothing'),
  ],
)
def test_clauses(query: str, expected: str | None):
  found = invocation.newest(query, {'artifacts': {}}, [_artifact('2', span=2.0), _artifact('1', span=1.0, city='nyc')])
  assert (found and found['name']) == expected


def test_an_unknown_clause_is_refused():
  with pytest.raises(SpecError, match=r"asks for 'create_time > 5', which a rehearsal can't look up"):
    invocation.newest('create_time > 5', {}, [])
