"""RideExampleGen beside TFX's CsvExampleGen: rows per second, time for each file and peak memory.

`python -m benchmarks.example_gen` simulates rides, then runs both executors on
the same CSV files, each in a process of its own, with Beam's in-memory
DirectRunner (no Beam arguments). The clock runs while the executor does:
imports are left out. What a file costs by itself: `--rows 100000 --parts 10000 --stock-up-to 0`.

`--limit` instead compares the CPU of ingesting the rides with that of the libraries for reading, encoding and
compressing alone, and tells where the rest goes; all take turns in one process.
"""

from __future__ import annotations

import argparse
import cProfile
import io
import json
import pathlib
import pstats
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from typing import Any

_STOCK, _OURS = 'CsvExampleGen', 'RideExampleGen'


def main(arguments: list[str] | None = None) -> None:
  """Prints a table; see `--help`."""
  parser = argparse.ArgumentParser(prog='python -m benchmarks.example_gen', description=__doc__)
  parser.add_argument('--rows', type=int, nargs='+', default=[20_000, 200_000, 2_000_000])
  parser.add_argument('--parts', type=int, default=4, help='number of CSV files')
  parser.add_argument('--stock-up-to', type=int, default=200_000, help='run CsvExampleGen up to so many rows')
  parser.add_argument('--chronological', action='store_true', help='also RideExampleGen with a chronological split')
  parser.add_argument('--limit', action='store_true', help='the CPU of ingestion beside its limit, and a profile')
  parser.add_argument('--rounds', type=int, default=5, help='of --limit')
  parser.add_argument('--measure', nargs=2, metavar=('WHAT', 'FOLDER'), help=argparse.SUPPRESS)
  options = parser.parse_args(arguments)
  if options.measure:
    print(json.dumps(_measure(*options.measure)))
    return
  if options.limit:
    for rows in options.rows:
      _print_limit(rows, options.rounds)
    return
  print(f'{"rows":>9}  {"executor":<29}{"seconds":>8}{"rows/s":>10}{"ratio":>7}{"ms/file":>9}{"peak RSS":>10}')
  for rows in options.rows:
    _compare(rows, options.parts, rows <= options.stock_up_to, options.chronological)


def _compare(rows: int, parts: int, with_stock: bool, with_chronological: bool) -> None:
  with tempfile.TemporaryDirectory() as folder:
    _simulate(rows, parts, folder)
    stock = _in_own_process(_STOCK, folder) if with_stock else None
    if stock:
      print(_line(rows, parts, _STOCK, stock, stock))
    for name in [_OURS, *([f'{_OURS} chronological'] if with_chronological else [])]:
      print(_line(rows, parts, name, _in_own_process(name, folder), stock), flush=True)


def _simulate(rows: int, parts: int, folder: str) -> None:
  simulate = ['--rows', str(rows), '--seed', '0', '--format', 'csv', '--parts', str(parts), '--output', folder]
  subprocess.run([sys.executable, '-m', 'benchmarks.simulator', *simulate], check=True, stdout=subprocess.DEVNULL)


def _in_own_process(what: str, folder: str) -> dict[str, float]:
  command = [sys.executable, '-W', 'ignore', '-m', 'benchmarks.example_gen', '--measure', what, folder]
  done = subprocess.run(command, capture_output=True, text=True)
  if done.returncode:
    raise RuntimeError(f'{what} failed:\n{done.stderr[-3000:]}')
  return json.loads(done.stdout.splitlines()[-1])


def _line(rows: int, parts: int, name: str, measured: dict[str, float], stock: dict[str, float] | None) -> str:
  seconds, mebibytes = measured['seconds'], measured['peak_rss'] / 2**20
  ratio = f'{stock["seconds"] / seconds:.1f}' if stock else '-'
  figures = f'{seconds:>8.2f}{rows / seconds:>10,.0f}{ratio:>7}{1000 * seconds / parts:>9,.2f}{mebibytes:>6,.0f} MiB'
  return f'{rows:>9,}  {name:<29}{figures}'


def _measure(what: str, folder: str) -> dict[str, float]:
  """Runs an executor in this process; seconds, and peak resident memory in bytes."""
  with tempfile.TemporaryDirectory() as output:
    executor, outputs, properties = (_stock if what == _STOCK else _ours)(what, folder, pathlib.Path(output))
    start = time.perf_counter()
    executor.Do({}, outputs, properties)
    seconds = time.perf_counter() - start
  return {'seconds': seconds, 'peak_rss': resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024}


