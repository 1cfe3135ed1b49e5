"""The executor with Beam's real runner on real files, read back by TensorFlow."""

import gzip
import importlib
import json
import pathlib
import subprocess
import sys

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import tensorflow as tf
from tfx.components.example_gen import utils
from tfx.dsl.io import fileio
from tfx.types import standard_artifacts
from tfx.utils import proto_utils

from components.artifacts import Quarantine
from components.ride_example_gen import executor
from components.ride_example_gen.executor import RideExampleGenExecutor, _Ingest
from components.ride_example_gen.files import IngestionError
from components.ride_example_gen.quarantine import RideCounts, read_counts
from configs.loading import load

NAMES = (
  'key fare_amount pickup_datetime pickup_longitude pickup_latitude dropoff_longitude dropoff_latitude passenger_count'
)
NAMES = NAMES.split()
FLOATS = [
  'pickup_longitude',
  'pickup_latitude',
  'dropoff_longitude',
  'dropoff_latitude',
  'passenger_count',
  'fare_amount',
]
STAMP = '2011-01-28 20:42:59 UTC'


def rides(count, first=0):
  """Valid rides, each an hour after the last, with fares that tell them apart."""
  hours = np.datetime64('2012-01-01T00') + np.arange(first, first + count).astype('timedelta64[h]')
  for number, hour in zip(range(first, first + count), hours, strict=True):
    stamp = str(hour).replace('T', ' ') + ':00:00 UTC'
    yield [str(number), f'{3 + number / 100:.2f}', stamp, '-73.99', '40.73', '-73.98', '40.71', '2']


def ride(**changes):
  return list(
    (dict(zip(NAMES, ['1', '11.3', STAMP, '-73.99', '40.73', '-73.98', '40.71', '2'], strict=True)) | changes).values()
  )


def as_csv(rows):
  return '\n'.join(','.join(row) for row in [NAMES, *rows]).encode() + b'\n'


def put(path, content):
  path.parent.mkdir(parents=True, exist_ok=True)
  path.write_bytes(content)


def ingest(source, output, pattern='*', overrides=(), window=None, exclude=None):
  """Runs the executor, without a driver; the examples' folder by split, and the quarantine's."""
  config = load('nyc', overrides)
  examples, quarantine = standard_artifacts.Examples(), Quarantine()
  examples.uri, quarantine.uri = f'{output}/examples', f'{output}/quarantine'
  properties = {
    'input_base': str(source),
    'input_config': proto_utils.proto_to_json(utils.make_default_input_config(pattern)),
    'dataset': executor.DATASET.dump(config.dataset),
    'split': executor.dump_split(config.split),
    **({} if window is None else {'window': window}),
    **({} if exclude is None else {'exclude': exclude}),
  }
  # Without Beam arguments: with any, TFX first builds a wheel of itself.
  RideExampleGenExecutor(RideExampleGenExecutor.Context()).Do(
    {}, {'examples': [examples], 'quarantine': [quarantine]}, properties
  )
  assert json.loads(examples.split_names) == ['train', 'eval']
  assert examples.get_string_custom_property('payload_format') == 'FORMAT_TF_EXAMPLE'
  assert fileio.listdir(examples.uri) and '_staging' not in fileio.listdir(examples.uri)
  return {split: f'{examples.uri}/Split-{split}' for split in ('train', 'eval')}, quarantine.uri


def read_back(split_uri):
  """Columns of a split, sorted by fare, parsed as every later step parses them."""
  features = {name: tf.io.FixedLenFeature([], tf.float32) for name in FLOATS}
  features['pickup_seconds'] = tf.io.FixedLenFeature([], tf.int64)
  records = tf.data.TFRecordDataset(fileio.glob(f'{split_uri}/data_tfrecord-*-of-*.gz'), 'GZIP')
  parsed = [tf.io.parse_example(batch, features) for batch in records.batch(10_000)]
  if not parsed:
    return {name: np.zeros(0) for name in features}
  columns = {name: np.concatenate([batch[name].numpy() for batch in parsed]) for name in features}
  order = np.argsort(columns['fare_amount'])
  return {name: column[order] for name, column in columns.items()}


def quarantined(uri):
  return [row for file in sorted(fileio.glob(f'{uri}/*.parquet')) for row in pq.read_table(file).to_pylist()]


