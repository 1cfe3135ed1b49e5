"""Errors as they are read: slices, hours and maps. Oracle: the made run's numbers, by hand."""

from __future__ import annotations

import re

import numpy as np
import pytest
import yaml

from pipeline.report.page import run_page
from pipeline.report.record import read_record
from tests.pipeline.made_page import page, page_of, replace_predictions, told_of
from tests.pipeline.made_run import VARIANTS, config_of, made_run, write_json
from tests.pipeline.page_reader import Axes, pictures, section, tables, text

__all__ = ['page']


def test_slices_side_by_side(page):
  """Bars go from zero to a round figure, which the scale above them says, at or beyond the largest upper end; the line
  across is the RMSE of all rides of the chosen file.
  """
  table = tables(page)['Errors by slice']
  assert table.sortable
  assert table.styles == ['strong', '', '']
  bars = [row[2].pieces for row in table.rows]
  ends = [(low, high) for (low, high) in (re.findall(r'[\d.]+', cell.note) for cell in table.column('RMSE, file'))]
  largest = max(float(high) for _, high in ends)
  ticks = table.headings[2].ticks
  top = float(ticks[-1][0])
  assert largest <= top <= 1.25 * largest
  assert len(ticks) >= 4
  assert [place for _, place in ticks] == pytest.approx([100 * float(said) / top for said, _ in ticks], abs=0.01)
  reference = 4.43 * VARIANTS['pqat_80.int8'][0]
  for (low, high), value, bar in zip(ends, table.values('RMSE, file'), bars, strict=True):
    assert [piece for piece, _, _ in bar] == ['reference', 'interval', 'dot']
    assert bar[0][1] == pytest.approx(100 * reference / top, abs=0.2)
    assert bar[1][1] == pytest.approx(100 * float(low) / top, abs=0.2)
    assert bar[1][1] + bar[1][2] == pytest.approx(100 * float(high) / top, abs=0.3)
    assert bar[2][1] == pytest.approx(100 * value / top, abs=0.2)
  assert 'The dots show the file of pqat_80.int8, the last three columns the trained model' in text(page)


def test_slices_of_the_file_alone(tmp_path):
  """Where nothing was evaluated: all rides first, then the gate's slices; they have no code to tell their rides by."""
  table = tables(page_of(tmp_path / 'out', slices=[], metrics=None, rmse_without_worst_5=None))['Errors by slice']
  assert table.texts('slice') == ['all', 'airport ride', '0–6 h']
  assert table.texts('rides') == ['–', '60', '80']
  assert table.texts('RMSE, trained model') == table.texts('MAE') == table.texts('calibration') == ['–'] * 3
  ratio = VARIANTS['pqat_80.int8'][0]
  assert table.values('RMSE, file') == pytest.approx([4.43 * ratio, 6.6 * ratio, 4.1 * ratio])


def test_slices_of_the_trained_model_alone(tmp_path):
  """Without any file the line across is the trained model's RMSE; only that of all rides has an interval."""
  told = [
    {
      'name': name,
      'slice': [],
      'root_mean_squared_error': rmse,
      'mean_absolute_error': mae,
      'example_count': count,
      'calibration': total,
    }
    for name, rmse, mae, count, total in (('all', 4.43, 1.82, 400.0, 0.978), ('night', 8.86, 3.0, 1234.0, 1.25))
  ]
  directory = made_run(tmp_path / 'out', slices=told, variants=[], chosen=None)
  summary = told_of(directory)
  del summary['artifacts']['CompressionGate']
  write_json(directory / 'summary.json', summary)
  page = run_page(read_record(directory))
  table = tables(page)['Errors by slice']
  assert table.names == ['slice', 'rides', 'RMSE, the line is that of all rides', 'RMSE', 'MAE', 'calibration']
  assert [(cell.text, cell.note) for cell in table.column('RMSE')] == [('4.43', '[3.53, 5.33]'), ('8.86', '')]
  assert table.texts('MAE') == ['1.82', '3.00']
  assert table.texts('calibration') == ['0.978', '1.250']
  assert table.texts('rides') == ['400', '1,234']
  assert [row[2].pieces for row in table.rows] == [
    [('reference', 44.3, None), ('dot', 44.3, None)],
    [('reference', 44.3, None), ('dot', 88.6, None)],
  ]
  assert 'The dots show the file' not in text(page)
  assert 'variants' in re.findall(r'left nothing of: ([^.]+)\.', text(page))[0]


