"""Inputs that can't be right, of small files that were made wrong on purpose; each sentence in full."""

import dataclasses
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from components.ride_example_gen.ingestion import survey
from components.ride_example_gen.profile import Profile
from components.ride_example_gen.quarantine import RideCounts
from components.ride_validator.findings import AnomaliesError, Kind, Level, refuse
from components.ride_validator.inputs import input_findings
from configs import loading
from configs.split import Split, SplitMethod
from configs.validation import Leakage, Severity, Validation
from tests.components.test_profile import _csv, _rides

EXTRA = '{{name: {0}, column: {0}}}'
KIND = '{name: kind, column: Kind, kind: categorical, vocabulary: [a, b]}'


def _dataset(*extras, **overrides):
  texts = [f'dataset.extras=[{", ".join(extras)}]', *(f'{key}={value}' for key, value in overrides.items())]
  return loading.load('nyc', overrides=texts).dataset


def _found(rides, tmp_path, dataset=None, validation=None, split=None):
  """The findings beyond their threshold, of one table, or of tables by span."""
  spans = rides if isinstance(rides, dict) else {'rides': rides}
  dataset, validation = dataset or _dataset(), validation or Validation()
  files = {label: [_csv(tmp_path / label, table)] for label, table in spans.items()}
  found = input_findings(survey(files, dataset, split or Split()), dataset, validation)
  return [finding for finding in found if finding.severity is not Level.INFO]


def _sentences(*arguments, **options):
  return [finding.sentence() for finding in _found(*arguments, **options)]


def test_rides_in_order_are_not_warned_of(tmp_path):
  assert _sentences(_rides(2_000), tmp_path) == []


@pytest.mark.rides
@pytest.mark.parametrize('preset', ['nyc', 'chicago'])
def test_real_rides_are_not_warned_of(preset, nyc_rides):
  """Neither by chance, as the New York rides come in a hundred independent times only, nor by hours that are quiet."""
  from pipeline.sources import rides_of

  config = loading.load(preset)
  source = rides_of(config.dataset) if preset == 'chicago' else None
  path = f'{source.base}/{source.pattern}' if source else str(nyc_rides)
  for seed in range(5):
    split = config.split.model_copy(update={'seed': seed})
    found = input_findings(survey({'': [path]}, config.dataset, split), config.dataset, config.validation)
    assert [finding.sentence() for finding in found if finding.severity is not Level.INFO] == []
    assert {finding.feature for finding in found} == {'hour_of_day', 'day_of_week'}


@pytest.mark.parametrize(
  ('column', 'value', 'sentence'),
  [
    pytest.param(
      'passenger_count',
      np.nan,
      "passenger_count: expected values in the column 'passenger_count', came none in 200 rides.",
      id='missing',
    ),
    pytest.param(
      'dropoff_latitude',
      40.75,
      "dropoff_latitude: expected values that differ in the column 'dropoff_latitude', came 40.75 in every one of 200 "
      'rides.',
      id='constant',
    ),
    pytest.param(
      'fare_amount',
      12,
      "fare_amount: expected values that differ in the column 'fare_amount', came 12 in every one of 200 rides.",
      id='constant_fare',
    ),
    pytest.param(
      'Kind',
      'zeppelin',
      "kind: expected mostly values of its vocabulary in the column 'Kind', came others in 200 of 200 (100 %), such as "
      "'zeppelin'.",
      id='other_values',
    ),
    pytest.param(
      'Kind',
      'b',
      "kind: expected values that differ in the column 'Kind', came 'b' in every one of 200 rides.",
      id='constant_category',
    ),
  ],
)
def test_a_column_that_says_nothing(tmp_path, column, value, sentence):
  rides = _rides(200)
  rides['Kind'] = np.where(np.arange(200) % 2, 'a', 'b')
  rides[column] = value
  found = _found(rides, tmp_path, _dataset(KIND))
  assert [(finding.sentence(), finding.severity, finding.stops) for finding in found] == [
    (sentence, Level.WARNING, False)
  ]


