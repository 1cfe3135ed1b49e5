"""Schedules in clouds, by the real clients against servers on this machine. Oracle: the requests that arrive there."""

from __future__ import annotations

import os
import re
import subprocess
import sys

import pytest
from google.auth import credentials as auth

from configs.platform import Kfp, Platform, Vertex
from pipeline.cloud.kfp import KfpSchedules
from pipeline.cloud.settings import SubmissionError
from pipeline.cloud.vertex import VertexSchedules
from pipeline.schedule.cron import Cron, ScheduleError, ScheduleTarget, State
from pipeline.targets import Target
from tests.pipeline.cloud.conftest import compiled
from tests.pipeline.cloud.loopback import loopback

NIGHTLY = Cron.parse('0 3 * * *', 'America/New_York')
PARENT = 'projects/shop/locations/europe-west4'
DAILY = ('dataset.path=gs://shop-rides/{YYYY}/{MM}/{DD}/*.csv', 'retraining.window=7')


@pytest.fixture(scope='module')
def pipelines():
  """A windowed pipeline for both targets."""
  return {target: compiled(target, *DAILY) for target in (Target.VERTEX, Target.KFP)}


@pytest.fixture
def kubeflow():
  """A cluster that remembers recurring runs, and gives one a page."""
  runs: dict[str, dict] = {}

  def created(request):
    run = {'recurring_run_id': f'rr-{len(runs) + 1}', 'status': 'ENABLED', **request.body}
    runs[run['recurring_run_id']] = run
    return 200, run

  def listed(request):
    place = int(request.query.get('page_token') or 0)
    others = [{'recurring_run_id': 'x', 'display_name': 'of another team', 'description': '', 'mode': 'ENABLE'}]
    everything = others + list(runs.values())
    token = {'next_page_token': str(place + 1)} if place + 1 < len(everything) else {}
    return 200, {'recurringRuns': everything[place : place + 1], **token}

  def switched(request):
    identity, _, verb = request.path.rpartition('/')[2].partition(':')
    runs[identity]['status'] = {'enable': 'ENABLED', 'disable': 'DISABLED'}[verb]
    runs[identity]['mode'] = verb.upper()
    return 200, {}

  base = '/apis/v2beta1/recurringruns'
  answers = {
    'HEAD /.*': lambda request: (200, {}),
    'GET /apis/v2beta1/healthz': lambda request: (200, {'multi_user': False}),
    'GET /apis/v2beta1/experiments': lambda request: (200, {}),
    'POST /apis/v2beta1/experiments': lambda request: (200, {'experiment_id': 'e-1', **request.body}),
    f'POST {base}': created,
    f'GET {base}': listed,
    f'GET {base}/.*': lambda request: (200, runs[request.path.rpartition('/')[2]]),
    f'POST {base}/.*': switched,
    f'DELETE {base}/.*': lambda request: (200, runs.pop(request.path.rpartition('/')[2]) and {}),
  }
  with loopback(answers) as server:
    yield server


def test_kfp_recurring_run(kubeflow, pipelines):
  schedules = KfpSchedules(Platform(kfp=Kfp(endpoint=kubeflow.url, service_account='steps')), 'America/New_York')
  made = schedules.create('nightly', NIGHTLY, pipelines[Target.KFP])
  [request] = kubeflow.sent('POST', '/recurringruns$')
  assert request.body['trigger'] == {'cron_schedule': {'cron': '0 0 3 * * *'}}
  assert request.body['max_concurrency'] == '1' or request.body['max_concurrency'] == 1
  assert request.body['no_catchup'] is True
  assert request.body['mode'] == 'ENABLE'
  assert request.body['display_name'] == 'nightly'
  assert request.body['experiment_id'] == 'e-1'
  assert request.body['service_account'] == 'steps'
  assert request.body['pipeline_spec'] == pipelines[Target.KFP].spec
  assert 'gs://shop-rides' in str(request.body['pipeline_spec'])
  assert '{YYYY}/{MM}/{DD}' in str(request.body['pipeline_spec'])  # Each run finds its own spans.
  assert (made.target, made.cron, made.zone, made.state) == (
    ScheduleTarget.KFP, '0 3 * * *', 'America/New_York', State.ACTIVE)  # fmt: skip
  with pytest.raises(ScheduleError, match="There is a schedule 'nightly' already"):
    schedules.create('nightly', NIGHTLY, pipelines[Target.KFP])


def test_kfp_lists_pauses_resumes_and_deletes(kubeflow, pipelines):
  schedules = KfpSchedules(Platform(kfp=Kfp(endpoint=kubeflow.url)), 'America/New_York')
  schedules.create('nightly', NIGHTLY, pipelines[Target.KFP])
  assert [one.name for one in schedules.all()] == ['nightly']
  assert schedules.pause('nightly').state is State.PAUSED
  assert schedules.all()[0].state is State.PAUSED
  assert schedules.resume('nightly').state is State.ACTIVE
  schedules.delete('nightly')
  assert [request.path.rpartition('/')[2] for request in kubeflow.sent('POST', 'recurringruns/')] == [
    'rr-1:disable', 'rr-1:enable']  # fmt: skip
  assert [request.path.rpartition('/')[2] for request in kubeflow.sent('DELETE', 'recurringruns/')] == ['rr-1']
  assert schedules.all() == ()
  with pytest.raises(ScheduleError, match="There is no schedule 'nightly' on this cluster; there: none"):
    schedules.pause('nightly')


