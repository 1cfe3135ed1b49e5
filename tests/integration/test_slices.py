"""A whole run with windows of the day and slices by extra columns. Oracle: counts of the source's own rows."""

from __future__ import annotations

import json

import pyarrow.csv
import pytest

from components.compression_gate.records import REPORT_FILE
from pipeline.local import output as local_output
from pipeline.report import page as report
from tests.integration.conftest import Project, simulated

SETTINGS = (
  'dataset.city.windows={night: [22, 6]}',
  'dataset.extras=[{name: party, column: passenger_count, kind: categorical, vocabulary: [1, 2]}, '
  '{name: heads, column: passenger_count}]',
  'evaluation.slices.columns={party: [], heads: [2, 4]}',
)
EXPECTED = {
  'night, 22–6 h', 'not night', 'party = 1', 'party = 2', 'party of another value', 'heads under 2', 'heads 2–4',
  'heads over 4',
}  # fmt: skip


@pytest.fixture(scope='module')
def run(tmp_path_factory):
  folder = tmp_path_factory.mktemp('slices')
  project = Project(simulated(folder / 'rides', rows=2000), local_output.prepare(str(folder / 'out')))
  summary, _ = project.run(*SETTINGS)
  assert summary['status'] == 'pushed', summary['reason']
  return project, summary


def test_the_evaluator_cuts_all_rides(run):
  project, summary = run
  rows = {row['name']: row['example_count'] for row in summary['slices']}
  assert {*rows} >= EXPECTED
  assert rows['night, 22–6 h'] + rows['not night'] == rows['all']
  assert rows['party = 1'] == rows['heads under 2']
  assert rows['party = 2'] + rows['party of another value'] == rows['heads 2–4'] + rows['heads over 4']
  # One in five is evaluated: its parties are as those of the source.
  parties = pyarrow.csv.read_csv(project.data)['passenger_count'].to_pylist()
  assert rows['party = 1'] / rows['all'] == pytest.approx(parties.count(1) / len(parties), abs=0.06)


def test_the_gate_judges_and_the_page_shows_them(run):
  project, _ = run
  [path] = project.output.path.rglob(REPORT_FILE)
  judged = json.loads(path.read_text(encoding='utf-8'))['variants'][0]
  assert {one['name'] for one in judged['slices']} >= EXPECTED
  page = report.write(project.output.path).read_text(encoding='utf-8')
  assert all(name in page for name in EXPECTED)


def test_what_is_pushed_takes_the_columns_and_says_so(run):
  project, _ = run
  manifest = json.loads(
    (project.output.serving / project.versions()[-1] / 'assets.extra' / 'manifest.json').read_text(encoding='utf-8')
  )
  assert {'party', 'heads'} <= {one['name'] for one in manifest['inputs']}
