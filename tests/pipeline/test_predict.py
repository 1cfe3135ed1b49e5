"""`farelite predict`: every row in its place, whatever is wrong with it, and fares that are the lite file's own."""

import datetime
import gzip
import io
import json
import pathlib
import shlex
import subprocess
import sys

import numpy as np
import pytest

from configs.dataset import EPOCH
from configs.loading import load
from models.lite.client import LiteModel
from tests.conftest import REPOSITORY
from tests.models.lite.small_files import preset_lite_file, some_rides, write_version
from tests.pipeline.ride_files import (
  COLUMNS,
  farelite_predict,
  fares,
  predict,
  rows_of_csv,
  source_rows,
  write_csv,
  write_parquet,
)


@pytest.fixture(scope='module')
def model(tmp_path_factory):
  """A push destination with one version."""
  destination = tmp_path_factory.mktemp('serving')
  write_version(destination / '3')
  return destination


@pytest.mark.parametrize('output', ['fares.csv', 'fares.parquet'])
@pytest.mark.parametrize('source', ['csv', 'csv.gz', 'parquet'])
def test_fares_are_those_of_the_client(model, tmp_path, source, output):
  """Oracle: `LiteModel` on the canonical rides that the source rows were made from."""
  rides = some_rides(load('nyc'), 3000)
  path = tmp_path / f'rides.{source}'
  if source == 'parquet':
    write_parquet(path, rides)
  else:
    write_csv(tmp_path / 'rides.csv', source_rows(rides))
  if source == 'csv.gz':
    path.write_bytes(gzip.compress((tmp_path / 'rides.csv').read_bytes()))
  rows = predict(model, path, folder=tmp_path, output=output)
  assert list(rows[0]) == ['row', 'line', 'key', 'prediction', 'reason']
  assert [row['line'] and int(row['line']) for row in rows] == [
    None if source == 'parquet' else line for line in range(2, 3002)
  ]
  assert [int(row['row']) for row in rows] == list(range(3000))
  assert [row['key'] for row in rows] == [f'ride {row}' for row in range(3000)]
  assert {row['reason'] for row in rows} == {None}
  # The last batch of rides has another size than in one call, so sums may be taken in another order.
  np.testing.assert_allclose(fares(rows), LiteModel(preset_lite_file()).predict(rides), rtol=1e-6)


def test_nobody_who_reads_is_no_failure(model, tmp_path):
  write_csv(tmp_path / 'rides.csv', source_rows(some_rides(load('nyc'), 5000)))
  words = [sys.executable, '-m', 'pipeline', 'predict', str(model), str(tmp_path / 'rides.csv'), '--config', 'nyc']
  shell = f'set -o pipefail; {shlex.join(words)} | head -1'
  done = subprocess.run(['bash', '-c', shell], capture_output=True, text=True, cwd=REPOSITORY)
  assert (done.returncode, done.stdout) == (0, 'row,line,key,prediction,reason\n')
  assert 'Error' not in done.stderr and 'Exception' not in done.stderr


def test_invalid_rows_keep_their_place(model, tmp_path):
  """Oracle: the reasons of the ingestion's own tests, row by row."""
  rides = some_rides(load('nyc'), 9)
  rows = source_rows(rides)
  for position, column, cell in (
    (1, 'pickup_datetime', 'yesterday'),
    (2, 'pickup_datetime', ''),
    (4, 'pickup_longitude', '12.5'),
    (5, 'passenger_count', 'two'),
    (7, 'pickup_latitude', 'inf'),
  ):
    rows[position][COLUMNS.index(column)] = cell
  rows[3] = rows[3][:4]
  reasons = [
    None, 'unparsable_time', 'missing_time', 'wrong_number_of_fields', 'pickup_outside_bounds', 'unparsable_number',
    None, 'not_finite', None,
  ]  # fmt: skip
  found = predict(model, write_csv(tmp_path / 'rides.csv', rows), folder=tmp_path)
  assert [int(row['row']) for row in found] == list(range(9))
  assert [row['reason'] for row in found] == reasons
  assert [row['prediction'] is None for row in found] == [reason is not None for reason in reasons]
  assert [row['key'] for row in found] == [None if position == 3 else f'ride {position}' for position in range(9)]
  valid = [position for position, reason in enumerate(reasons) if reason is None]
  expected = LiteModel(preset_lite_file()).predict({name: column[valid] for name, column in rides.items()})
  np.testing.assert_allclose(fares([found[position] for position in valid]), expected, rtol=1e-6)


