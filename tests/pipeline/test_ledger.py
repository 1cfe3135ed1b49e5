"""What is kept between runs on a window, and what a plan makes of it. Oracle: the files that the test writes."""

import datetime
import json
import pathlib

import pytest

from benchmarks.simulator import simulate_day
from configs import loading
from configs.errors import UserError
from pipeline.retraining.ledger import RUNNING, Ledger, LedgerRun, SpanEntry
from pipeline.retraining.plan import make_plan
from pipeline.sources import data_source

NOW = datetime.datetime(2026, 3, 8, 3, tzinfo=datetime.timezone(datetime.timedelta(hours=-5)))
FIRST = datetime.date(2026, 3, 1)


class Days:
  """A folder of daily rides with its config and ledger."""

  def __init__(self, folder: pathlib.Path):
    self.folder = folder
    self.ledger = Ledger(folder / 'retraining.json')
    path = f'{folder}/{{YYYY}}-{{MM}}-{{DD}}.csv'
    self.config = loading.load('nyc', [f'dataset.path={path}', 'retraining.window=3'])

  def write(self, *numbers: int, rows: int = 20, header: str | None = None) -> None:
    """Writes days of March; with another header, none of the dataset's columns are there."""
    import pyarrow.csv

    for number in numbers:
      path = self.folder / f'{FIRST + datetime.timedelta(number - 1)}.csv'
      pyarrow.csv.write_csv(simulate_day(FIRST + datetime.timedelta(number - 1), rows), path)
      if header:
        path.write_text('\n'.join([header, *path.read_text().splitlines()[1:]]))

  def plan(self, newest: datetime.date | None = None):
    """What would be run now."""
    number = (newest - datetime.date(1970, 1, 1)).days if newest else None
    return make_plan(self.config, data_source(self.config.dataset.path), self.ledger, number)

  def run(self, status: str = 'pushed'):
    """As if the plan were run."""
    plan = self.plan()
    self.ledger.begin(plan.entry(NOW))
    self.ledger.end(status=status, reason='why')
    return plan


@pytest.fixture
def days(tmp_path) -> Days:
  return Days(tmp_path)


def test_a_ledger_comes_back_as_it_was_written(tmp_path):
  ledger = Ledger.load(tmp_path / 'retraining.json')
  assert (ledger.spans, ledger.runs, ledger.last, ledger.last_finished) == ({}, [], None, None)
  ledger.spans = {7: SpanEntry('a', 10, 9), 8: SpanEntry('b', 10, 0, 'It has no valid ride.', late=True)}
  ledger.begin(LedgerRun(NOW, {7: 'a', 8: 'b'}, 'setting', kept={7: 9, 8: 0}))
  assert Ledger.load(ledger.path).last.status == RUNNING
  ledger.end(status='pushed', reason='it is good', pushed_path='/serving/12')
  again = Ledger.load(ledger.path)
  assert again == ledger
  assert again.last.started.utcoffset() == datetime.timedelta(hours=-5)
  assert again.push_of('12') == again.last
  assert again.push_of('13') is None
  assert again.spans[8].was_read


def test_spans_are_written_in_their_order(tmp_path):
  """However they were found, as people read the file, too."""
  ledger = Ledger(tmp_path / 'retraining.json', {number: SpanEntry('a', 10, 9) for number in (9, 7, 10, 8)})
  ledger.save()
  assert list(json.loads(ledger.path.read_text(encoding='utf-8'))['spans']) == ['7', '8', '9', '10']


@pytest.mark.parametrize('text', ['', '[]', '{"spans": {}}', '{"spans": {"1": {"sum": 1}}, "runs": []}'])
def test_a_file_that_is_no_ledger(tmp_path, text):
  (tmp_path / 'retraining.json').write_text(text)
  with pytest.raises(UserError, match=r"retraining\.json' is broken .*; move it away"):
    Ledger.load(tmp_path / 'retraining.json')


def test_only_what_a_finished_run_has_not_read_is_fresh(days):
  days.write(1, 2, 3, 4)
  first = days.run()
  assert [span.label for span in first.fresh] == ['2026-03-02', '2026-03-03', '2026-03-04']
  assert first.new_rows == 60
  unchanged = days.plan()
  assert unchanged.fresh == () and unchanged.new_rows == 0 and unchanged.same_as(days.ledger.last)
  days.write(5, rows=25)
  days.write(4, rows=32)
  grown = days.plan()
  assert [span.label for span in grown.fresh] == ['2026-03-04', '2026-03-05']
  assert grown.new_rows == 12 + 25
  assert not grown.same_as(days.ledger.last)
  assert days.plan().new_rows == 12 + 25  # Looking twice adds nothing.


