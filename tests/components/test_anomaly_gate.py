"""The gate behind ExampleValidator, on statistics and anomalies that TFDV made."""

import dataclasses
import json
import math

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import tensorflow_data_validation as tfdv
from ml_metadata.proto import metadata_store_pb2
from scipy.spatial import distance
from tensorflow_data_validation.statistics import stats_impl
from tfx.components.example_validator.component import ExampleValidator
from tfx.dsl.components.common import importer
from tfx.orchestration import pipeline
from tfx.orchestration.local import local_dag_runner
from tfx.types import standard_artifacts

from components.artifacts import Quarantine
from components.ride_example_gen.profile import ColumnProfile, FileProfile, Profile, profile_times
from components.ride_example_gen.quarantine import RideCounts
from components.ride_validator import findings
from components.ride_validator.component import AnomalyGate, RideSchema
from components.ride_validator.divergence import missing_divergence, value_divergences
from components.ride_validator.findings import AnomaliesError, Kind, Level
from components.ride_validator.hours import add_times
from components.ride_validator.inputs import input_findings
from components.ride_validator.inspection import inspect
from components.ride_validator.schema import ride_schema
from configs import loading
from configs.dataset import COORDINATES
from configs.validation import Severity, Validation

DATASET = loading.load('nyc').dataset
ROWS = 2_000


def _columns(seed=0, rows=ROWS):
  random = np.random.default_rng(seed)
  place = {name: random.normal(-73.97 if 'longitude' in name else 40.75, 0.02, rows) for name in DATASET.raw_inputs()}
  return place | {
    'pickup_seconds': random.integers(0, 10**8, rows),
    'passenger_count': random.integers(1, 7, rows).astype(float),
    'fare_amount': 2.5 + np.minimum(random.exponential(9, rows), 100),
  }


def _statistics(columns):
  kinds = {name: pa.int64() if values.dtype.kind == 'i' else pa.float32() for name, values in columns.items()}
  arrays = {
    name: pa.ListArray.from_arrays(
      np.arange(len(values) + 1, dtype=np.int32), pa.array(np.asarray(values)).cast(kinds[name])
    )
    for name, values in columns.items()
  }
  return stats_impl.generate_statistics_in_memory(pa.RecordBatch.from_pydict(arrays))


def _split(seed=0, **changed):
  columns = _columns(seed)
  for name, change in changed.items():
    if change is None:
      del columns[name]
    else:
      columns[name] = change(columns[name])
  return _statistics(columns)


def _inspect(validation=None, baseline=None, **splits):
  validation = validation or Validation()
  schema = ride_schema(DATASET, validation)
  anomalies = {split: tfdv.validate_statistics(data, schema) for split, data in splits.items()}
  return inspect(splits, schema, anomalies, validation, baseline)


def _first(value, number=1):
  """Puts a value into the first rides."""

  def change(values):
    changed = values.copy()
    changed[:number] = value
    return changed

  return change


def _everywhere(value):
  return lambda values: np.full(len(values), value)


@pytest.fixture(scope='module')
def clean():
  return _split(seed=1)


@pytest.mark.parametrize(
  ('changed', 'sentence'),
  [
    pytest.param(
      {'pickup_latitude': _first(38.2)},
      'pickup_latitude in the eval split: expected values of at least 40, came 38.2.',
      id='too_small',
    ),
    pytest.param(
      {'dropoff_longitude': _first(-70.0)},
      'dropoff_longitude in the eval split: expected values of at most -72.5, came -70.',
      id='too_large',
    ),
    pytest.param(
      {'pickup_seconds': _first(-86_400)},
      'pickup_seconds in the eval split: expected values of at least 0 (2009-01-01 00:00:00), '
      'came -86400 (2008-12-31 00:00:00).',
      id='time_before_2009',
    ),
    pytest.param(
      {'fare_amount': _first(math.nan, 3)},
      'fare_amount in the eval split: expected a number in every ride, came 3 of 2,000 rides without one.',
      id='missing_label',
    ),
    pytest.param(
      {'passenger_count': None},
      'passenger_count in the eval split: expected the column in every ride, came no ride that has it.',
      id='missing_column',
    ),
    pytest.param(
      {'pickup_seconds': lambda values: values.astype(float)},
      'pickup_seconds in the eval split: expected values of type INT, came FLOAT.',
      id='wrong_type',
    ),
  ],
)
def test_an_anomaly_stops_the_run_in_one_sentence(clean, changed, sentence):
  """Oracle: rides that differ from valid ones by one column."""
  found = _inspect(train=clean, eval=_split(seed=2, **changed))
  assert [finding.sentence() for finding in found if finding.stops] == [sentence]
  with pytest.raises(AnomaliesError) as stopped:
    findings.refuse(found)
  assert str(stopped.value).splitlines() == [
    sentence,
    'Fix the rides, widen dataset.rules or relax validation, and run again.',
  ]
  assert stopped.value.findings == found