@pytest.mark.parametrize('threads', [1, 3])
def test_malformed_lines_keep_their_place_over_many_blocks(model, tmp_path, threads):
  """`row` is the oracle."""
  count = 150_000
  malformed = {0, 1, 50_000, 99_999, 100_000, count - 1}
  [ride] = source_rows(some_rides(load('nyc'), 1))
  rows = [[f'ride {row}', 'broken'] if row in malformed else [f'ride {row}', *ride[1:]] for row in range(count)]
  path = write_csv(tmp_path / 'rides.csv', rows)
  assert pathlib.Path(path).stat().st_size > 2 * (4 << 20)
  found = predict(model, path, folder=tmp_path, output='fares.parquet', threads=threads)
  assert [row['row'] for row in found] == list(range(count))
  assert {row['row'] for row in found if row['reason'] == 'wrong_number_of_fields'} == malformed
  assert all(row['key'] == (None if row['row'] in malformed else f'ride {row["row"]}') for row in found)
  assert len({row['prediction'] for row in found}) == 2


def test_every_row_names_its_line(model, tmp_path):
  """Blank lines are no rows, a cell of two lines is one; both show in `line`, which finds the rows without a key."""
  rides = source_rows(some_rides(load('nyc'), 5))
  lines = [','.join(row) for row in rides]
  lines[1] = f'"two\nlines"{lines[1][len("ride 1") :]}'
  lines[2] = lines[2].replace('ride 2', '"ride" 2')
  (tmp_path / 'rides.csv').write_text('\n'.join([','.join(COLUMNS), lines[0], '', '  ', *lines[1:3], '', *lines[3:]]))
  found = predict(model, tmp_path / 'rides.csv', folder=tmp_path)
  assert [(row['row'], row['line'], row['key'], row['reason']) for row in found] == [
    ('0', '2', 'ride 0', None),
    ('1', '5', 'two\nlines', None),
    ('2', '7', None, 'malformed_quotes'),
    ('3', '9', 'ride 3', None),
    ('4', '10', 'ride 4', None),
  ]
  assert [row['prediction'] is None for row in found] == [False, False, True, False, False]


def test_a_file_of_malformed_lines_only(model, tmp_path):
  found = predict(model, write_csv(tmp_path / 'rides.csv', [['a'], ['b', 'c']]), folder=tmp_path)
  assert [(row['row'], row['prediction'], row['reason']) for row in found] == [
    ('0', None, 'wrong_number_of_fields'),
    ('1', None, 'wrong_number_of_fields'),
  ]


@pytest.mark.parametrize('output', ['fares.csv', 'fares.parquet'])
def test_no_rows_give_a_header(model, tmp_path, output):
  assert predict(model, write_csv(tmp_path / 'rides.csv', []), folder=tmp_path, output=output) == []
  if output.endswith('csv'):
    assert (tmp_path / output).read_text() == 'row,line,key,prediction,reason\n'


def test_several_files(model, tmp_path):
  """Globs are sorted, arguments keep their order, and rows are counted through."""
  rides = some_rides(load('nyc'), 12)
  parts = [{name: column[start : start + 4] for name, column in rides.items()} for start in (0, 4, 8)]
  rows = source_rows(parts[0], 0)
  rows[2] = ['short']
  paths = [write_csv(tmp_path / 'b.csv', rows), write_csv(tmp_path / 'c.csv', source_rows(parts[1], 4))]
  paths.append(write_parquet(tmp_path / 'a.parquet', parts[2]))
  found = predict(model, tmp_path / '*.csv', tmp_path / 'a.parquet', folder=tmp_path, output='all.parquet')
  assert [row['row'] for row in found] == list(range(12))
  assert [row['file'] for row in found] == [path for path in paths for _ in range(4)]
  assert list(found[0]) == ['row', 'file', 'line', 'key', 'prediction', 'reason']
  whole = LiteModel(preset_lite_file()).predict(rides)
  whole[2] = np.nan
  np.testing.assert_allclose(fares(found), whole, rtol=1e-6)


def test_a_fare_is_neither_needed_nor_judged(model, tmp_path):
  """A fare that would set the ride aside in training changes nothing here."""
  rides = some_rides(load('nyc'), 3)
  rows = [[*row, fare] for row, fare in zip(source_rows(rides), ('-5', '', '?'), strict=True)]
  with_fare = predict(model, write_csv(tmp_path / 'a.csv', rows, (*COLUMNS, 'fare_amount')), folder=tmp_path)
  without = predict(model, write_csv(tmp_path / 'b.csv', source_rows(rides)), folder=tmp_path)
  assert with_fare == without
  assert None not in [row['prediction'] for row in with_fare]


