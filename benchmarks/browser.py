"""What a fare costs in a browser: the page of `farelite page` in headless Chromium, on its own processor, one thread.

`python -m benchmarks.browser OUTPUT` takes a finished run, or a version, and prints the row that belongs into the table
of `benchmarks.latency`, and its parts. It needs Chromium and the page's runtime (`make page`).
"""

from __future__ import annotations

import argparse
import contextlib
import gzip
import json
import os
import pathlib
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from typing import IO, Any

from models.release import find_pushed
from pipeline.report.fare_page import write_fare_page

BROWSERS = ('chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable')

_PATIENCE = 90
"""Seconds for one answer; the runtime's nine megabytes are compiled in one or two."""


class BrowserError(Exception):
  """The browser did not do what it was asked; the message is one sentence of its own."""


def find_browser() -> str | None:
  """The path of Chromium, or of a browser made from it; `None` where there is none."""
  return next((path for name in BROWSERS if (path := shutil.which(name))), None)


class Chromium:
  """A page in headless Chromium, asked over the DevTools protocol's pipe.

  Attributes:
    events: what the browser told unasked, such as requests and console lines, in order.
  """

  def __init__(self, to_browser: IO[bytes], from_browser: IO[bytes], browser: subprocess.Popen[bytes]) -> None:
    self._to, self._from, self._browser, self._asked, self._session = to_browser, from_browser, browser, 0, ''
    self._rest = b''
    self.events: list[dict[str, Any]] = []
    target = self.ask('Target.createTarget', url='about:blank')['targetId']
    self._session = self.ask('Target.attachToTarget', targetId=target, flatten=True)['sessionId']
    for domain in ('Page', 'Network', 'Runtime', 'Log'):
      self.ask(f'{domain}.enable')

  def ask(self, method: str, **parameters: Any) -> dict[str, Any]:
    """Sends a command and waits for its result. Raises `BrowserError`: it was refused, or no answer came in time."""
    self._asked += 1
    message: dict[str, Any] = {'id': self._asked, 'method': method, 'params': parameters}
    message |= {'sessionId': self._session} if self._session else {}
    self._to.write(json.dumps(message).encode() + b'\0')
    self._to.flush()
    until = time.monotonic() + _PATIENCE
    while (answer := self._next(until)).get('id') != self._asked:
      self.events.append(answer)
    if 'error' in answer:
      raise BrowserError(f'{method}: {answer["error"]["message"]}')
    return dict(answer['result'])

  def _next(self, until: float) -> dict[str, Any]:
    while b'\0' not in self._rest:
      if time.monotonic() > until:
        raise BrowserError(f'Chromium did not answer within {_PATIENCE} s.')
      if (got := self._read()) is None:
        time.sleep(0.002)
      elif got:
        self._rest += got
      else:
        raise BrowserError(f'Chromium ended with {self._browser.poll()}.')
    message, _, self._rest = self._rest.partition(b'\0')
    return dict(json.loads(message))

  def _read(self) -> bytes | None:
    try:
      return os.read(self._from.fileno(), 1 << 20)
    except BlockingIOError:
      return None

  def open(self, page: pathlib.Path | str) -> None:
    """Goes to a page: a file, or an address."""
    self.ask('Page.navigate', url=page.as_uri() if isinstance(page, pathlib.Path) else page)
    self.value("new Promise((done) => document.readyState === 'complete' ? done() : addEventListener('load', done))")

  def value(self, expression: str) -> Any:
    """What an expression comes to, or what its promise does. Raises `BrowserError`: it threw."""
    found = self.ask('Runtime.evaluate', expression=expression, awaitPromise=True, returnByValue=True)
    if 'exceptionDetails' in found:
      details = found['exceptionDetails']
      raise BrowserError(str(details.get('exception', {}).get('description') or details['text']))
    return found['result'].get('value')

  def look(self, width: int, height: int, dark: bool, scale: float = 1) -> None:
    """Makes the window so many CSS pixels large, light or dark."""
    self.ask('Emulation.setDeviceMetricsOverride', width=width, height=height, deviceScaleFactor=scale, mobile=False)
    scheme = {'name': 'prefers-color-scheme', 'value': 'dark' if dark else 'light'}
    self.ask('Emulation.setEmulatedMedia', features=[scheme])

  def told(self, *methods: str) -> list[dict[str, Any]]:
    """Parameters of all events of some kinds."""
    return [event['params'] for event in self.events if event.get('method') in methods]


