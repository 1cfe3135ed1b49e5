"""The page of a study as it is read. Oracle: rows whose figures are written here, and what they mean, by hand."""

from __future__ import annotations

import pathlib
import re

import pytest

from configs.study import StudyBlock
from pipeline.study import page
from tests.pipeline.made_study import about, row, rows
from tests.pipeline.page_reader import Axes, pictures, section, tables, text

ALL = 'all features'


def _written(folder: pathlib.Path, *made, **changes) -> str:
  return page.write(folder, list(made), about(**changes)).read_text(encoding='utf-8')


def _told(folder: pathlib.Path, block: StudyBlock, *made, **changes) -> str:
  """What a person reads of one block."""
  return text(section(_written(folder, *made, **changes), block.value))


def test_the_head_counts_what_was_measured(tmp_path):
  found = _written(tmp_path, *rows(), name='shop', notes=['A note.'], seeds=4, folds=7, units=12_345, rides=98_765)
  assert '98,765 rides, cross-validated by time stamp' in text(found)
  tiles = re.findall(r'<dt>([^<]+)</dt><dd>([^<]+)', found)
  assert tiles == [
    ('rides', '98,765'),
    ('seeds × folds', '4 × 7'),
    ('models measured', '12,345'),
    ('variants', str(len(rows()))),
  ]
  assert '<p class="note">A note.</p>' in found


def test_what_could_not_be_measured_stands_in_its_block(tmp_path):
  lost = [{'block': 'references', 'variant': 'a tree', 'reason': 'it fell.'}]
  found = _written(tmp_path, *rows(), lost=lost)
  assert 'a tree: it fell.' in text(section(found, 'references'))
  assert found.count('a tree: it fell.') == 1


def test_a_table_prints_the_units_of_its_figures(tmp_path):
  figures = {
    'inputs': 1234, 'parameters': 5678, 'train_seconds': 1.239, 'zeros': 0.816, 'bytes': 31_900, 'gzip_bytes': 25_100,
    'latency_us': 8.04,
  }  # fmt: skip
  base = row(StudyBlock.COMPRESSION, 'dense.float32', 'dense.float32', 1.0, 0.0, **figures)
  other = row(StudyBlock.COMPRESSION, 'dense.int8', 'dense.float32', 1.25, 0.05)
  lost = {key: value for key, value in other.items() if not key.startswith('ratio')} | {'variant': 'lost'}
  [table] = tables(_written(tmp_path, base, other, lost, lost=[])).values()
  assert table.sortable
  assert table.names == [
    'variant', 'inputs', 'parameters', 'RMSE (USD)', 'ratio [95 %]', 'MAE (USD)', 'training', 'zeros', 'file', 'gzip',
    'one ride',
  ]  # fmt: skip
  assert [[cell.text for cell in found] for found in table.rows] == [
    ['dense.float32', '1,234', '5,678', '4.00', '1', '2.00', '1.24 s', '82 %', '31.9 KB', '25.1 KB', '8.0 µs'],
    ['dense.int8', '–', '–', '5.00', '1.250 [1.200, 1.300]', '2.50', '–', '–', '–', '–', '–'],
    ['lost', '–', '–', '5.00', '–', '2.50', '–', '–', '–', '–', '–'],
  ]
  assert table.values('RMSE (USD)') == [4.0, 5.0, 5.0]
  assert table.values('ratio [95 %]') == [1.0, 1.25, None]
  assert table.styles == ['strong', '', '']
  # Without the figures that nobody has, their columns go.
  [short] = tables(_written(tmp_path, other, lost=[])).values()
  assert short.names == ['variant', 'RMSE (USD)', 'ratio [95 %]', 'MAE (USD)']
  assert "RMSE to that of 'dense.float32' on the same rides" in short.caption


def _recipe(name: str, ratio: float, size: int, gzipped: int, spread: float = 0.001, **others):
  figures = {'bytes': size, 'gzip_bytes': gzipped, 'latency_us': 8.0, 'recipe': name.split('.')[0]} | others
  return row(StudyBlock.COMPRESSION, name, 'dense.float32', ratio, spread, **figures)


