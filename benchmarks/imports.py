"""CPU seconds of a step's process in the cloud until its executor begins, beside those of importing TensorFlow.

`python -m benchmarks.imports` starts each step as a container does, but with no inputs, for want of which the executor
fails at once; the processes of a round run in turn. CPU seconds hang less on what else the machine does than those of
the clock; the ratio to TensorFlow's hangs on it least.
"""

from __future__ import annotations

import argparse
import os
import resource
import statistics
import subprocess
import sys

from components.compression_gate.component import CompressionGate
from components.fare_evaluator.component import FareEvaluator
from components.feature_engineering.component import FeatureEngineering
from components.pruning_trainer.component import PruningTrainer
from components.pusher.component import AtomicPusher
from components.quantization_rewriter.component import QuantizationRewriter
from components.ride_example_gen.component import RideExampleGen
from components.ride_validator.component import AnomalyGate, RideSchema, RideStatisticsGen
from pipeline.cloud import step

_STEPS = (
  *(RideExampleGen, RideSchema, RideStatisticsGen, AnomalyGate, FeatureEngineering),
  *(PruningTrainer, FareEvaluator, QuantizationRewriter, CompressionGate, AtomicPusher),
)


def main(arguments: list[str] | None = None) -> None:
  """Prints a table; see `--help`."""
  parser = argparse.ArgumentParser(prog='python -m benchmarks.imports', description=__doc__)
  parser.add_argument('--rounds', type=int, default=3)
  rounds = parser.parse_args(arguments).rounds
  commands = {'import tensorflow': ['-c', 'import tensorflow']}
  for component in _STEPS:
    path = component.EXECUTOR_SPEC.class_path
    entry = [*step.COMMAND[1:], f'--executor_class_path={path}', '--json_serialized_invocation_args={}']
    commands[component.__name__] = entry
  taken: dict[str, list[float]] = {name: [] for name in commands}
  for _ in range(rounds):
    for name, command in commands.items():
      taken[name].append(_cpu(command))
  base = taken['import tensorflow']
  print(f'{"process":<24}{"CPU s":>8}{"to TensorFlow":>16}{"spread":>16}')
  for name, seconds in taken.items():
    ratios = [own / tensorflow for own, tensorflow in zip(seconds, base, strict=True)]
    spread = f'{min(ratios):.2f}-{max(ratios):.2f}'
    print(f'{name:<24}{statistics.median(seconds):>8.2f}{statistics.median(ratios):>16.2f}{spread:>16}')


def _cpu(command: list[str]) -> float:
  before = resource.getrusage(resource.RUSAGE_CHILDREN)
  environment = os.environ | {'TF_USE_LEGACY_KERAS': '1'}
  subprocess.run([sys.executable, *command], env=environment, capture_output=True, check=False)
  after = resource.getrusage(resource.RUSAGE_CHILDREN)
  return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


if __name__ == '__main__':
  main()
