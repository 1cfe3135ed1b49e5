"""StatisticsGen and feature engineering beside TFX's stock settings: seconds and peak memory.

`python -m benchmarks.transform` simulates rides, ingests them with
RideExampleGen, then runs StatisticsGen, TFX's Transform as it comes and
FeatureEngineering on the same Examples with the same `preprocessing_fn`. Each
executor has a process of its own, in turns, with Beam's in-memory
DirectRunner. The clock runs while the executor does: imports are left out.
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
from typing import Any

_STATISTICS, _STOCK, _OURS = 'StatisticsGen', 'Transform', 'FeatureEngineering'
_PREPARE = 'prepare'


def main(arguments: list[str] | None = None) -> None:
  """Prints a table; see `--help`."""
  parser = argparse.ArgumentParser(prog='python -m benchmarks.transform', description=__doc__)
  parser.add_argument('--rows', type=int, default=200_000)
  parser.add_argument('--repeats', type=int, default=3)
  parser.add_argument('--set', nargs='*', default=[], metavar='a.b=c', help='overrides of configs/nyc.yaml')
  parser.add_argument('--measure', nargs=2, metavar=('WHAT', 'FOLDER'), help=argparse.SUPPRESS)
  options = parser.parse_args(arguments)
  if options.measure:
    what, folder = options.measure
    action = _prepare if what == _PREPARE else _measure
    print(json.dumps(action(what, pathlib.Path(folder), options.set)))
    return
  with tempfile.TemporaryDirectory() as folder:
    simulate = ['--rows', str(options.rows), '--seed', '0', '--format', 'csv', '--output', f'{folder}/rides']
    subprocess.run([sys.executable, '-m', 'benchmarks.simulator', *simulate], check=True, stdout=subprocess.DEVNULL)
    _in_own_process(_PREPARE, folder, options.set)
    runs: dict[str, list[dict[str, float]]] = {_STATISTICS: [], _STOCK: [], _OURS: []}
    for _ in range(options.repeats):
      for what, found in runs.items():
        found.append(_in_own_process(what, folder, options.set))
  _print(options.rows, runs)


def _print(rows: int, runs: dict[str, list[dict[str, float]]]) -> None:
  print(f'{"executor":<20}{"seconds, each run":<24}{"median":>8}{"CPU":>8}{"rows/s":>10}{"peak RSS":>11}')
  for what, found in runs.items():
    median, cpu = (statistics.median(run[key] for run in found) for key in ('seconds', 'cpu'))
    peak = max(run['peak_rss'] for run in found) / 2**20
    each = ' '.join(f'{run["seconds"]:.1f}' for run in found)
    print(f'{what:<20}{each:<24}{median:>8.1f}{cpu:>8.1f}{rows / median:>10,.0f}{peak:>7,.0f} MiB')
  for key, name in (('seconds', 'seconds'), ('cpu', 'CPU seconds, steadier on a busy machine')):
    gen, stock, ours = ([run[key] for run in runs[what]] for what in (_STATISTICS, _STOCK, _OURS))
    ratios = [(g + s) / (g + o) for g, s, o in zip(gen, stock, ours, strict=True)]
    print(f'StatisticsGen + features, stock / ours: {min(ratios):.2f} to {max(ratios):.2f} ({name})')


def _in_own_process(what: str, folder: str, overrides: list[str]) -> dict[str, float]:
  command = [sys.executable, '-W', 'ignore', '-m', 'benchmarks.transform', '--measure', what, folder]
  done = subprocess.run([*command, '--set', *overrides], capture_output=True, text=True)
  if done.returncode:
    raise RuntimeError(f'{what} failed:\n{done.stderr[-3000:]}')
  return json.loads(done.stdout.splitlines()[-1])


def _prepare(_: str, folder: pathlib.Path, overrides: list[str]) -> dict[str, float]:
  """Ingests the simulated rides and writes their schema."""
  from google.protobuf import text_format
  from tfx.components.example_gen import utils
  from tfx.utils import proto_utils

  from components.artifacts import Quarantine
  from components.ride_example_gen import executor as ride_example_gen_executor
  from components.ride_example_gen.executor import RideExampleGenExecutor
  from components.ride_validator.schema import ride_schema
  from configs.loading import load

  config = load('nyc', overrides)
  quarantine = Quarantine()
  quarantine.uri = str(folder / 'quarantine')
  properties = {
    'input_base': str(folder / 'rides'),
    'input_config': proto_utils.proto_to_json(utils.make_default_input_config('*.csv')),
    'dataset': ride_example_gen_executor.DATASET.dump(config.dataset),
    'split': ride_example_gen_executor.dump_split(config.split),
  }
  RideExampleGenExecutor().Do({}, {'examples': [_examples(folder)], 'quarantine': [quarantine]}, properties)
  (folder / 'schema').mkdir()
  schema = text_format.MessageToString(ride_schema(config.dataset, config.validation))
  (folder / 'schema' / 'schema.pbtxt').write_text(schema, encoding='utf-8')
  return {}


def _measure(what: str, folder: pathlib.Path, overrides: list[str]) -> dict[str, float]:
  """Runs an executor in this process; seconds by the clock and of all cores, and peak memory in bytes."""
  from tfx.types import channel_utils, standard_artifacts

  schema = standard_artifacts.Schema()
  schema.uri = str(folder / 'schema')
  inputs = {'examples': [_examples(folder)], 'schema': [schema]}
  channels = {key: channel_utils.as_channel(artifacts) for key, artifacts in inputs.items()}
  component = _component(what, channels, overrides)
  with tempfile.TemporaryDirectory() as output:
    outputs = {}
    for key, channel in component.outputs.items():
      artifact = channel.type()
      artifact.uri = f'{output}/{key}'
      pathlib.Path(artifact.uri).mkdir()
      outputs[key] = [artifact]
    executor = component.executor_spec.executor_class()
    properties = {key: value for key, value in component.exec_properties.items() if value is not None}
    start, cpu = time.perf_counter(), time.process_time()
    executor.Do({key: inputs[key] for key in component.inputs}, outputs, properties)
    seconds, cpu = time.perf_counter() - start, time.process_time() - cpu
  peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
  return {'seconds': seconds, 'cpu': cpu, 'peak_rss': peak}


def _component(what: str, channels: dict[str, Any], overrides: list[str]) -> Any:
  """The component under its stock settings, or ours."""
  from tfx.components.statistics_gen.component import StatisticsGen
  from tfx.components.transform.component import Transform
  from tfx.utils import json_utils

  from components.feature_engineering.component import FeatureEngineering
  from configs.loading import load

  if what == _STATISTICS:
    return StatisticsGen(examples=channels['examples'], schema=channels['schema'])
  config = load('nyc', overrides)
  ours = FeatureEngineering(
    **channels,
    dataset=config.dataset,
    features=config.features,
    slices=config.evaluation.slices,
    code_version='benchmark',
  )
  if what == _OURS:
    return ours
  properties = ours.exec_properties
  return Transform(
    **channels,
    preprocessing_fn=properties['preprocessing_fn'],
    custom_config=json_utils.loads(properties['custom_config']),
  )


def _examples(folder: pathlib.Path) -> Any:
  from tfx.types import artifact_utils, standard_artifacts

  examples = standard_artifacts.Examples()
  examples.uri = str(folder / 'examples')
  examples.split_names = artifact_utils.encode_split_names(['train', 'eval'])
  return examples


if __name__ == '__main__':
  main()
