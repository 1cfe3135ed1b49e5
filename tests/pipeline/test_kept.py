"""What is kept of each run, for how long, and a run against another one by its version or its id.

Oracle: the files in `runs`, and the summaries that they were made of.
"""

from __future__ import annotations

import io
import pathlib
import re
import shutil
import time

import pytest
from click.testing import CliRunner
from rich.console import Console

from configs import loading
from pipeline import cli
from pipeline.commands import operations
from pipeline.commands.run import Session, perform
from pipeline.local import output as local_output
from pipeline.local.output import KeptRun, kept_runs
from pipeline.operations import retention
from pipeline.report import kept as kept_module
from pipeline.report.comparison import compare
from pipeline.report.kept import keep, keep_refused
from pipeline.report.record import read_record
from pipeline.sources import rides_of
from pipeline.summary_record import Status, Summary
from tests.pipeline import page_reader
from tests.pipeline.made_history import MadeHistory, kept_reports
from tests.pipeline.made_run import made_run


@pytest.fixture
def reports(tmp_path: pathlib.Path) -> list[KeptRun]:
  """Runs that pushed versions 11 and 12, and one that failed."""
  return kept_reports(tmp_path / 'out')


def _report(*arguments: str):
  return CliRunner().invoke(cli.main, ['report', *arguments])


def test_a_run_is_kept_whole_and_once(tmp_path: pathlib.Path):
  made = MadeHistory(tmp_path / 'out')
  run = made.night(version=1, rmse=4.2)
  [kept] = kept_runs(made.output)
  assert sorted(path.name for path in kept.path.iterdir()) == ['config.yaml', 'report.html', 'summary.json']
  assert (kept.path.name, Summary.read(kept.summary).run) == (run, run)
  assert loading.load(str(kept.config), kept=True) == made.config
  before = kept.summary.stat()
  assert keep(made.config, made.output, Summary(status=Status.FAILED, run=run)) is None
  assert kept.summary.stat() == before


def test_the_command_keeps_what_it_ran(tmp_path: pathlib.Path):
  """With the page that it wrote, and once, also where a run gives the same summary again."""
  config, output = loading.load('chicago'), local_output.prepare(str(made_run(tmp_path / 'out')))
  summary = Summary.read(output.summary).model_copy(update={'variants': (), 'run': '20260101-120000-aaaaaa'})
  console = Console(file=io.StringIO(), width=200)
  session = Session(config, rides_of(config.dataset), output, console, output.logs / 'a.log', time.monotonic())
  for _ in range(2):
    assert perform(session, lambda _: summary) == 0
  [kept] = kept_runs(output)
  assert kept.page.read_bytes() == output.page.read_bytes()
  assert Summary.read(kept.summary).to_dict() == summary.to_dict()


def test_a_page_that_can_not_be_made_does_not_cost_the_summary(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch):
  made = MadeHistory(tmp_path / 'out')
  monkeypatch.setattr(kept_module, 'write', lambda directory: 1 / 0)
  kept = keep(made.config, made.output, Summary(status=Status.FAILED, reason='It broke.', run='20260101-120000-aaaaaa'))
  assert kept is not None and Summary.read(kept.summary).reason == 'It broke.'
  assert not kept.page.exists()


def test_killed_half_way_it_is_not_seen_and_the_next_call_makes_it(
  tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
):
  made = MadeHistory(tmp_path / 'out')
  summary = Summary(status=Status.FAILED, reason='It broke.', run='20260101-120000-aaaaaa')

  def killed(*_):
    raise SystemExit

  monkeypatch.setattr(kept_module, 'move_whole', killed)
  monkeypatch.setattr(kept_module, 'delete', lambda path: None)
  with pytest.raises(SystemExit):
    keep(made.config, made.output, summary)
  monkeypatch.undo()
  assert kept_runs(made.output) == []
  assert keep(made.config, made.output, summary) is not None
  assert [path.name for path in made.output.runs.iterdir()] == [summary.run]


