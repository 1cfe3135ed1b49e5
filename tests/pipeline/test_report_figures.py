"""Every figure that the page prints. Oracle: NumPy and scikit-learn on the same arrays, or the made run's numbers."""

from __future__ import annotations

import dataclasses
import json
import re

import numpy as np
import pytest
import yaml
from sklearn.metrics.pairwise import haversine_distances
from tensorflow_metadata.proto.v0 import statistics_pb2

from components.compression_gate.records import CompressionRecord
from components.ride_example_gen.profile import ColumnProfile, Profile, TimeProfile, profile_times
from components.ride_example_gen.quarantine import RideCounts
from configs import loading
from configs.reduction import Reduction
from models.compression import training_charts
from models.compression.training_charts import draw_report
from models.reduction.fitted import save, save_pictures
from models.reduction.fitting import fit
from models.reduction.records import ReductionDetails
from models.release import Manifest
from models.served_versions import SAVED_MODEL
from pipeline.report.page import run_page
from pipeline.report.record import RunRecord, _summary, read_columns, read_record, read_variants
from pipeline.report.ride_map import Extent, draw_map, shades_for
from pipeline.report.rides import PredictedRides, read_rides
from pipeline.report.sections import data, errors, model, training
from pipeline.report.sections.variants import variants_section
from pipeline.report.tables import Row, Table, figure, with_best
from pipeline.summary_record import Summary
from tests.pipeline.made_run import VARIANTS, config_of, made_run, manifest, write_json


@pytest.fixture(scope='module')
def record(tmp_path_factory: pytest.TempPathFactory) -> RunRecord:
  """A made run; not to be changed."""
  found = read_record(made_run(tmp_path_factory.mktemp('run') / 'out'))
  return dataclasses.replace(found, variants=read_variants(found))


@pytest.fixture
def variants(record: RunRecord) -> CompressionRecord:
  assert record.variants is not None
  return record.variants


@pytest.fixture
def rides(record: RunRecord) -> PredictedRides:
  found = read_rides(record)
  assert found is not None
  return found


def _column(table: Table | None, name: str) -> list[float]:
  """The sortable values below a heading."""
  assert table is not None
  [position] = [position for position, heading in enumerate(table.headings) if heading.text == name]
  return [row.cells[position].value for row in table.rows]


def _texts(table: Table | None, name: str) -> list[str]:
  assert table is not None
  [position] = [position for position, heading in enumerate(table.headings) if heading.text == name]
  return [row.cells[position].text for row in table.rows]


def _kilometres(rides: PredictedRides) -> np.ndarray:
  """Oracle: scikit-learn, on (latitude, longitude) in radians."""
  ends = [
    np.radians(np.stack([rides.coordinates[f'{end}_latitude'], rides.coordinates[f'{end}_longitude']], axis=1))
    for end in ('pickup', 'dropoff')
  ]
  known = np.isfinite(ends[0]).all(axis=1) & np.isfinite(ends[1]).all(axis=1)
  found = np.full(len(known), np.nan)
  found[known] = [
    6371.0 * haversine_distances([one], [other])[0, 0]
    for one, other in zip(ends[0][known], ends[1][known], strict=True)
  ]
  return found


def _with_errors(rides: PredictedRides, wanted: np.ndarray) -> PredictedRides:
  return dataclasses.replace(rides, predictions=rides.fares + wanted)


def test_errors_are_prediction_minus_fare(rides):
  np.testing.assert_array_equal(rides.errors, rides.predictions - rides.fares)


def test_hours_and_times_are_the_calendars(rides):
  """Oracle: NumPy's datetime64."""
  moments = np.datetime64('2009-01-01T00:00:00') + rides.seconds.astype('timedelta64[s]')
  np.testing.assert_array_equal(
    rides.hours, (moments - moments.astype('datetime64[D]')).astype('timedelta64[h]').astype(int)
  )
  assert rides.times([3, 5]) == [str(moments[i])[:16].replace('T', ' ') for i in (3, 5)]


def test_distances_are_those_of_scikit_learn(rides):
  found = errors._kilometres(rides)
  np.testing.assert_allclose(found, _kilometres(rides), rtol=1e-9)
  assert np.isnan(found).any()


@pytest.mark.parametrize(
  ('ends', 'expected'),
  [
    pytest.param((0.0, 0.0, 1.0, 0.0), 111.19, id='a_degree_along_the_equator'),
    pytest.param((0.0, 60.0, 1.0, 60.0), 55.59, id='a_degree_of_longitude_at_60_north'),
    pytest.param((0.0, 60.0, 0.0, 61.0), 111.19, id='a_degree_of_latitude_at_60_north'),
  ],
)
def test_distances_know_longitude_from_latitude(rides, ends, expected):
  """At 60 degrees north a degree of longitude is half as long; Sinnott's sphere of 6,371 km."""
  names = ('pickup_longitude', 'pickup_latitude', 'dropoff_longitude', 'dropoff_latitude')
  places = {name: np.array([end]) for name, end in zip(names, ends, strict=True)}
  assert errors._kilometres(dataclasses.replace(rides, coordinates=places)) == pytest.approx(expected, abs=0.01)


