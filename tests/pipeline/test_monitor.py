"""`farelite monitor`: fares that came in later against what was predicted, and what was promised.

Oracle: NumPy on made-up rides, whose fares are a lite file's own predictions and noise of a known width.
"""

from __future__ import annotations

import csv
import dataclasses
import datetime
import json
import pathlib
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner, Result

from configs import loading
from configs.dataset import EPOCH
from configs.errors import UserError
from configs.evaluation import Evaluation
from configs.records import Estimate
from models.lite.client import LiteModel
from models.release import Manifest, write_manifest
from pipeline import cli
from pipeline.local import output as local_output
from pipeline.monitoring.judging import is_beyond
from pipeline.monitoring.later_fares import _served_at
from pipeline.monitoring.verdict import MonitoringRecord, RideGroup, retraining_asked
from pipeline.retraining.ledger import Ledger
from pipeline.retraining.triggers import decide
from tests.models.lite.small_files import facts, preset_lite_file, small_lite_file, some_rides, write_version
from tests.pipeline.made_run import made_run
from tests.pipeline.ride_files import COLUMNS, predict, source_rows, write_csv
from tests.pipeline.test_triggers import QUIET, TRIGGERS

PROMISED = (4.4, 3.6, 5.4)
"""Of `write_version`."""

DAYS = ('2016-03-07', '2016-03-08', '2016-03-09')
SPREADS = (3.0, 3.2, 14.0)
"""Dollars of noise on each day; on the last one the fares are no longer what was learned."""

_EACH = 300


class MadeRides:
  """Rides of three days with their fares, in files as New York has them."""

  def __init__(self, folder: pathlib.Path, spreads: tuple[float, ...] = SPREADS, each: int = _EACH) -> None:
    self.columns = some_rides(loading.load('nyc'), each * len(DAYS), seed=3)
    random = np.random.default_rng(4)
    begins = [int((datetime.datetime.fromisoformat(day) - EPOCH).total_seconds()) for day in DAYS]
    self.columns['pickup_seconds'] = np.concatenate(
      [begin + 60 * np.sort(random.integers(0, 1440, each)) for begin in begins]
    ).astype(np.int32)
    self.day = np.repeat(np.arange(len(DAYS)), each)
    self.predictions = LiteModel(preset_lite_file()).predict(self.columns).astype(np.float64)
    noise = random.normal(size=len(self.day)) * np.asarray(spreads)[self.day]
    self.fares = np.round(np.clip(self.predictions + noise, 3.0, 200.0), 2)
    self.rows = [[*row, f'{fare:.2f}'] for row, fare in zip(utc_rows(self.columns), self.fares, strict=True)]
    self.file = write_csv(folder / 'fares.csv', self.rows, HEADER)
    self.rides = write_csv(folder / 'rides.csv', [row[:-1] for row in self.rows], COLUMNS)

  def errors(self, mask: np.ndarray) -> tuple[float, float, float]:
    """RMSE, MAE and bias of some rides."""
    errors = (self.predictions - self.fares)[mask]
    return float(np.sqrt(np.mean(errors**2))), float(np.mean(np.abs(errors))), float(errors.mean())


HEADER = (*COLUMNS, 'fare_amount')


def utc_rows(columns: dict[str, np.ndarray]) -> list[list[str]]:
  """As the source writes them, on the clock that the preset reads."""
  return source_rows(columns)


@pytest.fixture(scope='module')
def made(tmp_path_factory: pytest.TempPathFactory) -> MadeRides:
  """Not to be changed."""
  return MadeRides(tmp_path_factory.mktemp('rides'))


@pytest.fixture
def output(tmp_path: pathlib.Path) -> local_output.OutputDirectory:
  """An output directory in which version 7 serves."""
  made = local_output.prepare(str(tmp_path / 'out'))
  write_version(made.serving / '7')
  config = loading.load('nyc')
  made.config.write_text(loading.dump(config), encoding='utf-8')
  return made


def _monitor(output: local_output.OutputDirectory, *arguments: str) -> Result:
  return CliRunner().invoke(cli.main, ['monitor', str(output.path), *arguments])


def _found(output: local_output.OutputDirectory, *arguments: str, code: int = 3) -> dict[str, Any]:
  result = _monitor(output, '--json', *arguments)
  assert result.exit_code == code, result.output
  return dict(json.loads(result.output))


def _three(group: dict[str, Any]) -> tuple[float, float, float]:
  return tuple(_value(group[name]) for name in ('rmse', 'mae', 'bias'))  # type: ignore[return-value]


def _value(figure: Any) -> float:
  return float(figure['value'] if isinstance(figure, dict) else figure)


