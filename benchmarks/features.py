"""Features in graph beside the case study's `py_function` approach: rows per second.

`python -m benchmarks.features` runs both on the same simulated rides, in turns,
in one process. Two comparisons: the time stamps alone, and the whole feature
function from time stamps as text to the feature vector.

The case study (Google Cloud's "Performing advanced feature engineering in Keras"
notebook on the taxi fare data) parses each row by `tf.py_function` inside
`tf.map_fn`, with `datetime.strptime`, once for every feature of the time. Its
whole function makes 7 numbers; ours makes the vector of `configs/nyc.yaml`.
"""

from __future__ import annotations

import argparse
import datetime
import os
import statistics
import time
from collections.abc import Callable

os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '2')

import numpy as np
import tensorflow as tf

from benchmarks import simulator
from configs.dataset import COORDINATES, EPOCH, PASSENGERS, TIME
from configs.loading import load
from configs.run import RunConfig
from transforms.civil import parse_seconds
from transforms.engineering import engineer

_FORMAT = '%Y-%m-%d %H:%M:%S %Z'
Inputs = dict[str, tf.Tensor]
Case = tuple[Callable[[Inputs], tf.Tensor], Inputs]


def main(arguments: list[str] | None = None) -> None:
  """Prints a table; see `--help`."""
  parser = argparse.ArgumentParser(prog='python -m benchmarks.features', description=__doc__)
  parser.add_argument('--rows', type=int, default=200_000, help='rides for the functions in graph')
  parser.add_argument('--case-study-rows', type=int, default=4_000, help='rides for the py_function approach')
  parser.add_argument('--repeats', type=int, default=5)
  options = parser.parse_args(arguments)
  rides = _rides(options.rows)
  few = {name: column[: options.case_study_rows] for name, column in rides.items()}
  config = load('nyc')
  catalogued = tf.function(lambda inputs: _vector(inputs, config))
  pairs = {
    'time stamps': (tf.function(lambda inputs: parse_seconds(inputs['stamp'])), tf.function(_case_study_seconds)),
    'all features': (catalogued, tf.function(_case_study_features)),
  }
  np.testing.assert_array_equal(pairs['time stamps'][0](few), pairs['time stamps'][1](few))
  print(f'{"":<14}{"in graph, rows/s":>18}{"py_function, rows/s":>21}{"ratio":>7}  spread of the ratio')
  for name, (ours, theirs) in pairs.items():
    _compare(name, (ours, rides), (theirs, few), options.repeats)


def _compare(name: str, ours: Case, theirs: Case, repeats: int) -> None:
  _rows_per_second(ours), _rows_per_second(theirs)  # traced
  pairs = [(_rows_per_second(ours), _rows_per_second(theirs)) for _ in range(repeats)]
  ratios = [fast / slow for fast, slow in pairs]
  fast, slow = (statistics.median(speeds) for speeds in zip(*pairs, strict=True))
  spread = f'{min(ratios):.0f} to {max(ratios):.0f}'
  print(f'{name:<14}{fast:>18,.0f}{slow:>21,.0f}{statistics.median(ratios):>7.0f}  {spread}')


def _rows_per_second(case: Case) -> float:
  function, inputs = case
  start = time.perf_counter()
  function(inputs).numpy()
  return inputs[TIME].shape[0] / (time.perf_counter() - start)


def _rides(rows: int) -> Inputs:
  """Simulated rides with their time stamps as text."""
  batches = list(simulator.simulate(rows))
  columns = {
    name: np.concatenate([batch.column(name).to_numpy(zero_copy_only=False) for batch in batches])
    for name in (*COORDINATES, PASSENGERS, 'pickup_datetime')
  }
  stamps = tf.constant(columns.pop('pickup_datetime').astype(str))
  inputs = {name: tf.constant(column.astype(np.float32)) for name, column in columns.items()}
  return inputs | {'stamp': stamps, TIME: parse_seconds(stamps)}


def _vector(inputs: Inputs, config: RunConfig) -> tf.Tensor:
  return engineer(inputs | {TIME: parse_seconds(inputs['stamp'])}, config.dataset, config.features).values


def _parsed(stamp: tf.Tensor) -> datetime.datetime:
  return datetime.datetime.strptime(stamp.numpy().decode(), _FORMAT)


def _row_by_row(function: Callable[[datetime.datetime], float], stamps: tf.Tensor, kind: tf.DType) -> tf.Tensor:
  return tf.map_fn(
    lambda stamp: tf.py_function(lambda text: function(_parsed(text)), [stamp], kind), stamps, fn_output_signature=kind
  )


def _case_study_seconds(inputs: Inputs) -> tf.Tensor:
  return _row_by_row(lambda moment: int((moment - EPOCH).total_seconds()), inputs['stamp'], tf.int32)


def _case_study_features(inputs: Inputs) -> tf.Tensor:
  """Weekday and hour, Euclidean distance in degrees, scaled coordinates."""
  stamps = inputs['stamp']
  weekday = _row_by_row(lambda moment: moment.weekday(), stamps, tf.float32)
  hour = _row_by_row(lambda moment: moment.hour, stamps, tf.float32)
  east = inputs['dropoff_longitude'] - inputs['pickup_longitude']
  north = inputs['dropoff_latitude'] - inputs['pickup_latitude']
  scaled = [(inputs[name] + 78) / 8 if 'longitude' in name else (inputs[name] - 37) / 8 for name in COORDINATES]
  return tf.stack([weekday, hour, tf.sqrt(east * east + north * north), *scaled], axis=1)


if __name__ == '__main__':
  main()
