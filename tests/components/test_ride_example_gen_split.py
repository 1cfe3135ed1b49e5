"""Splits, the TFRecord framing and the cache key's parameters."""

import gzip

import numpy as np
import pyarrow as pa
import pytest
import tensorflow as tf
from tfx_bsl.coders import example_coder

from components.ride_example_gen import encoding, executor, splitting
from configs.dataset import Dataset
from configs.loading import load
from configs.parts import load_part
from configs.split import Split


def test_the_mixer_is_splitmix64():
  """Oracle: the first outputs of the published generator for the seed 0 (Vigna's `splitmix64.c`)."""
  golden = 0x9E3779B97F4A7C15
  states = np.array([0, golden], np.uint64)
  assert [hex(value) for value in splitting._mix(states)] == ['0xe220a8397b1dcdaf', '0x6e789e6aa1b965f4']


@pytest.mark.parametrize('share', [0.05, 0.2, 0.5])
@pytest.mark.parametrize('seed', [0, 1, 2**31 - 1])
def test_the_hash_gives_the_share_on_neighbouring_stamps(share, seed):
  seconds = np.arange(-50_000, 50_000)
  chosen = splitting.in_eval(seconds, Split(eval_share=share, seed=seed))
  assert chosen.mean() == pytest.approx(share, abs=0.01)
  assert chosen[::900].mean() == pytest.approx(share, abs=0.12)


def test_rides_of_one_stamp_stay_together_and_seeds_differ():
  seconds = np.repeat(np.arange(10_000), 3)
  first, second = (splitting.in_eval(seconds, Split(seed=seed)) for seed in (0, 1))
  assert (first.reshape(-1, 3).min(axis=1) == first.reshape(-1, 3).max(axis=1)).all()
  assert (first & second).mean() == pytest.approx(0.04, abs=0.01)


@pytest.mark.parametrize(
  ('counts', 'share', 'in_eval'),
  [
    pytest.param([1] * 10, 0.2, 2, id='all_distinct'),
    pytest.param([10], 0.2, 0, id='one_distinct_time_stamp'),
    pytest.param([1, 9], 0.2, 0, id='none_is_nearer_than_nine'),
    pytest.param([1, 9], 0.7, 9, id='nine_are_nearer'),
    pytest.param([6, 2, 2], 0.3, 4, id='the_larger_of_two_equally_near'),
    pytest.param([], 0.2, 0, id='no_rides'),
  ],
)
def test_the_threshold_is_as_near_to_the_share_as_whole_stamps_allow(counts, share, in_eval):
  seconds, counts = np.arange(len(counts)) * 60, np.array(counts, np.int64)
  threshold = splitting.chronological_threshold(seconds, counts, share)
  chosen = splitting.in_eval(np.repeat(seconds, counts), Split(method='chronological', eval_share=share), threshold)
  assert chosen.sum() == in_eval


def test_a_chronological_split_needs_its_threshold():
  with pytest.raises(ValueError, match='needs the threshold of all rides'):
    splitting.in_eval(np.arange(3), Split(method='chronological'))


@pytest.mark.parametrize('length', [0, 1, 2, 7, 196, 1001])
def test_the_framing_is_that_of_tensorflows_writer(tmp_path, length):
  generator = np.random.default_rng(length)
  records = [generator.bytes(length) for _ in range(20)]
  with tf.io.TFRecordWriter(str(tmp_path / 'oracle')) as writer:
    for record in records:
      writer.write(record)
  assert encoding.frame(records) == (tmp_path / 'oracle').read_bytes()


@pytest.mark.parametrize('order', [lambda records: records, lambda records: sorted(records, key=len)])
def test_records_of_many_lengths_are_framed_in_their_order(order, tmp_path):
  generator = np.random.default_rng(0)
  records = order([generator.bytes(int(length)) for length in generator.integers(0, 30, 500)])
  with tf.io.TFRecordWriter(str(tmp_path / 'oracle')) as writer:
    for record in records:
      writer.write(record)
  assert encoding.frame(records) == (tmp_path / 'oracle').read_bytes()
  assert encoding.frame([]) == b''


def _rides(seconds, names):
  generator = np.random.default_rng(0)
  floats = generator.normal(size=(len(names), len(seconds))).astype(np.float32)
  floats[generator.random(floats.shape) < 0.1] = np.nan
  columns = [pa.array(np.asarray(seconds, np.int64)), *map(pa.array, floats)]
  return pa.RecordBatch.from_arrays(columns, ['pickup_seconds', *names])