@contextlib.contextmanager
def chromium(browser: str, *options: str) -> Iterator[Chromium]:
  """A page in a browser that ends with the block. Raises `BrowserError`."""
  with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
    theirs_in, ours_out = os.pipe()
    ours_in, theirs_out = os.pipe()
    flags = ['--headless', '--no-sandbox', '--disable-gpu', '--no-first-run', '--remote-debugging-pipe', *options]
    command = [browser, *flags, f'--user-data-dir={profile}', 'about:blank']
    # The protocol has its ends at 3 and 4.
    joined = f'exec "$@" 3<&{theirs_in} 4>&{theirs_out}'
    process = subprocess.Popen(
      ['bash', '-c', joined, 'bash', *command],
      pass_fds=(theirs_in, theirs_out),
      stdin=subprocess.DEVNULL,
      stdout=subprocess.DEVNULL,
      stderr=subprocess.DEVNULL,
    )
    os.close(theirs_in)
    os.close(theirs_out)
    os.set_blocking(ours_in, False)
    try:
      with os.fdopen(ours_out, 'wb') as to_browser, os.fdopen(ours_in, 'rb', buffering=0) as from_browser:
        yield Chromium(to_browser, from_browser, process)
    finally:
      process.terminate()
      try:
        process.wait(20)
      except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def measured(browser: str, page: pathlib.Path) -> dict[str, float]:
  """Median microseconds of a ride in the page, by part: `set`, `run`, `get`, and `whole` of all with tensors freed.

  Raises `BrowserError`: the golden rides have other fares there.
  """
  with chromium(browser) as tab:
    tab.open(page)
    golden = tab.value('farelite.golden')
    if golden['wrong']:
      raise BrowserError(f'{golden["wrong"]} of {golden["count"]} golden rides have another fare in the browser.')
    return {part: float(us) for part, us in tab.value('farelite.measure()').items()}


def main(arguments: list[str] | None = None) -> None:
  """Prints a row of Markdown and its parts; see `--help`."""
  parser = argparse.ArgumentParser(
    prog='python -m benchmarks.browser', description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
  )
  parser.add_argument('output', type=pathlib.Path, help='the output directory of a run, or a pushed version')
  options = parser.parse_args(arguments)
  browser = find_browser()
  if browser is None:
    raise SystemExit('There is no Chromium; on Debian: apt-get install chromium.')
  serving = options.output / 'serving'
  version = serving if serving.is_dir() else options.output
  with tempfile.TemporaryDirectory() as folder:
    page = write_fare_page(str(version), str(pathlib.Path(folder) / 'fare.html'))
    found, size = measured(browser, page), page.stat().st_size
  pushed = find_pushed(version)
  content = pushed.file.read_bytes()
  name = pushed.manifest.variant if pushed.manifest else pushed.file.stem
  print('| way | bytes | gzip | one ride, µs |')
  print('| --- | ---: | ---: | ---: |')
  sizes = f'{len(content):,} | {len(gzip.compress(content)):,}'
  print(f'| {name}: browser, LiteRT.js: set, run, get | {sizes} | {found["whole"]:,.1f} |')
  parts = ', '.join(f'{part} {found[part]:,.1f} µs' for part in ('set', 'run', 'get'))
  print(f'\nParts: {parts}. The page with its runtime has {size / 1e6:,.1f} MB.')


if __name__ == '__main__':
  main()
