"""`farelite check`: what a run would do. Oracles: what was written, and the counts of the ingestion itself."""

import datetime
import json
import os
import pathlib
import subprocess
import sys

import pyarrow as pa
import pyarrow.csv
import pytest
import tfx
from click.testing import CliRunner

from benchmarks.simulator import simulate_day
from configs.errors import UserError
from configs.loading import load
from pipeline.cli import main
from pipeline.commands import check as commands_check
from pipeline.commands import init as commands_init
from pipeline.sources import files_of
from tests.pipeline.starting.made_files import LAYOUTS, WITH_COMMAS, parquet_with_zones
from tests.pipeline.starting.made_rides import NEW_YORK, made_rides, places, stamps, write_rows

CHICAGO = pathlib.Path(tfx.__file__).parent / 'examples/chicago_taxi_pipeline/data/simple/data.csv'


def _check(config, *settings, data=None):
  """The command's JSON and its exit code."""
  words = [word for setting in settings for word in ('--set', setting)]
  words += ['--data', str(data)] if data else []
  done = CliRunner().invoke(main, ['check', '--config', str(config), '--json', *words])
  assert done.exit_code in (0, 2), done.output
  return json.loads(done.stdout) if done.stdout else done.stderr, done.exit_code


def _after_init(rides, folder, *edits):
  """What `check` says of the config that `init` wrote, after the edits."""
  commands_init.run(str(rides), str(folder / 'mine.yaml'), yes=True)
  return _check(folder / 'mine.yaml', *edits)


@pytest.mark.parametrize('write', LAYOUTS.values(), ids=LAYOUTS)
def test_what_init_wrote_is_accepted_as_it_is(write, tmp_path):
  found, code = _after_init(write(tmp_path), tmp_path)
  assert (code, found['would_train'], found['refusals']) == (0, True, [])
  assert found['kept'] >= 0.97 * found['read']


@pytest.mark.parametrize('write', WITH_COMMAS.values(), ids=WITH_COMMAS)
def test_decimal_commas_are_accepted_as_they_are(write, tmp_path):
  found, code = _after_init(write(tmp_path), tmp_path)
  assert (code, found['refusals']) == (0, [])
  assert found['kept'] >= 0.97 * found['read']


def test_zone_ids_are_accepted_after_one_edit(tmp_path):
  """The edit: where each zone lies."""
  edit = "dataset.places.zones={'132': [-73.78, 40.64], '138': [-73.87, 40.77]}"
  found, code = _after_init(parquet_with_zones(tmp_path, 'Pickup Area', 'Dropoff Area'), tmp_path, edit)
  assert (code, found['refusals']) == (0, [])
  assert found['kept'] >= 0.99 * 600


def test_new_york_s_zone_ids_are_accepted_as_they_are(tmp_path):
  found, code = _after_init(parquet_with_zones(tmp_path), tmp_path)
  assert (code, found['refusals']) == (0, [])
  assert found['kept'] >= 0.99 * 600


def test_new_york_is_accepted_as_it_is(tmp_path, nyc_rides):
  found, code = _after_init(nyc_rides, tmp_path)
  assert (code, found['read'], found['refusals']) == (0, 8905, [])
  assert found['kept'] > 8880


def test_chicago_is_accepted_as_it_is(tmp_path):
  found, code = _after_init(CHICAGO, tmp_path)
  assert (code, found['read'], found['refusals']) == (0, 15002, [])


def test_counts_are_those_of_a_run():
  """Oracle: the README's run of the Chicago preset."""
  found, code = _check('chicago')
  assert code == 0
  assert (found['kept'], found['splits'], found['quarantined']) == (
    14967, {'train': 11917, 'eval': 3050}, {'fare_out_of_range': 35},
  )  # fmt: skip
  assert found['columns']['dropoff_latitude']['missing'] > 0
  assert (found['first_pickup'], found['last_pickup']) == ('2013-01-01 00:30:00', '2016-12-30 16:45:00')


