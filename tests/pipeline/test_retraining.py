"""What `farelite retrain` makes of its state, and what a run on a window leaves. No run: the pipeline is a stand-in.

Oracle: the days that the test writes, and the ledger that it fills.
"""

from __future__ import annotations

import dataclasses
import datetime
import itertools
import json
import pathlib
import signal
import time
import types

import pytest
from click.testing import CliRunner

from components.ride_example_gen import ingestion
from components.ride_validator import divergence as drifts
from configs import loading
from configs.operations import Triggers
from models.served_versions import SAVED_MODEL
from pipeline.cli import main
from pipeline.commands import retrain
from pipeline.commands import run as commands_run
from pipeline.commands.session import Manner, opened
from pipeline.local import output as local_output
from pipeline.local import run as local_run
from pipeline.local.output import OutputDirectory
from pipeline.retraining import ledger as ledgers
from pipeline.retraining import plan as plans
from pipeline.retraining.ledger import RUNNING, Ledger, LedgerRun, SpanEntry, served_since
from pipeline.retraining.plan import end_early, recorded_run
from pipeline.retraining.triggers import Verdict, decide
from pipeline.sources import data_source
from pipeline.summary_record import Status, Summary
from tests.pipeline.made_store import make_version
from tests.pipeline.test_ledger import NOW, Days
from tests.pipeline.test_unchanged import printed_by_farelite

UTC = datetime.timezone.utc


@pytest.fixture
def days(tmp_path: pathlib.Path) -> Days:
  (tmp_path / 'rides').mkdir()
  found = Days(tmp_path / 'rides')
  found.write(1, 2, 3)
  return found


@pytest.fixture
def output(tmp_path: pathlib.Path, days: Days) -> OutputDirectory:
  """Its ledger is that of the days."""
  made = local_output.prepare(str(tmp_path / 'out'))
  days.ledger.path = made.ledger
  return made


def _serve(output: OutputDirectory, *versions: str) -> None:
  for version in versions:
    make_version(output.serving / version, f'bytes of {version}')


def _situation(days: Days, output: OutputDirectory, *overrides: str):
  config = loading.load('nyc', [f'dataset.path={days.config.dataset.path}', 'retraining.window=3', *overrides])
  return retrain.situation(config, days.plan(), days.ledger, output, NOW)


def test_a_first_run_has_everything_before_it(days, output):
  found = _situation(days, output)
  assert found == dataclasses.replace(
    found,
    now=NOW,
    unfinished=None,
    served=None,
    served_since=None,
    changed_setting=False,
    fresh=('2026-03-01', '2026-03-02', '2026-03-03'),
    new_rows=60,
    drift=None,
    drift_limit=days.config.validation.drift_threshold,
    newest='2026-03-03',
    broken=None,
  )


def test_after_a_run_nothing_is_left(days, output):
  days.run()
  found = _situation(days, output)
  assert (found.fresh, found.new_rows, found.unfinished, found.changed_setting) == ((), 0, None, False)


def test_a_killed_and_a_failed_run_are_unfinished(days, output):
  days.ledger.begin(days.plan().entry(NOW))
  assert _situation(days, output).unfinished == ('it was killed, or its machine stopped (started 2026-03-08 03:00).')
  days.ledger.end(status='failed', reason='the disk is full.')
  assert _situation(days, output).unfinished == 'the disk is full.'
  # A run that ended without a push came to its end.
  days.run(status='not_blessed')
  assert _situation(days, output).unfinished is None


def test_the_setting_is_that_of_the_last_run_that_came_to_its_end(days, output):
  days.run()
  changed = dataclasses.replace(days.ledger.runs[0], setting='other')
  days.ledger.runs.append(dataclasses.replace(changed, status='failed'))
  assert not _situation(days, output).changed_setting
  days.ledger.runs.append(changed)
  assert _situation(days, output).changed_setting


def test_the_version_that_serves_and_since_when(days, output):
  """Of the ledger where that knows the push, else of the number, which is a Unix time. 9 is not above 10."""
  _serve(output, '9', '10', 'latest')
  found = _situation(days, output)
  assert (found.served, found.served_since) == (10, datetime.datetime(1970, 1, 1, 0, 0, 10, tzinfo=UTC))
  days.ledger.runs = [
    LedgerRun(NOW - datetime.timedelta(days=day), {1: 'a'}, 's', 'pushed', pushed_path=f'/serving/{version}')
    for day, version in ((3, '10'), (2, '10'), (1, '9'))
  ]
  assert served_since(10, days.ledger) == NOW - datetime.timedelta(days=3)
  assert served_since(9, days.ledger) == NOW - datetime.timedelta(days=1)
  assert served_since(11, days.ledger) == datetime.datetime(1970, 1, 1, 0, 0, 11, tzinfo=UTC)


