"""Two runs side by side, settings that differ, and the command on the terminal."""

from __future__ import annotations

import json
import pathlib
import shutil

import pyarrow.parquet as pq
import pytest
import yaml
from click.testing import CliRunner

from configs.records import Estimate
from pipeline.cli import main
from pipeline.report import page as report
from pipeline.report.comparison import compare
from pipeline.report.record import differences, read_record
from pipeline.report.tables import change, interval, microseconds, money, number, seconds, signed, size
from tests.pipeline.made_run import VARIANTS, config_of, failed_run, made_run, write_json


@pytest.fixture(scope='module')
def runs(tmp_path_factory: pytest.TempPathFactory) -> tuple[pathlib.Path, pathlib.Path]:
  """Run A, and a run B with another seed, fewer recipes and another choice; not to be changed."""
  folder = tmp_path_factory.mktemp('runs')
  first = made_run(folder / 'a')
  second = shutil.copytree(first, folder / 'b')
  config = config_of(second)
  config['training']['seed'] = 8
  config['training']['recipes'] = config['training']['recipes'][:3]
  (second / 'config.yaml').write_text(yaml.safe_dump(config), encoding='utf-8')
  gate = second / 'artifacts' / 'CompressionGate' / 'report' / '12' / 'compression.json'
  compression = json.loads(gate.read_text(encoding='utf-8'))
  compression['chosen'], compression['variants'] = 'dense.float16', compression['variants'][:4]
  write_json(gate, compression)
  _rename(gate.with_name('predictions.parquet'), 'dense.float32', 'dense.float16')
  return first, second


def test_settings_that_differ_go_by_name():
  first = {'seed': 1, 'recipes': [{'name': 'dense'}, {'name': 'qat', 'layers': 'core'}], 'same': [1, 2]}
  second = {'seed': 2, 'recipes': [{'name': 'qat', 'layers': 'all'}, {'name': 'dense'}], 'same': [1, 2], 'new': None}
  found = [(one.setting, one.before, one.after) for one in differences(first, second)]
  assert found == [('seed', '1', '2'), ('recipes.qat.layers', 'core', 'all'), ('new', 'not set', 'null')]


def test_a_section_of_one_side_is_one_difference():
  [found] = differences({'recipes': [{'name': 'qat', 'summary': 'x' * 300}]}, {'recipes': []})
  assert found.setting == 'recipes.qat'
  assert found.before.startswith('{name: qat, summary: x')
  assert len(found.before) < 170
  assert found.after == 'not set'


def test_the_same_rides_are_compared_ride_by_ride(runs: tuple[pathlib.Path, pathlib.Path]):
  found = compare(*map(read_record, runs))
  assert "Both predicted the same rides: there A's RMSE is" in found.sentences[0]
  assert 'A ships pqat_80.int8 in 14.0' in found.sentences[1]
  assert [one.setting for one in found.settings] == ['training.seed', 'training.recipes.qat']


def test_predictions_of_another_variant_are_not_compared(
  runs: tuple[pathlib.Path, pathlib.Path], tmp_path: pathlib.Path
):
  """B's file holds the baseline's predictions alone, which say nothing of what B chose."""
  second = shutil.copytree(runs[1], tmp_path / 'b')
  [predictions] = second.rglob('predictions.parquet')
  _rename(predictions, 'dense.float16', 'dense.float32')
  found = compare(read_record(runs[0]), read_record(second))
  assert 'The intervals overlap: the difference (+0.02) may be chance.' in found.sentences[0]


def test_figures_of_both_side_by_side(runs: tuple[pathlib.Path, pathlib.Path]):
  """The made runs' own numbers: A chose pqat_80.int8, B dense.float16; their nine steps take 85.5 s."""
  rows = {row.cells[0].text: row.cells for row in compare(*map(read_record, runs)).outcomes.rows}
  assert {name: cells[0].note for name, cells in rows.items() if cells[0].note} == {'RMSE': 'USD', 'MAE': 'USD'}
  of_a, of_b = (VARIANTS[name] for name in ('pqat_80.int8', 'dense.float16'))
  expected = {
    'RMSE': [4.43 * of_a[0], 4.43 * of_b[0]],
    'MAE': [1.82 * of_a[0], 1.82 * of_b[0]],
    'size of its file': [of_a[1], of_b[1]],
    'after gzip': [of_a[2], of_b[2]],
    'median time for one ride': [of_a[3], of_b[3]],
    'duration': [85.5, 85.5],
  }
  for name, values in expected.items():
    assert [cell.value for cell in rows[name][1:]] == pytest.approx(values), name
  assert [cell.text for cell in rows['chosen variant'][1:]] == ['pqat_80.int8', 'dense.float16']


