"""`farelite init`: a config for each layout, one sentence for what is no file of rides. Oracle: the layouts."""

import gzip
import io
import pathlib

import pytest
import tfx
import yaml

from components.ride_example_gen.ingestion import survey
from configs.base import Interval
from configs.columns import COORDINATES, LABEL, PASSENGERS
from configs.errors import UserError
from configs.loading import load
from pipeline.commands import init as commands_init
from tests.pipeline.starting.made_files import (
  BERLIN_HEADER,
  SAO_PAULO_HEADER,
  WITH_COMMAS,
  instants,
  parquet_with_places,
  parquet_with_zones,
)
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

HEADER = ['key', 'fare_amount', 'pickup_datetime', *COORDINATES, 'passenger_count']


def _config(tmp_path, rides, **options):
  """The config that the command writes, as a mapping, and its text."""
  target = tmp_path / 'mine.yaml'
  commands_init.run(str(rides), str(target), **options)
  text = target.read_text(encoding='utf-8')
  return yaml.safe_load(text), text


def _generic(path, header=HEADER, **more):
  """Rides of New York in the columns of the case study."""
  rides = made_rides(NEW_YORK, **more)
  rows = zip(range(len(rides['fare'])), rides['fare'], stamps(rides), *places(rides), rides['passengers'], strict=True)
  return write_rows(path, header, rows)


def test_new_york(tmp_path, nyc_rides):
  config, text = _config(tmp_path, nyc_rides)
  preset = load('nyc').dataset
  dataset = load(str(tmp_path / 'mine.yaml')).dataset
  assert (dataset.columns, dataset.time, dataset.currency) == (preset.columns, preset.time, preset.currency)
  assert dataset.path == str(nyc_rides)
  assert (dataset.city.center_latitude, dataset.city.center_longitude) == pytest.approx((40.75, -73.98), abs=0.02)
  for axis in ('longitude', 'latitude'):
    mine, theirs = getattr(dataset.rules.bounds, axis), getattr(preset.rules.bounds, axis)
    assert theirs.min < mine.min < mine.max < theirs.max
  for landmark in preset.city.landmarks:
    assert dataset.rules.bounds.longitude.min < landmark.longitude < dataset.rules.bounds.longitude.max
  assert "The stamps claim UTC, but the fewest rides are before dawn if the clock is the city's own" in _plain(text)
  assert config['dataset']['rules']['fare']['min'] == preset.rules.fare.min
  assert '# The preset nyc has the same columns' in text


def test_a_preset_that_reads_other_stamps_is_none(tmp_path):
  path = write_tlc(tmp_path / 'yellow.csv', TLC_2010, made_rides(NEW_YORK))
  assert 'The preset nyc' not in _config(tmp_path, path)[1]


def test_a_preset_of_another_city_is_none(tmp_path):
  rides = made_rides(SAO_PAULO)
  rows = zip(range(400), rides['fare'], stamps(rides), *places(rides), rides['passengers'], strict=True)
  assert 'The preset' not in _config(tmp_path, write_rows(tmp_path / 'rides.csv', HEADER, rows))[1]


def _plain(text):
  """Comments without their line ends."""
  return ' '.join(text.replace('#', ' ').split())


CHICAGO = pathlib.Path(tfx.__file__).parent / 'examples/chicago_taxi_pipeline/data/simple/data.csv'


def test_chicago(tmp_path):
  """As the preset has it, but for its name, its wider rules and what people know about the city."""
  config, _ = _config(tmp_path, CHICAGO, name='chicago')
  preset, mine = load('chicago'), load(str(tmp_path / 'mine.yaml'))
  assert (mine.dataset.columns, mine.dataset.time) == (preset.dataset.columns, preset.dataset.time)
  assert {*mine.dataset.known_after_ride} == {*preset.dataset.known_after_ride}
  assert not mine.features.passengers.enabled
  assert {*config['validation']['max_missing_share']} == {*COORDINATES}


