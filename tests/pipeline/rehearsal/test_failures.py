"""What a cluster would fail on is one sentence; every one of a real process."""

from __future__ import annotations

import json
import os
import pathlib
import re
import time
from typing import Any

import pytest

from pipeline.rehearsal import spec as rehearsal_spec
from pipeline.rehearsal.spec import SpecError
from pipeline.targets import Target
from tests.pipeline.rehearsal.small_specs import Rehearsals, container, spec

CASES = [
  pytest.param(
    container('import components.not_packaged'),
    "the module 'components.not_packaged' is not in the wheel; give its folder an __init__.py",
    id='module_that_the_wheel_lacks',
  ),
  pytest.param(
    container('import shapely'),
    "the module 'shapely' is not in the image; add its package to setup.py and the lock",
    id='library_that_the_image_lacks',
  ),
  pytest.param(
    container(parameters={'input_config': '{"splits": [{"pattern": "/home/me/rides/*.csv"}]}'}),
    "has the absolute local path '/home/me/rides/\\*.csv' in input_config.splits.0.pattern: no pod",
    id='local_path_in_a_parameter',
  ),
  pytest.param(
    container(env=[{'name': 'RIDES', 'value': '/srv/rides/all.csv'}]),
    "has the absolute local path '/srv/rides/all.csv' in env.0.value",
    id='local_path_in_the_environment',
  ),
  pytest.param(
    container("open('rides.csv')"),
    r"'rides.csv' is not there: a pod has only what came through its inputs \(exit code 1\)",
    id='file_that_only_this_machine_has',
  ),
  pytest.param(
    container("raise ValueError('The eval split is empty.')"),
    r'The eval split is empty \(exit code 1\)\. Its log: .*/Fails.log',
    id='exception',
  ),
  pytest.param(
    container("print('out of luck'); sys.exit(3)"), 'ended with exit code 3: out of luck', id='exit_code_without_one'
  ),
  pytest.param(
    container('import os, signal; os.kill(os.getpid(), signal.SIGKILL)'), r'was killed \(signal 9\)', id='killed'
  ),
  pytest.param(
    container(command=['fareliter', 'run']), 'ended with exit code 127: fareliter: No such file', id='no_such_program'
  ),
  pytest.param(
    container(args=["{{$.inputs.artifacts['model'].uri}}"]),
    r"uses the placeholder {{\$.inputs.artifacts\['model'\].uri}}, but there is no such input",
    id='placeholder_of_nothing',
  ),
  pytest.param(
    container(args=['{{$.workspace_path}}']),
    r'{{\$.workspace_path}}, which no launcher knows',
    id='unknown_placeholder',
  ),
  pytest.param(
    container("pathlib.Path(outputs['outputFile']).write_text('{\"modell\": 1}')"),
    'wrote output metadata that no launcher reads: .*modell',
    id='unknown_field_in_the_metadata',
  ),
]


@pytest.mark.parametrize(('task', 'sentence'), CASES)
def test_failures_are_sentences(task: dict[str, Any], sentence: str, tmp_path: pathlib.Path):
  failure = Rehearsals(tmp_path, Target.VERTEX).failure(spec({'Fails': task}))
  assert re.match(f'Fails: .*{sentence}', failure), failure


def test_a_step_that_fails_for_an_empty_input_says_so(tmp_path: pathlib.Path):
  tasks = {
    'Make': container("pathlib.Path(outputs['outputFile']).write_text('{}')", outputs={'out': 'tfx.Examples'}),
    'Read': container("open(uri(inputs, 'examples') + '/file')", inputs={'examples': ('Make', 'out')}),
  }
  failure = Rehearsals(tmp_path, Target.KFP).failure(spec(tasks))
  assert re.match(
    r"Read: 'gs://fares/root/.*/file' is not there: .*Make left no file in its 'examples' \(gs://", failure
  ), failure


def test_nothing_begins_after_a_failure(tmp_path: pathlib.Path):
  tasks = {'A': container('sys.exit(1)'), 'B': container(after=['A']), 'C': container(after=['B'])}
  steps = Rehearsals(tmp_path, Target.VERTEX).run(spec(tasks))
  assert [step.step.state.value for step in steps] == ['failed']


def test_an_interrupted_rehearsal_takes_its_processes_with_it(tmp_path: pathlib.Path):
  """Ctrl-C as the second task begins, while the first one sleeps for longer than a test may last."""
  asleep = (
    "import time; pathlib.Path(outputs['outputFile']).with_name('pid').write_text(str(os.getpid())); time.sleep(900)"
  )
  rehearsals = Rehearsals(tmp_path, Target.VERTEX)

  def started(name: str) -> None:
    if name == 'B':
      while not (pid_file := list(tmp_path.rglob('pid'))) or not pid_file[0].read_text():
        time.sleep(0.05)
      raise KeyboardInterrupt

  rehearsals.recorder.started = started  # type: ignore[method-assign]
  with pytest.raises(KeyboardInterrupt):
    rehearsals.run(spec({'A': container(asleep), 'B': container()}))
  [pid_file] = tmp_path.rglob('pid')
  with pytest.raises(ProcessLookupError):
    os.kill(int(pid_file.read_text()), 0)


def _loaded(tmp_path: pathlib.Path, content: dict[str, Any]) -> rehearsal_spec.ReadPipeline:
  path = tmp_path / 'spec.yaml'
  path.write_text(json.dumps(content))
  return rehearsal_spec.load(path)


def _changed(task: dict[str, Any]) -> dict[str, Any]:
  content = spec({'A': container(), 'B': container()})
  content['root']['dag']['tasks']['B'] |= task
  return content


@pytest.mark.parametrize(
  ('content', 'sentence'),
  [
    pytest.param(
      spec({}) | {'schemaVersion': '2.0.0'}, r"has schema version '2\.0\.0'; a rehearsal takes 2\.1", id='older_schema'
    ),
    pytest.param(spec({}) | {'pipelineinfo': {}}, r'is no compiled pipeline: .*pipelineinfo', id='unknown_field'),
    pytest.param(
      _changed({'dependentTasks': ['C']}), "The task 'B' waits for 'C', which the spec does not have", id='unknown_task'
    ),
    pytest.param(
      _changed({'triggerPolicy': {'condition': "inputs.x == 'y'"}}),
      "'B' has a condition .* none can be",
      id='condition',
    ),
    pytest.param(
      spec({'A': container(after=['B']), 'B': container(after=['A'])}), 'wait for each other in a circle', id='circle'
    ),
  ],
)
def test_specs_that_cannot_run(content: dict[str, Any], sentence: str, tmp_path: pathlib.Path):
  with pytest.raises(SpecError, match=sentence):
    _loaded(tmp_path, content)
