"""Where a path is cut into the base and the pattern that TFX's ExampleGen takes."""

import pytest

from configs.loading import load
from pipeline.sources import DataSourceError, data_source, files_of, rides_of


@pytest.mark.parametrize(
  ('path', 'base', 'pattern'),
  [
    pytest.param('/data/rides.csv', '/data', 'rides.csv', id='one_file'),
    pytest.param('/data/2020/*.csv.gz', '/data/2020', '*.csv.gz', id='glob'),
    pytest.param('/data/*/part-?.parquet', '/data', '*/part-?.parquet', id='glob_in_a_folder'),
    pytest.param('/data/span-{SPAN}/*', '/data', 'span-{SPAN}/*', id='span'),
    pytest.param('/data/{YYYY}/{MM}/{DD}/rides.csv', '/data', '{YYYY}/{MM}/{DD}/rides.csv', id='dates'),
    pytest.param('gs://bucket/rides/*.csv', 'gs://bucket/rides', '*.csv', id='bucket'),
  ],
)
def test_cuts_at_the_first_wildcard(path: str, base: str, pattern: str):
  source = data_source(path)
  assert (source.base, source.pattern) == (base, pattern)


def test_relative_paths_become_absolute(monkeypatch, tmp_path):
  monkeypatch.chdir(tmp_path)
  assert data_source('rides.csv').base == str(tmp_path)


def test_reaches_into_packages():
  source = data_source('package://pipeline/cli.py')
  assert source.base.endswith('/pipeline')
  assert source.pattern == 'cli.py'


@pytest.mark.parametrize(
  ('path', 'message'),
  [
    pytest.param(None, r'No data: give --data', id='nothing'),
    pytest.param('package://no_such_package/x.csv', r"'no_such_package', which is not installed", id='no_package'),
    pytest.param('/tmp', r"'/tmp' is a directory; name its files, such as '/tmp/\*\.csv'", id='directory'),
  ],
)
def test_refuses(path: str | None, message: str):
  with pytest.raises(DataSourceError, match=message):
    data_source(path)


def test_bigquery_is_called_by_its_table():
  source = rides_of(load('nyc', ['dataset.bigquery.table=taxi.rides.nyc']).dataset)
  assert f'{source.base}/{source.pattern}' == 'bigquery://taxi.rides.nyc'
  assert (source.bigquery.table, source.version) == ('taxi.rides.nyc', None)


def test_the_version_of_the_config():
  assert rides_of(load('nyc', ['dataset.bigquery={query: SELECT 1, version: a}']).dataset).version == 'a'


def test_what_needs_files_says_so():
  with pytest.raises(
    DataSourceError, match=r'farelite study needs files \(dataset.path\), and these rides are in BigQ'
  ):
    files_of(load('nyc', ['dataset.bigquery.table=taxi.rides.nyc']).dataset, 'farelite study')
