"""The page in a real browser: it sorts, fits a phone, follows light and dark, and runs without an error.

Skips where there is no Chromium; `apt-get install chromium` brings it on Debian.
"""

from __future__ import annotations

import html
import json
import pathlib
import re
import shutil
import subprocess

import pytest

from pipeline.report import page as report
from pipeline.report.history import read_history
from pipeline.report.history_page import write_history
from pipeline.study import page as study_page
from tests.pipeline import made_study
from tests.pipeline.made_history import made_history
from tests.pipeline.made_run import VARIANTS, failed_run, made_run

_BROWSERS = ('chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable')
_PHONE = 390

_SORT = """
const table = document.querySelector('#variants table.sortable');
const headings = [...table.tHead.rows[0].cells];
const said = [];
for (const [name, times] of [['gzip', 1], ['gzip', 1], ['variant', 1], ['to float32', 1]]) {
  const heading = headings.find((cell) => cell.textContent.startsWith(name));
  const button = heading.querySelector('button');
  button.focus();
  const focused = document.activeElement === button;
  button.click();
  said.push({
    order: [...table.tBodies[0].rows].map((row) => row.cells[0].innerText.split('\\n')[0].trim()),
    sorted: headings.filter((cell) => cell.hasAttribute('aria-sort')).map((cell) => cell.textContent),
    direction: heading.getAttribute('aria-sort'),
    announced: document.getElementById('announcement').textContent,
    focused,
  });
}
"""

_SORT_STUDY = """
const table = document.querySelector('#reductions table.sortable');
[...table.tHead.rows[0].cells].find((cell) => cell.textContent === 'file').querySelector('button').click();
const said = [...table.tBodies[0].rows].map((row) => row.cells[0].innerText.trim());
"""

_SORT_HISTORY = """
const table = document.querySelector('#runs table.sortable');
const headings = [...table.tHead.rows[0].cells];
const column = headings.findIndex((cell) => cell.textContent.startsWith('RMSE'));
headings[column].querySelector('button').click();
const said = [...table.tBodies[0].rows].map((row) => row.cells[column].innerText.split('\\n')[0].trim());
"""

_MEASURE = """
const page = document.querySelector('iframe').contentDocument;
page.querySelectorAll('details').forEach((details) => { details.open = true; });
const wide = [...page.querySelectorAll('body *')].filter((element) => !element.closest('.scroll, pre, svg, nav') &&
  !element.matches('.unseen, .skip') && element.getBoundingClientRect().right > page.documentElement.clientWidth + 1);
const said = {
  width: page.documentElement.scrollWidth,
  wide: wide.map((element) => element.outerHTML.slice(0, 120)),
  pictures: [...page.querySelectorAll('figure > svg')].map((svg) => svg.getBoundingClientRect().width),
  ground: page.defaultView.getComputedStyle(page.body).backgroundColor,
};
"""


@pytest.fixture(scope='module')
def browser() -> str:
  found = next((path for name in _BROWSERS if (path := shutil.which(name))), None)
  if found is None:
    pytest.skip('needs Chromium (apt-get install chromium) to look at the page')
  return found


@pytest.fixture(scope='module')
def page(tmp_path_factory: pytest.TempPathFactory) -> str:
  return report.write(made_run(tmp_path_factory.mktemp('run') / 'out')).read_text(encoding='utf-8')


def _looked_at(browser: str, content: str, folder: pathlib.Path, *options: str) -> tuple[str, str]:
  """The page's DOM after its scripts ran, and what the browser had to say."""
  file = folder / 'looked_at.html'
  file.write_text(content, encoding='utf-8')
  command = [browser, '--headless', '--no-sandbox', '--disable-gpu', f'--user-data-dir={folder}/profile']
  command += ['--enable-logging=stderr', '--virtual-time-budget=5000', *options, '--dump-dom', file.as_uri()]
  seen = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
  return seen.stdout, seen.stderr


def _reported(browser: str, content: str, script: str, folder: pathlib.Path, *options: str):
  """Runs a script that ends with a value named `said` after everything has loaded; returns that value."""
  ending = "document.title = 'said:' + JSON.stringify(said);"
  wrapped = f"<script>addEventListener('load', () => {{ {script} {ending} }});</script>"
  dom, _ = _looked_at(browser, content + wrapped, folder, *options)
  said = re.search(r'<title>said:(.*?)</title>', dom, flags=re.DOTALL)
  assert said is not None, dom[:2000]
  return json.loads(html.unescape(said.group(1)))


def _framed(page: str, width: int) -> str:
  """The page in a frame of a phone's width: the window itself can't be made that narrow."""
  frame = f'<iframe style="border:0" width="{width}" height="844" srcdoc="{html.escape(page)}"></iframe>'
  return f'<!DOCTYPE html><title></title><body>{frame}'