def test_a_constant_time_is_a_date(tmp_path):
  rides = _rides(200)
  rides['pickup_datetime'] = '2015-05-04 09:30:15 UTC'
  [constant] = [one for one in _found(rides, tmp_path, _dataset()) if one.kind is Kind.CONSTANT]
  assert constant.came == '2015-05-04 09:30:15 in every one of 200 rides'


def test_a_column_that_the_config_leaves_out_is_not_missed(tmp_path):
  dataset = loading.load('nyc', overrides=['dataset.columns.passenger_count=null']).dataset
  assert _sentences(_rides(200), tmp_path, dataset) == []


@pytest.mark.parametrize(
  ('share', 'warned'), [pytest.param(0.45, False, id='less_than_half'), pytest.param(0.55, True, id='more')]
)
def test_other_values_are_warned_of_where_they_are_most(tmp_path, share, warned):
  rides = _rides(400)
  rides['Kind'] = np.where(np.arange(400) < share * 400, 'c', np.where(np.arange(400) % 2, 'a', 'b'))
  assert bool(_found(rides, tmp_path, _dataset(KIND))) == warned


CHANCE = np.random.default_rng(3)
TIPS = CHANCE.choice([0, 0.1, 0.15, 0.2, 0.25], 400)


@pytest.mark.parametrize(
  ('made', 'correlation'),
  [
    pytest.param(lambda fare: fare, '1.000', id='the_fare'),
    pytest.param(lambda fare: 50 - 2 * fare, '-1.000', id='falling'),
    pytest.param(lambda fare: fare * (1 + TIPS) + 0.5, None, id='with_tips_and_tax'),
    pytest.param(lambda fare: fare**3, '0.99', id='another_scale'),
    pytest.param(lambda fare: np.where(np.arange(400) % 3, fare, np.nan), '1.000', id='where_it_is_there'),
  ],
)
def test_an_input_that_tells_the_fare(tmp_path, made, correlation):
  rides = _rides(400)
  rides['estimate'] = made(rides['fare_amount'])
  [found] = _found(rides, tmp_path, _dataset(EXTRA.format('estimate')))
  assert (found.kind, found.feature, found.severity, found.stops) == (Kind.LEAKAGE, 'estimate', Level.WARNING, False)
  assert found.sentence().startswith(
    'estimate: expected an input that is known before the ride, came one whose correlation with fare_amount is '
    f'{correlation or "0.9"}'
  )
  [stopping] = _found(rides, tmp_path, _dataset(EXTRA.format('estimate')), Validation(leakage=Leakage.STOP))
  assert (stopping.severity, stopping.stops) == (Level.ERROR, True)
  with pytest.raises(AnomaliesError, match='estimate: expected an input that is known before the ride'):
    refuse([stopping])


def test_a_distance_may_tell_much_of_the_fare(tmp_path):
  """0.95 is more than any distance has on real rides."""
  rides = _rides(400)
  noise = CHANCE.normal(0, rides['fare_amount'].std() * 0.33, 400)
  rides['route_km'] = rides['fare_amount'] + noise
  assert 0.94 < np.corrcoef(rides['route_km'], rides['fare_amount'])[0, 1] < 0.96
  assert _found(rides, tmp_path, _dataset(EXTRA.format('route_km'))) == []


@pytest.mark.parametrize('column', ['Tip_Amount', 'trip miles', 'TotalAmount', 'tpep_dropoff_datetime', 'payment-type'])
def test_a_name_of_what_only_the_finished_ride_knows(tmp_path, column):
  rides = _rides(200)
  rides[column] = CHANCE.normal(0, 1, 200)
  extra = f'{{name: wanted, column: "{column}"}}'
  assert _sentences(rides, tmp_path, _dataset(extra)) == [
    'wanted: expected an input that is known before the ride, '
    f"came the column '{column}', which only the finished ride knows."
  ]


def test_the_time_may_be_that_of_the_end_and_the_list_may_be_longer(tmp_path):
  rides = _rides(200).rename(columns={'pickup_datetime': 'dropoff_datetime', 'Tolls': 'Surprise Fee'})
  extra = '{name: fee, column: Surprise Fee}'
  dataset = loading.load(
    'nyc',
    overrides=[
      'dataset.time.column=dropoff_datetime',
      f'dataset.extras=[{extra}]',
      'dataset.known_after_ride=[surprise_fee]',
    ],
  ).dataset
  assert {finding.feature for finding in _found(rides, tmp_path, dataset)} == {'pickup_seconds', 'fee'}


