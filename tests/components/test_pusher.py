"""The atomic pusher: a version appears whole or not at all, above all others, with real files and processes."""

import ctypes
import os
import pathlib
import signal
import time

import pytest
from ml_metadata.proto import metadata_store_pb2
from tfx.dsl.components.common import importer
from tfx.dsl.io import fileio, filesystem
from tfx.orchestration import pipeline
from tfx.orchestration.local import local_dag_runner
from tfx.proto import pusher_pb2
from tfx.types import standard_artifacts, standard_component_specs
from tfx.utils import proto_utils

from components.pusher.component import AlteredModelError, AtomicPusher, AtomicPusherExecutor
from components.pusher.publishing import STAGING_PREFIX, publish
from configs.errors import FailedError
from models.release import MANIFEST, Manifest, VersionMetrics, write_manifest

FILES = {'saved_model.pb': b'graph', 'variables/variables.index': b'index', 'model.tflite': b'lite'}


MADE = Manifest(recipe='dense', scheme='int8', dataset='nyc', inputs=(), metrics=VersionMetrics(), code_version='1')


def _model(directory, files=FILES):
  for name, content in files.items():
    path = directory / 'Format-Serving' / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
  write_manifest(directory / 'Format-Serving', MADE)
  return directory


def _destination(base):
  return pusher_pb2.PushDestination(filesystem=pusher_pb2.PushDestination.Filesystem(base_directory=str(base)))


def _push(model_directory, base, archive, blessed=1):
  """Runs the executor as a launcher does; the pushed-model artifact."""
  model, blessing, pushed = (
    standard_artifacts.Model(),
    standard_artifacts.ModelBlessing(),
    standard_artifacts.PushedModel(),
  )
  model.uri, blessing.uri, pushed.uri = str(model_directory), str(model_directory), str(archive)
  blessing.set_int_custom_property('blessed', blessed)
  specs = standard_component_specs
  AtomicPusherExecutor().Do(
    {specs.MODEL_KEY: [model], specs.MODEL_BLESSING_KEY: [blessing]},
    {specs.PUSHED_MODEL_KEY: [pushed]},
    {specs.PUSH_DESTINATION_KEY: proto_utils.proto_to_json(_destination(base))},
  )
  return pushed


def _files(version):
  """The content of each file but the manifest."""
  files = {str(path.relative_to(version)): path.read_bytes() for path in version.rglob('*') if path.is_file()}
  return {name: content for name, content in files.items() if name != MANIFEST}


def _versions(base):
  return sorted(int(path.name) for path in base.iterdir() if path.name.isdecimal())


def _leftovers(base):
  return [path.name for path in base.glob(f'{STAGING_PREFIX}*')]


def test_version_is_the_model_and_the_artifact_names_it(tmp_path):
  pushed = _push(_model(tmp_path / 'model'), tmp_path / 'base', tmp_path / 'archive')
  path = pathlib.Path(pushed.get_string_custom_property('pushed_destination'))
  assert path.parent == tmp_path / 'base'
  assert path.name == pushed.get_string_custom_property('pushed_version')
  assert abs(int(path.name) - time.time()) < 60
  assert _files(path) == FILES == _files(tmp_path / 'archive')
  assert pushed.get_int_custom_property('pushed') == 1
  assert _leftovers(tmp_path / 'base') == []
  # A server that runs as another user must be able to read it.
  assert path.stat().st_mode & 0o777 == 0o777 & ~_umask()


def _umask():
  mask = os.umask(0)
  os.umask(mask)
  return mask


