"""Runs in MLflow's own file store, read back with MLflow's own client."""

from __future__ import annotations

import json
import pathlib

import pytest

from configs import loading
from configs.loading import ConfigError
from pipeline.local import output as local_output
from pipeline.summary_record import Status, Summary
from pipeline.tracking import mlflow as tracking
from pipeline.tracking.trackers import trackers
from tests.pipeline.made_run import made_run

RUN = {
  'run': '20261130-020000-abc123',
  'started': '2026-11-30T02:00:00+00:00',
  'code_version': 'e4325925508a6be2',
  'git_commit': '0df4270-dirty',
}


@pytest.fixture(autouse=True)
def file_store(monkeypatch):
  monkeypatch.setenv('MLFLOW_ALLOW_FILE_STORE', 'true')  # MLflow asks for it: new features come to databases alone.
  for name in tracking._PATIENCE:
    monkeypatch.setenv(name, tracking._PATIENCE[name])


@pytest.fixture
def finished(tmp_path):
  """A run that pushed a version, its page and its summary."""
  directory = made_run(tmp_path / 'out', **RUN, pushed_version='1795458791')
  version = directory / 'serving' / '1795458791'
  (version / 'assets.extra').mkdir(parents=True)
  (version / 'assets.extra' / 'manifest.json').write_text('{"variant": "pqat_80.int8"}')
  (version / 'model.tflite').write_bytes(b'TFL3')
  (directory / 'report.html').write_text('<p>page</p>')
  output = local_output.at(str(directory))
  return output, Summary.read(output.summary)


def _config(tmp_path, *more):
  return loading.load('chicago', [f'tracking.mlflow.uri={(tmp_path / "store").as_uri()}', *more])


def _client(tmp_path):
  from mlflow.tracking import MlflowClient

  uri = (tmp_path / 'store').as_uri()
  return MlflowClient(uri, uri)


def _downloaded(client, number, name, folder):
  folder.mkdir(exist_ok=True)
  return pathlib.Path(client.download_artifacts(number, name, str(folder)))


def test_what_a_run_of_mlflow_holds(tmp_path, finished):
  """Oracle: the summary and the config that were logged."""
  pytest.importorskip('mlflow')
  output, summary = finished
  config = _config(tmp_path, 'model.hidden=[9]')
  number = tracking.log(config, output, summary)
  client = _client(tmp_path)
  run = client.get_run(number)
  assert client.get_experiment(run.info.experiment_id).name == config.name
  assert (run.info.run_name, run.info.status) == (RUN['run'], 'FINISHED')
  assert run.info.start_time == 1_796_004_000_000  # 2026-11-30 02:00 in UTC, by `date -d`.
  assert run.data.params['model.hidden'] == '[9]'
  assert run.data.params['dataset.currency'] == 'USD'
  assert json.loads(run.data.params['training.recipes.pqat_80'])['name'] == 'pqat_80'
  assert len(run.data.params) > 200
  metrics = run.data.metrics
  assert [metrics[name] for name in ('rmse', 'rmse_low', 'rmse_high')] == pytest.approx([4.43, 3.53, 5.33])
  assert metrics['variants/pqat_80.int8/bytes'] == metrics['chosen/bytes'] == 13_980
  assert metrics['rows/read'] == summary.rows.read
  assert metrics['rmse_without_worst_5'] == 3.64
  assert run.data.tags['status'] == 'pushed'
  assert run.data.tags['code_version'] == RUN['code_version']
  assert run.data.tags['pushed_version'] == '1795458791'
  assert run.data.tags['mlflow.source.git.commit'] == '0df4270-dirty'
  assert {file.path for file in client.list_artifacts(number)} == {
    'summary.json', 'config.yaml', 'report.html', 'manifest.json'
  }  # fmt: skip
  kept = _downloaded(client, number, 'summary.json', tmp_path / 'read')
  assert json.loads(kept.read_text()) == summary.to_dict()
  config_text = _downloaded(client, number, 'config.yaml', tmp_path / 'read').read_text()
  assert config_text == loading.dump(config)