def test_worst_rides_are_those_of_the_largest_absolute_error(rides):
  """Half of the errors are negative, the largest among them."""
  wanted = np.random.default_rng(3).normal(0, 1, len(rides.fares))
  wanted[[7, 11, 13]] = -90.0, 80.0, -70.0
  made = _with_errors(rides, wanted)
  table = errors._worst(made, 'USD')
  order = sorted(range(len(wanted)), key=lambda index: -abs(wanted[index]))[:8]
  assert order[:3] == [7, 11, 13]
  assert _column(table, 'error') == pytest.approx(wanted[order])
  assert _column(table, 'fare') == pytest.approx(rides.fares[order])
  assert _column(table, 'prediction') == pytest.approx(made.predictions[order])
  assert _texts(table, 'pickup') == rides.times(order)
  kilometres = [None if np.isnan(km) else pytest.approx(km) for km in _kilometres(rides)[order]]
  assert _column(table, 'distance') == kilometres
  share = 100 * np.sum(wanted[order] ** 2) / np.sum(wanted**2)
  assert table.caption.endswith(
    f'8 rides that were missed most; they make {share:.0f}\N{NO-BREAK SPACE}% of the squared error'
  )


def test_hours_of_the_day(rides):
  """Oracle: NumPy's percentiles and means, hour by hour; an hour without a ride is left out."""
  hours = rides.seconds // 3600 % 24
  chosen = dataclasses.replace(
    rides,
    **{name: getattr(rides, name)[hours != 4] for name in ('seconds', 'fares', 'predictions')},
  )
  found = errors._hours(chosen)
  assert [hour.hour for hour in found] == [hour for hour in range(24) if hour != 4]
  for hour in found:
    own = chosen.errors[chosen.seconds // 3600 % 24 == hour.hour]
    assert hour.rides == len(own)
    assert hour.mean.value == pytest.approx(own.mean())
    assert hour.half == pytest.approx(tuple(np.percentile(own, [25, 75])))
    # As time stamps are apart here, the textbook's standard error; of fewer than ten there is none.
    reach = 1.96 * own.std(ddof=1) / np.sqrt(len(own)) if len(own) >= 10 else 0.0
    assert hour.mean.top - hour.mean.value == pytest.approx(reach)
  assert {hour.rides >= 10 for hour in found} == {False, True}


def test_the_hour_that_stands_out_most_may_be_too_low(rides):
  """Two hours whose every error is known, the larger one negative."""
  hours, wanted = rides.hours, np.random.default_rng(4).normal(0, 0.5, len(rides.fares))
  wanted -= np.array([wanted[hours == hour].mean() for hour in range(24)])[hours]
  wanted[hours == 5] += 2.0
  wanted[hours == 17] -= 3.0
  sentence = errors._hours_sentence(errors._hours(_with_errors(rides, wanted)), 'USD')
  assert _spaced(sentence) == (
    'In 2 hours the mean error can hardly be chance, of 24 hours looked at; the largest is at 17 h, where predictions '
    'are 3.00 USD too low on average.'
  )


@pytest.mark.parametrize(
  ('deviations', 'says'),
  [
    pytest.param(2.5, 'No hour stands out', id='one_of_24_beyond_its_own_interval'),
    pytest.param(4.5, 'In 1 hour the mean error', id='beyond_what_24_looks_allow'),
  ],
)
def test_an_hour_stands_out_only_where_24_looks_do_not_explain_it(rides, deviations, says):
  """Oracle: by Bonferroni, 3.08 standard errors for one page of twenty."""
  wanted = np.random.default_rng(4).normal(0, 0.5, len(rides.fares))
  wanted -= np.array([wanted[rides.hours == hour].mean() for hour in range(24)])[rides.hours]
  chosen = rides.hours == 5
  wanted[chosen] += deviations * wanted[chosen].std(ddof=1) / np.sqrt(chosen.sum())
  assert _spaced(errors._hours_sentence(errors._hours(_with_errors(rides, wanted)), 'USD')).startswith(says)


@pytest.mark.parametrize(
  ('end', 'missing'), [pytest.param('pickup', 0, id='pickup'), pytest.param('dropoff', None, id='dropoff')]
)
def test_rides_without_a_place_are_counted(record, rides, end, missing):
  unknown = int(np.isnan(rides.coordinates[f'{end}_longitude']).sum()) if missing is None else missing
  [found] = [one for one in errors._maps(record, rides) if one.title == errors._ENDS[end]]
  assert (f'{unknown} rides have no {end} place' in _spaced(found.caption)) == bool(unknown)


def test_a_map_for_each_end_of_the_rides(record, rides):
  """Each ride is drawn, lies outside of the map or has no place; a degree of longitude goes to the right."""
  maps = errors.errors_section(record, rides).maps
  extent = Extent.of(*(_known(_places(rides, end)) for end in ('pickup', 'dropoff')))
  assert [found.title for found in maps] == ['Where the rides begin', 'Where they end']
  for end, found in zip(('pickup', 'dropoff'), maps, strict=True):
    drawn = sum(int(count) for count in re.findall(r'<title>(\d+)\N{NO-BREAK SPACE}rides?,', found.drawn))
    assert drawn + sum(int(count) for count in re.findall(r'(\d+) rides?', _spaced(found.caption))) == len(rides.fares)
    places = _places(rides, end)
    known = rides.errors[np.isfinite(places['longitude'])]
    alone, _ = draw_map(*_known(places), known, _shades(rides), (), 'USD', '', extent)
    assert len(_circles(alone)) > 10
    assert _circles(found.drawn) == _circles(alone)


def _places(rides: PredictedRides, end: str) -> dict[str, np.ndarray]:
  return {name: rides.coordinates[f'{end}_{name}'] for name in ('longitude', 'latitude')}


def _known(places):
  known = np.isfinite(places['longitude'])
  return places['longitude'][known], places['latitude'][known]


def _shades(rides: PredictedRides):
  return shades_for(float(np.mean(np.abs(rides.predictions - rides.fares))))


def _circles(picture: str) -> list[str]:
  """The rides' dots, with place and colour; landmarks have no title."""
  return re.findall(r'<circle[^>]*><title>', picture)


def test_slices_of_the_file_and_of_the_trained_model(record, variants, rides):
  """The made run's own numbers; each column has another one."""
  judged = variants.named('pqat_80.int8')
  first, second, *_ = record.summary.to_dict()['slices']
  second |= {'root_mean_squared_error': 7.1, 'mean_absolute_error': 5.2, 'calibration': 0.9}
  changed = _changed(record, slices=[first, second])
  table = errors._slices(changed, judged, rides)
  assert _texts(table, 'slice') == ['all', 'airport ride', '0–6 h']
  assert _column(table, 'rides') == [400, 60, 80]
  ratio = VARIANTS['pqat_80.int8'][0]
  assert _column(table, 'RMSE, file')[0] == pytest.approx(4.43 * ratio)
  assert _column(table, 'to float32') == pytest.approx([ratio, 1 + 2 * (ratio - 1), ratio])
  assert _column(table, 'RMSE, trained model')[:2] == [4.43, 7.1]
  assert _column(table, 'MAE')[:2] == [1.82, 5.2]
  assert _column(table, 'calibration')[:2] == [0.978, 0.9]
  airport = rides.codes['slice_airport'] == 1
  assert _column(table, 'RMSE, file')[1] == pytest.approx(np.sqrt(np.mean(rides.errors[airport] ** 2)))


def test_the_section_says_that_the_file_was_judged_on_a_sample(record, rides):
  assert record.variants is not None
  sampled = record.variants.model_copy(update={'rides': 400, 'drawn_from': 12_345})
  said = 'judged on 400 of 12,345 rides, drawn at random (evaluation.judged_rides)'
  for found, expected in ((sampled, True), (record.variants, False)):
    section = errors.errors_section(dataclasses.replace(record, variants=found), rides)
    assert section is not None
    assert (said in _spaced(section.slices_of)) is expected


def test_the_section_names_whose_errors_it_shows(record, rides):
  section = errors.errors_section(record, rides)
  assert section is not None
  assert _spaced(section.source) == 'pqat_80.int8 on 400 rides of the eval split'
  few = _spaced(section.few)
  assert few.endswith('without the five worst ones the trained model would have 3.64 USD instead of 4.43 USD.')


@pytest.mark.parametrize('lost', [{'rmse_without_worst_5': None}, {'metrics': None}], ids=['rest', 'rmse'])
def test_nothing_is_said_of_the_worst_rides_where_a_figure_is_lost(record, lost):
  assert errors._few(_changed(record, **lost)) == ''


def test_predictions_are_the_chosen_files_else_the_baselines(record, variants):
  for name, found in (('pqat_80.int8', variants), ('dense.float32', variants.model_copy(update={'chosen': None}))):
    rides = read_rides(dataclasses.replace(record, variants=found))
    assert rides is not None
    assert rides.variant == name


def test_a_ride_without_a_prediction_is_left_out(tmp_path):
  import pyarrow as pa
  import pyarrow.parquet as pq

  run = read_record(made_run(tmp_path / 'out'))
  path = run.artifact('CompressionGate', 'report') / 'predictions.parquet'
  table = pq.read_table(path)
  position = table.schema.get_field_index('pqat_80.int8')
  values = table['pqat_80.int8'].to_numpy().copy()
  values[[3, 8]] = np.nan, np.inf
  pq.write_table(table.set_column(position, 'pqat_80.int8', pa.array(values)), path)
  rides = read_rides(dataclasses.replace(run, variants=read_variants(run)))
  assert len(rides.fares) == len(values) - 2
  np.testing.assert_array_equal(rides.fares, np.delete(table['fare_amount'].to_numpy(), [3, 8]).astype(np.float64))
  np.testing.assert_array_equal(rides.predictions, np.delete(values, [3, 8]).astype(np.float64))


def _spaced(text: str) -> str:
  return text.replace('\N{NO-BREAK SPACE}', ' ')


def _changed(record: RunRecord, **changes) -> RunRecord:
  return dataclasses.replace(record, summary=Summary.model_validate(record.summary.to_dict() | changes))


def test_rows_that_were_set_aside(record):
  rows = {
    'read': 2010,
    'kept': 1970,
    'quarantined': {'a': 3, 'fare_out_of_range': 30, 'c': 7},
    'splits': {'train': 1970},
  }
  section = data.data_section(_changed(record, rows=rows), ())
  assert _column(section.aside, 'rows') == [30, 7, 3]
  assert _texts(section.aside, 'share of all rows') == [
    f'{100 * count / 2010:.2f}\N{NO-BREAK SPACE}%' for count in (30, 7, 3)
  ]
  assert '40 rows were set aside (1.99 %)' in _spaced(section.sentences[0])


@pytest.mark.parametrize(
  ('reason', 'expected'),
  [
    pytest.param('fare_out_of_range', 'valid: 3 to 250 USD', id='fare'),
    pytest.param('passengers_out_of_range', 'valid: 1 to 6', id='passengers'),
    pytest.param('pickup_outside_bounds', 'valid: −74.50° to −73.00° and 40.25° to 41.75°', id='bounds'),
    pytest.param('time_out_of_range', 'valid: 2009-01-01 to 2016-07-01', id='time'),
    pytest.param('unparsable_time', '', id='no_rule'),
  ],
)
def test_the_rule_behind_a_reason(record, reason, expected):
  rules = {
    'fare': {'min': 3.0, 'max': 250.0},
    'passengers': {'min': 1, 'max': 6},
    'bounds': {'longitude': {'min': -74.5, 'max': -73.0}, 'latitude': {'min': 40.25, 'max': 41.75}},
    'earliest': '2009-01-01',
    'latest': '2016-07-01',
  }
  ruled = dataclasses.replace(record, config={'dataset': {'currency': 'USD', 'rules': rules}})
  assert data._rule(ruled, reason) == expected
  for lost in ({}, {'dataset': {}}, {'dataset': {'rules': {}}}):
    assert data._rule(dataclasses.replace(record, config=lost), reason) == ''


def test_columns_of_the_train_split(record):
  """Oracle: the made statistics; no two figures of a column are the same."""
  columns = {column.name: column for column in read_columns(record)}
  fares = columns['fare_amount']
  assert (fares.low, fares.high, fares.missing) == (2.25, 175.05, 0.0)
  assert columns['dropoff_latitude'].missing == pytest.approx(51 / 1600)
  shown = dataclasses.replace(fares, missing=0.25, low=1.0, median=2.0, mean=3.0, high=4.0)
  table = data._columns((shown, columns['pickup_seconds']))
  assert [_column(table, name) for name in ('missing', 'smallest', 'median', 'mean', 'largest')] == [
    [0.25], [1.0], [2.0], [3.0], [4.0]
  ]  # fmt: skip


def test_medians_are_no_means():
  numbers = statistics_pb2.NumericStatistics(min=1, median=2, mean=3, max=4)
  found = _summary('fare', 0.25, numbers)
  assert (found.missing, found.low, found.median, found.mean, found.high) == (0.25, 1, 2, 3, 4)


def _with_payment(directory, codes: list[int], missing: int) -> RunRecord:
  """A made run with a categorical column of two known values, and the profile that the ingestion leaves of it."""
  config = config_of(made_run(directory))
  words = {'name': 'payment', 'column': 'payment', 'kind': 'categorical', 'vocabulary': ['cash', 'card']}
  config['dataset']['extras'] = [words]
  (directory / 'config.yaml').write_text(yaml.safe_dump(config), encoding='utf-8')
  column = ColumnProfile(rides=sum(codes) + missing, missing=missing, codes=tuple(codes), other='cheque')
  path = directory / 'artifacts/RideExampleGen/quarantine/1/counts.json'
  path.write_text(RideCounts(profile=Profile(columns={'payment': column})).to_json(), encoding='utf-8')
  _measure(directory, payment=(0.0, 2.0))
  return read_record(directory)


def _measure(directory, **columns: tuple[float, float]) -> None:
  """Adds columns to the made statistics, by their smallest and largest value."""
  path = directory / 'artifacts/StatisticsGen/statistics/4/Split-train/FeatureStats.pb'
  lists = statistics_pb2.DatasetFeatureStatisticsList.FromString(path.read_bytes())
  for name, (low, high) in columns.items():
    feature = lists.datasets[0].features.add(type=statistics_pb2.FeatureNameStatistics.FLOAT)
    feature.path.step.append(name)
    feature.num_stats.min, feature.num_stats.max, feature.num_stats.mean = low, high, (low + high) / 2
    feature.num_stats.common_stats.num_non_missing = 1600
  path.write_bytes(lists.SerializeToString())


def test_categories_are_counted_and_have_no_mean(tmp_path):
  """Oracle: the made profile; what came most stands first, then what no vocabulary has, and what has no value."""
  record = _with_payment(tmp_path / 'out', [200, 1300, 60], missing=440)
  section = data.data_section(record, read_columns(record))
  assert _texts(section.categories, 'value') == ['card', 'cash', "any other, such as 'cheque'", 'missing']
  assert _column(section.categories, 'rides') == [1300, 200, 60, 440]
  assert _column(section.categories, 'share') == [0.65, 0.1, 0.03, 0.22]
  place = _texts(section.columns, 'column').index('payment')
  assert [_texts(section.columns, name)[place] for name in ('smallest', 'median', 'mean', 'largest')] == ['–'] * 4


@pytest.mark.parametrize('codes', [[1500, 100], []], ids=['of_another_vocabulary', 'of_none'])
def test_counts_that_do_not_fit_the_vocabulary_are_not_shown(tmp_path, codes):
  record = _with_payment(tmp_path / 'out', codes, missing=0)
  assert data.data_section(record, read_columns(record)).categories is None


def test_of_very_many_values_the_most_frequent_are_shown():
  column = ColumnProfile(rides=465, codes=(*range(31), 0))
  found = [*data._most_frequent([f'v{code}' for code in range(31)], column)]
  assert found == [*((f'v{code}', code) for code in range(30, 10, -1)), ('11\N{NO-BREAK SPACE}further values', 55)]


def test_hours_of_the_day_by_split(record):
  """Oracle: as many lines as splits with rides; nothing of counts from before there were profiles."""
  assert data.data_section(record, ()).hours == ''
  times = {'train': profile_times(np.arange(0, 900_000, 701)), 'eval': profile_times(np.arange(0, 900_000, 7_001))}
  counts = RideCounts(profile=Profile(times | {'test': TimeProfile()}))
  path = record.file('RideExampleGen', 'quarantine', 'counts.json')
  before = path.read_text()
  path.write_text(counts.to_json())
  try:
    drawn = data.data_section(record, ()).hours
  finally:
    path.write_text(before)
  assert drawn.count('class="curve s0"') == drawn.count('class="curve s1"') == 2  # One of them in the legend.
  assert 'in the train and eval splits.' in drawn


def test_divergences_lie_before_or_beyond_their_threshold(record):
  section = data.data_section(record, ())
  assert _column(section.divergences, 'drift') == [None, 0.31]
  assert _column(section.divergences, 'skew') == [0.047, None]
  assert section.anomalies == (('warning', record.summary.findings[1].sentence),)
  cells = [cell for row in section.divergences.rows for cell in row.cells if cell.style == 'bar' and cell.picture]
  assert ['beyond' in cell.picture for cell in cells] == [False, True]


def test_variants_in_the_units_of_their_headings(record):
  section = variants_section(record)
  by_size = sorted(VARIANTS, key=lambda name: VARIANTS[name][1])
  table = section.table
  assert _texts(table, 'variant')[: len(by_size)] == by_size
  [position] = [i for i, name in enumerate(by_size) if name == 'dense.int16x8']
  ratio, size, gzipped, latency, zeros, _ = VARIANTS['dense.int16x8']
  expected = {
    'RMSE': (4.43 * ratio, f'{4.43 * ratio:.2f}'),
    'to float32': (ratio, f'{ratio:.3f}'),
    'worst slice': (1 + 2 * (ratio - 1), f'{1 + 2 * (ratio - 1):.3f}'),
    'file': (size, f'{size / 1000:.1f}'),
    'gzip': (gzipped, f'{gzipped / 1000:.1f}'),
    'one ride, p50': (latency, f'{latency:.1f}'),
    'one ride, p99': (1.6 * latency, f'{1.6 * latency:.1f}'),
    'memory': (61_000_000 + 10 * size, f'{(61_000_000 + 10 * size) / 1e6:.1f}'),
    'zeros': (zeros, f'{100 * zeros:.1f}'),
  }
  for name, (value, text) in expected.items():
    assert _column(table, name)[position] == pytest.approx(value), name
    assert _texts(table, name)[position] == text, name
  [batch] = [h.text for h in table.headings if h.text.endswith('rides, p50')]
  assert _column(table, batch)[position] == pytest.approx(31 * latency)
  assert _spaced(section.counts) == '12 variants, 1 of which could not be made; 8 keep the budget.'
  budget = _spaced(section.budget)
  assert budget.startswith(
    "The budget asks for an RMSE of at most 1.01 times float32's, at most 1.05 times on the worst"
  )
  assert '(of those with at least 50 rides) and a file of at most 20.0 KB.' in budget


def test_the_training_in_a_sentence(record):
  """Oracle: the last values of the made history."""
  history = {'epoch': [1.0, 2.0], 'step': [46.0, 92.0], 'rmse': [9.0, 4.5], 'val_rmse': [9.5, 5.5]}
  sentence = _spaced(training._base_sentence(history, record))
  assert sentence == (
    'The dense base was trained for 2 epochs (92 steps). At the end its RMSE was 4.50 USD on the rides it learned from '
    'and 5.50 USD on the others.'
  )


def test_a_training_that_the_limit_of_steps_shortened(record):
  short = dataclasses.replace(record, config={'training': {'epochs': 9, 'max_steps': 100}})
  sentence = _spaced(training._base_sentence({'epoch': [2.0], 'step': [92.0]}, short))
  assert sentence == (
    'The dense base was trained for 2 epochs (92 steps); 9 epochs would take more than training.max_steps.'
  )


def test_recipes_and_their_zeros(record):
  section = training.training_section(record)
  table = section.recipes
  names = ['dense', 'pruned_80', 'pqat_80', 'qat']
  assert _texts(table, table.headings[0].text) == names
  printed = [[cell.value for cell in row.cells] for row in table.rows]
  for name, row in zip(names, printed, strict=True):
    assert 4.43 in row and 135 in row, name
    assert (0.786 in row) == (name in ('pruned_80', 'pqat_80')), name


def test_the_page_draws_what_lies_beside_the_model(record):
  """Oracle: the files that the trainer writes of the same reports; the base itself has no course."""
  section = training.training_section(record)
  assert len(section.curves) == 2
  assert [history.name for history in section.histories] == ['pruned_80', 'pqat_80', 'qat']
  for history, report in zip(section.histories, training._reports(record)[1:], strict=True):
    files = draw_report(report)
    assert len(history.weights) == len(report.layers) == 1
    assert len(history.pictures) == (1 if history.name == 'qat' else 2)
    assert str(history.weights[0]).removeprefix('<svg ') in files['weights.svg']
    for picture in history.pictures[1:]:
      assert str(picture).removeprefix('<svg ') in files['training.svg']


def test_a_reduction_is_drawn_in_the_page(tmp_path):
  """Oracle: the files that the step writes. The page may fetch nothing, not even out of itself, so none is an image."""
  generator = np.random.default_rng(0)
  numeric, fares = generator.normal(size=(60, 3)).astype(np.float32), generator.uniform(3, 60, 60)
  made = fit(Reduction(method='pca', components=2), ('a<b', 'b', 'c'), numeric, fares, clip=6.0)
  directory = made_run(tmp_path / 'out')
  folder = directory / 'artifacts' / 'DimensionalityReduction' / 'report' / '8'
  save(made, str(folder))
  save_pictures(made, str(folder), 'USD')
  summary = json.loads((directory / 'summary.json').read_text(encoding='utf-8'))
  summary['artifacts']['DimensionalityReduction'] = {'report': str(folder)}
  write_json(directory / 'summary.json', summary)
  record = read_record(directory)
  names = {
    'Variance by component, and the cut': 'explained_variance.svg',
    'Correlation of each feature with each component': 'loadings.svg',
    'The first two components, coloured by fare': 'components.svg',
    'What the inputs that are left miss of each feature': 'reconstruction.svg',
  }
  page = run_page(record)
  pictures = dict(training.reduction_section(record).pictures)
  assert list(pictures) == list(names)
  for title, picture in pictures.items():
    assert str(picture) in page
    assert str(picture).removeprefix('<svg ') in (folder / names[title]).read_text(encoding='utf-8')
  assert '<img' not in page


def test_layers_and_their_zeros(record):
  table = training.training_section(record).layers
  assert [heading.text for heading in table.headings] == ['layer', 'weights', 'dense', 'pruned_80', 'pqat_80', 'qat']
  [row] = table.rows
  assert [(cell.text.replace('\N{NO-BREAK SPACE}', ' '), cell.note) for cell in row.cells] == [
    ('dense_0', '48 × 64'), ('3,072', ''), ('0', ''), ('80.0 %', ''), ('80.0 %', ''), ('0', ''),
  ]  # fmt: skip


def test_stages_of_a_recipe_lie_one_behind_the_other(record):
  """Steps are counted anew in each stage; a curve that a stage lacks is unknown there."""
  [report, *_] = (found for found in training._reports(record) if found.recipe.name == 'pqat_80')
  values = report.to_dict()
  stage = values['stages'][0]
  values['stages'] = [
    stage | {'technique': 'pruning', 'curves': {'step': [5, 20], 'loss': [3.0, 2.0], 'sparsity': [None, 0.8]}},
    stage | {'technique': 'weight_clustering', 'curves': {'step': [10, 30, 40], 'loss': [1.9, 1.8, 1.7]}},
    stage | {'technique': 'quantization', 'curves': {'step': [7], 'loss': [1.6]}},
  ]
  report = type(report).of(values, 'training_report.json')
  assert training_charts.stage_starts(report) == [(0.0, 'pruning'), (20.0, 'weight clustering'), (60.0, 'quantization')]
  loss, zeros = (training_charts._joined(report, curve, 's0') for curve in ('loss', 'sparsity'))
  assert (list(loss.x), list(loss.y)) == ([5, 20, 30, 50, 60, 67], [3.0, 2.0, 1.9, 1.8, 1.7, 1.6])
  np.testing.assert_array_equal(zeros.y, [np.nan, 0.8, np.nan, np.nan, np.nan, np.nan])
  [history] = training._histories([report], record.judged)
  assert history.sentence.startswith('pruning, then weight clustering, then quantization; RMSE 1.001 [0.991,')
  assert 'ending at 80.0' in history.pictures[1]


def test_the_card_of_the_model(record):
  """The made run's own numbers; the slice that errs most has too few rides to say so."""
  second, third = record.summary.to_dict()['slices'][1:]
  few = third | {'root_mean_squared_error': 9.9, 'example_count': 49.0}
  shown = _changed(
    record, slices=[record.summary.to_dict()['slices'][0], second | {'root_mean_squared_error': 7.1}, few]
  )
  card = {
    title: _spaced(' '.join(sentences)) for title, sentences in model.model_card(shown, read_columns(record)).items()
  }
  learned = card['What it learned from']
  assert learned.startswith('1,600 rides to learn from; 400 other rides,')
  assert 'Period: 1 January 2013 to 30 December 2016,' in learned
  assert 'Place: latitude 41.50° to 42.30° and longitude −88.30° to −87.20°' in learned
  assert learned.endswith('Fares: 2.25 USD to 175.05 USD, the middle one 88.65 USD.')
  good, ratio = card['How good it is'], VARIANTS['pqat_80.int8'][0]
  assert 'The trained model: RMSE 4.43 [3.53, 5.33] USD, mean absolute error 1.82 [1.67, 1.97] USD.' in good
  assert f'pqat_80.int8: RMSE {4.43 * ratio:.2f} [{4.43 * ratio - 0.9:.2f}, {4.43 * ratio + 0.9:.2f}] USD' in good
  limits = card['What it cannot do']
  assert 'It knows no tariff that came after December 2016' in limits
  assert "It errs most in the slice 'airport ride': RMSE 7.10 USD over 60 rides." in limits
  assert 'Some rides lack dropoff_latitude (3.19 %);' in limits
  assert 'No ride that it learned from has passenger_count;' in limits
  assert '10 rows of 2,010 (0.50 %) broke a rule' in card['What to keep in mind']


def test_a_slice_of_fifty_rides_may_err_most(record):
  first, second, third = record.summary.to_dict()['slices']
  shown = _changed(record, slices=[first, second, third | {'root_mean_squared_error': 9.9, 'example_count': 50.0}])
  assert "slice '0–6 h': RMSE 9.90 USD over 50 rides." in _spaced(' '.join(model._limits(shown, ())))


def test_the_top_of_the_page(record):
  tiles = {tile.name: (tile.value, tile.note) for tile in model.headline(record).tiles}
  found = {name: tuple(_spaced(text) for text in texts) for name, texts in tiles.items()}
  ratio, size, gzipped, latency, *_ = VARIANTS['pqat_80.int8']
  assert found == {
    'RMSE': (f'{4.43 * ratio:.2f} USD', f'95 % interval [{4.43 * ratio - 0.9:.2f}, {4.43 * ratio + 0.9:.2f}]'),
    'MAE': (f'{1.82 * ratio:.2f} USD', f'95 % interval [{1.82 * ratio - 0.15:.2f}, {1.82 * ratio + 0.15:.2f}]'),
    'Size': (f'{size / 1000:.1f} KB', f'{gzipped / 1000:.1f} KB after gzip'),
    'One ride takes': (f'{latency:.1f} µs', f'set, invoke, get; 99 % of calls under {1.6 * latency:.1f} µs'),
    'Rides kept': ('2,000', 'of 2,010 read'),
    'The run took': ('1 min 26 s', '9 steps'),
  }


def test_the_top_of_the_page_without_a_chosen_file(record):
  """The trained model's own figures."""
  found = {tile.name: _spaced(tile.value) for tile in model.headline(dataclasses.replace(record, variants=None)).tiles}
  assert (found['RMSE'], found['MAE']) == ('4.43 USD', '1.82 USD')


def test_steps_and_how_long_they_took(record):
  section = data.steps_section(record)
  assert _spaced(section.sentence).startswith(f'9 steps in 1 min {sum(range(9)) * 2 + 13.5 - 60:.0f} s')
  assert [_spaced(row.time) for row in section.rows[:2]] == ['1.5 s', '3.5 s']
  assert section.rows[4].after == 'RideExampleGen, RideSchema and AnomalyGate'


def test_the_bar_of_the_longest_step_is_the_longest(record):
  """The made steps take 1.5 s to 17.5 s, the last one the longest."""
  drawn = [float(re.search(r'width[:="]+([0-9.]+)', row.bar)[1]) for row in data.steps_section(record).rows]
  assert drawn == pytest.approx([100 * (1.5 + 2 * index) / 17.5 for index in range(9)], abs=0.06)


def test_categories_and_their_embeddings(record):
  """The dataset's own: ten bucket boundaries make eleven values; New York's presets have no category."""
  found = training.features_section(record)
  assert _spaced(found.sentence).endswith(
    'and 4 embedded categories. All of it is computed from the raw ride inside the served file.'
  )
  ends = [f'{end}_{axis}_bucket' for end in ('pickup', 'dropoff') for axis in ('longitude', 'latitude')]
  assert _texts(found.categorical, 'category') == ends
  assert _column(found.categorical, 'values') == [11] * 4
  assert _column(found.categorical, 'width of embedding') == [2] * 4


def test_no_category_no_table(record):
  config = yaml.safe_load(loading.dump(loading.load('nyc', [])))
  found = training.features_section(dataclasses.replace(record, config=config))
  assert 'no embedded categories' in found.sentence
  assert found.categorical is None


def _version(record: RunRecord, name: str, rmse: float) -> None:
  version = record.output.serving / name
  write_json(version / 'assets.extra' / 'manifest.json', manifest(rmse, 0.1))
  (version / SAVED_MODEL).touch()


def test_the_version_before_is_the_next_smaller_number(tmp_path):
  """As text, 9 would come after 10."""
  run = read_record(made_run(tmp_path / 'out', pushed_path=f'{tmp_path}/out/serving/11'))
  for name, rmse in (('9', 9.0), ('10', 10.0), ('11', 11.0), ('12', 12.0)):
    _version(run, name, rmse)
  found = model.served_section(run)
  assert found.version == '10'
  assert [row.cells[1].value for row in found.table.rows[:2]] == [4.43, 1.82]
  assert [row.cells[2].value for row in found.table.rows[:2]] == [10.0, 5.0]


@pytest.mark.parametrize(
  ('rmse', 'verdict'),
  [
    pytest.param(4.43 + 1.05, 'lower now, and the intervals do not overlap', id='apart'),
    pytest.param(4.43 + 0.95, 'lower now, but the intervals overlap', id='touch_from_above'),
    pytest.param(4.43 - 0.95, 'higher now, but the intervals overlap', id='touch_from_below'),
    pytest.param(4.43 - 1.05, 'higher now, and the intervals do not overlap', id='apart_below'),
  ],
)
def test_intervals_overlap_or_not(record, rmse, verdict):
  """This run's is 4.43 +- 0.9, the other's +- 0.1."""
  assert verdict in model._verdict(
    dataclasses.replace(record, variants=None), Manifest.of(manifest(rmse, 0.1), 'manifest.json')
  )


def _details(**changes) -> ReductionDetails:
  findings = {
    'read': 1700,
    'fitted_on': 1600,
    'lost': 0.0312,
    'error': 0.2,
    'notes': ['A note.'],
    'figures': {'solver_rms': 0.00021},
  }
  values = {
    'method': 'nmf',
    'features': 40,
    'inputs': 8,
    'variance_lost': 0.0312,
    'reconstruction_error': 0.2,
    'rides': 1600,
    'notes': ['A note.'],
    'reduction': {'method': 'nmf', 'components': 8, 'iterations': 30},
    'names': [],
    'outputs': [],
    'clip': None,
    'decisions': [],
    'findings': findings,
  }
  return ReductionDetails.of(values | changes, 'reduction.json')


def test_components_by_the_features_that_they_follow_most():
  """A negative correlation counts as much as a positive one."""
  names = ['a', 'b', 'c', 'd', 'e']
  loadings = np.array([[0.1, 0.9], [-0.8, 0.0], [0.3, -0.95], [-0.2, 0.5], [0.05, 0.4]])
  table = training._components(_details(names=names, outputs=['one', 'two']), loadings)
  assert [row.cells[1].text for row in table.rows] == [
    'b -0.80, c +0.30, d -0.20, a +0.10',
    'c -0.95, a +0.90, d +0.50, e +0.40',
  ]


def test_what_a_reduction_lost():
  sentences = [_spaced(sentence) for sentence in training._reduction_text(_details())]
  assert sentences[0].startswith('nmf made 8 inputs of 40 features, fitted on 1,600 training rides.')
  assert 'misses 3.1 % of their variance' in sentences[0]
  assert 'of 30 steps, misses the exact one by 0.0002 standard deviations' in sentences[0]
  assert sentences[1:] == ['A note.']


def test_the_best_figure_of_a_column_is_marked():
  """The smallest where less is better, each one that reads the same, and none where all do."""
  values = [(1.0, 5.0, 7.0), (1.0, 6.0, 7.0), (2.0, None, 7.0)]
  rows = [Row(tuple(figure(value, '{:g}'.format) for value in row)) for row in values]
  marked = with_best(rows, smallest=[0, 2], largest=[1])
  assert [[cell.best for cell in row.cells] for row in marked] == [
    [True, False, False],
    [True, True, False],
    [False, False, False],
  ]


def test_what_no_model_goes_by_is_no_difference_from_the_served_one(tmp_path):
  """The share that may go into quarantine is not kept beside a model, nor is the path; versions of before had both."""
  directory = made_run(tmp_path / 'out')
  dataset = yaml.safe_load((directory / 'config.yaml').read_text(encoding='utf-8'))['dataset']
  dataset['rules']['fare']['max'] = 123.5
  for version, kept in (('1', dataset | {'path': None}), ('2', _as_it_is_kept_now(dataset))):
    (directory / 'serving' / version / 'assets.extra').mkdir(parents=True)
    path = directory / 'serving' / version / 'assets.extra' / 'config.yaml'
    path.write_text(yaml.safe_dump({'dataset': kept}), encoding='utf-8')
    found = model._changed(read_record(directory), directory / 'serving' / version)
    assert [difference.setting for difference in found] == ['dataset.rules.fare.max']


def _as_it_is_kept_now(dataset):
  rules = {name: value for name, value in dataset['rules'].items() if name != 'max_quarantined_share'}
  return {name: value for name, value in dataset.items() if name != 'path'} | {'rules': rules}
