"""Whole runs on other engines than the default, held against the default's artifacts.

The portable runs are real: a job service and a pool of workers as processes of
their own, started in other directories, that share nothing with the run but
the files. `make test-beam` runs these tests.
"""

import contextlib
import json
import os
import pathlib
import socket
import subprocess
import sys
import time

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import tensorflow as tf

from benchmarks.simulator import Format, write
from pipeline.commands import predict
from pipeline.local import output
from pipeline.prediction.sharded import PredictedRows
from tests.integration.conftest import Project
from tests.models.lite.small_files import write_version

pytestmark = pytest.mark.slow


def _free_port():
  with socket.socket() as probe:
    probe.bind(('localhost', 0))
    return probe.getsockname()[1]


@contextlib.contextmanager
def _service(module, *arguments, port, folder):
  """A process of Beam's that listens on a port; its working directory is not the checkout."""
  folder.mkdir()
  # Beam's pool starts workers as `python`: the one with the project installed has to be the first on PATH.
  environment = {**os.environ, 'PATH': f'{pathlib.Path(sys.executable).parent}:{os.environ["PATH"]}'}
  environment.pop('PYTHONPATH', None)
  with (folder / 'log').open('w') as log:
    process = subprocess.Popen(
      [sys.executable, '-m', module, *arguments], cwd=folder, env=environment, stdout=log, stderr=log
    )
    try:
      for _ in range(120):
        with contextlib.suppress(OSError), socket.create_connection(('localhost', port), timeout=1):
          break
        time.sleep(0.5)
      else:
        pytest.fail(f'{module} does not listen: {(folder / "log").read_text()[-2000:]}')
      yield f'localhost:{port}'
    finally:
      process.terminate()
      process.wait(30)


@pytest.fixture(scope='module')
def job_service(tmp_path_factory):
  """The address of a real job service."""
  port = _free_port()
  module = 'apache_beam.runners.portability.local_job_service_main'
  with _service(module, f'--port={port}', port=port, folder=tmp_path_factory.mktemp('job') / 'cwd') as address:
    yield address


@pytest.fixture(scope='module')
def worker_pool(tmp_path_factory):
  """The address and the log of a real pool that starts worker processes."""
  port = _free_port()
  folder = tmp_path_factory.mktemp('pool') / 'cwd'
  module = 'apache_beam.runners.worker.worker_pool_main'
  with _service(module, f'--service_port={port}', port=port, folder=folder) as address:
    yield address, folder / 'log'


def _again(finished, tmp_path, *overrides):
  """The summary and the output of a second run on the same rides in another output directory."""
  first, summary, _ = finished
  project = Project(first.data, output.prepare(str(tmp_path / 'out')))
  again, states = project.run(*overrides)
  assert again['status'] == 'pushed', again['reason']
  assert set(states.values()) == {'complete'}
  return first.output.artifacts, project.output.artifacts, summary, again


def _examples(folder, split):
  """All Examples of a split, parsed; lists by sorted name."""
  files = [str(path) for path in pathlib.Path(folder).glob(f'*/Split-{split}/*.gz')]
  rows = []
  for record in tf.data.TFRecordDataset(files, 'GZIP').as_numpy_iterator():
    features = tf.train.Example.FromString(record).features.feature
    rows.append(
      {name: list(features[name].int64_list.value or features[name].float_list.value) for name in sorted(features)}
    )
  return rows


def _same(direct, other, summary, again):
  assert again['rows']['read'] == summary['rows']['read'] == 1500
  assert (again['rows']['kept'], again['rows']['quarantined']) == (
    summary['rows']['kept'],
    summary['rows']['quarantined'],
  )
  for split in ('train', 'eval'):
    # The ingestion's rows are the same bytes, whoever wrote them.
    rides = [sorted(map(str, _examples(folder / 'RideExampleGen/examples', split))) for folder in (direct, other)]
    assert rides[0] == rides[1] and rides[0]
    features = [_transformed(folder / 'FeatureEngineering/transformed_examples', split) for folder in (direct, other)]
    # Means are summed up in another order.
    np.testing.assert_allclose(features[0], features[1], rtol=1e-4, atol=1e-4)
    assert len(features[0]) == len(rides[0])
  for name in ('slices', 'intervals'):
    [one], [two] = ([*folder.glob(f'FareEvaluator/evaluation/*/{name}.json')] for folder in (direct, other))
    assert _counts(one) == _counts(two)
  assert not list(other.glob('**/_parts')) and not list(other.glob('**/_staging'))


