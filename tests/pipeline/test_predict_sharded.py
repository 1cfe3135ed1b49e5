"""`farelite predict --shards`: the rows of the plain command, in a folder that is whole or not there.

Oracle of all values: the plain command, bit for bit.
"""

import gzip
import os
import pathlib
import re

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from components.ride_example_gen import reading
from configs.errors import FailedError, UserError
from configs.loading import load
from models.release import find_pushed
from pipeline.commands import predict as commands_predict
from pipeline.prediction import sharded
from pipeline.prediction.sharded import PredictedRows, predict_sharded
from tests.models.lite.small_files import some_rides, write_version
from tests.pipeline.ride_files import farelite_predict, source_rows, write_csv, write_parquet


@pytest.fixture(scope='module')
def model(tmp_path_factory):
  """A push destination with one version."""
  destination = tmp_path_factory.mktemp('serving')
  write_version(destination / '3')
  return destination


def rides_of_every_kind(folder):
  """Four files: CSV with rows that are none and rows that break a rule, packed CSV, Parquet of several groups, none."""
  rides = some_rides(load('nyc'), 1500)
  parts = [{name: column[start : start + 500] for name, column in rides.items()} for start in (0, 500, 1000)]
  rows = source_rows(parts[0])
  rows[3], rows[5][1], rows[7][2], rows[9][0] = rows[3][:4], 'yesterday', '12.5', 'a "b", c\nd'
  paths = [write_csv(folder / 'a.csv', rows)]
  packed = pathlib.Path(write_csv(folder / 'b.csv', source_rows(parts[1], 500)))
  (folder / 'b.csv.gz').write_bytes(gzip.compress(packed.read_bytes()))
  paths += [str(folder / 'b.csv.gz'), write_parquet(folder / 'c.parquet', parts[2])]
  pq.write_table(pq.read_table(paths[-1]), paths[-1], row_group_size=32)
  return [*paths, write_csv(folder / 'd.csv', [])]


def parts_of(folder):
  """The record and the files that it names; nothing else is there."""
  record = PredictedRows.read(folder / 'counts.json')
  files = [folder / part.name for part in record.parts]
  assert sorted(folder.iterdir()) == sorted([*files, folder / 'counts.json'])
  return record, files


def assert_adds_up(record, files, rows):
  """Against what the files hold themselves."""
  assert record.rows == rows == sum(part.rows for part in record.parts)
  assert record.rows == record.predicted + sum(record.reasons.values())
  assert [part.first_row for part in record.parts] == np.cumsum([0, *(part.rows for part in record.parts)])[
    :-1
  ].tolist()
  if files[0].suffix == '.parquet':
    assert [pq.read_metadata(file).num_rows for file in files] == [part.rows for part in record.parts]


@pytest.fixture
def small_blocks(monkeypatch):
  """Blocks of 64 rows, and stretches of 128 where groups have 32."""
  monkeypatch.setattr(reading, '_BLOCK_ROWS', 64)
  monkeypatch.setattr(reading, '_STRETCH_ROWS', 100)


@pytest.mark.usefixtures('small_blocks')
def test_parquet_holds_the_rows_of_the_plain_command(model, tmp_path):
  files = rides_of_every_kind(tmp_path)
  commands_predict.run(str(model), files, output=str(tmp_path / 'plain.parquet'))
  commands_predict.run(str(model), files, output=str(tmp_path / 'fares'), shards='parquet')
  record, parts = parts_of(tmp_path / 'fares')
  plain = pq.read_table(tmp_path / 'plain.parquet')
  assert pa.concat_tables(map(pq.read_table, parts)).equals(plain)
  assert [part.source for part in record.parts] == [files[0], files[1], *[files[2]] * 4, files[3]]
  assert [part.rows for part in record.parts] == [500, 500, 128, 128, 128, 116, 0]
  assert_adds_up(record, parts, 1500)
  reasons = plain.column('reason').drop_null().value_counts().to_pylist()
  assert record.reasons == {found['values']: found['counts'] for found in reasons}
  assert len(record.reasons) == 3


@pytest.mark.usefixtures('small_blocks')
def test_csv_holds_the_bytes_of_the_plain_command(model, tmp_path):
  files = rides_of_every_kind(tmp_path)
  commands_predict.run(str(model), files, output=str(tmp_path / 'plain.csv'))
  commands_predict.run(str(model), files, output=str(tmp_path / 'fares'), shards='csv')
  record, parts = parts_of(tmp_path / 'fares')
  header, _, plain = (tmp_path / 'plain.csv').read_bytes().partition(b'\n')
  shards = [part.read_bytes().partition(b'\n') for part in parts]
  assert {shard[0] for shard in shards} == {header}
  assert b''.join(shard[2] for shard in shards) == plain
  assert_adds_up(record, parts, 1500)