def test_spans_that_fell_out_of_the_window_count_as_new_rows(days):
  days.write(1, 2)
  days.run()
  days.write(3, 4, 5, 6, 7)
  plan = days.plan()
  assert [span.label for span in plan.window.spans] == ['2026-03-05', '2026-03-06', '2026-03-07']
  assert plan.new_rows == 100


def test_a_failed_run_leaves_everything_fresh(days):
  days.write(1, 2)
  days.run()
  days.write(3)
  days.run(status='failed')
  assert [span.label for span in days.plan().fresh] == ['2026-03-03']


def test_another_config_is_another_run_but_another_trigger_is_not(days):
  days.write(1, 2, 3)
  days.run()
  days.config = loading.load('nyc', [f'dataset.path={days.config.dataset.path}', 'retraining.window=3',
                                     'retraining.triggers.new_rows=7', 'metadata.kind=sqlite'])  # fmt: skip
  assert days.plan().same_as(days.ledger.last)
  days.config = loading.load('nyc', [f'dataset.path={days.config.dataset.path}', 'retraining.window=3',
                                     'training.epochs=7'])  # fmt: skip
  assert not days.plan().same_as(days.ledger.last)


def test_a_broken_day_fails_loudly_once_and_is_left_out_then_until_it_is_mended(days):
  days.write(1, 2, 3)
  days.write(4, header='nothing,that,anyone,knows')
  newest = days.plan()
  assert newest.window.newest.label == '2026-03-04'
  assert "has no column 'pickup_datetime'" in newest.broken()['2026-03-04']
  assert any('The newest span, 2026-03-04, is broken:' in note for note in newest.notes())
  days.write(5)
  later = days.plan()
  assert [span.label for span in later.window.spans] == ['2026-03-02', '2026-03-03', '2026-03-05']
  assert later.window.left_out == ('2026-03-04',)
  assert not later.broken()
  days.write(4)
  assert [span.label for span in days.plan().window.spans] == ['2026-03-03', '2026-03-04', '2026-03-05']


def test_too_many_rows_against_the_rules_break_a_day(days):
  days.write(1, 2)
  path = days.folder / '2026-03-02.csv'
  header, *rows = path.read_text().splitlines()
  cheap = [','.join([row.split(',')[0], '-1', *row.split(',')[2:]]) for row in rows[:10]]
  path.write_text('\n'.join([header, *cheap, *rows[10:]]))
  assert days.plan().broken() == {
    '2026-03-02': '50 % of its 20 rows break a rule (rules.max_quarantined_share is 10 %), most of all '
    "fare_out_of_range (10) in fare_amount, such as '-1'."
  }


def test_a_late_day_is_late_until_a_run_has_read_it(days):
  days.write(1, 3)
  days.run()
  days.write(2)
  assert days.plan().window.late == ('2026-03-02',)
  assert days.run().window.late == ('2026-03-02',)
  assert days.plan().window.late == ()


def test_a_past_window_knows_nothing_of_later_days(days):
  days.write(1, 2, 3, 4, 5)
  plan = days.plan(newest=datetime.date(2026, 3, 4))
  assert [span.label for span in plan.window.spans] == ['2026-03-02', '2026-03-03', '2026-03-04']
  assert [span.label for span in plan.fresh] == ['2026-03-02', '2026-03-03', '2026-03-04']


def test_a_day_with_the_rides_of_another_one_is_broken_until_its_files_change(days):
  """In another order and compressed: it is the rides that count. The day after it, the window passes it over."""
  days.write(1, 2)
  days.run()
  lines = (days.folder / '2026-03-02.csv').read_text().splitlines()
  again = days.folder / '2026-03-03.csv'
  again.write_text('\n'.join([lines[0], *reversed(lines[1:])]) + '\n')
  plan = days.plan()
  assert plan.broken() == {'2026-03-03': 'It has the same 20 rides as 2026-03-02: a redelivery.'}
  days.ledger = Ledger.load(days.ledger.path)
  assert days.plan().broken() == plan.broken()
  days.write(4)
  assert [span.label for span in days.plan().window.spans] == ['2026-03-01', '2026-03-02', '2026-03-04']
  days.write(3)
  assert [span.label for span in days.plan().window.spans] == ['2026-03-02', '2026-03-03', '2026-03-04']


def test_of_two_days_with_the_same_rides_the_other_one_may_be_mended(days):
  days.write(1, 2, 3)
  right = (days.folder / '2026-03-03.csv').read_text()
  (days.folder / '2026-03-02.csv').write_text(right)
  assert days.plan().broken() == {'2026-03-03': 'It has the same 20 rides as 2026-03-02: a redelivery.'}
  days.write(2)
  days.plan()
  assert days.plan().broken() == {}
