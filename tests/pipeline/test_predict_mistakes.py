"""`farelite predict`: a user's mistake is one sentence with exit code 2, and leaves no file behind."""

import gzip
import re
import shutil

import pytest

from configs.errors import UserError
from configs.loading import load
from tests.models.lite.small_files import preset_lite_file, some_rides, write_version
from tests.pipeline.ride_files import farelite_predict, predict, source_rows, write_csv, write_parquet


@pytest.fixture(scope='module')
def model(tmp_path_factory):
  """A push destination with one version."""
  destination = tmp_path_factory.mktemp('serving')
  write_version(destination / '3')
  return destination


def unknown_columns(folder):
  return [write_csv(folder / 'rides.csv', [], ('a', 'b'))]


def chicago_columns(folder):
  (folder / 'rides.csv').write_text('trip_start_timestamp,pickup_longitude,pickup_latitude,trip_miles\n1,2,3,4\n')
  return [str(folder / 'rides.csv')]


def good_rides(folder):
  return [write_csv(folder / 'rides.csv', source_rows(some_rides(load('nyc'), 3)))]


def numbers_for_stamps(folder):
  rides = some_rides(load('nyc'), 3)
  return [write_parquet(folder / 'rides.parquet', rides, pickup_datetime=[1, 2, 3])]


def nothing_but_a_marker(folder):
  (folder / '_SUCCESS').touch()
  return [str(folder / '*')]


def second_file_is_cut_off(folder):
  [path] = good_rides(folder)
  (folder / 'b.csv.gz').write_bytes(gzip.compress(b'key,pickup_datetime\n' * 1000)[:50])
  return [path, str(folder / 'b.csv.gz')]


MISTAKES = [
  pytest.param(unknown_columns, [], r"rides.csv' has no column 'pickup_datetime'", id='unknown_columns'),
  pytest.param(chicago_columns, [], r"has no column 'pickup_datetime', .*it has: trip_start", id='another_city'),
  pytest.param(numbers_for_stamps, [], r"rides.parquet': Column 'pickup_datetime' holds int64", id='wrong_type'),
  pytest.param(second_file_is_cut_off, [], r"b.csv.gz' breaks off or is damaged", id='second_file_is_cut_off'),
  pytest.param(lambda folder: [str(folder / '*.csv')], [], r"No file matches '.*\*.csv'", id='no_file_matches'),
  pytest.param(nothing_but_a_marker, [], r"No file matches .*_SUCCESS' \(its name begins with an", id='a_marker'),
  pytest.param(lambda _: ['s3://b/*.csv'], [], r"'s3://b/\*.csv' is not in a bucket that TensorFlow reads", id='s3'),
  pytest.param(lambda _: ['rides/**.csv'], [], r'\*\* stands for folders at any depth, alone', id='two_stars'),
  pytest.param(lambda folder: [str(folder)], [], r'is a directory; name its files', id='a_directory'),
  pytest.param(good_rides, ['--output', 'fares.txt'], r"'fares.txt' must be a local file that ends in", id='suffix'),
  pytest.param(
    good_rides, ['--output', 'no/fares.csv'], r"'no/fares.csv' lies in a directory that is not", id='folder'
  ),
  pytest.param(good_rides, ['--output', 'rides.csv'], r"'rides.csv' is one of the files of rides", id='overwriting'),
  pytest.param(good_rides, ['--set', 'dataset.columns.kee=1'], r"unknown key 'kee'", id='unknown_key'),
  pytest.param(good_rides, ['--config', 'nowhere'], r"No config file 'nowhere'", id='no_config'),
]


@pytest.mark.parametrize(('rides', 'options', 'message'), MISTAKES)
def test_mistakes_are_one_sentence(model, tmp_path, rides, options, message):
  paths = rides(tmp_path)
  before = sorted(tmp_path.iterdir())
  output = [] if '--output' in options else ['--output', 'fares.parquet']
  result = farelite_predict(model, *paths, *options, *output, cwd=tmp_path)
  assert result.returncode == 2
  assert re.search(message, result.stderr)
  assert result.stderr.startswith('Error: ')
  assert 'Traceback' not in result.stderr
  assert sorted(tmp_path.iterdir()) == before


def altered(model):
  path = model / '3' / 'model.tflite'
  content = bytearray(path.read_bytes())
  content[20_000] ^= 1
  path.write_bytes(content)
  return model


def cut_off(model):
  (model / 'cut.tflite').write_bytes((model / '3' / 'model.tflite').read_bytes()[:-1000])
  return model / 'cut.tflite'


def with_a_further_input(model):
  (model / 'tolls.tflite').write_bytes(preset_lite_file('nyc', 'dataset.extras=[{name: tolls, column: tolls}]'))
  return model / 'tolls.tflite'


MODELS = [
  pytest.param(altered, None, r"'model.tflite' in .* was altered", id='altered'),
  pytest.param(cut_off, 'nyc', r"cut.tflite' is cut off or damaged", id='cut_off'),
  pytest.param(
    lambda model: model / '3' / 'saved_model.pb', 'nyc', r"saved_model.pb' is not a TFLite file", id='no_lite'
  ),
  pytest.param(lambda model: model / 'none', None, r"There is no '.*none'", id='nothing_there'),
  pytest.param(lambda model: model / '3' / 'variables', None, r'is neither a pushed version nor', id='some_directory'),
  pytest.param(
    lambda model: model / '3' / 'model.tflite',
    None,
    r'is a file on its own.*add --config F',
    id='no_config',
  ),
  pytest.param(with_a_further_input, 'nyc', r"does not fit the dataset 'nyc': 'tolls' is an input", id='other_inputs'),
]


@pytest.mark.parametrize(('change', 'config', 'message'), MODELS)
def test_models_that_are_refused(model, tmp_path, change, config, message):
  copy = shutil.copytree(model, tmp_path / 'serving')
  with pytest.raises(UserError, match=message):
    predict(change(copy), *good_rides(tmp_path), folder=tmp_path, config=config)
  assert not (tmp_path / 'fares.csv').exists()


def test_what_was_there_stays_where_the_run_fails(model, tmp_path):
  (tmp_path / 'fares.csv').write_text('earlier')
  with pytest.raises(UserError, match='breaks off'):
    predict(model, *second_file_is_cut_off(tmp_path), folder=tmp_path)
  assert (tmp_path / 'fares.csv').read_text() == 'earlier'
  assert not list(tmp_path.glob('.fares*'))
