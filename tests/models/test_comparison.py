"""Errors by slice out of one set of draws, against the intervals that draw for one figure alone."""

import dataclasses

import numpy as np
import pytest

from configs.records import Estimate
from models.error_intervals import compare, error_intervals, ratio_interval

RIDES = 3000


@pytest.fixture(scope='module')
def case():
  """Fares, predictions, base predictions, time stamps of up to three rides each, two slices."""
  generator = np.random.default_rng(0)
  fares = generator.gamma(4, 3, RIDES)
  base = fares + generator.normal(0, 3, RIDES)
  slices = {'third': np.arange(RIDES) % 3 == 0, 'expensive': fares > 20}
  return fares, base + generator.normal(0, 0.5, RIDES), base, generator.integers(0, RIDES, RIDES), slices


def test_all_rides_are_those_of_the_single_intervals(case):
  """Oracle: `error_intervals` and `ratio_interval`, which draw the same weights for the same seed."""
  fares, predictions, base, stamps, slices = case
  found = compare(fares, predictions, base, stamps, slices, resamples=500)
  alone = error_intervals(fares, predictions, stamps, 500)
  assert dataclasses.asdict(found.error) == pytest.approx(dataclasses.asdict(alone['rmse']))
  assert dataclasses.asdict(found.others['mae']) == pytest.approx(dataclasses.asdict(alone['mae']))
  paired = ratio_interval(fares, predictions, base, stamps, 500)
  assert dataclasses.asdict(found.ratio) == pytest.approx(dataclasses.asdict(paired))


@pytest.mark.parametrize('name', ['third', 'expensive'])
def test_a_slice_is_as_if_it_stood_alone(case, name):
  """Oracle: `ratio_interval` of the slice's rides; other draws, so the bounds agree within a tenth of the width."""
  fares, predictions, base, stamps, slices = case
  rows = slices[name]
  found = compare(fares, predictions, base, stamps, slices, resamples=4000).slices[name]
  alone = ratio_interval(fares[rows], predictions[rows], base[rows], stamps[rows], resamples=4000)
  assert found.examples == rows.sum()
  assert found.error == pytest.approx(np.sqrt(np.mean((predictions[rows] - fares[rows]) ** 2)))
  assert found.ratio.value == pytest.approx(alone.value)
  width = alone.high - alone.low
  assert dataclasses.asdict(found.ratio) == pytest.approx(dataclasses.asdict(alone), abs=0.1 * width)


def test_the_base_beside_itself_is_exactly_1(case):
  fares, _, base, stamps, slices = case
  found = compare(fares, base, base, stamps, slices, resamples=100)
  same = Estimate(1.0, 1.0, 1.0)
  assert found.ratio == same
  assert all(errors.ratio == same for errors in found.slices.values())


def test_no_ratio_where_the_base_makes_no_error():
  fares, base = np.array([1.0, 2.0, 3.0]), np.array([1.0, 2.0, 4.0])
  slices = {'right': np.array([True, True, False]), 'wrong': np.array([False, False, True])}
  found = compare(fares, fares + 1, base, np.arange(3), slices, resamples=100)
  assert found.slices['right'].ratio is None
  assert found.slices['wrong'].ratio == Estimate(1.0)
  with pytest.raises(ValueError, match='The base predicts every fare exactly; there is no ratio of errors to it'):
    compare(fares, base, fares, np.arange(3), slices, resamples=100)