def test_errors_by_day_are_numpys_and_the_day_that_is_beyond_is_named(made: MadeRides, output):
  found = _found(output, '--fares', made.file)
  assert [day['name'] for day in found['days']] == list(DAYS)
  assert _three(found['all']) == pytest.approx(made.errors(made.day >= 0), rel=1e-5)
  for place, day in enumerate(found['days']):
    assert _three(day) == pytest.approx(made.errors(made.day == place), rel=1e-4), day['name']
    assert (day['rides'], day['versions']) == (_EACH, [7])
    assert tuple(day['promised'].values()) == PROMISED
  assert [day['beyond'] for day in found['days']] == [False, False, True]
  assert (found['beyond'], found['served'], found['from_log']) == (True, 7, False)
  assert '2016-03-09' in found['reason'] and '2016-03-08' not in found['reason']


def test_each_slicing_holds_all_rides(made: MadeRides, output):
  """The judge's own slices: those of the evaluation."""
  slices = {one['name']: one for one in _found(output, '--fares', made.file)['slices']}
  assert slices['airport ride']['rides'] + slices['no airport']['rides'] == 3 * _EACH
  missing = np.isnan(made.columns['dropoff_longitude']) | np.isnan(made.columns['dropoff_latitude'])
  assert slices['dropoff missing']['rides'] == int(missing.sum())
  assert _three(slices['dropoff missing']) == pytest.approx(made.errors(missing), rel=1e-4)
  assert slices['no airport']['promised'] is None, 'no run is kept that would know it'
  assert slices['no airport']['beyond'] is None


def test_what_was_promised_of_a_slice_is_the_kept_runs(made: MadeRides, output):
  """Oracle: the predictions that the gate of that run left, of the file that it chose."""
  config = output.config.read_text(encoding='utf-8')
  made_run(output.path)
  kept = output.runs / '20160301-030000-aaaaaa'
  kept.mkdir(parents=True)
  summary = json.loads(output.summary.read_text()) | {'pushed_version': '7'}
  (kept / 'summary.json').write_text(json.dumps(summary))
  output.config.write_text(config, encoding='utf-8')
  [file] = output.artifacts.rglob('predictions.parquet')
  left = pq.read_table(file)
  airport = left['slice_airport'].to_numpy() == 1
  errors = left['pqat_80.int8'].to_numpy()[airport] - left['fare_amount'].to_numpy()[airport]
  found = {one['name']: one for one in _found(output, '--fares', made.file)['slices']}
  assert _value(found['airport ride']['promised']) == pytest.approx(float(np.sqrt(np.mean(errors**2))), rel=1e-4)
  assert found['no airport']['promised'] is None, 'the made run has no such slice'


def test_a_log_of_predictions_by_key_in_any_order(made: MadeRides, output, tmp_path):
  """The same figures as of the version that is run again; rows of either side without a match are counted."""
  predict(output.serving, made.rides, folder=tmp_path, output='log.csv')
  order = np.random.default_rng(5).permutation(len(made.rows))[:-10]
  unknown = ['a ride that nobody asked for', *made.rows[0][1:]]
  fares = write_csv(tmp_path / 'later.csv', [*(made.rows[row] for row in order), unknown], HEADER)
  found = _found(output, '--fares', fares, '--predictions', str(tmp_path / 'log.csv'))
  assert found['left_out'] == {'not in the log': 1, 'predicted without a valid fare yet': 10}
  mask = np.isin(np.arange(len(made.rows)), order)
  assert _three(found['all']) == pytest.approx(made.errors(mask), rel=1e-4)
  assert found['from_log'] is True


def test_the_later_of_two_predictions_of_a_ride_counts(made: MadeRides, output, tmp_path):
  predict(output.serving, made.rides, folder=tmp_path, output='log.csv')
  header, *lines = (tmp_path / 'log.csv').read_text().splitlines()
  first = [line.replace(f',{line.split(",")[3]},', ',999.0,') for line in lines]
  (tmp_path / 'both.csv').write_text('\n'.join([header, *first, *lines]) + '\n')
  found = _found(output, '--fares', made.file, '--predictions', str(tmp_path / 'both.csv'))
  assert _three(found['all']) == pytest.approx(made.errors(made.day >= 0), rel=1e-4)


def test_a_parquet_log_and_rows_that_were_not_valid(made: MadeRides, output, tmp_path):
  rows = [list(row) for row in made.rows]
  rows[0][1] = 'yesterday'
  rides = write_csv(tmp_path / 'rides.csv', [row[:-1] for row in rows], COLUMNS)
  predict(output.serving, rides, folder=tmp_path, output='log.parquet')
  rows[1][-1] = 'n/a'
  fares = write_csv(tmp_path / 'later.csv', [made.rows[0], *rows[1:]], HEADER)
  found = _found(output, '--fares', fares, '--predictions', str(tmp_path / 'log.parquet'))
  assert found['left_out'] == {
    'unparsable_number': 1,
    'in the log without a prediction': 1,
    'predicted without a valid fare yet': 1,
  }
  assert found['all']['rides'] == len(rows) - 2


