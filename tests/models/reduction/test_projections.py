"""The six projections on real rides. Oracle: scikit-learn's own objects, built and applied here."""

import numpy as np
import pytest
import tensorflow as tf
from scipy import sparse
from sklearn.cross_decomposition import PLSRegression
from sklearn.decomposition import NMF, PCA, FastICA, TruncatedSVD
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

from models.reduction.in_graph import apply_in_graph
from models.reduction.projections import fare_classes
from tests.models.lite.converters import from_functions


def _pca(x, y, one_hot):
  return PCA(n_components=0.99, whiten=True).fit(x).transform(x)


def _pca_without_whitening(x, y, one_hot):
  return PCA(n_components=10).fit(x).transform(x)


def _svd(x, y, one_hot):
  return TruncatedSVD(12, n_iter=10, random_state=0).fit(x).transform(x)


def _sparse_svd(x, y, one_hot):
  whole = sparse.hstack([sparse.csr_matrix(x), one_hot], format='csr')
  return TruncatedSVD(12, n_iter=10, random_state=0).fit(whole).transform(whole)


def _ica(x, y, one_hot):
  return FastICA(8, whiten='unit-variance', random_state=0, max_iter=1000).fit(x).transform(x)


def _lda(x, y, one_hot):
  bands = np.searchsorted(np.unique(np.quantile(y, np.arange(1, 8) / 8)), y, side='right')
  return LinearDiscriminantAnalysis(tol=1e-2).fit(x, bands).transform(x)


def _pls(x, y, one_hot):
  return PLSRegression(12).fit(x, y).transform(x)


CASES = [
  pytest.param({'method': 'pca', 'components': 0.99}, _pca, id='pca_by_share'),
  pytest.param({'method': 'pca', 'components': 10, 'whiten': False}, _pca_without_whitening, id='pca_not_whitened'),
  pytest.param({'method': 'svd', 'components': 12}, _svd, id='svd'),
  pytest.param({'method': 'svd', 'components': 12, 'categoricals': True}, _sparse_svd, id='svd_of_one_hot_crosses'),
  pytest.param({'method': 'ica', 'components': 8}, _ica, id='ica'),
  pytest.param({'method': 'lda'}, _lda, id='lda'),
  pytest.param({'method': 'pls', 'components': 12}, _pls, id='pls'),
]


@pytest.fixture(scope='module')
def one_hot(rides):
  """One-hot columns by an identity matrix, category after category."""
  return sparse.csr_matrix(
    np.concatenate([np.eye(size)[rides.categories[name]] for name, size in rides.sizes.items()], axis=1)
  )


@pytest.mark.parametrize(('reduction', 'oracle'), CASES)
def test_project_is_scikit_learns_transform(rides, one_hot, reduction, oracle):
  expected = oracle(rides.seen, rides.fares, one_hot)
  fitted = rides.fit(**reduction)
  found = fitted.project(rides.numeric, rides.categories)
  assert found.shape == expected.shape
  signs = np.sign((found * expected).sum(axis=0))
  np.testing.assert_allclose(found, expected * signs, atol=1e-6)


@pytest.mark.parametrize(('reduction', 'oracle'), CASES)
@pytest.mark.parametrize('way', ['tensorflow', 'lite'])
def test_in_graph_is_within_1e_5_of_scikit_learn(rides, one_hot, reduction, oracle, way):
  expected = oracle(rides.seen, rides.fares, one_hot)
  fitted = rides.fit(**reduction)
  run = _by_tensorflow if way == 'tensorflow' else _by_lite
  found = run(fitted, rides) / fitted.scale + fitted.mean
  signs = np.sign((found * expected).sum(axis=0))
  # Relative to the largest value of a component: float32 has seven digits.
  assert (np.abs(found - expected * signs) <= 1e-5 * np.maximum(1, np.abs(expected).max(axis=0))).all()


@pytest.mark.parametrize('reduction', [*(case.values[0] for case in CASES), {'method': 'nmf', 'components': 6}],
                         ids=[*(case.id for case in CASES), 'nmf'])  # fmt: skip
def test_the_model_gets_standardized_components(rides, reduction):
  fitted = rides.fit(**reduction)
  made = fitted.apply(rides.numeric, rides.categories)
  assert made.dtype == np.float32 and made.shape == (len(rides.fares), len(fitted.outputs))
  np.testing.assert_allclose(made.mean(axis=0), 0, atol=1e-4)
  spread = made.std(axis=0)
  np.testing.assert_allclose(spread[0], 1, atol=1e-3)
  if reduction.get('whiten', True):
    np.testing.assert_allclose(spread, 1, atol=1e-3)
  else:
    assert (np.diff(spread) < 0).all()