def test_leakage_that_stops_is_refused_when_the_config_is_read():
  overrides = ['dataset.extras=[{name: tip, column: Tip_Amount}]', 'validation.leakage=stop']
  message = r"only the finished ride knows 'Tip_Amount', so it can't be the input 'tip' \(validation.leakage: stop\)"
  with pytest.raises(loading.ConfigError, match=message):
    loading.load('nyc', overrides)
  with pytest.raises(loading.ConfigError, match=r'leakage has no effect while validation\.severity is never'):
    loading.load('nyc', [*overrides, 'validation.severity=never'])
  loading.load('nyc', overrides[:1])
  loading.load('chicago', overrides[1:])


def _at(hours, rows=400):
  rides = _rides(rows)
  days = rides['pickup_datetime'].str.slice(0, 11)
  chosen = np.resize(hours, rows)
  rest = rides['pickup_datetime'].str.slice(13)
  rides['pickup_datetime'] = days + pd.Series(chosen).map('{:02d}'.format) + rest
  return rides


@pytest.mark.parametrize(
  ('hours', 'came'),
  [
    pytest.param(range(12), 'none from 12 to 24 h, as where %I is read without %p', id='half_a_clock'),
    pytest.param(range(1, 13), 'none from 13 to 1 h, as where %I is read without %p', id='half_a_clock_from_1'),
    pytest.param(range(5, 24), 'none from 0 to 5 h', id='no_nights'),
    pytest.param([0], 'none from 1 to 24 h', id='no_clock_at_all'),
    pytest.param([*range(8), *range(16, 24)], 'none from 8 to 16 h', id='no_working_hours'),
  ],
)
def test_hours_without_a_ride(tmp_path, hours, came):
  assert _sentences(_at(list(hours)), tmp_path) == [
    f'pickup_seconds: expected rides at every hour of the day, came {came}.'
  ]


@pytest.mark.parametrize(
  ('hours', 'rows'),
  [pytest.param(range(12), 12, id='few_rides'), pytest.param([*range(3), *range(5, 24)], 400, id='quiet_hours')],
)
def test_hours_that_chance_may_leave_empty(tmp_path, hours, rows):
  assert _sentences(_at(list(hours), rows), tmp_path) == []


def test_days_without_a_ride(tmp_path):
  rides = _rides(2_000)
  days = pd.to_datetime(rides['pickup_datetime'], format='%Y-%m-%d %H:%M:%S UTC').dt.dayofweek
  assert _sentences(rides[days < 5], tmp_path) == [
    'pickup_seconds: expected rides on every day of the week, came none on Saturdays and Sundays.'
  ]


def test_hours_that_differ_between_train_and_eval(tmp_path):
  """Days against nights; the whole has all hours, so that only the comparison shows it."""
  spans = {'span 1': _at(list(range(6, 18)), 600), 'span 2': _at([*range(6), *range(18, 24)], 600)}
  found = _found(spans, tmp_path, split=Split(method=SplitMethod.NEWEST_SPAN))
  [skew] = [finding for finding in found if finding.kind is Kind.SKEW]
  assert (skew.feature, skew.divergence, skew.severity, skew.stops) == ('hour_of_day', 1.0, Level.WARNING, False)
  stopping = _found(
    spans, tmp_path, validation=Validation(drift_stops=True), split=Split(method=SplitMethod.NEWEST_SPAN)
  )
  assert [finding.stops for finding in stopping if finding.kind is Kind.SKEW] == [True]


def test_a_newest_day_is_not_compared_by_its_day_of_the_week(tmp_path):
  spans = {f'2026-03-{day:02d}': _rides(300, day, f'2026-03-{day:02d}') for day in range(2, 9)}
  dataset = _dataset()
  files = {label: [_csv(tmp_path / label, table)] for label, table in spans.items()}
  counts = survey(files, dataset, Split(method=SplitMethod.NEWEST_SPAN))
  found = input_findings(counts, dataset, Validation())
  assert [(finding.feature, finding.severity) for finding in found] == [('hour_of_day', Level.INFO)]


