"""Seconds to compile the pipeline for each cloud target, and what of them is imports.

`python -m benchmarks.compile` times the command as a user calls it, each time in a
new process, and the compiler and the linter alone in one process.
"""

from __future__ import annotations

import argparse
import json
import pathlib
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
start = time.perf_counter()
from pipeline import environment; environment.prepare()
from configs import loading
from pipeline.data_source import data_source
from pipeline.targets.kubeflow_compiler import compile_pipeline
from pipeline.targets.kubeflow_lint import lint
from pipeline.targets.target import Target
config, seconds = loading.load(sys.argv[1], sys.argv[3:]), {'imports': time.perf_counter() - start}
source, target = data_source(config.dataset.path), Target(sys.argv[2])
for name in ('compile', 'compile again'):
  start = time.perf_counter()
  compiled = compile_pipeline(config, source, config.platform, target)
  seconds[name] = time.perf_counter() - start
start = time.perf_counter()
assert lint(compiled) == []
seconds['lint'] = time.perf_counter() - start
print(json.dumps(seconds | {'bytes': len(compiled.text()), 'tasks': len(compiled.spec['root']['dag']['tasks'])}))
"""


def main(arguments: list[str] | None = None) -> None:
  """Prints a table; see `--help`."""
  parser = argparse.ArgumentParser(prog='python -m benchmarks.compile', description=__doc__)
  parser.add_argument('--config', default='nyc')
  parser.add_argument('--repeats', type=int, default=5)
  options = parser.parse_args(arguments)
  print(
    f'{"target":<8}{"farelite compile":>24}{"imports":>9}{"compile":>9}{"again":>9}{"lint":>9}{"tasks":>7}{"bytes":>9}'
  )
  for target in ('vertex', 'kfp'):
    whole = [_command(options.config, target) for _ in range(options.repeats)]
    parts = [_inside(options.config, target) for _ in range(options.repeats)]
    middle = {name: statistics.median(part[name] for part in parts) for name in parts[0]}
    print(
      f'{target:<8}{f"{statistics.median(whole):.1f} s ({min(whole):.1f}–{max(whole):.1f})":>24}'
      + ''.join(f'{middle[name]:>7.2f} s' for name in ('imports', 'compile', 'compile again', 'lint'))
      + f'{middle["tasks"]:>7.0f}{middle["bytes"]:>9,.0f}'
    )


def _command(config: str, target: str) -> float:
  """Seconds of the whole command."""
  sets = [word for setting in _SETTINGS for word in ('--set', setting)]
  with tempfile.TemporaryDirectory() as folder:
    output = pathlib.Path(folder) / f'pipeline.{"json" if target == "vertex" else "yaml"}'
    start = time.perf_counter()
    command = [sys.executable, '-m', 'pipeline', 'compile', '--target', target, '--config', config, *sets]
    subprocess.run([*command, '--output', str(output)], check=True, capture_output=True)
    return time.perf_counter() - start


def _inside(config: str, target: str) -> dict[str, float]:
  """Seconds of the parts."""
  command = [sys.executable, '-c', _INSIDE, config, target, *_SETTINGS]
  result = subprocess.run(command, check=True, capture_output=True, text=True)
  return dict(json.loads(result.stdout.splitlines()[-1]))


if __name__ == '__main__':
  main()
