"""Uploads to the Model Registry, to a server on loopback.

Oracle: what came, read by the message types of Google's own client, which refuse a field that the API does not have.
"""

from __future__ import annotations

import json

import pytest
from google.auth import credentials as auth
from google.cloud import aiplatform_v1
from google.protobuf import json_format
from tfx.types import standard_artifacts

from components.model_registry import vertex as registry
from components.model_registry.component import REGISTERED, ModelRegistryExecutor
from configs.errors import FailedError
from configs.loading import ConfigError, load
from configs.platform import Registration, Vertex
from models.release import MANIFEST, Manifest
from pipeline.cloud.lint import lint
from pipeline.targets import Target
from tests.pipeline.cloud.conftest import compiled
from tests.pipeline.cloud.loopback import key_file, loopback
from tests.pipeline.made_run import manifest, write_json

LOCATION = 'projects/shop/locations/europe-west4'
OPERATION = f'{LOCATION}/operations/5'
UPLOADED = {
  '@type': 'type.googleapis.com/google.cloud.aiplatform.v1.UploadModelResponse',
  'model': f'{LOCATION}/models/7',
  'modelVersionId': '3',
}
ANSWERS = {
  'POST /token': lambda request: (200, {'access_token': 'from-a-key', 'expires_in': 3600, 'token_type': 'Bearer'}),
  f'GET /v1/{LOCATION}/models': lambda request: (200, {}),
  f'POST /v1/{LOCATION}/models:upload': lambda request: (200, {'name': OPERATION}),
  f'GET /v1/{OPERATION}': lambda request: (200, {'name': OPERATION, 'done': True, 'response': UPLOADED}),
}
REGISTER = Registration(display_name='nyc-fares', container='registry.example/farelite-serve:1')


def _listed(*numbers):
  models = [{'name': f'{LOCATION}/models/{number}', 'displayName': 'nyc-fares'} for number in numbers]
  return {**ANSWERS, f'GET /v1/{LOCATION}/models': lambda request: (200, {'models': models})}


def _upload(server, register=REGISTER, **vertex):
  settings = Vertex(**{'project': 'shop', 'region': 'europe-west4', 'endpoint': server.url} | vertex)
  facts = Manifest.of(manifest(4.431, 0.9) | {'currency': 'USD', 'variant': 'qat.int8'}, 'manifest.json')
  return registry.upload(settings, register, 'gs://shop/serving/1796034022', '1796034022', facts,
                         auth.AnonymousCredentials())  # fmt: skip


def test_the_first_version_of_a_model():
  with loopback(ANSWERS) as server:
    assert _upload(server) == f'{LOCATION}/models/7@3'
  [asked] = server.sent('GET', 'models$')
  assert asked.query['filter'] == 'display_name="nyc-fares"'
  [upload] = server.sent('POST', 'models:upload$')
  json_format.ParseDict(upload.body, aiplatform_v1.UploadModelRequest.pb(aiplatform_v1.UploadModelRequest()))
  assert 'parentModel' not in upload.body
  assert upload.body['model'] == {
    'displayName': 'nyc-fares',
    'artifactUri': 'gs://shop/serving/1796034022',
    'containerSpec': {'imageUri': 'registry.example/farelite-serve:1'},
    'versionAliases': ['farelite-1796034022', 'default'],
    'versionDescription': 'qat.int8 on chicago, RMSE 4.431 USD',
    'labels': {
      'farelite_version': '1796034022',
      'variant': 'qat_int8',
      'dataset': 'chicago',
      'code_version': '6db063efc492c56f',
    },
  }


def test_a_later_version_has_the_model_of_that_name_for_its_parent():
  with loopback(_listed(7)) as server:
    _upload(server, Registration(
      display_name='nyc-fares', container='a', default=False, aliases=('canary',), labels={'team': 'fares'}
    ), kms_key='k')  # fmt: skip
  [upload] = server.sent('POST', 'models:upload$')
  json_format.ParseDict(upload.body, aiplatform_v1.UploadModelRequest.pb(aiplatform_v1.UploadModelRequest()))
  assert upload.body['parentModel'] == f'{LOCATION}/models/7'
  model = upload.body['model']
  assert model['versionAliases'] == ['canary', 'farelite-1796034022']
  assert model['labels']['team'] == 'fares'
  assert model['encryptionSpec'] == {'kmsKeyName': 'k'}


def test_a_parent_that_is_named_is_not_looked_for():
  with loopback(_listed(7, 8)) as server:
    _upload(server, REGISTER.model_copy(update={'parent': f'{LOCATION}/models/8'}))
  [upload] = server.sent('POST', 'models:upload$')
  assert upload.body['parentModel'] == f'{LOCATION}/models/8' and not server.sent('GET', 'models$')


def test_several_models_of_one_name_are_refused():
  message = (
    r"^2 models are called 'nyc-fares' there: .*/models/7, .*/models/8; name one in platform\.vertex\.registration\."
  )
  with loopback(_listed(8, 7)) as server, pytest.raises(FailedError, match=message):
    _upload(server)


