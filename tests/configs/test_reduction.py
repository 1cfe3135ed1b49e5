"""What a reduction's config refuses, and what it means where it leaves things out."""

import pytest

from configs import loading


def _load(*overrides, source='nyc'):
  return loading.load(source, [f'reduction.{override}' for override in overrides])


@pytest.mark.parametrize(
  ('overrides', 'message'),
  [
    pytest.param(['method=pca', 'components=1.5'], r'reduction.components must be a number of inputs, or a share in '
                 r'\(0, 1\), got 1.5. For 1.5 % write 0.015', id='a_share_above_1'),
    pytest.param(['method=pca', 'components=99.0'], r'For 99 % write 0.99. For the number write 99', id='a_percentage'),
    pytest.param(['method=pca', 'components=0'], r'from 1 on, or a share in \(0, 1\), got 0', id='no_component'),
    pytest.param(['method=pca', 'components=-3'], 'got -3', id='negative'),
    pytest.param(['method=pca', 'components=many'], "got 'many'", id='no_number'),
    pytest.param(['method=pcs'], 'reduction.method must be one of none, pca', id='unknown_method'),
    pytest.param(['method=pca', 'componets=3'], "unknown key 'componets'. Did you mean 'components'", id='misspelled'),
    pytest.param(['method=lda', 'fare_bands=1'], 'fare_bands must be at least 2, got 1', id='one_band'),
    pytest.param(['method=lda', 'fare_bands=[5, 3]'], 'must be rising fares above 0', id='falling_bands'),
    pytest.param(['method=lda', 'components=8'], 'must be at most 7 with 8 fare_bands, got 8', id='too_many_for_lda'),
    pytest.param(['method=variance', 'threshold=0.5'], 'threshold must be below 0.25, got 0.5', id='variance'),
    pytest.param(['method=correlation', 'threshold=2'], 'threshold must be below 1, got 2', id='correlation'),
    pytest.param(['method=rfe', 'threshold=0.1'], 'threshold has no meaning with method rfe', id='no_threshold'),
    pytest.param(['method=l1', 'threshold=0.1', 'components=3'], 'must be null where components', id='both'),
    pytest.param(['method=svd', 'whiten=false'], 'whiten has no effect with method svd, only with pca', id='idle'),
    pytest.param(['method=ica', 'engine=tft'], 'engine has no effect with method ica', id='engine'),
    pytest.param(['method=svd', 'categoricals=true'], 'must be false: neither buckets nor crosses', id='none'),
  ],
)  # fmt: skip
def test_mistakes(overrides, message):
  with pytest.raises(loading.ConfigError, match=message):
    _load(*overrides)


def test_two_mistakes_are_told_at_once():
  with pytest.raises(loading.ConfigError, match='2 errors') as caught:
    _load('method=variance', 'threshold=0.5', 'whiten=false')
  assert 'reduction.threshold' in str(caught.value) and 'reduction.whiten' in str(caught.value)


def test_nothing_to_work_on():
  off = [f'features.{block}.enabled=false' for block in ('raw', 'passengers', 'temporal', 'geographic')]
  crosses = 'features.crosses={enabled: true, crosses: [hour_of_week]}'
  with pytest.raises(loading.ConfigError, match='method must be none: no feature block yields a number'):
    loading.load('nyc', [*off, crosses, 'reduction.method=pca'])


@pytest.mark.parametrize(
  ('overrides', 'size', 'least'),
  [
    pytest.param(['method=pca'], 0.99, None, id='pca'),
    pytest.param(['method=ica'], 0.5, None, id='ica'),
    pytest.param(['method=lda'], None, None, id='lda'),
    pytest.param(['method=correlation'], None, 0.95, id='correlation'),
    pytest.param(['method=correlation', 'components=5'], 5, None, id='correlation_by_number'),
    pytest.param(['method=l1'], 0.5, None, id='l1'),
    pytest.param(['method=l1', 'threshold=0.2'], None, 0.2, id='l1_by_threshold'),
  ],
)
def test_defaults(overrides, size, least):
  reduction = _load(*overrides).reduction
  assert (reduction.size, reduction.least) == (size, least)


def test_off_by_default():
  for name in loading.presets():
    assert not loading.load(name).reduction.is_on
