"""Which versions are in a push destination and which one serves. Oracle: what a model server loads, case by case."""

from __future__ import annotations

import pathlib
import subprocess
import sys

import pytest
import tensorflow as tf

from models import served_versions
from models.served_versions import SAVED_MODEL, is_saved_model, next_version, served_version, version_number


def _made(base, whole=(), begun=()):
  """A push destination; a version that is only begun is still being copied to an object store."""
  tf.io.gfile.makedirs(str(base))
  for name in (*whole, *begun):
    files = ('variables/variables.index', 'model.tflite', *([SAVED_MODEL] if name in whole else []))
    for file in files:
      tf.io.gfile.makedirs(f'{base}/{name}/{file}'.rpartition('/')[0])
      with tf.io.gfile.GFile(f'{base}/{name}/{file}', 'w') as opened:
        opened.write(f'{file} of {name}')
  return base


@pytest.fixture(params=['', 'file://', 'ram://'])
def base(request, tmp_path):
  """A folder; and URLs, which are read as buckets are."""
  return f'{request.param}{tmp_path}/serving'


@pytest.mark.parametrize(
  ('whole', 'begun', 'expected'),
  [
    pytest.param([], [], [], id='nothing'),
    pytest.param(['7'], [], [7], id='one'),
    pytest.param(['0', '10', '9'], [], [0, 9, 10], id='numbers_not_text'),
    pytest.param(['9'], ['10'], [9], id='newest_still_being_copied'),
    pytest.param(['9', '11'], ['10'], [9, 11], id='an_older_one_was_never_finished'),
    pytest.param([], ['10'], [], id='first_still_being_copied'),
    pytest.param(['9', '.staging-11', 'latest', 'v12', '12.5', '-13', '0100', '٣٠٠', '²'], [], [9], id='other_names'),
    pytest.param(['9', '.staging-11/12', 'old/13'], [], [9], id='folders_in_folders'),
  ],
)
def test_versions_and_which_one_serves(whole, begun, expected, base):
  _made(base, whole, begun)
  assert served_versions.versions(base) == expected
  assert served_version(base) == (expected[-1] if expected else None)
  for number in (0, 9, 10, 10**20):
    before = [version for version in expected if version < number]
    assert served_version(base, before=number) == (before[-1] if before else None)


def test_a_destination_that_is_not_there_holds_nothing(base):
  assert (served_versions.versions(base), served_version(base), next_version(base, 5)) == ([], None, 5)


def test_files_are_no_versions_and_links_are_what_they_point_to(tmp_path):
  serving = pathlib.Path(_made(tmp_path / 'serving', ['9']))
  (serving / '300').write_text('no version')
  (serving / '200').symlink_to('nowhere')
  assert served_versions.versions(serving) == [9]
  (serving / '100').symlink_to(_made(tmp_path / 'elsewhere', ['1']) / '1')
  assert served_versions.versions(serving) == [9, 100]
  assert served_versions.versions(serving / '300') == []


@pytest.mark.parametrize(
  ('present', 'expected'),
  [
    pytest.param([], 100, id='first_push'),
    pytest.param(['7'], 100, id='older_version'),
    pytest.param(['100'], 101, id='same_second'),
    pytest.param(['9999'], 10_000, id='clock_set_back'),
    pytest.param(['notes', '.push.lock', '12.5'], 100, id='other_names'),
    pytest.param(['0200'], 201, id='a_number_that_is_no_version'),
  ],
)
def test_versions_rise(tmp_path, present, expected):
  """Whether they are whole or not: a number is taken."""
  for name in present:
    (tmp_path / name).mkdir()
  assert next_version(str(tmp_path), 100) == expected


@pytest.mark.parametrize(
  ('name', 'number'),
  [
    pytest.param('0', 0, id='zero'),
    pytest.param('1795458791', 1_795_458_791, id='a_time'),
    *(pytest.param(name, None) for name in ('', '007', '+7', '-7', '7.0', '7 ', '1_000', '٧', '²', 'v7', '.7')),
  ],
)
def test_a_versions_name_is_its_number(name, number):
  assert version_number(name) == number
  assert number is None or str(number) == name


def test_a_saved_model(base):
  _made(base, ['1'], ['2'])
  assert [is_saved_model(f'{base}/{name}') for name in ('1', '2', '3')] == [True, False, False]


def test_a_folder_needs_the_standard_library_alone(tmp_path):
  """Oracle: the modules that are loaded. A command line that asks what serves must not wait for TensorFlow."""
  program = (
    'import sys\nbefore = set(sys.modules)\nfrom models import served_versions\n'
    'assert served_versions.next_version(sys.argv[1], 1) == 8\n'
    'assert served_versions.served_version(sys.argv[1]) == 7\n'
    "print({name.split('.')[0] for name in set(sys.modules) - before} - {'models', *sys.stdlib_module_names})\n"
  )
  command = [sys.executable, '-c', program, str(_made(tmp_path, ['7']))]
  assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == 'set()\n'