@pytest.mark.parametrize(
  ('off', 'limit', 'warned'),
  [
    pytest.param(20, 0.05, False, id='at_the_limit'),
    pytest.param(21, 0.05, True, id='above'),
    pytest.param(400, 0.05, True, id='all'),
    pytest.param(400, 1, False, id='switched_off'),
  ],
)
def test_rides_of_another_day_than_their_span(tmp_path, off, limit, warned):
  there = _rides(off, 1, '2026-03-07'), _rides(400 - off, 2, '2026-03-08')
  found = _found({'2026-03-08': pd.concat(there)}, tmp_path, validation=Validation(max_off_day_share=limit))
  if not warned:
    assert found == []
    return
  [finding] = found
  assert (finding.severity, finding.stops) == (Level.ERROR, True)
  assert finding.sentence() == (
    'pickup_seconds: expected at most 5 % of the rides of span 2026-03-08 on another day, '
    f'came {off / 4:.3g} % ({off} of 400): is the clock or the folder wrong? '
    'Where a span is more than its day, set validation.max_off_day_share: 1.'
  )


def test_spans_of_weeks_have_rides_of_all_their_days(tmp_path):
  weeks = {
    f'2026-03-{first:02d}': pd.concat([_rides(50, day, f'2026-03-{day:02d}') for day in range(first, first + 7)])
    for first in (1, 8, 15)
  }
  assert [finding.kind for finding in _found(weeks, tmp_path)] == []


@pytest.mark.parametrize('severity', Severity)
def test_a_redelivered_span_stops_whatever_the_config_says(tmp_path, severity):
  first, second = _rides(50, 1, '2026-03-07'), _rides(50, 2, '2026-03-08')
  spans = {'span 1': first, 'span 2': second, 'span 3': second.sample(frac=1, random_state=0)}
  [finding] = _found(spans, tmp_path, validation=Validation(severity=severity))
  assert finding.stops
  assert finding.sentence() == (
    'The rides: expected other rides in every span, came the same 50 rides in span 2, span 3: a redelivery, on which '
    'no model may be blessed.'
  )


def test_files_of_the_same_rides_are_a_redelivery_too(tmp_path):
  rides, dataset = _rides(50), _dataset()
  paths = [_csv(tmp_path, rides, name) for name in ('a.csv', 'b.csv.gz')] + [_csv(tmp_path, _rides(50, 7), 'c.csv')]
  [finding] = [f for f in input_findings(survey({'': paths}, dataset, Split()), dataset, Validation()) if f.stops]
  assert f'the same 50 rides in {paths[0]}, {paths[1]}: a redelivery' in finding.came


def test_empty_files_and_single_rides_are_no_redelivery(tmp_path):
  dataset = _dataset()
  paths = [_csv(tmp_path, _rides(rows), f'{rows}-{copy}.csv') for rows in (0, 1) for copy in 'ab']
  assert input_findings(survey({'': paths}, dataset, Split()), dataset, Validation()) == ()


def test_counts_of_before_have_nothing_to_find():
  assert input_findings(RideCounts(1, 1, splits={'train': 1, 'eval': 0}), _dataset(), Validation()) == ()
  assert dataclasses.asdict(Profile()) == {'times': {}, 'columns': {}, 'files': {}, 'newest': {}}


def test_severity_warning_stops_on_warnings_as_on_any_other(tmp_path):
  rides = _rides(200)
  rides['passenger_count'] = 1
  [finding] = _found(rides, tmp_path, validation=Validation(severity=Severity.WARNING))
  assert (finding.severity, finding.stops) == (Level.WARNING, True)


def test_imports_no_tensorflow():
  code = (
    'import sys, components.ride_validator.inputs, components.ride_example_gen.ingestion; '
    "assert not {'tensorflow', 'tensorflow_data_validation', 'apache_beam'} & set(sys.modules)"
  )
  subprocess.run([sys.executable, '-c', code], check=True)
