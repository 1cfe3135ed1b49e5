"""The profile of rides. Oracles: NumPy and `datetime`, and the same rides in another form."""

import datetime
import io
import json

import numpy as np
import pandas as pd
import pytest

from components.ride_example_gen import ingestion
from components.ride_example_gen.ingestion import Outputs, ingest_file, survey
from components.ride_example_gen.profile import Moments, Profile, TimeProfile, profile_times
from components.ride_example_gen.quarantine import RideCounts, total
from components.ride_example_gen.spans import ALL, NONE
from configs import loading
from configs.dataset import EPOCH
from configs.split import Split, SplitMethod

DATASET = loading.load(
  'nyc',
  overrides=[
    'dataset.extras=[{name: tolls, column: Tolls}, {name: kind, column: Kind, kind: categorical, vocabulary: [a, b]}]'
  ],
).dataset
HASH = Split()


def _rides(rows=300, seed=0, day=None):
  random = np.random.default_rng(seed)
  start = np.datetime64(day or '2014-03-01')
  stamps = start + random.integers(0, 86_400 * (1 if day else 60), rows).astype('timedelta64[s]')
  fares = np.round(2.5 + np.minimum(random.exponential(9, rows), 100), 2)
  return pd.DataFrame(
    {
      'key': np.arange(rows),
      'fare_amount': fares,
      'pickup_datetime': pd.to_datetime(stamps).strftime('%Y-%m-%d %H:%M:%S UTC'),
      'pickup_longitude': np.round(random.normal(-73.97, 0.02, rows), 6),
      'pickup_latitude': np.round(random.normal(40.75, 0.02, rows), 6),
      'dropoff_longitude': np.where(random.random(rows) < 0.1, np.nan, np.round(random.normal(-73.97, 0.02, rows), 6)),
      'dropoff_latitude': np.round(random.normal(40.75, 0.02, rows), 6),
      'passenger_count': random.integers(1, 7, rows),
      'Tolls': np.where(random.random(rows) < 0.2, np.nan, np.round(fares * 0.3 + random.normal(0, 1, rows), 2)),
      'Kind': random.choice(['a', 'b', 'zeppelin'], rows),
    }
  )


def _csv(folder, rides, name='rides.csv'):
  folder.mkdir(parents=True, exist_ok=True)
  rides.to_csv(folder / name, index=False)
  return str(folder / name)


def _profile(*paths, split=HASH, **of_spans):
  return survey(of_spans or {'rides': paths}, DATASET, split).profile


def _stamps(rides):
  return [datetime.datetime.strptime(text, '%Y-%m-%d %H:%M:%S UTC') for text in rides['pickup_datetime']]


def test_hours_and_days_are_the_calendars(tmp_path):
  rides = _rides()
  times = _profile(_csv(tmp_path, rides)).times
  both = times['train'] + times['eval']
  stamps = _stamps(rides)
  assert list(both.by_hour) == np.bincount([stamp.hour for stamp in stamps], minlength=24).tolist()
  assert list(both.by_day) == np.bincount([stamp.weekday() for stamp in stamps], minlength=7).tolist()
  ends = [(end - EPOCH).total_seconds() for end in (min(stamps), max(stamps))]
  assert [both.first, both.last] == ends
  assert both.days == (max(stamps).date() - min(stamps).date()).days + 1
  assert (times['train'].rides, times['eval'].rides) == tuple(
    survey({'': [str(tmp_path / 'rides.csv')]}, DATASET, HASH).splits.values()
  )