def test_a_broken_newest_day_is_reported(days, output):
  days.write(4, header='nothing,that,anyone,knows')
  assert 'has no column' in _situation(days, output).broken


def test_drift_is_that_of_the_fresh_day_that_lies_furthest(days, output, monkeypatch):
  """The measure is a stand-in that knows three days; a broken day is not measured."""
  days.run()
  days.ledger.runs[-1] = dataclasses.replace(days.ledger.runs[-1], statistics=str(output.path))
  far = {'2026-03-04': 0.3, '2026-03-05': 0.9, '2026-03-06': 0.1}
  asked = []

  def span_drift(rides, trained_on, dataset, validation):
    [label] = {rides}
    asked.append((label, trained_on))
    return drifts.SpanDrift(f'column of {label}', far[label])

  monkeypatch.setattr(drifts, 'span_drift', span_drift)
  monkeypatch.setattr(
    'components.ride_example_gen.ingestion.valid_rides', lambda files, dataset: pathlib.Path(files[0]).stem
  )
  days.write(4, 5, 6)
  assert _situation(days, output).drift == ('2026-03-05', 'column of 2026-03-05', 0.9)
  assert asked == [(label, str(output.path)) for label in far]
  assert _situation(days, output, 'retraining.triggers.drift=false').drift is None
  days.write(7, header='nothing,that,anyone,knows')
  asked.clear()
  _situation(days, output)
  assert '2026-03-07' not in [label for label, _ in asked] != []


@pytest.mark.parametrize('statistics', [None, '/gone'])
def test_no_drift_where_there_is_nothing_to_compare_with(days, output, statistics):
  days.run()
  days.ledger.runs[-1] = dataclasses.replace(days.ledger.runs[-1], statistics=statistics)
  days.write(4)
  assert _situation(days, output).drift is None


def _retrain(days: Days, output: OutputDirectory, monkeypatch, *overrides: str, force: bool = False):
  """The exit code, and the verdicts that the run was begun with; `None` where none was."""
  begun = []

  def perform(session, plan, ledger, now, verdicts=()):
    begun.append([verdict.trigger for verdict in verdicts if verdict.fires])
    return 7

  monkeypatch.setattr(commands_run, 'perform_window', perform)
  config = loading.load('nyc', [f'dataset.path={days.config.dataset.path}', 'retraining.window=3', *overrides])
  days.ledger.save()
  code = retrain.run(config, data_source(config.dataset.path), output, NOW, force)
  return code, begun


def test_it_runs_where_a_trigger_fires_and_not_where_none_does(days, output, monkeypatch):
  assert _retrain(days, output, monkeypatch) == (7, [['no_model', 'new_rows']])
  _serve(output, '10')
  days.run()
  assert _retrain(days, output, monkeypatch) == (0, [])
  written = json.loads(output.summary.read_text())
  assert (written['ended_early'], written['status']) == (True, 'pushed')
  assert written['reason'].startswith(
    'No new data: the newest span, 2026-03-03, and the rest of the window are as the run'
  )
  assert [written['triggers'][i]['fires'] for i in range(2)] == [False, False]


def test_a_call_with_nothing_new_loads_nothing_heavy(days, output):
  """In a process of its own, as what it loads is asked of it."""
  _serve(output, '10')
  days.run()
  days.plan()
  Summary(status=Status.PUSHED).write(output.summary)
  command = ['retrain', '--config', 'nyc', '--data', days.config.dataset.path, '--window', '3']
  shown = printed_by_farelite([*command, '--output', str(output.path), '--now', NOW.isoformat()])
  assert shown.splitlines()[-1] == '[]'
  assert 'no run: No new data' in shown