HEADER = ['key', 'fare_amount', 'pickup_datetime', 'pickup_longitude', 'pickup_latitude', 'dropoff_longitude',
          'dropoff_latitude', 'passenger_count']  # fmt: skip


def _rides(path, count=400, **changes):
  """New York rides for the preset; `changes` are columns by name."""
  rides = made_rides(NEW_YORK, count)
  columns = [range(count), rides['fare'], stamps(rides, '%Y-%m-%d %H:%M:%S UTC'), *places(rides), rides['passengers']]
  named = dict(zip(HEADER, columns, strict=True)) | changes
  return write_rows(path, HEADER, zip(*named.values(), strict=True))


FARES = [-1.0] * 399 + [8.0]
REFUSED = {
  'too_many_set_aside': (
    {'fare_amount': FARES}, (), r'399 of 400 rides \(99.8 %\) are invalid, .*fare_out_of_range: 399\): they are with '
    'their reasons in the table above'),
  'all_set_aside': ({'fare_amount': [-1.0] * 400}, (), 'All 400 rides are invalid'),
  'an_empty_split': (
    {'pickup_datetime': ['2015-05-05 08:00:00 UTC'] * 400}, (), 'The eval split is empty because all 400 valid rides'),
  'missing_values': (
    {'passenger_count': [''] * 200 + [1] * 200}, ('validation.max_missing_share={passenger_count: 0.1}',),
    r'passenger_count: expected at most 10 % missing values \(validation.max_missing_share\), came 50 %'),
}  # fmt: skip


@pytest.mark.parametrize(('changes', 'settings', 'message'), REFUSED.values(), ids=REFUSED)
def test_what_a_run_would_refuse_is_refused(changes, settings, message, tmp_path):
  rides = _rides(tmp_path / 'rides.csv', **changes)
  config = load('nyc', (f'dataset.path={rides}', *settings))
  with pytest.raises(UserError, match=f'A run would not train. {message}'):
    commands_check.run(config, files_of(config.dataset, 'check'))
  found, code = _check('nyc', *settings, data=rides)
  assert (code, found['would_train']) == (2, False)
  assert len(found['refusals']) == 1


def test_the_same_rides_twice_are_refused(tmp_path):
  _rides(tmp_path / 'a.csv')
  _rides(tmp_path / 'b.csv')
  found, code = _check('nyc', data=tmp_path / '*.csv')
  assert (code, [finding['kind'] for finding in found['findings'] if finding['stops']]) == (2, ['redelivery'])


def test_a_broken_file_is_one_sentence(tmp_path):
  (tmp_path / 'rides.csv').write_text('a,b\n1,2\n')
  message, code = _check('nyc', data=tmp_path / 'rides.csv')
  assert code == 2
  assert message.count('\n') == 1
  assert "has no column 'pickup_datetime'" in message


def test_few_rides_to_judge_by_are_a_warning(tmp_path):
  found, code = _check('nyc', 'evaluation.min_rides=5000', data=_rides(tmp_path / 'rides.csv'))
  assert (code, found['would_train']) == (0, True)
  eval_rides = found['splits']['eval']
  assert (
    f'Nothing would be pushed: the eval split has {eval_rides} rides, and evaluation.min_rides is 5,000.'
    in (found['warnings'])
  )


def test_an_input_that_can_not_be_right_is_a_warning(tmp_path):
  found, code = _check('nyc', data=_rides(tmp_path / 'rides.csv', passenger_count=[1] * 400))
  assert code == 0
  assert any('passenger_count' in warning for warning in found['warnings'])


def test_a_window_is_read_as_a_run_would(tmp_path):
  """The newest span alone without a window; with one, the last ones, the newest for evaluation."""
  for day in (1, 2, 3):
    (tmp_path / f'2015/05/0{day}').mkdir(parents=True)
    times = [f'2015-05-0{day} {hour:02}:{minute:02}:00 UTC' for hour in range(20) for minute in range(20)]
    _rides(
      tmp_path / f'2015/05/0{day}/rides.csv',
      fare_amount=[8 + day + row / 100 for row in range(400)],
      pickup_datetime=times,
    )
  data = tmp_path / '{YYYY}/{MM}/{DD}/*.csv'
  assert _check('nyc', data=data)[0]['read'] == 400
  found, _ = _check('nyc', 'retraining.window=2', data=data)
  assert (found['read'], found['splits']) == (800, {'train': 400, 'eval': 400})
  done = CliRunner().invoke(main, ['check', '--config', 'nyc', '--json', '--data', str(data), '--window', '2'])
  assert json.loads(done.stdout) == found


