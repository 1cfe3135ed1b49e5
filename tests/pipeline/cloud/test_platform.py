"""Cloud settings: from the config, and what that leaves open from the environment."""

from __future__ import annotations

import re

import pytest

from configs.loading import ConfigError, load
from configs.platform import VARIABLES, Kfp, Platform, Vertex, with_environment
from pipeline.cloud.settings import TargetError, cloud_places, lacking, platform_settings, refuse_lacking

ALL = {variable: f'value-of-{variable.lower()}' for variable in VARIABLES} | {'FARELITE_KFP_ENDPOINT': 'http://kfp'}


def _value(platform: Platform, location: tuple[str, ...]) -> object:
  for name in location:
    platform = getattr(platform, name)
  return platform


def test_every_setting_has_a_variable():
  """Oracle: the models' own fields."""
  fields = {(name,) for name in Platform.model_fields if name not in ('vertex', 'kfp')}
  fields |= {('vertex', name) for name in Vertex.model_fields if name != 'registration'}
  fields |= {('kfp', name) for name in Kfp.model_fields}
  assert set(VARIABLES.values()) == fields


def test_the_environment_fills_what_is_open():
  completed = with_environment(Platform(), ALL)
  assert {variable: _value(completed, location) for variable, location in VARIABLES.items()} == ALL


def test_the_config_comes_first():
  platform = Platform(image='mine:1', vertex=Vertex(region='europe-west4'))
  completed = with_environment(platform, ALL)
  assert (completed.image, completed.vertex.region) == ('mine:1', 'europe-west4')
  assert completed.vertex.project == ALL['FARELITE_PROJECT']


def test_empty_variables_count_as_absent():
  assert with_environment(Platform(), dict.fromkeys(ALL, '')) == Platform()


def test_a_bad_variable_is_named():
  with pytest.raises(TargetError, match="FARELITE_REGION must be a name or an address without spaces, got 'two words'"):
    platform_settings(Platform(), {'FARELITE_REGION': 'two words'})


@pytest.mark.parametrize('endpoint', ['localhost:9', 'kfp.example.com', 'ftp://kfp', 'http://', 'http://:80'])
def test_an_endpoint_of_kubeflow_is_a_url(endpoint):
  message = f"must be a URL that begins with http:// or https://, got '{endpoint}'."
  with pytest.raises(TargetError, match=rf'^FARELITE_KFP_ENDPOINT {re.escape(message)}$'):
    platform_settings(Platform(), {'FARELITE_KFP_ENDPOINT': endpoint})
  with pytest.raises(ConfigError, match=rf'platform\.kfp\.endpoint {re.escape(message)}$'):
    load('nyc', [f'platform.kfp.endpoint={endpoint}'])


def test_a_bad_setting_is_named():
  with pytest.raises(ConfigError, match=r"platform.vertex.regio: unknown key 'regio'. Did you mean 'region'\?"):
    load('nyc', ['platform.vertex.regio=x'])


@pytest.mark.parametrize(
  ('platform', 'serving'),
  [
    pytest.param(Platform(pipeline_root='gs://b/root/'), 'gs://b/root/serving/nyc', id='below_the_root'),
    pytest.param(Platform(pipeline_root='gs://b', serving='gs://models/nyc/'), 'gs://models/nyc', id='elsewhere'),
  ],
)
def test_places(platform, serving):
  places = cloud_places(platform, 'nyc')
  assert places.serving == serving
  assert not places.root.endswith('/')
  assert places.checkpoints.startswith(f'{places.root}/')


def test_no_root():
  with pytest.raises(TargetError, match=r'^No pipeline root: set platform.pipeline_root or FARELITE_PIPELINE_ROOT'):
    refuse_lacking(lacking(Platform(image='farelite'), 'nyc'))