def test_each_span_of_a_back_fill_has_its_own_time(days, output, monkeypatch):
  """Oracle: the clock of the test, by which the command begins at 100 s and each span takes 40 s."""
  clock, began = itertools.count(100, 20), []

  def perform(session, plan, ledger, now, verdicts=()):
    began.append((plan.window.newest.label, session.start))
    next(clock)
    session.summaries.append(Summary(status=Status.PUSHED))
    return 0

  monkeypatch.setattr(commands_run, 'perform_window', perform)
  monkeypatch.setattr(time, 'monotonic', lambda: next(clock))
  config = loading.load('nyc', [f'dataset.path={days.config.dataset.path}', 'retraining.window=2'])
  first, last = (days.plan().window.spans[place].label for place in (0, -1))
  assert retrain.back_fill(config, data_source(config.dataset.path), output, first, last, NOW) == 0
  starts = [start for _, start in began]
  assert len(starts) == 3
  assert [later - earlier for earlier, later in itertools.pairwise(starts)] == [40, 40]


@pytest.mark.parametrize('asked', [[], ['--quiet'], ['--json']], ids=['plain', 'quiet', 'json'])
def test_a_back_fill_names_the_spans_that_failed_and_why(days, output, asked, capfd):
  """Oracle: the call's standard output; the first day has no valid ride, the second is left out, none is run."""
  first, second, _ = (span.label for span in days.plan().window.spans)
  file = days.folder / f'{first}.csv'
  header, *rides = file.read_text().splitlines()
  file.write_text('\n'.join([header, *(','.join('x' for _ in ride.split(',')) for ride in rides)]))
  call = ['retrain', '--config', 'nyc', '--data', days.config.dataset.path, '--output', str(output.path)]
  call += ['--window', '2', '--set', f'retraining.exclude=[{second}]', '--from', first, '--to', second, *asked]
  done = CliRunner().invoke(main, call)
  assert done.exit_code == 1, done.output
  if asked == ['--json']:
    broken, left_out = json.loads(done.stdout)
    assert (broken['span'], broken['status']) == (first, 'anomalies')
    assert (left_out['span'], left_out['status']) == (second, 'passed_over')
    assert broken['reason'] and left_out['reason'] == 'Left out by name (retraining.exclude).'
  else:
    shown = capfd.readouterr().out
    assert f'{first} is broken: It has no valid ride.' in shown and shown.rstrip().endswith(f', failed: {first}')


def test_a_run_that_a_signal_ended_is_noted_as_such(days, output, monkeypatch):
  def ended(config, plan, ledger, *_):
    ledger.begin(plan.entry(NOW))
    raise KeyboardInterrupt(signal.SIGTERM)

  monkeypatch.setattr(commands_run, 'recorded_run', ended)
  monkeypatch.setattr(commands_run, 'perform', lambda session, job: job(None))
  source = data_source(days.config.dataset.path)
  with pytest.raises(KeyboardInterrupt), opened(days.config, source, output, manner=Manner(quiet=True)) as session:
    commands_run.perform_window(session, days.plan(), days.ledger, NOW)
  assert _situation(days, output).unfinished == 'it was interrupted by SIGTERM (started 2026-03-08 03:00).'


def test_it_runs_by_force(days, output, monkeypatch):
  _serve(output, '10')
  days.run()
  assert _retrain(days, output, monkeypatch, force=True) == (7, [['force']])


def test_too_few_rows_are_reported_and_not_run(days, output, monkeypatch):
  _serve(output, '10')
  days.run()
  days.write(4)
  off = ['retraining.triggers.new_rows=500', 'retraining.triggers.drift=false']
  days.ledger.runs[-1] = dataclasses.replace(days.ledger.runs[-1], setting=plans._setting(_config(days, *off)))
  assert _retrain(days, output, monkeypatch, *off) == (0, [])
  reason = json.loads(output.summary.read_text())['reason']
  assert reason.startswith('No trigger fires. 20 new valid rides in 2026-03-04, fewer than 500 (new_rows).')


def _config(days: Days, *overrides: str):
  return loading.load('nyc', [f'dataset.path={days.config.dataset.path}', 'retraining.window=3', *overrides])