def test_a_run_that_did_not_begin_is_kept_with_a_page_of_its_own(tmp_path: pathlib.Path):
  """The page of the output directory stays that of the run before it."""
  made = MadeHistory(tmp_path / 'out')
  made.output.page.write_text('the run before')
  kept = keep_refused(made.config, made.output, "No file matches '/rides/*.csv'.")
  assert kept is not None
  assert "No file matches '/rides/*.csv'." in page_reader.text(kept.page.read_text(encoding='utf-8'))
  assert made.output.page.read_text() == 'the run before'


def test_a_refused_call_of_the_command_is_kept(tmp_path: pathlib.Path):
  """The command itself, whose rides are not there."""
  arguments = ['run', '--config', 'nyc', '--data', str(tmp_path / '*.csv'), '--output', str(tmp_path / 'out')]
  result = CliRunner().invoke(cli.main, arguments)
  assert result.exit_code == 2, result.output
  [kept] = kept_runs(local_output.at(str(tmp_path / 'out')))
  summary = Summary.read(kept.summary)
  assert summary.status is Status.FAILED
  assert summary.reason and summary.reason in result.output.replace('\n', ' ')


def test_the_page_of_a_kept_run_is_made_again_of_its_own_summary(reports: list[KeptRun]):
  """Its artifacts lie where those of all runs do."""
  first, *_ = reports
  made = first.page.read_text(encoding='utf-8')
  first.page.unlink()
  assert _report(str(first.path)).exit_code == 0
  again = first.page.read_text(encoding='utf-8')
  assert page_reader.tables(again).keys() == page_reader.tables(made).keys() != set()


@pytest.mark.parametrize(
  'against',
  [
    pytest.param('11', id='version'),
    pytest.param('20260101-120000-aaaaaa', id='run'),
    pytest.param('20260101', id='beginning_of_a_run'),
    pytest.param('{out}/runs/20260101-120000-aaaaaa', id='its_folder'),
  ],
)
def test_against_a_version_or_a_run(reports: list[KeptRun], against: str):
  out = reports[0].path.parent.parent
  result = _report(str(out), '--against', against.format(out=out))
  assert result.exit_code == 0, result.output
  page = (out / 'report-against-20260101-120000-aaaaaa.html').read_text(encoding='utf-8')
  assert 'out against version 11' in page_reader.text(page)
  # The output directory's own config has chicago's seed, the kept one has 0.
  assert 'training.seed' in page


def test_a_kept_run_against_another_one(reports: list[KeptRun]):
  result = _report(str(reports[1].path), '--against', '11')
  assert result.exit_code == 0, result.output
  page = reports[1].path / 'report-against-20260101-120000-aaaaaa.html'
  assert 'version 12 against version 11' in page_reader.text(page.read_text(encoding='utf-8'))


@pytest.mark.parametrize(
  ('against', 'message'),
  [
    pytest.param('77', "keeps no run and no version '77'; kept are 20260103-120000-cccccc, ", id='no_version'),
    pytest.param('202601', "'202601' begins 3 runs: 20260101-120000-aaaaaa, ", id='several'),
    pytest.param('/no/such/place', "There is no '/no/such/place'; name an output directory, or a version", id='path'),
  ],
)
def test_nothing_to_compare_with(reports: list[KeptRun], against: str, message: str):
  result = _report(str(reports[0].path.parent.parent), '--against', against)
  assert result.exit_code == 2
  assert message in result.output


def test_the_version_that_a_rollback_made_stands_for_the_run_that_pushed_its_bytes(tmp_path: pathlib.Path):
  made = MadeHistory(tmp_path / 'out')
  first, _ = made.night(version=1, rmse=4.2), made.night(version=2, rmse=4.1)
  operations.roll_back(str(made.output.path), to=None, reason='worse')
  newest = max(int(path.name) for path in made.output.serving.iterdir() if path.name.isdecimal())
  for version in ('1', str(newest)):
    assert kept_module.find_kept(made.output, version).path.name == first
  by_path = kept_module.other_run(str(made.output.path), str(made.output.serving / str(newest)))
  assert pathlib.Path(by_path).name == first


