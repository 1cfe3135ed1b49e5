"""Writing TFRecords by `TFRecordFile`, beside zlib and TensorFlow's own writer: CPU, wall, bytes for each ride.

`python -m benchmarks.records` simulates rides, encodes them as the ingestion does, and writes the same records with
each, in turn; the figures are the medians. What is read back must be the same records in the same order.
"""

from __future__ import annotations

import argparse
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time
import zlib
from collections.abc import Callable

import tensorflow as tf

from components.ride_example_gen.canonical import canonicalize
from components.ride_example_gen.encoding import TFRecordFile, encode_examples, frame
from components.ride_example_gen.reading import read_blocks
from configs.loading import load

Batches = list[list[bytes]]


def main(arguments: list[str] | None = None) -> None:
  """Prints a table; see `--help`."""
  parser = argparse.ArgumentParser(prog='python -m benchmarks.records', description=__doc__)
  parser.add_argument('--rows', type=int, default=200_000)
  parser.add_argument('--rounds', type=int, default=5)
  options = parser.parse_args(arguments)
  writers: dict[str, Callable[[Batches, pathlib.Path], None]] = {
    'TFRecordFile': _ours,
    'zlib': _zlib,
    'TensorFlow': _tensorflow,
  }
  with tempfile.TemporaryDirectory() as name:
    folder = pathlib.Path(name)
    batches = _batches(options.rows, folder)
    seconds: dict[str, list[tuple[float, float]]] = {writer: [] for writer in writers}
    for _ in range(options.rounds):
      for writer, write in writers.items():
        seconds[writer].append(_timed(write, batches, folder / writer))
    rides = sum(map(len, batches))
    print(f'{"writer":<14}{"CPU µs":>8}{"wall µs":>9}{"bytes":>8}   a ride')
    for writer, times in seconds.items():
      cpu, wall = (1e6 * statistics.median(column) / rides for column in zip(*times, strict=True))
      _check(batches, folder / writer)
      print(f'{writer:<14}{cpu:>8.2f}{wall:>9.2f}{(folder / writer).stat().st_size / rides:>8.1f}')


def _batches(rows: int, folder: pathlib.Path) -> Batches:
  simulate = ['--rows', str(rows), '--seed', '0', '--format', 'csv', '--parts', '1', '--output', str(folder / 'rides')]
  subprocess.run([sys.executable, '-m', 'benchmarks.simulator', *simulate], check=True, stdout=subprocess.DEVNULL)
  dataset = load('nyc').dataset
  [path] = (folder / 'rides').glob('*.csv')
  return [encode_examples(canonicalize(block.rows, dataset).valid_rides) for block in read_blocks(str(path), dataset)]


def _timed(write: Callable[[Batches, pathlib.Path], None], batches: Batches, path: pathlib.Path) -> tuple[float, float]:
  """CPU and wall seconds."""
  cpu, wall = time.process_time(), time.perf_counter()
  write(batches, path)
  return time.process_time() - cpu, time.perf_counter() - wall


def _ours(batches: Batches, path: pathlib.Path) -> None:
  file = TFRecordFile(path.open('wb'))
  for batch in batches:
    file.write(batch)
  file.close()


def _zlib(batches: Batches, path: pathlib.Path) -> None:
  gzip = zlib.compressobj(1, zlib.DEFLATED, zlib.MAX_WBITS | 16)
  with path.open('wb') as file:
    for batch in batches:
      file.write(gzip.compress(frame(batch)))
    file.write(gzip.flush())


def _tensorflow(batches: Batches, path: pathlib.Path) -> None:
  options = tf.io.TFRecordOptions(compression_type='GZIP', compression_level=1)
  with tf.io.TFRecordWriter(str(path), options) as writer:
    for batch in batches:
      for record in batch:
        writer.write(record)


def _check(batches: Batches, path: pathlib.Path) -> None:
  found = tf.data.TFRecordDataset(str(path), 'GZIP').as_numpy_iterator()
  if list(found) != [record for batch in batches for record in batch]:
    raise SystemExit(f'{path.name} wrote other records.')


if __name__ == '__main__':
  main()