TLC = {
  'tlc_2009': (TLC_2009, ('Fare_Amt', 'Trip_Pickup_DateTime', 'Start_Lon', 'Start_Lat', 'End_Lon', 'End_Lat',
                          'Passenger_Count')),
  'tlc_2010': (TLC_2010, ('fare_amount', 'pickup_datetime', *COORDINATES, 'passenger_count')),
  'tlc_2015': (TLC_2015, ('fare_amount', 'tpep_pickup_datetime', *COORDINATES, 'passenger_count')),
}  # fmt: skip


@pytest.mark.parametrize(('header', 'columns'), TLC.values(), ids=TLC)
def test_files_of_new_york_s_taxi_commission(header, columns, tmp_path):
  config, text = _config(tmp_path, write_tlc(tmp_path / 'yellow.csv', header, made_rides(NEW_YORK)))
  dataset = config['dataset']
  found = (dataset['columns'][LABEL], dataset['time']['column'], *(dataset['columns'][name] for name in COORDINATES))
  assert (*found, dataset['columns'][PASSENGERS]) == columns
  after = {
    name for name in header.split(',') if any(word in name.lower() for word in ('tip', 'toll', 'total', 'dropoff_date'))
  }
  assert {*dataset['known_after_ride']} >= after
  assert dataset['rules']['bounds']['longitude']['max'] < -70
  assert '# extras:' in text
  assert load(str(tmp_path / 'mine.yaml'))


def test_parquet_with_timestamps(tmp_path):
  config, _ = _config(tmp_path, parquet_with_places(tmp_path))
  assert config['dataset']['time'] == {'column': 'tpep_pickup_datetime', 'encoding': 'timestamp', 'clock': 'local'}
  assert config['dataset']['known_after_ride'] == ['total_amount']
  assert 'format' not in config['dataset']


FAR = {
  'sao_paulo': (SAO_PAULO, SAO_PAULO_HEADER, '%d/%m/%Y %H:%M', 'BRL', {'decimal': ','}),
  'sao_paulo_with_signs': (SAO_PAULO, SAO_PAULO_HEADER, '%d/%m/%Y %H:%M', 'BRL', {'decimal': ',', 'signs': ['R$']}),
  'berlin': (BERLIN, BERLIN_HEADER, '%d.%m.%Y %H:%M:%S', 'EUR', {'decimal': ','}),
}


@pytest.mark.parametrize('layout', FAR)
def test_decimal_commas_and_days_first(layout, tmp_path):
  city, header, format_, currency, numbers = FAR[layout]
  dataset = _config(tmp_path, WITH_COMMAS[layout](tmp_path))[0]['dataset']
  names = header.split(';')
  assert dataset['columns'] == dict(
    zip(('key', LABEL, *COORDINATES, PASSENGERS), [*names[:2], *names[3:]], strict=True)
  )
  assert dataset['time'] == {'column': names[2], 'encoding': 'string', 'format': format_, 'clock': 'local'}
  assert (dataset['delimiter'], dataset['numbers'], dataset['currency']) == (';', numbers, currency)
  assert dataset['city']['center_latitude'] == pytest.approx(city[0], abs=0.01)


def test_instants_get_the_zone_of_the_nearest_city(tmp_path):
  config, text = _config(tmp_path, instants(tmp_path))
  assert config['dataset']['time']['clock'] == 'utc'
  assert config['dataset']['time']['time_zone'] == 'Europe/Berlin'
  assert 'Unsure: Europe/Berlin is the zone of the nearest city' in _plain(text)
  assert load(str(tmp_path / 'mine.yaml')).dataset.time.time_zone == 'Europe/Berlin'


def test_zone_ids_ask_for_their_table(tmp_path):
  config, text = _config(tmp_path, parquet_with_zones(tmp_path, 'Pickup Area', 'Dropoff Area'))
  assert config['dataset']['places'] == {'pickup': 'Pickup Area', 'dropoff': 'Dropoff Area', 'zones': {}}
  assert text.startswith('# EDIT THIS: dataset.places.zones')
  assert 'The ids that were seen: 132, 138.' in text


def test_new_york_s_zones_are_those_of_the_preset(tmp_path, capsys):
  config, text = _config(tmp_path, parquet_with_zones(tmp_path))
  assert config['extends'] == 'tlc-yellow-zones'
  assert 'EDIT THIS' not in text
  assert 'To be put in by hand' not in capsys.readouterr().out
  assert '132' in load(str(tmp_path / 'mine.yaml')).dataset.places.zones


