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
from pipeline.report import page as report
from tests.pipeline.made_run import made_run

_PAPER = 703
"""CSS pixels between the margins of an upright A4 page: 210 less 24 mm."""

_BEYOND = """[...document.querySelectorAll('main *')].filter((element) => !element.closest('svg, .unseen, pre')
  && element.getBoundingClientRect().right > document.documentElement.clientWidth + 1)
  .map((element) => element.outerHTML.slice(0, 120))"""

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


def test_both_maps_are_as_large_and_have_a_legend_of_sizes(tab: Chromium, page: pathlib.Path):
  tab.look(1280, 900, dark=False)
  tab.open(page)
  first, second = tab.value("""[...document.querySelectorAll('#errors svg')].filter((svg) => svg.querySelector('.sea'))
    .map((svg) => [svg.getAttribute('viewBox'), svg.clientHeight, svg.querySelectorAll('.size').length])""")
  assert first == second
  assert first[2] >= 2
