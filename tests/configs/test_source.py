"""Columns under several names and zones in place of coordinates: what a config may say, and how it is kept."""

import pytest

from configs import loading
from configs.dataset import Dataset
from configs.loading import ConfigError
from configs.parts import Part
from configs.presets import load_yaml
from configs.source import ZonePlaces, names_of, primary

ZONES = {'132': [-73.7865, 40.647], '230': [-73.9842, 40.7598], '264': None}
WITHOUT_COORDINATES = [
  f'dataset.columns.{end}_{axis}=null' for end in ('pickup', 'dropoff') for axis in ('longitude', 'latitude')
]


def places(zones: str = '{132: [-73.7865, 40.647], 264: null}', dropoff: str = 'DO') -> list[str]:
  return [f'dataset.places={{pickup: PU, dropoff: {dropoff}, zones: {zones}}}']


def test_a_list_of_names():
  dataset = loading.load(
    'nyc', ['dataset.columns.fare_amount=[fare, Fare]', 'dataset.extras=[{name: rate, column: [RateCodeID, rate]}]']
  ).dataset
  assert dataset.source_columns()['fare_amount'] == 'fare'
  assert dataset.source_columns()['rate'] == 'RateCodeID'
  assert dataset.aliases()['fare'] == ('fare', 'Fare')
  assert dataset.aliases()['RateCodeID'] == ('RateCodeID', 'rate')
  assert dataset.aliases()['key'] == ('key',)
  assert (primary('a'), primary(('a', 'b'))) == ('a', 'a')
  assert (names_of('a'), names_of(('a', 'b'))) == (('a',), ('a', 'b'))


@pytest.mark.parametrize('place', ['dataset.columns.key', 'dataset.time.column', 'dataset.columns.passenger_count'])
def test_a_list_of_one_name_is_that_name(place: str):
  """A config that is kept, and a step's cache key, look as if there were no lists."""
  listed, plain = (loading.load('nyc', [f'{place}={value}']) for value in ('[ride]', 'ride'))
  assert listed == plain
  assert loading.dump(listed) == loading.dump(plain)


def test_names_and_zones_survive_writing_and_reading():
  overrides = ['dataset.time.column=[at, At]', 'dataset.columns.key=[key, id]', *WITHOUT_COORDINATES, *places()]
  config = loading.load('nyc', overrides)
  assert loading.validate(load_yaml(loading.dump(config))) == config
  part = Part(Dataset, 'columns', 'places', 'time').of(config.dataset)
  assert (part.columns, part.places, part.time) == (config.dataset.columns, config.dataset.places, config.dataset.time)


def test_zones_are_the_source_of_both_coordinates():
  dataset = loading.load('nyc', [*WITHOUT_COORDINATES, *places(dropoff='[DO, do]')]).dataset
  assert [column for name, column in dataset.source_columns().items() if 'itude' in name] == ['PU', 'PU', 'DO', 'DO']
  assert dataset.aliases()['DO'] == ('DO', 'do')
  assert dataset.places.zones == {'132': (-73.7865, 40.647), '264': None}


