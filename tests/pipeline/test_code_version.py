"""The code version follows the code, wherever it lies, and nothing else."""

import pathlib
import sys

import pytest

from pipeline.code_version import code_version


@pytest.fixture
def package(tmp_path: pathlib.Path, monkeypatch) -> pathlib.Path:
  folder = tmp_path / 'versioned' / 'inner'
  folder.mkdir(parents=True)
  for path in (folder.parent / '__init__.py', folder / '__init__.py'):
    path.touch()
  (folder / 'code.py').write_text('ANSWER = 42\n')
  monkeypatch.syspath_prepend(str(tmp_path))
  yield folder
  sys.modules.pop('versioned', None)


def _version() -> str:
  code_version.cache_clear()
  return code_version('versioned')


def test_follows_changed_added_and_renamed_files(package: pathlib.Path):
  versions = [_version()]
  (package / 'code.py').write_text('ANSWER = 43\n')
  versions.append(_version())
  (package / 'more.py').write_text('')
  versions.append(_version())
  (package / 'more.py').rename(package / 'other.py')
  versions.append(_version())
  assert len(set(versions)) == 4


def test_ignores_what_is_no_code(package: pathlib.Path):
  before = _version()
  (package / 'notes.txt').write_text('changed')
  (package / 'code.py').touch()
  assert _version() == before


def test_unknown_package():
  with pytest.raises(ImportError, match="No package 'nowhere_to_be_found'"):
    code_version('nowhere_to_be_found')
