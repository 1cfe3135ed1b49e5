"""Non-negative least squares in fixed steps. Oracle: SciPy's active-set solver, which is exact."""

import numpy as np
import pytest
from scipy.optimize import nnls

from models.reduction.mappings import Solver

GENERATOR = np.random.default_rng(0)


@pytest.mark.parametrize(
  ('factors', 'iterations', 'tolerance'),
  [
    pytest.param(GENERATOR.uniform(0, 1, (3, 10)) + np.eye(3, 10), 100, 1e-6, id='well_conditioned'),
    pytest.param(GENERATOR.uniform(0, 1, (8, 20)), 500, 1e-3, id='alike'),
    pytest.param(np.ones((1, 4)), 5, 1e-9, id='a_single_one'),
  ],
)
def test_solution(factors, iterations, tolerance):
  vectors = GENERATOR.uniform(0, 2, (50, factors.shape[1]))
  expected = np.array([nnls(factors.T, vector)[0] for vector in vectors])
  found = Solver.of(factors, iterations).solve(vectors)
  assert (found >= 0).all()
  np.testing.assert_allclose(found, expected, atol=tolerance)


def test_a_factor_that_is_zero_gets_no_weight():
  found = Solver.of(np.array([[1.0, 0, 2], [0, 0, 0]]), 50).solve(np.array([[2.0, 0, 4]]))
  np.testing.assert_allclose(found, [[2, 0]], atol=1e-5)
