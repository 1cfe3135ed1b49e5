"""What setup.py declares, what the locks pin, and what the code imports are one set."""

from __future__ import annotations

import ast
import functools
import importlib.metadata
import pathlib
import re
import runpy
import subprocess
import sys
from collections.abc import Iterator
from unittest import mock

import pytest
import setuptools
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.conftest import REPOSITORY

ROOMS = ('configs', 'transforms', 'models', 'components', 'pipeline')
LOCK = 'tfx121.txt' if sys.version_info >= (3, 11) else 'tfx116.txt'


@functools.cache
def _setup() -> dict:
  with mock.patch.object(setuptools, 'setup') as setup:
    runpy.run_path(str(REPOSITORY / 'setup.py'))
  return setup.call_args.kwargs


def _declared(*extras: str) -> dict[str, Requirement]:
  """The requirements that hold for this Python, by normalized name."""
  lines = _setup()['install_requires'] + [line for extra in extras for line in _setup()['extras_require'][extra]]
  found = [Requirement(line) for line in lines]
  return {canonicalize_name(one.name): one for one in found if one.marker is None or one.marker.evaluate()}


def _pins(name: str) -> dict[str, str]:
  """Version by normalized name, of the lines that hold for this Python."""
  lines = (REPOSITORY / 'requirements' / name).read_text(encoding='utf-8').replace('\\\n', ' ').splitlines()
  found = [Requirement(line.split(' --hash')[0]) for line in lines if line and not line.startswith('#')]
  kept = [one for one in found if one.marker is None or one.marker.evaluate()]
  return {canonicalize_name(one.name): str(one.specifier).removeprefix('==') for one in kept}


def test_the_lock_fits_setup_py():
  pins = _pins(LOCK)
  declared = _declared('kfp', 'serve', 'notify', 'dev')
  unfit = {name: pins.get(name) for name, one in declared.items() if pins.get(name, '0') not in one.specifier}
  assert unfit == {}, 'setup.py asks for other versions: make lock'


def test_excluded_packages_are_in_no_lock():
  lines = (REPOSITORY / 'requirements' / 'excludes.txt').read_text(encoding='utf-8').splitlines()
  excluded = {canonicalize_name(line.split('#')[0].strip()) for line in lines if line.split('#')[0].strip()}
  assert 'widgetsnbextension' in excluded
  for lock in ('tfx121.txt', 'tfx116.txt', 'image.txt'):
    text = (REPOSITORY / 'requirements' / lock).read_text(encoding='utf-8')
    assert not excluded & set(re.findall(r'^([\w.-]+)==', text, re.MULTILINE)), lock


@functools.cache
def _owners() -> dict[str, set[str]]:
  """The distributions that own a module, by its dotted name. Namespace packages such as `google` are not modules."""
  owners: dict[str, set[str]] = {}
  for distribution in importlib.metadata.distributions():
    for file in distribution.files or ():
      if file.suffix in ('.py', '.so') and '..' not in file.parts:
        parts = file.parts[:-1] if file.name == '__init__.py' else (*file.parts[:-1], file.name.partition('.')[0])
        owners.setdefault('.'.join(parts), set()).add(canonicalize_name(distribution.metadata['Name']))
  return owners


def _imports(file: pathlib.Path) -> Iterator[str]:
  """The dotted names that a file imports from elsewhere, as deep as the statement tells."""
  for node in ast.walk(ast.parse(file.read_text(encoding='utf-8'))):
    if isinstance(node, ast.Import):
      yield from (name.name for name in node.names)
    elif isinstance(node, ast.ImportFrom) and not node.level and node.module:
      yield from (f'{node.module}.{name.name}' for name in node.names)


def _owner(name: str) -> set[str]:
  """Of the deepest part of a dotted name that is a module."""
  parts = name.split('.')
  found = (_owners().get('.'.join(parts[:depth])) for depth in range(len(parts), 0, -1))
  return next((owners for owners in found if owners), set())


# Tried in turn, or asked for with a sentence where it is missing: the file that does so says how.
OPTIONAL = {
  'apprise', 'ai_edge_quantizer', 'litert_quantizer', 'lightgbm', 'mlflow', 'pyarrow_hotfix', 'onnx', 'onnxruntime',
}  # fmt: skip


@pytest.mark.parametrize(
  ('folders', 'extras'),
  [
    pytest.param(ROOMS, ('kfp', 'serve', 'notify'), id='rooms'),
    pytest.param(('benchmarks', 'examples', 'tests'), ('kfp', 'serve', 'notify', 'dev'), id='tests'),
  ],
)
def test_what_is_imported_is_declared(folders: tuple[str, ...], extras: tuple[str, ...]):
  """Oracle: the files that each installed distribution says are its own."""
  own = {*ROOMS, 'benchmarks', 'examples', 'tests', *OPTIONAL, *sys.stdlib_module_names}
  declared, stray = set(_declared(*extras)), {}
  for file in (file for folder in folders for file in sorted((REPOSITORY / folder).rglob('*.py'))):
    for name in _imports(file):
      if name.partition('.')[0] not in own and not _owner(name) & declared:
        stray[name] = f'{file.relative_to(REPOSITORY)}: {sorted(_owner(name))}'
  assert stray == {}


def test_farmhash_is_the_same_function_in_both_locks():
  """TFDV partitions features by it. Oracle: values of pyfarmhash 0.3.2, which it asks for and no wheel has."""
  import farmhash

  assert farmhash.fingerprint32('') == 3696677242
  assert farmhash.fingerprint32('fare_amount') == 32107555
  assert farmhash.fingerprint64('fare_amount') == 3503096741342445916
  assert farmhash.fingerprint64('fährt 🚕' * 20) == 9364258622516885675


def test_tfma_is_imported_whole():
  """It swallows an ImportError of its notebook views, and is then left without its functions."""
  program = (
    'import tensorflow_model_analysis as tfma; tfma.EvalResult, tfma.load_validation_result, tfma.load_eval_result'
  )
  result = subprocess.run(
    [sys.executable, '-c', program], env={'TF_USE_LEGACY_KERAS': '1'}, cwd=REPOSITORY, capture_output=True, text=True
  )
  assert result.returncode == 0, result.stderr[-2000:]
  assert 'Error importing' not in result.stderr
