"""Made-up rides of a city, in the layouts in which cities publish them."""

import csv
import datetime
import pathlib

import numpy as np

HOURLY = np.array(
  [3.9, 2.9, 2.2, 1.6, 1.2, 1, 2.1, 3.6, 4.5, 4.6, 4.5, 4.7, 4.9, 4.8, 5, 4.7, 4, 4.9, 6, 6.3, 6, 5.9, 5.7, 5]
)
"""New York's rides by hour of day: an oracle of its own, not what the guess compares with."""

NEW_YORK = (40.75, -73.98)
SAO_PAULO = (-23.56, -46.64)
BERLIN = (52.52, 13.40)


def made_rides(city, count=400, seed=0, year=2015, base=2.5, per_km=1.6):
  """Rides as NumPy columns: local times as `datetime`, both ends, fares, passengers; in the order of time."""
  random = np.random.default_rng(seed)
  hours = random.choice(24, count, p=HOURLY / HOURLY.sum())
  seconds = random.integers(0, 360, count) * 86400 + hours * 3600 + random.integers(0, 3600, count)
  start = datetime.datetime(year, 1, 1)
  latitude, longitude = (center + random.normal(0, 0.03, count) for center in city)
  to_latitude, to_longitude = latitude + random.normal(0, 0.02, count), longitude + random.normal(0, 0.02, count)
  km = 111 * np.hypot(to_latitude - latitude, (to_longitude - longitude) * np.cos(np.radians(city[0])))
  return {
    'time': [start + datetime.timedelta(seconds=int(second)) for second in np.sort(seconds)],
    'minutes': 3 + km * 3,
    'latitude': latitude,
    'longitude': longitude,
    'to_latitude': to_latitude,
    'to_longitude': to_longitude,
    'km': km,
    'fare': np.round(base + per_km * km * random.uniform(0.9, 1.1, count), 2),
    'passengers': random.choice(6, count, p=[0.7, 0.14, 0.04, 0.02, 0.06, 0.04]) + 1,
  }


def write_rows(path, header, rows, delimiter=','):
  """Writes a CSV file and returns its path."""
  path = pathlib.Path(path)
  with path.open('w', newline='', encoding='utf-8') as file:
    csv.writer(file, delimiter=delimiter).writerows([header, *rows])
  return path


def stamps(rides, format_='%Y-%m-%d %H:%M:%S', key='time', later=0.0):
  """The pickup times as text; `later` is a share of the ride's minutes."""
  return [
    (time + datetime.timedelta(minutes=float(minutes) * later)).strftime(format_)
    for time, minutes in zip(rides[key], rides['minutes'], strict=True)
  ]


def places(rides, *, digits=6):
  """Pickup and dropoff, longitude before latitude, as texts."""
  names = ('longitude', 'latitude', 'to_longitude', 'to_latitude')
  return [[f'{value:.{digits}f}' for value in rides[name]] for name in names]


TLC_2009 = (
  'vendor_name,Trip_Pickup_DateTime,Trip_Dropoff_DateTime,Passenger_Count,Trip_Distance,Start_Lon,Start_Lat,Rate_Code,'
  'store_and_forward,End_Lon,End_Lat,Payment_Type,Fare_Amt,surcharge,mta_tax,Tip_Amt,Tolls_Amt,Total_Amt'
)
TLC_2010 = (
  'vendor_id,pickup_datetime,dropoff_datetime,passenger_count,trip_distance,pickup_longitude,pickup_latitude,rate_code,'
  'store_and_fwd_flag,dropoff_longitude,dropoff_latitude,payment_type,fare_amount,surcharge,mta_tax,tip_amount,'
  'tolls_amount,total_amount'
)
TLC_2015 = (
  'VendorID,tpep_pickup_datetime,tpep_dropoff_datetime,passenger_count,trip_distance,pickup_longitude,pickup_latitude,'
  'RatecodeID,store_and_fwd_flag,dropoff_longitude,dropoff_latitude,payment_type,fare_amount,extra,mta_tax,tip_amount,'
  'tolls_amount,improvement_surcharge,total_amount'
)


def write_tlc(path, header, rides, vendors=('CMT', 'VTS')):
  """One of the three CSV layouts of New York's taxi commission; some of the coordinates are zeros, as there."""
  longitude, latitude, to_longitude, to_latitude = places(rides)
  count = len(rides['fare'])
  for row in range(0, count, 50):
    for column in (longitude, latitude, to_longitude, to_latitude):
      column[row] = '0'
  columns = {
    'vendor': [vendors[row % 2] for row in range(count)],
    'pickup': stamps(rides),
    'dropoff': stamps(rides, later=1.0),
    'passengers': rides['passengers'],
    'distance': [f'{km / 1.6:.2f}' for km in rides['km']],
    'longitude': longitude,
    'latitude': latitude,
    'rate': ['1'] * count,
    'flag': ['N'] * count,
    'to_longitude': to_longitude,
    'to_latitude': to_latitude,
    'payment': [('Cash', 'Credit')[row % 2] for row in range(count)],
    'fare': rides['fare'],
    'surcharge': ['0.5'] * count,
    'tax': ['0.5'] * count,
    'tip': [f'{fare * 0.2 if row % 2 else 0:.2f}' for row, fare in enumerate(rides['fare'])],
    'tolls': ['0'] * count,
  }
  if 'improvement' in header:
    columns['improvement'] = ['0.3'] * count
  columns['total'] = [f'{fare * 1.2 + 1:.2f}' for fare in rides['fare']]
  return write_rows(path, header.split(','), zip(*columns.values(), strict=True))
