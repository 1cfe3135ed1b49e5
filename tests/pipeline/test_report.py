"""The page of a run. Oracle: the made run's own figures; the browser's tests are in `test_report_browser`."""

from __future__ import annotations

import html.parser
import json
import pathlib
import re
import shutil

import pytest

from configs.errors import UserError
from models.served_versions import SAVED_MODEL
from pipeline.report import page as report
from tests.pipeline.made_run import VARIANTS, config_of, failed_run, made_run, manifest, write_json

_VOID = {'meta', 'wbr', 'br', 'hr', 'img', 'input', 'link'}


class _Reader(html.parser.HTMLParser):
  """Checks that every element is closed where it was opened, and collects what the page refers to."""

  def __init__(self) -> None:
    super().__init__()
    self.open: list[str] = []
    self.references: list[str] = []
    self.ids: list[str] = []

  def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
    if tag not in _VOID:
      self.open.append(tag)
    self._collect(attrs)

  def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
    self._collect(attrs)

  def handle_endtag(self, tag: str) -> None:
    assert self.open.pop() == tag, f'</{tag}> at {self.getpos()}'

  def _collect(self, attrs: list[tuple[str, str | None]]) -> None:
    for name, value in attrs:
      if name in ('src', 'href', 'xlink:href', 'action', 'data', 'poster', 'srcset'):
        self.references.append(value or '')
      if name == 'id':
        self.ids.append(value or '')


