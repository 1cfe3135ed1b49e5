"""Who may know whom: the imports of every room, read from the source, against the design."""

import ast
import functools
import importlib.util
import pathlib
import re
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
CLOUD_MODULES = {'pipeline/rehearsal/spec.py', 'pipeline/sources.py'}
"""Beside those of `pipeline/cloud`: the spec of a compiled pipeline, and BigQuery's own client, when it is asked."""


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


def _name(path):
  """The dotted name of a module."""
  parts = path.relative_to(ROOT).with_suffix('').parts
  return '.'.join(parts[:-1] if parts[-1] == '__init__' else parts)


FOLDERS = sorted(path.parent for room in ROOMS for path in (ROOT / room).rglob('__init__.py'))


def _offered(folder):
  """The `__all__` of a folder."""
  [value] = [
    node.value
    for node in ast.parse((folder / '__init__.py').read_text(encoding='utf-8')).body
    if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == '__all__'
  ]
  return ast.literal_eval(value)


@functools.cache
def _used():
  """What is used of each folder from outside of it: by code, by the library's page, or as data that TFX imports by."""
  users = [path for room in (*ROOMS, 'benchmarks') for path in _sources(room)]
  named = [(_name(path), found) for path in users for found in (*_imports(path), *_paths(path))]
  page = (ROOT / 'docs' / 'library.md').read_text(encoding='utf-8')
  named += [('docs', found) for found in re.findall(r'^from ([\w.]+) import', page, re.MULTILINE)]
  named += [('docs', found) for found in re.findall(r'=\s*([\w.]+):', (ROOT / 'setup.py').read_text(encoding='utf-8'))]
  used = {_name(folder / '__init__.py'): set() for folder in FOLDERS}
  for user, found in named:
    parts = found.split('.')
    for count in range(1, len(parts)):
      folder = '.'.join(parts[:count])
      if folder in used and not f'{user}.'.startswith(f'{folder}.'):
        used[folder].add(parts[count])
  return used


def _paths(path):
  """Dotted paths in strings: what TFX imports by them is used from outside, too."""
  strings = (node.value for node in ast.walk(ast.parse(path.read_text(encoding='utf-8'))) if _is_text(node))
  return [text for text in strings if re.fullmatch(rf'({"|".join(ROOMS)})(\.[A-Za-z_]\w*)+', text)]


def _is_text(node):
  return isinstance(node, ast.Constant) and isinstance(node.value, str)


FILES = [pytest.param(room, path, id=str(path.relative_to(ROOT))) for room in ROOMS for path in _sources(room)]


def test_every_room_is_there():
  assert {room for room in ROOMS if _sources(room)} == set(ROOMS)


@pytest.mark.parametrize(('room', 'path'), FILES)
def test_a_room_knows_only_the_rooms_it_may(room, path):
  allowed = MAY_KNOW[room] | {room}
  assert _known(path, (*ROOMS, 'tests', 'benchmarks')) <= allowed


@pytest.mark.parametrize('folder', FOLDERS, ids=lambda folder: str(folder.relative_to(ROOT)))
def test_a_folder_lists_what_others_use(folder):
  """And nothing else: an unused name is private. `components` exports the artifact types, which TFX asks it for."""
  own = {path.stem for path in folder.glob('*.py')} | {path.parent.name for path in folder.glob('*/__init__.py')}
  types = re.findall(r"TYPE_NAME = 'components\.(\w+)'", (ROOT / 'components' / 'artifacts.py').read_text())
  used = _used()[_name(folder / '__init__.py')] & own
  expected = used | set(types) if folder.name == 'components' else used
  assert _offered(folder) == sorted(expected)


@pytest.mark.parametrize('folder', FOLDERS, ids=lambda folder: str(folder.relative_to(ROOT)))
def test_whatever_a_folder_lists_is_there(folder):
  package = importlib.import_module(_name(folder / '__init__.py'))
  for name in _offered(folder):
    assert importlib.util.find_spec(f'{package.__name__}.{name}') or getattr(package, name)


@pytest.mark.parametrize('folder', FOLDERS, ids=lambda folder: str(folder.relative_to(ROOT)))
def test_a_folder_says_what_is_in_it_and_loads_nothing(folder):
  """So a module costs what it imports itself, and a step's key holds no neighbour of what it runs."""
  tree = ast.parse((folder / '__init__.py').read_text(encoding='utf-8'))
  assert ast.get_docstring(tree)
  if folder == ROOT / 'components':
    found = {node.module for node in tree.body if isinstance(node, (ast.Import, ast.ImportFrom))}
    assert found == {'__future__'}
  else:
    assert [type(node) for node in tree.body] == [ast.Expr, ast.Assign]


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
  elif room == 'models' and path.name not in ('run_fn.py', 'trainer_run.py'):
    assert not _known(path, TFX)


@pytest.mark.parametrize(('room', 'path'), FILES)
def test_cloud_libraries_stay_in_the_cloud_runners(room, path):
  name = path.relative_to(ROOT).as_posix()
  if name not in CLOUD_MODULES and not name.startswith('pipeline/cloud/'):
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


@pytest.mark.parametrize('name', sorted(path.stem for path in (ROOT / 'pipeline' / 'commands').glob('[a-z]*.py')))
def test_a_command_loads_no_framework_before_it_looked_at_what_was_asked(name):
  """A mistake is reported within a second, and nothing that a framework prints comes before what a command shows."""
  heavy = ('tensorflow', 'tfx', 'apache_beam', 'pandas')
  code = f'import sys; import pipeline.commands.{name}; print([name for name in {heavy} if name in sys.modules])'
  assert subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, cwd=ROOT).stdout.strip() == '[]'
