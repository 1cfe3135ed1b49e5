"""Small specs, real processes: what a step is given, what it sees, what comes of what it wrote."""

from __future__ import annotations

import json
import os
import pathlib

import pytest

from pipeline.targets import Target
from tests.pipeline.rehearsal.small_specs import Rehearsals, container, resolver, spec

DUMP = """
write(json.dumps({'input': executor_input, 'environment': dict(os.environ), 'work': os.getcwd(),
                  'files': os.listdir('.'), 'home_files': os.listdir(os.environ['HOME']), 'argv': sys.argv[2:]}))
"""


@pytest.fixture(params=[Target.VERTEX, Target.KFP], ids=['vertex', 'kfp'])
def rehearsals(request: pytest.FixtureRequest, tmp_path: pathlib.Path) -> Rehearsals:
  """An empty directory for each backend."""
  return Rehearsals(tmp_path, request.param)


@pytest.fixture
def on_vertex(tmp_path: pathlib.Path) -> Rehearsals:
  """An empty directory for Vertex."""
  return Rehearsals(tmp_path, Target.VERTEX)


def _dumped(rehearsals: Rehearsals, task: str = 'Dump') -> dict:
  [execution] = [e for e in rehearsals.store._executions if e.task == task]
  [artifact] = execution.outputs['out']
  return json.loads((rehearsals.buckets.path(artifact['uri']) / 'file').read_text())


def test_a_step_sees_only_what_a_pod_gives_it(rehearsals: Rehearsals, monkeypatch: pytest.MonkeyPatch):
  monkeypatch.setenv('PYTHONPATH', str(pathlib.Path.cwd()))
  monkeypatch.setenv('GOOGLE_APPLICATION_CREDENTIALS', '/home/me/key.json')
  given = [{'name': 'MODE', 'value': 'strict'}]
  rehearsals.run(spec({'Dump': container(DUMP, outputs={'out': 'tfx.Model'}, env=given)}), variables={'TF_X': '1'})
  seen = _dumped(rehearsals)
  assert set(seen['environment']) - {'LC_CTYPE'} == {'PATH', 'HOME', 'TMPDIR', 'LANG', 'HOSTNAME', 'MODE', 'TF_X'}
  assert seen['files'] == seen['home_files'] == []
  assert seen['work'] != str(pathlib.Path.cwd()) and seen['environment']['HOME'] != os.environ['HOME']


def test_vertex_metadata_goes_to_the_bucket_and_kfp_metadata_stays_in_the_pod(rehearsals: Rehearsals):
  """TFX's temporary folder lies beside that file, so on KFP it is no bucket's."""
  rehearsals.run(spec({'Dump': container(DUMP, outputs={'out': 'tfx.Model'})}))
  output_file = _dumped(rehearsals)['input']['outputs']['outputFile']
  in_bucket = output_file.startswith(str(rehearsals.buckets.folder))
  assert in_bucket == (rehearsals.target is Target.VERTEX)
  ending = 'executor_output.json' if in_bucket else 'kfp_outputs/output_metadata.json'
  assert output_file.endswith(ending)


def test_parameters_travel_as_the_schema_has_them(on_vertex: Rehearsals):
  task = container(DUMP, outputs={'out': 'tfx.Model'}, parameters={'epochs': 3.0, 'name': 'wide'})
  task['executor']['container']['args'] += ["--epochs={{$.inputs.parameters['epochs']}}", '{{$.pipeline_task_name}}']
  on_vertex.run(spec({'Dump': task}))
  seen = _dumped(on_vertex)
  assert 'parameters' not in seen['input']['inputs']
  assert seen['input']['inputs']['parameterValues'] == {'epochs': 3.0, 'name': 'wide'}
  assert seen['argv'] == ['--epochs=3', 'Dump']


def test_what_a_step_wrote_about_an_artifact_reaches_the_next_one(rehearsals: Rehearsals):
  tasks = {
    'Make': container("write('weights', blessed=1, of='me')", outputs={'model': 'tfx.Model'}),
    'Dump': container(DUMP, inputs={'model': ('Make', 'model')}, outputs={'out': 'tfx.Model'}),
  }
  rehearsals.run(spec(tasks))
  [artifact] = _dumped(rehearsals)['input']['inputs']['artifacts']['model']['artifacts']
  assert artifact['metadata'] == {'blessed': 1, 'of': 'me'}
  assert (pathlib.Path(artifact['uri']) / 'file').read_text() == 'weights'
  # The store and the spec keep the bucket's own names.
  [execution] = [e for e in rehearsals.store._executions if e.task == 'Make']
  assert execution.outputs['model'][0]['uri'].startswith('gs://fares/root/')
  assert execution.outputs['model'][0]['name'] == artifact['name']


def test_buckets_are_folders_in_parameters_and_mounts(on_vertex: Rehearsals):
  parameters = {'config': '{"base": "gs://other/rides"}', 'mount': '/gcs/other/rides'}
  on_vertex.run(spec({'Dump': container(DUMP, outputs={'out': 'tfx.Model'}, parameters=parameters)}))
  seen = _dumped(on_vertex)['input']['inputs']['parameterValues']
  folder = str(on_vertex.buckets.folder / 'other/rides')
  assert json.loads(seen['config'])['base'] == seen['mount'] == folder


