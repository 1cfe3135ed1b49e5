"""The manifest: every kind of damage to a version is reported with the file's name."""

import datetime
import hashlib
import json
import os
import shutil

import pytest

from configs.loading import load
from configs.records import Estimate
from models.lite.columns import describe_inputs
from models.release import MANIFEST, Manifest, ManifestError, verify, write_manifest
from tests.models.lite.small_files import facts, write_version


@pytest.fixture(scope='module')
def pushed(tmp_path_factory):
  return write_version(tmp_path_factory.mktemp('serving') / '1795458791')


@pytest.fixture
def version(pushed, tmp_path):
  """A copy to damage."""
  return shutil.copytree(pushed, tmp_path / pushed.name)


def test_a_copied_version_is_verified(version):
  manifest = verify(version)
  assert manifest.dataset == 'nyc'
  assert manifest.metrics.rmse == Estimate(4.4, 3.6, 5.4)
  age = datetime.datetime.now(datetime.timezone.utc) - datetime.datetime.fromisoformat(manifest.created[:-1] + '+00:00')
  assert manifest.created.endswith('Z')
  assert age < datetime.timedelta(hours=1)


def test_every_file_is_listed_but_the_manifest(version):
  """Oracle: hashlib on the whole content, and the files that the test wrote."""
  files = verify(version).files
  own = ('saved_model.pb', 'variables/variables.index', 'model.tflite')
  assert set(files) == {*own, 'assets.extra/config.yaml', 'assets.extra/golden_rides.json'}
  for name, listed in files.items():
    content = (version / name).read_bytes()
    assert (listed.bytes, listed.sha256) == (len(content), hashlib.sha256(content).hexdigest())


def flip(name, position):
  """Changes one bit of a file."""

  def damage(version):
    content = bytearray((version / name).read_bytes())
    content[position] ^= 1
    (version / name).write_bytes(content)

  return damage


def put(name, content):
  def damage(version):
    (version / name).parent.mkdir(exist_ok=True)
    (version / name).write_bytes(content)

  return damage


def take(name):
  return lambda version: (version / name).unlink()


def edit(**values):
  """Changes the manifest as a person would, in an editor."""

  def damage(version):
    manifest = json.loads((version / MANIFEST).read_text())
    (version / MANIFEST).write_text(json.dumps(manifest | values, indent=2, ensure_ascii=False) + '\n')

  return damage


def link(version):
  (version / 'more').symlink_to(version / 'variables')


def pipe(name):
  """Puts a pipe, whose reading waits for ever, in the place of a file."""

  def damage(version):
    (version / name).unlink()
    os.mkfifo(version / name)

  return damage


