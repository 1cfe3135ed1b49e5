"""Compiled pipelines, as the formats' own parsers and the backends' own clients read them."""

from __future__ import annotations

import json
import os
import pathlib
import subprocess
import sys

import kfp.components
import pytest
import yaml
from google.auth import credentials as auth
from google.cloud import aiplatform
from google.protobuf import json_format
from kfp.pipeline_spec import pipeline_spec_pb2

from configs.loading import presets
from pipeline.cloud.compiled import write_compiled
from pipeline.cloud.lint import lint
from pipeline.targets import Target
from tests.conftest import REPOSITORY
from tests.pipeline.cloud.conftest import PLATFORM, RIDES

CLOUD = [pytest.param(target, id=target.value) for target in (Target.VERTEX, Target.KFP)]


def _tasks(pipeline):
  return pipeline.spec['root']['dag']['tasks']


def _executors(pipeline):
  return pipeline.spec['deploymentSpec']['executors']


@pytest.mark.parametrize('target', CLOUD)
def test_strict_parsing(pipelines, target):
  """Oracle: protobuf, which refuses a field that the format does not have."""
  text = pipelines[target].text()
  spec = pipeline_spec_pb2.PipelineSpec()
  if target is Target.VERTEX:
    job = json_format.Parse(text, pipeline_spec_pb2.PipelineJob())
    json_format.ParseDict(json_format.MessageToDict(job.pipeline_spec), spec)
  else:
    json_format.ParseDict(yaml.safe_load(text), spec)
  json_format.ParseDict(json_format.MessageToDict(spec.deployment_spec), pipeline_spec_pb2.PipelineDeploymentConfig())
  assert spec.pipeline_info.name == 'nyc'
  assert spec.schema_version == '2.1.0'
  assert set(spec.components) == {task.component_ref.name for task in spec.root.dag.tasks.values()}


@pytest.mark.parametrize('target', CLOUD)
@pytest.mark.parametrize('preset', presets())
def test_every_preset_compiles(compiler, preset, target):
  assert lint(compiler(target, config=preset)) == []


@pytest.mark.parametrize('target', CLOUD)
def test_a_recipe_more_and_a_warm_start(compiler, target):
  pipeline = compiler(target, 'training.recipes=[dense,pqat_80,qat]', 'training.warm_start=true')
  assert lint(pipeline) == []
  assert 'recipe_qat' in _tasks(pipeline)['CompressionGate']['inputs']['artifacts']
  base = _tasks(pipeline)['PruningTrainer']['inputs']['artifacts']['base_model']['taskOutputArtifact']
  assert base['producerTask'] == 'WarmStartModel'


@pytest.mark.parametrize('target', CLOUD)
@pytest.mark.parametrize(
  'overrides',
  [
    pytest.param(['reduction.method=pca', 'reduction.components=8'], id='reduction'),
    pytest.param(['training.serve=pqat_80'], id='another_recipe_served'),
    pytest.param(
      ['beam.engine=dataflow', 'platform.vertex.project=shop', 'platform.vertex.region=europe-west4'], id='dataflow'
    ),
  ],
)
def test_what_else_a_config_may_switch_on(compiler, target, overrides):
  assert lint(compiler(target, *overrides)) == []


def test_vertex_resolves_and_runs_the_driver(pipelines):
  pipeline = pipelines[Target.VERTEX]
  resolvers = {name for name, executor in _executors(pipeline).items() if 'resolver' in executor}
  assert resolvers == {'BaselineStatistics_executor'}
  # Statistics are the earlier ones as long as this run has none.
  assert 'BaselineStatistics' in _tasks(pipeline)['StatisticsGen']['dependentTasks']
  hook = _executors(pipeline)['RideExampleGen_executor']['container']['lifecycle']['preCacheCheck']
  assert hook['command'][-1] == 'tfx.orchestration.kubeflow.v2.file_based_example_gen.driver'
  assert _tasks(pipeline)['RideExampleGen']['cachingOptions'] == {'enableCache': True}


def test_kfp_has_steps_instead(pipelines):
  pipeline = pipelines[Target.KFP]
  assert all('container' in executor for executor in _executors(pipeline).values())
  assert not any('lifecycle' in executor['container'] for executor in _executors(pipeline).values())
  assert pipeline.spec['defaultPipelineRoot'] == 'gs://shop-farelite/runs'
  baseline = _tasks(pipeline)['CompressionGate']['inputs']['artifacts']['served_model']['taskOutputArtifact']
  assert baseline == {'producerTask': 'ServedModel', 'outputArtifactKey': 'model'}
  # What reads more than its inputs say must never come from the cache; the rest may.
  uncached = {name for name, task in _tasks(pipeline).items() if 'cachingOptions' not in task}
  assert uncached == {'ServedModel', 'RideExampleGen'}


