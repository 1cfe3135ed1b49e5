"""Columns under several names: every way in reads what the primary names alone would read.

Oracle: the same rides in a file with the primary names.
"""

import json
import pathlib

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from components.ride_example_gen.canonical import canonical_rides
from components.ride_example_gen.column_names import check_columns
from components.ride_example_gen.files import IngestionError
from components.ride_example_gen.ingestion import inspect_span, judged_blocks
from components.ride_example_gen.reading import read_blocks
from configs.loading import load
from tests.components.ingested import ingested

NAMES = ['id', 'at', 'fare', 'x0', 'y0', 'x1', 'y1', 'riders', 'rate']
OTHERS = ['ID', 'At', 'Fare_Amt', 'Start_Lon', 'y 0', 'x1', 'y1', 'Passengers', 'RatecodeID']
RIDES = [
  ['a', '2012-05-04 08:00:00', '6.1', '-73.99', '40.73', '-73.98', '40.75', '1', '1'],
  ['b', '2012-05-04 09:00:00', '52', '-73.78', '40.64', '-73.98', '40.75', '2', '2.0'],
  ['c', '2012-05-04 09:30:00', '-3', '-73.78', '40.64', '-73.98', '40.75', '2', ''],
]


@pytest.fixture(scope='module')
def config():
  columns = ['key', None, 'fare_amount', 'pickup_longitude', 'pickup_latitude', 'dropoff_longitude', 'dropoff_latitude']
  named = dict(zip([*columns, 'passenger_count'], zip(NAMES, OTHERS, strict=True), strict=False))
  del named[None]
  listed = {name: list(dict.fromkeys(both)) for name, both in named.items()}
  extra = '{name: rate, column: [rate, RateCodeID, RatecodeID], kind: categorical, vocabulary: ["1", "2"]}'
  return load(
    'nyc',
    [
      f'dataset.columns={json.dumps(listed)}',
      'dataset.time={column: [at, At], format: "%Y-%m-%d %H:%M:%S"}',
      f'dataset.extras=[{extra}]',
    ],
  )


def csv(folder: pathlib.Path, names: list[str], file: str = 'rides.csv') -> str:
  path = folder / file
  path.write_text('\n'.join(','.join(row) for row in [names, *RIDES]) + '\n')
  return str(path)


def parquet(folder: pathlib.Path, names: list[str]) -> str:
  path = folder / 'rides.parquet'
  columns = [pa.array(column) for column in zip(*RIDES, strict=True)]
  pq.write_table(pa.Table.from_arrays(columns, names), path)
  return str(path)


def judged(path: str, dataset) -> tuple[list, list, list]:
  [(block, canonical)] = judged_blocks(path, dataset)
  return (
    block.rows.schema.names,
    canonical.rides.to_pylist(),
    list(zip(canonical.reason, canonical.column, strict=True)),
  )


@pytest.mark.parametrize('write', [csv, parquet])
def test_a_file_with_other_names_is_read_as_one_with_the_primary_ones(config, tmp_path, write):
  (tmp_path / 'other').mkdir()
  expected = judged(write(tmp_path, NAMES), config.dataset)
  found = judged(write(tmp_path / 'other', OTHERS), config.dataset)
  assert repr(found) == repr(expected)
  assert found[0] == NAMES
  assert [str(column) for _, column in found[2]] == ['None', 'None', 'fare']


def test_each_file_of_a_run_may_have_its_own_names(config, tmp_path):
  files = [
    csv(tmp_path, NAMES, 'a.csv'),
    csv(tmp_path, OTHERS, 'b.csv'),
    parquet(tmp_path, [*NAMES[:-1], 'RateCodeID']),
  ]
  span = inspect_span(files, config.dataset.model_copy(update={'rules': _lenient(config)}))
  assert (span.read, span.kept, span.broken) == (9, 6, None)


def _lenient(config):
  return config.dataset.rules.model_copy(update={'max_quarantined_share': 0.5})


def test_the_quarantine_has_the_primary_names(config, tmp_path):
  counts, _ = ingested(csv(tmp_path, OTHERS), tmp_path, config.dataset)
  assert counts.quarantined == {'fare_out_of_range': 1}
  [row] = pq.read_table(tmp_path / 'quarantine-0.parquet').to_pylist()
  assert row['column'] == 'fare' and list(json.loads(row['row'])) == NAMES


