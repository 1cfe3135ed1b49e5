"""Which column is which, by names and by values. Oracle: the made-up rides."""

import numpy as np
import pyarrow as pa
import pytest

from configs.columns import COORDINATES, LABEL, PASSENGERS, TIME
from pipeline.starting.number_style import NumberStyle, as_values
from pipeline.starting.roles import guess_roles
from pipeline.starting.time_style import guess_time
from tests.pipeline.starting.made_rides import BERLIN, NEW_YORK, SAO_PAULO, made_rides, stamps


def _columns(city, names, **more):
  """Columns of some rides: time, four coordinates (longitude first), fare and passengers, under the given names."""
  rides = made_rides(city)
  values = [pa.array(stamps(rides), pa.large_string())]
  keys = ('longitude', 'latitude', 'to_longitude', 'to_latitude', 'fare', 'passengers')
  values += [pa.array(np.round(rides[key], 6)) for key in keys]
  return dict(zip(names, values, strict=True)) | {name: pa.array(column) for name, column in more.items()}


def _roles(columns, **chosen):
  read = {name: as_values(column, NumberStyle()) for name, column in columns.items()}
  times = {name: style for name, column in columns.items() if (style := guess_time(column))}
  return guess_roles(columns, {name: value for name, value in read.items() if value is not None}, times, chosen)


ROLES = (TIME, *COORDINATES, LABEL, PASSENGERS)


@pytest.mark.parametrize(
  'names',
  [
    pytest.param(['pickup_datetime', 'plon', 'plat', 'dlon', 'dlat', 'x', 'y'], id='nothing_but_grown_together'),
    pytest.param(['started_at', 'start_lng', 'start_lat', 'end_lng', 'end_lat', 'price', 'pax'], id='scooters'),
    pytest.param(['zeit', 'start_laenge', 'start_breite', 'ziel_laenge', 'ziel_breite', 'preis', 'pax'], id='german'),
  ],
)  # fmt: skip
def test_names_tell(names):
  if names[5] == 'x':
    names = ['when', 'pickup lon', 'pickup lat', 'dropoff lon', 'dropoff lat', 'cost', 'people']
  assert _roles(_columns(NEW_YORK, names)).columns == dict(zip(ROLES, names, strict=True))


@pytest.mark.parametrize('city', [NEW_YORK, SAO_PAULO, BERLIN], ids=['new_york', 'sao_paulo', 'berlin'])
def test_values_tell_where_names_say_nothing(city):
  """The nearest city tells longitudes from latitudes, the distance tells the fare."""
  names = list('abcdefg')
  roles = _roles(_columns(city, names))
  assert roles.columns == dict(zip(ROLES[:6], names[:6], strict=True))
  assert 'By its values alone' in roles.notes[LABEL][0]


@pytest.mark.parametrize('city', [NEW_YORK, SAO_PAULO, BERLIN], ids=['new_york', 'sao_paulo', 'berlin'])
def test_latitudes_named_longitudes_are_turned_round(city):
  names = ['time', 'pickup_lat', 'pickup_lon', 'dropoff_lat', 'dropoff_lon', 'fare', 'pax']
  roles = _roles(_columns(city, names))
  assert [roles.columns[role] for role in COORDINATES] == names[1:5]
  assert 'Named the other way round' in roles.notes[COORDINATES[0]][0]


@pytest.mark.parametrize(
  'city', [(28.6, 77.2), (39.7, -105.0), (60.17, 24.94), (-33.87, 151.2)], ids=['delhi', 'denver', 'helsinki', 'sydney']
)
def test_what_is_named_rightly_is_not_turned_round(city):
  names = ['time', 'pickup_lon', 'pickup_lat', 'dropoff_lon', 'dropoff_lat', 'fare', 'pax']
  roles = _roles(_columns(city, names))
  assert [roles.columns[role] for role in COORDINATES] == names[1:5]
  assert COORDINATES[0] not in roles.notes


def test_what_was_chosen_stays():
  names = ['time', 'pickup_lat', 'pickup_lon', 'dropoff_lat', 'dropoff_lon', 'fare', 'pax']
  chosen = dict(zip(COORDINATES, (names[2], names[1], names[4], names[3]), strict=True))
  assert _roles(_columns(NEW_YORK, names), **chosen).columns.items() >= chosen.items()


def test_a_second_candidate_is_noted():
  roles = _roles(_columns(NEW_YORK, ['time', 'lon', 'lat', 'lon2', 'lat2', 'fare_amount', 'pax'], price=[8.0] * 400))
  assert roles.columns[LABEL] == 'fare_amount'
  assert roles.notes[LABEL] == ["It may also be 'price'."]
  assert [roles.columns[role] for role in COORDINATES] == ['lon', 'lat', 'lon2', 'lat2']


def test_of_two_times_the_earlier_one_is_the_pickup():
  columns = _columns(NEW_YORK, ['b', 'lon', 'lat', 'lon2', 'lat2', 'fare', 'pax'])
  later = {'a': pa.array(stamps(made_rides(NEW_YORK), later=1.0), pa.large_string())}
  roles = _roles(later | columns)
  assert roles.columns[TIME] == 'b'
  assert roles.notes[TIME] == ["It may also be 'a'; this one is the earliest."]


def test_zones_are_taken_where_there_are_no_coordinates():
  rides = made_rides(NEW_YORK)
  columns = {'time': pa.array(stamps(rides), pa.large_string()), 'fare': pa.array(rides['fare'])}
  columns |= {'PULocationID': pa.array([132] * 400), 'DOLocationID': pa.array([138] * 400)}
  assert _roles(columns).zones == ('PULocationID', 'DOLocationID')


def test_an_empty_table_has_no_parts():
  assert _roles({'a': pa.array([], pa.large_string())}).columns == {}


@pytest.mark.parametrize('fare', ['monto', 'total', 'total_amount', 'monto_total', 'bedrag', 'kwota', 'x'])
def test_the_distance_is_never_the_fare(fare):
  """Oracle: the column of the fares, beside one that grows with the distance more than they do."""
  rides = made_rides(NEW_YORK)
  names = ['fecha', 'lon_origen', 'lat_origen', 'lon_destino', 'lat_destino', fare, 'pasajeros']
  x, y, to_x, to_y = (rides[key] for key in ('longitude', 'latitude', 'to_longitude', 'to_latitude'))
  roles = _roles(_columns(NEW_YORK, names, distancia_km=111 * np.hypot((to_x - x) * 0.76, to_y - y)))
  assert roles.columns[LABEL] == fare


def test_of_a_fare_and_a_total_the_fare_is_taken_without_a_word():
  names = ['pickup_datetime', *COORDINATES, 'fare_amount', 'passenger_count']
  roles = _roles(_columns(NEW_YORK, names, total_amount=made_rides(NEW_YORK)['fare'] * 1.2))
  assert (roles.columns[LABEL], LABEL in roles.notes) == ('fare_amount', False)