@pytest.mark.parametrize(
  ('others', 'expected'),
  [
    pytest.param(
      [_recipe('a.int8', 1.01, 15_000, 9_000), _recipe('b.int8', 1.0101, 9_000, 5_000)],
      ['The smallest file within 1 %: a.int8 with 15.0 KB, an RMSE ratio of 1.010 [1.009, 1.011].',
       'The smallest download within 1 %: a.int8 with 9.0 KB'],
      id='just_within',
    ),
    pytest.param(
      [_recipe('a.int8', 1.0, 15_000, 9_900), _recipe('b.int8', 1.005, 16_000, 9_000)],
      ['The smallest file within 1 %: a.int8 with 15.0 KB', 'The smallest download within 1 %: b.int8 with 9.0 KB'],
      id='file_and_download_differ',
    ),
    pytest.param(
      [_recipe('a.int8', 1.02, 15_000, 9_900, 0.01), _recipe('b.int8', 1.0211, 1_000, 900, 0.01)],
      ['The smallest file within 1 %: dense.float32 with 32.0 KB', 'Worse than 1 % beyond chance: b.int8.'],
      id='worse_by_its_lower_end',
    ),
  ],
)  # fmt: skip
def test_the_smallest_within_one_per_cent(tmp_path, others, expected):
  found = _told(tmp_path, StudyBlock.COMPRESSION, _recipe('dense.float32', 1.0, 32_000, 25_000, 0.0), *others)
  for sentence in expected:
    assert sentence in found
  assert ('Worse than' in found) == any('Worse' in sentence for sentence in expected)


def test_no_smallest_where_a_size_is_not_known_or_nothing_is_close(tmp_path):
  base = _recipe('dense.float32', 1.0, 32_000, 25_000, 0.0)
  unknown = _recipe('a.int8', 1.0, 15_000, 9_000, gzip_bytes=None)
  found = _told(tmp_path, StudyBlock.COMPRESSION, base, unknown)
  assert 'The smallest file within 1 %: a.int8' in found
  assert 'The smallest download' not in found
  assert 'The smallest' not in _told(tmp_path, StudyBlock.COMPRESSION, _recipe('a.int8', 1.5, 15_000, 9_000))


def test_frontiers_of_the_recipes(tmp_path):
  """Nothing is on it that another one beats in one figure and equals in the other; equals stay both."""
  made = [
    _recipe('dense.float32', 1.0, 32_000, 25_000),
    _recipe('qat.int8', 1.003, 15_000, 9_000),
    _recipe('qat.same', 1.003, 15_000, 9_000),
    _recipe('dense.worse', 1.004, 15_000, 9_000),
    _recipe('dense.larger', 1.003, 16_000, 9_500),
    _recipe('dense.small', 1.02, 14_000, 8_000),
    _recipe('dense.hopeless', 3.0, 20_000, 8_500),
  ]
  found = _written(tmp_path, *made)
  labels = [label for label in pictures(found) if label.startswith('RMSE and')]
  on_it = 'dense.float32, dense.small, qat.int8, qat.same'
  assert labels[:2] == [
    f'RMSE and size: 7 variants. On the frontier: {on_it}.',
    f'RMSE and download: 7 variants. On the frontier: {on_it}.',
  ]
  # All take as long, so that the most accurate one beats the others.
  assert labels[2] == 'RMSE and latency: 7 variants. On the frontier: dense.float32.'
  drawn = pictures(found)[labels[0]]
  named = {name: style for style, name in re.findall(r'class="((?:fill|hollow) s\d)"><title>([\w.]+)', drawn)}
  assert named == {
    'dense.float32': 'fill s0', 'qat.int8': 'fill s1', 'qat.same': 'fill s1', 'dense.worse': 'fill s0',
    'dense.larger': 'fill s0', 'dense.small': 'hollow s0', 'dense.hopeless': 'fill s0',
  }  # fmt: skip
  [title] = re.findall(r'<title>(qat.int8: [^<]+)', drawn)
  assert title.replace('\xa0', ' ') == 'qat.int8: 15.0 KB, RMSE ratio 1.003 [1.002, 1.004]'
  assert drawn.count('class="budget"') == 1
  assert '>+1\xa0%</text>' in drawn and '>budget<' not in found
  assert 'class="chosen"' not in drawn
  assert '>RMSE relative to &#39;dense.float32&#39;</text>' in drawn
  told = text(section(found, 'compression'))
  assert 'Filled, and below the dashed line: within 1 %. Above the picture (▲): dense.hopeless.' in told
  assert re.findall(r'<i class="swatch (s\d)"></i>(\w+)<', found)[:2] == [('s0', 'dense'), ('s1', 'qat')]


