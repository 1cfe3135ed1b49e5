"""The rides of this machine as they lie in a bucket."""

from __future__ import annotations

import pathlib

import pytest

from components.ride_example_gen.files import IngestionError
from pipeline.rehearsal.buckets import Buckets
from pipeline.rehearsal.dag_runner import staged
from pipeline.rehearsal.spec import SpecError
from pipeline.sources import DataSource, DataSourceError


@pytest.fixture
def rides(tmp_path: pathlib.Path) -> pathlib.Path:
  """Rides in two spans, and a file that is none of them."""
  for span in (1, 2):
    (tmp_path / 'rides' / f'span-{span}').mkdir(parents=True)
    (tmp_path / 'rides' / f'span-{span}' / 'a.csv').write_text(f'{span}')
  (tmp_path / 'rides' / 'notes.txt').touch()
  return tmp_path / 'rides'


def _files(buckets: Buckets) -> list[str]:
  folder = buckets.path('gs://farelite-rehearsal/rides')
  return sorted(str(path.relative_to(folder)) for path in folder.rglob('*') if path.is_file())


def test_every_span_goes_to_the_bucket_and_the_pattern_stays(rides: pathlib.Path, tmp_path: pathlib.Path):
  """On a cluster the step decides which spans it reads, so it has to see them all."""
  buckets = Buckets(tmp_path / 'buckets')
  source = staged(DataSource(str(rides), 'span-{SPAN}/*.csv'), buckets)
  assert source == DataSource('gs://farelite-rehearsal/rides', 'span-{SPAN}/*.csv')
  assert _files(buckets) == ['span-1/a.csv', 'span-2/a.csv']


def test_a_ride_file_that_is_gone_is_gone_from_the_bucket_and_the_others_keep_their_times(
  rides: pathlib.Path, tmp_path: pathlib.Path
):
  """ExampleGen's fingerprint has the times of files; a new time would miss the cache."""
  buckets = Buckets(tmp_path / 'buckets')
  source = DataSource(str(rides), 'span-*/*.csv')
  staged(source, buckets)
  (rides / 'span-1' / 'a.csv').unlink()
  staged(source, buckets)
  assert _files(buckets) == ['span-2/a.csv']
  [file] = buckets.path('gs://farelite-rehearsal/rides').rglob('*.csv')
  assert file.stat().st_mtime_ns == (rides / 'span-2' / 'a.csv').stat().st_mtime_ns


def test_no_rides(rides: pathlib.Path, tmp_path: pathlib.Path):
  with pytest.raises(IngestionError, match=r"No file matches '.*/rides/\*.parquet'; check the path"):
    staged(DataSource(str(rides), '*.parquet'), Buckets(tmp_path / 'buckets'))


def test_rides_of_a_bucket_have_to_be_in_its_folder(tmp_path: pathlib.Path):
  buckets = Buckets(tmp_path / 'buckets')
  source = DataSource('gs://company/rides', '*.csv')
  with pytest.raises(
    DataSourceError, match=r"'gs://company/rides/\*.csv' is a bucket, .* put the rides into .*/company/"
  ):
    staged(source, buckets)
  buckets.path('gs://company/rides').mkdir(parents=True)
  (buckets.path('gs://company/rides') / 'a.csv').touch()
  assert staged(source, buckets) is source


def test_buckets_are_folders_and_back(tmp_path: pathlib.Path):
  buckets = Buckets(tmp_path)
  text = '{"a": "gs://b/c", "d": "/gcs/b/c", "e": "hags://x/gcs/y"}'
  local = buckets.localized(text)
  assert local == f'{{"a": "{tmp_path}/b/c", "d": "{tmp_path}/b/c", "e": "hags://x/gcs/y"}}'
  assert buckets.globalized(f'{tmp_path}/b/c') == 'gs://b/c'


def test_a_folder_that_would_break_json_is_refused():
  with pytest.raises(SpecError, match='has signs that would need quotes inside JSON; choose a plainer --output'):
    Buckets(pathlib.Path('/tmp/a"b'))
