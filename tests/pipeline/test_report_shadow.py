"""The part of the page on the fares beside those of the version that serves. Oracle: the figures of the made record."""

from __future__ import annotations

import pytest

from components.compression_gate.records import FareDifferences, ShadowRecord, SliceDifferences
from configs.serving import Shadow
from pipeline.report.page import run_page
from pipeline.report.record import read_record
from pipeline.report.sections.shadow import shadow_section
from tests.pipeline.made_page import VARIANTS_TABLE, judged, page_of
from tests.pipeline.made_run import made_run
from tests.pipeline.page_reader import pictures, tables, text

FOUND = {'served_mean': 12.5, 'mean_absolute': 0.8, 'p50': 0.6, 'p95': 2.1, 'p99': 4.2, 'share_apart': 0.031}


def _shadow(*held, mean=-0.25):
  return ShadowRecord(
    variant='pqat_80.int8',
    version='1795458700',
    apart=2.0,
    overall=FareDifferences(rides=2000, mean=mean, **FOUND),
    slices=(SliceDifferences(name='airport ride', rides=60, mean=1.25, **FOUND),),
    limits=Shadow(enabled=True, apart=0.2),
    held=held,
  )


def _record(tmp_path, *held, mean=-0.25):
  return read_record(made_run(tmp_path, shadow=_shadow(*held, mean=mean).to_dict()))


def test_what_the_section_says(tmp_path):
  section = shadow_section(_record(tmp_path))
  assert section.held == ()
  text = ' '.join(section.sentences).replace('\u202f', ' ').replace('\xa0', ' ')
  assert 'on the same 2,000 rides, all of the newest span: pqat_80.int8, which was to be pushed' in text
  assert (
    'On average a ride costs 0.25 USD (2.0 %) less by the new file, and 95 % of the fares are within 2.10 USD' in text
  )
  assert '3.1 % are more than 2.00 USD apart, which is 20 % of the served median fare.' in text
  rows = [[cell.text for cell in row.cells] for row in section.table.rows]
  assert rows == [
    ['all', '2,000', '−0.25', '−2.0', '0.80', '0.60', '2.10', '4.20', '3.1'],
    ['airport ride', '60', '+1.25', '+10.0', '0.80', '0.60', '2.10', '4.20', '3.1'],
  ]


@pytest.mark.parametrize('held', [(), ('fares are too far apart',)])
def test_the_page_has_it_and_says_what_holds_the_push(tmp_path, held):
  page = run_page(_record(tmp_path, *held))
  assert '<section id="shadow" aria-labelledby="shadow-title">' in page
  assert ('<p class="bad">Held: Fares are too far apart.</p>' in page) == bool(held)


def test_a_file_that_is_held_keeps_the_budget(tmp_path):
  """Its row says what holds it; it counts, and is drawn, as one within the budget."""
  held = judged() | {'chosen': None, 'shadow': _shadow('fares are too far apart').to_dict() | {'variant': 'dense.int8'}}
  for variant in held['variants']:
    variant['within_budget'] = variant['name'] in ('dense.float32', 'dense.float16')
  page = page_of(tmp_path, held)
  assert '4 variants; 3 keep the budget, of which the one to push is held by the limits of serving.shadow.' in text(
    page
  )
  rows = {row[0].text: row for row in tables(page)[VARIANTS_TABLE].rows}
  [place] = [place for place, name in enumerate(tables(page)[VARIANTS_TABLE].names) if name == 'budget']
  assert {name: row[place].text for name, row in rows.items()} == {
    'dense.float32': '✓ kept',
    'dense.float16': '✓ kept',
    'dense.dynamic_range': '✗ missed',
    'dense.int8': 'held',
  }
  assert rows['dense.int8'][place].note == 'by serving.shadow'
  drawn = next(drawn for label, drawn in pictures(page).items() if label.startswith('Accuracy and size'))
  assert 'class="hollow' in drawn.split('dense.dynamic_range:')[0].rsplit('<circle', 1)[1]
  assert 'class="fill' in drawn.split('dense.int8:')[0].rsplit('<circle', 1)[1]


def test_a_run_that_compared_nothing_has_no_such_part(tmp_path):
  record = read_record(made_run(tmp_path))
  assert shadow_section(record) is None
  assert 'Beside what serves' not in run_page(record)