def test_keys_of_every_kind(model, tmp_path):
  """Numbers become text, special characters are quoted, and a file without the column has empty keys."""
  rides = some_rides(load('nyc'), 3)
  path = write_parquet(tmp_path / 'rides.parquet', rides, key=[10, 11, None])
  assert [row['key'] for row in predict(model, path, folder=tmp_path)] == ['10', '11', None]
  path = write_parquet(tmp_path / 'rides.parquet', rides, key=[b'a', b'\xff1', None])
  assert [row['key'] for row in predict(model, path, folder=tmp_path)] == ['a', '\\xff1', None], 'as in the quarantine'
  keys = ['a,b', 'say "no"', 'two\nlines']
  path = write_csv(tmp_path / 'rides.csv', [[key, *row[1:]] for key, row in zip(keys, source_rows(rides), strict=True)])
  assert [row['key'] for row in predict(model, path, folder=tmp_path)] == keys
  path = write_csv(tmp_path / 'rides.csv', [row[1:] for row in source_rows(rides)], COLUMNS[1:])
  assert [row['key'] for row in predict(model, path, folder=tmp_path)] == [None] * 3


def test_a_dataset_without_a_key(tmp_path):
  version = write_version(tmp_path / '1', 'chicago')
  path = tmp_path / 'rides.csv'
  path.write_text(
    'trip_start_timestamp,pickup_longitude,pickup_latitude,dropoff_longitude,dropoff_latitude,trip_miles\n'
    '1400269500,-87.63,41.88,-87.65,41.90,1\n1400269500,-87.63,41.88,,,\n'
  )
  found = predict(version, path, folder=tmp_path)
  assert list(found[0]) == ['row', 'line', 'prediction', 'reason']
  # 2014-05-16 19:45 by the stamp, which Chicago writes as if its clock were UTC.
  seconds = int((datetime.datetime(2014, 5, 16, 19, 45) - EPOCH).total_seconds())
  ends = np.array([[-87.63, 41.88, -87.65, 41.90], [-87.63, 41.88, np.nan, np.nan]], np.float32).T
  names = ('pickup_longitude', 'pickup_latitude', 'dropoff_longitude', 'dropoff_latitude')
  rides = {'pickup_seconds': np.array([seconds] * 2), 'passenger_count': np.full(2, np.nan, np.float32)}
  expected = LiteModel(preset_lite_file('chicago')).predict(rides | dict(zip(names, ends, strict=True)))
  np.testing.assert_allclose(fares(found), expected, rtol=1e-6)


def test_real_rides(model, tmp_path, nyc_rides):
  found = predict(model, nyc_rides, folder=tmp_path)
  assert len(found) == 8905
  assert np.isfinite(fares(found)).all()


def test_standard_output(model, tmp_path):
  """CSV alone on standard output; what came of it on standard error."""
  rows = source_rows(some_rides(load('nyc'), 3))
  rows[1][1] = '?'
  path = write_csv(tmp_path / 'rides.csv', rows)
  expected = predict(model, path, folder=tmp_path)
  for arguments in ([model], [model / '3' / 'model.tflite', '--config', 'nyc']):
    result = farelite_predict(arguments[0], path, *arguments[1:])
    assert result.returncode == 0, result.stderr
    assert rows_of_csv(io.StringIO(result.stdout)) == expected
    assert '2 of 3 rides predicted' in result.stderr
    assert 'without a prediction: 1 unparsable_time.\n' in result.stderr
    assert "unparsable_time in pickup_datetime, such as '?': add it to dataset.missing.\n" in result.stderr
    assert 'INFO' not in result.stderr


def test_what_is_overridden(model, tmp_path):
  path = write_csv(tmp_path / 'rides.csv', source_rows(some_rides(load('nyc'), 3)), ('id', 'when', *COLUMNS[2:]))
  renamed = ['dataset.columns.key=id', 'dataset.time.column=when']
  found = predict(model, path, folder=tmp_path, overrides=renamed)
  assert [row['key'] for row in found] == ['ride 0', 'ride 1', 'ride 2']