def test_shows_tables_and_sentences(tmp_path):
  rides = _rides(tmp_path / 'rides.csv', fare_amount=[8.0 + row / 100 for row in range(399)] + [-1])
  done = CliRunner().invoke(main, ['check', '--config', 'nyc', '--data', str(rides)])
  assert done.exit_code == 0
  for text in (
    f'1 file: {rides}', '400 rides read, 399 kept', 'fare_out_of_range', '0.25%', 'dropoff_latitude',
    'A run would train on these rides.',
  ):  # fmt: skip
    assert text in done.stdout


def test_loads_no_framework_and_leaves_nothing(tmp_path):
  """Oracle: the modules that are loaded, not a clock; and the folder."""
  program = (
    'import sys\n'
    'from click.testing import CliRunner\n'
    'from pipeline.cli import main\n'
    "assert CliRunner().invoke(main, ['init', 'rides.csv']).exit_code == 0\n"
    "assert CliRunner().invoke(main, ['check', '--config', 'rides.yaml']).exit_code == 0\n"
    "print([name for name in ('tensorflow', 'tfx', 'apache_beam') if name in sys.modules])"
  )
  _rides(tmp_path / 'rides.csv')
  environment = os.environ | {'PYTHONPATH': str(pathlib.Path.cwd())}
  command = [sys.executable, '-c', program]
  done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, env=environment)
  assert (done.stdout.strip(), done.stderr) == ('[]', '')
  assert sorted(path.name for path in tmp_path.iterdir()) == ['rides.csv', 'rides.yaml']


def test_rides_in_bigquery_are_refused():
  done = CliRunner().invoke(
    main, ['check', '--config', 'nyc', '--set', 'dataset.bigquery={table: my-project.rides.nyc}']
  )
  assert done.exit_code == 2
  assert 'farelite check needs files (dataset.path)' in done.stderr


@pytest.mark.parametrize(
  ('spoiled', 'settings', 'message'),
  [
    pytest.param('fare_amount', [], '60 of 100 rides of the newest span, 2026-03-08, are invalid (60 %)', id='broken'),
    pytest.param(
      'passenger_count',
      ['validation.max_missing_share={passenger_count: 0.2}'],
      'at most 20 % missing values (validation.max_missing_share), came 60 % in the newest span, 2026-03-08.',
      id='missing',
    ),
    pytest.param('fare_amount', ['retraining.exclude=[2026-03-08]'], None, id='excluded'),
  ],
)
def test_the_newest_day_is_judged_by_itself(tmp_path, spoiled, settings, message):
  """Of eight days of 100 rides, six of ten cells of the last one hold no number: 8 % of all."""
  for number in range(1, 9):
    rides = simulate_day(datetime.date(2026, 3, number), 100)
    place = rides.schema.get_field_index(spoiled)
    if number == 8:
      lacking = '' if spoiled == 'passenger_count' else 'n/a'
      cells = [lacking if row % 10 < 6 else str(cell) for row, cell in enumerate(rides.column(place).to_pylist())]
      rides = rides.set_column(place, spoiled, pa.array(cells))
    pa.csv.write_csv(pa.Table.from_batches([rides]), tmp_path / f'2026-03-{number:02d}.csv')
  data = f'{tmp_path}/{{YYYY}}-{{MM}}-{{DD}}.csv'
  found, code = _check('nyc', 'retraining.window=8', *settings, data=data)
  assert found['would_train'] == (message is None) == (code == 0)
  assert message is None or message in ' '.join(found['refusals'])
