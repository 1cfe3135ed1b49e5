"""The image, as far as it can be checked without a container engine: its stages, and its commands in a clean folder."""

from __future__ import annotations

import json
import os
import pathlib
import re
import runpy
import shlex
import shutil
import subprocess
import sys
from typing import NamedTuple
from unittest import mock

import pytest
import setuptools

from pipeline.cli import main
from pipeline.rehearsal.image import keep_interpreter
from tests.conftest import REPOSITORY
from tests.executor_imports import IMPORT_EXECUTORS


class Stage(NamedTuple):
  """A stage: its base, and its instructions in order."""

  base: str
  steps: list[tuple[str, str]]


def _stages() -> list[Stage]:
  text = (REPOSITORY / 'Dockerfile').read_text(encoding='utf-8')
  stages: list[Stage] = []
  defaults: dict[str, str] = {}
  for line in text.replace('\\\n', ' ').splitlines():
    word, _, rest = line.strip().partition(' ')
    if word == 'ARG':
      name, _, value = rest.partition('=')
      defaults[f'${{{name}}}'] = value
    elif word == 'FROM':
      base = rest.split()[0]
      stages.append(Stage(defaults.get(base, base), []))
    elif word and not word.startswith('#'):
      stages[-1].steps.append((word, rest.strip()))
  return stages


def _of(stage: Stage, instruction: str) -> list[str]:
  return [rest for word, rest in stage.steps if word == instruction]


def test_final_stage_has_no_compiler_and_no_root():
  page, build, runtime, serve, steps = _stages()
  assert page.base == 'node:22-slim'
  assert build.base == runtime.base == 'python:3.13-slim-trixie'  # Slim has no compiler, and no lock needs one there.
  assert serve.base == steps.base == 'runtime'
  assert [word for word, _ in steps.steps] == ['CMD']
  final = runtime
  assert _of(final, 'USER') == ['1000']
  assert [shlex.split(copy)[0] for copy in _of(final, 'COPY')] == ['--from=build']
  assert not re.search(r'apt|pip|gcc|build-essential', ' '.join(_of(final, 'RUN')))
  assert _of(final, 'ENTRYPOINT') == []  # The spec's command line is the whole of it.
  [environment] = _of(final, 'ENV')
  assert {'TF_USE_LEGACY_KERAS=1', 'PATH=/opt/farelite/bin:$PATH'} <= set(environment.split())


def test_the_server_is_a_command_of_this_project():
  [command] = _of(_stages()[3], 'CMD')
  program, *words = json.loads(command)
  assert program == 'farelite'
  with main.make_context(program, words) as context:
    name, found, rest = main.resolve_command(context, context.protected_args + context.args)
    given = found.make_context(name, rest).params
  assert (name, given['place'], given['host']) == ('serve', '/srv/versions', '0.0.0.0')


def test_every_package_is_copied_and_let_through():
  """Oracle: setup.py's own list."""
  with mock.patch.object(setuptools, 'setup') as setup:
    runpy.run_path(str(REPOSITORY / 'setup.py'))
  rooms = {package.partition('.')[0] for package in setup.call_args.kwargs['packages']}
  copies = [copy for stage in _stages()[:2] for copy in _of(stage, 'COPY') if not copy.startswith('--from=')]
  copied = {word for copy in copies for word in copy.split()[:-1]}
  assert rooms <= copied
  allowed = {line[1:] for line in (REPOSITORY / '.dockerignore').read_text().splitlines() if line.startswith('!')}
  assert copied == allowed


def _pins(name: str) -> dict[str, tuple[str, frozenset[str]]]:
  """Version and hashes by package."""
  pins, package = {}, ''
  for line in (REPOSITORY / 'requirements' / name).read_text().splitlines():
    if pin := re.match(r'([\w.\[\]-]+)==([^ ;]+)', line):
      package = pin[1]
      pins[package] = (pin[2], frozenset())
    if digest := re.search(r'--hash=(sha256:\w+)', line):
      version, digests = pins[package]
      pins[package] = (version, digests | {digest[1]})
  return pins


def test_the_image_has_the_locked_set_without_tools():
  image, locked = _pins('image.txt'), _pins('tfx121.txt')
  assert {name: pin for name, pin in image.items() if locked.get(name) != pin} == {}
  assert {'tfx', 'kfp', 'google-cloud-aiplatform', 'apache-beam', 'tensorflow'} <= set(image)
  assert not {'pytest', 'mypy', 'ruff', 'lightgbm', 'notebook', 'jupyterlab', 'jedi'} & set(image)


@pytest.mark.slow
@pytest.mark.skipif(sys.version_info < (3, 11), reason='the image is of the newer lane')
def test_the_commands_in_a_clean_folder(tmp_path: pathlib.Path):
  """The building stages' commands, with a folder for /opt, this Python for the image's, and npm from here; then every
  executor imports, and the page's runtime is there.

  It fetches the locked set anew, 2.5 GB.
  """
  context, root = tmp_path / 'build', tmp_path / 'opt'
  context.mkdir()
  # How the network is reached stays as it is here.
  network = {name: value for name, value in os.environ.items() if re.search(r'(?i)^(pip|uv|npm)_|proxy|cert|ca_', name)}
  environment = {**network, 'PATH': f'{tmp_path}/bin:/usr/bin:/bin', 'HOME': str(tmp_path), 'LANG': 'C.UTF-8'}
  (tmp_path / 'bin').mkdir()
  (tmp_path / 'bin' / 'python').write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} "$@"\n')
  (tmp_path / 'bin' / 'python').chmod(0o755)
  if shutil.which('npm') is None:
    pytest.skip('needs npm, for the stage that makes the page')
  for word, rest in (step for stage in _stages()[:2] for step in stage.steps):
    if word == 'COPY' and not rest.startswith('--from='):  # One folder is all stages here.
      *sources, target = rest.split()
      for source in sources:
        _copy(
          REPOSITORY / source,
          context / target if len(sources) == 1 and target != './' else context / target / pathlib.Path(source).name,
        )
    elif word == 'RUN':
      command = rest.replace('/opt/', f'{root}/')
      subprocess.run(command, shell=True, cwd=context, env=environment, check=True)
      for binaries in root.glob('*/bin'):
        keep_interpreter(binaries)
  [site] = root.glob('farelite/lib/python3.*/site-packages')
  python = str(root / 'farelite' / 'bin' / 'python')
  clean = {'PATH': '/usr/bin:/bin', 'HOME': str(tmp_path), 'TF_USE_LEGACY_KERAS': '1'}
  result = subprocess.run(
    [python, '-I', '-c', IMPORT_EXECUTORS, str(site)], env=clean, cwd=tmp_path / 'bin', capture_output=True, text=True
  )
  assert result.returncode == 0, result.stderr[-3000:]
  assert 'components.resolvers.served_model.ServedModelExecutor' in result.stdout
  assert not (site / 'pytest').exists()
  assert {path.name for path in (site / 'pipeline' / 'report' / 'runtime').iterdir()} == {'litert.js', 'litert.wasm.gz'}


def _copy(source: pathlib.Path, target: pathlib.Path) -> None:
  target.parent.mkdir(parents=True, exist_ok=True)
  if source.is_dir():
    # As .dockerignore has it.
    left_out = shutil.ignore_patterns('__pycache__', 'node_modules', 'runtime')
    shutil.copytree(source, target, ignore=left_out, dirs_exist_ok=True)
  else:
    shutil.copy2(source, target)