@pytest.mark.parametrize('groups', [7, 64, 150])
def test_stretches_are_read_in_the_blocks_of_the_whole(tmp_path, monkeypatch, groups):
  """Where a group does not begin where a block does, the file is not divided."""
  monkeypatch.setattr(reading, '_BLOCK_ROWS', 64)
  monkeypatch.setattr(reading, '_STRETCH_ROWS', 1)
  dataset, path = load('nyc').dataset, write_parquet(tmp_path / 'a.parquet', some_rides(load('nyc'), 320))
  pq.write_table(pq.read_table(path), path, row_group_size=groups)
  found = reading.stretches(path, dataset)
  assert [stretch.rows for stretch in found] == ([64] * 5 if groups == 64 else [320])
  whole = list(reading.read_blocks(path, dataset, label_required=False))
  apart = [block for each in found for block in reading.read_blocks(path, dataset, label_required=False, stretch=each)]
  assert [block.rows.column(0) for block in apart] == [block.rows.column(0) for block in whole]  # The keys.
  np.testing.assert_array_equal(
    np.concatenate([block.numbers for block in apart]), np.concatenate([block.numbers for block in whole])
  )


def test_a_relative_path_stays_as_it_was_called(model, tmp_path, monkeypatch):
  write_csv(tmp_path / 'a.csv', source_rows(some_rides(load('nyc'), 3)))
  write_csv(tmp_path / 'b.csv', source_rows(some_rides(load('nyc'), 3)))
  monkeypatch.chdir(tmp_path)
  commands_predict.run(str(model), ['a.csv', 'b.csv'], output='fares', shards='parquet')
  _, parts = parts_of(tmp_path / 'fares')
  assert pa.concat_tables(map(pq.read_table, parts)).column('file').to_pylist() == ['a.csv'] * 3 + ['b.csv'] * 3


def test_a_bucket_gets_the_counts_last(model, tmp_path):
  """TensorFlow's `ram://` stands for the bucket."""
  from tensorflow.io import gfile

  bucket = f'ram://{tmp_path.name}-{os.getpid()}/fares'
  files = rides_of_every_kind(tmp_path)
  commands_predict.run(str(model), files, output=str(tmp_path / 'fares'), shards='csv')
  commands_predict.run(str(model), files, output=bucket, shards='csv')
  names = sorted(path.name for path in (tmp_path / 'fares').iterdir())
  assert sorted(name for name in gfile.listdir(bucket) if not name.startswith('_staging')) == names
  for name in names:
    with gfile.GFile(f'{bucket}/{name}', 'rb') as file:
      assert file.read() == (tmp_path / 'fares' / name).read_bytes()
  with pytest.raises(UserError, match='has files in it'):
    commands_predict.run(str(model), files, output=bucket, shards='csv')


def test_every_file_that_cannot_be_read_is_named_and_nothing_stays(model, tmp_path):
  good = write_csv(tmp_path / 'a.csv', source_rows(some_rides(load('nyc'), 3)))
  (tmp_path / 'b.csv.gz').write_bytes(gzip.compress(b'key,pickup_datetime\n' * 1000)[:50])
  other = write_csv(tmp_path / 'c.csv', [], ('a', 'b'))
  before = sorted(tmp_path.iterdir())
  with pytest.raises(UserError) as caught:
    commands_predict.run(
      str(model), [good, str(tmp_path / 'b.csv.gz'), other], output=str(tmp_path / 'fares'), shards='csv'
    )
  sentences = str(caught.value).splitlines()
  assert len(sentences) == 2
  assert "b.csv.gz' breaks off or is damaged" in sentences[0]
  assert "c.csv' has no column 'pickup_datetime'" in sentences[1]
  assert sorted(tmp_path.iterdir()) == before


def _predict(model, tmp_path):
  files = rides_of_every_kind(tmp_path)
  before = sorted(tmp_path.iterdir())
  try:
    return predict_sharded(files, load('nyc').dataset, find_pushed(model).file, str(tmp_path / 'fares'), '.parquet')
  except FailedError:
    assert sorted(tmp_path.iterdir()) == before
    raise