def test_csv_parts_gzip_and_parquet_give_the_same_examples(tmp_path):
  rows = list(rides(200))
  put(tmp_path / 'csv/a.csv', as_csv(rows[:70]))
  put(tmp_path / 'csv/b.csv', as_csv(rows[70:]))
  put(tmp_path / 'mixed/a.csv.gz', gzip.compress(as_csv(rows[:70])))
  typed = pa.table(dict(zip(NAMES, zip(*rows[70:], strict=True), strict=True)))
  kinds = {'fare_amount': pa.float64(), 'pickup_longitude': pa.float32(), 'passenger_count': pa.int64()}
  for name, kind in kinds.items():
    typed = typed.set_column(NAMES.index(name), name, typed[name].cast(kind))
  pq.write_table(typed, tmp_path / 'mixed/b.parquet')
  results = [ingest(tmp_path / source, tmp_path / f'out-{source}') for source in ('csv', 'mixed')]
  for split in ('train', 'eval'):
    first, second = (read_back(splits[split]) for splits, _ in results)
    for name in first:
      np.testing.assert_array_equal(first[name], second[name])
  together = np.sort(np.concatenate([read_back(uri)['fare_amount'] for uri in results[0][0].values()]))
  np.testing.assert_array_equal(together, np.float32([float(row[1]) for row in rows]))
  counts = read_counts(results[0][1])
  assert (counts.read, counts.kept, counts.quarantined) == (200, 200, {})
  assert counts.files == (str(tmp_path / 'csv/a.csv'), str(tmp_path / 'csv/b.csv'))


def test_missing_values_are_written_out_as_nan(tmp_path):
  put(tmp_path / 'in/a.csv', as_csv([ride(dropoff_latitude='', passenger_count='nan')]))
  splits, _ = ingest(tmp_path / 'in', tmp_path)
  columns = [read_back(uri) for uri in splits.values()]
  values = {name: np.concatenate([column[name] for column in columns]) for name in columns[0]}
  assert {name for name in FLOATS if np.isnan(values[name][0])} == {'dropoff_latitude', 'passenger_count'}


BAD_ROWS = {
  'wrong_number_of_fields': [['1', '2'], [*ride(), '9']],
  'malformed_quotes': [ride(key='5" pipe'), ride(key='"1')],
  'missing_time': [ride(pickup_datetime='')],
  'unparsable_time': [ride(pickup_datetime='2011-02-30 00:00:00 UTC'), ride(pickup_datetime='"2011\n"')],
  'time_out_of_range': [
    ride(pickup_datetime='2008-12-31 23:59:59 UTC'),
    ride(pickup_datetime='2061-01-01 00:00:00 UTC'),
  ],
  'unparsable_number': [ride(fare_amount='"a ""b"" \\ \x01\t"')],
  'not_finite': [ride(fare_amount='inf'), ride(pickup_latitude='-inf')],
  'missing_fare': [ride(fare_amount='nan'), ride(fare_amount='')],
  'fare_out_of_range': [ride(fare_amount='-3')],
  'pickup_outside_bounds': [ride(pickup_longitude='0', pickup_latitude='0')],
  'dropoff_outside_bounds': [ride(dropoff_latitude='0')],
  'passengers_out_of_range': [ride(passenger_count='0')],
}


def test_rows_that_break_a_rule_are_set_aside_whole_and_counted(tmp_path):
  """Oracle: the rows as they were written; good and bad ones alternate."""
  bad = [(reason, row) for reason, rows in BAD_ROWS.items() for row in rows]
  good = list(rides(len(bad)))
  put(tmp_path / 'in/a.csv', as_csv([row for pair in zip(good, (row for _, row in bad), strict=True) for row in pair]))
  splits, quarantine = ingest(tmp_path / 'in', tmp_path)
  counts = read_counts(quarantine)
  assert counts.quarantined == {reason: len(rows) for reason, rows in sorted(BAD_ROWS.items())}
  assert (counts.read, counts.kept) == (2 * len(bad), len(bad))
  assert counts.splits == {split: len(read_back(uri)['fare_amount']) for split, uri in splits.items()}
  rows = sorted(quarantined(quarantine), key=lambda row: row['row_number'])
  assert [(row['reason'], row['row_number']) for row in rows] == [
    (reason, 2 * i + 2) for i, (reason, _) in enumerate(bad)
  ]
  assert {row['file'] for row in rows} == {str(tmp_path / 'in/a.csv')}
  for found, (reason, written) in zip(rows, bad, strict=True):
    if reason in ('wrong_number_of_fields', 'malformed_quotes'):
      assert (found['row'], found['column']) == (','.join(written), None)
    else:
      cells = [cell[1:-1].replace('""', '"') if cell.startswith('"') else cell for cell in written]
      assert json.loads(found['row']) == dict(zip(NAMES, cells, strict=True))
      assert found['column'] in NAMES


