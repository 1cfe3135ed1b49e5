"""What is no file of rides, or one that nothing is guessed from, gets one sentence from `farelite init`."""

import pytest
from click.testing import CliRunner

from configs.columns import COORDINATES
from configs.errors import UserError
from pipeline.cli import main
from pipeline.commands import init as commands_init
from tests.pipeline.starting.made_rides import NEW_YORK, SAO_PAULO, made_rides, places, stamps, write_rows


def _without(*names):
  def write(folder):
    rides = made_rides(NEW_YORK)
    columns = dict(zip(COORDINATES, places(rides), strict=True)) | {'fare': rides['fare'], 'pickup_time': stamps(rides)}
    columns |= {'driver': ['Jo'] * len(rides['fare']), 'note': ['x'] * len(rides['fare'])}
    kept = {name: column for name, column in columns.items() if name not in names}
    return write_rows(folder / 'rides.csv', kept, zip(*kept.values(), strict=True))

  return write


def _twice(folder):
  rides = made_rides(NEW_YORK)
  rows = zip(rides['fare'], rides['fare'], stamps(rides), *places(rides), strict=True)
  return write_rows(folder / 'rides.csv', ['fare', 'fare', 'pickup_time', *COORDINATES], rows)


def _dropoff_time_alone(folder):
  rides = made_rides(NEW_YORK)
  rows = zip(rides['fare'], stamps(rides), *places(rides), strict=True)
  return write_rows(folder / 'rides.csv', ['fare', 'dropoff_datetime', *COORDINATES], rows)


def _mixed_marks(folder):
  """Points in the fares, decimal commas in the coordinates."""
  rides = made_rides(SAO_PAULO)
  fares = [f'{fare:.2f}' for fare in rides['fare']]
  ends = [[text.replace('.', ',') for text in column] for column in places(rides)]
  rows = zip(fares, stamps(rides), *ends, strict=True)
  return write_rows(folder / 'rides.csv', ['valor', 'pickup_time', *COORDINATES], rows, ';')


def _unread(**changed):
  """Rides some columns of which are changed cell by cell, and perhaps the first line or the bytes."""
  change = {'head': '', 'encoding': 'utf-8', 'end': ''} | {
    k: changed.pop(k) for k in ('head', 'encoding', 'end') if k in changed
  }

  def write(folder):
    rides = made_rides(NEW_YORK, 200)
    columns = dict(zip(COORDINATES, places(rides), strict=True)) | {'fare': rides['fare'], 'pickup_time': stamps(rides)}
    columns |= {name: list(map(cell, columns[name])) for name, cell in changed.items()}
    lines = [','.join(map(str, row)) + change['end'] for row in zip(*columns.values(), strict=True)]
    path = folder / 'rides.csv'
    path.write_bytes((change['head'] + '\n'.join([','.join(columns), *lines])).encode(change['encoding']))
    return path

  return write


HOSTILE = {
  'unknown_time': (
    _unread(pickup_time=lambda stamp: f'Q1/{stamp[:4]} at {stamp[11:16]}'),
    r"The values of 'pickup_time', such as 'Q1/\d+ at \d\d:\d\d', are in no form .* Unix seconds\. Write them so; or",
  ),
  'points': (_unread(**dict.fromkeys(COORDINATES, lambda x: f'P {x} {x}')), r'four columns of degrees such as -73\.98'),
  'windows_1252': (
    _unread(fare=lambda fare: f'{fare} €', encoding='cp1252'),
    r"'fare' has bytes that are no UTF-8.*iconv -f WINDOWS-1252",
  ),
  'header_of_windows_1252': (_unread(head='é', encoding='cp1252'), r'first line holds bytes .* UTF-8 text\. .*iconv'),
  'words_before_the_header': (_unread(head='rides, 2022\n'), r"If its first line, 'rides', '2022', is not the names"),
  'negative_fares': (_unread(fare=lambda fare: f'-{fare}'), r'can be the fare \(its columns: .*\)\. If one of them is'),
  'trailing_delimiters': (_unread(end=','), r'only a header .*fields: 200\).* let the header end with it, too'),
  'mixed_marks': (_mixed_marks, r"can be the fare .*'valor' has the decimal mark '.', and other columns another one"),
  'dropoff_time_alone': (_dropoff_time_alone, r'has no column that can be the pickup time'),
  'no_fare': (_without('fare'), r'has no column that can be the fare \(its columns: .*--column fare_amount=NAME'),
  'no_time': (_without('pickup_time'), r'has no column that can be the pickup time .*--column pickup_seconds=NAME'),
  'no_coordinates': (
    _without(*COORDINATES),
    r'can be the places of pickup and dropoff .*--column pickup_longitude=NAME',
  ),
  'no_dropoff': (_without(*COORDINATES[2:]), r'can be the places .*--column dropoff_longitude=NAME'),
  'two_fares_of_one_name': (_twice, r"has the column 'fare' twice; rename or drop one of them"),
  'no_file': (lambda folder: folder / 'none.csv', r'No file matches'),
  'a_folder': (lambda folder: folder, r'is a directory; name its files'),
}


@pytest.mark.parametrize(('write', 'message'), HOSTILE.values(), ids=HOSTILE)
def test_what_is_no_file_of_rides_is_one_sentence(write, message, tmp_path, monkeypatch):
  rides = write(tmp_path)
  monkeypatch.chdir(tmp_path)
  done = CliRunner().invoke(main, ['init', str(rides), '--yes'])
  assert done.exit_code == 2
  assert len(done.stderr.splitlines()) == 1
  with pytest.raises(UserError, match=message):
    commands_init.run(str(rides))
  assert not list(tmp_path.glob('*.yaml'))