def test_columns_are_numpys(tmp_path):
  rides = _rides()
  columns = _profile(_csv(tmp_path, rides)).columns
  tolls, present = columns['tolls'], rides['Tolls'].notna()
  assert (tolls.rides, tolls.missing) == (300, int((~present).sum()))
  assert tolls.smallest == pytest.approx(rides['Tolls'].min(), rel=1e-6)
  assert tolls.largest == pytest.approx(rides['Tolls'].max(), rel=1e-6)
  expected = np.corrcoef(rides['Tolls'][present], rides['fare_amount'][present])[0, 1]
  assert tolls.with_fare.correlation == pytest.approx(expected, abs=1e-5)
  logs = [
    np.sign(column) * np.log1p(np.abs(column)) for column in (rides['Tolls'][present], rides['fare_amount'][present])
  ]
  assert tolls.with_fare_log.correlation == pytest.approx(np.corrcoef(*logs)[0, 1], abs=1e-5)
  counts = rides['Kind'].value_counts()
  assert columns['kind'].codes == (counts['a'], counts['b'], counts['zeppelin'])
  assert columns['kind'].other == 'zeppelin'
  assert columns['dropoff_longitude'].missing == rides['dropoff_longitude'].isna().sum()


def test_rides_that_are_set_aside_are_not_counted(tmp_path):
  rides = _rides()
  rides.loc[:9, 'fare_amount'] = -1
  rides.loc[:9, 'Kind'] = 'of no kept ride'
  profile = _profile(_csv(tmp_path, rides))
  assert profile.columns['fare_amount'].rides == 290
  assert profile.columns['fare_amount'].smallest >= 2.5
  assert profile.columns['kind'].other == 'zeppelin'


def test_adds_up_over_files_and_blocks(tmp_path, monkeypatch):
  """The whole at once is the oracle; of moments to the last few digits."""
  rides = _rides(3_000)
  whole = _profile(_csv(tmp_path, rides))
  parts = [_csv(tmp_path / str(part), rides[start : start + 700]) for part, start in enumerate(range(0, 3_000, 700))]
  apart = _profile(*parts)
  assert apart.times == whole.times
  for name, column in whole.columns.items():
    other = apart.columns[name]
    assert (other.rides, other.missing, other.codes) == (column.rides, column.missing, column.codes)
    assert (other.smallest, other.largest) == (column.smallest, column.largest)
    assert other.with_fare.correlation == pytest.approx(column.with_fare.correlation, abs=1e-12)
  [[file], spans] = [whole.files.values(), apart.spans()]
  assert spans['rides'].digest == file.digest
  assert [one.rides for one in apart.files.values()] == [700, 700, 700, 700, 200]


def test_moments_keep_their_digits_far_from_zero():
  random = np.random.default_rng(0)
  x, y = 1e9 + random.normal(0, 1, 4_000), random.normal(0, 1, 4_000)
  y += x - 1e9
  parts = [
    Moments(len(a), a.mean(), b.mean(), ((a - a.mean()) ** 2).sum(), ((b - b.mean()) ** 2).sum(),
            ((a - a.mean()) * (b - b.mean())).sum())
    for a, b in zip(np.split(x, 8), np.split(y, 8), strict=True)
  ]  # fmt: skip
  assert sum(parts, Moments()).correlation == pytest.approx(np.corrcoef(x, y)[0, 1], abs=1e-6)
  assert Moments(3, 1.0, 1.0, 0.0, 2.0, 0.0).correlation is None


@pytest.mark.parametrize('form', ['gzip', 'parquet', 'shuffled', 'two_files'])
def test_the_same_rides_in_another_form_have_the_same_digest(tmp_path, form):
  rides = _rides()
  [file] = _profile(_csv(tmp_path / 'a', rides)).files.values()
  if form == 'two_files':
    paths = [_csv(tmp_path / 'b', rides[:100]), _csv(tmp_path / 'c', rides[100:])]
  elif form == 'parquet':
    rides.to_parquet(tmp_path / 'rides.parquet')
    paths = [str(tmp_path / 'rides.parquet')]
  elif form == 'gzip':
    paths = [_csv(tmp_path / 'b', rides, 'rides.csv.gz')]
  else:
    paths = [_csv(tmp_path / 'b', rides.sample(frac=1, random_state=1))]
  [span] = _profile(*paths).spans().values()
  assert (span.digest, span.rides) == (file.digest, file.rides)


