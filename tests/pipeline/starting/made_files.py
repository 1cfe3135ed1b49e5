"""Files of made-up rides in every layout from which `farelite init` is to make a config that `farelite check` takes."""

import datetime
import zoneinfo

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from configs.columns import COORDINATES
from tests.pipeline.starting.made_rides import (
  BERLIN,
  NEW_YORK,
  SAO_PAULO,
  TLC_2009,
  TLC_2010,
  TLC_2015,
  made_rides,
  places,
  stamps,
  write_rows,
  write_tlc,
)

PLACES = ('longitude', 'latitude', 'to_longitude', 'to_latitude')


def _tlc(header):
  return lambda folder: write_tlc(folder / 'yellow.csv', header, made_rides(NEW_YORK, 600))


def parquet_with_places(folder):
  """New York's Parquet columns, with coordinates."""
  rides = made_rides(NEW_YORK, 600)
  columns = {'tpep_pickup_datetime': pa.array(rides['time'], pa.timestamp('us'))}
  columns |= {'passenger_count': rides['passengers'] * 1.0}
  columns |= {column: rides[name] for column, name in zip(COORDINATES, PLACES, strict=True)}
  columns |= {'fare_amount': rides['fare'], 'total_amount': rides['fare'] * 1.2}
  pq.write_table(pa.table(columns), folder / 'yellow.parquet')
  return folder / 'yellow.parquet'


def parquet_with_zones(folder, pickup='PULocationID', dropoff='DOLocationID'):
  """New York's Parquet columns as they are published, from and to two airports."""
  rides = made_rides(NEW_YORK, 600)
  count = len(rides['fare'])
  columns = {'VendorID': np.full(count, 2), 'tpep_pickup_datetime': pa.array(rides['time'], pa.timestamp('us'))}
  columns |= {'passenger_count': rides['passengers'] * 1.0, pickup: np.tile([132, 138], count // 2)}
  columns |= {dropoff: np.tile([138, 138, 132], count // 3), 'fare_amount': rides['fare']}
  columns |= {'total_amount': rides['fare'] * 1.2, 'airport_fee': np.full(count, 1.25)}
  pq.write_table(pa.table(columns), folder / 'yellow.parquet')
  return folder / 'yellow.parquet'


SAO_PAULO_HEADER = (
  'id;valor;data_embarque;longitude_embarque;latitude_embarque;longitude_desembarque;latitude_desembarque;passageiros'
)
BERLIN_HEADER = 'id;Fahrpreis;Abholzeit;Start Länge;Start Breite;Ziel Länge;Ziel Breite;Fahrgäste'


def _with_commas(city, header, format_, sign):
  def write(folder):
    rides = made_rides(city, 600)
    numbers = [[cell.replace('.', ',') for cell in column] for column in places(rides)]
    fares = [f'{sign}{fare:.2f}'.replace('.', ',') for fare in rides['fare']]
    rows = zip(range(600), fares, stamps(rides, format_), *numbers, rides['passengers'], strict=True)
    return write_rows(folder / 'rides.csv', header.split(';'), rows, ';')

  return write


def instants(folder):
  """UTC in Berlin."""
  rides = made_rides(BERLIN, 3000)
  zone = zoneinfo.ZoneInfo('Europe/Berlin')
  times = [time.replace(tzinfo=zone).astimezone(datetime.timezone.utc) for time in rides['time']]
  rows = zip(rides['fare'], [f'{time:%Y-%m-%dT%H:%M:%SZ}' for time in times], *places(rides), strict=True)
  return write_rows(folder / 'rides.csv', ['fare', 'pickup_time', *COORDINATES], rows)


def unnamed(folder):
  """Names that say nothing."""
  rides = made_rides(SAO_PAULO, 600)
  return write_rows(
    folder / 'rides.csv', list('abcdef'), zip(stamps(rides), *places(rides), rides['fare'], strict=True)
  )


LAYOUTS = {
  'tlc_2009': _tlc(TLC_2009),
  'tlc_2010': _tlc(TLC_2010),
  'tlc_2015': _tlc(TLC_2015),
  'parquet': parquet_with_places,
  'instants': instants,
  'unnamed': unnamed,
}
"""Those that need no edit."""

WITH_COMMAS = {
  'sao_paulo': _with_commas(SAO_PAULO, SAO_PAULO_HEADER, '%d/%m/%Y %H:%M', ''),
  'sao_paulo_with_signs': _with_commas(SAO_PAULO, SAO_PAULO_HEADER, '%d/%m/%Y %H:%M', 'R$ '),
  'berlin': _with_commas(BERLIN, BERLIN_HEADER, '%d.%m.%Y %H:%M:%S', ''),
}
"""Semicolons, decimal commas, the local time of another continent."""
