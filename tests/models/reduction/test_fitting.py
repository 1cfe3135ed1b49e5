"""What the rides must allow, by message, and that a saved reduction comes back the same."""

import numpy as np
import pytest

from configs.reduction import Reduction
from models.reduction import fitted as reduction_fitted
from models.reduction.fitting import fit
from models.reduction.mappings import ReductionError

GENERATOR = np.random.default_rng(0)
NUMERIC = GENERATOR.normal(size=(60, 6)).astype(np.float32)
NAMES = ('a', 'b', 'c', 'd', 'e', 'f')
FARES = GENERATOR.uniform(3, 60, 60)
CONSTANT = np.concatenate([NUMERIC[:, :3], np.zeros((60, 3), np.float32)], axis=1)
COLLINEAR = np.concatenate([NUMERIC[:, :3], NUMERIC[:, :3] * 2], axis=1)


def _fit(reduction, numeric=NUMERIC, fares=FARES, **options):
  return fit(Reduction.model_validate(reduction), NAMES, numeric, fares, clip=6.0, **options)


@pytest.mark.parametrize(
  ('reduction', 'numeric', 'fares', 'message'),
  [
    pytest.param({'method': 'pca', 'components': 9}, NUMERIC, FARES,
                 r'components is 9, but the rides have 6 features; at most 6', id='more_components_than_features'),
    pytest.param({'method': 'l1', 'components': 9}, NUMERIC, FARES, 'the rides have 6 features', id='more_selected'),
    pytest.param({'method': 'ica', 'components': 5}, NUMERIC[:4], FARES[:4],
                 'there are 4 training rides, fewer than components', id='fewer_rows_than_components'),
    pytest.param({'method': 'pca'}, np.zeros((9, 6)), FARES[:9],
                 'All 6 features are constant over the 9 training rides', id='constant_features'),
    pytest.param({'method': 'pls', 'components': 4}, CONSTANT, FARES,
                 r'only 3 of the 6 features vary over the training rides; constant: d, e, f. Give at most 3',
                 id='more_components_than_vary'),
    pytest.param({'method': 'pca', 'components': 4}, COLLINEAR, FARES, 'only 3 independent directions', id='rank'),
    pytest.param({'method': 'ica', 'components': 4}, COLLINEAR, FARES, 'only 3 independent directions', id='ica_rank'),
    pytest.param({'method': 'nmf', 'shift': False}, NUMERIC, FARES,
                 r'nmf takes no negative values, .* such as a: set reduction.shift to true', id='negative_for_nmf'),
    pytest.param({'method': 'lda', 'fare_bands': [100.0]}, NUMERIC, FARES,
                 'all 60 training rides are in one fare band', id='one_class_for_lda'),
    pytest.param({'method': 'lda'}, NUMERIC, np.full(60, 7.5), 'all 60 training rides are in one fare band',
                 id='one_fare_for_lda'),
    pytest.param({'method': 'lda', 'fare_bands': [10.0, 100.0], 'components': 2}, NUMERIC, FARES,
                 'the fares fall into 2 bands, and lda has at most 1', id='more_components_than_classes'),
    pytest.param({'method': 'pls'}, NUMERIC, np.full(60, 7.5), 'all 60 training rides cost 7.5', id='one_fare_for_pls'),
    pytest.param({'method': 'svd', 'components': 6}, NUMERIC, FARES, 'use pca for all of them', id='all_by_svd'),
    pytest.param({'method': 'l1', 'threshold': 1e6}, NUMERIC, FARES, 'No feature reaches reduction.threshold 1e[+]06',
                 id='a_threshold_that_none_reaches'),
    pytest.param({'method': 'pca'}, NUMERIC[:1], FARES[:1], 'needs at least 2 training rides, got 1', id='one_ride'),
    pytest.param({'method': 'permutation'}, NUMERIC[:5], FARES[:5], 'needs 8 at least, got 5', id='none_held_out'),
    pytest.param({'method': 'mutual_information'}, NUMERIC[:4], FARES[:4], '3 neighbours', id='too_few_neighbours'),
    pytest.param({'method': 'l1'}, NUMERIC[:4], FARES[:4], 'needs 10 training rides, got 4', id='too_few_for_folds'),
  ],
)  # fmt: skip
def test_rides_that_do_not_allow_it(reduction, numeric, fares, message):
  with pytest.raises(ReductionError, match=message):
    _fit(reduction, numeric, fares)


def test_a_constant_feature_is_reported_and_has_no_effect():
  fitted = _fit({'method': 'pca', 'components': 2}, CONSTANT)
  assert 'Constant in the training rides, so without effect: d, e, f.' in fitted.findings.notes
  moved = CONSTANT.copy()
  moved[:, 3:] = 5
  np.testing.assert_allclose(fitted.apply(moved), fitted.apply(CONSTANT), atol=1e-6)


def test_a_sample_is_seeded_and_reported():
  first, again, other = (_fit({'method': 'pca', 'components': 2, 'sample': 20, 'seed': seed}) for seed in (1, 1, 2))
  assert first.findings.fitted_on == 20 and first.findings.read == 60
  assert 'Fitted on a random sample of 20 of 60 training rides.' in first.findings.notes
  np.testing.assert_array_equal(first.mapping.weights, again.mapping.weights)
  assert not np.allclose(first.mapping.weights, other.mapping.weights)


def test_far_values_are_clipped_as_the_model_clips_them():
  fitted = _fit({'method': 'pca', 'components': 2})
  np.testing.assert_allclose(fitted.apply(NUMERIC * 1e6), fitted.apply(np.clip(NUMERIC * 1e6, -6, 6)))


@pytest.mark.parametrize(
  'reduction',
  [
    pytest.param({'method': 'pca', 'components': 3}, id='affine'),
    pytest.param({'method': 'nmf', 'components': 2}, id='factors'),
    pytest.param({'method': 'correlation', 'components': 3}, id='selection'),
    pytest.param({'method': 'svd', 'components': 3, 'categoricals': True}, id='tables'),
  ],
)
def test_saved_and_loaded(tmp_path, reduction):
  options = {'categories': {'cell': np.arange(60) % 4}, 'sizes': {'cell': 4}} if reduction.get('categoricals') else {}
  fitted = _fit(reduction, CONSTANT if reduction['method'] == 'correlation' else NUMERIC, **options)
  reduction_fitted.save(fitted, str(tmp_path))
  loaded = reduction_fitted.load(str(tmp_path))
  categories = options.get('categories')
  np.testing.assert_array_equal(loaded.apply(NUMERIC, categories), fitted.apply(NUMERIC, categories))
  assert reduction_fitted.details_of(loaded) == reduction_fitted.details_of(fitted)
  assert loaded.taken == fitted.taken and loaded.outputs == fitted.outputs and loaded.reduction == fitted.reduction
  assert [found.reason for found in loaded.findings.decisions] == [found.reason for found in fitted.findings.decisions]
  np.testing.assert_array_equal(loaded.findings.loadings, fitted.findings.loadings)