@pytest.mark.parametrize(
  ('status', 'pushed', 'serves', 'changed', 'nothing'),
  [
    pytest.param('pushed', True, True, False, True, id='read_and_serving'),
    pytest.param('not_blessed', False, False, False, True, id='read_and_not_blessed'),
    pytest.param('not_blessed', False, True, False, True, id='not_blessed_beside_an_older_one'),
    pytest.param('pushed', True, False, False, False, id='what_it_pushed_is_gone'),
    pytest.param('failed', False, True, False, False, id='failed'),
    pytest.param(RUNNING, False, True, False, False, id='killed'),
    pytest.param('pushed', True, True, True, False, id='other_rides'),
  ],
)
def test_when_there_is_nothing_to_do(days, output, status, pushed, serves, changed, nothing):
  days.run(status)
  days.ledger.runs[-1] = dataclasses.replace(days.ledger.runs[-1], pushed_path='/serving/10' if pushed else None)
  if serves:
    _serve(output, '10')
  if changed:
    days.write(3, rows=21)
  found = commands_run.no_new_data(days.plan(), days.ledger, output)
  assert (found is not None) == nothing
  if nothing:
    assert found.endswith('Version 10 goes on serving.' if serves else 'No model serves.')


def test_what_serves_is_altered_so_there_is_something_to_do(days, output):
  days.run()
  days.ledger.runs[-1] = dataclasses.replace(days.ledger.runs[-1], pushed_path='/serving/10')
  _serve(output, '10')
  (output.serving / '10' / SAVED_MODEL).write_bytes(b'grapj')
  assert commands_run.no_new_data(days.plan(), days.ledger, output) is None
  [altered] = [verdict for verdict in decide(Triggers(), _situation(days, output)) if verdict.fires]
  assert altered.trigger == 'altered'
  assert altered.sentence.startswith('Version 10, which serves, is not what was pushed: ')


def test_what_a_registry_refused_is_tried_again(days, output, monkeypatch):
  days.run()
  _serve(output, '10')
  refused = {'pushed_path': '/serving/10', 'not_registered': 'It is not in the Model Registry.'}
  days.ledger.runs[-1] = dataclasses.replace(days.ledger.runs[-1], **refused)
  assert commands_run.no_new_data(days.plan(), days.ledger, output) is None
  assert _retrain(days, output, monkeypatch) == (7, [['unfinished']])


def test_nothing_was_run_yet(days, output):
  assert commands_run.no_new_data(days.plan(), days.ledger, output) is None


def test_a_run_on_a_window_ends_early_or_is_performed(days, output, monkeypatch):
  performed = []
  monkeypatch.setattr(commands_run, 'perform_window', lambda *given: performed.append(given[1]) or 3)
  source = data_source(days.config.dataset.path)
  with opened(days.config, source, output) as session:
    assert commands_run.run_window(session) == 3
    days.ledger = Ledger.load(output.ledger)
    days.run(status='not_blessed')
    assert commands_run.run_window(session) == 0
  [plan] = performed
  assert [span.label for span in plan.window.spans] == ['2026-03-01', '2026-03-02', '2026-03-03']
  assert json.loads(output.summary.read_text())['ended_early']


def test_an_early_end_keeps_the_figures_of_the_last_run(days, output):
  days.run()
  days.ledger.end(status='pushed', pushed_path='/serving/10')
  rmse = {'value': 4.4, 'low': 4.0, 'high': 4.8}
  last = {
    'status': 'failed',
    'metrics': {'rmse': rmse},
    'timings': {'Trainer': 3},
    'pushed_path': None,
    'notes': ['old'],
  }
  output.summary.write_text(json.dumps(last))
  verdicts = [Verdict('new_rows', False, 'Too few.')]
  found = end_early(days.config, days.plan(), days.ledger, output, 'why', NOW, verdicts)
  written = json.loads(output.summary.read_text())
  assert written == found.to_dict()
  assert written['metrics'] == {'rmse': rmse}
  assert (written['status'], written['pushed_path'], written['reason'], written['timings']) == (
    'pushed',
    '/serving/10',
    'why',
    {},
  )
  assert (written['notes'], written['ended_early'], written['started']) == ([], True, '2026-03-08T03:00:00-05:00')
  assert written['triggers'] == [{'trigger': 'new_rows', 'fires': False, 'sentence': 'Too few.'}]
  assert written['window'] == {
    'spans': ['2026-03-01', '2026-03-02', '2026-03-03'],
    'newest': '2026-03-03',
    'new': [],
    'new_rows': 0,
    'missing': [],
    'late': [],
    'left_out': [],
    'broken': {},
    'excluded': [],
  }


