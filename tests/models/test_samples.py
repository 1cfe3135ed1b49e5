"""Samples of records that come in batches.

Oracle: each record's key out of NumPy's generator, drawn for all records at once, and a sort of these.
"""

import numpy as np
import pytest

from models.samples import RecordSample

COUNT, SEED = 5000, 11
LABELS = np.random.default_rng(5).gamma(2.0, 6.0, COUNT).astype(np.float32)
LABELS[[7, 4100]] = LABELS.max() + 1  # The highest two are equal.


def _drawn(most: int, highest: int = 0, batch: int = 300, count: int = COUNT) -> RecordSample:
  sample = RecordSample(most, SEED, highest)
  for start in range(0, count, batch):
    number = np.arange(start, min(start + batch, count))
    rows = sample.draw(len(number), LABELS[number] if highest else None)
    sample.add({'number': number[rows], 'pair': np.stack([number, -number], axis=1)[rows]})
  return sample


def _expected(most: int, highest: int = 0) -> np.ndarray:
  keys = np.random.default_rng(SEED).random(COUNT)
  first = np.argsort(-LABELS, kind='stable')[:highest]
  others = np.delete(np.arange(COUNT), first)
  rest = others[np.argsort(keys[others])[: most - highest]]
  return np.sort(np.concatenate([first, rest]))


@pytest.mark.parametrize('batch', [1, 300, COUNT])
@pytest.mark.parametrize(
  ('most', 'highest'),
  [
    pytest.param(700, 0, id='by_chance'),
    pytest.param(700, 50, id='with_the_highest'),
    pytest.param(50, 50, id='the_highest_alone'),
    pytest.param(1, 0, id='single'),
    pytest.param(COUNT - 1, 0, id='all_but_one'),
  ],
)
def test_the_smallest_keys_and_the_highest_labels(most: int, highest: int, batch: int):
  sample = _drawn(most, highest, batch)
  columns = sample.columns()
  np.testing.assert_array_equal(columns['number'], _expected(most, highest))
  np.testing.assert_array_equal(columns['pair'], np.stack([columns['number'], -columns['number']], axis=1))
  assert sample.read == COUNT


@pytest.mark.parametrize('most', [COUNT, COUNT + 1, 10**9])
def test_a_sample_of_all_is_all_of_them_in_their_order(most: int):
  np.testing.assert_array_equal(_drawn(most, highest=9).columns()['number'], np.arange(COUNT))


def test_more_than_the_sample_is_hardly_ever_held():
  sample, held = RecordSample(100, SEED), []
  for _ in range(200):
    rows = sample.draw(50)
    sample.add({'number': rows})
    held.append(sum(map(len, sample._columns['number'])))
  assert max(held) <= 250
  assert len(sample.columns()['number']) == 100 and sample.read == 10_000


def test_no_record_no_column():
  assert RecordSample(9, SEED).columns() == {}


def test_each_record_has_the_same_chance():
  """Of 4,000 samples of 5 in 50, each record is in about a tenth: within five standard errors."""
  found = np.zeros(50)
  for seed in range(4000):
    sample = RecordSample(5, seed)
    for start in range(0, 50, 10):
      rows = sample.draw(10)
      sample.add({'number': start + rows})
    found[sample.columns()['number']] += 1
  assert found.sum() == 20_000
  assert np.all(np.abs(found / 4000 - 0.1) < 5 * np.sqrt(0.1 * 0.9 / 4000))
