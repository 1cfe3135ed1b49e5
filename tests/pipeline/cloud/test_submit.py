"""Submissions by the real clients to a server on this machine: what they send is the oracle."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest
from google.auth import credentials as auth
from google.auth import jwt
from tfx import version

from configs.platform import Kfp, Platform, Vertex
from pipeline.cloud import kfp
from pipeline.cloud import vertex as cloud_vertex
from pipeline.cloud.settings import SubmissionError, TargetError
from pipeline.targets import Target
from tests.pipeline.cloud.conftest import PLATFORM, RIDES
from tests.pipeline.cloud.loopback import key_file, loopback

JOBS = '/v1/projects/shop/locations/europe-west4/pipelineJobs'

KFP_ANSWERS = {
  'HEAD /.*': lambda request: (200, {}),
  'GET /apis/v2beta1/healthz': lambda request: (200, {'multi_user': False}),
  'GET /apis/v2beta1/experiments': lambda request: (200, {}),
  'POST /apis/v2beta1/experiments': lambda request: (200, {'experiment_id': 'e-1', **request.body}),
  'POST /apis/v2beta1/runs': lambda request: (200, {'run_id': 'r-1', **request.body}),
}
VERTEX_ANSWERS = {
  # The client looks at the bucket and goes on where it may not; else it would ask three further services.
  'GET /storage/v1/b/shop-farelite': lambda request: (403, {'error': {'code': 403, 'message': 'no'}}),
  'POST /token': lambda request: (200, {'access_token': 'from-a-key', 'expires_in': 3600, 'token_type': 'Bearer'}),
  f'POST {JOBS}': lambda request: (200, {'name': f'{JOBS[4:]}/{request.query["pipelineJobId"]}', **request.body}),
}


@pytest.fixture
def kubeflow():
  with loopback(KFP_ANSWERS) as server:
    yield server


@pytest.fixture
def vertex(monkeypatch):
  with loopback(VERTEX_ANSWERS) as server:
    monkeypatch.setenv('STORAGE_EMULATOR_HOST', server.url)
    yield server


def _vertex(server, **settings):
  return Platform(vertex=Vertex(project='shop', region='europe-west4', endpoint=server.url, **settings))


def test_kfp_run(kubeflow, pipelines, monkeypatch):
  monkeypatch.setenv(kfp.TOKEN, 'a-token')
  platform = Platform(kfp=Kfp(endpoint=kubeflow.url, service_account='steps'))
  submission = kfp.submit(pipelines[Target.KFP], platform)
  [run] = kubeflow.sent('POST', '/runs$')
  assert run.body['pipeline_spec'] == pipelines[Target.KFP].spec
  assert run.body['runtime_config'] == {'parameters': {}, 'pipeline_root': 'gs://shop-farelite/runs'}
  assert run.body['experiment_id'] == 'e-1'
  assert run.body['display_name'] == submission.name
  assert submission.name.startswith('nyc-2')
  assert run.body['service_account'] == 'steps'
  assert run.headers['authorization'] == 'Bearer a-token'
  [experiment] = kubeflow.sent('POST', '/experiments$')
  assert experiment.body == {'display_name': 'nyc', 'namespace': ''}
  assert submission.link == f'{kubeflow.url}/#/runs/details/r-1'


def test_kfp_namespace_and_experiment(kubeflow, pipelines):
  platform = Platform(kfp=Kfp(endpoint=kubeflow.url, namespace='team-fares', experiment='weekly fares'))
  kfp.submit(pipelines[Target.KFP], platform)
  [experiment] = kubeflow.sent('POST', '/experiments$')
  assert experiment.body == {'display_name': 'weekly fares', 'namespace': 'team-fares'}


def test_kfp_refuses(pipelines):
  refusal = {'error': 'Failed to create a new run.', 'code': 3}
  with (
    loopback({**KFP_ANSWERS, 'POST /apis/v2beta1/runs': lambda request: (400, refusal)}) as server,
    pytest.raises(SubmissionError, match=r'refused the run: 400 .*Failed to create a new run'),
  ):
    kfp.submit(pipelines[Target.KFP], Platform(kfp=Kfp(endpoint=server.url)))


@pytest.mark.parametrize(
  ('platform', 'error', 'message'),
  [
    pytest.param(Platform(), TargetError, 'No Kubeflow endpoint: set platform.kfp.endpoint', id='no_endpoint'),
    pytest.param(
      Platform(kfp=Kfp(endpoint='http://127.0.0.1:9')),
      SubmissionError,
      "Nobody answers at the Kubeflow endpoint 'http://127.0.0.1:9': .*refused",
      id='nobody_answers',
    ),
  ],
)
def test_kfp_mistakes(pipelines, platform, error, message):
  with pytest.raises(error, match=message):
    kfp.submit(pipelines[Target.KFP], platform)


def test_vertex_run(vertex, pipelines):
  platform = _vertex(vertex, service_account='steps@shop', network='projects/1/global/networks/n', kms_key='k')
  submission = cloud_vertex.submit(pipelines[Target.VERTEX], platform, auth.AnonymousCredentials())
  [job] = vertex.sent('POST', 'pipelineJobs$')
  assert job.body['pipelineSpec'] == pipelines[Target.VERTEX].spec
  assert job.body['runtimeConfig']['gcsOutputDirectory'] == 'gs://shop-farelite/runs'
  assert job.body['displayName'] == 'nyc'
  assert job.body['serviceAccount'] == 'steps@shop'
  assert job.body['network'] == 'projects/1/global/networks/n'
  assert job.body['encryptionSpec'] == {'kmsKeyName': 'k'}
  assert job.body['labels']['tfx_version'] == version.__version__.replace('.', '-')
  assert job.query['pipelineJobId'].startswith('nyc-2')
  assert submission.name.endswith(f'pipelineJobs/{job.query["pipelineJobId"]}')
  assert 'project=shop' in submission.link


def test_vertex_refuses(pipelines, monkeypatch):
  refusal = {'error': {'code': 403, 'message': 'Permission aiplatform.pipelineJobs.create denied.', 'status': 'X'}}
  with loopback({**VERTEX_ANSWERS, f'POST {JOBS}': lambda request: (403, refusal)}) as server:
    monkeypatch.setenv('STORAGE_EMULATOR_HOST', server.url)
    with pytest.raises(SubmissionError, match=r'refused the run: .*pipelineJobs.create denied'):
      cloud_vertex.submit(pipelines[Target.VERTEX], _vertex(server), auth.AnonymousCredentials())


@pytest.mark.parametrize(
  ('vertex', 'message'),
  [
    pytest.param(Vertex(region='europe-west4'), 'No project .* FARELITE_PROJECT', id='no_project'),
    pytest.param(Vertex(project='shop'), 'No region .* FARELITE_REGION', id='no_region'),
    pytest.param(Vertex(project='shop', region='europe-west4'), 'No credentials for Google Cloud', id='no_credentials'),
  ],
)
def test_vertex_mistakes(pipelines, vertex, message, monkeypatch, tmp_path):
  monkeypatch.setenv('NO_GCE_CHECK', 'true')
  monkeypatch.setenv('CLOUDSDK_CONFIG', str(tmp_path))
  monkeypatch.delenv('GOOGLE_APPLICATION_CREDENTIALS', raising=False)
  with pytest.raises(TargetError, match=message):
    cloud_vertex.submit(pipelines[Target.VERTEX], Platform(vertex=vertex))


def test_the_command_takes_everything_from_the_environment(vertex, pipelines, tmp_path):
  environment = os.environ | {
    'FARELITE_IMAGE': PLATFORM[0].partition('=')[2],
    'FARELITE_PIPELINE_ROOT': PLATFORM[1].partition('=')[2],
    'FARELITE_PROJECT': 'shop',
    'FARELITE_REGION': 'europe-west4',
    'FARELITE_VERTEX_ENDPOINT': vertex.url,
    'GOOGLE_APPLICATION_CREDENTIALS': str(key_file(tmp_path / 'key.json', vertex)),
  }
  words = ['submit', '--target', 'vertex', '--config', 'nyc', '--set', RIDES, '--json']
  result = subprocess.run(
    [sys.executable, '-m', 'pipeline', *words], env=environment, capture_output=True, text=True, check=False
  )
  assert result.returncode == 0, result.stderr
  [job] = vertex.sent('POST', 'pipelineJobs$')
  assert job.body['pipelineSpec'] == pipelines[Target.VERTEX].spec
  claims = jwt.decode(job.headers['authorization'].removeprefix('Bearer '), verify=False)
  assert claims['iss'] == 'submitter@shop.iam.gserviceaccount.com'
  told = json.loads(result.stdout)
  assert (told['target'], told['pipeline']) == ('vertex', pipelines[Target.VERTEX].name)
  assert told['link'].startswith('https://console.cloud.google.com/vertex-ai')
