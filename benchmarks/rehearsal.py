"""A rehearsal beside the local run: the price of a process for each step, and the overhead of a cached run.

`python -m benchmarks.rehearsal --target vertex` runs the Chicago rides with the short rehearsal's config: locally into
an empty folder, again with nothing changed, and the same as a rehearsal. On Vertex the second rehearsal finds the
model of the first one as its baseline and evaluates and pushes again; the third one changes nothing. On KFP the
ingestion looks at the rides each time, and makes new artifacts of them, so there hardly a step comes from the cache.

The price of a process is what TFX's entry point takes until it hands over to the executor: imports, mostly.
"""

from __future__ import annotations

import argparse
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence

from pipeline.commands.cloud import RehearsalRecord, RehearsedTask
from pipeline.local.steps import StepState
from pipeline.summary_record import Summary

_ROOT = pathlib.Path(__file__).resolve().parent.parent
_CONFIG = _ROOT / 'tests' / 'integration' / 'short_rehearsal.yaml'


def main(arguments: list[str] | None = None) -> None:
  """Prints a Markdown table; see `--help`."""
  parser = argparse.ArgumentParser(prog='python -m benchmarks.rehearsal', description=__doc__)
  parser.add_argument('--target', choices=['vertex', 'kfp'], default='vertex')
  parser.add_argument('--parallel', type=int, default=2)
  parser.add_argument('--rehearsals', type=int, default=3)
  parser.add_argument('--no-local', action='store_true', help='only the rehearsals')
  options = parser.parse_args(arguments)
  print('| | seconds | steps run | from the cache | price of a process, median (range) |\n|---|---|---|---|---|')
  with tempfile.TemporaryDirectory() as folder:
    for number in range(0 if options.no_local else 2):
      seconds, _ = _timed('run', f'{folder}/local')
      timings = Summary.read(pathlib.Path(folder, 'local', 'summary.json')).timings
      print(f'| local run {number + 1} | {seconds:.1f} | {len(timings)} | | |', flush=True)
    rehearse = ('rehearse', f'{folder}/rehearsal', '--target', options.target, '--parallel', str(options.parallel))
    for number in range(options.rehearsals):
      seconds, output = _timed(*rehearse)
      steps = RehearsalRecord.read(output / 'rehearsal.json').steps
      print(f'| {options.target} rehearsal {number + 1} | {seconds:.1f} | {_row(steps)} |', flush=True)


def _timed(command: str, output: str, *more: str) -> tuple[float, pathlib.Path]:
  """Wall seconds of a `farelite` command, the start of the process included."""
  line = [sys.executable, '-m', 'pipeline', command, '--config', str(_CONFIG), '--output', output, *more]
  start = time.monotonic()
  ended = subprocess.run(line, cwd=_ROOT, capture_output=True, text=True, check=False)
  if ended.returncode:
    raise SystemExit(f'{command} failed:\n{ended.stdout[-2000:]}{ended.stderr[-2000:]}')
  return time.monotonic() - start, pathlib.Path(output)


def _row(steps: Sequence[RehearsedTask]) -> str:
  prices = [step.start_up_seconds for step in steps if step.start_up_seconds]
  cached = sum(step.state is StepState.CACHED for step in steps)
  if not prices:
    return f'0 | {cached} | '
  return f'{len(prices)} | {cached} | {statistics.median(prices):.1f} s ({min(prices):.1f}–{max(prices):.1f})'


if __name__ == '__main__':
  main()
