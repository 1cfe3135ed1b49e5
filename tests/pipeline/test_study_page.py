"""The page, tables and sentences of a study, from rows whose figures are known."""

import html
import re
from xml.etree import ElementTree

import pytest

from configs.study import StudyBlock
from pipeline.study import page
from pipeline.study.findings import findings
from tests.pipeline.made_study import about, row, rows


@pytest.fixture(scope='module')
def written(tmp_path_factory):
  directory = tmp_path_factory.mktemp('study')
  return page.write(directory, rows(), about())


def test_page_has_every_block_and_figure_and_needs_no_other_file(written):
  text = written.read_text(encoding='utf-8')
  for block in StudyBlock:
    assert f'<section id="{block.value}"' in text
  for variant in rows():
    assert html.escape(variant['variant']).replace('_', '_<wbr>').replace('.', '.<wbr>') in text
  assert 'it did not &lt;converge&gt;' in text
  assert not re.findall(r'(?:src|href)="(?!#)', text)
  assert '8,905' in text


def test_pictures_are_files_of_their_own(written):
  """Oracle: an XML parser; a standalone SVG needs its namespace and its style."""
  files = sorted(path.name for path in (written.parent / page.PICTURES).iterdir())
  assert files == [
    'compression-gzip.svg', 'compression-latency.svg', 'compression-size.svg', 'dimensions-features.svg',
    'embeddings-ratios.svg', 'features-ratios.svg', 'reductions-bytes.svg', 'reductions-inputs.svg',
    'references-ratios.svg',
  ]  # fmt: skip
  for name in files:
    root = ElementTree.parse(written.parent / page.PICTURES / name).getroot()
    assert root.tag == '{http://www.w3.org/2000/svg}svg'
    assert root.find('{http://www.w3.org/2000/svg}style') is not None


def test_a_study_of_one_block_has_a_page_too(tmp_path):
  only = [one for one in rows() if one['block'] == 'references']
  text = page.write(tmp_path, only, about(lost=[])).read_text(encoding='utf-8')
  assert '<section id="references"' in text
  assert '<section id="features"' not in text


def test_a_block_whose_reference_was_lost_is_shown_without_ratios(tmp_path):
  left = [{key: value for key, value in rows()[0].items() if not key.startswith('ratio')}]
  text = page.write(tmp_path, left, about()).read_text(encoding='utf-8')
  assert 'What the others are compared with could not be measured.' in text


def _table(block):
  return next(table for table in page.study_tables(rows(), about()) if table.block == block.value)


def test_markdown_holds_what_the_table_holds():
  lines = page.markdown(_table(StudyBlock.COMPRESSION)).splitlines()
  assert lines[2] == '| variant | RMSE (USD) | ratio [95 %] | MAE (USD) | zeros | file | gzip | one ride |'
  assert lines[3] == '| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |'
  plain = lines[5].replace('\N{NO-BREAK SPACE}', ' ')
  assert plain == '| dense.int8 | 4.01 | 1.002 [0.992, 1.012] | 2.00 | 50 % | 15.5 KB | 9.6 KB | 8.0 µs |'


@pytest.mark.parametrize(
  ('block', 'sentence'),
  [
    pytest.param(StudyBlock.FEATURES, 'geographic (30.0 % more without it)', id='missed_block'),
    pytest.param(StudyBlock.FEATURES, "can't be told from chance: buckets.", id='idle_block'),
    pytest.param(StudyBlock.FEATURES, 'into 3 pickup cells and 5 pairs of cells, 99.8 % of them', id='published_cross'),
    pytest.param(StudyBlock.DIMENSIONS, 'With 500 training rides, 6 features are best', id='few_rides'),
    pytest.param(StudyBlock.DIMENSIONS, 'multiply the RMSE by 1.400 [1.390, 1.410]', id='noise'),
    pytest.param(StudyBlock.REDUCTIONS, 'within 1 % of the full vector: l1, 24 (0.990) and l1, 12 (1.005).', id='half'),
    pytest.param(StudyBlock.REDUCTIONS, 'than the full 32.0 KB: l1, 12.', id='smaller_by_a_quarter'),
    pytest.param(StudyBlock.EMBEDDINGS, 'Better than it beyond chance: no embedding and width 1.', id='widths'),
    pytest.param(StudyBlock.COMPRESSION, 'The smallest download within 1 %: pqat_80.int8 with 6.3 KB', id='download'),
    pytest.param(StudyBlock.COMPRESSION, 'Worse than 1 % beyond chance: pruned_95.int8.', id='worse'),
    pytest.param(StudyBlock.REFERENCES, 'a difference that may be chance.', id='reference'),
  ],
)
def test_sentences_say_what_the_figures_say(block, sentence):
  sentences = ' '.join(findings(block, _table(block).rows, about())).replace('\N{NO-BREAK SPACE}', ' ')
  assert sentence in sentences


@pytest.mark.parametrize(
  ('ratio', 'size', 'sentence'),
  [
    pytest.param(1.02, 20_000, 'No variant with at most half of the inputs comes within 1 %', id='too_inaccurate'),
    pytest.param(1.0, 30_000, 'None of them has a lite file smaller by a quarter', id='too_large'),
  ],
)
def test_a_missed_aim_is_told(ratio, size, sentence):
  full = row(StudyBlock.REDUCTIONS, 'all features', 'all features', 1.0, inputs=48, bytes=32_000)
  half = row(StudyBlock.REDUCTIONS, 'pca, 24', 'all features', ratio, inputs=24, bytes=size)
  sentences = ' '.join(findings(StudyBlock.REDUCTIONS, [full, half], about())).replace('\N{NO-BREAK SPACE}', ' ')
  assert sentence in sentences
