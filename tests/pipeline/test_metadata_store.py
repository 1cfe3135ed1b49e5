"""The metadata store: real servers, real refusals, several writers at once."""

from __future__ import annotations

import contextlib
import json
import math
import pathlib
import sqlite3
import subprocess
import sys

import pytest
from ml_metadata import ListOptions, OrderByField
from ml_metadata.proto import metadata_store_pb2

from benchmarks.database_servers import PASSWORD, Server
from benchmarks.metadata_stores import race
from configs import loading
from configs.operations import PASSWORD_VARIABLE, Metadata
from pipeline.local import output as local_output
from pipeline.operations import registry
from pipeline.operations.store import RETRIES, MetadataStoreError, connection_config, open_store
from tests.pipeline.database_fixtures import database, metadata_of
from tests.pipeline.made_store import MadeStore

__all__ = ['database']


def test_it_opens_and_opens_again(database: Server, tmp_path: pathlib.Path):
  for _ in range(2):
    assert open_store(metadata_of(database), tmp_path / 'unused').get_artifacts() == []
  assert not (tmp_path / 'unused').exists()


@pytest.mark.parametrize(
  ('override', 'password', 'message'),
  [
    pytest.param('metadata.host=no.such.host.invalid', PASSWORD, "can't be reached: .*metadata.ho", id='unknown_host'),
    pytest.param('metadata.port=1', PASSWORD, "can't be reached: Connection refused", id='nobody_listens'),
    pytest.param('metadata.user=nobody', PASSWORD, "refuses the user 'nobody'", id='unknown_user'),
    pytest.param('metadata.user=farelite', 'wr0ng', 'check metadata.user and the password in FARE', id='password'),
    pytest.param('metadata.user=farelite', '', 'set FARELITE_METADATA_PASSWORD, which is empty', id='no_password'),
    pytest.param('metadata.database=missing', PASSWORD, "There is no metadata store in .*'missing'", id='no_database'),
  ],
)
def test_refusals(
  database: Server, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch, override: str, password: str, message: str
):
  monkeypatch.setenv(PASSWORD_VARIABLE, password)
  with pytest.raises(MetadataStoreError, match=message) as caught:
    open_store(metadata_of(database, override), tmp_path / 'unused')
  assert '\n' not in str(caught.value)
  assert not password or password not in str(caught.value)


@pytest.mark.slow
def test_the_command_says_it_in_one_sentence(database: Server, tmp_path: pathlib.Path):
  data = tmp_path / 'rides.csv'
  data.write_text('fare_amount\n1\n')
  settings = [part for override in [*database.overrides(), 'metadata.user=nobody'] for part in ('--set', override)]
  command = [sys.executable, '-m', 'pipeline', 'run', '--config', 'nyc', '--data', str(data)]
  ended = subprocess.run([*command, '--output', str(tmp_path / 'out'), *settings], capture_output=True, text=True)
  assert ended.returncode == 2, ended.stderr
  assert "refuses the user 'nobody'" in ended.stderr
  assert 'Traceback' not in ended.stderr + ended.stdout
  written = b''.join(path.read_bytes() for path in tmp_path.rglob('*') if path.is_file())
  assert PASSWORD.encode() not in written + ended.stdout.encode() + ended.stderr.encode()


def test_several_processes_write_at_once(database: Server, tmp_path: pathlib.Path):
  """Not a type twice either, which would hide the artifacts of one writer from the others."""
  metadata = metadata_of(database)
  open_store(metadata, tmp_path / 'unused')
  outcome = race(connection_config(metadata, tmp_path / 'unused'), writers=3, rounds=8)
  assert (outcome['whole'], outcome['errors']) == (24, [])
  store = open_store(metadata, tmp_path / 'unused')
  for types in (store.get_artifact_types(), store.get_execution_types(), store.get_context_types()):
    assert [kind.name for kind in types].count('benchmark_step') == 1


def test_several_processes_write_at_once_to_a_file(tmp_path: pathlib.Path):
  file = tmp_path / 'metadata.sqlite'
  open_store(Metadata(), file)
  connection = connection_config(Metadata(), file)
  assert connection.retry_options.max_num_retries == RETRIES == 30
  outcome = race(connection, writers=3, rounds=8)
  assert (outcome['whole'], outcome['errors']) == (24, [])


def test_a_file_that_is_no_database(tmp_path: pathlib.Path):
  file = tmp_path / 'metadata.sqlite'
  file.write_bytes(b'no database' * 100)
  with pytest.raises(MetadataStoreError, match=rf"The metadata store '{file}' can't be opened: .*not a database"):
    open_store(Metadata(), file)


