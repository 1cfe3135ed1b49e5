"""How far a span lies from what was trained on. Oracle: the anomaly gate's own findings on the same rides."""

import datetime

import numpy as np
import pyarrow as pa
import pytest
import tensorflow_data_validation as tfdv
from tfx.components.statistics_gen.executor import DEFAULT_FILE_NAME

from benchmarks.simulator import simulate_day
from components.ride_example_gen.ingestion import inspect_span, valid_rides
from components.ride_example_gen.profile import profile_times
from components.ride_validator.divergence import _statistics, span_drift
from components.ride_validator.findings import Kind
from components.ride_validator.hours import add_times
from components.ride_validator.inspection import inspect
from components.ride_validator.schema import ride_schema
from configs import loading

CONFIG = loading.load('nyc')
DAY = datetime.date(2026, 3, 1)


def _written(path, day, rows=400, **changes):
  """A day's rides as CSV; a column may be replaced."""
  import pyarrow.csv

  rides = pa.Table.from_batches([simulate_day(day, rows)])
  for name, values in changes.items():
    rides = rides.set_column(rides.schema.get_field_index(name), name, pa.array(values))
  pyarrow.csv.write_csv(rides, path)
  return [str(path)]


@pytest.fixture
def trained_on(tmp_path):
  """The statistics of two days, as StatisticsGen leaves them; and the proto."""
  files = [*_written(tmp_path / 'a.csv', DAY), *_written(tmp_path / 'b.csv', DAY + datetime.timedelta(1))]
  statistics = _statistics(valid_rides(files, CONFIG.dataset))
  folder = tmp_path / 'statistics' / 'Split-train'
  folder.mkdir(parents=True)
  (folder / DEFAULT_FILE_NAME).write_bytes(statistics.SerializeToString())
  return str(tmp_path / 'statistics'), statistics


@pytest.mark.parametrize(
  ('changes', 'column'),
  [
    pytest.param({}, None, id='another_day'),
    pytest.param({'passenger_count': np.full(400, 6)}, 'passenger_count', id='six_passengers'),
    pytest.param({'fare_amount': np.linspace(60, 190, 400)}, 'fare_amount', id='dear_rides'),
    pytest.param({'dropoff_latitude': [None] * 200 + [40.7] * 200}, 'dropoff_latitude', id='missing_ends'),
  ],
)
def test_is_what_the_anomaly_gate_would_find(tmp_path, trained_on, changes, column):
  uri, before = trained_on
  files = _written(tmp_path / 'new.csv', DAY + datetime.timedelta(2), **changes)
  drift = span_drift(valid_rides(files, CONFIG.dataset), uri, CONFIG.dataset, CONFIG.validation)
  now = _statistics(valid_rides(files, CONFIG.dataset))
  schema = ride_schema(CONFIG.dataset, CONFIG.validation)
  findings = inspect(
    statistics={'train': now},
    schema=schema,
    anomalies={'train': tfdv.validate_statistics(now, schema)},
    validation=CONFIG.validation,
    baseline=before,
  )
  measured = [f for f in findings if f.kind in (Kind.DRIFT, Kind.MISSING_DRIFT)]
  assert drift.divergence == pytest.approx(max(f.divergence for f in measured), abs=1e-6)
  if column:
    assert drift.column == column
    assert drift.divergence > CONFIG.validation.drift_threshold
  else:
    assert drift.divergence < CONFIG.validation.drift_threshold


def test_hours_that_moved_are_drift(tmp_path, trained_on):
  """Twelve hours for a day of all hours; the same statistics without hours, as earlier versions left them, say less."""
  uri, before = trained_on
  stamps = simulate_day(DAY + datetime.timedelta(2), 400).column('pickup_datetime').to_pylist()
  nights = [f'{text[:11]}{int(text[11:13]) % 4:02d}{text[13:]}' for text in stamps]
  files = _written(tmp_path / 'new.csv', DAY + datetime.timedelta(2), pickup_datetime=nights)
  drift = span_drift(valid_rides(files, CONFIG.dataset), uri, CONFIG.dataset, CONFIG.validation)
  assert drift.divergence < CONFIG.validation.drift_threshold
  seconds = [
    batch.column(0).to_numpy() for batch in valid_rides([str(tmp_path / f'{n}.csv') for n in 'ab'], CONFIG.dataset)
  ]
  add_times(before, profile_times(np.concatenate(seconds)))
  (tmp_path / 'statistics' / 'Split-train' / DEFAULT_FILE_NAME).write_bytes(before.SerializeToString())
  drift = span_drift(valid_rides(files, CONFIG.dataset), uri, CONFIG.dataset, CONFIG.validation)
  assert drift.column == 'hour_of_day'
  assert drift.divergence > 0.4


def test_a_survey_counts_as_the_ingestion_does(tmp_path):
  """Oracle: the rows that the test spoils."""
  fares = np.full(400, 12.0)
  fares[:30] = -1
  inspection = inspect_span(_written(tmp_path / 'a.csv', DAY, fare_amount=fares), CONFIG.dataset)
  assert (inspection.read, inspection.kept, inspection.broken) == (400, 370, None)
  header_only = tmp_path / 'b.csv'
  header_only.write_text((tmp_path / 'a.csv').read_text().splitlines()[0] + '\n')
  assert inspect_span([str(header_only)], CONFIG.dataset).broken == 'It has no ride at all.'
