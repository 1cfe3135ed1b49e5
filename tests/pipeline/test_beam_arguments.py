"""Settings become options that Beam's own classes read back as they were meant."""

import pytest
from apache_beam.options.pipeline_options import (
  DirectOptions,
  FlinkRunnerOptions,
  GoogleCloudOptions,
  PipelineOptions,
  PortableOptions,
  SparkRunnerOptions,
  StandardOptions,
  WorkerOptions,
)
from apache_beam.runners import create_runner
from tfx.dsl.components.base import executor_spec
from tfx.utils import dependency_utils

from configs import loading
from configs.beam import BEAM_STEPS, Engine, EngineSettings
from configs.loading import ConfigError
from configs.recipe import DENSE
from pipeline import beam as pipeline_beam
from pipeline.beam import BeamContext, check, step_arguments
from pipeline.dag import Places, build_nodes
from pipeline.sources import data_source

BUCKET = BeamContext('gs://bucket/root', image='registry/farelite:1', project='taxi', region='europe-west4')
LOCAL = BeamContext('/out')


def arguments(*overrides, step='StatisticsGen', context=LOCAL):
  beam = loading.load('nyc', [f'beam.{override}' for override in overrides]).beam
  return step_arguments(beam, step, context)


def options(*overrides, context=LOCAL):
  found = arguments(*overrides, context=context)
  # Oracle for every flag: Beam leaves none of them unread.
  _, unknown = pipeline_beam._parser().parse_known_args(found)
  assert not unknown
  return PipelineOptions(found)


def test_nothing_is_fetched_by_default():
  """Beam's DirectRunner would ask the network for Prism's binary."""
  assert arguments() == ['--runner=apache_beam.runners.portability.fn_api_runner.FnApiRunner', pipeline_beam.INSTALLED]


def test_every_setting_is_an_option_of_beams():
  known = pipeline_beam.known_options()
  for engine in Engine:
    settings = type(EngineSettings.model_fields[engine.value].default)
    assert set(settings.model_fields) <= set(known)


def test_direct_workers():
  found = options('direct.direct_running_mode=multi_processing', 'direct.direct_num_workers=2')
  assert found.view_as(DirectOptions).direct_running_mode == 'multi_processing'
  assert found.view_as(DirectOptions).direct_num_workers == 2
  assert found.view_as(StandardOptions).runner == 'apache_beam.runners.portability.fn_api_runner.FnApiRunner'


@pytest.mark.parametrize(
  'override',
  [
    pytest.param('direct.direct_running_mode=multi_threading', id='direct'),
    pytest.param('extra.direct_runner_bundle_repeat=1', id='extra_alone'),
  ],
)
def test_tfx_builds_no_package_of_itself(override, monkeypatch):
  monkeypatch.setattr(dependency_utils, 'build_ephemeral_package', lambda: pytest.fail('TFX packs itself'))
  found = arguments(override)
  assert dependency_utils.make_beam_dependency_flags(found) == found


def test_dataflow_takes_from_the_platform_what_the_config_does_not_say():
  found = options('engine=dataflow', 'dataflow.region=us-east1', 'dataflow.max_num_workers=8', context=BUCKET)
  cloud = found.view_as(GoogleCloudOptions)
  assert (cloud.project, cloud.region) == ('taxi', 'us-east1')
  assert cloud.temp_location == cloud.staging_location == 'gs://bucket/root/beam'
  workers = found.view_as(WorkerOptions)
  assert (workers.sdk_container_image, workers.max_num_workers) == ('registry/farelite:1', 8)


@pytest.mark.parametrize(('written', 'read'), [('true', True), ('false', False), ('null', None)])
def test_public_addresses_of_workers(written, read):
  found = options('engine=dataflow', f'dataflow.use_public_ips={written}', context=BUCKET)
  assert found.view_as(WorkerOptions).use_public_ips is read


def test_dataflow_takes_project_and_region_from_the_environment(monkeypatch):
  monkeypatch.setenv('GOOGLE_CLOUD_PROJECT', 'from-environment')
  monkeypatch.setenv('CLOUDSDK_COMPUTE_REGION', 'asia-east1')
  cloud = options('engine=dataflow', context=BeamContext('gs://b/r', image='i')).view_as(GoogleCloudOptions)
  assert (cloud.project, cloud.region) == ('from-environment', 'asia-east1')


