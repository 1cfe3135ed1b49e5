"""`farelite history`: every night there was, what it came to and what served after it.

Oracle: nights that were made, one of each kind, and the figures that they were made with.
"""

from __future__ import annotations

import json
import pathlib
import re

import pytest
from click.testing import CliRunner

from pipeline import cli
from pipeline.local import unchanged
from pipeline.report.history import History, read_history
from pipeline.report.history_page import history_page, write_history
from pipeline.summary_record import Status, Summary
from tests.pipeline import page_reader
from tests.pipeline.made_history import COMMIT, MadeHistory, made_history


@pytest.fixture(scope='module')
def made(tmp_path_factory: pytest.TempPathFactory) -> MadeHistory:
  """Not to be changed."""
  return made_history(tmp_path_factory.mktemp('history') / 'out')


@pytest.fixture(scope='module')
def found(made: MadeHistory) -> History:
  return read_history(made.store, made.config, made.output)


def _farelite(*arguments: str) -> str:
  result = CliRunner().invoke(cli.main, list(arguments))
  assert result.exit_code == 0, result.output
  return result.output


def _shown(capfd: pytest.CaptureFixture[str], directory: str) -> str:
  """What the command prints past the runner, on standard output itself."""
  _farelite('history', directory)
  return capfd.readouterr().out


def _axes(drawn: str) -> page_reader.Axes:
  """Those of a picture whose horizontal axis has days."""
  return page_reader.Axes(re.sub(r'class="tick">\d\d-\d\d<', '><', drawn))


def test_every_night_is_there_in_its_order(found: History):
  """A rollback has a number of its own; what was refused before the store knew of it is told by its folder alone."""
  statuses = [night.status for night in found.nights]
  nights = ['pushed', 'pushed', 'not_blessed', 'anomalies', 'failed', 'pushed', 'rolled_back', 'not_blessed']
  assert statuses == [*nights, 'not_blessed', 'killed', 'failed']
  assert found.nights[-1].reason == "No file matches '/rides/*.csv'."


def test_what_served_after_each_night(found: History):
  rolled_back = found.nights[6]
  assert (rolled_back.restored_version, rolled_back.replaced_version) == (3, 5)
  again = rolled_back.pushed_version
  assert [night.served for night in found.nights] == [1, 3, 3, 3, 3, 5, *[again] * 5]
  assert found.serves == again


def test_figures_of_a_night(found: History):
  """The chosen file's error, and the trained model's where the run is not kept: the store has no other."""
  first, second, third, fourth, *_ = found.nights
  assert first.rmse is not None and second.rmse is not None
  assert (first.rmse.value, first.of_file, first.bytes, first.page) == (5.4, False, None, None)
  assert (second.rmse.value, second.rmse.low, second.rmse.high, second.of_file) == (4.2, 3.95, 4.45, True)
  assert (second.bytes, second.gzip_bytes, second.drift, second.drift_limit) == (14_000, 7_000, 0.05, 0.2)
  assert third.quarantined_share == pytest.approx(0.08)
  assert (third.newest, third.git_commit) == ('2026-01-02', COMMIT)
  assert (fourth.rmse, fourth.drift, fourth.rows_read) == (None, None, 1000)


def test_the_page_has_a_row_for_each_night_the_newest_first(made: MadeHistory, found: History):
  page = write_history(made.output, found).read_text(encoding='utf-8')
  table = page_reader.tables(page)['Every run and rollback, the newest first']
  assert [cells[0].note for cells in table.rows] == [night.run for night in reversed(found.nights)]
  statuses = ['failed', 'killed', 'not pushed', 'not pushed', 'rolled back', 'pushed', 'failed', 'stopped']
  assert table.texts('status') == [*statuses, 'not pushed', 'pushed', 'pushed']
  assert table.values('RMSE')[2:6] == [4.3, 40.0, None, 4.1]
  assert table.row('2026-01-01 12:00')['RMSE'].note == '[4.40, 6.40]\ntrained model'
  assert table.row('2026-01-01 14:00')['set aside'].text == '8.0 %'
  assert 'The bytes of 3, in place of 5. airport fares are off' in page_reader.text(page)
  assert [place for place, style in enumerate(table.styles) if style == 'chosen'] == [4]


def test_a_name_opens_the_page_of_the_run_and_works_where_the_folder_is_copied_to(made: MadeHistory, found: History):
  page = write_history(made.output, found).read_text(encoding='utf-8')
  links = re.findall(r'<a href="(runs/[^"]+)">', page)
  assert len(links) == 8
  for link in links:
    kept = (made.output.path / link).read_text(encoding='utf-8')
    assert not re.search(r'(?:src|href)="(?!#)', kept), 'nothing that another file or the network has'


