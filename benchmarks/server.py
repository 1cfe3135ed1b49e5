"""`farelite serve` under load: latency at 1, 16 and 64 connections, and what is lost while versions change.

`python -m benchmarks.server OUTPUT` copies what serves of a finished run and starts the command on it. wrk, a package
of Debian's, sends one ride in each request, over connections that stay open. Then it goes on while versions are pushed
as the Pusher publishes them, each picked up by the running server. CPU is the server's own, for a request: unlike the
clock's times, it does not grow where wrk and others take the cores.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from components.pusher.publishing import publish, staging
from configs.columns import RAW_INPUTS
from models.release import GOLDEN
from models.served_versions import next_version, served_version

_LUA = """
wrk.method = 'POST'
wrk.headers['Content-Type'] = 'application/json'
wrk.body = [[%s]]
done = function(summary, latency, requests)
  local lost = summary.errors
  io.write(string.format('RESULT %%d %%d %%d %%.1f %%.1f %%.1f %%.1f\\n', summary.requests, lost.status,
    lost.connect + lost.read + lost.write + lost.timeout, summary.duration / 1e6,
    latency:percentile(50), latency:percentile(99), latency.max))
end
"""


class Load(NamedTuple):
  """What wrk tells.

  Attributes:
    answered: requests.
    refused: answers that are no 2xx or 3xx.
    lost: connections that broke, and requests without an answer in time.
    seconds: of the load.
    p50, p99, most: microseconds from a request to its answer.
  """

  answered: int
  refused: int
  lost: int
  seconds: float
  p50: float
  p99: float
  most: float


class Running(NamedTuple):
  """A server of this machine.

  Attributes:
    serving: its directory of versions.
    body: a request for one ride.
  """

  url: str
  serving: pathlib.Path
  body: str
  process: subprocess.Popen[bytes]

  def metrics(self) -> dict[str, float]:
    """The values of its metrics, by name and labels."""
    lines = _get(f'{self.url}/metrics').decode().splitlines()
    return {name: float(value) for name, _, value in (line.rpartition(' ') for line in lines if line[0] != '#')}

  def version(self) -> str:
    """What serves."""
    return str(json.loads(_get(f'{self.url}/version'))['version'])

  def post(self, body: str | None = None) -> Any:
    """The answer to a request."""
    request = urllib.request.Request(f'{self.url}/predict', (body or self.body).encode())
    with urllib.request.urlopen(request, timeout=30) as answer:
      return json.load(answer)


def _get(url: str) -> bytes:
  with urllib.request.urlopen(url, timeout=30) as answer:
    return bytes(answer.read())


def first_ride(version: pathlib.Path) -> str:
  """A request for the first golden ride of a version."""
  golden = json.loads((version / GOLDEN).read_text(encoding='utf-8'))['rides']
  names = [*RAW_INPUTS, *(name for name in golden if name not in RAW_INPUTS)]
  return json.dumps({'instances': [{name: golden[name][0] for name in names if golden[name][0] is not None}]})


def free_port() -> int:
  """A port that nobody listens on."""
  with socket.socket() as found:
    found.bind(('127.0.0.1', 0))
    return int(found.getsockname()[1])


@contextlib.contextmanager
def running(version: pathlib.Path, arguments: Sequence[str] = ()) -> Iterator[Running]:
  """`farelite serve` on a copy of a version; ended by SIGTERM. Raises `SystemExit`: it does not answer."""
  with tempfile.TemporaryDirectory() as folder:
    serving, port = pathlib.Path(folder, 'serving'), free_port()
    shutil.copytree(version, serving / version.name)
    command = [sys.executable, '-m', 'pipeline', 'serve', str(serving), '--port', str(port), '--drain', '0', *arguments]
    process = subprocess.Popen(command)
    server = Running(f'http://127.0.0.1:{port}', serving, first_ride(version), process)
    try:
      deadline = time.monotonic() + 120
      while not _answers(server):
        if process.poll() is not None or time.monotonic() > deadline:
          raise SystemExit('The server did not begin to answer.')
        time.sleep(0.1)
      yield server
    finally:
      process.send_signal(signal.SIGTERM)
      process.wait(60)


def _answers(server: Running) -> bool:
  try:
    return bool(_get(f'{server.url}/readyz'))
  except OSError:
    return False


@contextlib.contextmanager
def load(server: Running, connections: int, seconds: float) -> Iterator[subprocess.Popen[str]]:
  """wrk at work, on one thread."""
  with tempfile.TemporaryDirectory() as folder:
    script = pathlib.Path(folder, 'request.lua')
    script.write_text(_LUA % server.body, encoding='utf-8')
    command = ['wrk', '-t1', f'-c{connections}', f'-d{seconds:.0f}s', '-s', str(script), f'{server.url}/predict']
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
      yield process
    finally:
      process.kill()
      process.wait()


def told(process: subprocess.Popen[str]) -> Load:
  """What wrk found, at its end."""
  output, _ = process.communicate()
  [line] = [line for line in output.splitlines() if line.startswith('RESULT ')] or [output]
  requests, refused, lost, *times = line.split()[1:]
  return Load(int(requests), int(refused), int(lost), *map(float, times))


def push_again(serving: pathlib.Path) -> str:
  """Publishes a copy of what serves under the next number, as the Pusher does; that number."""
  base = str(serving)
  with staging(base) as folder:
    served = served_version(base)
    staged = pathlib.Path(folder, 'version')
    shutil.copytree(serving / str(served), staged)
    version = next_version(base, int(time.time()))
    publish(str(staged), base, version)
  return str(version)


def under_load(server: Running, connections: int, seconds: float) -> tuple[Load, float]:
  """What wrk finds, and the server's CPU microseconds for a request."""
  before = server.metrics()
  with load(server, connections, seconds) as process:
    found = told(process)
  after = server.metrics()
  answered = after['farelite_rides_total'] - before['farelite_rides_total']
  return found, 1e6 * (after['process_cpu_seconds_total'] - before['process_cpu_seconds_total']) / answered