def test_words_for_missing_values_and_their_limit(tmp_path):
  rides = made_rides(NEW_YORK)
  columns = places(rides)
  columns[2][::10] = ['N/A'] * 40
  rows = zip(rides['fare'], stamps(rides), *columns, strict=True)
  config, _ = _config(tmp_path, write_rows(tmp_path / 'rides.csv', ['fare', 'pickup_time', *COORDINATES], rows))
  assert 'N/A' in config['dataset']['missing']
  assert config['validation']['max_missing_share'] == {COORDINATES[2]: 0.17}


def test_five_hundred_columns(tmp_path):
  rides = made_rides(NEW_YORK, 60)
  more = [[number] * 60 for number in range(494)]
  rows = zip(rides['fare'], stamps(rides), *places(rides), *more, strict=True)
  header = ['fare', 'pickup_time', *COORDINATES, *(f'sensor {number}' for number in range(494))]
  config, text = _config(tmp_path, write_rows(tmp_path / 'rides.csv', header, rows))
  assert config['dataset']['columns'][LABEL] == 'fare'
  assert len(text.splitlines()) < 100


def test_the_extras_that_are_offered_are_right_as_they_stand(tmp_path):
  rides = made_rides(NEW_YORK, 200)
  words = ['a', 'NA', 'b: c', 'N/A', 'null']
  rows = zip(
    rides['fare'], stamps(rides), *places(rides), [['2', 'N/A'][row % 2] for row in range(200)],
    [words[row % 5] for row in range(200)], [['1.0', '', '2.0'][row % 3] for row in range(200)], strict=True,
  )  # fmt: skip
  header = ['fare', 'pickup_time', *COORDINATES, 'passengers', 'kind', 'rate']
  _, text = _config(tmp_path, write_rows(tmp_path / 'rides.csv', header, rows))
  for hidden, shown in (('# extras:', 'extras:'), ('# landmarks:', 'landmarks:'), ('#   - ', '  - ')):
    text = text.replace(hidden, shown)
  (tmp_path / 'mine.yaml').write_text(text)
  extras = load(str(tmp_path / 'mine.yaml')).dataset.extras
  assert [(extra.name, extra.vocabulary) for extra in extras] == [('kind', ('a', 'b: c')), ('rate', ('1.0', '2.0'))]


def test_words_of_the_time_are_none_of_the_numbers_and_fractions_are_numbers(tmp_path):
  """Oracle: the cells, as they are written here."""
  rides = made_rides(SAO_PAULO, 300)
  comma = lambda values: [f'{value:.6f}'.replace('.', ',') for value in values]  # noqa: E731
  times = ['sin fecha' if row % 50 == 7 else stamp for row, stamp in enumerate(stamps(rides))]
  keys = ('longitude', 'latitude', 'to_longitude', 'to_latitude')
  rows = zip(
    comma(rides['fare']), times, *(comma(rides[key]) for key in keys), [['1', 'n/d'][row % 2] for row in range(300)],
    [['1,0', '1,5', '1,2'][row % 3] for row in range(300)], strict=True,
  )  # fmt: skip
  lines = [';'.join(row) for row in [('monto', 'fecha', *COORDINATES, 'pasajeros', 'surge'), *rows]]
  (tmp_path / 'rides.csv').write_text('\n'.join(lines) + '\n')
  config, text = _config(tmp_path, tmp_path / 'rides.csv')
  assert config['dataset']['missing'][-1] == 'n/d' and 'sin fecha' not in config['dataset']['missing']
  for hidden, shown in (('# extras:', 'extras:'), ('# landmarks:', 'landmarks:'), ('#   - ', '  - ')):
    text = text.replace(hidden, shown)
  (tmp_path / 'mine.yaml').write_text(text)
  dataset = load(str(tmp_path / 'mine.yaml')).dataset
  [extra] = dataset.extras
  assert (extra.name, extra.kind, extra.vocabulary) == ('surge', 'numeric', ())
  assert dataset.rules.extras == {'surge': Interval(min=0, max=3)}


