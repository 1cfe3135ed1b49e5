"""Which lite file a path means: a version, the newest of several, or a file on its own."""

import shutil

import numpy as np
import pytest

from configs.loading import load
from models.lite.client import LiteFileError, LiteModel
from models.release import LITE_FILE, ManifestError, find_pushed
from tests.models.lite.small_files import preset_lite_file, some_rides, write_version


@pytest.fixture(scope='module')
def pushed(tmp_path_factory):
  return write_version(tmp_path_factory.mktemp('pushed') / '7')


@pytest.fixture
def destination(pushed, tmp_path):
  """A push destination: two versions, and what else may be there."""
  for version in ('9', '10'):
    shutil.copytree(pushed, tmp_path / 'serving' / version)
  (tmp_path / 'serving' / '.staging-1').mkdir()
  (tmp_path / 'serving' / '11').write_text('a file')
  return tmp_path / 'serving'


def test_a_version(pushed):
  found = find_pushed(pushed)
  assert found[:2] == (pushed / LITE_FILE, pushed)
  assert found.manifest.recipe == 'dense'


def test_the_newest_version_is_that_of_the_largest_number(destination):
  assert find_pushed(destination).version == destination / '10'


def test_a_file_on_its_own(pushed):
  assert find_pushed(pushed / LITE_FILE) == (pushed / LITE_FILE, None, None)


def test_the_loaded_model_predicts(destination, pushed):
  rides = some_rides(load('nyc'), 20)
  expected = LiteModel(preset_lite_file()).predict(rides)
  for path in (destination, pushed, pushed / LITE_FILE, str(pushed)):
    np.testing.assert_array_equal(LiteModel(find_pushed(path).file).predict(rides), expected)


def test_an_altered_model_is_refused(destination):
  content = bytearray((destination / '10' / LITE_FILE).read_bytes())
  content[-1] ^= 1
  (destination / '10' / LITE_FILE).write_bytes(content)
  with pytest.raises(ManifestError, match=r"'model.tflite' in '.*/10' was altered"):
    find_pushed(destination)


@pytest.mark.parametrize(
  ('path', 'message'),
  [
    pytest.param('nowhere', r"There is no '.*nowhere'; name a pushed version", id='nothing_there'),
    pytest.param('empty', r"empty' is neither a pushed version nor a directory of versions", id='empty_directory'),
    pytest.param('bare', r"bare' has no assets.extra/manifest.json", id='saved_model_alone'),
    pytest.param('/dev/zero', r"'/dev/zero' is a pipe or a device; put a file in its place", id='device'),
  ],
)
def test_what_is_no_version(tmp_path, path, message):
  (tmp_path / 'empty' / 'latest').mkdir(parents=True)
  (tmp_path / 'bare').mkdir()
  (tmp_path / 'bare' / 'saved_model.pb').write_bytes(b'')
  with pytest.raises(ManifestError, match=message):
    find_pushed(tmp_path / path)


def test_a_bucket_is_not_read():
  with pytest.raises(ManifestError, match='is in a bucket; copy the version to this machine'):
    find_pushed('gs://bucket/serving')


def test_a_file_that_is_no_lite_file(tmp_path):
  (tmp_path / 'a.tflite').write_text('no')
  with pytest.raises(LiteFileError, match=r"a.tflite' is not a TFLite file"):
    LiteModel(find_pushed(tmp_path / 'a.tflite').file)
