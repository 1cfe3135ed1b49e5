"""The page on paper, on a phone and to who can't tell colours: what Chromium makes of its styles.

Skips where there is no Chromium; `apt-get install chromium` brings it on Debian. Oracle: geometry by the browser.
"""

from __future__ import annotations

import base64
import pathlib
import re
from collections.abc import Iterator

import pytest

from benchmarks.browser import Chromium, chromium, find_browser
from configs.records import Estimate
from models.charts import STYLE, Series, draw_curves
from pipeline.report import page as report
from pipeline.report.charts import Hour, draw_hours, ruler
from pipeline.report.run_charts import Mark, Pair, draw_pairs, draw_runs
from tests.pipeline.made_run import made_run

_PAPER = 703
"""CSS pixels between the margins of an upright A4 page: 210 less 24 mm."""

_BEYOND = """[...document.querySelectorAll('main *')].filter((element) => !element.closest('svg, .unseen, pre')
  && element.getBoundingClientRect().right > document.documentElement.clientWidth + 1)
  .map((element) => element.outerHTML.slice(0, 120))"""

_DISPLAYS = "[...document.querySelectorAll('%s')].map((element) => getComputedStyle(element).display)"

_SCROLLED = """[...document.querySelectorAll('.scroll')].map((place) => ({
  name: place.getAttribute('aria-label'),
  goesOn: place.scrollWidth > place.clientWidth + 1,
  said: getComputedStyle(place, '::before').content.includes('scroll sideways'),
}))"""


@pytest.fixture(scope='module')
def tab() -> Iterator[Chromium]:
  browser = find_browser()
  if browser is None:
    pytest.skip('needs Chromium (apt-get install chromium) to look at the page')
  with chromium(browser) as opened:
    yield opened