@pytest.mark.parametrize(
  ('values', 'expected'),
  [
    pytest.param([1.0, 1.5, 1.2], {'min': 0, 'max': 3}, id='factors'),
    pytest.param([-7.5, 12.0, 31.0], {'min': -15, 'max': 62}, id='degrees'),
    pytest.param([0.0, 0.25, 4500.5], {'min': 0, 'max': 9100}, id='metres'),
    pytest.param([1, 2, 3], None, id='kinds'),
    pytest.param(['a', 'b', 'c'], None, id='words'),
  ],
)
def test_ranges_are_proposed_for_the_extras_that_are_numbers(tmp_path, values, expected):
  """Commented, as the extras are: they hold once both lines do; named `no`, which YAML would take for false."""
  rides = made_rides(NEW_YORK, 300)
  rows = zip(rides['fare'], stamps(rides), *places(rides), [values[row % 3] for row in range(300)], strict=True)
  header = ['fare', 'pickup_time', *COORDINATES, 'no']
  config, text = _config(tmp_path, write_rows(tmp_path / 'rides.csv', header, rows))
  assert 'extras' not in config['dataset']['rules']
  for hidden, shown in (('# extras:', 'extras:'), ('# landmarks:', 'landmarks:'), ('#   - ', '  - ')):
    text = text.replace(hidden, shown)
  (tmp_path / 'mine.yaml').write_text(text)
  found = load(str(tmp_path / 'mine.yaml')).dataset
  assert [extra.name for extra in found.extras] == ['no']
  assert {name: interval.model_dump() for name, interval in found.rules.extras.items()} == (
    {} if expected is None else {'no': expected}
  )


def test_commas_in_the_fares_alone_make_numbers_of_an_extra(tmp_path):
  """The coordinates have points. Oracle: the cells, as they are written here."""
  rides = made_rides(SAO_PAULO, 300)
  comma = lambda values: [f'{value:.2f}'.replace('.', ',') for value in values]  # noqa: E731
  surge = [['1,0', '1,5', '1,2'][row % 3] for row in range(300)]
  rows = zip(comma(rides['fare']), stamps(rides), *places(rides), surge, strict=True)
  lines = [';'.join(map(str, row)) for row in [('monto', 'fecha', *COORDINATES, 'surge'), *rows]]
  (tmp_path / 'rides.csv').write_text('\n'.join(lines) + '\n')
  config, text = _config(tmp_path, tmp_path / 'rides.csv')
  assert config['dataset']['numbers'] == {'decimal': ',', 'columns': ['monto']}
  assert '#   - {name: surge, column: surge, kind: numeric}  # and its column into numbers.columns, above' in text


def test_days_without_hours_are_said(tmp_path, capsys):
  rides = made_rides(NEW_YORK, 500)
  columns = dict(zip(COORDINATES, places(rides), strict=True)) | {'fare': rides['fare']}
  columns |= {'pickup_date': [stamp[:10] for stamp in stamps(rides)], 'pickup_time': [s[11:] for s in stamps(rides)]}
  path = write_rows(tmp_path / 'rides.csv', columns, zip(*columns.values(), strict=True))
  _, text = _config(tmp_path, path)
  said = "'pickup_date' holds days alone, so all rides are at midnight; 'pickup_time' has the time of day: join both"
  assert said in ' '.join(text.replace('#', ' ').split())
  assert said in ' '.join(capsys.readouterr().out.split())


def test_one_ride_is_enough_to_begin_with(tmp_path):
  _config(tmp_path, _generic(tmp_path / 'rides.csv', count=1))
  assert load(str(tmp_path / 'mine.yaml')).dataset.columns.fare_amount == 'fare_amount'


def test_bytes_that_are_no_utf_8_spoil_their_cells_alone(tmp_path):
  path = _generic(tmp_path / 'rides.csv')
  path.write_bytes(path.read_bytes() + b'Z\xfcrich,8,2015-12-31 08:00:00,-73.9,40.7,-73.9,40.7,1\n')
  assert _config(tmp_path, path)[0]['dataset']['columns']['key'] == 'key'


