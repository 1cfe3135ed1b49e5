"""Each selection on real rides. Oracle: scikit-learn's selectors and importances, and NumPy's correlations."""

import numpy as np
import pytest
from sklearn.ensemble import ExtraTreesRegressor
from sklearn.feature_selection import RFE, SelectFromModel, SelectKBest, VarianceThreshold, mutual_info_regression
from sklearn.inspection import permutation_importance
from sklearn.linear_model import LassoCV, Ridge
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import MinMaxScaler


@pytest.fixture(scope='module')
def varying(rides):
  """Positions of the features that are not constant; those never are kept."""
  return np.flatnonzero(rides.seen.std(axis=0) > 0)


def _kept(fitted):
  return list(fitted.outputs)


def _named(rides, varying, mask):
  return [rides.names[index] for index in varying[mask]]


def test_variance_by_threshold(rides, varying):
  scaled = MinMaxScaler().fit_transform(rides.seen[:, varying])
  expected = VarianceThreshold(0.02).fit(scaled).get_support()
  assert 5 < expected.sum() < len(varying) - 5
  assert _kept(rides.fit(method='variance', threshold=0.02)) == _named(rides, varying, expected)


def test_mutual_information_by_number(rides, varying):
  def score(x, y):
    return mutual_info_regression(x, y, random_state=0)

  expected = SelectKBest(score, k=10).fit(rides.seen[:, varying], rides.fares).get_support()
  fitted = rides.fit(method='mutual_information', components=10)
  assert _kept(fitted) == _named(rides, varying, expected)
  scores = mutual_info_regression(rides.seen[:, varying], rides.fares, random_state=0)
  found = [fitted.findings.decisions[index].score for index in varying]
  np.testing.assert_allclose(found, scores)
  assert _kept(rides.fit(method='mutual_information', threshold=0.2)) == _named(rides, varying, scores > 0.2)


@pytest.mark.parametrize('limit', [0.9, 0.6])
def test_correlation_by_threshold(rides, limit):
  """Nothing that is kept correlates above the limit; each one that goes does, with a closer follower of the fare."""
  fitted = rides.fit(method='correlation', threshold=limit)
  kept = [rides.names.index(name) for name in fitted.outputs]
  pairs = np.abs(np.corrcoef(rides.seen[:, kept], rowvar=False)) - np.eye(len(kept))
  assert pairs.max() <= limit
  with_fare = {
    name: abs(np.corrcoef(rides.seen[:, index], rides.fares)[0, 1])
    for index, name in enumerate(rides.names) if rides.seen[:, index].std() > 0
  }  # fmt: skip
  dropped = [found for found in fitted.findings.decisions if not found.kept and found.name in with_fare]
  assert dropped
  for decision in dropped:
    rival = decision.reason.split(' with ')[1].split(',')[0]
    columns = [rides.seen[:, rides.names.index(name)] for name in (decision.name, rival)]
    assert abs(np.corrcoef(*columns)[0, 1]) > limit
    assert with_fare[rival] >= with_fare[decision.name]


def test_correlation_by_number(rides):
  assert len(rides.fit(method='correlation', components=7).outputs) == 7


@pytest.mark.parametrize('scorer', ['linear', 'trees'])
def test_permutation_by_number(rides, varying, scorer):
  model = Ridge() if scorer == 'linear' else ExtraTreesRegressor(50, min_samples_leaf=3, random_state=0)
  x_fit, x_held, y_fit, y_held = train_test_split(rides.seen[:, varying], rides.fares, test_size=0.25, random_state=0)
  importances = permutation_importance(
    model.fit(x_fit, y_fit), x_held, y_held, scoring='neg_root_mean_squared_error', n_repeats=5, random_state=0
  ).importances_mean
  expected = np.isin(np.arange(len(varying)), np.argsort(-importances, kind='stable')[:12])
  fitted = rides.fit(method='permutation', scorer=scorer, components=12)
  assert _kept(fitted) == _named(rides, varying, expected)


def test_recursive_elimination(rides, varying):
  expected = RFE(Ridge(), n_features_to_select=20).fit(rides.seen[:, varying], rides.fares).support_
  assert _kept(rides.fit(method='rfe', scorer='linear', components=20)) == _named(rides, varying, expected)


def test_l1_by_number_and_threshold(rides, varying):
  lasso = LassoCV(cv=5, random_state=0)
  by_number = SelectFromModel(lasso, threshold=-np.inf, max_features=9).fit(rides.seen[:, varying], rides.fares)
  assert _kept(rides.fit(method='l1', components=9)) == _named(rides, varying, by_number.get_support())
  above = np.abs(by_number.estimator_.coef_) > 0.1
  assert _kept(rides.fit(method='l1', threshold=0.1)) == _named(rides, varying, above)


@pytest.mark.parametrize(
  'reduction',
  [
    pytest.param({'method': 'correlation'}, id='correlation'),
    pytest.param({'method': 'variance'}, id='variance'),
    pytest.param({'method': 'l1'}, id='l1'),
    pytest.param({'method': 'rfe', 'scorer': 'linear', 'components': 0.25}, id='rfe'),
  ],
)
def test_every_feature_is_reported_about(rides, reduction):
  fitted = rides.fit(**reduction)
  decisions = fitted.findings.decisions
  assert [decision.name for decision in decisions] == list(rides.names)
  assert all(decision.reason for decision in decisions)
  assert [decision.name for decision in decisions if decision.kept] == list(fitted.outputs)
  for decision, column in zip(decisions, rides.seen.T, strict=True):
    assert (decision.reason == 'constant in the training rides') == (column.std() == 0)
  kept = [rides.names.index(name) for name in fitted.outputs]
  np.testing.assert_array_equal(fitted.apply(rides.numeric), rides.numeric[:, kept])


def test_a_share_is_of_all_features(rides):
  assert len(rides.fit(method='l1', components=0.5).outputs) == len(rides.names) // 2
