"""What a run costs as the rides get more: CPU seconds and peak memory of every step, on simulated rides.

`python -m benchmarks.whole_run --rides 200000 2000000` makes New York rides (`benchmarks.simulator`, NOT real data),
runs the whole pipeline on each number of them in a process and a folder of its own, and prints by step the CPU seconds,
its children's included, and the peak of resident memory while it ran, which the kernel counts anew for each step. The
last column says what a further ride costs, by the largest and the smallest run. `--set` changes the config, as in
`--set training.steps=1000 --set training.epochs=null`.

Peaks hold what earlier steps left behind, as all steps of a local run share one process, of which the imports alone
take more than a gigabyte. The files' own interpreters (`QuantizationRewriter`, `CompressionGate`) are small processes
beside it, whose memory is not counted. Needs Linux.
"""

from __future__ import annotations

import argparse
import json
import os
import pathlib
import re
import resource
import subprocess
import sys
import tempfile
from typing import Any

from benchmarks import simulator

Costs = dict[str, dict[str, float]]
"""`cpu` seconds and `peak` bytes by step."""

TOTAL = 'whole run'
"""The line of all steps, imports and start included."""


def main(arguments: list[str] | None = None) -> None:
  """Prints the table; see `--help`."""
  parser = argparse.ArgumentParser(prog='python -m benchmarks.whole_run', description=__doc__)
  parser.add_argument('--rides', type=int, nargs='+', default=[200_000, 2_000_000])
  parser.add_argument('--config', default='nyc', help='of which the simulated rides have the columns')
  parser.add_argument('--set', dest='overrides', action='append', default=[], metavar='A.B=C')
  parser.add_argument('--parts', type=int, default=4, help='Parquet files')
  parser.add_argument('--folder', type=pathlib.Path, help='where rides and runs stay; left out, they are removed')
  parser.add_argument('--output', type=pathlib.Path, help='also write the figures as JSON')
  options = parser.parse_args(arguments)
  found: dict[int, Costs] = {}
  with tempfile.TemporaryDirectory() as temporary:
    folder = options.folder or pathlib.Path(temporary)
    for rides in sorted(options.rides):
      data = folder / f'rides-{rides}'
      if not data.exists():
        simulator.write(data, rides, file_format=simulator.Format.PARQUET, parts=options.parts)
      run = ['run', '--config', options.config, '--data', f'{data}/*.parquet', '--output', str(folder / f'run-{rides}')]
      found[rides] = _measured([*run, *(part for override in options.overrides for part in ('--set', override))])
      print(_table(found), flush=True)
  if options.output:
    options.output.write_text(json.dumps(found, indent=2))


def _measured(run: list[str]) -> Costs:
  """The costs of a run in a process of its own."""
  root = pathlib.Path(__file__).resolve().parent.parent
  with tempfile.TemporaryDirectory() as folder:
    costs = pathlib.Path(folder) / 'costs.json'
    program = f'from benchmarks import whole_run; whole_run.run_by_step({run!r}, {str(costs)!r})'
    environment = os.environ | {'PYTHONPATH': str(root)}
    ended = subprocess.run(
      [sys.executable, '-W', 'ignore', '-c', program], env=environment, capture_output=True, text=True, check=False
    )
    if not costs.exists():
      raise SystemExit(f'The run failed:\n{ended.stdout[-2000:]}{ended.stderr[-3000:]}')
    if ended.returncode:
      print(f'The run ended with {ended.returncode}:\n{ended.stdout[-2000:]}{ended.stderr[-2000:]}', file=sys.stderr)
    return json.loads(costs.read_text())


def run_by_step(run: list[str], file: str) -> None:
  """Runs in this process, and writes the costs of each step.

  Args:
    run: of the command line.
    file: JSON of `Costs`.
  """
  from tfx.orchestration.portable import launcher

  from pipeline import cli
  from pipeline.local import run as local_run

  local_run.BESIDE = frozenset()  # One after another, so that each step's costs are its own.
  costs: Costs = {}
  launch = launcher.Launcher.launch

  def measured(self: Any) -> Any:
    pathlib.Path('/proc/self/clear_refs').write_text('5')
    before = _cpu()
    try:
      return launch(self)
    finally:
      costs[self._pipeline_node.node_info.id] = {'cpu': _cpu() - before, 'peak': _peak()}

  launcher.Launcher.launch = measured
  try:
    cli.main(run, standalone_mode=False)
  finally:
    peaks = [_peak(), *(step['peak'] for step in costs.values())]
    costs[TOTAL] = {'cpu': _cpu(), 'peak': max(peaks)}
    pathlib.Path(file).write_text(json.dumps(costs))


def _cpu() -> float:
  """Seconds of this process and of its children that have ended."""
  used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
  return sum(one.ru_utime + one.ru_stime for one in used)


def _peak() -> float:
  """Bytes of resident memory at most, since the kernel was last told to count anew."""
  [kilobytes] = re.findall(r'VmHWM:\s+(\d+)', pathlib.Path('/proc/self/status').read_text())
  return float(kilobytes) * 1024


def _table(found: dict[int, Costs]) -> str:
  """By step and number of rides."""
  first, last = min(found), max(found)
  steps = [step for step in found[last] if step != TOTAL] + [TOTAL]
  rows = [['', *(f'{rides:,} rides' for rides in found), 'a further ride']]
  for step in steps:
    cells = []
    for costs in found.values():
      cost = costs.get(step, {'cpu': 0.0, 'peak': 0.0})
      cells.append(f'{cost["cpu"]:,.1f} s, {cost["peak"] / 1e9:.2f} GB')
    slope = ''
    if first < last and step in found[first]:
      cpu, peak = ((found[last][step][key] - found[first][step][key]) / (last - first) for key in ('cpu', 'peak'))
      slope = f'{1e6 * cpu:,.1f} us, {peak:,.0f} B'
    rows.append([step, *cells, slope])
  widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
  return '\n'.join('  '.join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows)


if __name__ == '__main__':
  main()