@pytest.mark.parametrize(
  ('alter', 'sentence'),
  [
    pytest.param(
      lambda at: (at / 'model.tflite').write_bytes(b'lita'),
      "'model.tflite' in '{at}' was altered", id='a_byte',
    ),
    pytest.param(
      lambda at: (at / 'variables/variables.index').unlink(),
      "'variables/variables.index' is missing from '{at}'", id='a_file',
    ),
    pytest.param(lambda at: (at / 'more').touch(), "'more' in '{at}' does not belong to that version", id='one_more'),
    pytest.param(lambda at: (at / MANIFEST).unlink(), "'{at}' has no assets.extra/manifest.json", id='its_manifest'),
  ],
)  # fmt: skip
@pytest.mark.parametrize('bucket', [False, True], ids=['folder', 'bucket'])
def test_what_was_altered_after_it_was_judged_is_not_pushed(tmp_path, alter, sentence, bucket):
  """The sentence names the model, not the copy of it that is gone by then."""
  base = f'ram://{tmp_path.name}/altered' if bucket else str(tmp_path / 'base')
  served = _push(_model(tmp_path / 'good'), base, tmp_path / 'archive').get_string_custom_property('pushed_version')
  model = _model(tmp_path / 'model')
  alter(model / 'Format-Serving')
  with pytest.raises(AlteredModelError) as caught:
    _push(model, base, tmp_path / 'archive2')
  assert sentence.format(at=model / 'Format-Serving') in str(caught.value)
  assert '.staging' not in str(caught.value)
  assert [name.rstrip('/') for name in fileio.listdir(base)] == [served]


def test_an_unblessed_model_leaves_no_trace(tmp_path):
  pushed = _push(_model(tmp_path / 'model'), tmp_path / 'base', tmp_path / 'archive', blessed=0)
  assert pushed.get_int_custom_property('pushed') == 0
  assert not (tmp_path / 'base').exists()


def test_pushes_of_one_second_all_appear(tmp_path):
  model = _model(tmp_path / 'model')
  paths = [_push(model, tmp_path / 'base', tmp_path / f'archive{i}') for i in range(3)]
  versions = [int(pushed.get_string_custom_property('pushed_version')) for pushed in paths]
  assert versions == sorted(set(versions)) == _versions(tmp_path / 'base')


def test_a_killed_push_leaves_no_version_and_the_next_one_cleans_up(tmp_path):
  """Kills a real process with SIGKILL in the middle of the copy: a named pipe in the model holds it there."""
  base, model = tmp_path / 'base', _model(tmp_path / 'model')
  served = _push(model, base, tmp_path / 'archive').get_string_custom_property('pushed_version')
  stuck = _model(tmp_path / 'stuck')
  os.mkfifo(stuck / 'Format-Serving' / 'variables' / 'variables.data')
  child = _forked(lambda: _push(stuck, base, tmp_path / 'b'))
  try:
    assert _eventually(lambda: any(path.is_file() for path in base.glob(f'{STAGING_PREFIX}*/*/**/*')))
  finally:
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
  assert _versions(base) == [int(served)]
  assert len(_leftovers(base)) == 1
  pushed = _push(model, base, tmp_path / 'archive2')
  assert _leftovers(base) == []
  assert _versions(base) == [int(served), int(pushed.get_string_custom_property('pushed_version'))]
  assert _files(base / served) == FILES


def _forked(action):
  """A child process that runs an action; forked, as importing TFX anew takes half a minute."""
  child = os.fork()
  if child == 0:
    try:
      action()
    finally:
      os._exit(0)
  return child


def _eventually(happened, seconds=60.0):
  end = time.monotonic() + seconds
  while time.monotonic() < end:
    if happened():
      return True
    time.sleep(0.05)
  return False


def test_a_full_disk_leaves_the_served_version_alone(tmp_path):
  """A real file system of 200 kB, in a mount name space of its own; pushes a small model, then a large one."""
  base = tmp_path / 'base'
  base.mkdir()
  small = _model(tmp_path / 'small')
  large = _model(tmp_path / 'large', {**FILES, 'variables/variables.data': os.urandom(400_000)})

  def fill():
    try:
      _mount_small(base)
    except OSError as error:
      (tmp_path / 'skipped').write_text(str(error))
      return
    served = _push(small, base, tmp_path / 'a').get_string_custom_property('pushed_version')
    try:
      _push(large, base, tmp_path / 'b')
    except FailedError as error:
      (tmp_path / 'error').write_text(str(error))
    intact = _versions(base) == [int(served)] and _files(base / served) == FILES and not _leftovers(base)
    (tmp_path / 'intact').write_text(str(intact))

  os.waitpid(_forked(fill), 0)
  if (tmp_path / 'skipped').exists():
    pytest.skip(f'may not mount a small file system here: {(tmp_path / "skipped").read_text()}')
  message = (tmp_path / 'error').read_text()
  assert message.startswith(f'The push to {base} failed while the model was copied (')
  assert 'No space left on device' in message
  assert message.endswith('untouched; free some space or fix the rights of the directory, and run again.')
  assert (tmp_path / 'intact').read_text() == 'True'