def test_infinite_numbers_stop_the_run(clean):
  found = _inspect(train=clean, eval=_split(dropoff_latitude=_first(math.inf)))
  sentences = {finding.sentence() for finding in found if finding.stops}
  assert 'dropoff_latitude in the eval split: expected finite numbers, came an infinite one.' in sentences


def test_a_new_column_is_reported(clean):
  columns = _columns(2) | {'tips': np.ones(ROWS)}
  found = _inspect(Validation(severity=Severity.WARNING), train=clean, eval=_statistics(columns))
  (new,) = [finding for finding in found if finding.kind is Kind.SCHEMA]
  assert new.sentence() == 'tips in the eval split: expected no such column, came one of type FLOAT.'
  assert new.stops


def test_an_empty_split_is_reported(clean):
  found = _inspect(train=clean, eval=_statistics(_columns(rows=0)))
  assert 'The eval split: expected rides, came none.' in [finding.sentence() for finding in found if finding.stops]


@pytest.mark.parametrize('name', ['dropoff_longitude', 'passenger_count'])
def test_a_column_without_any_number_is_valid_unless_a_share_says_otherwise(name):
  """TFDV takes its range for 0 to 0 and its divergence for 1: 0 is outside of both columns' domains."""
  data = _split(**{name: _everywhere(math.nan)})
  found = _inspect(Validation(drift_stops=True), baseline=data, train=data, eval=data)
  assert [finding.sentence() for finding in found if finding.severity is not Level.INFO] == []
  found = _inspect(Validation(max_missing_share={name: 0.5}), train=data)
  assert [finding.sentence() for finding in found if finding.stops] == [
    f'{name} in the train split: expected at most 50 % missing values, came 100 % (2,000 of 2,000 rides).'
  ]