def test_hours_as_they_are_drawn(tmp_path):
  """Two hours whose errors are known, one of them far more uneven; the rest have no ride."""
  directory = made_run(tmp_path / 'out')
  count = 400
  second = np.arange(count) % 2 == 1
  days = 126_230_400 + 86_400 * np.arange(count)
  errors = np.where(second, -3.0, 2.0) + np.where(np.arange(count) % 4 < 2, 1.0, -1.0)
  fares = np.full(count, 20.0)
  replace_predictions(
    directory,
    pickup_seconds=(days + np.where(second, 17, 5) * 3600).astype(np.int32),
    fare_amount=fares,
    pqat_80_int8=fares + errors,
  )
  page = run_page(read_record(directory))
  sentence = (
    'In 2 hours the mean error can hardly be chance, of 2 hours looked at; the largest is at 17 h, where predictions '
    'are 3.00 USD too low on average.'
  )
  assert f'{sentence} Shown is pqat_80.int8 on 400 rides of the eval split.' in text(page)
  [(_, drawn)] = [found for found in pictures(page).items() if found[0] == f'Errors by hour of the day. {sentence}']
  titles = [found.replace('\xa0', ' ') for found in re.findall(r'<title>([^<]+)', drawn)]
  # 200 rides, each one of its own moment: 1.96 times the standard error, 1.00 / sqrt(199).
  assert titles == ['5 h: 2.00 [1.86, 2.14] USD, 200 rides', '17 h: −3.00 [−3.14, −2.86] USD, 200 rides']
  axes = Axes(drawn)
  for (x, y, width, height), (hour, low, high) in zip(
    re.findall(r'<rect x="([\d.]+)" y="([\d.]+)" width="([\d.]+)" height="([\d.]+)" class="half"', drawn),
    ((5, 1.0, 3.0), (17, -4.0, -2.0)),
    strict=True,
  ):
    assert axes.x(float(x) + float(width) / 2) == pytest.approx(hour, abs=0.05)
    assert axes.y(float(y)) == pytest.approx(high, abs=0.05)
    assert axes.y(float(y) + float(height)) == pytest.approx(low, abs=0.05)
  for (x, y), (hour, mean) in zip(
    re.findall(r'<circle cx="([\d.]+)" cy="([\d.]+)" r="3"', drawn), ((5, 2.0), (17, -3.0)), strict=True
  ):
    assert (axes.x(float(x)), axes.y(float(y))) == pytest.approx((hour, mean), abs=0.05)
  [(_, zero, _, same)] = re.findall(r'<path d="M([\d.]+) ([\d.]+)L([\d.]+) ([\d.]+)" class="axis"/><g>', drawn)
  assert zero == same
  assert axes.y(float(zero)) == pytest.approx(0, abs=0.05)


