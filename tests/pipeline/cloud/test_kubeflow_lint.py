"""The linter refuses what a backend would: each case breaks one thing in a pipeline that is well."""

from __future__ import annotations

import copy
import dataclasses
import re

import pytest

from pipeline.cloud.lint import lint
from pipeline.targets import Target


def _broken(pipeline, change):
  """A copy of a compiled pipeline with one thing changed."""
  job = copy.deepcopy(pipeline.job)
  spec = job['pipelineSpec'] if job else copy.deepcopy(pipeline.spec)
  replaced = change(spec) or {}
  return dataclasses.replace(pipeline, spec=spec, job=job, **replaced)


def _container(spec, step):
  return spec['deploymentSpec']['executors'][f'{step}_executor']['container']


def _parameter(spec, step, key):
  return spec['root']['dag']['tasks'][step]['inputs']['parameters'][key]['runtimeValue']


def _name(spec):
  spec['pipelineInfo']['name'] = 'New_York'


def _schema(spec):
  spec['schemaVersion'] = '2.2.0'


def _no_image(spec):
  _container(spec, 'StatisticsGen').pop('image')


def _no_root(spec):
  return {'pipeline_root': ''}


def _local_root(spec):
  return {'pipeline_root': '/tmp/root'}


def _foreign_root(spec):
  return {'pipeline_root': 'minio://mlpipeline/v2'}


def _executor(spec):
  arguments = _container(spec, 'CompressionGate')['args']
  arguments[arguments.index('--executor_class_path') + 1] = 'components.compression_gate.component.Gone'


def _module(spec):
  _container(spec, 'CompressionGate')['command'] = ['python', '-m', 'components.nowhere']


def _user_function(spec):
  _parameter(spec, 'PruningTrainer', 'run_fn')['constant'] = 'models.run_function.run_fn'


def _producer(spec):
  source = spec['root']['dag']['tasks']['ExampleValidator']['inputs']['artifacts']['statistics']
  source['taskOutputArtifact']['producerTask'] = 'StatisticGen'


def _output(spec):
  source = spec['root']['dag']['tasks']['ExampleValidator']['inputs']['artifacts']['statistics']
  source['taskOutputArtifact']['outputArtifactKey'] = 'stats'


def _upstream(spec):
  spec['root']['dag']['tasks']['Pusher']['dependentTasks'].append('InfraValidator')


def _component(spec):
  spec['root']['dag']['tasks']['Pusher']['componentRef']['name'] = 'Bulk'


def _artifact_type(spec):
  artifacts = spec['components']['RideExampleGen']['outputDefinitions']['artifacts']
  artifacts['quarantine']['artifactType'] = {'instanceSchema': 'title: Quarantine\ntype: object\n'}


def _local_rides(spec):
  _parameter(spec, 'RideExampleGen', 'input_base')['constant'] = '/data/rides'


def _foreign_rides(spec):
  _parameter(spec, 'RideExampleGen', 'input_base')['constant'] = 's3://rides'


def _local_push(spec):
  _parameter(spec, 'Pusher', 'push_destination')['constant'] = '{"filesystem": {"base_directory": "/srv/models"}}'


def _local_inside(spec):
  _parameter(spec, 'PruningTrainer', 'custom_config')['constant'] = '{"checkpoints": "../checkpoints"}'


def _unset_parameter(spec):
  spec['root']['inputDefinitions'] = {'parameters': {'epochs': {'parameterType': 'NUMBER_INTEGER'}}}


def _undeclared_parameter(spec):
  parameters = spec['root']['dag']['tasks']['PruningTrainer']['inputs']['parameters']
  parameters['epochs'] = {'componentInputParameter': 'epochs'}


def _unknown_field(spec):
  spec['root']['dag']['tasks']['Pusher']['retryPolice'] = {}