def test_a_click_sorts_and_what_could_not_be_made_stays_last(browser: str, page: str, tmp_path: pathlib.Path):
  rising, falling, names, ratios = _reported(browser, page, _SORT, tmp_path)
  lost = 'qat.dynamic_range_sparse'
  gzipped = {name: figures[2] for name, figures in VARIANTS.items()}
  for state, sign, direction in ((rising, 1, 'ascending'), (falling, -1, 'descending')):
    assert state['order'][-1] == lost
    shown = [gzipped[name] for name in state['order'][:-1]]
    assert shown == sorted(shown, key=lambda size: sign * size)
    assert state['direction'] == direction
    assert re.fullmatch(f'Sorted by gzip.*, {direction}.', state['announced'])
  assert names['order'] == sorted([*VARIANTS, lost])
  assert ratios['order'][:-1] == sorted(ratios['order'][:-1], key=lambda name: VARIANTS[name][0])
  assert all(state['focused'] and len(state['sorted']) == 1 for state in (rising, falling, names, ratios))


@pytest.mark.parametrize('failed', [pytest.param(False, id='pushed'), pytest.param(True, id='failed')])
def test_nothing_reaches_beyond_a_phone(browser: str, page: str, tmp_path: pathlib.Path, failed: bool):
  """Tables and code scroll within themselves; also with all that is folded opened."""
  if failed:
    page = report.write(failed_run(tmp_path / 'out', reason='x' * 300)).read_text(encoding='utf-8')
  measured = _reported(browser, _framed(page, _PHONE), _MEASURE, tmp_path)
  assert measured['width'] <= _PHONE
  assert measured['wide'] == []
  assert all(width > 0.85 * _PHONE for width in measured['pictures'])


def test_comparison_fits_a_phone(browser: str, tmp_path: pathlib.Path):
  first, second = made_run(tmp_path / 'a'), made_run(tmp_path / 'b', name='other')
  page = report.write_comparison(first, second).read_text(encoding='utf-8')
  measured = _reported(browser, _framed(page, _PHONE), _MEASURE, tmp_path)
  assert (measured['width'] <= _PHONE, measured['wide']) == (True, [])


@pytest.fixture(scope='module')
def history(tmp_path_factory: pytest.TempPathFactory) -> str:
  """The page of nights of every kind."""
  made = made_history(tmp_path_factory.mktemp('history') / 'out')
  return write_history(made.output, read_history(made.store, made.config, made.output)).read_text(encoding='utf-8')


def test_history_fits_a_phone_and_follows_light_and_dark(browser: str, history: str, tmp_path: pathlib.Path):
  grounds = []
  for scheme in (0, 1):
    option = f'--blink-settings=preferredColorScheme={scheme}'
    measured = _reported(browser, _framed(history, _PHONE), _MEASURE, tmp_path, option)
    assert (measured['width'] <= _PHONE, measured['wide']) == (True, [])
    assert len(measured['pictures']) == 4
    assert all(width > 0.85 * _PHONE for width in measured['pictures'])
    grounds.append(max(int(part) for part in re.findall(r'\d+', measured['ground'])[:3]))
  assert grounds[0] < 60 < 220 < grounds[1]


def test_history_sorts_and_the_browser_has_nothing_to_complain_about(
  browser: str, history: str, tmp_path: pathlib.Path
):
  orders = _reported(browser, history, _SORT_HISTORY, tmp_path)
  assert orders[:6] == ['4.10', '4.20', '4.30', '4.90', '5.40', '40.00']
  assert set(orders[6:]) == {'–'}
  _, said = _looked_at(browser, history, tmp_path)
  assert 'CONSOLE' not in said, said


def test_study_fits_a_phone_and_sorts(browser: str, tmp_path: pathlib.Path):
  page = study_page.write(tmp_path, made_study.rows(), made_study.about()).read_text(encoding='utf-8')
  measured = _reported(browser, _framed(page, _PHONE), _MEASURE, tmp_path)
  assert (measured['width'] <= _PHONE, measured['wide']) == (True, [])
  assert len(measured['pictures']) == 9
  orders = _reported(browser, page, _SORT_STUDY, tmp_path)
  assert orders == ['l1, 12', 'l1, 24', 'pls, 6', 'all features', 'pca, 24']
  _, said = _looked_at(browser, page, tmp_path)
  assert 'CONSOLE' not in said, said


def test_page_follows_light_and_dark(browser: str, page: str, tmp_path: pathlib.Path):
  grounds = []
  for scheme in (0, 1):  # Blink's own numbers: dark, light.
    option = f'--blink-settings=preferredColorScheme={scheme}'
    measured = _reported(browser, _framed(page, 1280), _MEASURE, tmp_path, option)
    grounds.append(max(int(part) for part in re.findall(r'\d+', measured['ground'])[:3]))
  dark, light = grounds
  assert dark < 60
  assert light > 220


def test_browser_has_nothing_to_complain_about(browser: str, page: str, tmp_path: pathlib.Path):
  """Neither an error of the script nor a refusal by the page's own policy."""
  dom, said = _looked_at(browser, page, tmp_path)
  assert 'CONSOLE' not in said, said
  assert dom.count('<button') > 12
