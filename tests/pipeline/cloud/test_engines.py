"""Engines and BigQuery in compiled pipelines: what a step's command line and its caching say."""

import json

import pytest

from configs.loading import ConfigError, load
from pipeline.cloud.compiler import compile_pipeline
from pipeline.cloud.lint import lint
from pipeline.cloud.settings import platform_settings
from pipeline.sources import rides_of
from pipeline.targets import Target
from tests.pipeline.cloud.conftest import PLATFORM, RIDES, compiled

TARGETS = [pytest.param(target, id=target.value) for target in (Target.VERTEX, Target.KFP)]
GOOGLE = ('platform.vertex.project=shop', 'platform.vertex.region=europe-west4')
TABLE = 'dataset.bigquery.table=shop.rides.nyc'


def of_bigquery(target, *overrides):
  resolved = load('nyc', (*PLATFORM, *GOOGLE, *overrides))
  return compile_pipeline(resolved, rides_of(resolved.dataset), platform_settings(resolved.platform, {}), target)


def arguments(pipeline, step):
  return pipeline.spec['deploymentSpec']['executors'][f'{step}_executor']['container']['args']


def task(pipeline, step):
  return pipeline.spec['root']['dag']['tasks'][step]


@pytest.mark.parametrize('target', TARGETS)
def test_dataflow_takes_image_project_and_bucket_from_the_platform(target):
  found = compiled(target, *GOOGLE, 'beam.components.StatisticsGen={engine: dataflow, dataflow: {max_num_workers: 9}}')
  expected = {
    '--runner=DataflowRunner',
    '--project=shop',
    '--region=europe-west4',
    '--temp_location=gs://shop-farelite/runs/beam',
    '--sdk_container_image=europe-docker.pkg.dev/shop/farelite/farelite:0.1.0',
    '--sdk_location=container',
    '--max_num_workers=9',
  }
  assert expected <= set(arguments(found, 'StatisticsGen'))
  others = [argument for argument in arguments(found, 'FeatureEngineering') if argument.startswith('--runner')]
  assert others == ['--runner=apache_beam.runners.portability.fn_api_runner.FnApiRunner']
  assert lint(found) == []


def test_dataflow_without_a_region():
  with pytest.raises(ConfigError, match=r'beam\.dataflow\.region is missing'):
    compiled(Target.KFP, 'platform.vertex.project=shop', 'beam.engine=dataflow', RIDES)


@pytest.mark.parametrize('target', TARGETS)
def test_bigquery(target):
  found = of_bigquery(target, TABLE)
  assert lint(found) == []
  ingestion = arguments(found, 'RideExampleGen')
  assert 'components.bigquery_ride_gen.component.BigQueryRideGenExecutor' in ingestion
  assert '--project=shop' in ingestion
  parameters = task(found, 'RideExampleGen')['inputs']['parameters']
  assert json.loads(parameters['bigquery']['runtimeValue']['constant'])['table'] == 'shop.rides.nyc'
  # There is no file for a driver to look at.
  assert 'lifecycle' not in found.spec['deploymentSpec']['executors']['RideExampleGen_executor']['container']


@pytest.mark.parametrize('target', TARGETS)
def test_rows_that_may_have_changed_are_read_again(target):
  assert 'cachingOptions' not in task(of_bigquery(target, TABLE), 'RideExampleGen')
  ingestion = task(of_bigquery(target, TABLE, 'dataset.bigquery.version=2026-11'), 'RideExampleGen')
  assert ingestion['cachingOptions'] == {'enableCache': True}
  assert ingestion['inputs']['parameters']['version']['runtimeValue']['constant'] == '2026-11'


def test_bigquery_needs_a_project(monkeypatch):
  for name in ('FARELITE_PROJECT', 'GOOGLE_CLOUD_PROJECT', 'CLOUDSDK_CORE_PROJECT'):
    monkeypatch.delenv(name, raising=False)
  resolved = load('nyc', (*PLATFORM, TABLE))
  with pytest.raises(ConfigError, match=r'BigQuery needs a Google Cloud project that pays'):
    compile_pipeline(resolved, rides_of(resolved.dataset), platform_settings(resolved.platform, {}), Target.VERTEX)