@pytest.fixture(scope='module')
def run(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
  """A made run with its page; not to be changed."""
  directory = made_run(tmp_path_factory.mktemp('run') / 'out')
  report.write(directory)
  return directory


@pytest.fixture(scope='module')
def page(run: pathlib.Path) -> str:
  return (run / 'report.html').read_text(encoding='utf-8')


def _text(page: str) -> str:
  """What a person reads, on one line."""
  body = re.sub(r'<(style|script|title)\b.*?</\1>', ' ', page.replace('<wbr>', ''), flags=re.DOTALL)
  return ' '.join(html.unescape(re.sub(r'<[^>]+>', ' ', body)).replace('\N{NO-BREAK SPACE}', ' ').split())


def _rows(page: str) -> list[str]:
  """Heads of the rows of the table of variants, without marks and reasons."""
  table = page[page.index('Variants, smallest file first') :].split('</table>')[0].replace('<wbr>', '')
  return re.findall(r'<th scope="row">([\w.]+)', table)


def test_html_is_whole_and_needs_no_other_file(page: str):
  reader = _Reader()
  reader.feed(page)
  assert reader.open == []
  assert all(reference.startswith('#') for reference in reader.references)
  assert {reference[1:] for reference in reader.references} <= set(reader.ids)
  assert len(reader.ids) == len(set(reader.ids))
  for way_out in ('http:', 'https:', 'url(', '@import', '<link', '<img', '<iframe'):
    assert way_out not in page
  assert "default-src 'none'" in page
  assert len(page.encode()) < 400_000


def test_headline_says_what_was_chosen_how_good_it_is_and_why(page: str):
  text = _text(page)
  assert 'Pushed chicago' in text
  assert 'pqat_80.int8 was pushed' in text
  assert 'RMSE of 4.45 [3.55, 5.35] USD: 0.4 % more than float32 (ratio 1.004 [0.996, 1.012])' in text
  assert 'It takes 14.0 KB, 6.2 KB after gzip (49 % and 28 % of float32), and predicts a fare in 7.9 µs.' in text
  assert text.count('pqat_80.int8 is the smallest of 8 variants that keep the budget.') == 1


def test_every_variant_is_a_row_smallest_first_unmade_last(page: str):
  by_size = sorted(VARIANTS, key=lambda name: VARIANTS[name][1])
  assert _rows(page) == [*by_size, 'qat.dynamic_range_sparse']
  text = _text(page)
  assert '12 variants, 1 of which could not be made; 8 keep the budget.' in text
  assert 'dense_1 has no zero blocks, so there is nothing to encode sparsely.' in text
  assert 'Post-training quantization misses the accuracy budget; quantization-aware training keeps it.' in text


def test_best_figures_are_marked_also_for_a_screen_reader(page: str):
  assert re.search(r'data-value="6150">6\.2<span class="mark" aria-hidden="true"></span>', page)
  assert page.count('(best)') == page.count('class="mark"')


def test_sections_stand_in_the_order_of_the_page(page: str):
  found = re.findall(r'<section id="(\w+)"', page)
  assert found == ['variants', 'errors', 'training', 'data', 'steps', 'features', 'card', 'again']


@pytest.mark.parametrize(
  'sentence',
  [
    pytest.param('2,010 rows were read and 2,000 kept: 1,600 to train on and 400 to evaluate on.', id='rows'),
    pytest.param(
      "2 paths were passed over: '/rides/_SUCCESS' (its name begins with an underscore), '/rides/b.csv' (it is empty).",
      id='passed_over',
    ),
    pytest.param('fare out of range valid: 2.25 to 200 USD 7 0.35 %', id='quarantine_with_its_rule'),
    pytest.param('fare_amount in the train split: expected values within a divergence of 0.2, came 0.31.', id='drift'),
    pytest.param(
      'without the five worst ones the trained model would have 3.64 USD instead of 4.43 USD', id='outliers'
    ),
    pytest.param(
      '9 steps in 1 min 26 s; 1 came from the cache. Without Beam: FeatureEngineering and FareEvaluator.', id='steps'
    ),
    pytest.param('Period: 1 January 2013 to 30 December 2016', id='period'),
    pytest.param('Some rides lack dropoff_latitude (3.19 %)', id='missing'),
    pytest.param('quantization; RMSE 1.001 [0.991, 1.011] times the dense base.', id='recipe'),
    pytest.param('The model sees 40 numbers, standardized, and 4 embedded categories.', id='features'),
    pytest.param('haversine_km', id='feature'),
    pytest.param('pqat_80.int8 on 400 rides of the eval split', id='residuals'),
    pytest.param('Data a.csv', id='data_files'),
  ],
)
def test_page_tells(page: str, sentence: str):
  assert sentence in _text(page)


def test_slices_have_intervals_where_predictions_are_there(page: str):
  """The gate's report has no interval of a slice's RMSE; the bootstrap of the predictions has."""
  table = page[page.index('Errors by slice') :].split('</table>')[0]
  assert re.search(r'airport ride.*?\d\.\d\d<small>\[\d\.\d\d,', table, flags=re.DOTALL)
  assert table.count('class="interval"') == 3


def test_all_table_heads_have_a_scope(page: str):
  assert re.findall(r'<th(?: (?!scope="(?:col|row)")[^>]*)?>', page) == []


def test_config_is_folded(page: str, run: pathlib.Path):
  folded = re.search(r'<summary>The resolved config</summary>\n<pre tabindex="0"><code>(.*?)</code>', page, re.DOTALL)
  assert folded is not None
  assert html.unescape(folded.group(1)) == (run / 'config.yaml').read_text(encoding='utf-8')


def test_moved_run_is_reported_from_what_it_took_along(run: pathlib.Path, page: str, tmp_path: pathlib.Path):
  """Every URI in the summary names a place that is not there any more."""
  copied = shutil.copytree(run, tmp_path / 'copy')
  summary = (copied / 'summary.json').read_text(encoding='utf-8').replace(str(run), '/gone/out')
  (copied / 'summary.json').write_text(summary, encoding='utf-8')
  again = report.write(copied).read_text(encoding='utf-8')
  assert again.count('<circle') == page.count('<circle')
  assert _rows(again) == _rows(page)


def test_older_summary_without_places_and_graph(run: pathlib.Path, page: str, tmp_path: pathlib.Path):
  """The newest artifacts on the disk are taken, and the steps are a plain list."""
  copied = shutil.copytree(run, tmp_path / 'copy')
  older = json.loads((copied / 'summary.json').read_text(encoding='utf-8'))
  for key in ('artifacts', 'steps', 'recipes', 'base_slices', 'notes', 'chosen', 'variants', 'curves'):
    del older[key]
  write_json(copied / 'summary.json', older | {'cached': ['RideSchema']})
  again = report.write(copied).read_text(encoding='utf-8')
  assert _rows(again) == _rows(page)
  assert 'Steps of the run, in their order' in again
  assert '1 came from the cache' in _text(again)


def test_failed_run_has_its_reason_on_top_and_what_there_is(tmp_path: pathlib.Path):
  page = report.write(failed_run(tmp_path / 'out')).read_text(encoding='utf-8')
  text = _text(page)
  assert 'The run failed in StatisticsGen StatisticsGen: the disk is full.' in text
  assert re.findall(r'<section id="(\w+)"', page) == ['data', 'steps', 'features', 'again']
  assert 'left nothing of: variants, errors, training, model card.' in text
  _Reader().feed(page)


def test_run_that_ended_before_its_first_step(tmp_path: pathlib.Path):
  tmp_path.joinpath('config.yaml').write_text('name: nyc\n', encoding='utf-8')
  bare = {'status': 'failed', 'reason': "No file matches '*.csv'.", 'name': 'nyc', 'rows': None, 'timings': {}}
  write_json(tmp_path / 'summary.json', bare)
  text = _text(report.write(tmp_path).read_text(encoding='utf-8'))
  assert "The run failed before its first step No file matches '*.csv'." in text


def test_nothing_pushed_keeps_the_served_version_in_sight(tmp_path: pathlib.Path):
  reason = 'No variant keeps every limit, so nothing is pushed and the served model stays.'
  directory = made_run(tmp_path / 'out', status='not_blessed', reason=reason, pushed_path=None)
  _serve(directory, '1700000000', rmse=4.0)
  text = _text(report.write(directory).read_text(encoding='utf-8'))
  assert 'Not pushed chicago' in text
  assert 'Nothing was pushed; the served model stays' in text
  assert reason in text
  assert 'Version 1700000000 goes on serving, as this run pushed nothing.' in text


@pytest.mark.parametrize(
  ('rmse', 'verdict'),
  [
    pytest.param(4.3, 'The RMSE is higher now, but the intervals overlap: the difference may be chance.', id='overlap'),
    pytest.param(9.0, 'The RMSE is lower now, and the intervals do not overlap.', id='apart'),
  ],
)
def test_version_that_served_before(tmp_path: pathlib.Path, rmse: float, verdict: str):
  directory = made_run(tmp_path / 'out')
  for version, other in (('1600000000', 7.7), ('1700000000', rmse), ('1795458791', 5.0)):
    _serve(directory, version, other)
  text = _text(report.write(directory).read_text(encoding='utf-8'))
  assert f'Version 1700000000 served before this run. {verdict}' in text
  assert '16.2 KB' in text
  assert 'training.epochs 3 ' in text


def test_version_without_a_manifest(tmp_path: pathlib.Path):
  directory = made_run(tmp_path / 'out')
  (directory / 'serving' / '1700000000').mkdir(parents=True)
  (directory / 'serving' / '1700000000' / SAVED_MODEL).touch()
  text = _text(report.write(directory).read_text(encoding='utf-8'))
  assert 'It has no manifest, so there are no figures of it to compare with.' in text


@pytest.mark.parametrize(
  ('file', 'section'),
  [
    pytest.param('CompressionGate/report/12/compression.json', 'Variants', id='compression'),
    pytest.param('CompressionGate/report/12/predictions.parquet', 'Predicted rides', id='predictions'),
    pytest.param('PruningTrainer/model_run/9/history.json', 'Training', id='history'),
    pytest.param('StatisticsGen/statistics/4/Split-train/FeatureStats.pb', 'Statistics', id='statistics'),
  ],
)
def test_a_broken_artifact_costs_its_part_and_not_the_page(tmp_path: pathlib.Path, file: str, section: str):
  directory = made_run(tmp_path / 'out')
  (directory / 'artifacts' / file).write_bytes(b'{ broken')
  text = _text(report.write(directory).read_text(encoding='utf-8'))
  assert f"'{section}' can't be shown: " in text
  assert 'The model was pushed' in text or 'pqat_80.int8 was pushed' in text
  assert 'Run again' in text


def test_hostile_text_stays_text(tmp_path: pathlib.Path):
  """In every place that takes text from outside: reasons, names, notes, findings, the config, labels in pictures."""
  evil = '</script></svg><script>document.title="caught"</script><img src=x onerror=alert(1)>"\''
  directory = made_run(tmp_path / 'out', reason=evil, name=evil)
  summary = json.loads((directory / 'summary.json').read_text(encoding='utf-8'))
  summary['slices'][1]['name'] = evil
  summary['findings'][1]['sentence'] = evil
  summary['steps'][0]['name'] = evil
  summary['rows'] |= {'quarantined': {evil: 10}, 'passed_over': {evil: evil}}
  write_json(directory / 'summary.json', summary)
  gate = directory / 'artifacts' / 'CompressionGate' / 'report' / '12' / 'compression.json'
  compression = json.loads(gate.read_text(encoding='utf-8'))
  for variant in compression['variants']:
    variant['reason'] = variant['recipe'] = evil
  compression['notes'] = [evil]
  write_json(gate, compression)
  config = config_of(directory)
  config['dataset']['city']['landmarks'][0] |= {'name': evil, 'latitude': 41.9, 'longitude': -87.65}
  (directory / 'config.yaml').write_text(json.dumps(config), encoding='utf-8')
  page = report.write(directory).read_text(encoding='utf-8')
  assert page.count('<script>') == 1
  assert '<img' not in page
  assert page.count(html.escape(evil, quote=True).replace('&#x27;', '&#39;').replace('&quot;', '&#34;')) > 20
  reader = _Reader()
  reader.feed(page)
  assert reader.open == []


@pytest.mark.parametrize(
  ('content', 'message'),
  [
    pytest.param(None, 'holds no summary.json; name the output directory of a run', id='no_run'),
    pytest.param('{"status": ', 'is broken .*run the pipeline again', id='cut_short'),
    pytest.param('[1]', 'is not the summary of a run', id='another_file'),
  ],
)
def test_no_run_to_report_on(tmp_path: pathlib.Path, content: str | None, message: str):
  if content is not None:
    (tmp_path / 'summary.json').write_text(content, encoding='utf-8')
  with pytest.raises(UserError, match=message):
    report.write(tmp_path)


def _serve(directory: pathlib.Path, version: str, rmse: float) -> None:
  """A pushed version with a manifest, trained for three epochs."""
  extra = directory / 'serving' / version / 'assets.extra'
  extra.mkdir(parents=True)
  (extra.parent / SAVED_MODEL).touch()
  write_json(extra / 'manifest.json', manifest(rmse, 0.1 * rmse))
  (extra / 'config.yaml').write_text('training: {epochs: 3}\n', encoding='utf-8')
