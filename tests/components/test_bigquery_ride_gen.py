"""Rides from BigQuery are the rides of the same table in a file: same Examples, same quarantine.

The reader alone is left out here, as it needs the service; its rows are made
of the real New York rides, in the types that it gives. The reader's own graph
is built for Dataflow in `tests/integration/test_dataflow_jobs.py`.
"""

import csv
import datetime
import decimal
import json

import apache_beam as beam
import pyarrow.parquet as pq
import pytest
from tfx.dsl.components.base import base_beam_executor
from tfx.proto import example_gen_pb2
from tfx.types import standard_artifacts

from components.artifacts import Quarantine
from components.bigquery_ride_gen.component import BigQueryRideGen, BigQueryRideGenExecutor
from components.bigquery_ride_gen.reader import ReadRows, query_of
from components.ride_example_gen.component import RideExampleGen
from components.ride_example_gen.files import IngestionError
from components.ride_example_gen.quarantine import read_counts
from configs import loading
from configs.platform import BigQuery
from pipeline.dag import INGESTION
from tests.components.test_ride_example_gen import read_back

TABLE = 'taxi.rides.nyc'


def typed(row, number):
  """A CSV row in the types of a table: DATETIME, NUMERIC, INT64, FLOAT64; null in place of an empty cell."""
  stamp = datetime.datetime.strptime(row['pickup_datetime'], '%Y-%m-%d %H:%M:%S UTC')
  numbers = {name: float(row[name]) for name in row if name.endswith('itude')}
  fare = decimal.Decimal(row['fare_amount']).quantize(decimal.Decimal('1.000000000'))
  return {
    'key': row['key'],
    'fare_amount': fare if number % 50 else None,
    'pickup_datetime': stamp,
    **{name: value if number % 70 else None for name, value in numbers.items()},
    'passenger_count': int(row['passenger_count']),
  }


@pytest.fixture(scope='module')
def table(nyc_rides):
  """1,500 real rides as rows of BigQuery, some values null."""
  with nyc_rides.open() as file:
    rows = [row for row, _ in zip(csv.DictReader(file), range(1500), strict=False)]
  return [typed(row, number) for number, row in enumerate(rows)]


class _Rows(BigQueryRideGenExecutor):
  """The executor with rows of a list in place of the reader's."""

  rows: list = []

  def _reader(self, source):
    return beam.Create(self.rows)


def run(executor, node, folder, arguments=()):
  """Runs an executor; its Examples' folder, counts and quarantined rows."""
  examples, quarantine = standard_artifacts.Examples(), Quarantine()
  examples.uri, quarantine.uri = str(folder / 'examples'), str(folder / 'quarantine')
  context = base_beam_executor.BaseBeamExecutor.Context(beam_pipeline_args=list(arguments), tmp_dir=str(folder))
  properties = {name: value for name, value in node.exec_properties.items() if value is not None}
  executor(context).Do({}, {'examples': [examples], 'quarantine': [quarantine]}, properties)
  parts = sorted((folder / 'quarantine').glob('*.parquet'))
  quarantined = [row for part in parts for row in pq.read_table(part).to_pylist()]
  return folder / 'examples', read_counts(quarantine.uri), quarantined


def component(*overrides, source=None):
  config = loading.load('nyc', overrides)
  source = source or BigQuery(table=TABLE)
  return BigQueryRideGen(bigquery=source, version='1', dataset=config.dataset, split=config.split, code_version='1')


def of_file(table, folder, *overrides):
  """The same rows as a CSV file, by RideExampleGen."""
  folder.mkdir()
  with (folder / 'rides.csv').open('w') as file:
    writer = csv.DictWriter(file, list(table[0]))
    writer.writeheader()
    for row in table:
      writer.writerow(row | {'pickup_datetime': f'{row["pickup_datetime"]} UTC'})
  config = loading.load('nyc', overrides)
  split = example_gen_pb2.Input.Split(name='rides', pattern='rides.csv')
  node = RideExampleGen(
    input_base=str(folder),
    input_config=example_gen_pb2.Input(splits=[split]),
    dataset=config.dataset,
    split=config.split,
    code_version='1',
  )
  return run(node.executor_spec.executor_class, node, folder)


def rides_of(folder, split):
  columns = read_back(f'{folder}/Split-{split}')
  names = sorted(columns)
  return sorted(zip(*(map(str, columns[name]) for name in names), strict=True))


