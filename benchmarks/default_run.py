"""The whole default run beside TFX's own taxi template, on the same trips and the same number of training steps.

`python -m benchmarks.default_run --rounds 3` runs both in turn, each in a fresh process and an empty folder, imports
and start of the process included; then this project's once more in its folder, where nothing has changed. The template
is the one inside the installed tfx, with all of its commented-out components switched on, as its comments tell a user
to do.

The template has no quarantine, no curated schema, no gate, and judges one slice; this project's run does all of that
in the same time.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import pathlib
import re
import statistics
import subprocess
import sys
import tempfile
import time

STEPS = 1000
"""Training steps of both; the template's default."""

_BATCH = 64
"""The template's batch size."""

_TEMPLATE = 'tfx.experimental.templates.taxi'


def main(arguments: list[str] | None = None) -> None:
  """Prints the seconds of each round and the ratio; see `--help`."""
  parser = argparse.ArgumentParser(prog='python -m benchmarks.default_run', description=__doc__)
  parser.add_argument('--rounds', type=int, default=3)
  parser.add_argument('--side', choices=sorted(_SIDES), help=argparse.SUPPRESS)
  parser.add_argument('--output', type=pathlib.Path, help='also write the seconds as JSON')
  options = parser.parse_args(arguments)
  if options.side:
    _SIDES[options.side]()
    return
  seconds: dict[str, list[float]] = {side: [] for side in _SIDES}
  unchanged: list[float] = []
  for number in range(options.rounds):
    for side, times in seconds.items():
      took, *again = _time(side, 2 if side == 'farelite' else 1)
      times.append(took)
      unchanged += again
      told = f', unchanged {again[0]:.2f} s' if again else ''
      print(f'round {number + 1}  {side:<10} {took:6.1f} s{told}', flush=True)
  ratios = [ours / template for ours, template in zip(seconds['farelite'], seconds['template'], strict=True)]
  print(f'farelite / template: median {statistics.median(ratios):.2f}, from {min(ratios):.2f} to {max(ratios):.2f}')
  print(f'unchanged: median {statistics.median(unchanged):.2f} s, from {min(unchanged):.2f} to {max(unchanged):.2f}')
  if options.output:
    options.output.write_text(json.dumps({**seconds, 'unchanged': unchanged, 'ratios': ratios}, indent=2))


def _time(side: str, times: int) -> list[float]:
  """Seconds of a side, so many times in one folder."""
  root = pathlib.Path(__file__).resolve().parent.parent
  environment = os.environ | {'PYTHONPATH': str(root), 'TF_USE_LEGACY_KERAS': '1'}
  with tempfile.TemporaryDirectory() as folder, (pathlib.Path(folder) / 'log').open('w+') as log:
    command = [sys.executable, '-W', 'ignore', '-m', 'benchmarks.default_run', '--side', side]
    took = []
    for _ in range(times):
      start = time.monotonic()
      ended = subprocess.run(command, cwd=folder, env=environment, stdout=log, stderr=subprocess.STDOUT, check=False)
      took.append(time.monotonic() - start)
      if ended.returncode:
        log.seek(0)
        raise SystemExit(f'{side} failed:\n{log.read()[-3000:]}')
  return took


def _farelite() -> None:
  from pipeline import cli

  overrides = [f'training.steps={STEPS}', 'training.epochs=null', f'training.batch_size={_BATCH}']
  settings = [part for override in overrides for part in ('--set', override)]
  cli.main(['run', '--output', 'out', *settings], standalone_mode=False)


def _template() -> None:
  from tfx.orchestration import metadata
  from tfx.orchestration.local import local_dag_runner
  from tfx.proto import trainer_pb2

  pipeline = _template_module().create_pipeline(
    pipeline_name='taxi',
    pipeline_root='out',
    data_path=str(_template_data()),
    preprocessing_fn=f'{_TEMPLATE}.models.preprocessing.preprocessing_fn',
    run_fn=f'{_TEMPLATE}.models.keras_model.model.run_fn',
    train_args=trainer_pb2.TrainArgs(num_steps=STEPS),
    eval_args=trainer_pb2.EvalArgs(num_steps=150),
    eval_accuracy_threshold=0.6,
    serving_model_dir='serving',
    metadata_connection_config=metadata.sqlite_metadata_connection_config('metadata.sqlite'),
  )
  local_dag_runner.LocalDagRunner().run(pipeline)
  if not list(pathlib.Path('serving').glob('*/saved_model.pb')):
    raise SystemExit('The template pushed nothing, so its time says nothing.')


def _template_module():  # type: ignore[no-untyped-def]
  """The template's pipeline with its commented-out components switched on."""
  spec = importlib.util.find_spec(f'{_TEMPLATE}.pipeline.pipeline')
  assert spec is not None and spec.origin is not None
  text = pathlib.Path(spec.origin).read_text()
  text, switched = re.subn(r'# (components\.append)', r'\1', text)
  if switched < 8:
    raise SystemExit(f'Only {switched} components to switch on; this template is not the known one.')
  path = pathlib.Path('template_pipeline.py').absolute()
  path.write_text(text)
  module_spec = importlib.util.spec_from_file_location('template_pipeline', path)
  assert module_spec is not None and module_spec.loader is not None
  module = importlib.util.module_from_spec(module_spec)
  module_spec.loader.exec_module(module)
  return module


def _template_data() -> pathlib.Path:
  spec = importlib.util.find_spec('tfx')
  assert spec is not None and spec.submodule_search_locations
  return pathlib.Path(spec.submodule_search_locations[0]) / 'examples/chicago_taxi_pipeline/data/simple'


_SIDES = {'template': _template, 'farelite': _farelite}

if __name__ == '__main__':
  main()