@pytest.mark.parametrize('names', [NAMES, OTHERS], ids=['primary', 'others'])
def test_rides_without_a_fare(config, tmp_path, names):
  """As for `farelite predict`: neither the fare nor the key has to be there."""
  path = tmp_path / 'rides.csv'
  rows = [row[1:2] + row[3:] for row in [names, *RIDES]]
  path.write_text('\n'.join(','.join(row) for row in rows) + '\n')
  [block] = read_blocks(str(path), config.dataset, label_required=False)
  assert block.rows.schema.names == ['at', *NAMES[3:]]


@pytest.mark.parametrize(
  'table',
  [
    pytest.param(pa.Table.from_arrays([pa.array(column) for column in zip(*RIDES, strict=True)], OTHERS), id='arrow'),
    pytest.param(pd.DataFrame(RIDES, columns=OTHERS), id='pandas'),
  ],
)
def test_tables_in_memory(config, tmp_path, table):
  canonical = canonical_rides(table, config.dataset)
  assert repr(canonical.rides.to_pylist()) == repr(judged(csv(tmp_path, NAMES), config.dataset)[1])


def test_the_key_goes_by_any_of_its_names(config):
  names = ['key_2', 'ID', *NAMES[1:]]
  assert check_columns('x', names, config.dataset) == {'ID': 'id'}
  assert check_columns('x', ['ID', 'id', *NAMES[1:]], config.dataset) == {}


@pytest.mark.parametrize(
  ('names', 'message'),
  [
    pytest.param(
      [*NAMES, 'Fare_Amt'],
      r"^'x' has the columns 'fare' and 'Fare_Amt', and dataset maps both names to fare_amount; drop one of them",
      id='two_names_at_once',
    ),
    pytest.param([*NAMES, 'fare'], r"^'x' has the column 'fare' twice; rename or drop one of them\.", id='twice'),
    pytest.param(
      [name for name in NAMES if name != 'rate'],
      r"^'x' has no column 'rate' \(nor 'RateCodeID' or 'RatecodeID'\), which dataset maps to rate; it has: id, at",
      id='none_of_them',
    ),
    pytest.param(
      [*NAMES[:-1], 'ratecode_id'],
      r"Did you mean 'ratecode_id'\? Where files differ in it, list both names: \[rate, RateCodeID, RatecodeID, rat",
      id='case_and_underscore',
    ),
    pytest.param(
      [*NAMES[:-1], 'rates', ' RATE '], r"Did you mean ' RATE '\? Where", id='case_and_spaces_before_a_near_one'
    ),
    pytest.param([*NAMES[:-1], 'rates'], r"Did you mean 'rates'\?$", id='near'),
    pytest.param([*NAMES[:-1], 'snow'], r'snow\.$', id='nothing_near'),
  ],
)
def test_says_what_is_wrong_with_the_columns(config, names, message):
  with pytest.raises(IngestionError, match=message):
    check_columns("'x'", names, config.dataset)


def test_all_columns_that_are_not_there_are_named_at_once(config):
  """Oracle: the columns of the header, two renamed."""
  header = ['id', 'at', 'Fares', 'x0', 'y0', 'Ex_1', 'y1', 'riders', 'rate']
  with pytest.raises(IngestionError) as caught:
    check_columns("'rides.csv'", header, config.dataset)
  message = str(caught.value)
  assert "has no column 'fare' (nor 'Fare_Amt'), which dataset maps to fare_amount, and none for 'x1'" in message
  assert "'x1' (dropoff_longitude); it has: id, at, Fares" in message
  assert "Did you mean 'Fares' for 'fare'?" in message


def test_a_column_of_two_coordinates_is_named_once():
  dataset = load('tlc-yellow-zones').dataset
  header = [name for name in dataset.source_columns().values() if name != dataset.places.pickup]
  with pytest.raises(IngestionError) as caught:
    check_columns("'rides.csv'", header, dataset)
  assert str(caught.value).count(' (pickup_') == 0