@pytest.mark.usefixtures('small_blocks')
def test_lost_rows_are_found(model, tmp_path, monkeypatch):
  read = sharded.read_blocks

  def without_one(path, *arguments, **keywords):
    return list(read(path, *arguments, **keywords))[path.endswith('c.parquet') :]

  monkeypatch.setattr(sharded, 'read_blocks', without_one)
  with pytest.raises(FailedError, match=r"c.parquet' had 128 rows from row 0 on .* counted, and 64 when they"):
    _predict(model, tmp_path)


def test_a_lost_piece_is_found(model, tmp_path, monkeypatch):
  """As Beam's DaskRunner loses them: without an error."""
  process = sharded._PredictPiece.process
  monkeypatch.setattr(sharded._PredictPiece, 'process', lambda self, one: process(self, one) if one[0] != 2 else ())
  with pytest.raises(FailedError, match=r"The engine lost '.*c.parquet'"):
    _predict(model, tmp_path)


def test_a_file_that_was_cut_is_found(model, tmp_path, monkeypatch):
  process = sharded._PredictPiece.process

  def cut(self, one):
    process(self, one)
    os.truncate(sharded._Note.parse(sharded.read_checked(self.note(one[0])), 'note').file, 100)
    return ()

  monkeypatch.setattr(sharded._PredictPiece, 'process', cut)
  with pytest.raises(FailedError, match=r"a.csv' have 100 bytes of [\d,]+; do all workers write to one folder"):
    _predict(model, tmp_path)


def test_an_engine_that_fails_is_one_sentence(model, tmp_path, monkeypatch):
  def fails(self, one):
    raise ZeroDivisionError('by nothing')

  monkeypatch.setattr(sharded._PredictPiece, 'process', fails)
  with pytest.raises(FailedError, match=r'^The Beam engine failed \(.*by nothing.*\); nothing was written.$'):
    _predict(model, tmp_path)


def test_a_bundle_that_runs_twice_is_published_once(model, tmp_path, monkeypatch):
  process = sharded._PredictPiece.process

  def twice(self, one):
    process(self, one)
    return process(self, one)

  monkeypatch.setattr(sharded._PredictPiece, 'process', twice)
  assert _predict(model, tmp_path).rows == 1500
  record, parts = parts_of(tmp_path / 'fares')
  assert_adds_up(record, parts, 1500)


MISTAKES = [
  pytest.param([], r'--shards needs --output', id='no_output'),
  pytest.param(['--output', 'fares', '--threads', '2'], r'--threads has no effect with --shards', id='threads'),
  pytest.param(['--output', 'full'], r"The output 'full' has files in it; name a new folder", id='full'),
  pytest.param(['--output', 'rides.csv'], r"The output 'rides.csv' is a file; name a folder", id='a_file'),
  pytest.param(['--output', 'no/fares'], r"'no/fares' lies in a directory that is not there", id='no_parent'),
  pytest.param(
    ['--output', 'fares', '--set', 'beam.in_memory_rides=1'], r'in_memory_rides has no effect on a', id='in_memory'
  ),
  pytest.param(
    ['--output', 'fares', '--set', 'training.epochs=1'], r'reads settings of dataset, beam and platform', id='training'
  ),
  pytest.param(
    ['--output', 'fares', '--set', 'beam.engine=dataflow'], r"workers can't reach 'fares' on this", id='dataflow'
  ),
  pytest.param(['--output', 'fares', '--set', 'beam.engine=dask'], r'loses data', id='dask'),
  pytest.param(['--output', 'fares', '--set', 'beam.engine=flink'], r'flink_master is missing', id='flink'),
]


@pytest.mark.parametrize(('options', 'message'), MISTAKES)
def test_mistakes_are_one_sentence(model, tmp_path, options, message):
  write_csv(tmp_path / 'rides.csv', source_rows(some_rides(load('nyc'), 3)))
  (tmp_path / 'full').mkdir()
  (tmp_path / 'full' / 'file').touch()
  before = sorted(tmp_path.iterdir())
  result = farelite_predict(model, 'rides.csv', '--shards', 'csv', *options, cwd=tmp_path)
  assert result.returncode == 2
  assert result.stderr.startswith('Error: ') and 'Traceback' not in result.stderr
  assert re.search(message, result.stderr), result.stderr
  assert sorted(tmp_path.iterdir()) == before


def test_an_engine_without_shards_has_no_effect(model, tmp_path):
  path = write_csv(tmp_path / 'rides.csv', source_rows(some_rides(load('nyc'), 3)))
  result = farelite_predict(model, path, '--set', 'beam.engine=flink')
  assert result.returncode == 2
  assert '--set beam.engine has no effect on a prediction' in result.stderr
