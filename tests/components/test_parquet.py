"""A Parquet file with pickled Python in it is data, in both lanes."""

from __future__ import annotations

import ast
import pathlib
import pickle
import subprocess
import sys

import pyarrow as pa
import pyarrow.parquet
import pytest

from tests.conftest import REPOSITORY


class _Open:
  """Unpickled, it makes a file."""

  def __init__(self, path: pathlib.Path) -> None:
    self.path = str(path)

  def __reduce__(self) -> tuple:
    return open, (self.path, 'w')


@pytest.fixture
def marker(tmp_path: pathlib.Path) -> pathlib.Path:
  """What exists once the hostile file's code has run."""
  return tmp_path / 'marker'


@pytest.fixture
def hostile(tmp_path: pathlib.Path, marker: pathlib.Path) -> pathlib.Path:
  """Rides whose column declares an extension type of pyarrow's older kind, `marker` the work of its pickle."""
  declared = {
    'ARROW:extension:name': 'arrow.py_extension_type',
    'ARROW:extension:metadata': pickle.dumps(_Open(marker), protocol=0),
  }
  schema = pa.schema([pa.field('fare', pa.int64(), metadata=declared)])
  path = tmp_path / 'rides.parquet'
  pa.parquet.write_table(pa.table([pa.array([1])], schema=schema), path)
  return path


def _run(program: str, *arguments: object) -> subprocess.CompletedProcess:
  """In a process of its own: a process has one list of extension types, and Beam changes it too."""
  words = [sys.executable, '-c', program, *map(str, arguments)]
  return subprocess.run(words, cwd=REPOSITORY, capture_output=True, text=True)


OPENINGS = {
  'rides': 'from components.ride_example_gen import reading as r; list(r.open_parquet(sys.argv[1])[1])',
  'report': 'from pipeline.report import rides; rides.pq.read_table(sys.argv[1])',
}


@pytest.mark.parametrize('opening', [pytest.param(text, id=name) for name, text in OPENINGS.items()])
def test_no_code_of_a_file_is_run(hostile: pathlib.Path, marker: pathlib.Path, opening: str):
  result = _run(f'import sys; {opening}', hostile)
  assert not marker.exists()
  assert 'ImportError' not in result.stderr and 'ModuleNotFoundError' not in result.stderr
  if sys.version_info < (3, 11):
    assert 'arrow.py_extension_type' in result.stderr or 'pickled' in result.stderr


@pytest.mark.skipif(sys.version_info >= (3, 11), reason='pyarrow 14 and later refuse by themselves')
def test_the_file_is_hostile_to_a_bare_pyarrow(hostile: pathlib.Path, marker: pathlib.Path):
  _run('import sys, pyarrow.parquet as pq; pq.ParquetFile(sys.argv[1]).schema_arrow', hostile)
  assert marker.exists()


def test_parquet_comes_from_one_module():
  """Another module that imported pyarrow's own would open files without the guard."""
  for room in ('components', 'pipeline', 'models', 'configs', 'transforms'):
    for file in (REPOSITORY / room).rglob('*.py'):
      for node in ast.walk(ast.parse(file.read_text(encoding='utf-8'))):
        names = [name.name for name in node.names] if isinstance(node, ast.Import) else [getattr(node, 'module', None)]
        assert 'pyarrow.parquet' not in names or file.name == 'parquet.py', file
