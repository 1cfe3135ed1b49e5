"""The wheel carries all rooms and presets and works outside the checkout."""

from __future__ import annotations

import json
import pathlib
import subprocess
import sys
import zipfile

from tests.conftest import REPOSITORY
from tests.executor_imports import IMPORT_EXECUTORS

_IMPORT_EVERYTHING = """
import importlib, pathlib, pkgutil, sys
root = pathlib.Path(sys.argv[1])
for room in ('configs', 'transforms', 'models', 'components', 'pipeline'):
  package = importlib.import_module(room)
  assert pathlib.Path(package.__file__).is_relative_to(root), package.__file__
  for module in pkgutil.walk_packages(package.__path__, f'{room}.'):
    if not module.name.endswith('__main__'):
      importlib.import_module(module.name)
from configs import compression, loading, presets
print(','.join(loading.presets()))
print(','.join(presets.RECIPES.names()))
print(','.join(compression.SCHEMES.names()))
config = loading.load('nyc', ['training.recipes=pruned_80', 'compression.schemes=int8_float_output'])
print(config.training.serve, config.compression.schemes[-1].float_layers)
"""


def test_wheel_works_in_a_clean_folder(tmp_path: pathlib.Path):
  """Every module imports from the unpacked wheel alone, in isolated mode, so setup.py names every package.

  So does every executor and user function that the pipelines compiled for the cloud name.
  A module of an older checkout that lies in the build folder is not carried along.
  """
  stale = REPOSITORY / 'build' / 'lib' / 'configs' / 'moved_since.py'
  stale.parent.mkdir(parents=True, exist_ok=True)
  stale.write_text('raise ImportError')
  build = [sys.executable, '-m', 'pip', 'wheel', '-q', '--no-deps', '--no-build-isolation', '--no-index']
  subprocess.run([*build, '-w', str(tmp_path), str(REPOSITORY)], check=True, capture_output=True)
  [wheel] = tmp_path.glob('farelite-*.whl')
  site = tmp_path / 'site'
  with zipfile.ZipFile(wheel) as archive:
    archive.extractall(site)
  # What `make page` has built, where it has.
  runtimes = [place / 'pipeline' / 'report' / 'runtime' for place in (site, REPOSITORY)]
  carried, built = ({file.name for file in place.glob('*')} for place in runtimes)
  assert carried == built
  program = f'import sys; sys.path.insert(0, {str(site)!r})\n{_IMPORT_EVERYTHING}\n{IMPORT_EXECUTORS}'
  result = subprocess.run(
    [sys.executable, '-I', '-c', program, str(site)], capture_output=True, text=True, cwd=tmp_path, check=False
  )
  assert result.returncode == 0, result.stderr[-2000:]
  presets, recipes, schemes, chosen, executors = result.stdout.splitlines()[-5:]
  tlc = {f'tlc-yellow-{layout}' for layout in ('2009', '2010', '2015', 'zones')}
  assert set(presets.split(',')) == {'chicago', 'nyc', 'nyc-baseline', 'nyc-big', 'nyc-small', 'nyc-wide', *tlc}
  for folder, names in (('recipes', recipes), ('schemes', schemes)):
    assert set(names.split(',')) == {file.stem for file in (REPOSITORY / 'configs' / folder).iterdir()}
  assert chosen == "pruned_80 ('fare',)"
  assert {'models.run_fn.run_fn', 'components.resolvers.served_model.ServedModelExecutor'} <= set(json.loads(executors))
