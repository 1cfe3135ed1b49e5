"""`farelite predict` on simulated rides: rides per second from Parquet and from CSV, and peak memory.

`python -m benchmarks.predict` runs the command as a user does, each time in a process of its own, and takes the time
of all of it, imports included. The rows of the table take turns. Without `--model` it makes an untrained model of the
size that `configs/nyc.yaml` says, which is as fast as a trained one.
"""

from __future__ import annotations

import argparse
import dataclasses
import itertools
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

_CORES = len(os.sched_getaffinity(0)) if hasattr(os, 'sched_getaffinity') else os.cpu_count() or 1


@dataclasses.dataclass(frozen=True)
class _Run:
  seconds: float
  cpu: float
  peak_rss: int


def main(arguments: list[str] | None = None) -> None:
  """Prints a table; see `--help`."""
  parser = argparse.ArgumentParser(prog='python -m benchmarks.predict', description=__doc__)
  parser.add_argument('--rows', type=int, default=2_000_000)
  parser.add_argument('--repeats', type=int, default=5)
  parser.add_argument('--threads', type=int, nargs='+', default=sorted({1, _CORES}))
  parser.add_argument('--config', default='nyc', help='preset or file; with the columns of the simulated rides')
  parser.add_argument('--model', help='a pushed directory or a .tflite')
  options = parser.parse_args(arguments)
  with tempfile.TemporaryDirectory() as folder:
    model = options.model or made_model(options.config, pathlib.Path(folder))
    for kind in ('parquet', 'csv'):
      simulate = ['--rows', str(options.rows), '--seed', '0', '--format', kind, '--output', f'{folder}/rides']
      subprocess.run([sys.executable, '-m', 'benchmarks.simulator', *simulate], check=True, stdout=subprocess.DEVNULL)
    cases = [*itertools.product(('parquet', 'csv'), ('parquet', 'csv'), options.threads)]
    runs: dict[tuple[str, str, int], list[_Run]] = {case: [] for case in cases}
    for _ in range(options.repeats):
      for (source, target, threads), found in runs.items():
        paths = f'{folder}/rides/rides-00000-of-00001.{source}', f'{folder}/fares.{target}'
        found.append(_run(model, *paths, threads, options.config))
  _print(options.rows, runs)


def made_model(config: str, folder: pathlib.Path) -> str:
  program = (
    'import sys; from configs.loading import load; from tests.models.lite.small_files import small_lite_file; '
    "open(sys.argv[2], 'wb').write(small_lite_file(load(sys.argv[1])))"
  )
  path = str(folder / 'model.tflite')
  environment = os.environ | {'TF_USE_LEGACY_KERAS': '1', 'TF_CPP_MIN_LOG_LEVEL': '3'}
  subprocess.run([sys.executable, '-c', program, config, path], check=True, env=environment, capture_output=True)
  return path


def _run(model: str, rides: str, output: str, threads: int, config: str) -> _Run:
  command = [sys.executable, '-m', 'pipeline', 'predict', model, rides, '--output', output, '--threads', str(threads)]
  start = time.perf_counter()
  process = subprocess.Popen([*command, '--config', config], stderr=subprocess.DEVNULL)
  _, status, usage = os.wait4(process.pid, 0)
  seconds = time.perf_counter() - start
  process.returncode = os.waitstatus_to_exitcode(status)
  if process.returncode:
    raise RuntimeError(f'farelite predict ended with exit code {process.returncode}: {" ".join(command)}')
  return _Run(seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024)


def _print(rows: int, runs: dict[tuple[str, str, int], list[_Run]]) -> None:
  repeats = len(next(iter(runs.values())))
  load = os.getloadavg()[0]
  print(f'{rows:,} simulated rides, {repeats} runs each, {_CORES} cores; load of the machine at the end: {load:.1f}')
  print(f'{"from":<9}{"to":<9}{"threads":>7}{"rides/s, median [min, max]":>36}{"CPU s":>8}{"peak RSS":>10}')
  for (source, target, threads), found in runs.items():
    rates = [rows / run.seconds for run in found]
    spread = f'{statistics.median(rates):,.0f} [{min(rates):,.0f}, {max(rates):,.0f}]'
    cpu, peak = statistics.median(run.cpu for run in found), max(run.peak_rss for run in found) / 2**20
    print(f'{source:<9}{target:<9}{threads:>7}{spread:>36}{cpu:>8.2f}{peak:>6,.0f} MiB')


if __name__ == '__main__':
  main()