def test_no_frontier_of_one_figure(tmp_path):
  made = [_recipe('dense.float32', 1.0, 32_000, 25_000), _recipe('a.int8', 1.0, 0, 9_000, latency_us=None)]
  labels = list(pictures(_written(tmp_path, *made)))
  assert [label.split(':')[0] for label in labels] == ['RMSE and download']


def _reduced(name: str, ratio: float, inputs: int | None, size: int | None = None):
  return row(StudyBlock.REDUCTIONS, name, ALL, ratio, 0.001, inputs=inputs, bytes=size, method=name.split(',')[0])


FULL = _reduced(ALL, 1.0, 40, 32_000)


@pytest.mark.parametrize(
  ('variants', 'expected'),
  [
    pytest.param(
      [_reduced('a, 20', 1.01, 20, 24_000)],
      [
        'At most half of the inputs and an RMSE within 1 % of the full vector: a, 20 (1.010).',
        'Of these, a lite file smaller by a quarter than the full 32.0 KB: a, 20.',
      ],
      id='just_half_and_a_quarter',
    ),
    pytest.param([_reduced('a, 21', 1.0, 21, 20_000)], [], id='more_than_half'),
    pytest.param(
      [_reduced('a, 20', 1.0, 20, 24_001)],
      [
        'At most half of the inputs and an RMSE within 1 % of the full vector: a, 20 (1.000).',
        'None of them has a lite file smaller by a quarter than the full 32.0 KB: the smallest, of a, 20, has 24.0 KB.',
      ],
      id='not_a_quarter',
    ),
    pytest.param(
      [_reduced('a, 20', 1.02, 20, 20_000), _reduced('b, 10', 1.03, 10, 19_000)],
      [
        'No variant with at most half of the inputs comes within 1 % of the full vector; the nearest is a, 20 '
        'with 1.020 [1.019, 1.021].',
        'the smallest, of b, 10, has 19.0 KB.',
      ],
      id='too_inaccurate',
    ),
    pytest.param(
      [_reduced('b, 10', 1.005, 10), _reduced('a, 20', 1.001, 20)],
      ['At most half of the inputs and an RMSE within 1 % of the full vector: a, 20 (1.001) and b, 10 (1.005).'],
      id='best_first',
    ),
  ],
)
def test_fewer_inputs_and_smaller_files(tmp_path, variants, expected):
  found = _told(tmp_path, StudyBlock.REDUCTIONS, FULL, *variants, lost=[])
  for sentence in expected:
    assert sentence in found
  assert ('half of the inputs' in found) == bool(expected)
  assert ('lite file smaller' in found) == any('lite file smaller' in one or 'the smallest' in one for one in expected)


def test_reductions_without_the_full_vector_say_nothing(tmp_path):
  assert 'half of the inputs' not in _told(tmp_path, StudyBlock.REDUCTIONS, _reduced('a, 20', 1.0, 20, 20_000), lost=[])


def _block(name: str, ratio: float, spread: float = 0.01):
  return row(StudyBlock.FEATURES, name, 'everything', ratio, spread)


def test_blocks_that_are_missed_idle_or_harmful(tmp_path):
  """By the interval of the ratio without them; what touches 1 is chance."""
  made = [
    _block('everything', 1.0, 0.0),
    _block('raw', 1.2),
    _block('everything less a', 1.05),
    _block('everything less b', 1.3),
    _block('everything less c', 1.125, 0.125),
    _block('everything less d', 0.875, 0.125),
    _block('everything less e', 0.9),
  ]
  found = _told(tmp_path, StudyBlock.FEATURES, *made, lost=[])
  assert 'The raw baseline has an RMSE 1.200 [1.190, 1.210] times that of everything.' in found
  assert 'Blocks that are missed when they are left out: b (30.0 % more without it) and a (5.0 % more' in found
  assert 'Blocks without which it is better, beyond chance: e.' in found
  assert "Blocks whose absence can't be told from chance: c and d." in found
  few = _told(tmp_path, StudyBlock.FEATURES, made[0], lost=[])
  for sentence in ('raw baseline', 'are missed', 'it is better', 'told from chance', 'published cross'):
    assert sentence not in few


