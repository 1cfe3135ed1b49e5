"""Where a path is cut into the base and the pattern that TFX's ExampleGen takes."""

import pytest

from components.ride_example_gen.files import IngestionError
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
    pytest.param('gs://bucket/*', 'gs://bucket', '*', id='a_whole_bucket'),
    pytest.param('/data/**/{SPAN}/*.csv', '/data', '**/{SPAN}/*.csv', id='any_depth'),
    pytest.param('/data/rides [2024]/*.csv', '/data', 'rides [2024]/*.csv', id='brackets'),
    pytest.param('/*.csv', '/', '*.csv', id='root'),
    pytest.param('file:///data/rides.csv', '/data', 'rides.csv', id='url_of_a_file'),
    pytest.param('file://localhost/data/my%20rides.csv', '/data', 'my rides.csv', id='url_with_a_blank'),
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
    pytest.param('package://', r"names the package '', which is not installed", id='no_name_of_a_package'),
    pytest.param('package://no.such/x.csv', r"'no.such', which is not installed", id='no_package_in_a_package'),
    pytest.param('/tmp', r"'/tmp' is a directory; name its files, such as '/tmp/\*\.csv'", id='directory'),
    pytest.param(
      'gs://rides', r"'gs://rides' is a bucket or a folder; name its files, such as 'gs://rides/\*", id='all'
    ),
    pytest.param(
      'gs://rides/day/', r"is a bucket or a folder; name its files, such as 'gs://rides/day/\*.csv", id='day'
    ),
    pytest.param('gs:///x.csv', r"'gs:///x.csv' is not in a bucket that TensorFlow reads by itself", id='no_bucket'),
    pytest.param('gs://*/x.csv', r'is not in a bucket that TensorFlow reads by itself', id='any_bucket'),
    pytest.param(r'C:\rides\*.csv', r"'C:\\rides\\\*.csv' is no path of this machine", id='windows'),
    pytest.param('~no_such_user/x.csv', r'begins with the home of somebody unknown here', id='unknown_home'),
    pytest.param('/data/\0.csv', r'is no path of this machine', id='null'),
  ],
)
def test_refuses(path: str | None, message: str):
  with pytest.raises(DataSourceError, match=message):
    data_source(path)


@pytest.mark.parametrize(
  'place', ['s3://b/x.csv', 'S3A://b/*.csv', 'https://h/x.csv', 'hdfs://h/x', 'abfss://c@h/x', 'minio://b/x', 'bq://x']
)
def test_places_that_nothing_here_reads(place: str):
  """The sentence of `farelite compile`."""
  message = (
    r"' is not in a bucket that TensorFlow reads by itself; use gs://BUCKET/..., or copy the files to this machin"
  )
  with pytest.raises(DataSourceError, match=message):
    data_source(place)


@pytest.mark.parametrize(
  ('path', 'message'),
  [
    pytest.param('/data/**.csv', r'\*\* stands for folders at any depth, alone between two slashes', id='two_stars'),
    pytest.param('gs://rides/a**/x.csv', r'\*\* stands for folders', id='two_stars_in_a_bucket'),
    pytest.param('/data/{YYYY}/{MM}/*.csv', r'has a date without \{DD\}', id='half_a_date'),
    pytest.param('/data/{SPAN}/{YYYY}-{MM}-{DD}.csv', r'has both \{SPAN\} and a date', id='number_and_date'),
    pytest.param('/data/v{VERSION}/*', r'has \{VERSION\} without', id='version_alone'),
    pytest.param('/data/[9-0]/*', r'its brackets hold no range', id='range_backwards'),
  ],
)
def test_patterns_that_find_nobody_knows_what(path: str, message: str):
  with pytest.raises(IngestionError, match=message):
    data_source(path)


def test_a_name_of_any_length():
  """The listing then finds nothing of that name."""
  assert data_source('/' + 'x' * 5000 + '/*.csv').pattern == '*.csv'


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
