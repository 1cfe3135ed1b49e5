"""Engines are chosen for all Beam steps and for one, and mistakes are told with their fix."""

import pytest
import yaml

from configs import loading
from configs.beam import Beam, Engine, RunningMode
from configs.loading import ConfigError


def beam_of(*overrides) -> Beam:
  return loading.load('nyc', [f'beam.{override}' for override in overrides]).beam


def test_the_default_is_the_direct_runner_in_memory():
  beam = beam_of()
  assert beam.engine is Engine.DIRECT
  assert (beam.direct.direct_running_mode, beam.direct.direct_num_workers) == (RunningMode.IN_MEMORY, 1)
  assert beam.of('StatisticsGen') is beam


def test_a_step_inherits_what_it_does_not_say():
  beam = beam_of(
    'dataflow.region=europe-west4',
    'dataflow.machine_type=n2-standard-2',
    'extra.min_cpu_platform=Intel',
    'components.StatisticsGen.engine=dataflow',
    'components.StatisticsGen.dataflow.machine_type=n2-standard-8',
    'components.StatisticsGen.extra.dataflow_kms_key=k',
  )
  step = beam.of('StatisticsGen')
  assert (step.engine, beam.of('FareEvaluator').engine) == (Engine.DATAFLOW, Engine.DIRECT)
  assert (step.dataflow.region, step.dataflow.machine_type) == ('europe-west4', 'n2-standard-8')
  assert step.extra == {'min_cpu_platform': 'Intel', 'dataflow_kms_key': 'k'}


def test_a_resolved_config_means_the_same():
  config = loading.load('nyc', ['beam.flink.flink_master=f:8081', 'beam.components.FareEvaluator.engine=flink'])
  assert loading.validate(yaml.safe_load(loading.dump(config))) == config


@pytest.mark.parametrize(
  ('override', 'message'),
  [
    pytest.param('engine=dask', r"beam.engine: 'dask' loses data: Beam's DaskRunner drops a sink", id='lossy_engine'),
    pytest.param('engine=datflow', r"unknown engine 'datflow'.*Did you mean 'dataflow'\?", id='misspelled_engine'),
    pytest.param('engine=prism', r"'prism' is not offered.*use portable", id='prism'),
    pytest.param(
      'extra.runner=apache_beam.runners.dask.dask_runner.DaskRunner',
      r'beam.extra.runner: apache_beam.*DaskRunner loses data',
      id='lossy_runner_by_its_path',
    ),
    pytest.param('extra.runner=FlinkRunner', 'beam.extra.runner is what engine says', id='runner'),
    pytest.param('extra.region=x', 'beam.extra.region is a setting of its own; set dataflow.region', id='owned'),
    pytest.param('dataflow.regin=x', r"beam.dataflow.regin: unknown key 'regin'. Did you mean 'region'\?", id='key'),
    pytest.param(
      'components.StatisticGen.engine=direct',
      r"beam.components: unknown Beam step 'StatisticGen'.*Did you mean 'StatisticsGen'\?",
      id='misspelled_step',
    ),
    pytest.param('engine=portable', 'beam.portable.job_endpoint is missing', id='portable_without_endpoint'),
    pytest.param('engine=flink', 'beam.flink.flink_master is missing', id='flink_without_master'),
    pytest.param('engine=spark', 'beam.spark.spark_master_url is missing', id='spark_without_master'),
    pytest.param('direct.direct_num_workers=2', 'beam.direct.direct_num_workers must be 1 for in_memory', id='workers'),
    pytest.param('dataflow.temp_location=/tmp', 'beam.dataflow.temp_location', id='temp_location_is_no_bucket'),
  ],
)
def test_mistakes(override, message):
  with pytest.raises(ConfigError, match=message):
    beam_of(override)


def test_an_external_pool_needs_its_address():
  with pytest.raises(
    ConfigError, match=r'beam.portable.environment_config is missing, which environment_type: EXTERNAL'
  ):
    beam_of('engine=portable', 'portable.job_endpoint=localhost:1', 'portable.environment_type=EXTERNAL')


def test_what_is_wrong_for_all_steps_is_told_once():
  with pytest.raises(ConfigError, match='The config has 1 error:'):
    beam_of('engine=portable', 'components.StatisticsGen.extra.experiments=[a]')


def test_fewer_workers_at_most_than_at_start():
  with pytest.raises(ConfigError, match=r'beam.components.StatisticsGen.dataflow.max_num_workers must not be less'):
    beam_of(
      *(
        f'components.StatisticsGen.{setting}'
        for setting in (
          'engine=dataflow',
          'dataflow.num_workers=4',
          'dataflow.max_num_workers=2',
        )
      )
    )