def test_a_pushed_version_is_registered_once(tmp_path, finished):
  """A run out of the cache names the same version again. Oracle: the files of the version."""
  pytest.importorskip('mlflow')
  output, summary = finished
  config = _config(tmp_path, 'tracking.mlflow.registered_model=taxi-fares', 'tracking.mlflow.experiment=nights')
  first = tracking.log(config, output, summary)
  tracking.log(config, output, summary)
  client = _client(tmp_path)
  [version] = client.search_model_versions("name='taxi-fares'")
  assert version.run_id == first
  assert version.tags['pushed_path'] == summary.pushed_path
  assert version.description == summary.reason
  assert version.source.endswith('/artifacts/version')
  model = _downloaded(client, first, 'version', tmp_path / 'read') / 'model.tflite'
  assert model.read_bytes() == b'TFL3'
  newer = output.serving / '1795458800'
  newer.mkdir()
  tracking.log(config, output, summary.model_copy(update={'pushed_path': str(newer)}))
  assert len(client.search_model_versions("name='taxi-fares'")) == 2


@pytest.mark.parametrize('status', [Status.FAILED, Status.ANOMALIES, Status.NOT_BLESSED])
def test_a_run_that_pushed_nothing_registers_nothing(tmp_path, finished, status):
  pytest.importorskip('mlflow')
  output, summary = finished
  changed = summary.model_copy(update={'status': status, 'pushed_path': None, 'metrics': None})
  number = tracking.log(_config(tmp_path, 'tracking.mlflow.registered_model=taxi-fares'), output, changed)
  client = _client(tmp_path)
  run = client.get_run(number)
  assert run.info.status == ('FINISHED' if status is Status.NOT_BLESSED else 'FAILED')
  assert 'rmse' not in run.data.metrics and run.data.tags['status'] == status.value
  assert client.search_registered_models() == []
  assert 'manifest.json' not in {file.path for file in client.list_artifacts(number)}


def test_a_run_that_failed_at_its_start_does_not_log_the_page_of_the_one_before(tmp_path, finished):
  pytest.importorskip('mlflow')
  output, _ = finished
  output.failed_start.write_text('{}')
  failed = Summary(status=Status.FAILED, reason='No such file.', name='chicago', **RUN)
  number = tracking.log(_config(tmp_path), output, failed)
  client = _client(tmp_path)
  assert {file.path for file in client.list_artifacts(number)} == {'summary.json', 'config.yaml'}
  assert Summary.read(_downloaded(client, number, 'summary.json', tmp_path / 'read')) == failed


def test_keys_and_values_keep_to_mlflows_limits():
  found = tracking.parameters(loading.load('nyc'))
  assert max(map(len, found)) <= 250 and max(map(len, found.values())) <= 6000
  assert tracking._cut('a' * 6001, 6000) == 'a' * 5999 + '…'
  assert tracking._key('quarantined/über 8–9 h') == 'quarantined/_ber 8_9 h'


def test_figures_that_are_no_numbers_are_left_out(tmp_path, finished):
  pytest.importorskip('mlflow')
  output, summary = finished
  bad = summary.model_copy(update={'rmse_without_worst_5': float('nan')})
  number = tracking.log(_config(tmp_path), output, bad)
  assert 'rmse_without_worst_5' not in _client(tmp_path).get_run(number).data.metrics


@pytest.mark.parametrize(
  ('override', 'message'),
  [
    pytest.param('mlflow.uri=http://me:secret@mlflow', 'must not hold a user or password, and is not', id='mlflow'),
    pytest.param('openlineage.url=http://me:secret@lineage', 'must not hold a user or password', id='openlineage'),
    pytest.param('openlineage.url=lineage', 'must be a URL that begins with http', id='no_url'),
  ],
)
def test_addresses(override, message):
  with pytest.raises(ConfigError, match=message) as caught:
    loading.load('nyc', [f'tracking.{override}'])
  assert 'secret' not in str(caught.value)


def test_nothing_is_tracked_by_default(tmp_path, finished):
  assert [*trackers(loading.load('chicago'), *finished)] == []
  both = ['tracking.mlflow.uri=http://a', 'tracking.openlineage.url=http://b']
  assert [name for name, _ in trackers(loading.load('chicago', both), *finished)] == ['MLflow', 'OpenLineage']