STRANGE = [
  'a: b',
  '# c',
  "d'e",
  'f\ng',
  '{h}',
  '- i',
  'länge "j"',
  'null',
  '1.5e3 k',
  'x\x1b[31m',
  '[l]',
  '!m',
  '@n',
  '%o',
]


def test_any_name_of_a_column_is_quoted(tmp_path):
  rides = made_rides(NEW_YORK, 100)
  header = ['*fare: #1', 'pickup\u2028time "', *COORDINATES, *STRANGE]
  more = [[f'{value}' for value in rides['passengers'] * number] for number, _ in enumerate(STRANGE, 1)]
  rows = zip(rides['fare'], stamps(rides), *places(rides), *more, strict=True)
  path = write_rows(tmp_path / 'rides.csv', header, rows)
  config, text = _config(tmp_path, path, columns=['fare_amount=*fare: #1', 'pickup_seconds=pickup\u2028time "'])
  assert config['dataset']['columns'][LABEL] == header[0]
  assert config['dataset']['time']['column'] == header[1]
  uncommented = text.replace('# extras:', 'extras:').replace('# landmarks:', 'landmarks:').replace('#   - ', '  - ')
  listed = {extra['column'] for extra in yaml.safe_load(uncommented)['dataset']['extras']}
  assert listed & {*STRANGE} and '\x1b' not in text


def _mixed_marks(folder):
  """Decimal commas in the fares and points in the coordinates."""
  rides = made_rides(SAO_PAULO)
  fares = [f'{fare:.2f}'.replace('.', ',') for fare in rides['fare']]
  header = ['valor', 'pickup_time', *COORDINATES, 'total_valor']
  return write_rows(folder / 'rides.csv', header, zip(fares, stamps(rides), *places(rides), fares, strict=True), ';')


def test_fares_may_be_written_otherwise_than_coordinates(tmp_path):
  config, _ = _config(tmp_path, _mixed_marks(tmp_path))
  assert config['dataset']['numbers'] == {'decimal': ',', 'columns': ['valor']}
  loaded = load(str(tmp_path / 'mine.yaml'))
  counts = survey({'': [str(tmp_path / 'rides.csv')]}, loaded.dataset, loaded.split)
  assert counts.kept == counts.read > 0


def test_no_file_is_written_over_without_force(tmp_path):
  rides, target = _generic(tmp_path / 'rides.csv'), tmp_path / 'mine.yaml'
  target.write_text('precious')
  with pytest.raises(UserError, match=r"mine.yaml' is there already: .* --force"):
    commands_init.run(str(rides), str(target))
  assert target.read_text() == 'precious'
  commands_init.run(str(rides), str(target), force=True)
  assert load(str(target))


def test_the_config_is_yaml(tmp_path):
  with pytest.raises(UserError, match=r"The config is YAML: name it \*.yaml, got 'mine.txt'"):
    commands_init.run(str(_generic(tmp_path / 'rides.csv')), 'mine.txt')


@pytest.mark.parametrize(
  ('column', 'message'),
  [
    ('fare', r"--column takes CANONICAL=NAME, such as fare_amount=price, got 'fare'"),
    ('fair_amount=x', r"unknown part of a ride 'fair_amount'.*Did you mean 'fare_amount'"),
    ('fare_amount=prize', r"has no column 'prize'"),
    ('fare_amount=pickup_datetime', r"'pickup_datetime' of .* holds no numbers, so it can't be fare_amount"),
    ('pickup_latitude=pickup_datetime', r"holds no numbers, so it can't be pickup_latitude"),
    (
      'pickup_seconds=fare_amount',
      r"'fare_amount' of .* can't be pickup_seconds\. The values .* are in no form that is guessed",
    ),
  ],
)
def test_columns_are_named_rightly(column, message, tmp_path):
  with pytest.raises(UserError, match=message):
    commands_init.run(str(_generic(tmp_path / 'rides.csv')), str(tmp_path / 'mine.yaml'), columns=[column])


def test_what_no_config_takes_is_refused_before_it_is_written(tmp_path):
  with pytest.raises(UserError, match=r"must have lower-case letters, digits and hyphens alone.*got 'My City'"):
    _config(tmp_path, _generic(tmp_path / 'rides.csv'), name='My City')
  assert not (tmp_path / 'mine.yaml').exists()


