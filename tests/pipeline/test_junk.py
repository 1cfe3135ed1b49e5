"""What can't be read is refused at once, by every command, with exit code 2 and what to set.

Oracles: the modules that the process has loaded, and the same rides read by the setting that the message names.
"""

from __future__ import annotations

import pathlib
import subprocess
import sys

import pytest

from components.ride_example_gen.early import refuse_junk
from components.ride_example_gen.files import IngestionError
from configs.loading import load
from tests.models.lite.small_files import write_version
from tests.pipeline.starting.made_rides import NEW_YORK, made_rides, places, stamps, write_rows

HEADER = ['key', 'fare_amount', 'pickup_datetime', 'pickup_longitude', 'pickup_latitude', 'dropoff_longitude',
          'dropoff_latitude', 'passenger_count']  # fmt: skip
HEAVY = ('tfx', 'tensorflow', 'apache_beam')


def _columns(count: int = 60) -> dict[str, list]:
  rides = made_rides(NEW_YORK, count)
  columns = [range(count), rides['fare'], stamps(rides, '%Y-%m-%d %H:%M:%S UTC'), *places(rides), rides['passengers']]
  return dict(zip(HEADER, columns, strict=True))


def _write(path: pathlib.Path, columns: dict[str, list], delimiter: str = ',') -> pathlib.Path:
  return write_rows(path, list(columns), zip(*columns.values(), strict=True), delimiter)


def semicolons(path: pathlib.Path) -> pathlib.Path:
  return _write(path, _columns(), ';')


def tabs(path: pathlib.Path) -> pathlib.Path:
  return _write(path, _columns(), '\t')


def swapped(path: pathlib.Path) -> pathlib.Path:
  columns = _columns()
  for end in ('pickup', 'dropoff'):
    longitude, latitude = f'{end}_longitude', f'{end}_latitude'
    columns[longitude], columns[latitude] = columns[latitude], columns[longitude]
  return _write(path, columns)


def decimal_commas(path: pathlib.Path) -> pathlib.Path:
  columns = _columns()
  for name in HEADER[1:2] + HEADER[3:7]:
    columns[name] = [str(value).replace('.', ',') for value in columns[name]]
  return _write(path, columns)


def another_time(path: pathlib.Path) -> pathlib.Path:
  return _write(path, {**_columns(), 'pickup_datetime': stamps(made_rides(NEW_YORK, 60), '%d.%m.%Y %H:%M')})


JUNK = {
  'semicolons': (
    semicolons, "Its header has ';' between the names: set dataset.delimiter to ';'.", "dataset.delimiter=';'"),
  'tabs': (tabs, r"Its header has a tab between the names: set dataset.delimiter to '\t'.", 'dataset.delimiter=tab'),
  'swapped': (
    swapped,
    'a latitude? Exchange dataset.columns.pickup_longitude and pickup_latitude',
    'dataset.columns={pickup_longitude: pickup_latitude, pickup_latitude: pickup_longitude, '
    'dropoff_longitude: dropoff_latitude, dropoff_latitude: dropoff_longitude, fare_amount: fare_amount}',
  ),
  'decimal_commas': (decimal_commas, "set dataset.numbers.decimal to ','", "dataset.numbers.decimal=','"),
  'another_time': (another_time, "set dataset.time.format to '%d.%m.%Y %H:%M'", 'dataset.time.format="%d.%m.%Y %H:%M"'),
}  # fmt: skip


@pytest.mark.parametrize(('write', 'message', 'mend'), JUNK.values(), ids=JUNK)
def test_the_mend_mends(write, message, mend, tmp_path):
  rides = write(tmp_path / 'rides.csv')
  with pytest.raises(IngestionError) as caught:
    refuse_junk([str(rides)], load('nyc').dataset)
  assert message in str(caught.value)
  refuse_junk([str(rides)], load('nyc', [mend]).dataset)


def test_good_rides_pass(tmp_path):
  refuse_junk([str(_write(tmp_path / 'rides.csv', _columns()))], load('nyc').dataset)


def test_one_bad_file_of_several_is_left_to_the_run(tmp_path):
  bad, good = swapped(tmp_path / 'a.csv'), _write(tmp_path / 'b.csv', _columns())
  refuse_junk([str(bad), str(good)], load('nyc').dataset)


def test_what_no_setting_mends_is_left_to_the_run(tmp_path):
  rides = _write(tmp_path / 'rides.csv', {**_columns(), 'fare_amount': [-5.0] * 60})
  refuse_junk([str(rides)], load('nyc').dataset)


def test_a_dataset_that_allows_it_is_not_refused(tmp_path):
  """Oracle: 57 of 60 rides are set aside, 95 %."""
  lines = swapped(tmp_path / 'swapped.csv').read_text().splitlines()
  good = _write(tmp_path / 'good.csv', _columns()).read_text().splitlines()
  (tmp_path / 'mixed.csv').write_text('\n'.join([*lines[:-3], *good[-3:]]) + '\n')
  with pytest.raises(IngestionError, match='57 of the first 60 rides'):
    refuse_junk([str(tmp_path / 'mixed.csv')], load('nyc').dataset)
  refuse_junk([str(tmp_path / 'mixed.csv')], load('nyc', ['dataset.rules.max_quarantined_share=0.96']).dataset)


@pytest.fixture(scope='module')
def model(tmp_path_factory):
  """A pushed version."""
  destination = tmp_path_factory.mktemp('serving')
  write_version(destination / '3')
  return destination


COMMANDS = {
  'run': ['run', '--config', 'nyc', '--output', 'out', '--data', 'day-1/rides.csv'],
  'check': ['check', '--config', 'nyc', '--data', 'day-1/rides.csv'],
  'retrain': ['retrain', '--config', 'nyc', '--output', 'out', '--data', 'day-{SPAN}/rides.csv'],
  'predict': ['predict', '{model}', 'day-1/rides.csv', '--config', 'nyc', '--output', 'fares.csv'],
}


@pytest.mark.parametrize(
  ('name', 'write'),
  [('run', semicolons), ('run', swapped), ('check', semicolons), ('retrain', swapped), ('predict', swapped)],
)
def test_every_command_refuses_it_at_once(name, write, model, tmp_path):
  command = COMMANDS[name]
  (tmp_path / 'day-1').mkdir()
  write(tmp_path / 'day-1' / 'rides.csv')
  words = [word.replace('{model}', str(model)) for word in command]
  program = (
    'import sys\nfrom pipeline.cli import main\ncode = 0\n'
    f'try: main({words})\nexcept SystemExit as end: code = end.code\n'
    f'print(code, [name for name in {HEAVY} if name in sys.modules])'
  )
  done = subprocess.run([sys.executable, '-c', program], cwd=tmp_path, capture_output=True, text=True)
  assert done.stdout.splitlines()[-1] == '2 []'
  message = next(message for kind, message, _ in JUNK.values() if kind is write)
  assert message in ' '.join(f'{done.stdout} {done.stderr}'.split())
  assert not (tmp_path / 'fares.csv').exists()


def test_init_reads_it(tmp_path):
  """What `init` writes fits the file, so nothing is refused."""
  for name, (write, _, _) in JUNK.items():
    rides = write(tmp_path / f'{name}.csv')
    words = ['-m', 'pipeline', 'init', str(rides), '--output', str(tmp_path / f'{name}.yaml'), '--yes']
    subprocess.run([sys.executable, *words], check=True, capture_output=True)
    refuse_junk([str(rides)], load(str(tmp_path / f'{name}.yaml')).dataset)