def test_parquet_rows_are_set_aside_with_nulls_and_types_as_text(tmp_path):
  row = dict(zip(NAMES, ride(), strict=True)) | {'fare_amount': -1.5, 'passenger_count': None, 'tags': ['a', 'b']}
  (tmp_path / 'in').mkdir()
  pq.write_table(pa.Table.from_pylist([row]), tmp_path / 'in/a.parquet')
  _, quarantine = ingest(tmp_path / 'in', tmp_path)
  (found,) = quarantined(quarantine)
  assert json.loads(found['row']) == row | {'fare_amount': '-1.5', 'tags': "['a', 'b']"}


FEW = [
  pytest.param([], 0, id='header_only'),
  pytest.param([ride()], 1, id='one_row'),
  pytest.param([ride()] * 50, 50, id='one_distinct_time_stamp'),
  pytest.param([ride(fare_amount='-1')] * 50, 0, id='all_rows_invalid'),
]


@pytest.mark.parametrize('method', ['hash', 'chronological'])
@pytest.mark.parametrize(('rows', 'kept'), FEW)
def test_few_rides_succeed_with_readable_splits(tmp_path, rows, kept, method):
  put(tmp_path / 'in/a.csv', as_csv(rows))
  splits, quarantine = ingest(tmp_path / 'in', tmp_path, overrides=[f'split.method={method}'])
  sizes = {split: len(read_back(uri)['fare_amount']) for split, uri in splits.items()}
  assert sorted(sizes.values()) == [0, kept]
  counts = read_counts(quarantine)
  assert (counts.read, counts.kept, counts.splits) == (len(rows), kept, sizes)
  assert all(fileio.listdir(uri) == ['data_tfrecord-00000-of-00001.gz'] for uri in splits.values())


def test_chronological_evaluates_on_the_newest_rides(tmp_path):
  """Oracle: the rides are hourly, so the newest fifth is the last 40 of 200, over both files."""
  rows = list(rides(200))
  put(tmp_path / 'in/a.csv', as_csv([*rows[100:], ride(pickup_datetime='2050-01-01 00:00:00 UTC', fare_amount='0')]))
  put(tmp_path / 'in/b.csv', as_csv(rows[:100]))
  splits, _ = ingest(tmp_path / 'in', tmp_path, overrides=['split.method=chronological'])
  np.testing.assert_array_equal(
    read_back(splits['eval'])['fare_amount'], np.float32([float(row[1]) for row in rows[160:]])
  )
  assert len(read_back(splits['train'])['fare_amount']) == 160


def test_unreadable_files_are_all_reported_and_nothing_is_published(tmp_path):
  put(tmp_path / 'in/a.csv', as_csv(rides(20)))
  put(tmp_path / 'in/b.csv', b'PK\x03\x04')
  put(tmp_path / 'in/c.csv.gz', gzip.compress(as_csv(rides(2000)))[:-50])
  with pytest.raises(IngestionError, match=r"b.csv' is a zip archive(.|\n)*c.csv.gz' breaks off or is damaged"):
    ingest(tmp_path / 'in', tmp_path)
  assert not list(tmp_path.glob('examples/Split-*')) and not (tmp_path / 'quarantine').exists()


def test_no_file_matches(tmp_path):
  with pytest.raises(IngestionError, match=r"No file matches '.*/\*.csv'; check the path"):
    ingest(tmp_path, tmp_path / 'out', '*.csv')


def test_a_column_of_the_wrong_type_names_the_file(tmp_path):
  (tmp_path / 'in').mkdir()
  columns = dict(zip(NAMES, ([cell] for cell in ride()), strict=True)) | {'pickup_datetime': [1.5]}
  pq.write_table(pa.table(columns), tmp_path / 'in/a.parquet')
  with pytest.raises(IngestionError, match=r"a.parquet': Column 'pickup_datetime' holds double, which does not fit"):
    ingest(tmp_path / 'in', tmp_path)


