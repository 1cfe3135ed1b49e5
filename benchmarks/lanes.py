"""The two lanes side by side: seconds of a run by step, of the imports, and the files that come out.

`python -m benchmarks.lanes --rounds 3` runs the same rides on tfx 1.21 (`.venv`) and on tfx 1.16 (`.venv-tfx116`) in
turn, each in a fresh process and an empty folder; `make install` and `FARELITE_LANE=tfx116 make install` make the two.
CPU seconds are those of the process and of its children that ended. What comes behind `--` goes to `farelite run`:

    python -m benchmarks.lanes -- --config nyc --data '../shared/data/nyc/rides.csv'
"""

from __future__ import annotations

import argparse
import json
import os
import pathlib
import resource
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
  from components.compression_gate.records import JudgedVariant

_ROOT = pathlib.Path(__file__).resolve().parent.parent
LANES = {'tfx121': _ROOT / '.venv' / 'bin' / 'python', 'tfx116': _ROOT / '.venv-tfx116' / 'bin' / 'python'}
_TIMES = 'times.json'
_IMPORT = 'import tfx.v1, tensorflow_model_analysis'

Times = dict[str, tuple[float, float]]
"""Wall and CPU seconds by what took them."""


def main(arguments: Sequence[str] | None = None) -> None:
  """Prints Markdown tables; see `--help`."""
  parser = argparse.ArgumentParser(prog='python -m benchmarks.lanes', description=__doc__)
  parser.add_argument('--rounds', type=int, default=3)
  parser.add_argument('--child', type=pathlib.Path, help=argparse.SUPPRESS)
  parser.add_argument('run', nargs='*', help='what `farelite run` gets')
  options = parser.parse_args(arguments)
  if options.child:
    _run_here(options.child, options.run)
    return
  from pipeline.summary_record import Summary  # Not in the child, whose imports are measured.

  for lane, python in LANES.items():
    if not python.exists():
      raise SystemExit(f'No environment of {lane}: FARELITE_LANE={lane} make install')
  rounds: dict[str, list[Times]] = {lane: [] for lane in LANES}
  files: dict[str, Sequence[JudgedVariant]] = {lane: () for lane in LANES}
  for number in range(options.rounds):
    # Each lane is first in its turn: what comes second finds the disk's cache as the other left it.
    for lane in sorted(LANES, reverse=bool(number % 2)):
      with tempfile.TemporaryDirectory() as folder:
        rounds[lane].append(_run(lane, pathlib.Path(folder), options.run))
        files[lane] = Summary.read(pathlib.Path(folder) / 'out' / 'summary.json').variants
  _print_times(rounds)
  _print_files(files)


def _run(lane: str, folder: pathlib.Path, more: Sequence[str]) -> Times:
  python = str(LANES[lane])
  child = [python, '-W', 'ignore', '-m', 'benchmarks.lanes', '--child', str(folder), '--', *more]
  whole = _timed(child, folder)
  return {
    f'import ({_IMPORT.removeprefix("import ")})': _timed([python, '-W', 'ignore', '-c', _IMPORT], folder),
    **json.loads((folder / _TIMES).read_text()),
    'the whole process': whole,
  }


def _timed(command: Sequence[str], folder: pathlib.Path) -> tuple[float, float]:
  environment = os.environ | {'TF_USE_LEGACY_KERAS': '1', 'TF_CPP_MIN_LOG_LEVEL': '2'}
  start, before = time.monotonic(), _cpu(resource.RUSAGE_CHILDREN)
  with (folder / 'log').open('w+') as log:
    ended = subprocess.run(command, cwd=_ROOT, env=environment, stdout=log, stderr=subprocess.STDOUT, check=False)
    if ended.returncode:
      log.seek(0)
      raise SystemExit(f'{command[0]} failed:\n{log.read()[-3000:]}')
  return time.monotonic() - start, _cpu(resource.RUSAGE_CHILDREN) - before


def _cpu(who: int) -> float:
  used = resource.getrusage(who)
  return used.ru_utime + used.ru_stime


def _run_here(folder: pathlib.Path, more: Sequence[str]) -> None:
  """`farelite run` in this process, with the seconds of each step noted."""
  from pipeline import cli
  from pipeline.local import runner as local_runner

  times: Times = {}
  inner: Callable[..., None] = local_runner.ObservedLocalRunner._run_node

  def noted(runner: Any, pipeline: Any, node: Any, *rest: Any) -> None:
    start, before = time.monotonic(), _cpu(resource.RUSAGE_SELF) + _cpu(resource.RUSAGE_CHILDREN)
    inner(runner, pipeline, node, *rest)
    cpu = _cpu(resource.RUSAGE_SELF) + _cpu(resource.RUSAGE_CHILDREN) - before
    times[node.node_info.id] = time.monotonic() - start, cpu

  local_runner.ObservedLocalRunner._run_node = noted  # type: ignore[assignment, method-assign]
  try:
    cli.main(['run', '--output', str(folder / 'out'), *more], standalone_mode=False)
  except SystemExit as ended:
    if ended.code:
      raise
  (folder / _TIMES).write_text(json.dumps(times))


def _print_times(rounds: Mapping[str, Sequence[Times]]) -> None:
  first, second = rounds
  print(f'| seconds, median of {len(rounds[first])} | {first} wall | CPU | {second} wall | CPU | CPU ratio (range) |')
  print('|---|---|---|---|---|---|')
  for name in rounds[first][0]:
    cells = []
    for lane in rounds:
      cells += [f'{statistics.median(times[name][kind] for times in rounds[lane]):.2f}' for kind in (0, 1)]
    if float(cells[0]) < 0.1 and float(cells[2]) < 0.1:
      continue
    pairs = zip(rounds[first], rounds[second], strict=True)
    ratios = [one[name][1] / max(other[name][1], 1e-3) for one, other in pairs]
    spread = f'{statistics.median(ratios):.2f} ({min(ratios):.2f}–{max(ratios):.2f})'
    print(f'| {name} | {" | ".join(cells)} | {spread} |')


def _print_files(files: Mapping[str, Sequence[JudgedVariant]]) -> None:
  first, second = files
  print(f'\n| file | {first} bytes | RMSE | {second} bytes | RMSE |\n|---|---|---|---|---|')
  others = {variant.name: variant for variant in files[second]}
  for variant in files[first]:
    pair = variant, others.pop(variant.name, None)
    print(f'| {variant.name} | {" | ".join(map(_cells, pair))} |')
  for name, found in others.items():
    print(f'| {name} | not made | | {_cells(found)} |')


def _cells(found: JudgedVariant | None) -> str:
  return f'{found.bytes:,} | {found.rmse.value:.6f}' if found and found.rmse else 'not made | '


if __name__ == '__main__':
  main()