def test_a_run_is_noted_before_and_after(days, output, monkeypatch):
  """In between the file says that it runs, so that a killed one is known."""
  seen = []

  def run(config, source, out, observer, window, triggers, notes, start, rewriting):
    seen.append((Ledger.load(output.ledger).last.status, source.spans, window.new_rows, triggers, notes, start))
    artifacts = {'StatisticsGen': {'statistics': '/statistics/1'}}
    return Summary(
      status=Status.PUSHED, reason='good', pushed_path='/serving/10', not_registered='no', artifacts=artifacts
    )

  monkeypatch.setattr(local_run, 'run', run)
  plan = days.plan()
  recorded_run(days.config, plan, days.ledger, output, types.SimpleNamespace(), NOW, start=12.5)
  assert seen == [(RUNNING, plan.source.spans, 60, (), (), 12.5)]
  last = Ledger.load(output.ledger).last
  assert (last.status, last.reason, last.pushed_path, last.statistics) == (
    'pushed',
    'good',
    '/serving/10',
    '/statistics/1',
  )
  assert (last.started, last.spans, last.setting) == (NOW, plan.digests, plan.setting)
  assert last.not_registered == 'no'
  assert last.kept == {number: 20 for number in plan.digests}
  assert all(entry.was_read for entry in Ledger.load(output.ledger).spans.values())


def test_a_failed_run_has_no_statistics_and_read_nothing(days, output, monkeypatch):
  result = Summary(status=Status.FAILED, reason='bad', pushed_path=None, artifacts={})
  monkeypatch.setattr(local_run, 'run', lambda *_: result)
  assert recorded_run(days.config, days.plan(), days.ledger, output, types.SimpleNamespace(), NOW) == result
  ledger = Ledger.load(output.ledger)
  assert (ledger.last.status, ledger.last.statistics, ledger.last_finished) == ('failed', None, None)
  assert not any(entry.was_read for entry in ledger.spans.values())


def _run(number: int, status: str = 'pushed') -> LedgerRun:
  return LedgerRun(NOW + datetime.timedelta(number), {number: 'a'}, 's', status, pushed_path=f'/serving/{number}')


def test_the_ledger_forgets_the_oldest_runs(tmp_path, monkeypatch):
  monkeypatch.setattr(ledgers, '_MOST_RUNS', 3)
  ledger = Ledger(tmp_path / 'retraining.json', runs=[_run(number) for number in range(5)])
  ledger.save()
  assert [run.newest for run in Ledger.load(ledger.path).runs] == [2, 3, 4]


def test_the_last_run_and_the_last_that_came_to_its_end(tmp_path):
  ledger = Ledger(tmp_path / 'x', runs=[_run(1), _run(2, 'not_blessed'), _run(3, 'failed'), _run(4, RUNNING)])
  assert (ledger.last.newest, ledger.last_finished.newest) == (4, 2)
  assert [run.finished for run in ledger.runs] == [True, True, False, False]
  assert LedgerRun(NOW, {9: 'a', 10: 'b', 2: 'c'}, 's').newest == 10


def test_late_spans_are_seen_once_a_run_has_read_them(tmp_path):
  entry = SpanEntry('a', 1, 1)
  late, read = dataclasses.replace(entry, late=True), dataclasses.replace(entry, late=True, was_read=True)
  ledger = Ledger(tmp_path / 'x', spans={1: entry, 2: late, 3: read})
  assert ledger.seen() == {1, 3}


def test_the_end_of_a_run_marks_its_own_spans_alone(tmp_path):
  entry = SpanEntry('a', 1, 1)
  ledger = Ledger(tmp_path / 'x', spans={1: entry, 2: entry, 3: entry})
  ledger.begin(LedgerRun(NOW, {2: 'a', 3: 'a', 9: 'gone'}, 's'))
  ledger.end(status='not_blessed')
  assert {number: span.was_read for number, span in ledger.spans.items()} == {1: False, 2: True, 3: True}


@pytest.mark.parametrize(
  ('override', 'same'),
  [
    pytest.param('retraining.triggers.new_rows=7', True, id='triggers'),
    pytest.param('retention.runs=3', True, id='retention'),
    pytest.param('metadata.kind=sqlite', True, id='metadata'),
    pytest.param('beam.components.StatisticsGen.direct.direct_running_mode=multi_threading', True, id='engines'),
    pytest.param('platform.image=other', True, id='platform'),
    pytest.param('retraining.window=4', False, id='window'),
    pytest.param('training.epochs=7', False, id='training'),
    pytest.param('dataset.rules.fare.max=120', False, id='rules'),
    pytest.param('compression.schemes=[int8]', False, id='schemes'),
    pytest.param('validation.drift_threshold=0.3', False, id='validation'),
  ],
)
def test_what_another_run_is(days, override, same):
  assert (plans._setting(_config(days, override)) == plans._setting(_config(days))) is same