def test_attempts_that_were_repeated_or_broke_off_add_nothing(tmp_path):
  """Beam may run a bundle twice; the real step runs thrice here, and a fourth attempt dies half way."""
  put(tmp_path / 'a.csv', as_csv([*rides(50), ride(fare_amount='-1')]))
  config = load('nyc')
  staging = executor.Staging(str(tmp_path / 'staging'))
  step = _Ingest(config.dataset, config.split, staging, {})
  for _ in range(3):
    list(step.process((0, (str(tmp_path / 'a.csv'),))))
  with staging.attempt().open('train-0.gz') as file:
    file.write(b'half a shard')
  split_uris = {split: str(tmp_path / f'Split-{split}') for split in ('train', 'eval')}
  counts = executor.publish([staging.note(0, _Ingest.NOTE)], staging, split_uris, str(tmp_path / 'quarantine'), {})
  assert counts.read == 51 and counts.kept == 50
  assert sum(len(read_back(uri)['fare_amount']) for uri in split_uris.values()) == 50
  assert len(quarantined(str(tmp_path / 'quarantine'))) == 1
  assert not (tmp_path / 'staging').exists()


def test_a_bucket_works_as_a_disk_does(tmp_path):
  """TensorFlow's in-memory file system stands for a bucket: the same calls, no local paths."""
  bucket = f'ram://{tmp_path.name}'
  content = as_csv([*rides(100), ride(fare_amount='-1')])
  with fileio.open(f'{bucket}/in/a.csv.gz', 'wb') as file:
    file.write(gzip.compress(content))
  (tmp_path / 'b').mkdir()
  pq.write_table(pa.table(dict(zip(NAMES, zip(*rides(100, 100), strict=True), strict=True))), tmp_path / 'b.parquet')
  with fileio.open(f'{bucket}/in/b.parquet', 'wb') as file:
    file.write((tmp_path / 'b.parquet').read_bytes())
  splits, quarantine = ingest(f'{bucket}/in', f'{bucket}/out')
  fares = np.sort(np.concatenate([read_back(uri)['fare_amount'] for uri in splits.values()]))
  np.testing.assert_array_equal(fares, np.float32([float(row[1]) for row in rides(200)]))
  assert read_counts(quarantine).quarantined == {'fare_out_of_range': 1}
  with fileio.open(fileio.glob(f'{quarantine}/*.parquet')[0], 'rb') as file:
    assert pq.read_table(pa.BufferReader(file.read())).num_rows == 1


def test_what_is_passed_over_is_named_among_the_counts(tmp_path):
  """As Spark leaves a folder behind it."""
  put(tmp_path / 'in/part-0.csv', as_csv(rides(20)))
  for name in ('_SUCCESS', '._SUCCESS.crc', '.part-0.csv.crc', 'part-1.csv'):
    put(tmp_path / 'in' / name, b'')
  _, quarantine = ingest(tmp_path / 'in', tmp_path, '**')
  counts = read_counts(quarantine)
  assert (counts.read, counts.files) == (20, (str(tmp_path / 'in/part-0.csv'),))
  dot, underscore = 'its name begins with a dot', 'its name begins with an underscore'
  assert counts.passed_over == {
    f'{tmp_path}/in/.part-0.csv.crc': dot,
    f'{tmp_path}/in/._SUCCESS.crc': dot,
    f'{tmp_path}/in/_SUCCESS': underscore,
    f'{tmp_path}/in/part-1.csv': 'it is empty',
  }


def test_counts_of_an_earlier_version_are_read():
  """Oracle: a file as it was written before anything was passed over."""
  text = '{"read": 1, "kept": 1, "quarantined": {}, "splits": {"train": 1, "eval": 0}, "files": ["a.csv"]}'
  assert RideCounts.from_json(text) == RideCounts(1, 1, {}, {'train': 1, 'eval': 0}, ('a.csv',), passed_over={})


@pytest.mark.parametrize('method', ['hash', 'chronological'])
def test_many_small_files_give_the_same_rides_in_few_shards(tmp_path, method):
  """Oracle: one file of the same rows."""
  rows = [*rides(390), *(ride(fare_amount='-1') for _ in range(10))]
  put(tmp_path / 'one/a.csv', as_csv(rows))
  for number in range(100):
    put(tmp_path / f'many/{number:03d}.csv', as_csv(rows[4 * number : 4 * number + 4]))
  overrides = [f'split.method={method}']
  (one, aside), (many, aside_of_many) = (
    ingest(tmp_path / name, tmp_path / f'out-{name}', overrides=overrides) for name in ('one', 'many')
  )
  for split in ('train', 'eval'):
    for name, column in read_back(one[split]).items():
      np.testing.assert_array_equal(read_back(many[split])[name], column)
    assert fileio.listdir(many[split]) == ['data_tfrecord-00000-of-00001.gz']
  counts, expected = read_counts(aside_of_many), read_counts(aside)
  assert (counts.read, counts.quarantined, counts.splits) == (400, {'fare_out_of_range': 10}, expected.splits)
  assert counts.files == tuple(f'{tmp_path}/many/{number:03d}.csv' for number in range(100))
  files = [pathlib.Path(row['file']).name for row in quarantined(aside_of_many)]
  assert files == ['097.csv'] * 2 + ['098.csv'] * 4 + ['099.csv'] * 4