def test_pictures_say_what_is_in_the_table(made: MadeHistory, found: History):
  page = write_history(made.output, found).read_text(encoding='utf-8')
  pictures = page_reader.pictures(page)
  assert list(pictures) == [
    'RMSE of each run with its interval',
    'Size of the chosen file of each run',
    'Rows set aside of each run',
    'Drift of each run',
  ]
  errors = pictures['RMSE of each run with its interval']
  assert errors.count('class="failed"') == 4, 'anomalies, failed, killed and refused'
  dots = [float(y) for y in re.findall(r'<circle cx="[\d.]+" cy="([\d.]+)"', errors)]
  axes = _axes(errors)
  assert [axes.y(dot) for dot in dots] == pytest.approx([5.4, 4.2, 4.9, 4.1, 4.3], abs=0.05)
  # Forty dollars would flatten the others: an arrow at the edge, whose title says it.
  assert re.search(r'<path d="[^"]+Z" class="tip s1"><title>[^<]*: 40.00 \[', errors)
  assert 'class="budget"' in pictures['Drift of each run']
  assert 'class="budget"' not in errors


def test_the_line_of_what_served_is_at_the_error_that_it_was_pushed_with(made: MadeHistory, found: History):
  """Version 1 at 5.4, version 3 at 4.2, version 5 at 4.1, and version 3's bytes again at 4.2 from the rollback on."""
  page = write_history(made.output, found).read_text(encoding='utf-8')
  errors = page_reader.pictures(page)['RMSE of each run with its interval']
  [steps] = re.findall(r'<path d="M([^"]+)" class="curve s7"/>', errors)
  axes = _axes(errors)
  heights = [axes.y(float(point.split()[1])) for point in steps.split('L')][::2]
  assert heights == pytest.approx([5.4, 4.2, 4.2, 4.2, 4.2, 4.1, *[4.2] * 5], abs=0.05)


def test_the_first_sentences(found: History):
  page = history_page(found)
  assert page.title.replace('\N{NO-BREAK SPACE}', ' ') == '10 runs of nyc'
  counts, serving, last = page.sentences
  assert counts == '3 pushed, 3 not pushed, 1 stopped, 2 failed and 1 killed.'
  assert re.match(rf'Version {found.serves} serves since 20\d\d-.*; its file had an RMSE of 4\.20 \[3\.95,', serving)
  assert last == "The last run (failed): No file matches '/rides/*.csv'."


def test_no_run_yet(tmp_path: pathlib.Path, capfd: pytest.CaptureFixture[str]):
  made = MadeHistory(tmp_path)
  assert 'No run of nyc yet\nfarelite run makes the first one.' in _shown(capfd, str(tmp_path))
  page = made.output.history.read_text(encoding='utf-8')
  assert (page_reader.tables(page), page_reader.pictures(page)) == ({}, {})


def test_one_night(tmp_path: pathlib.Path):
  made = MadeHistory(tmp_path)
  made.night(version=1, rmse=4.2)
  found = read_history(made.store, made.config, made.output)
  page = write_history(made.output, found).read_text(encoding='utf-8')
  errors = page_reader.pictures(page)['RMSE of each run with its interval']
  assert errors.count('<circle') == 1 and '>01-01</text>' in errors
  assert 'Drift of each run' not in page_reader.pictures(page)
  # What was pushed needs no reason, so there is no column of it.
  assert 'reason' not in page_reader.tables(page)['Every run and rollback, the newest first'].names


def test_nights_that_all_failed(tmp_path: pathlib.Path):
  made = MadeHistory(tmp_path)
  for _ in range(2):
    made.night(status=Status.FAILED)
  found = read_history(made.store, made.config, made.output)
  page = history_page(found)
  assert page.sentences[:2] == ('2 failed.', 'No model serves.')
  assert [picture.title for picture in page.pictures] == ['Rows set aside']


def test_a_night_without_new_rides_is_said_and_is_no_run(tmp_path: pathlib.Path):
  made = MadeHistory(tmp_path)
  made.night(version=1, rmse=4.2)
  last = Summary(status=Status.PUSHED, run=made.runs[0])
  unchanged.end_early(last, made.output, 'No new data: the newest span has been read.')
  found = read_history(made.store, made.config, made.output)
  assert [night.run for night in found.nights] == made.runs
  assert 'The last call made no run: No new data: the newest span has been read.' in history_page(found).sentences


def test_a_summary_that_is_broken_costs_its_night_alone(tmp_path: pathlib.Path, capfd: pytest.CaptureFixture[str]):
  made = MadeHistory(tmp_path)
  for version in (1, 2):
    made.night(version=version, rmse=4.2)
  (made.output.runs / made.runs[0] / 'summary.json').write_text('{"status": "pus')
  found = read_history(made.store, made.config, made.output)
  assert [night.of_file for night in found.nights] == [False, True]
  assert found.unreadable[0].endswith(
    "summary.json' can't be read, so its run is shown as the metadata store knows it."
  )
  assert found.unreadable[0] in _shown(capfd, str(tmp_path))


def test_json_has_every_key_of_every_night(made: MadeHistory, found: History):
  shown = json.loads(_farelite('history', str(made.output.path), '--json'))
  assert History.model_validate(shown) == found
  assert len({tuple(night) for night in shown['nights']}) == 1


def test_no_output_directory(tmp_path: pathlib.Path):
  refused = CliRunner().invoke(cli.main, ['history', str(tmp_path)])
  assert refused.exit_code == 2
  assert 'holds no config.yaml; name the output directory of a run' in refused.output