def test_all_variants_of_both_are_there(runs: tuple[pathlib.Path, pathlib.Path]):
  first, second = runs
  page = report.write_comparison(first, second)
  assert page == first / 'report-against-b.html'
  text = page.read_text(encoding='utf-8').replace('<wbr>', '')
  for variant in json.loads((first / 'artifacts/CompressionGate/report/12/compression.json').read_text())['variants']:
    assert f'<th scope="row">{variant["name"]}' in text
  assert 'chosen by A' in text
  assert 'chosen by B' in text
  assert 'training.recipes.qat' in text
  assert 'http:' not in text


def test_a_run_that_did_not_come_to_an_error(runs: tuple[pathlib.Path, pathlib.Path], tmp_path: pathlib.Path):
  failed = failed_run(tmp_path / 'failed')
  found = compare(read_record(runs[0]), read_record(failed))
  assert found.sentences[0] == 'B did not come to an RMSE, so there is nothing to compare it by.'
  report.write_comparison(failed, runs[0])


def test_the_command_writes_and_tells(runs: tuple[pathlib.Path, pathlib.Path]):
  first, second = map(str, runs)
  written = CliRunner().invoke(main, ['report', first])
  assert written.exit_code == 0, written.output
  assert (runs[0] / 'report.html').is_file()
  compared = CliRunner().invoke(main, ['report', first, '--against', second])
  assert compared.exit_code == 0, compared.output


@pytest.mark.parametrize('against', [pytest.param(False, id='run'), pytest.param(True, id='other')])
def test_no_run_is_a_users_mistake(runs: tuple[pathlib.Path, pathlib.Path], tmp_path: pathlib.Path, against: bool):
  arguments = [str(runs[0]), '--against', str(tmp_path)] if against else [str(tmp_path)]
  found = CliRunner().invoke(main, ['report', *arguments])
  assert found.exit_code == 2
  assert f"'{tmp_path}' holds no summary.json; name the output directory of a run." in found.output


@pytest.mark.parametrize(
  ('text', 'expected'),
  [
    pytest.param(number(-1234.5, 1), '−1,234.5', id='number'),
    pytest.param(number(18547.03), '18,547', id='thousands'),
    pytest.param(interval(Estimate(1500.0, 900.0, 2000.5)), '1,500 [900, 2,000]', id='interval_of_thousands'),
    pytest.param(number(-0.001), '0.00', id='no_negative_zero'),
    pytest.param(number(float('nan')), '–', id='not_a_number'),
    pytest.param(signed(0.5), '+0.50', id='signed'),
    pytest.param(signed(0.001), '0.00', id='signed_zero'),
    pytest.param(money(3.5, 'USD'), '3.50 USD', id='money'),
    pytest.param(money(3.5, ''), '3.50', id='unknown_currency'),
    pytest.param(interval(Estimate(1.0, 0.9, 1.1), 1), '1.0 [0.9, 1.1]', id='interval'),
    pytest.param(interval(Estimate(1.0), 1), '1.0', id='no_interval'),
    pytest.param(size(999), '999 bytes', id='bytes'),
    pytest.param(size(35_120), '35.1 KB', id='kilobytes'),
    pytest.param(size(3_258_528), '3.3 MB', id='megabytes'),
    pytest.param(microseconds(8.34), '8.3 µs', id='fast'),
    pytest.param(microseconds(2140.4), '2,140 µs', id='slow'),
    pytest.param(seconds(0.42), '0.4 s', id='moment'),
    pytest.param(seconds(252), '4 min 12 s', id='minutes'),
    pytest.param(change(1.004), '0.4 % more than', id='more'),
    pytest.param(change(0.5), '50 % less than', id='less'),
    pytest.param(change(1.0001), 'the same as', id='same'),
  ],
)
def test_wording(text: str, expected: str):
  assert text.replace('\N{NO-BREAK SPACE}', ' ') == expected


def _rename(predictions: pathlib.Path, column: str, name: str) -> None:
  table = pq.read_table(predictions)
  pq.write_table(table.rename_columns([name if old == column else old for old in table.column_names]), predictions)