@pytest.mark.parametrize(
  ('context', 'message'),
  [
    pytest.param(LOCAL, r"beam.engine: dataflow's workers can't reach '/out' on this machine", id='local_root'),
    pytest.param(
      BeamContext('gs://b/r', image='i', region='r'),
      r'beam.dataflow.project is missing.*export FARELITE_PROJECT',
      id='project',
    ),
    pytest.param(BeamContext('gs://b/r', image='i', project='p'), 'beam.dataflow.region is missing', id='region'),
    pytest.param(
      BeamContext('gs://b/r', region='r', project='p'), 'beam.dataflow.sdk_container_image is missing', id='image'
    ),
    pytest.param(
      BeamContext('s3://b/r', image='i', region='r', project='p'), 'beam.dataflow.temp_location', id='temp_location'
    ),
  ],
)
def test_what_dataflow_lacks(context, message, monkeypatch):
  for name in ('GOOGLE_CLOUD_PROJECT', 'CLOUDSDK_CORE_PROJECT', 'GOOGLE_CLOUD_REGION', 'CLOUDSDK_COMPUTE_REGION'):
    monkeypatch.delenv(name, raising=False)
  with pytest.raises(ConfigError, match=message):
    check(loading.load('nyc', ['beam.engine=dataflow']).beam, context)


def test_portable_with_an_external_pool():
  found = options(
    'engine=portable',
    'portable.job_endpoint=localhost:8099',
    'portable.environment_type=EXTERNAL',
    'portable.environment_config=localhost:50000',
  ).view_as(PortableOptions)
  assert (found.job_endpoint, found.environment_type, found.environment_config) == (
    'localhost:8099',
    'EXTERNAL',
    'localhost:50000',
  )


def test_flink():
  found = options('engine=flink', 'flink.flink_master=f:8081', 'flink.parallelism=4', context=BUCKET)
  assert (found.view_as(FlinkRunnerOptions).flink_master, found.view_as(FlinkRunnerOptions).parallelism) == (
    'f:8081',
    4,
  )
  assert found.view_as(WorkerOptions).sdk_container_image == 'registry/farelite:1'
  assert type(create_runner(found.view_as(StandardOptions).runner)).__name__ == 'FlinkRunner'


def test_spark():
  found = options('engine=spark', 'spark.spark_master_url=spark://s:7077', context=BUCKET)
  assert found.view_as(SparkRunnerOptions).spark_master_url == 'spark://s:7077'
  assert type(create_runner(found.view_as(StandardOptions).runner)).__name__ == 'SparkRunner'


def test_docker_workers_need_an_image():
  with pytest.raises(ConfigError, match=r'beam.flink.sdk_container_image is missing'):
    arguments('engine=flink', 'flink.flink_master=f:8081')


@pytest.mark.parametrize(
  ('override', 'message'),
  [
    pytest.param('extra.machine_typ=x', r"beam.extra.machine_typ: .*Did you mean 'machine_type'\?", id='misspelled'),
    # argparse takes a part of a name for the whole one.
    pytest.param('extra.min_cpu=x', r"no option 'min_cpu'. Did you mean 'min_cpu_platform'\?", id='a_part_of_a_name'),
    pytest.param('extra.job_port=many', r"beam.extra.job_port: invalid int value: 'many'", id='no_number'),
    pytest.param('extra.autoscaling_algorithm=SOME', 'autoscaling_algorithm: invalid choice', id='no_choice'),
    pytest.param('extra.save_main_session=1', 'save_main_session: takes no value', id='flag_with_a_value'),
    pytest.param('extra.min_cpu_platform=[a, b]', 'min_cpu_platform: takes one value, got 2', id='one_value'),
    pytest.param(
      'components.StatisticsGen.extra.save_main_sesion=true',
      "beam.components.StatisticsGen.extra.save_main_sesion: .*Did you mean 'save_main_session'",
      id='of_a_step',
    ),
  ],
)
def test_options_that_beam_does_not_have(override, message):
  with pytest.raises(ConfigError, match=message):
    arguments(override)


def test_options_of_beams_own():
  found = options(
    'extra.save_main_session=true', 'extra.dataflow_service_options=[a, b]', 'extra.min_cpu_platform=null'
  )
  assert found.view_as(GoogleCloudOptions).dataflow_service_options == ['a', 'b']
  assert found.get_all_options(drop_default=True)['save_main_session'] is True


def test_steps_of_the_pipeline_have_their_own_arguments():
  config = loading.load(
    'chicago',
    [
      'beam.components.StatisticsGen.direct.direct_running_mode=multi_processing',
      'training.serve=pqat_80',
      'reduction.method=pca',
    ],
  )
  places = Places(root='/out', serving='/s', checkpoints='/c', variants='/v')
  nodes = build_nodes(config, data_source(config.dataset.path), places)
  on_beam = {node.id: node for node in nodes if isinstance(node.executor_spec, executor_spec.BeamExecutorSpec)}
  # Oracle for the ids that a config may name: the DAG itself.
  assert set(on_beam) == set(BEAM_STEPS)
  assert config.training.served_recipe.name != DENSE
  given = {name: node.executor_spec.beam_pipeline_args for name, node in on_beam.items()}
  assert given.pop('StatisticsGen')[:2] == [
    '--runner=apache_beam.runners.portability.fn_api_runner.FnApiRunner',
    '--direct_running_mode=multi_processing',
  ]
  assert {*map(tuple, given.values())} == {
    ('--runner=apache_beam.runners.portability.fn_api_runner.FnApiRunner', pipeline_beam.INSTALLED)
  }
