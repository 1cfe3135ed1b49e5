"""The stand-in for the image has the wheel and the locked packages, and no way to the checkout."""

from __future__ import annotations

import pathlib
import subprocess

import pytest

from pipeline.rehearsal import image
from pipeline.targets.target import Target
from tests.conftest import REPOSITORY
from tests.pipeline.rehearsal.small_specs import Rehearsals, container, spec

ROOMS = ('components', 'configs', 'models', 'pipeline', 'transforms')


@pytest.fixture(scope='module')
def built(tmp_path_factory: pytest.TempPathFactory) -> image.Image:
  """The project's image."""
  return image.build(tmp_path_factory.mktemp('image') / 'image')


def _python(built: image.Image, program: str, tmp_path: pathlib.Path) -> subprocess.CompletedProcess[str]:
  environment = {'PATH': f'{built.binaries}:/usr/bin:/bin', 'HOME': str(tmp_path)}
  command = ['python', '-c', program]
  return subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True, check=False)


def test_only_the_wheel_is_importable(built: image.Image, tmp_path: pathlib.Path):
  """`benchmarks` lies in the checkout and in no wheel; the rooms come from the environment's own folder."""
  program = f"""
import importlib.util, sys
for room in {ROOMS}: print(importlib.util.find_spec(room).origin)
for name in ('benchmarks', 'setup'): assert importlib.util.find_spec(name) is None, name
assert not [path for path in sys.path if path.startswith({str(REPOSITORY)!r}) and 'site-packages' not in path], sys.path
assert importlib.util.find_spec('tfx') and importlib.util.find_spec('google.cloud.aiplatform')
"""
  result = _python(built, program, tmp_path)
  assert result.returncode == 0, result.stderr
  origins = result.stdout.split()
  assert len(origins) == len(ROOMS)
  assert all(pathlib.Path(origin).is_relative_to(built.site) for origin in origins), origins


def test_a_container_has_no_checkout_either(built: image.Image, tmp_path: pathlib.Path):
  """Also where the rehearsal itself runs in the checkout."""
  told = Rehearsals(tmp_path, Target.VERTEX, built).failure(spec({'Step': container('import benchmarks.features')}))
  assert told.startswith("Step: the module 'benchmarks' is not in the image")


def test_the_same_code_is_built_once_and_changed_code_again(tmp_path: pathlib.Path):
  checkout = tmp_path / 'checkout'
  for name in ('configs', 'components', 'models', 'pipeline', 'transforms'):
    (checkout / name).mkdir(parents=True)
    (checkout / name / '__init__.py').write_text('')
  packages = "['configs', 'components', 'models', 'pipeline', 'transforms']"
  (checkout / 'setup.py').write_text(f"from setuptools import setup\nsetup(name='farelite', packages={packages})\n")
  (checkout / 'pyproject.toml').write_text("[build-system]\nrequires = ['setuptools']\n")
  (checkout / 'README.md').write_text('')
  folder = tmp_path / 'image'
  first = image.build(folder, checkout)
  assert image.build(folder, checkout) == first
  (checkout / 'configs' / 'new.py').write_text('A = 1\n')
  second = image.build(folder, checkout)
  assert second != first and list(folder.iterdir()) == [second.path]
  assert (second.site / 'configs' / 'new.py').exists()


def test_a_wheel_that_cannot_be_built_is_told(tmp_path: pathlib.Path):
  checkout = tmp_path / 'checkout'
  checkout.mkdir()
  for name in ('setup.py', 'pyproject.toml', 'README.md'):
    (checkout / name).write_text('[build-system\n')
  with pytest.raises(image.ImageError, match=r"The image of the rehearsal can't be made: "):
    image.build(tmp_path / 'image', checkout)