def _transformed(folder, split):
  """Columns, and a random mixture of them that ties them to each other, each sorted: rows have no order."""
  rows = [np.concatenate(list(row.values())) for row in _examples(folder, split)]
  matrix = np.array(rows, np.float64)
  mixture = matrix @ np.random.default_rng(0).uniform(size=matrix.shape[1])
  return np.sort(np.column_stack([matrix, mixture]), axis=0)


def _counts(path):
  content = json.loads(path.read_text())
  return [row['example_count'] for row in content] if isinstance(content, list) else sorted(content)


def test_worker_processes_of_the_direct_runner(finished, tmp_path):
  mode = ['beam.direct.direct_running_mode=multi_processing', 'beam.direct.direct_num_workers=2']
  _same(*_again(finished, tmp_path, *mode))


def test_threads_of_the_direct_runner(finished, tmp_path):
  mode = ['beam.direct.direct_running_mode=multi_threading', 'beam.direct.direct_num_workers=2']
  _same(*_again(finished, tmp_path, *mode))


def test_portable_with_an_external_pool(finished, tmp_path, job_service, worker_pool):
  address, log = worker_pool
  portable = {'job_endpoint': job_service, 'environment_type': 'EXTERNAL', 'environment_config': address}
  _same(*_again(finished, tmp_path, 'beam.engine=portable', f'beam.portable={json.dumps(portable)}'))
  # The workers did run in processes that the pool started, one or more for each of four steps.
  assert log.read_text().count('Starting worker with command') >= 4


def test_predictions_by_an_external_pool(tmp_path, job_service, worker_pool):
  """Oracle: the plain command, bit for bit."""
  address, log = worker_pool
  before = log.read_text().count('Starting worker with command')
  version = write_version(tmp_path / 'serving' / '1').parent
  write(tmp_path / 'rides', rows=3000, file_format=Format.PARQUET, parts=3)
  rides = str(tmp_path / 'rides' / '*.parquet')
  predict.run(str(version), [rides], output=str(tmp_path / 'plain.parquet'))
  portable = {'job_endpoint': job_service, 'environment_type': 'EXTERNAL', 'environment_config': address}
  engine = ['beam.engine=portable', f'beam.portable={json.dumps(portable)}']
  predict.run(str(version), [rides], overrides=engine, output=str(tmp_path / 'fares'), shards='parquet')
  record = PredictedRows.read(tmp_path / 'fares' / 'counts.json')
  parts = pa.concat_tables(pq.read_table(tmp_path / 'fares' / part.name) for part in record.parts)
  assert parts.equals(pq.read_table(tmp_path / 'plain.parquet'))
  assert (record.rows, [part.rows for part in record.parts]) == (3000, [1000, 1000, 1000])
  # Both passes ran in processes that the pool started.
  assert log.read_text().count('Starting worker with command') >= before + 2


def test_portable_with_workers_of_the_job_service(finished, tmp_path, job_service):
  command = f'{sys.executable} -m apache_beam.runners.worker.sdk_worker_main'
  portable = {'job_endpoint': job_service, 'environment_type': 'SUBPROCESS', 'environment_config': command}
  _same(*_again(finished, tmp_path, 'beam.engine=portable', f'beam.portable={json.dumps(portable)}'))


def test_one_step_on_another_engine(finished, tmp_path, job_service):
  portable = {'job_endpoint': job_service, 'environment_type': 'LOOPBACK'}
  step = {'engine': 'portable', 'portable': portable}
  _same(*_again(finished, tmp_path, f'beam.components.RideExampleGen={json.dumps(step)}'))
