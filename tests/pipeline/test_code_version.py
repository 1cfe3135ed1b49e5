"""The code version follows the code, wherever it lies, and nothing else."""

import importlib.metadata
import pathlib
import shutil
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


def test_goes_by_names_contents_and_where_a_file_ends(package: pathlib.Path):
  """Equal bytes in other files, or in another order, are other code."""
  (package / 'code.py').write_text('ab')
  (package / 'more.py').write_text('c')
  versions = [_version()]
  (package / 'code.py').write_text('a')
  (package / 'more.py').write_text('bc')
  versions.append(_version())
  (package / 'code.py').rename(package.parent / 'code.py')
  versions.append(_version())
  assert len(set(versions)) == 3


def test_goes_by_every_package_in_whatever_order_they_are_named(package: pathlib.Path):
  code_version.cache_clear()
  both = code_version('versioned', 'versioned.inner')
  assert both == code_version('versioned.inner', 'versioned')
  assert len({both, code_version('versioned'), code_version('versioned.inner')}) == 3


@pytest.mark.parametrize(
  'library', ['tfx', 'tensorflow', 'tensorflow-transform', 'tf-keras', 'tensorflow-model-optimization', 'pyarrow']
)
def test_goes_by_the_versions_of_the_libraries(package: pathlib.Path, monkeypatch, library: str):
  before = _version()
  version = importlib.metadata.version
  monkeypatch.setattr(importlib.metadata, 'version', lambda name: '9.9' if name == library else version(name))
  assert _version() != before


def test_equal_code_elsewhere_has_the_same_version(package: pathlib.Path, monkeypatch, tmp_path: pathlib.Path):
  before = _version()
  shutil.copytree(package.parent, tmp_path / 'elsewhere' / 'versioned')
  monkeypatch.syspath_prepend(str(tmp_path / 'elsewhere'))
  assert _version() == before


def test_a_file_can_not_pass_for_two(package: pathlib.Path):
  (package / 'code.py').write_text('A')
  (package / 'more.py').write_text('B')
  two = _version()
  (package / 'more.py').unlink()
  (package / 'code.py').write_text('Aversioned/inner/more.py\0B')
  assert _version() != two