def test_rides_under_any_name_of_a_column(model, tmp_path):
  """Each file has its own names; oracle: the same rides under the primary ones."""
  rows = source_rows(some_rides(load('nyc'), 3))
  files = [
    write_csv(tmp_path / f'{number}.csv', rows, columns)
    for number, columns in enumerate([COLUMNS, ('id', 'when', *COLUMNS[2:])])
  ]
  names = ['dataset.columns.key=[key, id]', 'dataset.time.column=[pickup_datetime, when]']
  found = predict(model, *files, folder=tmp_path, overrides=names)
  assert [row['key'] for row in found] == ['ride 0', 'ride 1', 'ride 2'] * 2
  np.testing.assert_array_equal(fares(found)[3:], fares(found)[:3])
  assert np.isfinite(fares(found)).all()


def test_rides_between_zones(tmp_path):
  """Oracle: `LiteModel` at the places that the table has; zone 264 is no place, zone 999 is none that it has."""
  version = write_version(tmp_path / '1', 'tlc-yellow-zones')
  path = tmp_path / 'rides.csv'
  ends = ((132, 230), (264, 1), (132, 999))
  lines = [f'2023-03-01 08:00:00,1.0,{pickup},{dropoff}.0' for pickup, dropoff in ends]
  path.write_text('\n'.join(['tpep_pickup_datetime,passenger_count,PULocationID,DOLocationID', *lines]) + '\n')
  found = predict(version, path, folder=tmp_path)
  assert [row['reason'] for row in found] == [None, None, 'unknown_zone']
  zones = load('tlc-yellow-zones').dataset.places.zones
  places = np.array([[*zones['132'], *zones['230']], [np.nan, np.nan, *zones['1']]], np.float32).T
  seconds = int((datetime.datetime(2023, 3, 1, 8) - EPOCH).total_seconds())
  rides = {'pickup_seconds': np.array([seconds] * 2), 'passenger_count': np.ones(2, np.float32)}
  rides |= dict(
    zip(('pickup_longitude', 'pickup_latitude', 'dropoff_longitude', 'dropoff_latitude'), places, strict=True)
  )
  expected = LiteModel(preset_lite_file('tlc-yellow-zones')).predict(rides)
  np.testing.assert_allclose(fares(found[:2]), expected, rtol=1e-6)


def test_a_config_of_another_dataset_is_remarked(model, tmp_path):
  path = write_csv(tmp_path / 'rides.csv', source_rows(some_rides(load('nyc'), 3)))
  (tmp_path / 'mine.yaml').write_text(json.dumps({'extends': 'nyc', 'dataset': {'name': 'mine'}}))
  result = farelite_predict(model, path, '--config', tmp_path / 'mine.yaml')
  assert result.returncode == 0, result.stderr
  assert "the model was trained on 'nyc'; the config is that of 'mine'" in result.stderr


def test_nothing_heavy_is_imported(model, tmp_path):
  """Oracle: the modules that are loaded, not a clock."""
  path = write_csv(tmp_path / 'rides.csv', source_rows(some_rides(load('nyc'), 3)))
  program = (
    'import sys\nfrom pipeline.commands import predict\n'
    f'predict.run({str(model)!r}, [{path!r}], output={str(tmp_path / "fares.csv")!r})\n'
    "print(sorted({name.split('.')[0] for name in sys.modules}))\n"
  )
  loaded = subprocess.run([sys.executable, '-c', program], capture_output=True, text=True, check=True).stdout
  for module in ('tensorflow', 'tfx', 'apache_beam', 'tensorflow_transform'):
    assert f"'{module}'" not in loaded


def test_each_file_is_predicted_once_and_what_is_passed_over_is_said(model, tmp_path):
  """Oracle: the keys; rides at any depth, two of them by two names and by a link."""
  rides = tmp_path / 'rides [2024]'
  (rides / 'deep/er').mkdir(parents=True)
  rows = source_rows(some_rides(load('nyc'), 6))
  first = write_csv(rides / 'a.csv', rows[:2])
  write_csv(rides / 'deep/er/b.csv', rows[2:])
  (rides / 'deep/c.csv').symlink_to('../a.csv')
  (rides / '_SUCCESS.csv').touch()
  result = farelite_predict(model, first, first, f'{rides}/**/*.csv', cwd=tmp_path)
  assert result.returncode == 0, result.stderr
  assert [row['key'] for row in rows_of_csv(io.StringIO(result.stdout))] == [row[0] for row in rows]
  assert '3 paths were passed over: ' in result.stderr
  assert f"'{rides}/_SUCCESS.csv' (its name begins with an underscore)" in result.stderr
  assert f"'{rides}/deep/c.csv' (it is a link to '{first}')" in result.stderr
  assert f"'{first}' (it was named before, as '{first}')" in result.stderr
