"""Small facts that have one home each, read from the source of the rooms."""

import ast
import collections
import pathlib

import pytest

from configs.base import joined, shortened
from configs.columns import COORDINATES, LABEL, PASSENGERS, TIME

ROOT = pathlib.Path(__file__).resolve().parent.parent
ROOMS = ('configs', 'transforms', 'models', 'components', 'pipeline')
TREES = {
  path.relative_to(ROOT).as_posix(): ast.parse(path.read_text(encoding='utf-8'))
  for room in ROOMS
  for path in sorted((ROOT / room).rglob('*.py'))
}


def _where(found):
  """Files with a node that a function is true of."""
  return {file for file, tree in TREES.items() if any(found(node) for node in ast.walk(tree))}


def _is_text(node, *texts):
  return isinstance(node, ast.Constant) and node.value in texts


def _joins_by(node, text):
  """`'text'.join(…)`."""
  return isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == 'join' and (
    _is_text(node.func.value, text)
  )  # fmt: skip


def test_a_class_name_means_one_thing():
  named = collections.Counter(
    node.name for tree in TREES.values() for node in ast.walk(tree) if isinstance(node, ast.ClassDef)
  )
  assert {name for name, count in named.items() if count > 1} == set()


def test_columns_of_a_ride_are_named_once():
  names = (TIME, *COORDINATES, PASSENGERS, LABEL)
  assert _where(lambda node: _is_text(node, *names)) == {'configs/columns.py'}


def test_lists_in_sentences_are_joined_in_one_place():
  assert _where(lambda node: _joins_by(node, ' and ')) == set()
  counted = _where(lambda node: isinstance(node, ast.Constant) and node.value == ' more')
  assert counted == {'configs/base.py'}
  assert not _where(lambda node: isinstance(node, ast.FunctionDef) and node.name == '_listed')


def test_records_have_one_writer():
  assert not _where(lambda node: isinstance(node, ast.Attribute) and node.attr in ('TFRecordWriter', 'TFRecordOptions'))
  assert _where(lambda node: isinstance(node, ast.Attribute) and node.attr == 'compressobj') == {
    'components/ride_example_gen/encoding.py'
  }


@pytest.mark.parametrize(
  ('words', 'expected'),
  [
    pytest.param([], '', id='none'),
    pytest.param(['a'], 'a', id='one'),
    pytest.param(['a', 'b'], 'a and b', id='two'),
    pytest.param(('a', 'b', 'c'), 'a, b and c', id='three'),
    pytest.param((word for word in 'abcd'), 'a, b, c and d', id='of_a_generator'),
  ],
)
def test_a_list_in_a_sentence(words, expected):
  assert joined(words) == expected


@pytest.mark.parametrize(
  ('words', 'expected'),
  [
    pytest.param([], '', id='none'),
    pytest.param(['a', 'b'], 'a, b', id='all'),
    pytest.param(['a', 'b', 'c'], 'a, b and 1 more', id='one_more'),
    pytest.param(list('abcdef'), 'a, b and 4 more', id='more'),
  ],
)
def test_a_list_that_is_too_long(words, expected):
  assert shortened(words, 2) == expected


def test_processes_start_where_no_signal_comes_in_between():
  """`Popen` is called inside `deferred_signals` alone; what `subprocess.run` calls here ends by itself."""

  def begins(tree):
    return {id(node) for node in ast.walk(tree) if isinstance(node, ast.Call) and _is_attribute(node.func, 'Popen')}

  def guarded(tree):
    blocks = [node for node in ast.walk(tree) if isinstance(node, ast.With)]
    deferring = [
      block for block in blocks if any(ast.unparse(i.context_expr) == 'deferred_signals()' for i in block.items)
    ]
    return set().union(*map(begins, deferring))

  assert {file for file, tree in TREES.items() if begins(tree)} == {
    'models/lite/process.py',
    'pipeline/local/ahead.py',
    'pipeline/rehearsal/image.py',
  }
  assert {file for file, tree in TREES.items() if begins(tree) - guarded(tree)} == set()


def _is_attribute(node, name):
  return isinstance(node, ast.Attribute) and node.attr == name


def test_decimals_of_an_error_in_fares_are_decided_in_one_place():
  """`configs.amounts` and, for pages, `models.charts.number`: no format of a fixed number of decimals."""
  errors = ('rmse', 'mae', 'promised', 'root_mean_squared_error', 'mean_absolute_error', 'rmse_without_worst_5')

  def fixed(node):
    if not isinstance(node, ast.FormattedValue) or node.format_spec is None:
      return False
    named = {
      getattr(inner, 'attr', getattr(inner, 'id', '')) for inner in ast.walk(node.value)
    }  # fmt: skip
    return bool(named & {*errors}) and ast.unparse(node.format_spec).strip("f'").endswith('f')

  assert _where(fixed) == set()
  assert _where(lambda node: isinstance(node, ast.FunctionDef) and node.name == 'amount_digits') == {
    'configs/amounts.py'
  }