def test_the_picture_has_both_runs_on_all_rides_and_by_slice(reports: list[KeptRun]):
  """Both chose the same file on the same rides; the dots of a pair lie one above the other, at equal figures."""
  found = compare(read_record(reports[0].path), read_record(reports[1].path))
  assert found.picture is not None
  assert found.picture.legend == (('A: version 11', 's0'), ('B: version 12', 's1'))
  assert found.picture.caption.startswith('Of the chosen file.')
  circle = r'<circle cx="([\d.]+)" cy="[\d.]+" r="4" class="fill (s\d)"><title>([^<:]+): '
  dots = re.findall(circle, found.picture.drawn)
  names = [name for _, _, name in dots]
  assert names[:2] == ['all rides', 'all rides'] and len(names) >= 4
  assert {color for _, color, _ in dots} == {'s0', 's1'}
  assert all(first[0] == second[0] for first, second in zip(dots[::2], dots[1::2], strict=True))
  assert page_reader.Axes(found.picture.drawn).x(float(dots[0][0])) == pytest.approx(4.43 * 1.0042, abs=0.1)


def test_the_picture_beside_a_run_without_an_error(reports: list[KeptRun]):
  """What there is of one side is drawn; without any, nothing is."""
  half = compare(read_record(reports[2].path), read_record(reports[0].path)).picture
  assert half is not None and 'fill s0' not in half.drawn and 'fill s1' in half.drawn
  assert compare(read_record(reports[2].path), read_record(reports[2].path)).picture is None


def test_where_the_predictions_are_gone_the_trained_models_are_compared(reports: list[KeptRun]):
  shutil.rmtree(reports[0].path.parent.parent / 'artifacts')
  (reports[0].path.parent.parent / 'artifacts').mkdir()
  picture = compare(read_record(reports[0].path), read_record(reports[1].path)).picture
  assert picture is not None and picture.caption.startswith('Of the trained model.')


def test_reports_go_by_number_and_that_of_what_serves_stays(tmp_path: pathlib.Path):
  """Run 1 pushed what serves; of the four others the newest two stay, though the artifacts of one go."""
  made = MadeHistory(tmp_path / 'out')
  first = made.night(version=1, rmse=4.2)
  others = [made.night(rmse=4.5) for _ in range(4)]
  config = loading.load(str(made.output.config), ['retention.reports=2', 'retention.runs=1'])
  planned = retention.plan(made.store, config, made.output)
  assert [path.name for path in planned.reports] == others[:2]
  retention.prune(made.store, made.output, planned)
  assert [run.path.name for run in kept_runs(made.output)] == [first, *others[2:]]
  assert [path.name for path in made.output.runs.iterdir() if path.name.startswith('.')] == []


def test_all_reports_stay_where_nothing_limits_them(tmp_path: pathlib.Path):
  made = MadeHistory(tmp_path / 'out')
  for _ in range(3):
    made.night(rmse=4.5)
  planned = retention.plan(made.store, loading.load(str(made.output.config), ['retention.runs=1']), made.output)
  assert planned.reports == [] and len(planned.runs) == 2


def test_prune_says_what_it_removes(tmp_path: pathlib.Path):
  made = MadeHistory(tmp_path / 'out')
  old, _ = made.night(rmse=4.5), made.night(rmse=4.5)
  said = CliRunner().invoke(cli.main, ['prune', str(made.output.path), '--set', 'retention.reports=1', '--dry-run'])
  assert 'would remove 0 artifacts of 0 runs, 0 versions, 1 kept reports and 0 logs and caches' in said.output
  assert str(made.output.runs / old) in said.output
