"""The wheel carries all rooms and presets and works outside the checkout."""

from __future__ import annotations

import pathlib
import subprocess
import sys
import zipfile

from tests.conftest import REPOSITORY

_IMPORT_EVERYTHING = """
import importlib, pathlib, pkgutil, sys
root = pathlib.Path(sys.argv[1])
for room in ('configs', 'transforms', 'models', 'components', 'pipeline'):
  package = importlib.import_module(room)
  assert pathlib.Path(package.__file__).is_relative_to(root), package.__file__
  for module in pkgutil.walk_packages(package.__path__, f'{room}.'):
    if not module.name.endswith('__main__'):
      importlib.import_module(module.name)
from configs import loading, recipe_loading
print(','.join(loading.presets()))
print(','.join(recipe_loading.recipe_names()))
print(loading.load('nyc', ['training.recipes=pqat_80']).training.serve)
"""


def test_wheel_works_in_a_clean_folder(tmp_path: pathlib.Path):
  """Every module imports from the unpacked wheel alone, in isolated mode, so setup.py names every package."""
  build = [sys.executable, '-m', 'pip', 'wheel', '-q', '--no-deps', '--no-build-isolation', '--no-index']
  subprocess.run([*build, '-w', str(tmp_path), str(REPOSITORY)], check=True, capture_output=True)
  [wheel] = tmp_path.glob('farelite-*.whl')
  site = tmp_path / 'site'
  with zipfile.ZipFile(wheel) as archive:
    archive.extractall(site)
  program = f'import sys; sys.path.insert(0, {str(site)!r})\n{_IMPORT_EVERYTHING}'
  result = subprocess.run(
    [sys.executable, '-I', '-c', program, str(site)], capture_output=True, text=True, cwd=tmp_path, check=False
  )
  assert result.returncode == 0, result.stderr[-2000:]
  presets, recipes, served = result.stdout.splitlines()[-3:]
  assert set(presets.split(',')) == {'chicago', 'nyc', 'nyc-baseline', 'nyc-big', 'nyc-wide'}
  assert set(recipes.split(',')) == {file.stem for file in (REPOSITORY / 'configs' / 'recipes').iterdir()}
  assert served == 'pqat_80'
