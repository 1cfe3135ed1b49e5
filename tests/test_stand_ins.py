"""Nothing that the code takes from TFX and its kin is a stand-in for what is missing.

TFX 1.21 puts a MagicMock where `tfx_bsl.arrow.sql_util` is missing, which would answer any SQL slice without an error,
and `tfx.v1` has None for a component that can't be imported.
"""

import ast
import functools
import importlib
import pathlib
import sys
from unittest import mock

import pytest

ROOT = pathlib.Path(__file__).resolve().parent.parent
ROOMS = ('transforms', 'models', 'components', 'pipeline', 'benchmarks')
LIBRARIES = (
  'apache_beam',
  'ml_metadata',
  'tensorflow_data_validation',
  'tensorflow_metadata',
  'tensorflow_model_analysis',
  'tensorflow_model_optimization',
  'tensorflow_transform',
  'tfx',
  'tfx_bsl',
)
SQL_SLICES = ('slice_keys_sql', 'slice_sqls', 'sql_util')


@functools.cache
def _trees():
  sources = [path for room in ROOMS for path in sorted((ROOT / room).rglob('*.py'))]
  return {path.relative_to(ROOT): ast.parse(path.read_text(encoding='utf-8')) for path in sources}


def _taken(tree):
  """Dotted names of the libraries that a file imports, and what it reads of imported modules."""
  aliases = {}
  for node in ast.walk(tree):
    if isinstance(node, ast.Import):
      aliases |= {name.asname or name.name.partition('.')[0]: name.name for name in node.names if name.asname}
      aliases |= {name.name.partition('.')[0]: name.name.partition('.')[0] for name in node.names if not name.asname}
      yield from (name.name for name in node.names)
    elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
      aliases |= {name.asname or name.name: f'{node.module}.{name.name}' for name in node.names}
      yield from (f'{node.module}.{name.name}' for name in node.names)
  for node in ast.walk(tree):
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in aliases:
      yield f'{aliases[node.value.id]}.{node.attr}'


def _names(library):
  found = {name for tree in _trees().values() for name in _taken(tree)}
  return sorted(name for name in found if name.partition('.')[0] == library)


def _value(name):
  """What a dotted name stands for: the longest module in it, then attributes."""
  parts = name.split('.')
  for length in range(len(parts), 0, -1):
    try:
      found = importlib.import_module('.'.join(parts[:length]))
    except ModuleNotFoundError:
      continue
    return functools.reduce(getattr, parts[length:], found)
  raise ModuleNotFoundError(name)


@pytest.mark.parametrize('library', LIBRARIES)
def test_what_is_imported_is_there(library):
  names = _names(library)
  assert names
  assert [name for name in names if _value(name) is None or isinstance(_value(name), mock.NonCallableMock)] == []


def test_the_reader_sees_imports_and_attributes():
  tree = ast.parse('import tfx.types\nimport ml_metadata as m\nfrom tfx.dsl import io as files\nm.Store(); files.open')
  assert set(_taken(tree)) == {'tfx.types', 'ml_metadata', 'tfx.dsl.io', 'ml_metadata.Store', 'tfx.dsl.io.open'}
  assert 'tensorflow_transform.TFTransformOutput' in _names('tensorflow_transform')


def test_a_stand_in_would_be_seen(monkeypatch):
  """As TFX makes them; and the one that is there is known to be the only one."""
  monkeypatch.setitem(sys.modules, 'tfx_bsl.arrow.other_util', mock.MagicMock())
  assert isinstance(_value('tfx_bsl.arrow.other_util.anything'), mock.NonCallableMock)
  monkeypatch.undo()
  importlib.import_module('tfx.components')
  mocks = {name for name, module in sys.modules.items() if isinstance(module, mock.NonCallableMock)}
  assert mocks <= {'tfx_bsl.arrow.sql_util'}


def test_nobody_slices_by_sql():
  """Without `sql_util` TFMA and TFDV answer with a stand-in, or not at all."""
  sources = {path: (ROOT / path).read_text(encoding='utf-8') for path in _trees()}
  assert [path for path, source in sources.items() if any(word in source for word in SQL_SLICES)] == []