def while_pushing(server: Running, connections: int, changes: int, pause: float) -> tuple[Load, int]:
  """What wrk finds while versions are pushed, and how many of them served."""
  before = server.metrics()['farelite_version_changes']
  with load(server, connections, changes * pause + 2) as process:
    for _ in range(changes):
      push_again(server.serving)
      time.sleep(pause)
    found = told(process)
  return found, int(server.metrics()['farelite_version_changes'] - before)


def main(arguments: list[str] | None = None) -> None:
  """Prints a Markdown table; see `--help`."""
  parser = argparse.ArgumentParser(
    prog='python -m benchmarks.server', description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
  )
  parser.add_argument('output', type=pathlib.Path, help='the output directory of a run')
  parser.add_argument('--seconds', type=float, default=10, help='of load at each number of connections')
  parser.add_argument('--connections', type=int, nargs='+', default=[1, 16, 64])
  parser.add_argument('--changes', type=int, default=20, help='versions that are pushed under load')
  parser.add_argument('--pause', type=float, default=1, help='seconds between two of them')
  options = parser.parse_args(arguments)
  if shutil.which('wrk') is None:
    raise SystemExit('wrk is not here; apt-get install wrk.')
  served = served_version(options.output / 'serving')
  if served is None:
    raise SystemExit(f"'{options.output}' serves nothing; make a run with farelite run --output {options.output}.")
  with running(options.output / 'serving' / str(served), ['--poll', '0.2']) as server:
    under_load(server, 1, 2)
    print('| connections | answers a second | p50, µs | p99, µs | CPU of the server, µs | lost | refused |')
    print('| ---: | ---: | ---: | ---: | ---: | ---: | ---: |')
    for connections in options.connections:
      found, cpu = under_load(server, connections, options.seconds)
      rate = found.answered / found.seconds
      print(
        f'| {connections} | {rate:,.0f} | {found.p50:,.0f} | {found.p99:,.0f} | {cpu:,.0f} | {found.lost} '
        f'| {found.refused} |'
      )
    found, changed = while_pushing(server, 16, options.changes, options.pause)
  print(
    f'\nWhile {options.changes} versions were pushed, {changed} of which the server took up: {found.answered:,} '
    f'answers over 16 connections, {found.lost} lost, {found.refused} refused; p99 {found.p99:,.0f} µs, at most '
    f'{found.most:,.0f} µs.'
  )


if __name__ == '__main__':
  main()