@pytest.mark.parametrize(
  ('column', 'value'),
  [
    pytest.param('fare_amount', 7.77, id='fare'),
    pytest.param('pickup_datetime', '2014-03-01 00:00:01 UTC', id='second'),
    pytest.param('pickup_latitude', None, id='missing'),
    pytest.param('Kind', 'b', id='category'),
  ],
)
def test_one_cell_changes_the_digest(tmp_path, column, value):
  rides = _rides()
  rides.loc[0, 'Kind'] = 'a'
  [file] = _profile(_csv(tmp_path / 'a', rides)).files.values()
  rides.loc[0, column] = value
  [other] = _profile(_csv(tmp_path / 'b', rides)).files.values()
  assert file.digest != other.digest


def test_a_dated_span_counts_the_rides_of_its_day(tmp_path):
  path = _csv(tmp_path, pd.concat([_rides(40, day='2026-03-07'), _rides(10, day='2026-03-08')]))
  for label, on_day in (('2026-03-08', 10), ('2026-03-07', 40), ('2026-03-06', 0), ('span 7', None)):
    [span] = _profile(**{label: [path]}).spans().values()
    assert (span.span, span.rides, span.on_day) == (label, 50, on_day)


@pytest.mark.parametrize('method', SplitMethod)
def test_a_survey_counts_as_the_ingestion_does(tmp_path, method):
  split = Split(method=method)
  files = {f'span {number}': [_csv(tmp_path / str(number), _rides(seed=number))] for number in (1, 2)}
  counts = survey(files, DATASET, split)
  thresholds: list[int | None] = [None, None]
  if method is SplitMethod.NEWEST_SPAN:
    assert counts.splits == {'train': 300, 'eval': 300}
    thresholds = [NONE, ALL]
  elif method is SplitMethod.CHRONOLOGICAL:
    assert counts.splits['eval'] == pytest.approx(120, abs=2)
    thresholds = [counts.profile.times['eval'].first] * 2
  with Outputs(lambda name: io.BytesIO()) as outputs:
    written = [
      ingest_file(path, DATASET, split, outputs, threshold, None, span)
      for (span, [path]), threshold in zip(files.items(), thresholds, strict=True)
    ]
  assert total(written) == counts


def test_counts_survive_json_and_those_of_before_are_read(tmp_path):
  counts = survey({'2014-03-05': [_csv(tmp_path, _rides())]}, DATASET, HASH)
  assert RideCounts.from_json(counts.to_json()) == counts
  values = json.loads(counts.to_json())
  del values['profile']
  assert RideCounts.from_json(json.dumps(values)).profile == Profile()


def test_effective_rides_are_kishs():
  """Oracle: n² / Σ c² over the stamps themselves."""
  random = np.random.default_rng(0)
  for stamps, each in ((50, 40), (2_000, 1), (2_000, 5)):
    seconds = np.repeat(random.integers(0, 10**8, stamps), random.integers(1, 2 * each, stamps) if each > 1 else 1)
    counts = np.unique(seconds, return_counts=True)[1]
    expected = len(seconds) ** 2 / (counts.astype(float) ** 2).sum()
    assert profile_times(seconds).effective_rides == pytest.approx(expected, rel=0.25)
  assert TimeProfile().effective_rides == 0


@pytest.mark.parametrize('step', [60, 900])
def test_rides_whose_stamps_are_rounded_are_independent(step):
  """In one block and in many; a stamp to the second that two rides share is no rounding."""
  seconds = np.random.default_rng(0).integers(0, 2 * 86_400, 5_000) // step * step
  blocks = sum((profile_times(part) for part in np.array_split(seconds, 7)), TimeProfile())
  assert profile_times(seconds).effective_rides == pytest.approx(5_000, rel=0.05)
  assert blocks.effective_rides == pytest.approx(5_000, rel=0.05)
  assert profile_times(seconds + 1).effective_rides < 2 * 86_400 / step


def test_a_survey_writes_nothing(tmp_path):
  path = _csv(tmp_path, _rides())
  survey({'': [path]}, DATASET, HASH)
  assert [file.name for file in tmp_path.iterdir()] == ['rides.csv']
  assert ingestion.survey is survey
