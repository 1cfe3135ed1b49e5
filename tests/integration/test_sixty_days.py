"""Sixty nights of a timer, by a clock that is passed in: thirty over the start of summer time and thirty over its end.

Rides are simulated, runs are real: in this process on most nights, in processes of their own where they are killed or
meet each other. After every night the versions that a model server sees are whole. Oracles: which day's rides the test
laid out, the ledger, the sums in the manifests, and the exit codes of real processes.
"""

from __future__ import annotations

import datetime
import json
import pathlib

import pytest

from tests.integration.sixty_days import RIDES, City, nights

DAY = datetime.timedelta(days=1)
SPRING, AUTUMN = datetime.date(2026, 2, 21), datetime.date(2026, 10, 17)
NO_DATA, LATE, BROKEN, DRIFT, TWO_AT_ONCE = {7, 8, 9}, 11, 13, 16, 21

STEPS = (
  'RideExampleGen', 'RideSchema', 'StatisticsGen', 'BaselineStatistics', 'ExampleValidator',
  'AnomalyGate', 'FeatureEngineering', 'PruningTrainer', 'ServedModel', 'FareEvaluator',
  'QuantizationRewriter', 'CompressionGate', 'Pusher',
)  # fmt: skip


def _labels(entry) -> list[str]:
  return sorted(str(datetime.date(1970, 1, 1) + number * DAY) for number in entry.spans)


@pytest.fixture(scope='module')
def city(tmp_path_factory) -> City:
  return City(tmp_path_factory.mktemp('city'), new_rows=3 * RIDES)


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_thirty_nights_in_spring(city: City):
  """Data every day but three, one of which comes late; a broken day; a day of drift; two triggers at once."""
  offsets = set()
  for night, now in enumerate(nights(SPRING, 30)):
    day = now.date() - DAY
    assert (now.hour, now.minute) == (3, 0)
    offsets.add(now.utcoffset())
    served, runs = city.versions(), city.runs()
    if night == BROKEN:
      city.break_day(day)
    elif night not in NO_DATA:
      city.ride(day, fares=3.0 if night == DRIFT else 1.0, rides=RIDES * (3 if night == TWO_AT_ONCE else 1))
    if night == LATE:
      city.ride(day - 3 * DAY)
    if night == TWO_AT_ONCE:
      _two_triggers_at_once(city, now)
      continue
    code, summary = city.retrain(now)
    ran = city.runs() - runs
    if night == BROKEN:
      # It failed before it had read its rides: the summary is still that of the night before, beside a note.
      note = json.loads(city.output.failed_start.read_text())
      assert (code, ran) == (1, 1)
      assert f"{day:%Y/%m/%d}/rides.csv' has no column 'pickup_datetime'" in note['reason']
      assert summary['status'] == 'pushed' and city.versions() == served
      continue
    assert not city.output.failed_start.exists()
    fired = [verdict['trigger'] for verdict in summary['triggers'] if verdict['fires']]
    assert ran == bool(fired)
    assert summary['ended_early'] == (not ran)
    assert summary['window']['newest'] == str(_newest(day, night))
    if night in NO_DATA:
      assert code == 0 and not ran
      assert 'No new data: the newest span, 2026-02-26,' in str([v['sentence'] for v in summary['triggers']])
    elif night == 0:
      assert code == 0 and 'no_model' in fired and summary['status'] == 'pushed'
      assert summary['rows']['splits']['train'] > summary['rows']['splits']['eval'] > 0
    elif night == BROKEN + 1:
      assert code == 0 and 'unfinished' in fired
      assert summary['window']['left_out'] == [str(day - DAY)]
      assert str(day - DAY) not in _labels(city.ledger().last)
    elif night == DRIFT:
      assert code == 0 and fired == ['drift']
      assert summary['status'] == 'not_blessed', summary['reason']
      assert 'RMSE' in summary['reason']
      assert city.versions() == served
    if night == LATE:
      assert summary['window']['late'] == [str(day - 3 * DAY)]
      assert str(day - 2 * DAY) in summary['window']['missing']
    if ran and code == 0:
      last = city.ledger().last
      assert len(_labels(last)) == min(4, night + 1 if night < 4 else 4)
      if night > 0:
        *older, newest = (city.rides[label] for label in _labels(last))
        split = summary['rows']['splits']
        # Fares of thrice as much may break the rule on fares.
        assert split['eval'] == newest or night == DRIFT
        assert sum(older) - RIDES // 10 <= split['train'] <= sum(older)
  assert offsets == {datetime.timedelta(hours=-5), datetime.timedelta(hours=-4)}
  statuses = [run.status for run in city.ledger().runs]
  assert statuses.count('failed') == 1
  assert statuses.count('not_blessed') >= 1
  assert 6 <= statuses.count('pushed') <= 15
  assert len(city.versions()) == statuses.count('pushed')


def _newest(day: datetime.date, night: int) -> datetime.date:
  """The last day with rides."""
  return day - DAY * (night - min(NO_DATA) + 1) if night in NO_DATA else day


def _two_triggers_at_once(city: City, now: datetime.datetime) -> None:
  """One of them runs, the other one says that it has nothing to do; both are content."""
  served, runs = city.versions(), city.runs()
  both = [city.start(now) for _ in range(2)]
  shown = [process.communicate()[0] for process in both]
  assert [process.returncode for process in both] == [0, 0], shown
  assert city.runs() == runs + 1
  assert sum('No run: another one is on its way.' in text for text in shown) == 1, shown
  assert city.ledger().last.status == 'pushed'
  assert len(city.versions()) == len(served) + 1


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_thirty_nights_in_autumn(city: City):
  """After a summer without: a run every second night, and each step of the pipeline is killed once."""
  city.use(new_rows=2 * RIDES)
  offsets, to_kill = set(), list(STEPS)
  for night, now in enumerate(nights(AUTUMN, 30)):
    offsets.add(now.utcoffset())
    city.ride(now.date() - DAY)
    served, runs = city.versions(), city.runs()
    killed = []
    if night and night % 2 == 0 and to_kill:
      while to_kill and len(killed) < 2:
        killed.append(to_kill.pop(0))
        if killed[-1] == 'RideSchema':
          # It reads the config alone, and would come from the cache.
          city.use(2 * RIDES, drift_threshold=0.25)
        city.killed_at(killed[-1], now)
        assert city.versions() == served
    code, summary = city.retrain(now)
    assert code == 0, summary['reason']
    assert summary['window']['newest'] == str(now.date() - DAY)
    if killed:
      assert 'unfinished' in [verdict['trigger'] for verdict in summary['triggers'] if verdict['fires']]
      finished_before = STEPS[: STEPS.index(killed[-1])]
      looked_up = {'BaselineStatistics', 'ServedModel'}
      assert set(finished_before) - looked_up <= set(summary['cached'])
    if city.runs() > runs:
      assert summary['status'] == 'pushed', summary['reason']
      assert len(city.versions()) == len(served) + 1
      assert not [path for path in city.output.serving.iterdir() if path.name.startswith('.')]
      assert pathlib.Path(summary['pushed_path']).name == max(city.versions(), key=int)
    else:
      assert summary['ended_early'] and city.versions() == served
  assert not to_kill
  assert offsets == {datetime.timedelta(hours=-4), datetime.timedelta(hours=-5)}
  assert sum(run.status == 'running' for run in city.ledger().runs) == len(STEPS)
