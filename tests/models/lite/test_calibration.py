"""The sample that activation ranges come from; oracle: counting, on rides whose fares are all different."""

import numpy as np
import pytest

from configs.compression import Calibration
from models.lite.conversion import calibration_sample
from models.rides import Rides
from models.tasks.examples import TaskExamples

COUNT = 1000


@pytest.fixture(scope='module')
def rides():
  """Fares 0 to 999 in a shuffled order, each ride's position as its input."""
  fares = np.random.default_rng(0).permutation(COUNT).astype(np.float32)
  return Rides({'numeric': np.arange(COUNT, dtype=np.float32)[:, None]}, fares, np.arange(COUNT))


@pytest.mark.parametrize(
  'wanted',
  [
    pytest.param(None, id='unset'),
    pytest.param(COUNT, id='as_many_as_there_are'),
    pytest.param(10 * COUNT, id='more_than_there_are'),
  ],
)
def test_all_rides_are_taken(rides, wanted):
  assert calibration_sample(rides, Calibration(rides=wanted)) is rides


@pytest.mark.parametrize(
  ('wanted', 'longest'),
  [
    pytest.param(200, 100, id='both'),
    pytest.param(200, 0, id='no_dearest'),
    pytest.param(100, 100, id='dearest_alone'),
    pytest.param(50, 100, id='fewer_than_the_dearest'),
    pytest.param(1, 0, id='one'),
    pytest.param(COUNT - 1, 100, id='all_but_one'),
  ],
)
def test_sample_has_its_size_and_the_dearest_rides(rides, wanted, longest):
  found = calibration_sample(rides, Calibration(rides=wanted, longest=longest))
  assert len(found) == wanted
  assert len(set(found.fares)) == wanted, 'no ride twice'
  kept = min(longest, wanted)
  assert set(range(COUNT - kept, COUNT)) <= set(found.fares)


def test_each_stratum_of_cheaper_rides_gives_one(rides):
  found = np.sort(calibration_sample(rides, Calibration(rides=190, longest=100)).fares)
  # 900 cheaper rides in 90 strata of 10.
  np.testing.assert_array_equal(found[:90] // 10, np.arange(90))


def test_rides_stay_whole_and_in_order(rides):
  found = calibration_sample(rides, Calibration(rides=200))
  assert (np.diff(found.seconds) > 0).all()
  np.testing.assert_array_equal(found.inputs['numeric'][:, 0], found.seconds)
  np.testing.assert_array_equal(found.fares, rides.fares[found.seconds])


def test_seed_chooses(rides):
  first, again, other = (
    calibration_sample(rides, Calibration(rides=200, seed=seed)).seconds.tolist() for seed in (1, 1, 2)
  )
  assert first == again
  assert first != other


def test_equal_fares_are_sampled_too():
  rides = Rides({'numeric': np.zeros((50, 1), np.float32)}, np.full(50, 9.5, np.float32), np.arange(50))
  assert len(calibration_sample(rides, Calibration(rides=20, longest=5))) == 20


@pytest.mark.parametrize('longest', [0, 100, 190])
def test_no_class_is_preferred(longest):
  """900 of class 0, 80 of class 1, 20 of class 2, in a shuffled order: of 100 one for each ten of a class."""
  labels = np.random.default_rng(0).permutation(np.repeat([0, 1, 2], [900, 80, 20])).astype(np.float32)
  rows = np.arange(COUNT)
  examples = TaskExamples({'x': rows.astype(np.float32)}, labels, rows, classifies=True)
  found = calibration_sample(examples, Calibration(rides=100, longest=longest))
  assert np.bincount(found.labels.astype(int)).tolist() == [90, 8, 2]
  assert (np.diff(found.groups) > 0).all() and found.classifies
  np.testing.assert_array_equal(found.labels, labels[found.groups])
  numbers = calibration_sample(TaskExamples({'x': rows}, labels, rows), Calibration(rides=100, longest=20))
  assert np.count_nonzero(numbers.labels == 2) == 20
