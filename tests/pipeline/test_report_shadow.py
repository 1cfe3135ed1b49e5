"""The part of the page on the fares beside those of the version that serves. Oracle: the figures of the made record."""

from __future__ import annotations

import pytest

from components.compression_gate.records import FareDifferences, ShadowRecord, SliceDifferences
from configs.serving import Shadow
from pipeline.report.page import run_page
from pipeline.report.record import read_record
from pipeline.report.sections.shadow import shadow_section
from tests.pipeline.made_run import made_run

FOUND = {'served_mean': 12.5, 'mean_absolute': 0.8, 'p50': 0.6, 'p95': 2.1, 'p99': 4.2, 'share_apart': 0.031}


def _record(tmp_path, *held, mean=-0.25):
  shadow = ShadowRecord(
    variant='pqat_80.int8',
    version='1795458700',
    apart=2.0,
    overall=FareDifferences(rides=2000, mean=mean, **FOUND),
    slices=(SliceDifferences(name='airport ride', rides=60, mean=1.25, **FOUND),),
    limits=Shadow(enabled=True, apart=0.2),
    held=held,
  )
  return read_record(made_run(tmp_path, shadow=shadow.to_dict()))


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


def test_a_run_that_compared_nothing_has_no_such_part(tmp_path):
  record = read_record(made_run(tmp_path))
  assert shadow_section(record) is None
  assert 'Beside what serves' not in run_page(record)
