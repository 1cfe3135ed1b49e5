"""Files of New York rides without their fares, and predictions of them."""

import csv
import datetime
import os
import pathlib
import subprocess
import sys

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from configs.dataset import EPOCH
from configs.loading import load
from pipeline.commands import predict as commands_predict

COLUMNS = ('key', 'pickup_datetime', *load('nyc').dataset.raw_inputs()[1:])


def source_rows(rides, first_key=0):
  """Canonical rides as the source writes them; an independent way back from seconds to text."""
  count = len(rides['pickup_seconds'])
  stamps = [EPOCH + datetime.timedelta(seconds=int(second)) for second in rides['pickup_seconds']]
  rows = []
  for row in range(count):
    cells = ['' if np.isnan(rides[name][row]) else repr(float(rides[name][row])) for name in COLUMNS[2:]]
    rows.append([f'ride {first_key + row}', f'{stamps[row]:%Y-%m-%d %H:%M:%S} UTC', *cells])
  return rows


def write_csv(path, rows, columns=COLUMNS):
  """Returns the path as text."""
  with pathlib.Path(path).open('w', newline='', encoding='utf-8') as file:
    csv.writer(file).writerows([columns, *rows])
  return str(path)


def write_parquet(path, rides, **changes):
  """Returns the path as text; `changes` are columns."""
  stamps = np.datetime64(EPOCH, 's') + rides['pickup_seconds'].astype('timedelta64[s]')
  columns = {'key': [f'ride {row}' for row in range(len(stamps))], 'pickup_datetime': pa.array(stamps)}
  columns |= {name: rides[name].astype(np.float64) for name in COLUMNS[2:]}
  pq.write_table(pa.table(columns | changes), path, row_group_size=7)
  return str(path)


def predict(model, *rides, folder, output='fares.csv', **options):
  """Runs the command in this process; the predictions as rows by column, None where empty, CSV's cells as text."""
  commands_predict.run(str(model), [str(path) for path in rides], output=str(folder / output), **options)
  if not output.endswith('.csv'):
    return pq.read_table(folder / output).to_pylist()
  with (folder / output).open(newline='', encoding='utf-8') as file:
    return rows_of_csv(file)


def rows_of_csv(file):
  """Rows by column, None where empty."""
  return [{name: cell or None for name, cell in row.items()} for row in csv.DictReader(file)]


def fares(rows):
  """Predictions as float32 [rows], NaN where empty."""
  return np.array([row['prediction'] for row in rows], np.float32)


def farelite_predict(*arguments, cwd=None):
  """Runs the command as a user does."""
  command = [sys.executable, '-m', 'pipeline', 'predict', *map(str, arguments)]
  environment = os.environ | {'PYTHONPATH': str(pathlib.Path.cwd())}
  return subprocess.run(command, capture_output=True, text=True, cwd=cwd, env=environment)