def _print_limit(rows: int, rounds: int) -> None:
  with tempfile.TemporaryDirectory() as folder:
    _simulate(rows, 1, folder)
    [path] = map(str, pathlib.Path(folder).glob('*.csv'))
    parts = _library_parts(path)
    seconds: dict[str, list[float]] = {name: [] for name in ('ingestion', *parts)}
    for _ in range(rounds):
      for name, part in {'ingestion': lambda: _ingest(path), **parts}.items():
        start = time.process_time()
        part()
        seconds[name].append(time.process_time() - start)
    profile = cProfile.Profile()
    profile.runcall(_ingest, path)
  cpu = {name: 1e6 * statistics.median(found) / rows for name, found in seconds.items()}
  limit = sum(cpu[name] for name in parts)
  print(f'{rows:,} rides, CPU µs a ride, medians of {rounds}:')
  print(f'  ingestion {cpu["ingestion"]:.2f}, its limit {limit:.2f}: {cpu["ingestion"] / limit:.2f}')
  print(f'  the limit is {", ".join(f"{name} {cpu[name]:.2f}" for name in parts)}')
  text = io.StringIO()
  pstats.Stats(profile, stream=text).sort_stats('tottime').print_stats(12)
  print(text.getvalue()[text.getvalue().index('   ncalls') :].rstrip(), flush=True)


def _ingest(path: str) -> None:
  from components.ride_example_gen.ingestion import Outputs, ingest_file
  from configs.loading import load

  config = load('nyc')
  with tempfile.TemporaryDirectory() as folder, Outputs(lambda name: pathlib.Path(folder, name).open('wb')) as outputs:
    ingest_file(path, config.dataset, config.split, outputs)


def _library_parts(path: str) -> dict[str, Callable[[], Any]]:
  """Reading typed columns by Arrow, encoding them by tfx_bsl, compressing the records by isal."""
  import numpy as np
  import pyarrow as pa
  import pyarrow.csv as pa_csv
  from isal import isal_zlib
  from tfx_bsl.coders import example_coder

  from configs.dataset import TIME
  from configs.loading import load

  dataset = load('nyc').dataset
  sources = dataset.source_columns()
  types = {column: pa.timestamp('s') if name == TIME else pa.float32() for name, column in sources.items()}
  convert = pa_csv.ConvertOptions(
    column_types=types, include_columns=list(types), timestamp_parsers=[dataset.time.format]
  )

  def read() -> pa.Table:
    return pa_csv.read_csv(path, pa_csv.ReadOptions(use_threads=False), convert_options=convert)

  def encode() -> list[bytes]:
    return [record for batch in batches for record in example_coder.RecordBatchToExamplesEncoder().encode(batch)]

  def compress() -> None:
    gzip = isal_zlib.compressobj(1, isal_zlib.DEFLATED, isal_zlib.MAX_WBITS | 16)
    for block in blocks:
      gzip.compress(block)
    gzip.flush()

  batches = []
  for batch in read().combine_chunks().to_batches(1 << 16):
    offsets = pa.array(np.arange(batch.num_rows + 1, dtype=np.int64))
    columns = [column.cast(pa.int64()) if pa.types.is_timestamp(column.type) else column for column in batch.columns]
    lists = [pa.LargeListArray.from_arrays(offsets, column) for column in columns]
    batches.append(pa.RecordBatch.from_arrays(lists, batch.schema.names))
  records = encode()
  blocks = [b''.join(records[start : start + (1 << 16)]) for start in range(0, len(records), 1 << 16)]
  return {'read': read, 'encode': encode, 'compress': compress}


def _stock(_: str, folder: str, output: pathlib.Path) -> tuple[Any, dict[str, Any], dict[str, Any]]:
  from tfx.components.example_gen import utils
  from tfx.components.example_gen.csv_example_gen import executor as stock_executor
  from tfx.utils import proto_utils

  input_config = utils.make_default_input_config('*.csv')
  properties = {
    'input_base': folder,
    'input_config': proto_utils.proto_to_json(input_config),
    'output_config': proto_utils.proto_to_json(utils.make_default_output_config(input_config)),
  }
  return stock_executor.Executor(stock_executor.Executor.Context()), {'examples': [_examples(output)]}, properties


def _ours(what: str, folder: str, output: pathlib.Path) -> tuple[Any, dict[str, Any], dict[str, Any]]:
  from tfx.components.example_gen import utils
  from tfx.utils import proto_utils

  from components.artifacts import Quarantine
  from components.ride_example_gen import executor as ride_example_gen_executor
  from configs.loading import load

  config = load('nyc', ['split.method=chronological'] if 'chronological' in what else [])
  quarantine = Quarantine()
  quarantine.uri = str(output / 'quarantine')
  properties = {
    'input_base': folder,
    'input_config': proto_utils.proto_to_json(utils.make_default_input_config('*.csv')),
    'dataset': ride_example_gen_executor.DATASET.dump(config.dataset),
    'split': ride_example_gen_executor.dump_split(config.split),
  }
  outputs = {'examples': [_examples(output)], 'quarantine': [quarantine]}
  return (
    ride_example_gen_executor.RideExampleGenExecutor(ride_example_gen_executor.RideExampleGenExecutor.Context()),
    outputs,
    properties,
  )


def _examples(output: pathlib.Path) -> Any:
  from tfx.types import standard_artifacts

  examples = standard_artifacts.Examples()
  examples.uri = str(output / 'examples')
  return examples


if __name__ == '__main__':
  main()