def test_without_a_key_rides_are_found_by_their_place(made: MadeRides, output, tmp_path):
  """And refused where the files can't be of the same rides: a shifted row would compare strangers."""
  predict(output.serving, made.rides, folder=tmp_path, output='log.csv')
  with (tmp_path / 'log.csv').open(newline='') as file:
    rows = [[row['row'], row['line'], row['prediction'], row['reason']] for row in csv.DictReader(file)]
  log = write_csv(tmp_path / 'keyless.csv', rows, ('row', 'line', 'prediction', 'reason'))
  found = _found(output, '--fares', made.file, '--predictions', log)
  assert _three(found['all']) == pytest.approx(made.errors(made.day >= 0), rel=1e-4)
  fewer = write_csv(tmp_path / 'fewer.csv', made.rows[1:], HEADER)
  refused = _monitor(output, '--fares', fewer, '--predictions', log)
  assert refused.exit_code == 2
  assert f'has {len(rows)} rows and the fares have {len(rows) - 1}: without a key' in refused.output


def test_each_ride_is_judged_by_the_version_that_served_at_its_pickup(made: MadeRides, output, tmp_path):
  """Versions are Unix times: one of 2015, and another model's of noon of the second day, UTC."""
  noon = int(datetime.datetime(2016, 3, 8, 12, tzinfo=datetime.timezone.utc).timestamp())
  write_version(output.serving / '1420070400')
  other = output.serving / str(noon)
  write_version(other)
  (other / 'model.tflite').write_bytes(small_lite_file(loading.load('nyc'), seed=1))
  write_manifest(other, Manifest(**facts(loading.load('nyc'))))
  found = _found(output, '--fares', made.file)
  assert [day['versions'] for day in found['days']] == [[1420070400], [1420070400, noon], [noon]]
  last = made.day == 2
  columns = {name: column[last] for name, column in made.columns.items()}
  errors = LiteModel(small_lite_file(loading.load('nyc'), seed=1)).predict(columns) - made.fares[last]
  assert _value(found['days'][2]['rmse']) == pytest.approx(float(np.sqrt(np.mean(errors**2))), rel=1e-4)


def test_versions_are_told_on_the_wall_clock_of_the_dataset_s_zone(output):
  """Oracle: New York is five hours behind UTC in early March; the version is of 12:00 UTC, 7:00 there."""
  noon = int(datetime.datetime(2016, 3, 8, 12, tzinfo=datetime.timezone.utc).timestamp())
  write_version(output.serving / str(noon))
  (output.serving / '7' / 'saved_model.pb').unlink()
  seven = int((datetime.datetime(2016, 3, 8, 7) - EPOCH).total_seconds())
  seconds = np.array([seven - 1, seven])
  ledger = Ledger(output.ledger)
  for overrides, before in (
    (['dataset.time.clock=utc', 'dataset.time.time_zone=America/New_York'], [True, False]),
    ([], [True, True]),
  ):
    dataset = loading.load('nyc', overrides).dataset
    served, found = _served_at(seconds, output.serving, ledger, dataset)
    assert (found.tolist(), served.tolist()) == (before, [noon, noon])


def test_rides_of_before_every_version_are_said(made: MadeRides, output, capfd):
  write_version(output.serving / '1893456000')  # 2030
  (output.serving / '7' / 'saved_model.pb').unlink()
  assert _monitor(output, '--fares', made.file).exit_code == 3
  assert '900 rides are older than every version that is there and count as those of 1893456000.' in (
    capfd.readouterr().out.replace('\n', ' ')
  )


def test_within_what_was_promised(output, tmp_path, capfd):
  made = MadeRides(tmp_path, spreads=(3.0, 3.0, 3.0))
  assert _found(output, '--fares', made.file, code=0)['beyond'] is False
  capfd.readouterr()
  assert _monitor(output, '--fares', made.file).exit_code == 0
  shown = capfd.readouterr().out
  assert 'against 4.40 that the gate promised; no day and no slice is beyond.' in shown
  assert all(day in shown for day in DAYS)