def test_a_refusal_is_vertex_ais_own_sentence():
  refusal = {'error': {'code': 403, 'message': 'Permission aiplatform.models.upload denied.', 'status': 'X'}}
  answers = {**ANSWERS, f'POST /v1/{LOCATION}/models:upload': lambda request: (403, refusal)}
  message = r'^Vertex AI refused it: .*Permission aiplatform.models.upload denied\.$'
  with loopback(answers) as server, pytest.raises(FailedError, match=message):
    _upload(server)


def test_an_upload_that_fails_later_is_a_refusal():
  failed = {'name': OPERATION, 'done': True, 'error': {'code': 3, 'message': 'No such image.'}}
  answers = {**ANSWERS, f'GET /v1/{OPERATION}': lambda request: (200, failed)}
  with loopback(answers) as server, pytest.raises(FailedError, match=r'^Vertex AI refused it: .*No such image'):
    _upload(server)


@pytest.mark.parametrize(
  ('setting', 'message'),
  [
    ('project', 'No project for Vertex AI: set platform.vertex.project or FARELITE_PROJECT.'),
    ('region', 'No region for Vertex AI: set platform.vertex.region or FARELITE_REGION.'),
  ],
)
def test_what_is_missing_is_named(setting, message):
  with loopback(ANSWERS) as server, pytest.raises(FailedError, match=message):
    _upload(server, **{setting: None})


@pytest.fixture
def step(tmp_path, monkeypatch):
  """Runs the executor as a launcher does, with all that a machine brings from its environment."""

  def run(server, pushed=True, **register):
    monkeypatch.setenv('GOOGLE_APPLICATION_CREDENTIALS', str(key_file(tmp_path / 'key.json', server)))
    monkeypatch.setenv('FARELITE_PROJECT', 'shop')
    monkeypatch.setenv('FARELITE_REGION', 'europe-west4')
    version = tmp_path / 'serving' / '12'
    write_json(version / MANIFEST, manifest(4.4, 0.9))
    push, output = standard_artifacts.PushedModel(), standard_artifacts.String()
    push.set_int_custom_property('pushed', int(pushed))
    push.set_string_custom_property('pushed_destination', str(version))
    push.set_string_custom_property('pushed_version', '12')
    output.uri = str(tmp_path / 'registered')
    settings = REGISTER.model_copy(update=register)
    properties = {'vertex': Vertex(endpoint=server.url).model_dump_json(), 'registration': settings.model_dump_json()}
    ModelRegistryExecutor().Do({'pushed_model': [push]}, {'registered': [output]}, properties)
    return output

  return run


def test_a_version_of_this_machine_is_copied_to_the_bucket_first(step, tmp_path):
  with loopback(ANSWERS) as server:
    output = step(server, copies=str(tmp_path / 'bucket'))
  assert output.read() == output.get_string_custom_property(REGISTERED) == f'{LOCATION}/models/7@3'
  [upload] = server.sent('POST', 'models:upload$')
  assert upload.body['model']['artifactUri'] == str(tmp_path / 'bucket' / '12')
  assert json.loads((tmp_path / 'bucket' / '12' / MANIFEST).read_text()) == manifest(4.4, 0.9)
  assert upload.headers['authorization'].startswith('Bearer ')


def test_a_version_of_this_machine_needs_a_bucket(step):
  message = (
    r'^Version 12 was pushed and serves, but is not in the Model Registry: .*serving/12 is on this machine, where '
    r"Vertex AI reads nothing: set platform.vertex.registration.copies to a bucket's folder. Run again: finished steps "
    r'are'
  )
  with loopback(ANSWERS) as server, pytest.raises(FailedError, match=message):
    step(server)


def test_what_was_not_pushed_is_not_registered(step):
  with loopback({}) as server:
    output = step(server, pushed=False)
  assert output.read() == '' and server.requests == []


@pytest.mark.parametrize(
  ('setting', 'message'),
  [
    ('{display_name: a}', 'container is missing; name the image that serves a version'),
    ('{display_name: a, container: b, aliases: [default]}', "aliases must be letters, .*not 'default'; got 'default'"),
    ('{display_name: a, container: b, labels: {Team: x}}', "labels must be lower-case letters, .* got 'Team'"),
  ],
)
def test_mistakes_in_the_config(setting, message):
  with pytest.raises(ConfigError, match=rf'platform\.vertex\.registration\.{message}'):
    load('nyc', [f'platform.vertex.registration={setting}'])


@pytest.mark.parametrize('target', [Target.VERTEX, Target.KFP])
def test_the_step_compiles_for_a_backend(target):
  """With the shadow, whose parameters are optional, too. Oracle: the linter, and the task in the spec."""
  register = 'platform.vertex.registration={display_name: a, container: b}'
  pipeline = compiled(target, register, 'serving.shadow={enabled: true, max_share_apart: 0.1}')
  assert lint(pipeline) == []
  tasks = pipeline.spec['root']['dag']['tasks']
  assert tasks['ModelRegistry']['dependentTasks'] == ['Pusher']
  assert 'shadow' in tasks['CompressionGate']['inputs']['parameters']
  plain = compiled(target).spec['root']['dag']['tasks']
  assert 'ModelRegistry' not in plain
  assert not {'shadow', 'newest_splits'} & {*plain['CompressionGate']['inputs']['parameters']}
