"""The browser's row for the table of latencies."""

import re

import pytest

from benchmarks import browser
from pipeline.report import fare_page
from tests.models.lite.small_files import write_version


def test_it_prints_the_row(tmp_path, capsys):
  if browser.find_browser() is None or not (fare_page.RUNTIME / 'litert.js').is_file():
    pytest.skip('needs Chromium (apt-get install chromium) and LiteRT.js (make page, which needs npm)')
  write_version(tmp_path / '3')
  browser.main([str(tmp_path)])
  assert re.search(
    r'^\| \S+: browser, LiteRT.js: set, run, get \| [\d,]+ \| [\d,]+ \| [\d.,]+ \|$', capsys.readouterr().out, re.M
  )


def test_without_a_browser_it_says_so(tmp_path, monkeypatch):
  monkeypatch.setattr(browser, 'BROWSERS', ())
  with pytest.raises(SystemExit, match='no Chromium'):
    browser.main([str(tmp_path)])
