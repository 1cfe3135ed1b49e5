"""Fourteen nights of an operator, with a bad day, a day of drift and an excluded one, as the notifications tell them.

Rides are simulated, runs are real, and the clock is passed in. Oracles: which rides the test laid out, what a real
server on loopback was sent, and the exit codes.
"""

from __future__ import annotations

import datetime
import json

import pyarrow as pa
import pyarrow.csv
import pytest
from click.testing import CliRunner
from prometheus_client.parser import text_string_to_metric_families

from benchmarks.simulator import simulate_day
from pipeline.cli import main
from tests.integration.sixty_days import RIDES, City, nights
from tests.pipeline.test_notifying import Listener

DAY = datetime.timedelta(days=1)
FIRST = datetime.date(2026, 3, 1)
NO_DATA, BAD, DRIFT, EXCLUDED, NO_FOLDER, NIGHTS = 3, 5, 8, 9, 11, 14
USUAL = {'pushed', 'not_blessed'}


class Operator:
  """A city whose nights a timer's command runs, and the server that is told of them."""

  def __init__(self, city: City, listener: Listener) -> None:
    self.city, self.listener = city, listener
    self.metrics = city.folder / 'farelite.prom'
    self.settings = {
      'notify.webhook.url': listener.url,
      'notify.on': '[pushed, not_blessed, anomalies, failed, nothing_new, stale]',
      'notify.stale.not_blessed': '1',
      'notify.prometheus': str(self.metrics),
    }

  def break_fares(self, day: datetime.date) -> None:
    """Six of ten fares of the day are no numbers."""
    table = pa.Table.from_batches([simulate_day(day, RIDES)])
    place = table.schema.get_field_index('fare_amount')
    fares = ['n/a' if row % 10 < 6 else str(fare) for row, fare in enumerate(table.column(place).to_pylist())]
    pa.csv.write_csv(table.set_column(place, 'fare_amount', pa.array(fares)), self.city._file(day))

  def night(self, now: datetime.datetime, *options: str) -> tuple[int, list[dict]]:
    """Runs the timer's command; exit code, and what the server was sent."""
    before = len(self.listener.got)
    words = ['retrain', '--config', str(self.city.folder / 'daily.yaml'), '--data', self.city.pattern]
    words += ['--output', str(self.city.output.path), '--now', now.isoformat(), *options]
    for name, value in self.settings.items():
      words += ['--set', f'{name}={value}']
    result = CliRunner().invoke(main, words)
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.exit_code, [body for _, _, body in self.listener.got[before:]]

  def summary(self) -> dict:
    """Of the last run."""
    return json.loads(self.city.output.summary.read_text())


@pytest.fixture
def operator(tmp_path):
  listener = Listener()
  yield Operator(City(tmp_path, new_rows=1), listener)
  listener.close()


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_fourteen_nights(operator: Operator):
  city = operator.city
  told = []
  for night, now in enumerate(nights(FIRST, NIGHTS)):
    day, served = now.date() - DAY, city.versions()
    if night == BAD:
      operator.break_fares(day)
    elif night not in (NO_DATA, NO_FOLDER):
      city.ride(day, fares=3.0 if night == DRIFT else 1.0)
    if night == EXCLUDED:
      operator.settings['retraining.exclude'] = f'[{day - DAY}]'
    moved = city.folder / 'days'
    if night == NO_FOLDER:
      moved = moved.rename(city.folder / 'elsewhere')
    code, bodies = operator.night(now, *(['--fail-unless-pushed'] if night in (NO_DATA, DRIFT) else []))
    if night == NO_FOLDER:
      moved.rename(city.folder / 'days')
    first, *others = bodies
    told.append(first['event'])
    assert first['pipeline'] == 'daily' and first['time'].startswith(str(now.date()) if night != NO_FOLDER else '20')
    if night == BAD:
      assert (code, first['event'], city.versions()) == (1, 'anomalies', served)
      assert f'The newest span, {day}, is broken: 60 % of its {RIDES} rows break a rule' in first['reason']
    elif night == DRIFT:
      assert (code, first['event'], city.versions()) == (3, 'not_blessed', served)
      assert [other['event'] for other in others] == ['stale']
      drift = [said for said in first['anomalies'] if said.startswith('fare_amount in the eval split: expected values')]
      assert len(drift) == 1 and f'in the newest span, {day}' in drift[0]
    elif night == NO_FOLDER:
      assert (code, first['event'], city.versions()) == (2, 'failed', served)
      assert 'No file matches' in first['reason']
    elif night == NO_DATA:
      assert (code, first['event']) == (0 if first['status'] == 'pushed' else 3, 'nothing_new')
    else:
      assert code == 0 and first['event'] == operator.summary()['status'] in USUAL
      assert first['newest'] == str(day) and first['rows']['kept'] > 0 and first['rmse']['value'] > 0
    window = operator.summary()['window']
    assert (str(FIRST - DAY + BAD * DAY) in window['left_out']) == (BAD < night <= BAD + 4)
    if night >= EXCLUDED:
      excluded = str(FIRST - DAY + DRIFT * DAY)
      assert excluded not in window['spans']
      assert (window['excluded'] == [excluded]) == (night < DRIFT + 5)
  assert [told[night] for night in (NO_DATA, BAD, DRIFT, NO_FOLDER)] == [
    'nothing_new',
    'anomalies',
    'not_blessed',
    'failed',
  ]
  assert told.count('pushed') >= 5
  families = {family.name: family for family in text_string_to_metric_families(operator.metrics.read_text())}
  assert families['farelite_rows'].samples[0].value >= RIDES
