"""Who may know whom: the imports of every room, read from the source, against the design."""

import ast
import pathlib
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parent.parent
ROOMS = ('configs', 'transforms', 'models', 'components', 'pipeline')
MAY_KNOW = {
  'configs': set(),
  'transforms': {'configs'},
  'models': {'configs', 'transforms'},
  'components': {'configs', 'models', 'transforms'},
  'pipeline': {'components', 'configs', 'models', 'transforms'},
}
TENSORFLOW = {'tensorflow', 'tf_keras', 'tensorflow_transform', 'tensorflow_model_optimization', 'ai_edge_litert'}
TFX = {'tfx', 'tfx_bsl', 'apache_beam', 'ml_metadata', 'tensorflow_data_validation', 'tensorflow_model_analysis'}
CLOUD = {'kfp', 'google.cloud', 'kubernetes'}
CLOUD_WORDS = ('vertex', 'kfp', 'kubeflow', 'cloud')


def _sources(room):
  return sorted((ROOT / room).rglob('*.py'))


def _imports(path):
  """Dotted names that a file imports, anywhere in it, relative ones resolved."""
  found = []
  for node in ast.walk(ast.parse(path.read_text(encoding='utf-8'))):
    if isinstance(node, ast.Import):
      found += [alias.name for alias in node.names]
    elif isinstance(node, ast.ImportFrom):
      package = path.relative_to(ROOT).parent.parts
      base = '.'.join(package[: len(package) - node.level + 1]) if node.level else ''
      module = '.'.join(part for part in (base, node.module) if part)
      found += [module, *(f'{module}.{alias.name}' for alias in node.names)]
  return found


def _known(path, wanted):
  """Which of the wanted packages a file imports."""
  return {name for name in wanted for found in _imports(path) if found == name or found.startswith(f'{name}.')}


FILES = [pytest.param(room, path, id=str(path.relative_to(ROOT))) for room in ROOMS for path in _sources(room)]


def test_every_room_is_there():
  assert {room for room in ROOMS if _sources(room)} == set(ROOMS)


@pytest.mark.parametrize(('room', 'path'), FILES)
def test_a_room_knows_only_the_rooms_it_may(room, path):
  allowed = MAY_KNOW[room] | {room}
  assert _known(path, (*ROOMS, 'tests', 'benchmarks')) <= allowed


def test_the_command_line_loads_no_framework():
  """Oracle: the modules that are loaded."""
  program = 'import sys, pipeline.cli; print(*sys.modules)'
  loaded = subprocess.run([sys.executable, '-c', program], capture_output=True, text=True, check=True, cwd=ROOT).stdout
  roots = {name.split('.')[0] for name in loaded.split()}
  assert 'pipeline' in roots
  assert not roots & (TENSORFLOW | TFX | {'pandas'})


@pytest.mark.parametrize(('room', 'path'), FILES)
def test_frameworks_stay_in_their_rooms(room, path):
  if room == 'configs':
    assert not _known(path, TENSORFLOW | TFX)
  elif room == 'transforms':
    assert not _known(path, (TENSORFLOW - {'tensorflow', 'tensorflow_transform'}) | TFX)
  elif room == 'models' and path.name != 'run_fn.py':
    assert not _known(path, TFX)


@pytest.mark.parametrize(('room', 'path'), FILES)
def test_cloud_libraries_stay_in_the_cloud_runners(room, path):
  if room != 'pipeline' or not any(word in path.stem for word in CLOUD_WORDS):
    assert not _known(path, CLOUD)


@pytest.mark.parametrize(('room', 'path'), FILES)
def test_nothing_that_later_versions_break(room, path):
  assert not _known(path, {'pkg_resources', 'tfx.v1'})


def test_transforms_need_only_their_libraries():
  """What `transforms` imports besides its own kind is the standard library or NumPy."""
  allowed = {'configs', 'transforms', 'tensorflow', 'tensorflow_transform', 'numpy', *sys.stdlib_module_names}
  roots = {found.split('.')[0] for path in _sources('transforms') for found in _imports(path)}
  assert roots <= allowed


@pytest.mark.parametrize(
  ('source', 'package'),
  [
    pytest.param('import pipeline.factory', 'pipeline', id='import'),
    pytest.param('from models import fare_model', 'models', id='from_import'),
    pytest.param('def f():\n  from google.cloud import storage', 'google.cloud', id='inside_a_function'),
    pytest.param('from google import cloud', 'google.cloud', id='from_a_namespace'),
  ],
)
def test_the_reader_sees_every_kind_of_import(source, package, tmp_path, monkeypatch):
  monkeypatch.setattr(sys.modules[__name__], 'ROOT', tmp_path)
  path = tmp_path / 'room' / 'file.py'
  path.parent.mkdir()
  path.write_text(source, encoding='utf-8')
  assert _known(path, {package}) == {package}


def test_the_command_line_loads_nothing_heavy():
  """Oracle: the modules that are loaded, not a clock."""
  program = "import sys, pipeline.cli; print(sorted({name.split('.')[0] for name in sys.modules}))"
  loaded = subprocess.run([sys.executable, '-c', program], capture_output=True, text=True, check=True, cwd=ROOT).stdout
  assert {name for name in TENSORFLOW | TFX | {'pandas'} if f"'{name}'" in loaded} == set()
