"""Events on the wire, by a server on loopback; their shape by the specification, version 2-0-2."""

from __future__ import annotations

import datetime
import io
import time
import uuid

import pytest
from rich.console import Console

from configs import loading
from pipeline.commands.run import Session, perform
from pipeline.local import output as local_output
from pipeline.sources import rides_of
from pipeline.summary_record import Status, StepRecord, Summary
from pipeline.tracking import openlineage
from tests.pipeline.cloud.loopback import loopback
from tests.pipeline.made_run import made_run

STEPS = (
  StepRecord(name='RideExampleGen', state='complete', seconds=2.0, began=0.0),
  StepRecord(name='Pusher', state='complete', seconds=1.0, began=59.0),
)


def _summary(**changes):
  values = {
    'status': Status.PUSHED,
    'reason': 'It is good.',
    'name': 'chicago',
    'run': '20261130-020000-abc123',
    'started': '2026-11-30T02:00:00+00:00',
    'data': 'gs://shop/rides/2026/*.csv',
    'output': '/out',
    'pushed_path': '/out/serving/7',
    'steps': STEPS,
  }
  return Summary(**values | changes)


def test_events_of_a_run_that_pushed():
  start, end = openlineage.events(_summary())
  for event in (start, end):
    uuid.UUID(event['run']['runId'])
    assert datetime.datetime.fromisoformat(event['eventTime']).tzinfo is not None
    assert event['job'] == {'namespace': 'farelite', 'name': 'chicago'}
    assert event['inputs'] == [{'namespace': 'gs://shop', 'name': 'rides/2026/*.csv'}]
    assert event['schemaURL'] == 'https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent'
  assert start['run']['runId'] == end['run']['runId']
  assert (start['eventType'], start['eventTime'], start['outputs']) == ('START', '2026-11-30T02:00:00+00:00', [])
  assert (end['eventType'], end['eventTime']) == ('COMPLETE', '2026-11-30T02:01:00+00:00')
  assert end['outputs'] == [{'namespace': 'file', 'name': '/out/serving/7'}]


@pytest.mark.parametrize('status', [Status.FAILED, Status.ANOMALIES])
def test_events_of_a_run_that_failed(status):
  _, end = openlineage.events(_summary(status=status, reason='The disk is full.', pushed_path=None))
  assert end['eventType'] == 'FAIL' and end['outputs'] == []
  assert end['run']['facets']['errorMessage']['message'] == 'The disk is full.'


def test_a_refused_model_is_a_complete_run_without_an_output():
  _, end = openlineage.events(_summary(status=Status.NOT_BLESSED, pushed_path=None))
  assert end['eventType'] == 'COMPLETE' and end['outputs'] == [] and 'facets' not in end['run']


def test_another_run_has_another_id():
  ids = {next(openlineage.events(_summary(run=run)))['run']['runId'] for run in ('a', 'b', 'b')}
  assert len(ids) == 2


@pytest.mark.parametrize(
  ('data', 'expected'),
  [
    ('/rides/*.csv', {'namespace': 'file', 'name': '/rides/*.csv'}),
    ('bigquery://shop.rides.taxi', {'namespace': 'bigquery', 'name': 'shop.rides.taxi'}),
  ],
)
def test_names_of_rides(data, expected):
  assert next(openlineage.events(_summary(data=data)))['inputs'] == [expected]


def _performed(tmp_path, *overrides):
  """The exit code and what `farelite run` shows after a pipeline that came to a made summary."""
  config = loading.load('chicago', overrides)
  output = local_output.prepare(str(made_run(tmp_path / 'out')))
  shown = io.StringIO()
  console = Console(file=shown, width=200)
  session = Session(config, rides_of(config.dataset), output, console, output.logs / 'a.log', time.monotonic())
  summary = Summary.read(output.summary).model_copy(update={'variants': ()})
  return perform(session, lambda _: summary), shown.getvalue()


def test_a_run_sends_both_with_its_key(tmp_path, monkeypatch):
  monkeypatch.setenv(openlineage.KEY, 'k3y')
  with loopback({'POST /api/v1/lineage': lambda _: (201, {})}) as server:
    code, shown = _performed(tmp_path, f'tracking.openlineage.url={server.url}/api/v1/lineage')
  assert code == 0 and 'could not be noted' not in shown
  assert [request.body['eventType'] for request in server.requests] == ['START', 'COMPLETE']
  assert {request.headers['authorization'] for request in server.requests} == {'Bearer k3y'}


def test_a_server_that_refuses_is_said_and_loses_nothing(tmp_path):
  with loopback({}) as server:
    code, shown = _performed(tmp_path, f'tracking.openlineage.url={server.url}/lineage')
  assert code == 0
  assert ' ! The run could not be noted in OpenLineage: 404 Client Error' in shown
  assert '\npushed' in shown


def test_mlflow_that_is_away_is_said_and_holds_nothing_up(tmp_path):
  """Whether it is not installed, or nobody answers; in seconds, where MLflow's own client tries for minutes."""
  with loopback({}) as server:
    gone = server.url
  start = time.monotonic()
  code, shown = _performed(tmp_path, f'tracking.mlflow.uri={gone}')
  assert code == 0 and time.monotonic() - start < 90
  assert ' ! The run could not be noted in MLflow: ' in shown
