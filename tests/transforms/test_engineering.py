"""Every engineered feature against the NumPy oracle, in plain TensorFlow."""

import numpy as np
import pytest
import tensorflow as tf

from configs import loading
from configs.dataset import ExtraColumn
from tests.transforms import oracle
from transforms.engineering import catalogue, engineer, observed

RIDES = oracle.named_rides()
CASES = [pytest.param(row, id=name) for row, name in enumerate(RIDES)]


@pytest.fixture(scope='module', params=['nyc', 'chicago'])
def compared(request):
  """Features by name, from TensorFlow and from the oracle, for all named rides."""
  overrides = ['features.passengers.enabled=true', 'features.temporal.rush_hours=[[7, 10], [16, 20], [9, 11.5]]']
  config = loading.load(request.param, overrides if request.param == 'chicago' else overrides[:1])
  columns = oracle.as_columns(RIDES)
  if request.param == 'chicago':
    for name in oracle.COORDINATES:
      columns[name] += np.float32(-13.67 if 'longitude' in name else 1.13)
  names = [feature.name for feature in catalogue(config.dataset, config.features)]
  got = _observed(columns, config.dataset, config.features)
  assert got.shape == (len(RIDES), len(names))
  assert len(set(names)) == len(names)
  return dict(zip(names, got.T, strict=True)), oracle.expected_features(columns, config.dataset, config.features)


@pytest.mark.parametrize('row', CASES)
def test_every_feature_is_within_1e_5_of_the_oracle(compared, row):
  got, expected = compared
  for name in got:
    np.testing.assert_allclose(got[name][row], expected[name][row], rtol=1e-5, atol=1e-5, err_msg=name)


def test_integers_and_flags_are_exact(compared):
  got, expected = compared
  for name in got:
    if name in ('day_of_week', 'month', 'weekend', 'rush_hour') or name.startswith(('tariff', 'missing')):
      np.testing.assert_array_equal(got[name], expected[name], err_msg=name)


def test_identical_points_have_no_distance_and_no_bearing(compared):
  got, _ = compared
  row = list(RIDES).index('identical_points')
  for name in ('manhattan_km', 'haversine_km', 'abs_dx_km', 'abs_dy_km', 'bearing_sin', 'bearing_cos'):
    assert got[name][row] == 0, name
  # Not 0 for the bearing's sake, but far below the radius of an atom.
  assert 0 <= got['euclidean_km'][row] < 1e-14
  assert abs(got['log_euclidean'][row]) < 1e-6


@pytest.mark.parametrize(
  ('latitude', 'cap'),
  [
    pytest.param(40.75, 50, id='new_york'),
    pytest.param(0.0, 50, id='equator'),
    pytest.param(54.0, 50, id='last_latitude_of_the_short_formula'),
    pytest.param(69.65, 50, id='far_north'),
    pytest.param(-33.9, 50, id='southern'),
    pytest.param(40.75, 2000, id='far_cap'),
  ],
)
def test_great_circle_wherever_the_city_lies(latitude, cap):
  """Oracle: the haversine by arcsin in float64, over distances from metres to the cap, in all directions."""
  override = [f'dataset.city.center_latitude={latitude}', f'features.geographic.max_distance_km={cap}']
  config = loading.load('nyc', [*override, 'dataset.city.zones=[]', 'dataset.city.landmarks=[]'])
  generator = np.random.default_rng(2)
  km, angle = cap * 10 ** generator.uniform(-4, 0, 3000), generator.uniform(0, 2 * np.pi, 3000)
  north = km * np.cos(angle) / oracle.KM
  east = km * np.sin(angle) / oracle.KM / np.cos(np.radians(latitude))
  starts = np.array([-73.98, latitude]) + generator.normal(0, 0.1, (3000, 2))
  stops = np.column_stack([starts[:, 0] + east, starts[:, 1] + north])
  keep = np.abs(stops[:, 1]) < 85
  places = np.column_stack([starts, stops])[keep].astype(np.float32)
  columns = dict(zip(oracle.COORDINATES, places.T, strict=True))
  columns |= {'pickup_seconds': np.zeros(len(places), np.int64), 'passenger_count': np.ones(len(places), np.float32)}
  names = [feature.name for feature in catalogue(config.dataset, config.features)]
  got = _observed(columns, config.dataset, config.features)[:, names.index('haversine_km')]
  expected = np.minimum([oracle.haversine_km(*map(float, place)) for place in places], cap)
  np.testing.assert_allclose(got, expected, rtol=1e-5, atol=1e-6)


