"""Axes batch by batch. Oracle: scikit-learn's PCA of all rides at once."""

import numpy as np
import pytest
from sklearn.decomposition import PCA

from configs.reduction import Reduction
from models.reduction.fitting import fit
from models.reduction.mappings import ReductionError
from models.reduction.projections import incremental_basis

GENERATOR = np.random.default_rng(0)
NUMERIC = (GENERATOR.normal(size=(1003, 6)) * [3, 2, 1.5, 1, 0.7, 0.4]).astype(np.float32)


@pytest.mark.parametrize(
  'rows', [pytest.param(1, id='one_by_one'), pytest.param(97, id='odd'), pytest.param(5000, id='one')]
)
def test_batches_of_any_size(rows):
  basis = incremental_basis((NUMERIC[start : start + rows] for start in range(0, len(NUMERIC), rows)), clip=6.0)
  oracle = PCA().fit(np.clip(NUMERIC, -6, 6).astype(np.float64))
  assert basis.rides == len(NUMERIC)
  np.testing.assert_allclose(basis.variances, oracle.explained_variance_, rtol=1e-9)
  np.testing.assert_allclose(np.abs(basis.axes @ oracle.components_.T), np.eye(6), atol=1e-6)


def test_fitted_on_all_and_shown_by_a_sample():
  basis = incremental_basis([NUMERIC], clip=None)
  fitted = fit(Reduction(method='pca', components=3), tuple('abcdef'), NUMERIC[:100], np.arange(100.0), basis=basis)
  expected = PCA(3, whiten=True).fit(NUMERIC.astype(np.float64)).transform(NUMERIC)
  found = fitted.apply(NUMERIC)
  np.testing.assert_allclose(np.abs(found), np.abs(expected), atol=1e-4)
  assert 'The axes are those of all 1,003 training rides.' in fitted.findings.notes


def test_fewer_rides_than_features():
  with pytest.raises(ReductionError, match='needs at least as many training rides, got 4'):
    incremental_basis([NUMERIC[:4]], clip=None)
