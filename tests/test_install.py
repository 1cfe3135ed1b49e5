"""Set-up: which Python a lane takes, and what it says where it can't go on.

The interpreters are scripts that answer what `install.sh` asks; the real ones, each distribution's own, are tried by
hand as docs/setup.md says.
"""

from __future__ import annotations

import importlib.util
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys

import pytest

from pipeline.commands import doctor
from tests.conftest import REPOSITORY


@pytest.fixture(scope='module')
def install():
  """The module requirements/install.py, which lies in no package."""
  spec = importlib.util.spec_from_file_location('install', REPOSITORY / 'requirements' / 'install.py')
  module = importlib.util.module_from_spec(spec)
  spec.loader.exec_module(module)
  return module


class Checkout:
  """A copy of what set-up reads, with a PATH and a home of its own.

  Args:
    folder: empty.
  """

  def __init__(self, folder: pathlib.Path) -> None:
    self.root, self.bin = folder / 'checkout', folder / 'bin'
    self.bin.mkdir()
    shutil.copytree(REPOSITORY / 'requirements', self.root / 'requirements')
    script = self.root / 'requirements' / 'install.sh'
    # The system's own Pythons are no part of this: its folders are looked for below the home.
    text = re.sub(r'(?<= )/(opt|usr)/', rf'{folder}/\1/', script.read_text())
    assert f'{folder}/usr/bin/python"$1"' in text
    script.write_text(text)
    for tool in ('bash', 'cat', 'cksum', 'dirname', 'id', 'ln', 'mkdir', 'rm', 'sh', 'sort', 'uname'):
      (self.bin / tool).symlink_to(shutil.which(tool))
    for name in ('setup.py', 'pyproject.toml'):
      shutil.copy2(REPOSITORY / name, self.root)
    self.home: pathlib.Path | None = folder

  def python(self, name: str, version: str, missing: str = '') -> pathlib.Path:
    """An interpreter that makes an environment of nothing but a `python`; version '' is a shim that exits 127."""
    path = self.bin / name
    answer = f"printf '{version}\\t{missing}\\n'" if version else 'exit 127'
    made = f'mkdir -p "$3/bin"; ln -sf /bin/true "$3/bin/python"; echo "${{0#{self.bin}/}} $2 $3: $FARELITE_WHY"'
    path.write_text(f'#!/bin/sh\nif [ "$1" = -c ]; then {answer}; else {made}; fi\n')
    path.chmod(0o755)
    return path

  def install(self, **settings: str) -> subprocess.CompletedProcess[str]:
    home = {'HOME': str(self.home)} if self.home else {}
    environment = {'PATH': str(self.bin), **home, **settings}
    command = [str(self.bin / 'bash'), 'requirements/install.sh']
    return subprocess.run(command, cwd=self.root, env=environment, capture_output=True, text=True, check=False)


@pytest.fixture
def checkout(tmp_path: pathlib.Path) -> Checkout:
  return Checkout(tmp_path)


def test_the_newest_that_works_is_taken_and_said(checkout: Checkout):
  checkout.python('python3.12', '3.12')
  checkout.python('python3.13', '3.13')
  printed = checkout.install().stdout
  assert printed == 'python3.13 tfx121 .venv: the newest of 3.13, 3.12, 3.11 that works here\n'


@pytest.mark.parametrize(
  ('version', 'missing'),
  [
    pytest.param('', '', id='shim_that_exits_127'),
    pytest.param('3.13', 'ensurepip', id='no_ensurepip'),
    pytest.param('3.13t', '', id='without_the_interpreter_lock'),
    pytest.param('3.14', '', id='another_version_under_that_name'),
  ],
)
def test_one_that_does_not_work_is_passed_over(checkout: Checkout, version: str, missing: str):
  checkout.python('python3.13', version, missing)
  checkout.python('python3', version, missing)
  checkout.python('python', version, missing)
  checkout.python('python3.12', '3.12')
  assert checkout.install().stdout.startswith('python3.12 tfx121 .venv')


def test_a_version_manager_is_searched(checkout: Checkout):
  (folder := checkout.home / '.pyenv' / 'versions' / '3.13.4' / 'bin').mkdir(parents=True)
  shutil.move(checkout.python('python3.13', '3.13'), folder / 'python')
  checkout.python('python3.13', '')
  assert checkout.install().stdout.startswith(f'{folder}/python tfx121 .venv')


