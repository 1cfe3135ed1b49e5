"""Features that a selection keeps are what they are in the full vector. Oracle: the full vector itself."""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf

from configs import loading
from tests.transforms import oracle
from transforms import in_memory
from transforms.engineering import catalogue, engineer, standardize

CONFIG = loading.load('nyc')
BARE = loading.load('nyc', ['features.temporal={cyclic: false, rush_hours: []}', 'dataset.city.landmarks=[]'])
COLUMNS = oracle.as_columns(oracle.named_rides())
NAMES = [feature.name for feature in catalogue(CONFIG.dataset, CONFIG.features)]


def _vectors(config):
  """The function from kept names to the standardized vector, and the full vector."""
  constants = in_memory.fit_constants(COLUMNS, config.dataset, config.features)
  names = [feature.name for feature in catalogue(config.dataset, config.features)]
  inputs = {name: tf.constant(column) for name, column in COLUMNS.items()}

  def vector(keep):
    own = constants
    if keep is not None:
      rows = [names.index(name) for name in names if name in keep]
      own = dataclasses.replace(constants, mean=constants.mean[rows], scale=constants.scale[rows])
    return standardize(engineer(inputs, config.dataset, config.features, keep), own).numpy()

  return names, vector, vector(None)


@pytest.fixture(scope='module')
def nyc():
  return _vectors(CONFIG)


@pytest.mark.parametrize('name', NAMES)
def test_each_feature_alone(nyc, name):
  names, vector, full = nyc
  np.testing.assert_allclose(vector({name})[:, 0], full[:, names.index(name)], rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize('seed', range(12))
def test_any_features_together(nyc, seed):
  names, vector, full = nyc
  generator = np.random.default_rng(seed)
  kept = np.sort(generator.choice(len(names), generator.integers(2, len(names)), replace=False))
  found = vector({names[index] for index in kept})
  np.testing.assert_allclose(found, full[:, kept], rtol=1e-6, atol=1e-6)


def test_all_kept_is_the_full_vector(nyc):
  names, vector, full = nyc
  np.testing.assert_array_equal(vector(set(names)), full)


def test_without_landmarks_cycles_and_rush_hours():
  names, vector, full = _vectors(BARE)
  for index, name in enumerate(names):
    np.testing.assert_allclose(vector({name})[:, 0], full[:, index], rtol=1e-6, atol=1e-6, err_msg=name)


def test_what_is_dropped_is_not_in_the_graph():
  """Operations of the traced function: no sine, logarithm or root where nothing kept needs one."""

  def kinds(keep):
    traced = tf.function(lambda **inputs: engineer(inputs, CONFIG.dataset, CONFIG.features, keep).values)
    specs = {name: tf.TensorSpec([None], column.dtype) for name, column in COLUMNS.items()}
    return [operation.type for operation in traced.get_concrete_function(**specs).graph.get_operations()]

  full, few = kinds(None), kinds({'hour', 'pickup_longitude_offset', 'manhattan_km'})
  assert {'Sin', 'Cos', 'Log', 'Sqrt', 'Exp'} <= set(full)
  assert not {'Sin', 'Cos', 'Log', 'Sqrt', 'Exp'} & set(few)
  assert len(few) < 0.6 * len(full)
