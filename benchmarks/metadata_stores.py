"""Concurrent writers on ML Metadata's three stores: SQLite, PostgreSQL, MariaDB.

`python -m benchmarks.metadata_stores --writers 6 --rounds 60` starts that many processes at once. A round is what a
TFX step writes: an execution with its type, its contexts and an output artifact, then the execution's end, in two
transactions. SQLite is measured with MLMD's own five retries, too. At the end the store itself says how many rounds it
has, whole.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import multiprocessing
import os
import pathlib
import sys
import tempfile
import time
from collections.abc import Iterator
from typing import Any

import ml_metadata as mlmd
from ml_metadata.proto import metadata_store_pb2 as mlmd_pb2

from benchmarks.database_servers import PASSWORD, server
from configs import loading
from configs.operations import PASSWORD_VARIABLE, Metadata
from pipeline.operations.store import connect, connection_config, open_store

_WRITES = 'benchmark_step'


def main(arguments: list[str] | None = None) -> None:
  """Prints a row per store; see `--help`."""
  parser = argparse.ArgumentParser(prog='python -m benchmarks.metadata_stores', description=__doc__)
  parser.add_argument('--writers', type=int, default=6, help='processes at once')
  parser.add_argument('--rounds', type=int, default=60, help='rounds of each')
  parser.add_argument('--only', action='append', choices=_STORES, help='only this store; may be repeated')
  parser.add_argument('--output', type=pathlib.Path, help='also write the rows as JSON')
  options = parser.parse_args(arguments)
  rows = []
  print(f'{"store":<38} {"whole rounds":>13} {"errors":>7} {"seconds":>8} {"rounds/s":>9} {"slowest round":>14}')
  for name in options.only or _STORES:
    with _store(name) as (label, connection):
      row = {'store': label} | race(connection, options.writers, options.rounds)
    rows.append(row)
    for error in row['errors']:
      print(f'  {error[:110]}', file=sys.stderr)
    share = f'{row["whole"]}/{row["attempted"]}'
    print(
      f'{label:<38} {share:>13} {len(row["errors"]):>7} {row["seconds"]:>8.1f} {row["whole"] / row["seconds"]:>9.0f} '
      f'{row["slowest"]:>12.2f} s',
      flush=True,
    )
  if options.output:
    options.output.write_text(json.dumps(rows, indent=2))


def race(connection: mlmd_pb2.ConnectionConfig, writers: int, rounds: int) -> dict[str, Any]:
  """Lets processes write at once, and counts what the store has afterwards.

  Args:
    connection: to the store, whose tables are there.
    writers: number of processes.
    rounds: of each.

  Returns:
    `attempted` and `whole` rounds, the `errors` that writers met, `seconds` of wall time, the `slowest` round in
    seconds.
  """
  context = multiprocessing.get_context('spawn')
  gate, results = context.Barrier(writers + 1), context.Queue()
  serialized = connection.SerializeToString()
  processes = [context.Process(target=_write, args=(serialized, n, rounds, gate, results)) for n in range(writers)]
  for process in processes:
    process.start()
  gate.wait()
  start = time.monotonic()
  reported = [results.get() for _ in processes]
  seconds = time.monotonic() - start
  for process in processes:
    process.join()
  return {
    'attempted': writers * rounds,
    'whole': _whole_rounds(mlmd.MetadataStore(connection)),
    'errors': [error for errors, _ in reported for error in errors],
    'seconds': seconds,
    'slowest': max(slowest for _, slowest in reported),
  }


def _write(serialized: bytes, writer: int, rounds: int, gate: Any, results: Any) -> None:
  """One process; an error is counted, and the next round begins, as the next step of a pipeline would."""
  connection = mlmd_pb2.ConnectionConfig.FromString(serialized)
  gate.wait()
  own = connection.HasField('retry_options')
  errors: list[str] = []
  slowest = 0.0
  store = None
  for number in range(rounds):
    start = time.monotonic()
    try:
      store = store or (connect(connection) if own else mlmd.MetadataStore(connection))
      _round(store, writer, number)
    except Exception as error:
      errors.append(f'{type(error).__name__}: {error}')
    slowest = max(slowest, time.monotonic() - start)
  results.put((errors, slowest))


def _round(store: mlmd.MetadataStore, writer: int, number: int) -> None:
  types = {
    'step': store.put_execution_type(mlmd_pb2.ExecutionType(name=_WRITES)),
    'output': store.put_artifact_type(mlmd_pb2.ArtifactType(name=_WRITES)),
    'run': store.put_context_type(mlmd_pb2.ContextType(name=_WRITES)),
  }
  contexts = [
    mlmd_pb2.Context(type_id=types['run'], name='all'),
    mlmd_pb2.Context(type_id=types['run'], name=f'writer {writer}'),
  ]
  execution = mlmd_pb2.Execution(type_id=types['step'], last_known_state=mlmd_pb2.Execution.RUNNING)
  [execution.id, *_] = store.put_execution(execution, [], contexts, reuse_context_if_already_exist=True)
  execution.last_known_state = mlmd_pb2.Execution.COMPLETE
  output = mlmd_pb2.Artifact(type_id=types['output'], uri=f'/{writer}/{number}', state=mlmd_pb2.Artifact.LIVE)
  event = mlmd_pb2.Event(type=mlmd_pb2.Event.OUTPUT)
  store.put_execution(execution, [(output, event)], contexts, reuse_context_if_already_exist=True)


def _whole_rounds(store: mlmd.MetadataStore) -> int:
  """Executions that ended, each with its one output and both of its contexts."""
  executions = store.get_executions_by_type(_WRITES)
  ended = [e.id for e in executions if e.last_known_state == mlmd_pb2.Execution.COMPLETE]
  events = store.get_events_by_execution_ids(ended) if ended else []
  outputs = [event.execution_id for event in events]
  return sum(outputs.count(e) == 1 and len(store.get_contexts_by_execution(e)) == 2 for e in ended)


@contextlib.contextmanager
def _store(name: str) -> Iterator[tuple[str, mlmd_pb2.ConnectionConfig]]:
  """A fresh store with its tables made."""
  with tempfile.TemporaryDirectory() as folder:
    file = pathlib.Path(folder) / 'metadata.sqlite'
    if name.startswith('sqlite'):
      connection = connection_config(Metadata(), file)
      label = f'SQLite, {connection.retry_options.max_num_retries} retries'
      if name == 'sqlite-default':
        connection.ClearField('retry_options')
        label = "SQLite, MLMD's own 5 retries"
      open_store(Metadata(), file)
      yield label, connection
      return
    os.environ[PASSWORD_VARIABLE] = PASSWORD
    with server(name) as running:
      metadata = loading.load('nyc', running.overrides()).metadata
      open_store(metadata, file)
      yield running.version, connection_config(metadata, file)


_STORES = ('sqlite-default', 'sqlite', 'postgresql', 'mysql')

if __name__ == '__main__':
  main()
