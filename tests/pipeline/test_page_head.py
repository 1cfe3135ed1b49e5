"""Head, version before, what holds for all tables, as they are read. Oracle: the made run's numbers, by hand."""

from __future__ import annotations

import re

import pytest

from models.served_versions import SAVED_MODEL
from pipeline.report.page import run_page
from pipeline.report.record import read_record
from tests.pipeline.made_page import GATE, VARIANTS_TABLE, page, page_of
from tests.pipeline.made_run import VARIANTS, compression, interval, made_run, manifest, write_json
from tests.pipeline.page_reader import PageTable, section, tables, text

__all__ = ['page']


@pytest.mark.parametrize(
  ('status', 'badge', 'title'),
  [
    pytest.param('pushed', 'Pushed', 'pqat_80.int8 was pushed', id='pushed'),
    pytest.param('not_blessed', 'Not pushed', 'Nothing was pushed; the served model stays', id='not_blessed'),
    pytest.param(
      'anomalies', 'Stopped', 'Stopped before training: the rides are not what was expected', id='anomalies'
    ),
    pytest.param('failed', 'Failed', 'The run failed before its first step', id='failed'),
  ],
)
def test_the_head_of_each_ending(tmp_path, status, badge, title):
  page = page_of(tmp_path / 'out', status=status, reason=' One.\n\nTwo.\nOne. ')
  assert f'<header class="{status}">' in page
  assert f'<span class="badge">{badge}</span>' in page
  assert f'<h1>{title}</h1>' in page
  # Each line once; then what the gate says, if the reason does not say it already.
  lines = re.findall(r'<p class="reason">([^<]*)</p>', page)
  assert lines == ['One.', 'Two.', 'pqat_80.int8 is the smallest of 8 variants that keep the budget.']


def test_a_version_that_served_beside_this_run(tmp_path):
  """All that is told of both; nothing of this run was chosen in the second case."""
  directory = made_run(tmp_path / 'out')
  version = directory / 'serving' / '1700000000'
  write_json(version / 'assets.extra' / 'manifest.json', manifest(4.0, 0.5))
  (version / SAVED_MODEL).touch()
  ratio, size = VARIANTS['pqat_80.int8'][:2]
  table = tables(run_page(read_record(directory)))['This run and the version that served before']
  assert table.names == ['', 'this run', 'version 1700000000'] or table.names[1:] == ['this run', 'version 1700000000']
  found = {row[0].text: ((row[0].note, row[1].text, row[1].note), (row[2].text, row[2].note)) for row in table.rows}
  written = found.pop('made')
  assert found == {
    'RMSE': (('USD', f'{4.43 * ratio:.2f}', '[3.55, 5.35]'), ('4.00', '[3.50, 4.50]')),
    'MAE': (('USD', f'{1.82 * ratio:.2f}', '[1.68, 1.98]'), ('2.00', '[1.50, 2.50]')),
    'size of the file': (('', f'{size / 1000:.1f} KB', ''), ('16.2 KB', '')),
    'variant': (('', 'pqat_80.int8', ''), ('qat.int8', '')),
    'dataset': (('', 'chicago', ''), ('chicago', '')),
  }
  assert written[1] == ('2026-11-20 06:00 UTC', '')
  assert re.fullmatch(r'\d{4}-\d\d-\d\d \d\d:\d\d', written[0][1])
  write_json(directory / GATE / 'compression.json', compression() | {'chosen': None})
  table = tables(run_page(read_record(directory)))['This run and the version that served before']
  found = {row[0].text: row[1].text for row in table.rows}
  assert (found['RMSE'], found['MAE'], found['size of the file'], found['variant']) == ('4.43', '1.82', '–', '–')


@pytest.mark.parametrize('lost', ['now', 'then'])
def test_without_an_rmse_only_sizes_and_settings_compare(tmp_path, lost):
  gate = compression() | {'chosen': None}
  directory = made_run(
    tmp_path / 'out', metrics=None if lost == 'now' else {'rmse': interval(4.43, 0.9), 'mae': interval(1, 0.1)}
  )
  write_json(directory / GATE / 'compression.json', gate)
  told = manifest(4.0, 0.5)
  if lost == 'then':
    told['metrics']['rmse'] = None
  write_json(directory / 'serving' / '1700000000' / 'assets.extra' / 'manifest.json', told)
  (directory / 'serving' / '1700000000' / SAVED_MODEL).touch()
  found = text(run_page(read_record(directory)))
  assert 'One of the two has no RMSE, so they can only be compared by their sizes and settings.' in found


def test_tables_of_the_page_have_as_many_cells_as_headings(page):
  found: dict[str, PageTable] = tables(page)
  assert len(found) >= 10
  for caption, table in found.items():
    assert {len(row) for row in table.rows} == {len(table.headings)}, caption


def test_a_pointer_over_a_heading_tells_what_it_means(page):
  found = tables(page)
  assert {heading.text: heading.meaning for heading in found[VARIANTS_TABLE].headings if heading.meaning} == {
    'RMSE': 'Root mean squared error: large misses weigh more.',
    'to float32': 'Ratio of the RMSE to that of the float32 file, ride by ride; 1 is no loss.',
    'worst slice': 'The slice whose RMSE grows most, against the float32 file.',
    'file': 'The file as it is, the features included.',
    'gzip': 'What users download.',
    'one ride, p50': 'Median time of a call for one ride: inputs set, invoked, fare taken.',
    'one ride, p99': '99 of 100 calls for one ride are faster.',
    '256 rides, p50': 'Median time for a larger batch, all of its rides together.',
    'memory': 'Peak memory of the process that runs it.',
    'zeros': 'Share of weights that are zero, counted in the file.',
    'budget': 'Whether it keeps every limit.',
  }
  told = {caption: [bool(heading.meaning) for heading in table.headings] for caption, table in found.items()}
  assert told['Errors by slice'] == [False, False, False, *[True] * 5]
  assert told['Training recipes'] == [False, *[True] * 6, False]
  [worst] = [caption for caption in told if 'missed most' in caption]
  assert told[worst] == [False, True, False, False, True]
  slices = found['Errors by slice'].headings
  assert 'Of pqat_80.int8.' in [heading.meaning for heading in slices]


def test_one_time_is_that_of_the_whole_run(tmp_path):
  """The summary's own, in the head and with the steps, which took less of it."""
  page = page_of(tmp_path / 'out', seconds=101.0)
  assert 'The run took 1 min 41 s 9 steps' in text(page)
  assert '9 steps in 1 min 26 s, of the 1 min 41 s that the run took with what is around them; 1 came' in text(page)
  assert 'of the' not in text(section(page_of(tmp_path / 'same', seconds=85.6), 'steps')).split('Without')[0]


def test_look_ups_are_no_steps(tmp_path):
  names = ('RideExampleGen', 'BaselineStatistics', 'ServedModel-2')
  steps = [{'name': name, 'state': 'complete', 'seconds': 1.0, 'after': []} for name in names]
  page = page_of(tmp_path / 'out', steps=steps)
  assert text(page).count('1 step and 2 look-ups') == 2