@pytest.mark.parametrize(
  ('target', 'overrides', 'window'),
  [
    pytest.param(Target.VERTEX, ['dataset.path=gs://rides/*/*.csv'], None, id='vertex_files_by_driver'),
    pytest.param(Target.VERTEX, ['dataset.path=gs://rides/**/*.csv'], 1, id='vertex_any_depth_by_step'),
    pytest.param(Target.VERTEX, ['dataset.path=gs://rides/{SPAN}/*.csv'], 1, id='vertex_single_by_step'),
    pytest.param(
      Target.VERTEX, ['dataset.path=gs://rides/{SPAN}/*.csv', 'retraining.window=7'], 7, id='vertex_window_by_step'
    ),
    pytest.param(Target.KFP, ['dataset.path=gs://rides/{YYYY}/{MM}/{DD}/*.csv'], 1, id='kfp_single_by_step'),
    pytest.param(
      Target.KFP, ['dataset.path=gs://rides/{YYYY}/{MM}/{DD}/*.csv', 'retraining.window=7'], 7, id='kfp_window_by_step'
    ),
  ],
)
def test_who_finds_the_spans(compiler, target, overrides, window):
  """Whoever looks at the data decides about the cache: the driver takes a fingerprint, the step does not."""
  pipeline = compiler(target, *overrides)
  task = _tasks(pipeline)['RideExampleGen']
  given = task['inputs']['parameters'].get('window')
  assert (given and given['runtimeValue']['constant']) == window
  assert ('cachingOptions' in task) == (window is None)
  assert ('lifecycle' in _executors(pipeline)['RideExampleGen_executor']['container']) == (window is None)


@pytest.mark.parametrize('target', CLOUD)
def test_same_bytes_elsewhere(pipelines, target, tmp_path):
  """Oracle: the command in another process, folder, home and hash seed."""
  output = tmp_path / f'pipeline.{"json" if target is Target.VERTEX else "yaml"}'
  sets = [word for setting in (*PLATFORM, RIDES) for word in ('--set', setting)]
  command = [sys.executable, '-m', 'pipeline', 'compile', '--target', target.value, '--config', 'nyc', *sets]
  environment = os.environ | {'PYTHONHASHSEED': '7', 'HOME': str(tmp_path), 'PYTHONPATH': str(REPOSITORY)}
  elsewhere = tmp_path / 'elsewhere'
  elsewhere.mkdir()
  result = subprocess.run(
    [*command, '--output', str(output)], env=environment, cwd=elsewhere, capture_output=True, text=True, check=False
  )
  assert result.returncode == 0, result.stderr
  assert output.read_text(encoding='utf-8') == pipelines[target].text()


@pytest.mark.parametrize('target', CLOUD)
def test_nothing_of_this_machine_or_of_the_account_is_in_it(compiler, target):
  text = compiler(
    target,
    'platform.vertex.project=secret-project',
    'platform.vertex.region=secret-region',
    'platform.vertex.service_account=secret@account',
    'platform.kfp.endpoint=http://secret-endpoint',
    'platform.kfp.namespace=secret-namespace',
  ).text()
  assert 'secret' not in text
  for path in (REPOSITORY, pathlib.Path(sys.prefix), pathlib.Path.home(), pathlib.Path.cwd()):
    assert str(path) not in text


@pytest.mark.parametrize('target', CLOUD)
def test_files_read_back(pipelines, target, tmp_path):
  path = tmp_path / 'deep' / 'pipeline.json'
  write_compiled(pipelines[target], path)
  assert yaml.safe_load(path.read_text(encoding='utf-8')) == (pipelines[target].job or pipelines[target].spec)
  assert [file.name for file in path.parent.iterdir()] == ['pipeline.json']


def test_the_kubeflow_client_loads_it(pipelines):
  component = kfp.components.load_component_from_text(pipelines[Target.KFP].text())
  assert component.pipeline_spec.pipeline_info.name == 'nyc'
  assert set(component.pipeline_spec.root.dag.tasks) == set(_tasks(pipelines[Target.KFP]))


def test_the_vertex_client_loads_it(pipelines, tmp_path):
  path = tmp_path / 'pipeline.json'
  write_compiled(pipelines[Target.VERTEX], path)
  job = aiplatform.PipelineJob(
    display_name='nyc',
    template_path=str(path),
    project='shop',
    location='europe-west4',
    credentials=auth.AnonymousCredentials(),
  )
  sent = json.loads(type(job._gca_resource).to_json(job._gca_resource))
  assert sent['pipelineSpec'] == pipelines[Target.VERTEX].spec
  assert sent['runtimeConfig']['gcsOutputDirectory'] == 'gs://shop-farelite/runs'