def cut(version):
  text = (version / MANIFEST).read_text()
  (version / MANIFEST).write_text(text[: len(text) // 2])


DAMAGES = [
  pytest.param(flip('model.tflite', 20_000), r"'model.tflite' in .* was altered", id='weight'),
  pytest.param(flip('saved_model.pb', 0), r"'saved_model.pb' in .* was altered", id='first_byte'),
  pytest.param(flip('variables/variables.index', -1), r"'variables/variables.index' in .* altered", id='last_byte'),
  pytest.param(flip('assets.extra/config.yaml', 5), r"'assets.extra/config.yaml' in .* was altered", id='config'),
  pytest.param(put('saved_model.pb', b'a graph\n'), r"'saved_model.pb' in .* was altered", id='longer'),
  pytest.param(put('saved_model.pb', b''), r"'saved_model.pb' in .* was altered", id='emptied'),
  pytest.param(take('variables/variables.index'), r"'variables/variables.index' is missing from", id='missing'),
  pytest.param(take('model.tflite'), r"'model.tflite' is missing from", id='missing_model'),
  pytest.param(put('variables/more', b''), r"'variables/more' in .* does not belong to that version", id='extra'),
  pytest.param(put('.hidden', b'?'), r"'.hidden' in .* does not belong to that version; take it away", id='hidden'),
  pytest.param(link, r"'more' in .* does not belong to that version", id='extra_link_to_a_folder'),
  pytest.param(pipe('saved_model.pb'), r"saved_model.pb' is a pipe or a device; put a file in its place", id='pipe'),
  pytest.param(pipe(MANIFEST), r"manifest.json' is a pipe or a device", id='manifest_is_a_pipe'),
  pytest.param(take(MANIFEST), r'has no assets.extra/manifest.json, so it is no version that', id='no_manifest'),
  pytest.param(cut, r"manifest.json' is broken \(line \d+: .*\)", id='half_a_manifest'),
  pytest.param(put(MANIFEST, b''), r"manifest.json' is broken \(line 1", id='empty_manifest'),
  pytest.param(put(MANIFEST, b'[]'), r"manifest.json' is broken \(it lists no files\)", id='a_list'),
  pytest.param(
    put(MANIFEST, b'{"files": 3}'), r"manifest.json' is broken \(it lists no files\)", id='files_is_a_number'
  ),
  pytest.param(put(MANIFEST, b'\xff\xfe'), r"manifest.json' can't be read \(", id='bytes'),
  pytest.param(
    put(MANIFEST, b'{"files": {}, "recipe": ' + b'[' * 9999 + b']' * 9999 + b'}'),
    r"manifest.json' is broken \(it nests too deeply\)",
    id='deep',
  ),
  pytest.param(edit(recipe='pqat_80'), r"manifest.json' was altered", id='another_recipe'),
  pytest.param(edit(recipe=float('nan')), r"manifest.json' was altered", id='not_a_number'),
  pytest.param(edit(files={}), r'was altered', id='no_files_listed'),
  pytest.param(flip(MANIFEST, -1), r"manifest.json' (is broken|was altered)", id='one_bit_of_the_manifest'),
  pytest.param(
    lambda version: put(MANIFEST, (version / MANIFEST).read_bytes() + b' ')(version), r'was altered', id='space'
  ),
]


@pytest.mark.parametrize(('damage', 'message'), DAMAGES)
def test_damage_is_reported_with_the_file(version, damage, message):
  damage(version)
  with pytest.raises(ManifestError, match=message) as raised:
    verify(version)
  assert str(version) in str(raised.value)
  assert '\n' not in str(raised.value)


def test_every_bit_of_a_small_manifest_counts(tmp_path):
  """The manifest vouches for itself as well: whatever byte changes, it is refused."""
  (tmp_path / 'saved_model.pb').write_bytes(b'x')
  write_manifest(tmp_path, Manifest(**facts(load('nyc')) | {'inputs': (), 'dataset': 'Fähre'}))
  content = (tmp_path / MANIFEST).read_bytes()
  for position in range(len(content)):
    damaged = bytearray(content)
    damaged[position] ^= 1 << position % 8
    (tmp_path / MANIFEST).write_bytes(damaged)
    with pytest.raises(ManifestError):
      verify(tmp_path)
  (tmp_path / MANIFEST).write_bytes(content)
  verify(tmp_path)


def test_not_a_number_is_refused(version):
  given = facts(load('nyc')) | {'metrics': {'rmse': float('nan')}}
  with pytest.raises(ValueError, match='not JSON compliant'):
    write_manifest(version, Manifest(**given))


def test_a_manifest_lacks_nothing():
  for name in facts(load('nyc')):
    given = {key: value for key, value in facts(load('nyc')).items() if key != name}
    with pytest.raises(ValueError, match=name):
      Manifest(**given)


def rewritten(version, **values):
  """The manifest as another version of the project would have written it: with its own sum."""
  manifest = json.loads((version / MANIFEST).read_text()) | values
  manifest = {key: value for key, value in manifest.items() if value is not None and key != 'manifest_sha256'}
  text = json.dumps(manifest, indent=2, ensure_ascii=False) + '\n'
  manifest['manifest_sha256'] = hashlib.sha256(text.encode()).hexdigest()
  (version / MANIFEST).write_text(json.dumps(manifest, indent=2, ensure_ascii=False) + '\n')
  return version


def test_a_manifest_from_before_versions_is_verified(version):
  read = verify(rewritten(version, schema_version=None))
  assert (read.schema_version, read.recipe, read.format) == (0, 'dense', 1)


def test_a_newer_manifest_is_verified_with_what_it_adds(version):
  assert verify(rewritten(version, schema_version=9, license={'name': 'CC0'})).recipe == 'dense'


def test_a_newer_manifest_that_lacks_what_this_one_needs_is_reported(version):
  with pytest.raises(ManifestError) as raised:
    verify(rewritten(version, schema_version=9, recipe=None))
  assert str(raised.value) == (
    f"'{version / MANIFEST}' was written by a newer Farelite (schema_version 9, this one knows 1) and can't be read "
    '(recipe is missing); update Farelite.'
  )


def test_inputs_are_described():
  extras = (
    '[{name: tolls, column: t, unit: USD, meaning: m}, {name: v, column: v, kind: categorical, vocabulary: [a, b]}]'
  )
  dataset = load('nyc', [f'dataset.extras={extras}']).dataset
  columns = [column.to_dict() for column in describe_inputs(dataset)]
  described = {column.pop('name'): column for column in columns}
  assert tuple(described) == dataset.raw_inputs()
  assert [name for name, column in described.items() if column['dtype'] == 'int32'] == ['pickup_seconds']
  assert described['dropoff_latitude'] == {
    'dtype': 'float32',
    'unit': 'degrees (WGS84)',
    'meaning': 'latitude of the dropoff; NaN where missing',
  }
  assert described['tolls'] == {'dtype': 'float32', 'unit': 'USD', 'meaning': 'm; NaN where missing'}
  assert '(0: a, 1: b, 2: any other)' in described['v']['meaning']