def test_nmf_is_nearer_to_the_solution_than_a_deviation_of_a_hundredth(rides):
  """scikit-learn's own transform, run until it has converged, is the solution."""
  fitted = rides.fit(method='nmf', components=6)
  lowest = rides.seen.min(axis=0)
  model = NMF(6, init='nndsvda', max_iter=500, random_state=0).fit(rides.seen - lowest)
  np.testing.assert_allclose(fitted.mapping.factors, model.components_, atol=1e-9)
  model.set_params(tol=1e-12, max_iter=20000)
  expected = model.transform(rides.seen[:300] - lowest)
  spread = fitted.project(rides.numeric).std(axis=0)
  for found in (fitted.project(rides.numeric)[:300], _by_lite(fitted, rides)[:300] / fitted.scale + fitted.mean):
    assert np.abs((found - expected) / spread).max() < 0.01
  assert fitted.findings.figures['solver_max'] < 0.01
  assert fitted.findings.figures['solver_rms'] < 0.001


def test_more_steps_come_nearer(rides):
  errors = [
    rides.fit(method='nmf', components=6, iterations=steps).findings.figures['solver_rms'] for steps in (5, 25, 100)
  ]
  assert errors[0] > 10 * errors[1] > 100 * errors[2]


@pytest.mark.parametrize('method', ['pca', 'svd', 'ica', 'lda', 'pls', 'nmf'])
def test_what_a_reconstruction_loses(rides, method):
  """Oracle: ordinary least squares from the components to each feature."""
  fitted = rides.fit(method=method, components=5)
  made = np.column_stack([np.ones(len(rides.fares)), fitted.project(rides.numeric)])
  left = rides.seen - made @ np.linalg.lstsq(made, rides.seen, rcond=None)[0]
  assert fitted.findings.lost == pytest.approx((left**2).sum() / (rides.seen.var(axis=0) * len(left)).sum(), rel=1e-6)
  if method != 'nmf':
    assert fitted.findings.error == pytest.approx(np.sqrt((left**2).sum() / len(left)), rel=1e-6)


def test_explained_variance_and_loadings_of_a_pca(rides):
  found = rides.fit(method='pca', components=4).findings
  oracle = PCA().fit(rides.seen)
  np.testing.assert_allclose(found.explained, oracle.explained_variance_ratio_, atol=1e-12)
  scores = oracle.transform(rides.seen)[:, :4]
  varies = rides.seen.std(axis=0) > 0
  correlations = np.corrcoef(rides.seen[:, varies], scores, rowvar=False)[: varies.sum(), -4:]
  np.testing.assert_allclose(np.abs(found.loadings[varies]), np.abs(correlations), atol=1e-9)
  assert (found.loadings[~varies] == 0).all()


def test_bands_of_equally_many_rides():
  assert np.bincount(fare_classes(np.arange(80.0), 4)).tolist() == [20, 20, 20, 20]
  assert fare_classes(np.array([5.0, 10, 30]), (10.0, 20.0)).tolist() == [0, 1, 2]


def _by_tensorflow(fitted, rides):
  categories = {name: tf.constant(column) for name, column in rides.categories.items()}
  return apply_in_graph(fitted, tf.constant(rides.numeric), categories).numpy().astype(np.float64)


def _by_lite(fitted, rides):
  """By a file of builtin operations alone, run by ai-edge-litert."""
  from ai_edge_litert.interpreter import Interpreter

  taken = fitted.taken

  @tf.function(autograph=False)
  def reduced(numeric, **categories):
    return {'reduced': apply_in_graph(fitted, numeric, categories)}

  specs = {name: tf.TensorSpec([None], tf.int64, name=name) for name in taken}
  numeric = tf.TensorSpec([None, rides.numeric.shape[1]], tf.float32, name='numeric')
  converter = from_functions([reduced.get_concrete_function(numeric, **specs)], tf.Module())
  converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
  runner = Interpreter(model_content=converter.convert()).get_signature_runner()
  inputs = {name: rides.categories[name] for name in taken}
  return runner(numeric=rides.numeric, **inputs)['reduced'].astype(np.float64)