def test_other_code_is_another_run(days, monkeypatch):
  before = plans._setting(_config(days))
  monkeypatch.setattr(plans, 'run_version', lambda: 'other')
  assert plans._setting(_config(days)) != before


def test_the_code_is_read_again_only_where_a_source_file_was_touched(days, monkeypatch):
  days.run()
  last = days.ledger.last
  assert last is not None
  monkeypatch.setattr(plans, 'run_version', lambda: 'read')
  assert plans._setting(_config(days), last) == last.setting
  assert plans._setting(_config(days, 'training.epochs=7'), last) != last.setting
  touched = dataclasses.replace(last, sources='others')
  assert plans._setting(_config(days), touched).endswith('-read')


def test_the_same_run_needs_the_same_bytes_config_and_code(days):
  plan = days.run()
  entry = plan.entry(NOW)
  assert plan.same_as(entry)
  assert not plan.same_as(None)
  assert not plan.same_as(dataclasses.replace(entry, setting='other'))
  assert not plan.same_as(dataclasses.replace(entry, spans={**entry.spans, max(entry.spans): 'other'}))
  assert not plan.same_as(dataclasses.replace(entry, spans=dict(list(entry.spans.items())[1:])))


def test_of_a_span_that_changed_and_did_not_grow_all_rides_are_new(days):
  """A mended day has as many rides as before, or fewer, and nobody knows which of them are others."""
  days.run()
  days.write(3, rows=5)
  plan = days.plan()
  assert [span.label for span in plan.fresh] == ['2026-03-03']
  assert plan.new_rows == 5


def test_a_day_that_an_earlier_run_read_is_not_new_where_the_window_reaches_back_to_it(days):
  days.run()
  days.write(4)
  days.run()
  config = loading.load('nyc', [f'dataset.path={days.config.dataset.path}', 'retraining.window=3',
                                'retraining.exclude=[2026-03-03]'])  # fmt: skip
  plan = plans.make_plan(config, data_source(str(days.config.dataset.path)), days.ledger)
  assert [span.label for span in plan.window.spans] == ['2026-03-01', '2026-03-02', '2026-03-04']
  assert (plan.fresh, plan.new_rows) == ((), 0)


def test_a_span_that_is_as_it_was_is_not_surveyed_again(days, monkeypatch):
  days.run()
  inspected = []
  inspection = ingestion.inspect_span
  monkeypatch.setattr(
    ingestion, 'inspect_span', lambda files, dataset: inspected.append(files) or inspection(files, dataset)
  )
  days.write(3, rows=21)
  days.plan()
  assert [pathlib.Path(files[0]).stem for files in inspected] == ['2026-03-03']


def test_a_broken_span_has_no_new_rows(days):
  days.run()
  path = days.folder / '2026-03-03.csv'
  header, *rows = path.read_text().splitlines()
  cheap = [','.join([row.split(',')[0], '-1', *row.split(',')[2:]]) for row in rows[:15]]
  path.write_text('\n'.join([header, *cheap, *rows * 3]))
  plan = days.plan()
  assert plan.broken() and plan.entries[plan.window.newest.number].kept > 20
  assert plan.new_rows == 0


def test_what_a_look_found_is_kept_for_the_next_process(days):
  """Reading and counting a span takes time; the ledger's file has it at once."""
  days.plan()
  kept = Ledger.load(days.ledger.path)
  assert kept.spans == days.ledger.spans
  assert [entry.kept for entry in kept.spans.values()] == [20, 20, 20]


def test_a_day_that_only_changed_is_not_late_and_stays_read(days):
  """Late is what came after a newer one; a day that was there, and was read, merely grew."""
  days.run()
  days.write(2, rows=25)
  plan = days.plan()
  changed = plan.entries[min(plan.digests) + 1]
  assert (changed.kept, changed.late, changed.was_read) == (25, False, True)
  assert plan.window.late == ()


def test_a_run_is_noted_with_the_spans_that_it_reads_alone(days):
  """Newer ones than the last run's count as new rows, though the window has moved past them."""
  days.run()
  days.write(4, 5, 6, 7)
  plan = days.plan()
  assert len(plan.entries) == 4
  assert set(plan.entry(NOW).kept) == set(plan.entry(NOW).spans) == {span.number for span in plan.window.spans}