@pytest.fixture(scope='module')
def page(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
  return report.write(made_run(tmp_path_factory.mktemp('run') / 'out'))


@pytest.fixture
def printed(tab: Chromium, page: pathlib.Path) -> Iterator[Chromium]:
  tab.look(_PAPER, 1000, dark=True)
  tab.open(page)
  tab.ask('Emulation.setEmulatedMedia', media='print', features=[{'name': 'prefers-color-scheme', 'value': 'dark'}])
  tab.value("dispatchEvent(new Event('beforeprint'))")
  yield tab
  tab.ask('Emulation.setEmulatedMedia', media='')


def test_paper_is_light_whole_and_nothing_is_folded(printed: Chromium):
  """Also where the screen is dark; no table is cut at the edge of an upright page."""
  assert printed.value(_BEYOND) == []
  assert printed.value("[...document.querySelectorAll('details')].every((part) => part.open)")
  assert printed.value("getComputedStyle(document.querySelector('nav')).display") == 'none'
  colour = "getComputedStyle(document.body).getPropertyValue('--ink').trim()"
  assert printed.value(colour) == '#1c2026'


def test_a_heading_that_comes_again_on_the_next_page_has_its_text(printed: Chromium):
  """Chromium leaves a button's text out there; so on paper there is no button around it."""
  assert set(printed.value(_DISPLAYS % '.sortable thead button')) == {'contents'}
  assert set(printed.value(_DISPLAYS % 'thead')) == {'table-header-group'}


def test_the_config_takes_three_columns_of_a_page(printed: Chromium):
  lines = printed.value("document.querySelector('details pre').textContent.split('\\n').length")
  line = printed.value("parseFloat(getComputedStyle(document.querySelector('details pre code')).lineHeight)")
  assert printed.value("document.querySelector('details pre').clientHeight") < line * lines / 2


def test_what_was_folded_is_folded_again_after_printing(printed: Chromium):
  printed.value("dispatchEvent(new Event('afterprint'))")
  assert printed.value("[...document.querySelectorAll('details')].some((part) => part.open)") is False


def test_it_prints_with_all_that_was_folded(tab: Chromium, page: pathlib.Path):
  """Weights by value and the config are a dozen pages more than what is open on a screen."""
  tab.open(page)
  pdf = base64.b64decode(tab.ask('Page.printToPDF', preferCSSPageSize=True)['data'])
  assert pdf.startswith(b'%PDF')
  assert 10 <= len(re.findall(rb'/Type /Page\b', pdf)) <= 25


@pytest.mark.parametrize('width', [390, 1280], ids=['phone', 'desk'])
def test_a_table_that_goes_on_says_so_and_no_other(tab: Chromium, page: pathlib.Path, width: int):
  tab.look(width, 844, dark=False)
  tab.open(page)
  tab.value("document.querySelectorAll('details').forEach((part) => { part.open = true; })")
  tab.value('new Promise((done) => setTimeout(() => requestAnimationFrame(() => done(0)), 100))')
  found = tab.value(_SCROLLED)
  assert [place['name'] for place in found if place['said'] != place['goesOn']] == []
  assert any(place['goesOn'] for place in found) == (width == 390)


def test_the_scale_of_bars_stands_above_their_tracks(tab: Chromium, page: pathlib.Path):
  """Its ends lie where the tracks begin and end; the tick of a figure above the place of that figure."""
  tab.look(1280, 900, dark=False)
  tab.open(page)
  box = "(({ left, right }) => [left, right])(document.querySelector('#errors %s').getBoundingClientRect())"
  ruled, track = (tab.value(box % name) for name in ('thead .ruled', 'tbody .track'))
  assert ruled == pytest.approx(track, abs=1)


_MEETING = """(() => {
  const boxes = (of, what) => [...of.querySelectorAll(what)].filter((one) => one.textContent.trim())
    .map((one) => [one.textContent, one.getBoundingClientRect()]);
  const beside = (a, b) => a.right - 0.5 <= b.left || b.right - 0.5 <= a.left;
  const meet = (a, b) => !beside(a, b) && a.top < b.bottom - 2 && b.top < a.bottom - 2;
  const found = [];
  for (const [place, what] of [['figure > svg', 'text.tick, text.label'], ['.ruled', 'span']])
    for (const one of document.querySelectorAll(place)) {
      const all = boxes(one, what);
      all.forEach(([text, box], i) => {
        if (box.left < 0) found.push(text);
        for (const [other, second] of all.slice(i + 1)) if (meet(box, second)) found.push(`${text} | ${other}`);
      });
    }
  return found;
})()"""


@pytest.mark.parametrize('width', [390, 1280], ids=['phone', 'desk'])
def test_fares_in_thousands_have_room_on_every_axis(tab: Chromium, tmp_path: pathlib.Path, width: int):
  """As in rupiah: no figure of an axis or of a scale meets another one, or is cut at the edge of a phone."""
  hours = [Hour(hour, 9, Estimate(-9e3, -4e4, 2e4), (-2e4, 1e4)) for hour in range(24)]
  curve = Series('train', 's0', [0, 1, 2], [1.5e6, 1.2e6, 1.1e6])
  pairs = [Pair('a slice', Estimate(2e4, 1e4, 4e4), Estimate(3e4, 2e4, 9e4))]
  marks = [Mark(0, Estimate(18_547.0, 14_054.0, 24_484.0), '', 'fill s0')]
  charts = (
    draw_hours(hours, 'IDR', ''),
    draw_curves([curve], 'epoch', 'loss', ''),
    draw_pairs(pairs, 'RMSE (IDR)', ''),
    draw_runs(marks, ['11-30'], 'RMSE (IDR)', ''),
  )
  bars = ''.join(f'<div style="width: 120px">{ruler(top)}</div>' for top in (8e4, 6e4, 1.2e5, 8.0, 1e6))
  style = pathlib.Path(report.__file__).with_name('templates').joinpath('style.css').read_text(encoding='utf-8')
  made = tmp_path / 'charts.html'
  figures = ''.join(f'<figure>{drawn}</figure>' for drawn in charts)
  made.write_text(
    f'<!DOCTYPE html><meta charset="utf-8"><style>{STYLE}{style}</style><main class="wide">{figures}{bars}</main>',
    encoding='utf-8',
  )
  tab.look(width, 844, dark=False)
  tab.open(made)
  assert tab.value(_MEETING) == []


def test_both_maps_are_as_large_and_have_a_legend_of_sizes(tab: Chromium, page: pathlib.Path):
  tab.look(1280, 900, dark=False)
  tab.open(page)
  first, second = tab.value("""[...document.querySelectorAll('#errors svg')].filter((svg) => svg.querySelector('.sea'))
    .map((svg) => [svg.getAttribute('viewBox'), svg.clientHeight, svg.querySelectorAll('.size').length])""")
  assert first == second
  assert first[2] >= 2