def test_a_name_belongs_to_one_output_directory(database: Server, tmp_path: pathlib.Path):
  """Also after that was moved; another name of the same store is free."""
  config = loading.load('nyc', [*database.overrides(), 'name=claimed'])
  store = open_store(config.metadata, tmp_path / 'unused')
  mine, other = (local_output.prepare(str(tmp_path / name)) for name in ('mine', 'other'))
  registry.claim(store, config, mine)
  registry.claim(store, config, mine)
  with pytest.raises(MetadataStoreError, match=rf"The name 'claimed' in the .* belongs to .*:{mine.path} since"):
    registry.claim(store, config, other)
  second = loading.load('nyc', [*database.overrides(), 'name=claimed-2'])
  registry.claim(store, second, other)
  with pytest.raises(MetadataStoreError, match=rf"'{mine.path}' belongs to the pipeline 'claimed'"):
    registry.claim(store, second, mine)
  moved = local_output.OutputDirectory(mine.path.rename(tmp_path / 'moved'))
  registry.claim(store, config, moved)


def test_a_directory_that_was_filled_with_a_file_store_is_refused(database: Server, tmp_path: pathlib.Path):
  config = loading.load('nyc', [*database.overrides(), 'name=moving'])
  output = local_output.prepare(str(tmp_path))
  (output.artifacts / 'RideExampleGen').mkdir(parents=True)
  with pytest.raises(MetadataStoreError, match='were made with another metadata store'):
    registry.claim(open_store(config.metadata, output.metadata), config, output)


def test_lists_are_in_the_order_of_the_ids(database: Server, tmp_path: pathlib.Path):
  """PostgreSQL by itself moves what is changed to the end, and TFX relies on the order of SQLite and MySQL."""
  store = open_store(metadata_of(database), tmp_path / 'unused')
  kind = store.put_artifact_type(metadata_store_pb2.ArtifactType(name='ordered'))
  made = store.put_artifacts([metadata_store_pb2.Artifact(type_id=kind, uri=str(number)) for number in range(4)])
  [first] = store.get_artifacts_by_id(made[:1])
  first.state = metadata_store_pb2.Artifact.LIVE
  store.put_artifacts([first])
  for found in (store.get_artifacts_by_id(made), store.get_artifacts_by_type('ordered')):
    assert [artifact.id for artifact in found] == made
  newest = ListOptions(limit=2, order_by=OrderByField.ID, is_asc=False)
  asked = [artifact.id for artifact in store.get_artifacts(newest)]
  assert asked == sorted(asked, reverse=True)


def test_texts_come_back_as_they_were(database: Server, tmp_path: pathlib.Path):
  """Backslashes, which MLMD's PostgreSQL client can't write by itself, quotes, and JSON inside JSON."""
  store = open_store(metadata_of(database), tmp_path / 'unused')
  text = json.dumps({'nested': json.dumps({'format': '%Y\\n', 'name': "O'Hare", 'city': 'Zürich'}), 'line': 'a\nb'})
  facts = registry.RunEntry(pipeline='texts', started='2026-01-01T00:00:00+00:00', reason=text)
  registry.begin(store, 'texts', facts)
  context = store.get_context_by_type_and_name('farelite_run', 'texts')
  assert registry.get_properties(context)['reason'] == text


def test_what_an_error_of_the_disk_left_of_a_write_is_taken_out(tmp_path: pathlib.Path):
  """Oracle: what such an error left, row for row: MLMD went on without the transaction that held the first
  rows. It then reads no artifact of the pipeline any more, or ends the process.
  """
  made = MadeStore(tmp_path / 'out')
  made.run(version=1)
  lists = (made.store.get_artifacts, made.store.get_executions, made.store.get_contexts)
  before = [[one.id for one in find()] for find in lists]
  [context] = made.store.get_contexts_by_type('pipeline')
  with contextlib.closing(sqlite3.connect(made.output.metadata)) as database, database:
    for statement in (
      f'insert into Attribution (context_id, artifact_id) values ({context.id}, 99)',
      f'insert into Association (context_id, execution_id) values ({context.id}, 98)',
      'insert into Event (id, artifact_id, execution_id, type, milliseconds_since_epoch) values (97, 99, 98, 4, 1)',
      "insert into EventPath (event_id, is_index_step, step_key) values (97, 0, 'pushed_model')",
      "insert into ArtifactProperty (artifact_id, name, is_custom_property, string_value) values (99, 'a', 1, 'b')",
    ):
      database.execute(statement)
  store = open_store(made.config.metadata, made.output.metadata)
  assert len(store.get_artifacts_by_context(context.id)) == len(before[0])
  assert [[one.id for one in find()] for find in lists] == before
  with contextlib.closing(sqlite3.connect(made.output.metadata)) as database:
    assert database.execute('select count(*) from EventPath where event_id = 97').fetchone() == (0,)


@pytest.mark.parametrize('figure', [math.inf, -math.inf, math.nan])
def test_a_figure_that_is_no_number_is_kept(tmp_path: pathlib.Path, figure: float):
  """As a model has that has diverged; no database takes it for a number."""
  made = MadeStore(tmp_path / 'out')
  made.run(version=1)
  registry.update(made.store, made.runs[0], registry.RunEntry(rmse=figure))
  [entry] = registry.read_runs(made.store, made.config, made.output)
  assert repr(entry.rmse) == repr(figure)
