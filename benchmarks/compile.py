"""Seconds to compile the pipeline for each cloud target, and what of them is imports.

`python -m benchmarks.compile` times the command as a user calls it, each time in a
new process, by the clock and in CPU seconds; then, in CPU seconds, which other
work on the machine hardly changes, its parts.
"""

from __future__ import annotations

import argparse
import json
import pathlib
import resource
import statistics
import subprocess
import sys
import tempfile
import time

_SETTINGS = (
  'dataset.path=gs://rides/*.csv',
  'platform.image=europe-docker.pkg.dev/shop/farelite/farelite:1',
  'platform.pipeline_root=gs://shop/runs',
)
_INSIDE = """
import json, sys, time
start = time.process_time()
from pipeline.local import terminal; terminal.prepare()
from configs import loading
from pipeline.sources import data_source
from pipeline.cloud.compiler import compile_pipeline
from pipeline.cloud.lint import lint
from pipeline.targets import Target
config, seconds = loading.load(sys.argv[1], sys.argv[3:]), {'imports': time.process_time() - start}
source, target = data_source(config.dataset.path), Target(sys.argv[2])
for name in ('compile', 'compile again'):
  start = time.process_time()
  compiled = compile_pipeline(config, source, config.platform, target)
  seconds[name] = time.process_time() - start
start = time.process_time()
assert lint(compiled) == []
seconds['lint'] = time.process_time() - start
print(json.dumps(seconds | {'bytes': len(compiled.text()), 'tasks': len(compiled.spec['root']['dag']['tasks'])}))
"""


def main(arguments: list[str] | None = None) -> None:
  """Prints a table; see `--help`."""
  parser = argparse.ArgumentParser(prog='python -m benchmarks.compile', description=__doc__)
  parser.add_argument('--config', default='nyc')
  parser.add_argument('--repeats', type=int, default=5)
  options = parser.parse_args(arguments)
  names = ('CPU', 'imports', 'compile', 'again', 'lint')
  print(
    f'{"target":<8}{"farelite compile":>24}' + ''.join(f'{name:>9}' for name in names) + f'{"tasks":>7}{"bytes":>9}'
  )
  for target in ('vertex', 'kfp'):
    whole, cpu = zip(*(_command(options.config, target) for _ in range(options.repeats)), strict=True)
    parts = [_inside(options.config, target) for _ in range(options.repeats)]
    middle = {name: statistics.median(part[name] for part in parts) for name in parts[0]}
    print(
      f'{target:<8}{f"{statistics.median(whole):.1f} s ({min(whole):.1f}–{max(whole):.1f})":>24}'
      f'{statistics.median(cpu):>7.1f} s'
      + ''.join(f'{middle[name]:>7.2f} s' for name in ('imports', 'compile', 'compile again', 'lint'))
      + f'{middle["tasks"]:>7.0f}{middle["bytes"]:>9,.0f}'
    )


def _command(config: str, target: str) -> tuple[float, float]:
  """Seconds of the whole command, by the clock and of CPU."""
  sets = [word for setting in _SETTINGS for word in ('--set', setting)]
  with tempfile.TemporaryDirectory() as folder:
    output = pathlib.Path(folder) / f'pipeline.{"json" if target == "vertex" else "yaml"}'
    command = [sys.executable, '-m', 'pipeline', 'compile', '--target', target, '--config', config, *sets]
    start, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([*command, '--output', str(output)], check=True, capture_output=True)
    seconds, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    return seconds, after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime


def _inside(config: str, target: str) -> dict[str, float]:
  """Seconds of the parts."""
  command = [sys.executable, '-c', _INSIDE, config, target, *_SETTINGS]
  result = subprocess.run(command, check=True, capture_output=True, text=True)
  return dict(json.loads(result.stdout.splitlines()[-1]))


if __name__ == '__main__':
  main()