@pytest.mark.parametrize(
  ('limit', 'stops'),
  [
    pytest.param(0.05, True, id='above'),
    pytest.param(0.1, False, id='at_the_limit'),
  ],
)
def test_share_of_missing_values(limit, stops):
  data = _split(dropoff_latitude=_first(math.nan, ROWS // 10))
  found = _inspect(Validation(max_missing_share={'dropoff_latitude': limit}), train=data)
  assert any(finding.stops and finding.kind is Kind.MISSING for finding in found) == stops


def test_an_unknown_column_in_the_limits_is_refused(clean):
  message = "validation.max_missing_share names 'dropof_latitude', which is none of pickup_seconds, "
  with pytest.raises(ValueError, match=message):
    _inspect(Validation(max_missing_share={'dropof_latitude': 0.1}), train=clean)


@pytest.mark.parametrize(
  ('severity', 'stops'),
  [(Severity.ERROR, (True, False)), (Severity.WARNING, (True, True)), (Severity.NEVER, (False, False))],
)
def test_severity_decides_what_stops(clean, severity, stops):
  """One error and one warning; TFDV's own warnings are rare, so one anomaly is made milder."""
  validation = Validation(severity=severity)
  schema = ride_schema(DATASET, validation)
  data = _split(pickup_latitude=_first(38.2), pickup_longitude=_first(-80.0))
  anomalies = tfdv.validate_statistics(data, schema)
  anomalies.anomaly_info['pickup_longitude'].severity = 1
  found = inspect({'train': data}, schema, {'train': anomalies}, validation)
  by_level = {finding.severity: finding.stops for finding in found}
  assert (by_level[Level.ERROR], by_level[Level.WARNING]) == stops
  if not any(stops):
    findings.refuse(found)


DRIFTED = {
  'numbers': {'fare_amount': lambda fares: np.linspace(3, 199, len(fares))},
  'missing': {'dropoff_latitude': _first(math.nan, ROWS // 2)},
}


@pytest.mark.parametrize('drift_stops', [True, False])
@pytest.mark.parametrize(
  ('case', 'feature', 'kinds'),
  [
    ('numbers', 'fare_amount', (Kind.DRIFT, Kind.SKEW)),
    ('missing', 'dropoff_latitude', (Kind.MISSING_DRIFT, Kind.MISSING_SKEW)),
  ],
)
def test_drift_and_skew_are_shown_and_stop_where_configured(clean, case, feature, kinds, drift_stops):
  """The same change against the previous span and against the eval split."""
  found = _inspect(Validation(drift_stops=drift_stops), baseline=clean, train=_split(**DRIFTED[case]), eval=clean)
  above = [finding for finding in found if finding.severity is not Level.INFO]
  assert [(finding.feature, finding.kind) for finding in above] == [(feature, kind) for kind in kinds]
  assert all(finding.stops == drift_stops and finding.divergence > finding.threshold == 0.2 for finding in above)
  assert all(finding.divergence <= 0.2 for finding in found if finding.severity is Level.INFO)
  measured = {finding.feature for finding in found if finding.kind is kinds[0]}
  assert 'fare_amount' in measured
  assert ('pickup_seconds' in measured) == (case == 'missing')


@pytest.mark.parametrize('case', list(DRIFTED))
def test_severity_never_holds_for_drift_that_stops_too(clean, case):
  """What goes on is shown as it would have been; only a run that nothing stops goes on."""
  changed = _split(**DRIFTED[case])
  stopping, going_on = (
    _inspect(Validation(drift_stops=True, severity=severity), baseline=clean, train=changed, eval=clean)
    for severity in (Severity.ERROR, Severity.NEVER)
  )
  assert sum(finding.stops for finding in stopping) == 2
  assert not any(finding.stops for finding in going_on)
  assert [dataclasses.replace(finding, stops=False) for finding in stopping] == list(going_on)
  findings.refuse(going_on)


@pytest.mark.parametrize('severity', Severity)
def test_severity_decides_about_missing_values_too(severity):
  data = _split(dropoff_latitude=_first(math.nan, ROWS // 10))
  found = _inspect(Validation(max_missing_share={'dropoff_latitude': 0.05}, severity=severity), train=data)
  [missing] = [finding for finding in found if finding.kind is Kind.MISSING]
  assert (missing.severity, missing.stops) == (Level.ERROR, severity is not Severity.NEVER)
  assert missing.threshold == 0.05


def test_drift_and_skew_have_thresholds_of_their_own(clean):
  """The same change against both; each side is let through once."""
  changed = _split(**DRIFTED['numbers'])
  for limits, kind in (
    ({'drift_threshold': 0.99}, Kind.SKEW),
    ({'skew_threshold': 0.99}, Kind.DRIFT),
  ):
    found = _inspect(Validation(drift_stops=True, **limits), baseline=clean, train=changed, eval=clean)
    assert [finding.kind for finding in found if finding.stops] == [kind]
    assert {f.threshold for f in found if f.kind in (Kind.DRIFT, Kind.SKEW)} == {0.99, 0.2}


def test_a_divergence_at_its_threshold_is_none(clean):
  """The threshold is the divergence itself, as it was measured."""
  changed = _split(**DRIFTED['missing'])
  share = missing_divergence(0.5, 0.0)
  for limit, level in ((share, Level.INFO), (share - 1e-6, Level.WARNING)):
    found = _inspect(Validation(drift_threshold=limit), baseline=clean, train=changed)
    [finding] = [f for f in found if (f.kind, f.feature) == (Kind.MISSING_DRIFT, 'dropoff_latitude')]
    assert finding.severity is level


def test_drift_reads_as_a_sentence(clean):
  found = _inspect(Validation(drift_stops=True), baseline=clean, train=_split(**DRIFTED['missing']))
  (finding,) = [finding for finding in found if finding.stops]
  expected = 'about as many missing values as in the previous span (0 %)'
  assert finding.sentence() == f'dropoff_latitude in the train split: expected {expected}, came 50 %.'


@pytest.mark.rides
def test_skew_tells_a_shift_from_chance_on_real_rides(nyc_rides):
  """Random fifths of the rides pass; coordinates moved by one standard deviation don't."""
  rides = pd.read_csv(nyc_rides)[list(COORDINATES)].astype(float)
  schema = ride_schema(DATASET, Validation())
  for seed in range(3):
    chosen = np.random.default_rng(seed).random(len(rides)) < 0.8
    train, other = rides[chosen], rides[~chosen]
    moved = other + rides.std()
    by_chance, shifted = (
      value_divergences(*(_statistics(dict(part.items())) for part in (train, against)), schema, Kind.SKEW)
      for against in (other, moved)
    )
    assert set(by_chance) == set(shifted) == set(COORDINATES)
    assert max(by_chance.values()) < Validation().skew_threshold < min(shifted.values())


@pytest.mark.parametrize(
  ('share', 'other'),
  [(0.0, 0.0), (0.3, 0.3), (0.0, 1.0), (1.0, 0.2), (0.02, 0.4)],
)
def test_divergence_of_missing_values(share, other):
  """Oracle: SciPy's Jensen-Shannon distance, squared."""
  expected = distance.jensenshannon([share, 1 - share], [other, 1 - other], base=2) ** 2
  assert missing_divergence(share, other) == pytest.approx(expected, abs=1e-9)


def test_findings_survive_json(clean):
  found = _inspect(baseline=clean, train=_split(pickup_latitude=_first(38.2)), eval=clean)
  assert findings.from_json(findings.to_json(found)) == found


def _imported(directory, name, **splits):
  for split, data in splits.items():
    folder = directory / name / f'Split-{split}'
    folder.mkdir(parents=True)
    (folder / 'FeatureStats.pb').write_bytes(data.SerializeToString())
  return importer.Importer(
    source_uri=str(directory / name),
    artifact_type=standard_artifacts.ExampleStatistics,
    properties={'split_names': json.dumps(list(splits))},
    custom_properties={'tfx_version': '1.16.0'},
  ).with_id(name)


def _run(tmp_path, validation, baseline=None, counts=None, **splits):
  """LocalDagRunner with the real schema component and ExampleValidator; the gate's findings."""
  statistics = _imported(tmp_path, 'now', **splits)
  previous = _imported(tmp_path, 'previous', train=baseline) if baseline else None
  (tmp_path / 'quarantine').mkdir()
  (tmp_path / 'quarantine' / 'counts.json').write_text((counts or RideCounts()).to_json())
  quarantine = importer.Importer(source_uri=str(tmp_path / 'quarantine'), artifact_type=Quarantine).with_id('aside')
  schema = RideSchema(dataset=DATASET, validation=validation, code_version='1')
  validator = ExampleValidator(statistics=statistics.outputs['result'], schema=schema.outputs['schema'])
  gate = AnomalyGate(
    statistics=statistics.outputs['result'],
    schema=schema.outputs['schema'],
    anomalies=validator.outputs['anomalies'],
    validation=validation,
    code_version='1',
    baseline_statistics=previous.outputs['result'] if previous else None,
    quarantine=quarantine.outputs['result'],
    dataset=DATASET,
  )
  connection = metadata_store_pb2.ConnectionConfig()
  connection.sqlite.filename_uri = str(tmp_path / 'metadata.db')
  connection.sqlite.connection_mode = metadata_store_pb2.SqliteMetadataSourceConfig.READWRITE_OPENCREATE
  local_dag_runner.LocalDagRunner().run(
    pipeline.Pipeline(
      pipeline_name='gate',
      pipeline_root=str(tmp_path / 'root'),
      components=[statistics, quarantine, *([previous] if previous else []), schema, validator, gate],
      metadata_connection_config=connection,
    )
  )
  (path,) = (tmp_path / 'root').glob('AnomalyGate/findings/*/findings.json')
  return findings.from_json(path.read_text())


def test_a_pipeline_shows_drift_and_goes_on(tmp_path, clean):
  drifted = _split(**DRIFTED['numbers'])
  found = _run(tmp_path, Validation(), baseline=clean, train=drifted, eval=drifted)
  (above,) = [finding for finding in found if finding.severity is Level.WARNING]
  assert (above.feature, above.kind, above.stops) == ('fare_amount', Kind.DRIFT, False)


def _profiled(**times):
  columns = {'passenger_count': ColumnProfile(400, 0, 1.0, 1.0)}
  files = {name: FileProfile(f'span {name}', 200, None, 7) for name in ('1', '2')}
  splits = {'train': 320, 'eval': 80}
  return RideCounts(400, 400, splits=splits, files=('1', '2'), profile=Profile(times, columns, files))


def test_a_pipeline_says_what_can_not_be_right_and_stops_on_a_redelivery(tmp_path, clean):
  """By the counts in the quarantine; nothing in the statistics shows it."""
  with pytest.raises(AnomaliesError, match=r'^The rides: expected other rides in every span, came') as stopped:
    _run(tmp_path, Validation(severity=Severity.NEVER), counts=_profiled(), train=clean, eval=clean)
  kinds = [found.kind for found in stopped.value.findings if found.severity is not Level.INFO]
  assert kinds == [Kind.CONSTANT, Kind.REDELIVERY]


def _with_hours(statistics, hours):
  timed = type(statistics).FromString(statistics.SerializeToString())
  seconds = np.concatenate([day * 86_400 + 3600 * np.asarray(hours) + 61 * day for day in range(40)])
  add_times(timed, profile_times(seconds))
  return timed


def test_hours_drift_as_columns_do_and_not_by_chance(clean):
  days, nights = _with_hours(clean, range(6, 20)), _with_hours(clean, [*range(6), *range(20, 24)])
  for now, level, stops in ((days, Level.INFO, False), (nights, Level.ERROR, True)):
    found = _inspect(Validation(drift_stops=True), baseline=days, train=now)
    [hours] = [finding for finding in found if finding.feature == 'hour_of_day']
    assert (hours.kind, hours.severity, hours.stops, hours.split) == (Kind.DRIFT, level, stops, 'train')
    assert hours.divergence == (1.0 if stops else 0.0)
  without = _inspect(baseline=clean, train=days)
  assert not [finding for finding in without if finding.feature == 'hour_of_day']


def test_a_pipeline_stops_and_the_exception_carries_the_findings(tmp_path, clean):
  """The first run: no previous span."""
  message = r'^pickup_latitude in the eval split: expected values of at least 40, came 38\.2\.'
  with pytest.raises(AnomaliesError, match=message) as stopped:
    _run(tmp_path, Validation(), train=clean, eval=_split(pickup_latitude=_first(38.2)))
  (stopping,) = [finding for finding in stopped.value.findings if finding.stops]
  assert dataclasses.asdict(stopping)['kind'] is Kind.SCHEMA


def test_drift_of_the_newest_span_is_measured_on_it_alone_and_named(tmp_path, clean):
  """Threefold fares on one day, which the older days of the window hide. Oracle: which split was changed."""
  dear = _split(seed=3, **DRIFTED['numbers'])
  files = {'1': FileProfile('2026-03-01', 320, read=320), '2': FileProfile('2026-03-02', 80, read=80)}
  newest = {'passenger_count': ColumnProfile(80, 80), 'dropoff_latitude': ColumnProfile(80, 0, 40.7, 40.7)}
  counts = RideCounts(
    400, 400, splits={'train': 320, 'eval': 80}, files=('1', '2'), profile=Profile({}, {}, files, newest)
  )
  with pytest.raises(AnomaliesError, match=r'in the newest span, 2026-03-02\.') as stopped:
    _run(tmp_path, Validation(drift_stops=True), baseline=clean, counts=counts, train=clean, eval=dear)
  above = [found for found in stopped.value.findings if found.severity is not Level.INFO]
  assert {(found.kind, found.feature, found.split) for found in above} == {
    (Kind.DRIFT, 'fare_amount', 'eval'),
    (Kind.SKEW, 'fare_amount', 'train'),
    (Kind.EMPTY, 'passenger_count', ''),
    (Kind.CONSTANT, 'dropoff_latitude', ''),
  }
  named = [found.kind for found in above if found.came.endswith('in the newest span, 2026-03-02')]
  assert sorted(named) == [Kind.CONSTANT, Kind.DRIFT, Kind.EMPTY]


def test_few_rides_of_a_day_may_have_one_count_by_chance(clean):
  files = {'1': FileProfile('2026-03-01', 320, read=320), '2': FileProfile('2026-03-02', 80, read=80)}
  profile = Profile({}, {}, files, {'passenger_count': ColumnProfile(80, 0, 1.0, 1.0)})
  counts = RideCounts(400, 400, splits={'train': 320, 'eval': 80}, profile=profile)
  assert input_findings(counts, DATASET, Validation()) == ()
