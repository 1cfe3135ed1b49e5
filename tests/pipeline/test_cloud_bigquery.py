"""What a local run asks BigQuery first: the real clients and real credentials, against a server on loopback."""

import pytest
from click.testing import CliRunner

from configs.platform import BigQuery
from pipeline import cli
from pipeline.sources import DataSource, DataSourceError, current
from tests import bigquery_service

TABLE = 'taxi.rides.nyc'


@pytest.fixture
def service(tmp_path, monkeypatch):
  """The address of the server; the credentials in the environment are its own."""
  with bigquery_service.service(tmp_path) as (address, key):
    monkeypatch.setenv('GOOGLE_APPLICATION_CREDENTIALS', key)
    yield address


def source(version=None, **values):
  return DataSource('bigquery:/', 'x', bigquery=BigQuery(**values), version=version)


def test_the_version_of_a_table_is_its_last_change(service):
  # Oracle: `date -u -d @1330000000.123`.
  found = current(source(table=TABLE), 'payer', service)
  assert found.version == 'changed 2012-02-23T12:26:40.123000+00:00'
  assert found == current(source(table=TABLE), 'payer', service)


def test_a_query_is_new_each_time(service):
  versions = {current(source(query='SELECT 1'), 'payer', service).version for _ in range(2)}
  assert len(versions) == 2


def test_a_version_of_the_configs_is_not_asked_for(service):
  assert current(source('march', table='no.such.table'), 'payer', service).version == 'march'


@pytest.mark.parametrize(
  ('values', 'message'),
  [
    pytest.param({'table': 'taxi.rides.other'}, r'BigQuery finds no taxi\.rides\.other', id='no_table'),
    pytest.param({'table': 'closed.rides.nyc'}, r"BigQuery refuses project 'payer'.*Access Denied", id='no_permission'),
    pytest.param({'query': 'SELECT * FORM x'}, r'BigQuery does not take the query.*Syntax error', id='bad_sql'),
  ],
)
def test_what_the_service_refuses(service, values, message):
  with pytest.raises(DataSourceError, match=message):
    current(source(**values), 'payer', service)


def test_no_service(service, monkeypatch):
  monkeypatch.setattr('pipeline.sources._RETRY_SECONDS', 0.1)
  with pytest.raises(DataSourceError, match='BigQuery can not be asked'):
    current(source(table=TABLE), 'payer', 'http://localhost:9')


@pytest.fixture
def nobody(monkeypatch, tmp_path):
  """No project, no credentials, and no machine of Google's that could give some."""
  for name in ('GOOGLE_APPLICATION_CREDENTIALS', 'FARELITE_PROJECT', 'GOOGLE_CLOUD_PROJECT', 'CLOUDSDK_CORE_PROJECT'):
    monkeypatch.delenv(name, raising=False)
  monkeypatch.setenv('CLOUDSDK_CONFIG', str(tmp_path))
  monkeypatch.setenv('NO_GCE_CHECK', 'true')


def run(tmp_path, *overrides):
  arguments = ['run', '--config', 'nyc', '--output', str(tmp_path / 'out'), '--set', f'dataset.bigquery.table={TABLE}']
  return CliRunner().invoke(cli.main, [*arguments, *(part for one in overrides for part in ('--set', one))])


def test_the_command_without_a_project(nobody, tmp_path):
  result = run(tmp_path)
  assert result.exit_code == 2
  assert 'BigQuery needs a Google Cloud project that pays for reading: set platform.vertex.project' in result.output


def test_the_command_without_credentials(nobody, tmp_path):
  result = run(tmp_path, 'platform.vertex.project=taxi')
  assert result.exit_code == 2
  assert 'BigQuery needs Google Cloud credentials, and there are none: run `gcloud auth' in result.output


def test_two_sources(tmp_path):
  result = run(tmp_path, 'dataset.path=rides.csv')
  assert result.exit_code == 2
  assert 'path (or --data) and bigquery are two sources of rides' in result.output


def test_a_window_of_a_query(tmp_path):
  result = run(tmp_path, 'retraining.window=3')
  assert result.exit_code == 2
  assert 'retraining.window is for files in spans; for BigQuery put the period into the query.' in result.output


@pytest.mark.parametrize(
  ('table', 'hint'),
  [pytest.param('rides.nyc', 'table', id='no_project'), pytest.param('a-b.c.`d`', 'table', id='quoted')],
)
def test_a_table_is_named_whole(tmp_path, table, hint):
  result = run(tmp_path, f'dataset.bigquery.table={table}')
  assert result.exit_code == 2
  assert f'dataset.bigquery.{hint}' in result.output
