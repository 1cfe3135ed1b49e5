"""The stand-in for the image has the wheel and the locked packages, and no way to the checkout."""

from __future__ import annotations

import pathlib
import re
import subprocess
import sys

import pytest

from configs.errors import UserError
from pipeline.rehearsal import image
from pipeline.targets import Target
from tests.conftest import REPOSITORY
from tests.pipeline.rehearsal.small_specs import Rehearsals, container, spec

ROOMS = ('components', 'configs', 'models', 'pipeline', 'transforms')


IMAGE_OF_THIS_LANE = pytest.mark.skipif(
  sys.version_info < (3, 11), reason='the image is of tfx 1.21; elsewhere the rehearsal takes all that is installed'
)


@pytest.fixture(scope='module')
def built(tmp_path_factory: pytest.TempPathFactory) -> image.Image:
  """The project's image."""
  return image.build(tmp_path_factory.mktemp('image') / 'image')


def _python(built: image.Image, program: str, tmp_path: pathlib.Path) -> subprocess.CompletedProcess[str]:
  environment = {'PATH': f'{built.binaries}:/usr/bin:/bin', 'HOME': str(tmp_path)}
  command = ['python', '-c', program]
  return subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True, check=False)


@IMAGE_OF_THIS_LANE
def test_only_the_wheel_is_importable(built: image.Image, tmp_path: pathlib.Path):
  """`benchmarks` lies in the checkout and in no wheel; tools of development are in no image."""
  program = f"""
import importlib.util, sys
for room in {ROOMS}: print(importlib.util.find_spec(room).origin)
for name in ('benchmarks', 'setup', 'pytest', 'mypy', 'lightgbm'): assert importlib.util.find_spec(name) is None, name
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
  failure = Rehearsals(tmp_path, Target.VERTEX, built).failure(spec({'Step': container('import benchmarks.features')}))
  assert failure.startswith("Step: the module 'benchmarks' is not in the image")


def _small_checkout(folder: pathlib.Path) -> pathlib.Path:
  """A project of a few files that packages as this one does."""
  packages = [*ROOMS, 'pipeline.rehearsal']
  for name in packages:
    path = folder / name.replace('.', '/')
    path.mkdir(parents=True)
    (path / '__init__.py').write_text('')
  guard = 'pipeline/rehearsal/bucket_guard.py'
  (folder / guard).write_text((REPOSITORY / guard).read_text())
  (folder / 'setup.py').write_text(f"from setuptools import setup\nsetup(name='farelite', packages={packages})\n")
  (folder / 'pyproject.toml').write_text("[build-system]\nrequires = ['setuptools']\n")
  (folder / 'README.md').write_text('')
  return folder


def test_the_same_code_is_built_once_and_changed_code_again(tmp_path: pathlib.Path):
  checkout = _small_checkout(tmp_path / 'checkout')
  folder = tmp_path / 'image'
  first = image.build(folder, checkout)
  assert image.build(folder, checkout) == first
  (checkout / 'configs' / 'new.py').write_text('A = 1\n')
  second = image.build(folder, checkout)
  assert second != first and list(folder.iterdir()) == [second.path]
  assert (second.site / 'configs' / 'new.py').exists()


OPENS = """
import pathlib

def write(uri): pathlib.Path(uri, 'a').write_text('x')

def by_worker(uri):
  import subprocess, sys
  subprocess.run([sys.executable, '-c', f'from models import opens; opens.write({uri!r})'], check=True)
"""


@pytest.mark.parametrize('function', ['write', 'by_worker'])
def test_code_of_the_project_that_opens_a_bucket_as_a_folder_is_reported(function: str, tmp_path: pathlib.Path):
  """The file is there, so the process ends with 0; in a pod it would not. Also in a process that the step starts."""
  checkout = _small_checkout(tmp_path / 'checkout')
  (checkout / 'models' / 'opens.py').write_text(OPENS)
  rehearsals = Rehearsals(tmp_path, Target.VERTEX, image.build(tmp_path / 'image', checkout))
  script = f"from models import opens; opens.{function}(uri(outputs, 'out')); write()"
  failure = rehearsals.failure(spec({'Step': container(script, outputs={'out': 'tfx.Model'})}))
  assert re.match(
    r"Step: opens gs://fares/root/.*/out/a as a local file \(models/opens.py:4\), .*; use TFX's fileio", failure
  ), failure


def test_environment_of_the_image(tmp_path: pathlib.Path):
  """ENV of the last stage alone, in both of Docker's forms; PATH is the rehearsal's own."""
  dockerfile = tmp_path / 'Dockerfile'
  dockerfile.write_text(
    'FROM a AS build\nENV GONE=1\nFROM b\nENV A=1 \\\n    B="two words"\nENV PATH=/opt/bin:$PATH\nRUN ENV=x\n'
  )
  assert image.variables(dockerfile) == {'A': '1', 'B': 'two words'}
  assert image.variables(tmp_path / 'none') == {}


@IMAGE_OF_THIS_LANE
def test_a_package_that_is_not_installed_here_is_reported(tmp_path: pathlib.Path):
  checkout = _small_checkout(tmp_path / 'checkout')
  (checkout / 'requirements').mkdir()
  (checkout / 'requirements' / 'image.txt').write_text('shapely==2.0 \\\n    --hash=sha256:00\n')
  with pytest.raises(UserError, match=r"The package 'shapely' of requirements/image.txt is not installed here"):
    image.build(tmp_path / 'image', checkout)


def test_a_wheel_that_cannot_be_built_is_reported(tmp_path: pathlib.Path):
  checkout = tmp_path / 'checkout'
  checkout.mkdir()
  for name in ('setup.py', 'pyproject.toml', 'README.md'):
    (checkout / name).write_text('[build-system\n')
  with pytest.raises(UserError, match=r"The image of the rehearsal can't be made: "):
    image.build(tmp_path / 'image', checkout)