def test_the_currency_may_stand_in_the_fare_s_name(tmp_path):
  header = ['key', 'fare_INR', *HEADER[2:]]
  assert _config(tmp_path, _generic(tmp_path / 'rides.csv', header))[0]['dataset']['currency'] == 'INR'


def test_a_named_column_is_not_guessed(tmp_path):
  rides = made_rides(NEW_YORK)
  rows = zip(rides['fare'], rides['fare'] * 2, stamps(rides), *places(rides), strict=True)
  path = write_rows(tmp_path / 'rides.csv', ['fare', 'b', 'pickup_time', *COORDINATES], rows)
  assert _config(tmp_path, path, columns=['fare_amount=b'])[0]['dataset']['columns'][LABEL] == 'b'


def test_a_glob_is_kept_and_its_first_file_is_looked_at(tmp_path, capsys):
  _generic(tmp_path / 'b.csv', year=2015)
  (tmp_path / 'a.csv.gz').write_bytes(gzip.compress(_generic(tmp_path / 'c.txt').read_bytes()))
  dataset = _config(tmp_path, f'{tmp_path}/*.csv*')[0]['dataset']
  assert dataset['path'] == f'{tmp_path}/*.csv*'
  assert f'next: farelite check --config {tmp_path}/mine.yaml' in capsys.readouterr().out.replace('\n', '')


def test_names_come_from_the_file(tmp_path, monkeypatch):
  monkeypatch.chdir(tmp_path)
  _generic(tmp_path / 'Yellow Rides_2015-01.csv')
  commands_init.run('Yellow Rides_2015-01.csv')
  config = load('yellow-rides-2015-01.yaml')
  assert (config.name, config.dataset.path) == ('yellow-rides-2015-01', f'{tmp_path}/Yellow Rides_2015-01.csv')


def _answer(monkeypatch, *answers):
  monkeypatch.setattr('sys.stdin', io.StringIO(''.join(f'{answer}\n' for answer in answers)))


def test_answers_are_taken_and_wrong_ones_asked_for_again(tmp_path, capsys, monkeypatch):
  rides = _generic(tmp_path / 'rides.csv', header=['key', 'a', 'b', 'c', 'd', 'e', 'f', 'passenger_count'])
  _answer(monkeypatch, 'a', '', '', '', '', 'nope', '', '-', 'solar', 'utc', 'America/Detroit', 'cad', 'town')
  dataset = _config(tmp_path, rides, ask=True)[0]['dataset']
  assert [dataset['columns'][name] for name in (LABEL, *COORDINATES)] == list('acdef')
  assert PASSENGERS not in dataset['columns']
  assert (dataset['time']['clock'], dataset['time']['time_zone']) == ('utc', 'America/Detroit')
  assert (dataset['currency'], dataset['name']) == ('CAD', 'town')
  assert "There is no column 'nope'" in capsys.readouterr().out


def test_answers_that_end_write_nothing(tmp_path, monkeypatch):
  _answer(monkeypatch, '', '')
  with pytest.raises(UserError, match='The answers ended, and nothing was written'):
    _config(tmp_path, _generic(tmp_path / 'rides.csv'), ask=True)
  assert not (tmp_path / 'mine.yaml').exists()


def test_a_day_that_may_be_a_month_is_asked_for(tmp_path, monkeypatch):
  rides = made_rides(NEW_YORK, 40)
  times = [f'0{1 + row % 9}/0{1 + row % 7}/2015 08:00' for row in range(40)]
  rows = zip(rides['fare'], times, *places(rides), strict=True)
  path = write_rows(tmp_path / 'rides.csv', ['fare', 'pickup_time', *COORDINATES], rows)
  _answer(monkeypatch, *[''] * 6, '-', '%d/%m/%Y %H:%M', *[''] * 9)
  assert _config(tmp_path, path, ask=True)[0]['dataset']['time']['format'] == '%d/%m/%Y %H:%M'
  config, text = _config(tmp_path, path, force=True)
  assert config['dataset']['time']['format'] == '%m/%d/%Y %H:%M'
  assert "Unsure: '%d/%m/%Y %H:%M' reads every cell as well, to other days" in _plain(text)
