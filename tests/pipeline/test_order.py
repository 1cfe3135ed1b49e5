"""What is listed comes in the order that is promised, whatever a folder, a store or a mapping says.

Oracle: the order in which the test asks for it; each source is turned round once.
"""

from __future__ import annotations

import datetime
import json
import os
import pathlib

import pytest
import tensorflow as tf

from components.bigquery_ride_gen import reader
from components.feature_engineering import example_io
from components.ride_example_gen.executor import Staging
from models import release
from pipeline import code_version
from pipeline.operations import lineage, registry
from pipeline.report.record import read_columns, read_record
from pipeline.retraining.ledger import Ledger, SpanEntry
from tests.pipeline.made_run import made_run
from tests.pipeline.made_store import NOON, MadeStore, make_version

FACTS = {'dataset': 'nyc', 'inputs': (), 'metrics': {}, 'recipe': 'dense', 'scheme': 'int8', 'code_version': '1'}


@pytest.fixture
def made(tmp_path: pathlib.Path) -> MadeStore:
  """Three runs that were entered in another order than they began in."""
  store = MadeStore(tmp_path)
  for version, hours in ((9, 5), (10, 1), (2, 3)):
    store.run(version=version, started=NOON + datetime.timedelta(hours=hours))
  return store


def _turned(monkeypatch: pytest.MonkeyPatch, store: object, name: str) -> None:
  original = getattr(store, name)
  monkeypatch.setattr(store, name, lambda *given: list(reversed(list(original(*given)))))


@pytest.mark.parametrize('turn', [False, True])
def test_runs_in_the_order_of_their_entry(made, monkeypatch, turn):
  """Whatever their clocks said."""
  if turn:
    _turned(monkeypatch, made.store, 'get_contexts_by_type')
  assert [entry.run for entry in registry.read_runs(made.store, made.config, made.output)] == made.runs


def test_pushes_in_the_order_in_which_they_happened(made, monkeypatch):
  """Neither by number nor by the start of their runs."""
  assert list(registry.pushes(made.store, 'nyc')) == [9, 10, 2]
  _turned(monkeypatch, made.store, 'get_artifacts_by_context')
  assert list(registry.pushes(made.store, 'nyc')) == [9, 10, 2]


def test_a_lineage_in_the_order_of_its_making(made, monkeypatch):
  steps = [
    *(('RideExampleGen', 'examples'), ('RideExampleGen', 'quarantine'), ('PruningTrainer', 'model')),
    *(('FareEvaluator', 'blessing'), ('FareEvaluator', 'evaluation')),
    *(('CompressionGate', 'blessing'), ('CompressionGate', 'model'), ('Pusher', 'pushed_model')),
  ]
  for turn in (False, True):
    if turn:
      _turned(monkeypatch, made.store, 'get_events_by_execution_ids')
    found = lineage.outputs_of_run(made.store, made.runs[:1])
    assert [(one.step, one.key) for one in found] == steps


def test_files_of_a_manifest_by_name(tmp_path, monkeypatch):
  make_version(tmp_path, 'bytes')
  names = ['model.tflite', 'saved_model.pb', 'variables/data']
  walk = os.walk

  def turned(folder):
    for parent, folders, files in walk(folder):
      folders.sort(reverse=True)
      yield parent, folders, sorted(files, reverse=True)

  monkeypatch.setattr(os, 'walk', turned)
  assert list(release.write_manifest(tmp_path, release.Manifest(**FACTS)).files) == names


def test_parts_of_a_split_by_name(tmp_path):
  """Beam names them in any order; which ride is where must not depend on it."""
  parts = []
  for name in ('b', 'a', 'c'):
    parts.append(str(tmp_path / name))
    with tf.io.TFRecordWriter(parts[-1], tf.io.TFRecordOptions(compression_type='GZIP')) as writer:
      writer.write(name.encode())
  example_io.publish(parts, str(tmp_path / 'split'))
  shards = sorted((tmp_path / 'split').iterdir())
  assert [next(tf.data.TFRecordDataset(str(shard), 'GZIP').as_numpy_iterator()) for shard in shards] == [
    b'a',
    b'b',
    b'c',
  ]


def test_rows_of_bigquery_by_name(tmp_path):
  staging = Staging(str(tmp_path))
  reader._note(['c', 'a', 'b'], staging)
  assert reader.staged_files(staging) == ('a', 'b', 'c')


def test_columns_of_the_statistics_by_name(tmp_path):
  names = [column.name for column in read_columns(read_record(made_run(tmp_path / 'out')))]
  assert names == ['dropoff_latitude', 'fare_amount', 'passenger_count', 'pickup_seconds']


def test_code_in_a_fixed_order(monkeypatch):
  before = code_version.code_version('components.pusher.component')
  named = code_version._Sources.modules
  monkeypatch.setattr(code_version._Sources, 'modules', lambda *given: sorted(named(*given), reverse=True))
  assert code_version.code_version('components.pusher.component') == before


def test_spans_of_the_ledger_by_number(tmp_path):
  """10 comes after 9, which it does not as text."""
  entry = SpanEntry('a', 1, 1)
  ledger = Ledger(tmp_path / 'retraining.json', spans={10: entry, 9: entry, 11: entry})
  ledger.save()
  assert list(json.loads(ledger.path.read_text())['spans']) == ['9', '10', '11']