def test_the_published_cross(tmp_path):
  """8,905 rides on 3,492 pairs; the RMSEs are 4 times the ratios."""
  published, fitted = _block('case study, published cells', 1.95), _block('case study, fitted cells', 1.56)
  found = _told(tmp_path, StudyBlock.FEATURES, published, fitted, lost=[])
  assert 'put these rides into 3 pickup cells and 5 pairs of cells, 99.8 % of them into a single one' in found
  assert (
    'Boundaries at quantiles give 93 pickup cells and 3,492 pairs, 2.6 rides each; the RMSE is then 6.24 in place of '
    '7.80 USD, 20 % less than before.'
  ) in found
  alone = _told(tmp_path, StudyBlock.FEATURES, published, lost=[])
  assert 'Boundaries at quantiles give 93 pickup cells and 3,492 pairs. ' in alone
  assert 'rides each' not in alone
  assert 'published cross' not in _told(tmp_path, StudyBlock.FEATURES, fitted, lost=[])
  assert 'published cross' not in _told(tmp_path, StudyBlock.FEATURES, published, lost=[], cells={})


def _counted(rides: str, kept: int, noise: int, ratio: float, rmse: float):
  settings = {'training_rides': rides, 'kept_features': kept, 'noise_features': noise, 'inputs': kept + noise}
  name = f'{kept} features + {noise} noise, {rides} rides'
  return row(StudyBlock.DIMENSIONS, name, f'48 features, {rides} rides', ratio, 0.001, **settings) | {'rmse': rmse}


def test_how_many_features_are_best(tmp_path):
  made = [
    _counted('500', 48, 0, 1.0, 5.0),
    _counted('500', 12, 0, 1.01, 5.1),
    _counted('500', 6, 0, 1.02, 5.2),
    _counted('500', 48, 100, 1.1, 5.5),
    _counted('500', 48, 200, 1.4, 7.0),
    _counted('1500', 24, 0, 0.98, 3.9),
    _counted('1500', 48, 0, 1.0, 4.0),
    _counted('all', 48, 0, 1.0, 3.0),
    _counted('all', 6, 0, 1.2, 3.6),
  ]
  found = _written(tmp_path, *made, lost=[])
  told = text(section(found, 'dimensions'))
  assert (
    'With 500 training rides, 48 features are best, and 12 come within 1 % of all; 200 columns of noise beside all of '
    'them multiply the RMSE by 1.400 [1.399, 1.401].'
  ) in told
  # The best ones are the fewest here.
  assert 'With 1,500 training rides, 24 features are best.' in told
  assert 'With all training rides, 48 features are best.' in told
  [(label, drawn)] = pictures(found).items()
  assert label == (
    'RMSE against the number of features: 500 rides: 5.00 at best, 7.00 with most noise; 1,500 rides: 3.90 at best, '
    '4.00 with most noise; all rides: 3.00 at best, 3.00 with most noise'
  )
  axes = Axes(drawn, logarithmic=True)
  curves = re.findall(r'<path d="M([^"]+)" class="curve (s\d)"/>', drawn)[3:]
  assert [style for _, style in curves] == ['s0', 's1', 's2']
  places = [[tuple(map(float, place.split())) for place in path.split('L')] for path, _ in curves]
  known = [
    [(6, 5.2), (12, 5.1), (48, 5.0), (148, 5.5), (248, 7.0)], [(24, 3.9), (48, 4.0)], [(6, 3.6), (48, 3.0)]
  ]  # fmt: skip
  # Inside of the clipped part, which has the picture's own places.
  for line, expected in zip(places, known, strict=True):
    assert [(axes.x(x), axes.y(y)) for x, y in line] == [pytest.approx(place, rel=0.02) for place in expected]
  [(mark, *_)] = re.findall(r'<path d="M([\d.]+) ([\d.]+)L([\d.]+) ([\d.]+)" class="mark"/>', drawn)
  assert axes.x(float(mark)) == pytest.approx(48, rel=0.02)
  assert '>noise from here on</text>' in drawn
  assert '>RMSE (USD)</text>' in drawn


