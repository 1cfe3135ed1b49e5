"""Runs the digits' pipeline and shows what came of it: `python -m examples.digits`, or `make example`."""

from __future__ import annotations

import argparse
import os
import pathlib
import subprocess
import sys
import warnings

# Before TensorFlow is imported: Keras 2 everywhere, and no notes on processors.
os.environ.setdefault('TF_USE_LEGACY_KERAS', '1')
os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '2')

import numpy as np
import tensorflow as tf
from absl import logging
from rich.console import Console
from rich.table import Table
from tfx import v1 as tfx

from components.compression_gate.records import REPORT_FILE, CompressionRecord
from examples.digits import on_device
from examples.digits.pipeline import create_pipeline
from pipeline.report.artifact_page import ExtraSection, write_artifact_page


def main(arguments: list[str] | None = None) -> None:
  """See `--help`."""
  parser = argparse.ArgumentParser(prog='python -m examples.digits', description=__doc__)
  parser.add_argument('--net', choices=('plain', 'mobile'), default='plain', help='see examples/digits/model.py')
  parser.add_argument('--output', default='out/digits', help='folder of everything that comes of it')
  options = parser.parse_args(arguments)
  output = pathlib.Path(options.output) / options.net
  console = Console(width=None if sys.stdout.isatty() else 120)
  console.print(f'The pipeline runs, from {output}/data to {output}/serving: about a minute on two cores.')
  logging.set_verbosity(logging.ERROR)
  warnings.simplefilter('ignore')
  tfx.orchestration.LocalDagRunner().run(create_pipeline(str(output), options.net))
  record = CompressionRecord.read(_artifact(output, 'CompressionGate', 'report') / REPORT_FILE)
  console.print(table(record))
  console.print(record.reason)
  console.print(f'{write_page(output)} has it with pictures, slices and confusions.')
  if record.chosen is not None:
    pushed = _newest(output / 'serving') / 'model.tflite'
    console.print(f'{pushed} under ai-edge-litert alone: accuracy {on_a_device(pushed, output):.4f}')


def table(record: CompressionRecord) -> Table:
  """The variants, one in a row."""
  made = Table('variant', 'accuracy \\[95 %]', 'bytes', 'gzip', 'µs', 'zero', '')
  for variant in record.variants:
    if variant.accuracy is None or variant.latency_us is None:
      made.add_row(variant.name, variant.reason)
      continue
    accuracy = variant.accuracy
    made.add_row(
      variant.name,
      f'{accuracy.value:.4f} \\[{accuracy.low:.4f}, {accuracy.high:.4f}]',
      *(f'{variant.bytes:,}', f'{variant.gzip_bytes:,}', f'{variant.latency_us.p50:.1f}', f'{variant.sparsity:.0%}'),
      'chosen' if variant.name == record.chosen else 'kept' if variant.within_budget else 'over',
    )
  return made


def write_page(output: pathlib.Path) -> pathlib.Path:
  """Writes the page of the newest run; returns its path."""
  patterns = (_artifact(output, 'DimensionalityReduction', 'report') / 'patterns.svg').read_text(encoding='utf-8')
  return write_artifact_page(
    output / 'report.html',
    'Handwritten digits',
    compression=_artifact(output, 'CompressionGate', 'report'),
    model_run=_artifact(output, 'PruningTrainer', 'model_run'),
    sections=[ExtraSection('components', 'Principal components of the pixels', patterns)],
  )


def on_a_device(model: pathlib.Path, output: pathlib.Path) -> float:
  """Accuracy of a file on the eval split, in a process that can import nothing of this checkout."""
  files = _artifact(output, 'ImportExampleGen', 'examples') / 'Split-eval'
  records = [*tf.data.TFRecordDataset([str(file) for file in files.glob('*.gz')], 'GZIP')]
  spec = {'image': tf.io.FixedLenFeature([64], tf.float32), 'digit': tf.io.FixedLenFeature([], tf.int64)}
  digits = output / 'digits.npz'
  np.savez(digits, **{name: value.numpy() for name, value in tf.io.parse_example(tf.stack(records), spec).items()})
  command = [sys.executable, '-I', on_device.__file__, str(model), str(digits)]
  return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def _artifact(output: pathlib.Path, step: str, key: str) -> pathlib.Path:
  """The newest output of a step."""
  return _newest(output / 'artifacts' / step / key)


def _newest(folder: pathlib.Path) -> pathlib.Path:
  """The numbered folder of the largest number."""
  return max((path for path in folder.iterdir() if path.name.isdecimal()), key=lambda path: int(path.name))


if __name__ == '__main__':
  main()
