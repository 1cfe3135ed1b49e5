"""What names say. Oracle: what their publishers document."""

import pytest

from configs.columns import COORDINATES, LABEL, PASSENGERS, TIME
from pipeline.starting.names import (
  DROPOFF_ZONE,
  KEY,
  LEAST_OF_A_TOTAL,
  PICKUP_ZONE,
  is_known_after,
  is_measure,
  score,
  tokens,
)

PICKUP_X, PICKUP_Y, DROPOFF_X, DROPOFF_Y = COORDINATES
ROLES = (TIME, *COORDINATES, PASSENGERS, LABEL, KEY, PICKUP_ZONE, DROPOFF_ZONE)


@pytest.mark.parametrize(
  ('name', 'words'),
  [
    ('PULocationID', ['pu', 'location', 'id']), ('tpep_pickup_datetime', ['tpep', 'pickup', 'datetime']),
    (' Trip_Pickup_DateTime', ['trip', 'pickup', 'date', 'time']), ('Einstieg Länge', ['einstieg', 'lange']),
    ('preço', ['preco']), ('Straße', ['strasse']), ('', []), ('lat2', ['lat', '2']),
  ],
)  # fmt: skip
def test_names_are_words(name, words):
  assert tokens(name) == words


NAMED = {
  TIME: (
    'pickup_datetime', 'tpep_pickup_datetime', 'lpep_pickup_datetime', 'Trip_Pickup_DateTime', 'trip_start_timestamp',
    'Trip Start Timestamp', 'started_at', 'startTime', 'Abholzeit', 'Startzeit', 'fecha_inicio', 'hora_recogida',
    'data_embarque', 'heure_depart', 'pickup',
  ),
  PICKUP_X: (
    'pickup_longitude', 'Start_Lon', 'start_lng', 'pickupLongitude', 'pickup_lon', 'pu_lon', 'PULon', 'origin_lng',
    'from_lon', 'Pickup Centroid Longitude', 'start_laenge', 'Einstieg Längengrad', 'longitud_origen',
    'longitude_embarque', 'longitude_depart', 'startlon', 'pickup_x', 'lon_start',
  ),
  PICKUP_Y: (
    'pickup_latitude', 'Start_Lat', 'start_lat', 'pickupLatitude', 'pu_lat', 'origin_lat', 'Pickup Centroid Latitude',
    'start_breite', 'Einstieg Breitengrad', 'latitud_origen', 'latitude_embarque', 'latitude_depart', 'startlat',
  ),
  DROPOFF_X: (
    'dropoff_longitude', 'End_Lon', 'end_lng', 'do_lon', 'dest_lng', 'to_lon', 'Dropoff Centroid Longitude',
    'ziel_laenge', 'Ausstieg Länge', 'longitud_destino', 'longitude_desembarque', 'longitude_arrivee',
    'endlon', 'drop_off_longitude',
  ),
  DROPOFF_Y: (
    'dropoff_latitude', 'End_Lat', 'end_lat', 'do_lat', 'dest_lat', 'to_lat', 'ziel_breite', 'Ausstieg Breite',
    'latitud_destino', 'latitude_desembarque', 'latitude_arrivee', 'endlat', 'drop_off_latitude',
  ),
  PASSENGERS: ('passenger_count', 'Passenger_Count', 'passengers', 'num_passengers', 'pax', 'Fahrgäste', 'passageiros',
               'pasajeros', 'passagers', 'Personen'),
  LABEL: ('fare_amount', 'Fare_Amt', 'fare', 'Fare', 'price', 'Preis', 'Preis (EUR)', 'Fahrpreis', 'tarifa', 'importe',
          'valor', 'valor_corrida', 'prix', 'precio', 'preço', 'base_fare', 'fare_usd', 'montant', 'monto',
          'monto_total', 'bedrag', 'kwota', 'cena', 'prijs', 'Gesamtbetrag', 'totale'),
  KEY: ('key', 'id', 'trip_id', 'ride_id', 'Trip ID', 'fahrt_id'),
  PICKUP_ZONE: ('PULocationID', 'pickup_community_area', 'pu_location_id', 'Pickup Zone'),
  DROPOFF_ZONE: ('DOLocationID', 'dropoff_community_area', 'Dropoff Zone'),
}  # fmt: skip


@pytest.mark.parametrize(('role', 'name'), [(role, name) for role, names in NAMED.items() for name in names])
def test_a_name_means_its_part_of_the_ride_most(role, name):
  scores = {other: score(name, other) for other in ROLES}
  assert scores[role] == max(scores.values()) > 0


OTHERS = (
  'vendor_name', 'VendorID', 'Rate_Code', 'RatecodeID', 'store_and_fwd_flag', 'Payment_Type', 'mta_tax', 'Tip_Amt',
  'tips', 'Tolls_Amt', 'company', 'Taxi ID', 'trip_miles', 'airport_fee', 'extra', 'improvement_surcharge', 'status',
)  # fmt: skip


@pytest.mark.parametrize('name', OTHERS)
@pytest.mark.parametrize('role', [LABEL, PASSENGERS, KEY, *COORDINATES])
def test_other_names_mean_nothing(name, role):
  assert score(name, role) <= 0


@pytest.mark.parametrize(
  'name', ['tpep_dropoff_datetime', 'Trip_Dropoff_DateTime', 'ended_at', 'trip_end_timestamp', 'updated_at']
)
def test_a_dropoff_is_no_pickup(name):
  assert score(name, TIME) < score('time', TIME)


@pytest.mark.parametrize(
  'name', ['total_amount', 'Total_Amt', 'Tip_Amt', 'Trip Miles', 'tips', 'Trip Seconds', 'trip_total']
)
def test_what_only_the_finished_ride_knows(name):
  """It is the fare at most where no name means one, if it is a total."""
  assert is_known_after(name)
  assert score(name, LABEL) <= LEAST_OF_A_TOTAL


def test_the_fare_is_known_after_by_nobody():
  assert not any(is_known_after(name) for name in NAMED[LABEL])


@pytest.mark.parametrize(
  'name',
  ['distancia_km', 'distanciaKm', 'trip_miles', 'tripdistance', 'Strecke', 'Fahrtdauer', 'dystans', 'duur', 'tempo',
   'tarifa_distancia', 'duration'],
)  # fmt: skip
def test_how_far_and_how_long_is_never_the_fare(name):
  assert (is_measure(name), score(name, LABEL) <= 0) == (True, True)


@pytest.mark.parametrize('name', ['fare', 'monto', 'x', 'meter_fare', 'Preis (EUR)', 'total'])
def test_amounts_are_no_measures(name):
  assert not is_measure(name)


def test_a_total_means_the_fare_less_than_any_name_of_it():
  assert 0 < score('total_amount', LABEL) < min(score(name, LABEL) for name in ('fare_usd', 'charge', 'monto_total'))
  assert is_known_after('total_amount')