def _width(name: str, ratio: float, spread: float = 0.01, reference: str = 'fourth root'):
  return row(StudyBlock.EMBEDDINGS, name, reference, ratio, spread, parameters=9876)


def test_widths_that_are_better_or_worse(tmp_path):
  made = [
    _width('fourth root', 1.0, 0.0), _width('one', 0.9), _width('two', 0.875, 0.125), _width('three', 1.1),
    _width('four', 1.125, 0.125),
  ]  # fmt: skip
  found = _written(tmp_path, *made, lost=[])
  told = text(section(found, 'embeddings'))
  assert 'The fourth root rule makes 9,876 parameters.' in told
  assert 'Better than it beyond chance: one. Worse beyond chance: three.' in told
  assert 'Better than it beyond chance: none. Worse beyond chance: none.' in _told(
    tmp_path, StudyBlock.EMBEDDINGS, made[0], lost=[]
  )
  assert 'fourth root rule' not in _told(tmp_path, StudyBlock.EMBEDDINGS, made[1], lost=[])
  [(label, drawn)] = pictures(found).items()
  assert label == ("RMSE relative to 'fourth root': fourth root 1.000; one 0.900; two 0.875; three 1.100; four 1.125")
  # The reference has a colour of its own.
  dots = {name: style for style, name in re.findall(r'class="fill (s\d)"><title>([\w ]+): ', drawn)}
  assert dots == {'fourth root': 's1', 'one': 's0', 'two': 's0', 'three': 's0', 'four': 's0'}


@pytest.mark.parametrize(
  ('ratio', 'spread', 'chance'),
  [
    pytest.param(0.9, 0.05, False, id='better'),
    pytest.param(0.875, 0.125, True, id='touches_from_below'),
    pytest.param(1.125, 0.125, True, id='touches_from_above'),
    pytest.param(1.2, 0.1, False, id='worse'),
  ],
)
def test_the_strongest_reference(tmp_path, ratio, spread, chance):
  made = [
    row(StudyBlock.REFERENCES, name, 'this model', value, width)
    for name, value, width in (('mean fare', 2.2, 0.1), ('a tree', ratio, spread), ('this model', 1.0, 0.0))
  ]
  found = _told(tmp_path, StudyBlock.REFERENCES, *made, lost=[])
  bounds = f'{ratio:.3f} [{ratio - spread:.3f}, {ratio + spread:.3f}]'
  sentence = f'The strongest of them, a tree, has {bounds} times the RMSE of this model'
  assert f'{sentence}, a difference that may be chance.' in found if chance else f'{sentence}. ' in found
  assert 'The strongest' not in _told(tmp_path, StudyBlock.REFERENCES, made[2], lost=[])


def test_a_bar_in_a_name_does_not_break_a_markdown_table():
  made = row(StudyBlock.REFERENCES, 'a|b', 'this model', 1.0)
  [table] = page.study_tables([made], about())
  lines = page.markdown(table).splitlines()
  assert lines[0].startswith('**Reference models** (ratio: RMSE to that of ')
  assert lines[-1].startswith('| a\\|b | 4.00 | 1.000 [0.990, 1.010] | 2.00 |')


def test_ratios_to_several_references_are_told_as_such():
  """Each size of the training split has its own."""
  found = page.study_tables(rows(), about())
  captions = {table.block: table.shown.caption for table in found}
  assert 'RMSE to that of all features on as many rides on the same rides' in captions['dimensions']
  assert "RMSE to that of 'everything' on the same rides" in captions['features']
  assert [table.block for table in found] == [
    'features', 'dimensions', 'reductions', 'embeddings', 'compression', 'references'
  ]  # fmt: skip


