"""When a second rehearsal takes what the first one made."""

from __future__ import annotations

import pathlib
import shutil
from typing import Any

import pytest

from pipeline.targets import Target
from tests.pipeline.rehearsal.small_specs import Rehearsals, container, spec


def _chain(**of_first: Any) -> dict[str, dict[str, Any]]:
  parameters = {'epochs': 3.0}
  return {
    'First': container(**{'outputs': {'out': 'tfx.Examples'}, 'parameters': parameters, **of_first}),
    'Second': container(inputs={'in': ('First', 'out')}, outputs={'out': 'tfx.Model'}),
  }


@pytest.fixture(params=[Target.VERTEX, Target.KFP], ids=['vertex', 'kfp'])
def rehearsals(request: pytest.FixtureRequest, tmp_path: pathlib.Path) -> Rehearsals:
  """A directory after one rehearsal."""
  rehearsals = Rehearsals(tmp_path, request.param)
  assert rehearsals.states(spec(_chain())) == {'First': 'complete', 'Second': 'complete'}
  return rehearsals


@pytest.mark.parametrize(
  ('changed', 'first', 'second'),
  [
    pytest.param({}, 'cached', 'cached', id='nothing'),
    pytest.param({'parameters': {'epochs': 4.0}}, 'complete', 'complete', id='a_parameter'),
    pytest.param({'script': 'write("y")'}, 'complete', 'complete', id='the_command'),
    pytest.param({'image': 'fares:2'}, 'complete', 'complete', id='the_image'),
    pytest.param({'env': [{'name': 'A', 'value': 'b'}]}, 'complete', 'complete', id='the_environment'),
    pytest.param({'outputs': {'out': 'tfx.Dataset'}}, 'complete', 'complete', id='an_output'),
    pytest.param({'cache': False}, 'complete', 'complete', id='caching_switched_off'),
  ],
)
def test_what_the_cache_depends_on(changed: dict[str, Any], first: str, second: str, rehearsals: Rehearsals):
  """Second takes a new artifact of First as another input, whatever is in it."""
  assert rehearsals.states(spec(_chain(**changed))) == {'First': first, 'Second': second}


def test_another_pipeline_shares_nothing(rehearsals: Rehearsals):
  assert set(rehearsals.states(spec(_chain(), name='other')).values()) == {'complete'}


def test_a_failed_task_is_not_taken_from_the_cache(rehearsals: Rehearsals):
  broken = spec(_chain(script='sys.exit(1)'))
  assert rehearsals.failure(broken) and rehearsals.failure(broken)


def test_a_line_that_a_killed_rehearsal_half_wrote_is_skipped(rehearsals: Rehearsals):
  with (rehearsals.directory / 'executions.jsonl').open('a') as file:
    file.write('{"run": "r", "pipel')
  assert set(rehearsals.states(spec(_chain())).values()) == {'cached'}


def test_cached_files_that_are_gone_fail_where_they_are_read(rehearsals: Rehearsals):
  """A backend's cache does not look at the bucket, so the next step would look for them in vain."""
  [first] = [e for e in rehearsals.store._executions if e.task == 'First']
  shutil.rmtree(rehearsals.buckets.path(first.outputs['out'][0]['uri']))
  sentence = rehearsals.failure(spec(_chain()))
  assert sentence.startswith("Second: its input 'in' from First has lost its files: gs://fares/root/")