CASES = {
  'bad_name': (_name, "The pipeline's name 'New_York' is refused"),
  'schema_too_new': (_schema, "schema version '2.2.0', and .* takes .*2.1"),
  'no_image': (_no_image, 'StatisticsGen has no image; set platform.image or FARELITE_IMAGE'),
  'no_root': (_no_root, "The pipeline root '' is no folder in a bucket; set platform.pipeline_root"),
  'local_root': (_local_root, "The pipeline root '/tmp/root' is no folder in a bucket"),
  'root_in_a_store_tensorflow_can_not_write': (_foreign_root, "The pipeline root 'minio://mlpipeline/v2' is no folder"),
  'executor_does_not_import': (_executor, "CompressionGate: the executor 'components.*Gone' does not import"),
  'module_does_not_exist': (_module, "CompressionGate runs the module 'components.nowhere', which does not exist"),
  'user_function_does_not_exist': (_user_function, "PruningTrainer.run_fn: there is no module 'models.run_function'"),
  'unknown_producer': (_producer, r"ExampleValidator.statistics comes from the task 'StatisticGen'.*Did you mean '"),
  'unknown_output': (_output, "takes the output 'stats' of StatisticsGen, which has no such output"),
  'unknown_upstream': (_upstream, "Pusher waits for the task 'InfraValidator'"),
  'unknown_component': (_component, "Pusher refers to the component 'Bulk'"),
  'artifact_type_does_not_import': (_artifact_type, "artifact type 'Quarantine', which does not import"),
  'local_rides': (_local_rides, "dataset.path or --data: '/data/rides' is on this machine.*gs://BUCKET"),
  'rides_in_a_store_tensorflow_can_not_read': (
    _foreign_rides,
    "dataset.path or --data: 's3://rides' is not in a bucket",
  ),
  'local_push': (_local_push, "platform.serving: '/srv/models' is on this machine"),
  'local_path_inside_json': (_local_inside, "PruningTrainer.custom_config: '../checkpoints' is on this machine"),
  'parameter_without_value': (_unset_parameter, "The RuntimeParameter 'epochs' has no value"),
  'parameter_not_declared': (_undeclared_parameter, "PruningTrainer.epochs refers to the RuntimeParameter 'epochs'"),
  'unknown_field': (_unknown_field, 'The spec is no PipelineSpec: .*retryPolice'),
}


@pytest.mark.parametrize('target', [pytest.param(target, id=target.value) for target in (Target.VERTEX, Target.KFP)])
@pytest.mark.parametrize(('change', 'message'), [pytest.param(*case, id=name) for name, case in CASES.items()])
def test_one_sentence_for_one_mistake(pipelines, target, change, message):
  found = lint(_broken(pipelines[target], change))
  assert len(found) == 1, found
  assert re.search(message, found[0])


def test_a_well_formed_pipeline_passes(pipelines):
  assert {target: lint(pipeline) for target, pipeline in pipelines.items()} == {Target.VERTEX: [], Target.KFP: []}


def test_resolver_on_kfp(pipelines):
  vertex = pipelines[Target.VERTEX]
  found = lint(dataclasses.replace(vertex, target=Target.KFP, job=None))
  assert [sentence.split(' is ')[0] for sentence in found] == ['BaselineStatistics']
  assert all("a Resolver, which Kubeflow Pipelines can't run" in sentence for sentence in found)


@pytest.mark.parametrize(
  ('target', 'refused'), [pytest.param(Target.VERTEX, False, id='vertex'), pytest.param(Target.KFP, True, id='kfp')]
)
def test_older_schema(pipelines, target, refused):
  """KFP's backend knows no 2.0; Vertex does."""
  broken = _broken(pipelines[target], lambda spec: spec.update(schemaVersion='2.0.0'))
  assert bool(lint(broken)) == refused


def test_a_parameter_with_a_value_passes(pipelines):
  def give(spec):
    _unset_parameter(spec)
    spec['root']['inputDefinitions']['parameters']['epochs']['defaultValue'] = 3

  assert lint(_broken(pipelines[Target.KFP], give)) == []


def test_what_only_looks_like_a_path_passes(pipelines):
  """A slash as a delimiter, a share of a path inside a sentence, a regular expression."""

  def change(spec):
    _parameter(spec, 'RideExampleGen', 'dataset')['constant'] = '{"delimiter": "/", "missing": ["n/a", "-/-"]}'

  assert lint(_broken(pipelines[Target.KFP], change)) == []