@pytest.mark.parametrize(
  'names',
  [
    pytest.param(['fare_amount', 'passenger_count'], id='usual'),
    pytest.param(['ü', 'x' * 150, 'y' * 20_000], id='long_and_not_ascii'),
    pytest.param([], id='time_alone'),
  ],
)
def test_examples_are_those_of_tfx_bsl(names):
  """Oracle: `tfx_bsl`, but for the order of the features, which is another one in each of its examples."""
  edges = [edge + step for edge in (2 ** (7 * size) for size in range(1, 10)) for step in (-1, 0)][:-1]
  seconds = [*np.random.default_rng(1).integers(0, 2**29, 500), 0, -1, -(2**63), 2**63 - 1, *edges, 0, 127, 128]
  rides = _rides(seconds, names)
  offsets = pa.array(np.arange(len(seconds) + 1, dtype=np.int64))
  lists = [pa.LargeListArray.from_arrays(offsets, column) for column in rides.columns]
  oracle = example_coder.RecordBatchToExamplesEncoder().encode(pa.RecordBatch.from_arrays(lists, rides.schema.names))
  found = encoding.encode_examples(rides)
  for ours, theirs in zip(found, sorted(oracle, key=len), strict=True):
    assert len(ours) == len(theirs)
    both = (tf.train.Example.FromString(record).SerializeToString(deterministic=True) for record in (ours, theirs))
    assert len({*both}) == 1
  assert encoding.frame_examples(rides) == encoding.frame(found)


def test_equal_rides_are_equal_bytes_and_none_are_none():
  rides = _rides([5, 300, 7], ['fare_amount'])
  again = pa.RecordBatch.from_arrays(
    [pa.concat_arrays([column, column]).slice(3) for column in rides.columns], rides.schema.names
  )
  assert encoding.frame_examples(again) == encoding.frame_examples(rides) != b''
  assert encoding.frame_examples(rides.slice(0, 0)) == b''
  assert encoding.encode_examples(rides.slice(1, 1)) == encoding.encode_examples(rides)[2:]


@pytest.mark.parametrize('batches', [[], [[]], [[b'one', b''], [], [b'three' * 100]]], ids=['none', 'empty', 'many'])
def test_a_file_of_batches_is_one_gzip_of_their_records(batches, tmp_path):
  """Oracles: Python's own gzip, and TensorFlow's reader."""
  file = encoding.TFRecordFile((tmp_path / 'records.gz').open('wb'))
  for batch in batches:
    file.write(batch)
  file.close()
  records = [record for batch in batches for record in batch]
  assert gzip.decompress((tmp_path / 'records.gz').read_bytes()) == encoding.frame(records)
  assert list(tf.data.TFRecordDataset(str(tmp_path / 'records.gz'), 'GZIP').as_numpy_iterator()) == records


@pytest.mark.parametrize(
  ('override', 'same'),
  [
    pytest.param('dataset.rules.max_quarantined_share=0.5', True, id='quarantined_share'),
    pytest.param('dataset.city.grid_rotation_degrees=1', True, id='city'),
    pytest.param('dataset.path=elsewhere/*.csv', True, id='path'),
    pytest.param('dataset.currency=EUR', True, id='currency'),
    pytest.param('dataset.rules.fare.max=300', False, id='fare'),
    pytest.param('dataset.time.clock=local', True, id='same_clock'),
    pytest.param('dataset.delimiter=;', False, id='delimiter'),
    pytest.param('dataset.columns.passenger_count=null', False, id='columns'),
  ],
)
def test_only_what_matters_to_ingestion_is_in_the_cache_key(override, same):
  before, after = load('nyc').dataset, load('nyc', [override]).dataset
  assert (executor.DATASET.dump(before) == executor.DATASET.dump(after)) is same


def test_parameters_survive_the_way_to_the_executor():
  for name in ('nyc', 'chicago'):
    config = load(name)
    dataset = load_part(Dataset, executor.DATASET.dump(config.dataset))
    assert dataset.time == config.dataset.time
    assert dataset.rules.bounds == config.dataset.rules.bounds and dataset.missing == config.dataset.missing
    assert Split.model_validate_json(executor.dump_split(config.split)) == config.split


def test_the_seed_matters_to_the_hash_only():
  def dumped(method, seed):
    return executor.dump_split(Split(method=method, seed=seed))

  assert dumped('chronological', 1) == dumped('chronological', 2)
  assert dumped('hash', 1) != dumped('hash', 2)