def test_nothing_is_done_twice_but_for_another_python(checkout: Checkout):
  checkout.python('python3.13', '3.13')
  other = checkout.python('other', '3.11')
  assert checkout.install().stdout
  assert checkout.install().stdout == ''
  assert 'other tfx121 .venv: named by FARELITE_PYTHON' in checkout.install(FARELITE_PYTHON=str(other)).stdout
  assert checkout.install(FARELITE_PYTHON=str(other)).stdout == ''


def test_the_second_lane_lies_beside_the_first(checkout: Checkout):
  checkout.python('python3.13', '3.13')
  checkout.python('python3.10', '3.10')
  assert checkout.install(FARELITE_LANE='tfx116').stdout.startswith('python3.10 tfx116 .venv-tfx116')
  assert checkout.install().stdout.startswith('python3.13 tfx121 .venv')
  assert (checkout.root / '.venv-tfx116' / 'bin').is_dir()


@pytest.mark.parametrize(
  ('settings', 'status', 'sentence'),
  [
    pytest.param({'FARELITE_LANE': 'tfx120'}, 2, "FARELITE_LANE must be tfx121 or tfx116, got 'tfx120'", id='lane'),
    pytest.param({'FARELITE_PYTHON': '/no/python'}, 2, '/no/python does not fit: it does not run', id='no_file'),
    pytest.param({'FARELITE_LANE': 'tfx116'}, 3, 'No working Python 3.10 found', id='none'),
  ],
)
def test_what_is_refused(checkout: Checkout, settings: dict[str, str], status: int, sentence: str):
  result = checkout.install(**settings)
  assert (result.returncode, result.stdout) == (status, '')
  assert sentence in result.stderr


def test_the_other_lanes_python_names_that_lane(checkout: Checkout):
  old = checkout.python('old', '3.10')
  result = checkout.install(FARELITE_PYTHON=str(old))
  assert result.returncode == 2
  assert 'it is Python 3.10' in result.stderr
  assert 'FARELITE_LANE=tfx116' in result.stderr


def test_the_python_of_an_environment_is_refused(checkout: Checkout):
  """This one's, for example: set-up removes an environment before it makes it anew."""
  lane = 'tfx121' if sys.version_info >= (3, 11) else 'tfx116'
  result = checkout.install(FARELITE_PYTHON=sys.executable, FARELITE_LANE=lane)
  assert result.returncode == 2
  assert 'without a place of its own, being in a virtual environment' in result.stderr
  assert 'Name the Python that it was made with' in result.stderr
  assert 'Install one' not in result.stderr


def test_an_interrupted_installation_is_done_again(checkout: Checkout):
  """Also where the former one was whole, and another Python was asked for in between."""
  checkout.python('python3.13', '3.13')
  killed = checkout.python('killed', '3.13')
  killed.write_text(killed.read_text().replace('mkdir', 'kill -9 $$; mkdir'))
  assert checkout.install().returncode == 0
  assert checkout.install(FARELITE_PYTHON=str(killed)).returncode not in (0, 2)
  assert checkout.install().stdout.startswith('python3.13 tfx121 .venv')


def test_a_bare_environment_has_no_home(checkout: Checkout):
  checkout.python('python3.13', '3.13')
  checkout.home = None
  result = checkout.install()
  assert (result.returncode, result.stderr) == (0, '')


def test_a_failed_installation_is_none(checkout: Checkout):
  checkout.python('python3.13', '3.13')
  script = checkout.bin / 'python3.13'
  script.write_text(script.read_text().replace('echo', 'exit 1; echo'))
  assert checkout.install().returncode == 1
  assert not (checkout.root / '.venv' / '.installed').exists()


@pytest.mark.parametrize(
  ('version', 'codename', 'expected'),
  [
    pytest.param((2, 41), 'trixie', None, id='debian_13'),
    pytest.param((2, 39), 'noble', None, id='ubuntu_24_04'),
    pytest.param((2, 36), 'bookworm', 'bookworm', id='debian_12'),
    pytest.param((2, 35), 'jammy', 'jammy', id='ubuntu_22_04'),
  ],
)
def test_systems_that_need_newer_libraries(install, monkeypatch, version, codename, expected):
  monkeypatch.setattr(install, 'glibc', lambda: version)
  monkeypatch.setattr(install, 'os_release', lambda: {'VERSION_CODENAME': codename})
  monkeypatch.setattr(install.shutil, 'which', lambda tool: f'/usr/bin/{tool}')
  assert install.older_release() == expected