def test_the_colours_of_the_maps_are_told(tmp_path):
  """The mean absolute error is 4: colours are 2 wide."""
  directory = made_run(tmp_path / 'out')
  fares = np.full(400, 20.0)
  replace_predictions(directory, fare_amount=fares, pqat_80_int8=fares + np.where(np.arange(400) % 2, 4.0, -4.0))
  found = section(run_page(read_record(directory)), 'errors')
  assert [meaning for _, meaning in re.findall(r'<i class="swatch (e\d)"></i>([^<]+)', found)] == [
    'below −5.0',
    '−5.0 to −3.0',
    '−3.0 to −1.0',
    '−1.0 to +1.0',
    '+1.0 to +3.0',
    '+3.0 to +5.0',
    'above +5.0',
  ]
  assert re.findall(r'<i class="swatch (e\d)">', found) == [f'e{index}' for index in range(7)]
  assert 'Mean of prediction minus fare (USD):' in text(found)
  # A dot of one ride has its ride's own error, and so its colour: +4 is two colours above the neutral one.
  for colour, rides, error in re.findall(r'class="(e\d)"><title>(\d+)\xa0rides?, mean error ([−+][\d.]+)', found):
    if rides == '1':
      assert colour == ('e5' if error == '+4.00' else 'e1')


def test_landmarks_are_crosses_with_their_names_inside(tmp_path):
  """The name is on the right of its cross, but on the left near the right edge; what lies outside is not drawn."""
  directory = made_run(tmp_path / 'out')
  longitude, latitude = np.tile([-88.0, -87.0], 200), np.tile([41.5, 42.2], 200)
  ends = ('pickup', 'dropoff')
  replace_predictions(
    directory,
    **{f'{end}_longitude': longitude.astype(np.float32) for end in ends},
    **{f'{end}_latitude': latitude.astype(np.float32) for end in ends},
  )
  places = {
    'west': (-87.9, 41.9), 'east': (-87.05, 41.7), 'beyond': (-85.0, 41.9), 'north': (-87.5, 43.5),
    'south': (-87.5, 40.0), 'before': (-90.0, 41.9),
  }  # fmt: skip
  config = config_of(directory)
  marks = [{'name': name, 'longitude': x, 'latitude': y, 'airport': False} for name, (x, y) in places.items()]
  config['dataset']['city']['landmarks'] = marks
  (directory / 'config.yaml').write_text(yaml.safe_dump(config), encoding='utf-8')
  maps = [drawn for label, drawn in pictures(run_page(read_record(directory))).items() if label.startswith('Where')]
  assert len(maps) == 2
  for drawn in maps:
    names = re.findall(r'<text x="([\d.]+)" y="([\d.]+)"( text-anchor="end")? class="name halo">(\w+)<', drawn)
    assert [(name, bool(anchor)) for _, _, anchor, name in names] == [('west', False), ('east', True)]
    crosses = re.findall(r'<path d="M([\d.]+) ([\d.]+)h8M([\d.]+) ([\d.]+)v8" class="landmark"/>', drawn)
    dots = re.findall(r'<circle cx="([\d.]+)" cy="([\d.]+)" r="[\d.]+" class="e\d"', drawn)
    (x0, y0), (x1, y1) = sorted((float(x), float(y)) for x, y in dots)
    for cross, (x, y, anchor, name) in zip(crosses, names, strict=True):
      left, middle, centre, top = map(float, cross)
      east, north = places[name][0] + 88, (places[name][1] - 41.5) / 0.7
      assert (centre, middle) == pytest.approx((x0 + (x1 - x0) * east, y0 + (y1 - y0) * north), abs=0.5)
      assert (centre - left, middle - top) == pytest.approx((4, 4), abs=0.11)
      assert (float(x) - centre, float(y) - middle) == pytest.approx((-8 if anchor else 8, 4), abs=0.11)


def test_nothing_is_said_of_rides_that_no_map_leaves_out(tmp_path):
  """Of 400 rides in two places, none lies outside and none has no place."""
  directory = made_run(tmp_path / 'out')
  ends = ('pickup', 'dropoff')
  replace_predictions(
    directory,
    **{f'{end}_longitude': np.tile([-88.0, -87.0], 200).astype(np.float32) for end in ends},
    **{f'{end}_latitude': np.tile([41.5, 42.2], 200).astype(np.float32) for end in ends},
  )
  found = text(section(run_page(read_record(directory)), 'errors'))
  assert 'outside of the map' not in found
  assert 'no pickup place' not in found
  assert 'no dropoff place' not in found