@pytest.mark.parametrize(
  ('overrides', 'message'),
  [
    pytest.param(['dataset.time.column=5'], r"dataset\.time\.column must be a column's name or a list", id='number'),
    pytest.param(['dataset.columns.key=[]'], r'dataset\.columns\.key must be .* got \[\]', id='no_name'),
    pytest.param(['dataset.columns.key=[a, b, a]'], r"columns\.key has the name 'a' twice\.", id='name_twice'),
    pytest.param(
      ['dataset.columns.key=[id, fare_amount]'],
      r"'fare_amount' is a name of two columns, \[fare_amount\] and \[id, fare_amount\]; list it once",
      id='name_of_two_columns',
    ),
    pytest.param(
      ['dataset.columns.passenger_count=[a, riders]', 'dataset.known_after_ride=[riders]'],
      r"'riders' is known only after the ride \(known_after_ride\), so it can't be the input 'passenger_count'",
      id='leak_by_another_name',
    ),
    pytest.param(
      WITHOUT_COORDINATES[:1],
      r'dataset\.columns\.pickup_longitude is missing; for zone ids .* set dataset\.places\.',
      id='a_coordinate_missing',
    ),
    pytest.param(
      places(),
      r'dataset\.places: give the coordinates by zone, but columns\.pickup_longitude is set, too',
      id='zones_and_coordinates',
    ),
    pytest.param(
      [*WITHOUT_COORDINATES[1:], *places()], r'columns\.pickup_longitude is set, too', id='zones_and_one_coordinate'
    ),
    pytest.param(
      [*WITHOUT_COORDINATES, *places('{1: [40.7, -74]}')],
      r'no zone lies within rules\.bounds; is each one \[longitude, latitude\]\?',
      id='latitude_first',
    ),
    pytest.param(
      [*WITHOUT_COORDINATES, *places('{1: [-74, 40.7], 2: [-74, 140.7]}')],
      r'dataset\.places\.zones\.2 must be \[longitude, latitude\] in degrees, or null, got \[-74, 140\.7\]',
      id='no_latitude',
    ),
    pytest.param(
      [*WITHOUT_COORDINATES, *places('{1: [-74, 40.7], 2: [.nan, 40.7]}')],
      r'zones\.2\.0 must be a finite number, got NaN',
      id='not_a_number',
    ),
    pytest.param(
      [*WITHOUT_COORDINATES, *places('{1: [-74, 40.7], "1": null}')],
      r"the key '1' is there twice in line 1",
      id='zone_twice',
    ),
    pytest.param(
      [*WITHOUT_COORDINATES, *places('{}')],
      r'dataset\.places\.zones is empty: give each zone id its place',
      id='no_zones',
    ),
    pytest.param([*WITHOUT_COORDINATES, *places('{1: [-74]}')], r'dataset\.places\.zones\.1', id='half_a_place'),
    pytest.param([*WITHOUT_COORDINATES, *places(dropoff='PU')], r'pickup and dropoff are one column', id='one_column'),
    pytest.param(
      [*WITHOUT_COORDINATES, *places(), 'dataset.known_after_ride=[DO]'],
      r"'DO' is known only after the ride",
      id='zone_known_after_the_ride',
    ),
  ],
)
def test_refuses(overrides: list[str], message: str):
  with pytest.raises(ConfigError, match=message):
    loading.load('nyc', overrides)


@pytest.mark.parametrize('zone', ['264', "'264'", '"264"'])
def test_a_zone_of_a_preset_is_replaced_however_it_is_written(tmp_path, zone: str):
  (tmp_path / 'mine.yaml').write_text(
    f'extends: tlc-yellow-zones\ndataset: {{places: {{zones: {{{zone}: [-73.9, 40.7]}}}}}}'
  )
  zones = loading.load(str(tmp_path / 'mine.yaml')).dataset.places.zones
  assert (len(zones), zones['264'], zones['265']) == (265, (-73.9, 40.7), None)
  overridden = loading.load('tlc-yellow-zones', ['dataset.places.zones.264=[-73.9, 40.7]']).dataset.places.zones
  assert overridden == zones


def test_numbers_and_texts_of_one_zone_are_refused():
  """Where no YAML is: a mapping of Python's."""
  with pytest.raises(ValueError, match=r"has the zone '1' twice"):
    ZonePlaces(pickup='a', dropoff='b', zones={1: (-74, 40), '1': None})
  assert ZonePlaces(pickup='a', dropoff='b', zones={1: (-74, 40)}).zones == {'1': (-74, 40)}


def test_every_coordinate_that_is_missing_is_named():
  with pytest.raises(ConfigError) as caught:
    loading.load('nyc', WITHOUT_COORDINATES)
  assert str(caught.value).startswith('The config has 4 errors:')


def test_new_yorks_zones_lie_where_their_names_say():
  """Oracle: places on any map, to a kilometre or two."""
  zones = loading.load('tlc-yellow-zones').dataset.places.zones
  assert list(zones) == [str(number) for number in range(1, 266)]
  known = {
    '1': (-74.1745, 40.6895),  # Newark Airport
    '132': (-73.7781, 40.6413),  # JFK
    '138': (-73.8740, 40.7769),  # LaGuardia
    '230': (-73.9855, 40.7580),  # Times Square
    '43': (-73.9665, 40.7812),  # Central Park
    '12': (-74.0170, 40.7033),  # Battery Park
    '186': (-73.9935, 40.7505),  # Penn Station
    '103': (-74.0445, 40.6892),  # Liberty Island
  }
  for zone, (longitude, latitude) in known.items():
    assert abs(zones[zone][0] - longitude) < 0.015 and abs(zones[zone][1] - latitude) < 0.01, zone
  assert [zone for zone, place in zones.items() if place is None] == ['264', '265']