def _mount_small(directory):
  """Mounts 200 kB of memory where only this process sees it; as root, or in a user name space."""
  libc = ctypes.CDLL(None, use_errno=True)
  new_mounts, new_user, private_recursive = 0x20000, 0x10000000, 0x44000
  user, group = os.getuid(), os.getgid()
  if libc.unshare(new_mounts) != 0:
    _checked(libc.unshare(new_user | new_mounts))
    pathlib.Path('/proc/self/setgroups').write_text('deny')
    pathlib.Path('/proc/self/uid_map').write_text(f'0 {user} 1')
    pathlib.Path('/proc/self/gid_map').write_text(f'0 {group} 1')
  _checked(libc.mount(None, b'/', None, private_recursive, None))
  _checked(libc.mount(b'small', str(directory).encode(), b'tmpfs', 0, b'size=200k'))


def _checked(status):
  if status != 0:
    raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def test_a_base_that_is_a_file_is_refused_in_one_sentence(tmp_path):
  (tmp_path / 'base').write_text('')
  message = r'The push to .*/base failed while the model was copied \(File exists\): the versions there are untouched'
  with pytest.raises(FailedError, match=message):
    _push(_model(tmp_path / 'model'), tmp_path / 'base', tmp_path / 'archive')


def test_a_store_without_rename_gets_rising_versions(tmp_path):
  """TensorFlow's `ram://` stands for the bucket: a URL, other calls than a disk's."""
  model, base = _model(tmp_path / 'model'), f'ram://{tmp_path.name}/models'
  for expected in (FILES, {**FILES, 'saved_model.pb': b'newer'}):
    _model(model, expected)
    path = _push(model, base, tmp_path / 'archive').get_string_custom_property('pushed_destination')
    assert {name: fileio.open(f'{path}/{name}', 'rb').read() for name in FILES} == expected
  versions = [int(name) for name in fileio.listdir(base)]
  assert len(set(versions)) == 2
  assert path == f'{base}/{max(versions)}'


def test_a_store_without_rename_gets_the_graph_last(tmp_path):
  """A dangling link breaks the copy off: a version without saved_model.pb is one that no server loads."""
  staged = _model(tmp_path) / 'Format-Serving'
  (staged / 'variables' / 'variables.data').symlink_to('nowhere')
  base = f'ram://{tmp_path.name}/models'
  with pytest.raises(filesystem.NotFoundError):
    publish(str(staged), base, 5)
  assert not fileio.exists(f'{base}/5/saved_model.pb')


def test_it_runs_in_a_pipeline(tmp_path):
  """LocalDagRunner, with the model and its blessing imported."""
  _model(tmp_path / 'model')
  (tmp_path / 'blessing').mkdir()
  model = importer.Importer(source_uri=str(tmp_path / 'model'), artifact_type=standard_artifacts.Model).with_id('model')
  blessing = importer.Importer(
    source_uri=str(tmp_path / 'blessing'),
    artifact_type=standard_artifacts.ModelBlessing,
    custom_properties={'blessed': 1},
  ).with_id('blessing')
  push = AtomicPusher(
    model=model.outputs['result'],
    model_blessing=blessing.outputs['result'],
    push_destination=_destination(tmp_path / 'base'),
  )
  connection = metadata_store_pb2.ConnectionConfig()
  connection.sqlite.filename_uri = str(tmp_path / 'metadata.db')
  connection.sqlite.connection_mode = metadata_store_pb2.SqliteMetadataSourceConfig.READWRITE_OPENCREATE
  local_dag_runner.LocalDagRunner().run(
    pipeline.Pipeline(
      pipeline_name='push',
      pipeline_root=str(tmp_path / 'root'),
      components=[model, blessing, push],
      metadata_connection_config=connection,
    )
  )
  (version,) = _versions(tmp_path / 'base')
  assert _files(tmp_path / 'base' / str(version)) == FILES
