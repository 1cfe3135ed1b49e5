"""Rides in memory: read back from real gzip TFRecords, and picked by mask and index."""

import numpy as np
import pytest
import tensorflow as tf

from models.example_files import count_examples
from models.rides import Rides, read_rides, stream_rides
from models.samples import RecordSample

SPEC = {
  'numeric': tf.io.FixedLenFeature([3], tf.float32),
  'pickup_cell': tf.io.FixedLenFeature([], tf.int64),
  'fare_amount': tf.io.FixedLenFeature([], tf.float32),
  'pickup_seconds': tf.io.FixedLenFeature([], tf.int64),
  'slice_airport': tf.io.FixedLenFeature([], tf.int64),
}


def write_rides(path, numbers):
  with tf.io.TFRecordWriter(str(path), 'GZIP') as writer:
    for number in numbers:
      floats = {'numeric': [number, number + 0.5, -number], 'fare_amount': [2.0 * number]}
      ints = {'pickup_cell': [number % 4], 'pickup_seconds': [number // 2], 'slice_airport': [0]}
      feature = {k: tf.train.Feature(float_list=tf.train.FloatList(value=v)) for k, v in floats.items()}
      feature |= {k: tf.train.Feature(int64_list=tf.train.Int64List(value=v)) for k, v in ints.items()}
      writer.write(tf.train.Example(features=tf.train.Features(feature=feature)).SerializeToString())
  return str(path)


def test_reads_shards_in_the_order_of_their_names(tmp_path):
  second = write_rides(tmp_path / 'b.gz', range(3, 5))
  first = write_rides(tmp_path / 'a.gz', range(3))
  rides = read_rides([second, first], SPEC, ['pickup_cell'])
  numbers = np.arange(5)
  assert len(rides) == 5
  assert set(rides.inputs) == {'numeric', 'pickup_cell'}
  np.testing.assert_array_equal(rides.inputs['numeric'], np.stack([numbers, numbers + 0.5, -numbers], axis=1))
  np.testing.assert_array_equal(rides.inputs['pickup_cell'], numbers % 4)
  np.testing.assert_array_equal(rides.fares, 2.0 * numbers)
  np.testing.assert_array_equal(rides.seconds, numbers // 2)


def test_reads_more_rides_than_one_batch_holds(tmp_path):
  rides = read_rides([write_rides(tmp_path / 'a.gz', range(8200))], SPEC, [])
  np.testing.assert_array_equal(rides.fares, 2.0 * np.arange(8200))
  assert set(rides.inputs) == {'numeric'}


@pytest.mark.parametrize('highest', [0, 30])
def test_a_sample_of_several_shards(tmp_path, highest):
  """Whole rides, each once, in their order, the highest fares among them."""
  files = [write_rides(tmp_path / 'a.gz', range(9000)), write_rides(tmp_path / 'b.gz', range(9000, 10_000))]
  sample = RecordSample(200, 5, highest)
  rides = read_rides(files, SPEC, ['pickup_cell'], sample)
  numbers = rides.inputs['numeric'][:, 0]
  assert (len(rides), sample.read) == (200, 10_000)
  assert np.all(np.diff(numbers) > 0)
  np.testing.assert_array_equal(rides.fares, 2.0 * numbers)
  np.testing.assert_array_equal(rides.inputs['pickup_cell'], numbers % 4)
  np.testing.assert_array_equal(rides.seconds, numbers // 2)
  assert set(range(10_000 - highest, 10_000)) <= set(numbers)


@pytest.mark.parametrize('highest', [0, 30])
def test_a_sample_of_all_rides_is_what_is_read_without_one(tmp_path, highest):
  files = [write_rides(tmp_path / 'a.gz', range(8200))]
  sampled, whole = read_rides(files, SPEC, [], RecordSample(8200, 5, highest)), read_rides(files, SPEC, [])
  np.testing.assert_array_equal(sampled.inputs['numeric'], whole.inputs['numeric'])
  assert sampled.inputs['numeric'].dtype == whole.inputs['numeric'].dtype


@pytest.mark.parametrize('files', [pytest.param(0, id='no_file'), pytest.param(1, id='file_without_rides')])
def test_an_empty_split_is_refused(files, tmp_path):
  paths = [write_rides(tmp_path / 'a.gz', [])][:files]
  with pytest.raises(ValueError, match=f'No transformed rides in {files} files; the split is empty'):
    read_rides(paths, SPEC, [])


@pytest.mark.parametrize(
  'rows', [pytest.param(np.array([False, True, True]), id='mask'), pytest.param(np.array([1, 2]), id='index')]
)
def test_picks_rides(rows):
  rides = Rides({'numeric': np.arange(6.0).reshape(3, 2)}, np.array([1.0, 2.0, 3.0]), np.array([7, 8, 9]))
  picked = rides[rows]
  assert len(picked) == 2
  np.testing.assert_array_equal(picked.inputs['numeric'], [[2, 3], [4, 5]])
  np.testing.assert_array_equal(picked.fares, [2, 3])
  np.testing.assert_array_equal(picked.seconds, [8, 9])


def test_chosen_rides_of_several_shards_are_read_alone(tmp_path):
  """Oracle: all rides, indexed. Neither the ends of batches nor those of shards lose or double one."""
  files = [write_rides(tmp_path / 'a.gz', range(9000)), write_rides(tmp_path / 'b.gz', range(9000, 18_000))]
  rows = np.sort(np.random.default_rng(2).choice(18_000, 5000, replace=False))
  rows = np.union1d(rows, [0, 8191, 8192, 8999, 9000, 16_383, 16_384, 17_999])
  whole, chosen = read_rides(files, SPEC, ['pickup_cell']), stream_rides(files, SPEC, ['pickup_cell'], 10**9, rows)
  assert count_examples(files) == len(whole) == 18_000
  np.testing.assert_array_equal(chosen.inputs['numeric'], whole.inputs['numeric'][rows])
  np.testing.assert_array_equal(chosen.fares, whole.fares[rows])
  few = stream_rides(files, SPEC, ['pickup_cell'], 10**9, np.array([17_000]))
  np.testing.assert_array_equal(few.fares, [34_000.0])