@pytest.mark.parametrize(
  'overrides',
  [pytest.param((), id='hash'), pytest.param(('split.method=chronological',), id='chronological')],
)
def test_the_same_rides_as_from_a_file(table, tmp_path, monkeypatch, overrides):
  monkeypatch.setattr(_Rows, 'rows', table)
  (tmp_path / 'table').mkdir()
  found, counts, quarantined = run(_Rows, component(*overrides), tmp_path / 'table')
  expected, of_csv, set_aside = of_file(table, tmp_path / 'file', *overrides)
  for split in ('train', 'eval'):
    assert rides_of(found, split) == rides_of(expected, split) != []
  assert counts.quarantined == of_csv.quarantined and counts.quarantined['missing_fare'] == 30
  assert (counts.read, counts.splits) == (1500, of_csv.splits)
  assert counts.files == (f'bigquery://{TABLE}',)
  reasons = [
    sorted((json.loads(row['row'])['key'], row['reason'], row['column']) for row in rows)
    for rows in (
      quarantined,
      set_aside,
    )
  ]
  assert reasons[0] == reasons[1]
  assert {(row['file'], row['row_number']) for row in quarantined} == {(f'bigquery://{TABLE}', -1)}
  assert not list(found.glob('_staging'))


def test_a_table_with_another_name_of_a_column(table, tmp_path, monkeypatch):
  """Oracle: the rides under the primary name."""
  renamed = [
    {'Fare_Amt' if name == 'fare_amount' else name: value for name, value in row.items()} for row in table[:300]
  ]
  for folder, rows in (('other', renamed), ('primary', table[:300])):
    (tmp_path / folder).mkdir()
    monkeypatch.setattr(_Rows, 'rows', rows)
    run(_Rows, component('dataset.columns.fare_amount=[fare_amount, Fare_Amt]'), tmp_path / folder)
  for split in ('train', 'eval'):
    assert rides_of(tmp_path / 'other' / 'examples', split) == rides_of(tmp_path / 'primary' / 'examples', split)


def test_a_column_of_nothing_but_null_at_first(table, tmp_path, monkeypatch):
  """Types are those of a file's own rows; other rows of the column have other files."""
  monkeypatch.setattr('components.bigquery_ride_gen.reader._BATCH_ROWS', 100)
  late = [row | {'passenger_count': None if number < 150 else 1} for number, row in enumerate(table[:300])]
  monkeypatch.setattr(_Rows, 'rows', late)
  _, counts, _ = run(_Rows, component(), tmp_path)
  assert counts.read == 300


def test_no_rows(tmp_path, monkeypatch):
  monkeypatch.setattr(_Rows, 'rows', [])
  with pytest.raises(IngestionError, match=r'bigquery://taxi\.rides\.nyc has no rows; check the table'):
    run(_Rows, component(), tmp_path)


def test_a_column_that_is_not_there(table, tmp_path, monkeypatch):
  monkeypatch.setattr(_Rows, 'rows', [{'fare': row['fare_amount'], 'key': row['key']} for row in table[:3]])
  with pytest.raises(IngestionError, match=r"'bigquery://query' has no column 'pickup_datetime'.*it has: fare, key"):
    run(_Rows, component(source=BigQuery(query='SELECT 1')), tmp_path)


def test_several_workers(table, tmp_path, monkeypatch):
  monkeypatch.setattr(_Rows, 'rows', table)
  arguments = ['--direct_running_mode=multi_threading', '--direct_num_workers=2', '--sdk_container_image=installed']
  _, counts, _ = run(_Rows, component(), tmp_path, arguments)
  assert counts.read == 1500


def test_the_cache_key():
  """The query, the version and the mapping are in it; where else the config says the version, is not."""
  key = dict(component(source=BigQuery(query='SELECT 1', version='a')).exec_properties)
  assert key['version'] == '1' and json.loads(key['bigquery'])['query'] == 'SELECT 1'
  assert key == dict(component(source=BigQuery(query='SELECT 1')).exec_properties)
  assert key != dict(component(source=BigQuery(query='SELECT 2')).exec_properties)


@pytest.mark.parametrize(
  ('source', 'project', 'expected'),
  [
    pytest.param({'table': 'taxi.b.c'}, 'taxi', {'project': 'taxi', 'dataset': 'b', 'table': 'c'}, id='own_table'),
    pytest.param({'table': 'other.b.c'}, 'taxi', {'query': 'SELECT * FROM `other.b.c`'}, id='table_of_others'),
    pytest.param({'table': 'example.com:a.b.c'}, 'example.com:a', {'dataset': 'b', 'table': 'c'}, id='with_a_domain'),
    pytest.param({'query': 'SELECT 1'}, 'taxi', {'query': 'SELECT 1', 'use_standard_sql': True}, id='query'),
  ],
)
def test_what_beams_reader_is_asked(source, project, expected):
  from components.bigquery_ride_gen.reader import _what

  assert expected.items() <= _what(BigQuery(**source), project).items()


def test_reading_needs_a_project():
  with pytest.raises(IngestionError, match=r'BigQuery needs a Google Cloud project'):
    beam.Pipeline() | ReadRows(BigQuery(query='SELECT 1'))


def test_a_whole_table_as_a_query():
  assert query_of(BigQuery(table=TABLE)) == 'SELECT * FROM `taxi.rides.nyc`'


def test_the_step_has_the_name_that_others_look_for():
  assert component().with_id(INGESTION).id == 'RideExampleGen'