def test_an_older_system_without_a_next_release_names_the_other_lane(install, monkeypatch):
  monkeypatch.setattr(install, 'glibc', lambda: (2, 34))
  monkeypatch.setattr(install, 'os_release', lambda: {'PRETTY_NAME': 'Rocky Linux 9'})
  with pytest.raises(install.SetUpError, match=r'needs glibc 2.39, and Rocky Linux 9 has 2.34.*FARELITE_LANE=tfx116'):
    install.older_release()


@pytest.mark.parametrize(
  ('system', 'machine', 'libc', 'sentence'),
  [
    pytest.param(
      'darwin', 'x86_64', None, 'tfx121 has no packages for macOS on x86_64.*FARELITE_LANE=tfx116', id='mac'
    ),
    pytest.param('linux', 'aarch64', (2, 41), 'no packages for Linux on aarch64', id='arm'),
    pytest.param('linux', 'x86_64', None, 'without glibc, such as Alpine', id='musl'),
  ],
)
def test_systems_that_have_no_packages(install, monkeypatch, tmp_path, system, machine, libc, sentence):
  monkeypatch.setattr(install.sys, 'platform', system)
  monkeypatch.setattr(install.platform, 'machine', lambda: machine)
  monkeypatch.setattr(install, 'glibc', lambda: libc)
  with pytest.raises(install.SetUpError, match=sentence):
    install.main('tfx121', tmp_path / 'none')
  assert not (tmp_path / 'none').exists()


@pytest.mark.parametrize(
  ('tools', 'headers', 'sentence'),
  [
    pytest.param(('apt-get',), True, r'there is no C\+\+ compiler here. apt-get install g\+\+; or', id='no_compiler'),
    pytest.param(
      ('g++', 'apt-get'), False, r'no Python.h here. apt-get install g\+\+ python3.\d+-dev', id='no_headers'
    ),
    pytest.param((), False, r'no C\+\+ compiler and no Python.h here. Install them', id='neither'),
  ],
)
def test_the_older_lane_asks_for_a_compiler_first(install, monkeypatch, tmp_path, tools, headers, sentence):
  monkeypatch.setattr(install.sys, 'platform', 'linux')
  monkeypatch.setattr(install.shutil, 'which', lambda tool: tool if tool in tools else None)
  monkeypatch.setattr(install.sysconfig, 'get_path', lambda name: str(tmp_path))
  if headers:
    (tmp_path / 'Python.h').touch()
  with pytest.raises(install.SetUpError, match=sentence):
    install.main('tfx116', tmp_path / 'none')
  assert not (tmp_path / 'none').exists()


def test_doctor_reads_what_set_up_writes(install, monkeypatch, tmp_path):
  assert doctor._RECORD == install.RECORD
  monkeypatch.setattr(sys, 'prefix', str(tmp_path))
  monkeypatch.setattr(sys, 'platform', 'linux')
  assert doctor._libraries().text.endswith("the system's own")
  (tmp_path / install.RECORD).write_text(json.dumps({'runtime': {'libc6': '2.41-12'}}))
  lost = doctor._libraries()
  assert not lost.ok
  assert 'as the system has an older one: libc6 2.41-12' in lost.text
  (tmp_path / 'lib' / 'runtime').mkdir(parents=True)
  (tmp_path / 'lib' / 'runtime' / 'libc.so.6').touch()
  assert doctor._libraries().ok


@pytest.mark.skipif(not hasattr(os, 'confstr'), reason='asks the C library')
def test_this_interpreters_c_library(install):
  """Oracle: `ldd` of the system is no newer than what the interpreter runs with."""
  printed = subprocess.run(['ldd', '--version'], capture_output=True, text=True, check=False).stdout.split('\n')[0]
  system = tuple(map(int, printed.rpartition(' ')[2].split('.')[:2]))
  assert install.glibc() >= system