@pytest.mark.parametrize(
  ('rmse', 'promise', 'rides', 'groups', 'expected'),
  [
    pytest.param(Estimate(9, 6, 12), Estimate(4, 3, 5), 400, 1, True, id='beyond'),
    pytest.param(Estimate(9, 6, 12), Estimate(4, 3, 5), 400, 100, False, id='not_surely_among_a_hundred'),
    pytest.param(Estimate(4.05, 4.04, 4.06), Estimate(4, 3.99, 4.01), 400, 1, False, id='within_the_increase'),
    pytest.param(Estimate(9, 4, 14), Estimate(4, 3, 5), 400, 1, False, id='a_wide_interval'),
    pytest.param(Estimate(9, 6, 12), None, 400, 1, None, id='nothing_promised'),
    pytest.param(Estimate(9), Estimate(4, 3, 5), 400, 1, None, id='no_interval'),
    pytest.param(Estimate(9, 6, 12), Estimate(4, 3, 5), 49, 1, None, id='too_few_rides'),
  ],
)
def test_what_is_beyond(rmse, promise, rides, groups, expected):
  """By hand: 9 is 4.92 above 4.08, or 3.04 standard errors of 1.62; 2.33 are sure, 3.72 among a hundred groups."""
  group = RideGroup(name='day', rides=rides, rmse=rmse, mae=rmse, bias=rmse, promised=promise)
  assert is_beyond(group, Evaluation(max_rmse_increase=0.02), groups) is expected


def test_retraining_is_asked_for_until_a_run_has_come_to_its_end(made: MadeRides, output):
  assert _monitor(output, '--fares', made.file).exit_code == 3
  assert not output.monitoring.exists(), 'nobody asked for it'
  moment = '2016-03-10T05:00:00+00:00'
  assert _monitor(output, '--fares', made.file, '--retrain', '--now', moment).exit_code == 3
  asked = datetime.datetime.fromisoformat(moment)
  hour = datetime.timedelta(hours=1)
  sentence = retraining_asked(output, 7, asked - hour)
  assert sentence is not None and sentence.startswith('Later fares: RMSE ') and '2016-03-09' in sentence
  assert retraining_asked(output, 7, None) == sentence
  assert retraining_asked(output, 7, asked + hour) is None
  assert retraining_asked(output, 8, asked - hour) is None, 'another version serves'


def test_a_verdict_that_nothing_is_beyond_takes_the_wish_back(made: MadeRides, output, tmp_path):
  assert _monitor(output, '--fares', made.file, '--retrain').exit_code == 3
  good = MadeRides(tmp_path, spreads=(3.0, 3.0, 3.0))
  assert _monitor(output, '--fares', good.file, '--retrain').exit_code == 0
  assert retraining_asked(output, 7, None) is None
  assert MonitoringRecord.read(output.monitoring).retrain is True


def test_the_trigger_fires_where_there_is_something_to_train_on():
  asked = dataclasses.replace(QUIET, later_fares='Later fares: beyond: 2016-03-09.')
  quiet = decide(TRIGGERS, dataclasses.replace(asked, fresh=()))[-1]
  assert not quiet.fires
  assert quiet.sentence == 'Later fares: beyond: 2016-03-09. But there is no new ride to train on.'
  fresh = dataclasses.replace(asked, fresh=('2016-03-10',))
  assert [verdict.trigger for verdict in decide(TRIGGERS, fresh)][-1] == 'later_fares'
  assert decide(TRIGGERS, fresh)[-1].fires
  assert 'later_fares' not in {verdict.trigger for verdict in decide(TRIGGERS, QUIET)}


def test_a_broken_verdict_is_told(output):
  output.monitoring.write_text('{"time": "now"}')
  with pytest.raises(UserError, match=r"monitoring\.json' is broken .*; remove it, or run farelite monitor --retrain"):
    retraining_asked(output, 7, None)


@pytest.mark.parametrize(
  ('arguments', 'message'),
  [
    pytest.param(['--fares', '{out}/none-*.csv'], 'none-*.csv', id='no_file'),
    pytest.param(['--fares', '{fares}', '--predictions', '{out}/no.csv'], 'There is no log of', id='no_log'),
    pytest.param(['--fares', '{fares}', '--predictions', '{fares}'], "has no column 'prediction'", id='no_predictions'),
    pytest.param(['--fares', '{rides}'], 'fare_amount', id='rides_without_fares'),
  ],
)
def test_what_can_not_be_judged(made: MadeRides, output, arguments, message):
  places = {'out': str(output.path), 'fares': made.file, 'rides': made.rides}
  result = _monitor(output, *(argument.format(**places) for argument in arguments))
  assert result.exit_code == 2, result.output
  assert message in result.output


def test_no_version_promised_anything(made: MadeRides, tmp_path):
  output = local_output.prepare(str(tmp_path / 'empty'))
  output.config.write_text(loading.dump(loading.load('nyc')))
  result = _monitor(output, '--fares', made.file)
  assert result.exit_code == 2
  assert 'holds no version, so nothing was promised; farelite run pushes one.' in result.output