def test_methods_of_reduction_have_their_colours(tmp_path):
  """The full vector has none; sizes of one method share theirs."""
  made = [{**FULL, 'method': None}, _reduced('pca, 20', 1.0, 20, 30_000), _reduced('pca, 10', 1.01, 10, 29_000)]
  found = _written(tmp_path, *made, _reduced('lda, 5', 1.02, 5, 28_000), lost=[])
  legend = re.findall(r'<i class="swatch (s\d)"></i>([\w ]+)<', found)
  assert legend[:3] == [('s0', 'none'), ('s1', 'pca'), ('s2', 'lda')]
  labels = [label.split(':')[0] for label in pictures(found)]
  assert labels == ['RMSE and number of inputs', 'RMSE and size']


def test_a_picture_stands_between_its_title_and_what_is_told_of_it(tmp_path):
  found = _written(tmp_path, *rows())
  figures = re.findall(
    r'<figure><figcaption>([^<]+)</figcaption>(<svg .*?</svg>)\n<p class="soft">([^<]+)</p>', found, re.DOTALL
  )
  assert [title for title, _, _ in figures] == [
    'RMSE, with 95 % intervals', 'The more features, the more rides it takes', 'RMSE and number of inputs',
    'RMSE and size', 'RMSE, with 95 % intervals', 'RMSE and size', 'RMSE and download', 'RMSE and latency',
    'RMSE, with 95 % intervals',
  ]  # fmt: skip
  for title, _, told in figures:
    if title.startswith('RMSE and'):
      assert told.startswith('Filled, and below the dashed line: within 1 %.')
    elif title.startswith('RMSE, with'):
      assert told == 'An arrow: further off than the picture reaches.'
    else:
      assert told == 'Training rides by colour.'


def _seeded(name: str, ratio: float, over_rides: float, over_seeds: float | None):
  low, high = (None, None) if over_seeds is None else (ratio - over_seeds, ratio + over_seeds)
  return row(
    StudyBlock.FEATURES, name, 'everything', ratio, over_rides, ratio_seeds_low=low, ratio_seeds_high=high
  )  # fmt: skip


def test_chance_is_the_wider_of_rides_and_seeds(tmp_path):
  made = [
    _seeded('everything', 1.0, 0.0, 0.0),
    _seeded('everything less a', 1.1, 0.02, 0.2),
    _seeded('everything less b', 1.1, 0.2, 0.02),
    _seeded('everything less c', 1.1, 0.02, 0.03),
  ]
  found = _told(tmp_path, StudyBlock.FEATURES, *made, lost=[])
  assert 'Blocks that are missed when they are left out: c (10.0 % more without it).' in found
  assert "Blocks whose absence can't be told from chance: a and b." in found


def test_a_single_seed_tells_nothing_of_chance(tmp_path):
  made = [_seeded('everything', 1.0, 0.0, None), _seeded('everything less a', 1.5, 0.01, None)]
  found = _told(tmp_path, StudyBlock.FEATURES, *made, lost=[])
  assert 'RMSE without a block, relative to that of everything: a 1.500. With a single seed nothing is told' in found
  assert 'are missed' not in found
  for block in (StudyBlock.EMBEDDINGS, StudyBlock.COMPRESSION, StudyBlock.REFERENCES):
    single = [
      one | {'ratio_seeds_low': None, 'ratio_seeds_high': None} for one in rows() if one['block'] == block.value
    ]
    told = _told(tmp_path, block, *single, lost=[])
    assert 'With a single seed nothing is told from chance: set study.seeds to 2 or more.' in told
    assert 'beyond chance' not in told
    assert 'may be chance' not in told


def test_cells_that_tell_rides_apart_are_not_said_to_be_one(tmp_path):
  cells = {
    'published': {'pickup_cells': 20, 'pairs': 150, 'largest_share': 0.2, 'degrees': [1.1, 0.8]},
    'fitted': {'pickup_cells': 93, 'pairs': 3492, 'largest_share': 0.003},
  }
  found = _told(tmp_path, StudyBlock.FEATURES, _block('case study, published cells', 1.95), lost=[], cells=cells)
  assert 'buckets of equal width over 1.1 × 0.8 degrees put these rides into 20 pickup cells and 150 pairs' in found
  assert 'the same index' not in found