def test_real_rides_agree_with_the_oracle(nyc_rides):
  pandas = pytest.importorskip('pandas')
  table = pandas.read_csv(nyc_rides, nrows=400)
  columns = {name: table[name].to_numpy(np.float32) for name in (*oracle.COORDINATES, 'passenger_count')}
  columns['pickup_seconds'] = np.array([oracle.seconds_of(text[:19]) for text in table['pickup_datetime']])
  config = loading.load('nyc')
  expected = oracle.expected_features(columns, config.dataset, config.features)
  got = _observed(columns, config.dataset, config.features)
  for feature, column in zip(catalogue(config.dataset, config.features), got.T, strict=True):
    np.testing.assert_allclose(column, expected[feature.name], rtol=1e-5, atol=1e-5, err_msg=feature.name)


BLOCKS = ('raw', 'passengers', 'temporal', 'geographic')


@pytest.mark.parametrize(
  'overrides',
  [
    *(pytest.param([f'features.{block}.enabled=false'], id=f'without_{block}') for block in BLOCKS),
    *(
      pytest.param([f'features.{other}.enabled={str(other == block).lower()}' for other in BLOCKS], id=f'only_{block}')
      for block in BLOCKS
    ),
    pytest.param(['features.temporal.cyclic=false', 'features.temporal.rush_hours=[]'], id='plain_clock'),
    pytest.param(['dataset.city.landmarks=[]', 'dataset.city.tariff_changes=[]'], id='bare_city'),
    pytest.param(['dataset.city.grid_rotation_degrees=0'], id='grid_to_the_north'),
    pytest.param(['dataset.city.grid_rotation_degrees=-17.5'], id='grid_to_the_west'),
  ],
)
def test_catalogue_describes_what_engineering_yields(overrides):
  config = loading.load('nyc', overrides)
  columns = oracle.as_columns(RIDES)
  expected = oracle.expected_features(columns, config.dataset, config.features)
  got = _observed(columns, config.dataset, config.features)
  features = catalogue(config.dataset, config.features)
  assert got.shape[1] == len(features)
  for feature, column in zip(features, got.T, strict=True):
    np.testing.assert_allclose(column, expected[feature.name], rtol=1e-5, atol=1e-5, err_msg=feature.name)


def test_numeric_extras_join_the_vector():
  config = loading.load('nyc')
  extras = (ExtraColumn(name='temperature', column='t', unit='°C', meaning='air temperature'),)
  dataset = config.dataset.model_copy(update={'extras': extras})
  columns = oracle.as_columns(RIDES)
  columns['temperature'] = np.linspace(-10, 30, len(RIDES)).astype(np.float32)
  columns['temperature'][3] = np.nan
  features = catalogue(dataset, config.features)
  got = dict(zip((f.name for f in features), _observed(columns, dataset, config.features).T, strict=True))
  np.testing.assert_array_equal(got['temperature'], columns['temperature'])
  np.testing.assert_array_equal(got['missing_temperature'], np.isnan(columns['temperature']))
  [extra] = (feature for feature in features if feature.block == 'extra')
  assert (extra.name, extra.unit) == ('temperature', '°C')


def _observed(columns, dataset, features):
  tensors = {name: tf.constant(column) for name, column in columns.items()}
  return tf.function(lambda inputs: observed(engineer(inputs, dataset, features)))(tensors).numpy()