def test_unreadable_files_among_many_are_all_reported(tmp_path):
  for number in range(100):
    put(tmp_path / f'in/{number:03d}.csv', b'PK\x03\x04' if number in (3, 97) else as_csv(rides(2)))
  with pytest.raises(IngestionError, match=r"^'.*/003.csv' is a zip archive.*\n'.*/097.csv' is a zip archive.*$"):
    ingest(tmp_path / 'in', tmp_path)
  assert not list(tmp_path.glob('examples/Split-*')) and not (tmp_path / 'quarantine').exists()


MEBIBYTE = 1 << 20


@pytest.mark.parametrize(
  ('sizes', 'expected'),
  [
    pytest.param([10] * 64, [1] * 64, id='few'),
    pytest.param([10] * 65, [65], id='many_small'),
    pytest.param([MEBIBYTE] * 65, [1] * 65, id='many_large'),
    pytest.param([MEBIBYTE // 2] * 66, [1] * 66, id='two_would_fill_it'),
    pytest.param([MEBIBYTE // 2 - 1] * 66, [2] * 33, id='two_fit'),
    pytest.param([10] * 40 + [MEBIBYTE] + [10] * 40, [40, 1, 40], id='a_large_one_between'),
    pytest.param([None] * 100, [1] * 100, id='unknown'),
  ],
)
def test_which_files_share_a_shard(sizes, expected):
  files = tuple(f'{number:03d}.csv' for number in range(len(sizes)))
  known = {file: size for file, size in zip(files, sizes, strict=True) if size is not None}
  half = len(files) // 2
  batches = executor.Sources({'span 1': files[:half], 'span 2': files[half:]}, sizes=known).batches()
  assert [len(batch) for batch in batches] == expected
  assert tuple(file for batch in batches for file in batch) == files


def test_larger_files_give_several_shards(tmp_path, monkeypatch):
  monkeypatch.setattr('components.ride_example_gen.ingestion._SHARD_ROWS', 10)
  monkeypatch.setattr('components.ride_example_gen.csv_table._BLOCK_BYTES', 2000)
  put(tmp_path / 'in/a.csv', as_csv(rides(500)))
  splits, _ = ingest(tmp_path / 'in', tmp_path)
  assert len(list(pathlib.Path(splits['train']).iterdir())) > 5
  fares = np.sort(np.concatenate([read_back(uri)['fare_amount'] for uri in splits.values()]))
  np.testing.assert_array_equal(fares, np.float32([float(row[1]) for row in rides(500)]))


def test_the_real_rides_are_all_kept(tmp_path, nyc_rides):
  _, quarantine = ingest(nyc_rides.parent, tmp_path, nyc_rides.name)
  counts = read_counts(quarantine)
  assert (counts.read, counts.kept) == (8905, 8905)
  assert counts.splits['eval'] / counts.kept == pytest.approx(0.2, abs=0.015)


def test_counts_refuse_to_lose_rows():
  with pytest.raises(ValueError, match='rows were lost or counted twice'):
    RideCounts(read=3, kept=1, quarantined={'missing_fare': 1}, splits={'train': 1, 'eval': 0})


def test_importing_the_package_and_its_pure_modules_is_light():
  code = (
    'import sys, components, components.ride_example_gen.canonical, components.ride_example_gen.reading; '
    "assert not {'tensorflow', 'apache_beam', 'tfx'} & set(sys.modules)"
  )
  done = subprocess.run([sys.executable, '-W', 'ignore', '-c', code], capture_output=True, text=True)
  assert done.returncode == 0, done.stderr[-2000:]


def test_the_artifact_type_is_found_by_the_path_that_it_names():
  package, name = Quarantine.TYPE_NAME.split('.')
  assert getattr(importlib.import_module(package), name) is Quarantine
  with pytest.raises(AttributeError, match="module 'components' has no attribute 'Quarantin'"):
    getattr(importlib.import_module(package), 'Quarantin')  # noqa: B009, a name that is not there