def test_kfp_refuses_a_zone_that_is_not_the_clusters(pipelines):
  platform = Platform(kfp=Kfp(endpoint='http://127.0.0.1:9'))
  with pytest.raises(ScheduleError, match=r'on the clock of the cluster, UTC, which is not always that of America/New'):
    KfpSchedules(platform).create('nightly', NIGHTLY, pipelines[Target.KFP])
  same = Cron.parse('0 3 * * *', 'Etc/UTC')
  with pytest.raises(SubmissionError, match='Nobody answers'):
    KfpSchedules(platform).create('nightly', same, pipelines[Target.KFP])


@pytest.fixture
def vertex(monkeypatch):
  """A region of Vertex AI that remembers schedules."""
  kept: dict[str, dict] = {}

  def created(request):
    name = f'{PARENT}/schedules/{len(kept) + 1}'
    kept[name] = {**request.body, 'name': name, 'state': 'ACTIVE'}
    return 200, kept[name]

  def switched(request):
    name, _, verb = request.path.removeprefix('/v1/').partition(':')
    kept[name]['state'] = {'pause': 'PAUSED', 'resume': 'ACTIVE'}[verb]
    return 200, {}

  def deleted(request):
    kept.pop(request.path.removeprefix('/v1/'))
    return 200, {
      'name': f'{PARENT}/operations/1',
      'done': True,
      'response': {'@type': 'type.googleapis.com/google.protobuf.Empty'},
    }

  base = f'/v1/{PARENT}/schedules'
  answers = {
    'GET /storage/v1/b/shop-farelite': lambda request: (200, {'kind': 'storage#bucket', 'name': 'shop-farelite'}),
    f'POST {base}': created,
    f'GET {base}': lambda request: (200, {'schedules': list(kept.values())}),
    f'GET {base}/.*': lambda request: (200, kept[request.path.removeprefix('/v1/')]),
    f'POST {base}/.*': switched,
    f'DELETE {base}/.*': deleted,
  }
  with loopback(answers) as server:
    monkeypatch.setenv('STORAGE_EMULATOR_HOST', server.url)
    yield server


def _vertex(server) -> VertexSchedules:
  settings = Vertex(project='shop', region='europe-west4', endpoint=server.url, service_account='steps@shop')
  return VertexSchedules(Platform(vertex=settings), auth.AnonymousCredentials())


def test_vertex_schedule(vertex, pipelines):
  made = _vertex(vertex).create('nightly', NIGHTLY, pipelines[Target.VERTEX])
  [request] = vertex.sent('POST', '/schedules$')
  assert request.body['cron'] == 'TZ=America/New_York 0 3 * * *'
  assert request.body['maxConcurrentRunCount'] == '1'
  assert not request.body.get('allowQueueing')
  assert request.body['displayName'] == 'nightly'
  job = request.body['createPipelineJobRequest']['pipelineJob']
  assert job['pipelineSpec'] == pipelines[Target.VERTEX].spec
  assert job['runtimeConfig']['gcsOutputDirectory'] == 'gs://shop-farelite/runs'
  assert job['serviceAccount'] == 'steps@shop'
  assert (made.target, made.cron, made.zone, made.state) == (
    ScheduleTarget.VERTEX, '0 3 * * *', 'America/New_York', State.ACTIVE)  # fmt: skip
  with pytest.raises(ScheduleError, match="There is a schedule 'nightly' already"):
    _vertex(vertex).create('nightly', NIGHTLY, pipelines[Target.VERTEX])


def test_vertex_lists_pauses_resumes_and_deletes(vertex, pipelines):
  schedules = _vertex(vertex)
  schedules.create('nightly', NIGHTLY, pipelines[Target.VERTEX])
  assert [(one.name, one.state) for one in schedules.all()] == [('nightly', State.ACTIVE)]
  assert schedules.pause('nightly').state is State.PAUSED
  assert schedules.all()[0].state is State.PAUSED
  assert schedules.resume('nightly').state is State.ACTIVE
  assert schedules.delete('nightly').name == 'nightly'
  assert [request.path.rpartition(':')[2] for request in vertex.sent('POST', 'schedules/')] == ['pause', 'resume']
  assert not any((request.body or {}).get('catchUp') for request in vertex.sent('POST', ':resume'))
  assert len(vertex.sent('DELETE', 'schedules/1$')) == 1
  assert schedules.all() == ()
  with pytest.raises(ScheduleError, match="There is no schedule 'nightly' in this project; there: none"):
    schedules.delete('nightly')


@pytest.mark.parametrize('verb', [['list'], ['pause', 'nightly'], ['delete', 'nightly']], ids=' '.join)
def test_a_refusal_is_all_that_is_printed(tmp_path, verb):
  """Oracle: a process of its own, as the packages of Google warn when they are imported first."""
  environment = {key: value for key, value in os.environ.items() if key != 'GOOGLE_APPLICATION_CREDENTIALS'}
  environment |= {'FARELITE_PROJECT': 'shop', 'FARELITE_REGION': 'europe-west4'}
  environment |= {'NO_GCE_CHECK': 'true', 'CLOUDSDK_CONFIG': str(tmp_path)}
  command = [sys.executable, '-m', 'pipeline', 'schedule', *verb, '--target', 'vertex']
  done = subprocess.run(command, env=environment, capture_output=True, text=True)
  assert (done.returncode, done.stdout) == (2, '')
  assert re.fullmatch(r"Error: No credentials for Google Cloud: run 'gcloud auth [^\n]*\n", done.stderr)