def test_independent_tasks_run_side_by_side_and_dependent_ones_wait(rehearsals: Rehearsals):
  """Left and Right each wait for the other's sign: alone, neither would end."""
  meet = """
import time
folder = pathlib.Path(inputs['parameterValues']['folder'])
folder.mkdir(parents=True, exist_ok=True)
(folder / inputs['parameterValues']['me']).touch()
for _ in range(400):
  if (folder / inputs['parameterValues']['other']).exists(): break
  time.sleep(0.05)
else: sys.exit(3)
write()
"""
  common = {'folder': 'gs://fares/meeting'}
  tasks = {
    'Left': container(meet, outputs={'out': 'tfx.Model'}, parameters={**common, 'me': 'l', 'other': 'r'}),
    'Right': container(meet, outputs={'out': 'tfx.Model'}, parameters={**common, 'me': 'r', 'other': 'l'}),
    'Last': container(inputs={'a': ('Left', 'out'), 'b': ('Right', 'out')}),
  }
  steps = rehearsals.run(spec(tasks))
  assert [step.failure for step in steps] == [None, None, None]
  assert rehearsals.recorder.order[-2:] == ['+Last', '-Last']


def test_files_left_in_the_pod_are_reported_and_gone(on_vertex: Rehearsals):
  script = "pathlib.Path('notes.txt').write_text('x'); write()"
  [step] = on_vertex.run(spec({'Make': container(script, outputs={'out': 'tfx.Model'})}))
  assert step.outcome and step.outcome.left_behind == ['notes.txt']
  on_vertex.run(spec({'Make': container(DUMP, outputs={'out': 'tfx.Model'})}))
  assert _dumped_last(on_vertex)['files'] == []


def _dumped_last(rehearsals: Rehearsals) -> dict:
  [artifact] = rehearsals.store._executions[-1].outputs['out']
  return json.loads((rehearsals.buckets.path(artifact['uri']) / 'file').read_text())


def test_the_driver_hook_runs_on_vertex_alone_and_before_the_cache(rehearsals: Rehearsals):
  """The hook's parameter, a fingerprint of files, decides about the cache."""
  hook = (
    "import json,sys,pathlib; o=json.loads(sys.argv[1])['outputs'];"
    "count=len(list(pathlib.Path(o['outputFile']).parents[3].glob('rides/*')));"
    "pathlib.Path(o['outputFile']).write_text(json.dumps({'parameterValues': {'fingerprint': str(count)}}))"
  )
  lifecycle = {'preCacheCheck': {'command': ['python', '-c', hook], 'args': ['{{$}}']}}
  task = spec({'Ingest': container(DUMP, outputs={'out': 'tfx.Examples'}, lifecycle=lifecycle)})
  rides = rehearsals.buckets.path('gs://fares/root/rides')
  rides.mkdir(parents=True)
  (rides / 'one.csv').touch()
  assert rehearsals.states(task) == {'Ingest': 'complete'}
  parameters = _dumped_last(rehearsals)['input']['inputs'].get('parameterValues', {})
  assert rehearsals.states(task) == {'Ingest': 'cached'}
  (rides / 'two.csv').touch()
  if rehearsals.target is Target.VERTEX:
    assert parameters == {'fingerprint': '1'}
    assert rehearsals.states(task) == {'Ingest': 'complete'}
  else:  # Kubeflow Pipelines does not look at the rides: it takes what it has.
    assert parameters == {}
    assert rehearsals.states(task) == {'Ingest': 'cached'}


def test_importer_takes_what_is_in_the_bucket(on_vertex: Rehearsals):
  importer = {
    'artifactUri': {'constant': 'gs://other/schema'},
    'typeSchema': {'instanceSchema': 'title: tfx.Schema\n'},
    'metadata': {'kind': 'curated'},
  }
  tasks = {
    'Import': {**container(outputs={'result': 'tfx.Schema'}), 'executor': {'importer': importer}},
    'Dump': container(DUMP, inputs={'schema': ('Import', 'result')}, outputs={'out': 'tfx.Model'}),
  }
  assert 'Import: imports gs://other/schema, where there is no file' in on_vertex.failure(spec(tasks))
  path = on_vertex.buckets.path('gs://other/schema')
  path.mkdir(parents=True)
  (path / 'schema.pbtxt').touch()
  on_vertex.run(spec(tasks))
  [artifact] = _dumped(on_vertex)['input']['inputs']['artifacts']['schema']['artifacts']
  assert (artifact['uri'], artifact['metadata']) == (str(path), {'kind': 'curated'})


def test_kfp_has_no_resolvers(tmp_path: pathlib.Path):
  tasks = {'Find': resolver({'model': 'schema_title="tfx.Model" AND state=LIVE'}, {'model': 'tfx.Model'})}
  assert Rehearsals(tmp_path, Target.KFP).failure(spec(tasks)) == (
    'Find: is a Resolver; Kubeflow Pipelines refuses a pipeline that has one.'
  )


def test_on_a_mounted_volume_nobody_makes_folders(rehearsals: Rehearsals):
  """A step that relies on a bucket's ways fails there; one that makes its own folder passes."""
  outputs = {'out': 'tfx.Model'}
  careful = "pathlib.Path(uri(outputs, 'out')).mkdir(parents=True)\nwrite()"
  assert [step.failure for step in rehearsals.run(spec({'Careless': container(outputs=outputs, cache=False)}))] == [
    None
  ]
  [step] = rehearsals.run(spec({'Again': container(outputs=outputs, cache=False)}), mounted=True)
  assert step.failure and 'is not there' in step.failure
  assert [
    step.failure for step in rehearsals.run(spec({'Careful': container(careful, outputs=outputs)}), mounted=True)
  ] == [None]
