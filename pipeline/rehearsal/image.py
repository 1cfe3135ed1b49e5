"""What stands for a container and its image: the project's wheel beside the locked packages, without the checkout.

The image of a cluster has the same packages at the same versions, and the wheel. Here they are a virtual environment
of a few megabytes: the wheel is built from the checkout and installed, and the packages are those of the environment
that runs the rehearsal, those alone that the Dockerfile installs. That environment's editable link to the checkout is
not followed, so a module that the wheel lacks is missing here as it would be in a pod.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import importlib.metadata
import os
import pathlib
import re
import shlex
import shutil
import signal
import subprocess
import sys
import sysconfig
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from packaging.requirements import Requirement

from configs.errors import UserError
from models.signals import deferred_signals
from pipeline.local.output import Below

_PROJECT = 'farelite'
_SOURCES = ('setup.py', 'pyproject.toml', 'README.md', 'components', 'configs', 'models', 'pipeline', 'transforms')
_REQUIREMENTS = 'requirements/image.txt'
"""What the Dockerfile installs."""
_STAMP = 'complete'


@dataclasses.dataclass(frozen=True)
class Image:
  """A virtual environment that stands for a container image, below `path`."""

  path: pathlib.Path

  binaries = Below('bin')
  """Where `python` is."""
  site = Below(f'lib/python{sysconfig.get_python_version()}/site-packages')
  """Where the wheel is installed."""


def build(folder: pathlib.Path, checkout: pathlib.Path | None = None) -> Image:
  """The image of the project as it is now; the same code is not built twice.

  Args:
    folder: holds one environment for each state of the code; the others are removed.
    checkout: the sources; by default those that run now. An installed project is copied as it is installed.

  Raises `UserError` where pip refused, with its last line.
  """
  checkout = checkout or _checkout()
  digest = _digest(checkout) if checkout else f'installed-{importlib.metadata.version(_PROJECT)}'
  image = Image(folder / digest)
  if (image.path / _STAMP).exists():
    return image
  shutil.rmtree(folder, ignore_errors=True)
  # An environment with nothing in it, not even pip.
  base = pathlib.Path(sys.base_prefix) / 'bin' / f'python{sysconfig.get_python_version()}'
  _call(str(base), '-m', 'venv', '--without-pip', str(image.path))
  keep_interpreter(image.binaries)
  _link_packages(image, _locked(checkout))
  if checkout:
    _install(checkout, image)
  else:
    _copy_installed(image)
  if (image.site / 'pipeline' / 'rehearsal').is_dir():
    guard = 'import pipeline.rehearsal.bucket_guard as guard; guard.install()\n'
    (image.site / 'zz_bucket_guard.pth').write_text(guard, encoding='utf-8')
  (image.path / _STAMP).touch()
  return image


def _checkout() -> pathlib.Path | None:
  """The sources that run now, or `None` where the project runs from an installed wheel."""
  root = pathlib.Path(__file__).resolve().parents[2]
  return root if (root / 'setup.py').exists() else None


def keep_interpreter(binaries: pathlib.Path) -> None:
  """Makes the Python of a fresh environment run with the C library that this one runs with.

  Where the system's is too old for the packages, set-up made this interpreter a copy that loads a newer one; a fresh
  environment links to the system's own.

  Args: binaries: the folder `bin` of the environment.
  """
  own = pathlib.Path(sys.executable)
  if own.is_symlink():
    return
  for link in list(binaries.glob('python*')):
    link.unlink()
    shutil.copy2(own, link)


def _sources(checkout: pathlib.Path) -> Iterator[pathlib.Path]:
  """Files of the checkout that a wheel is made of, in a fixed order."""
  for name in _SOURCES:
    path = checkout / name
    inner = sorted(path.rglob('*')) if path.is_dir() else [path]
    yield from (file for file in inner if file.is_file() and '__pycache__' not in file.parts)


def _digest(checkout: pathlib.Path) -> str:
  digest = hashlib.sha256(f'{sys.prefix}\0'.encode())
  digest.update('\0'.join(_locked(checkout) or ()).encode())
  for file in _sources(checkout):
    digest.update(f'{file.relative_to(checkout)}\0'.encode() + file.read_bytes() + b'\0')
  return digest.hexdigest()[:16]


def _locked(checkout: pathlib.Path | None) -> list[str] | None:
  """Names of the packages that the image has, or `None` where there is no list of them: the image is of tfx 1.21."""
  file = checkout / _REQUIREMENTS if checkout else None
  if file is None or not file.exists() or sys.version_info < (3, 11):
    return None
  lines = file.read_text(encoding='utf-8').splitlines()
  pinned = [Requirement(line.rstrip(' \\')) for line in lines if '==' in line and not line.startswith((' ', '#'))]
  return [package.name for package in pinned if package.marker is None or package.marker.evaluate()]


def _link_packages(image: Image, names: list[str] | None) -> None:
  """Makes packages of this environment importable there, all of them where there are no names."""
  packages = pathlib.Path(sysconfig.get_path('purelib'))
  if names is None:
    # A path file makes the packages importable, but the editable link beside them is not followed.
    (image.site / 'locked.pth').write_text(f'{packages}\n', encoding='utf-8')
    return
  for name in names:
    for entry in _top_level(name):
      link = image.site / entry
      if not link.is_symlink():
        link.symlink_to(packages / entry)


def _top_level(name: str) -> set[str]:
  """First parts of a package's installed paths, without path files, which act on the environment that they are in."""
  try:
    record = importlib.metadata.distribution(name).read_text('RECORD') or ''
  except importlib.metadata.PackageNotFoundError:
    raise UserError(
      f"The package '{name}' of {_REQUIREMENTS} is not installed here, so no image can be made of it; make install."
    ) from None
  first = {line.partition(',')[0].partition('/')[0] for line in record.splitlines()}
  return {part for part in first - {'', '..', '__pycache__'} if not part.endswith('.pth')}


def _install(checkout: pathlib.Path, image: Image) -> None:
  """Builds the wheel from a copy, as a build folder of the checkout would bring deleted modules back."""
  with tempfile.TemporaryDirectory() as directory:
    copy = pathlib.Path(directory) / 'sources'
    for file in _sources(checkout):
      _copy(file, copy / file.relative_to(checkout))
    pip = (sys.executable, '-m', 'pip', '--disable-pip-version-check')
    _call(*pip, 'wheel', '-q', '--no-deps', '--no-build-isolation', '--no-index', '-w', directory, str(copy))
    [wheel] = pathlib.Path(directory).glob('*.whl')
    _call(*pip, '--python', str(image.binaries / 'python'), 'install', '-q', '--no-deps', '--no-index', str(wheel))


def _copy_installed(image: Image) -> None:
  for file in importlib.metadata.files(_PROJECT) or ():
    source = pathlib.Path(str(file.locate()))
    if not file.is_absolute() and '..' not in file.parts and source.exists():
      _copy(source, image.site / file)


def _copy(file: pathlib.Path, target: pathlib.Path) -> None:
  target.parent.mkdir(parents=True, exist_ok=True)
  shutil.copy2(file, target)


def _call(*command: str) -> None:
  """Runs a command, which ends with this process, as all that it starts does."""
  pipe, process = subprocess.PIPE, None
  try:
    try:
      with deferred_signals():
        process = subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True, start_new_session=True)
      said = process.communicate()[1]
    finally:
      if process is not None:
        _end(process)
    if process.returncode:
      raise subprocess.CalledProcessError(process.returncode, command, stderr=said)
  except (OSError, subprocess.CalledProcessError) as error:
    reason = (getattr(error, 'stderr', None) or str(error)).strip().splitlines()[-1]
    raise UserError(f"The image of the rehearsal can't be made: {reason}") from error


def variables(dockerfile: pathlib.Path | None = None) -> dict[str, str]:
  """What `ENV` lines of the Dockerfile's last stage set, `PATH` left out; empty where there is none.

  Args: dockerfile: the project's own by default, where a checkout is there.
  """
  checkout = _checkout()
  dockerfile = dockerfile or (checkout / 'Dockerfile' if checkout else None)
  if dockerfile is None or not dockerfile.exists():
    return {}
  text = dockerfile.read_text(encoding='utf-8').replace('\\\n', ' ')
  last_stage = re.split(r'^\s*FROM ', text, flags=re.MULTILINE | re.IGNORECASE)[-1]
  lines = re.findall(r'^\s*ENV (.*)', last_stage, re.MULTILINE | re.IGNORECASE)
  words = (word.partition('=') for line in lines for word in shlex.split(line))
  return {name: value for name, _, value in words if name != 'PATH'}


@dataclasses.dataclass(frozen=True)
class Scratch:
  """What goes with a pod when it ends, below `path`."""

  path: pathlib.Path

  work = Below('work')
  """The working directory; empty at the start."""
  home = Below('home')
  """The home directory; empty at the start."""
  temporary = Below('tmp')
  """What `/tmp` is in a pod."""

  def fresh(self) -> Scratch:
    """Empties everything."""
    shutil.rmtree(self.path, ignore_errors=True)
    for directory in (self.work, self.home, self.temporary):
      directory.mkdir(parents=True)
    return self


def environment(scratch: Scratch, binaries: pathlib.Path, of_image: Mapping[str, str]) -> dict[str, str]:
  """All variables that a step sees, those that the image and the spec set among them."""
  return {
    'PATH': f'{binaries}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
    'HOME': str(scratch.home),
    'TMPDIR': str(scratch.temporary),
    'LANG': 'C.UTF-8',
    'HOSTNAME': 'rehearsal',
    **of_image,
  }


class Containers:
  """The containers of one rehearsal, each in a process group of its own that ends with it."""

  def __init__(self) -> None:
    self._lock = threading.Lock()
    self._running: set[subprocess.Popen[bytes]] = set()
    self._ended = False

  def run(self, command: Sequence[str], variables: Mapping[str, str], work: pathlib.Path, log: pathlib.Path) -> int:
    """Runs a command and waits for its end.

    Args:
      command: without placeholders.
      log: standard output and error are appended to it.

    Returns the exit code; negative for a signal, 127 where there is no such program.
    """
    process = None
    with log.open('ab') as file:
      try:
        with deferred_signals(), self._lock:  # So `end` misses no process.
          if self._ended:
            return -signal.SIGTERM
          process = subprocess.Popen(
            command,
            cwd=work,
            env=dict(variables),
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
            start_new_session=True,
          )
          self._running.add(process)
        return process.wait()
      except OSError as error:
        file.write(f'{command[0]}: {error.strerror}\n'.encode())
        return 127
      finally:
        if process is not None:
          _end(process)
          self._running.discard(process)

  def end(self) -> None:
    """Ends every container that runs now, in whatever thread, and begins no further one."""
    with deferred_signals(), self._lock:
      self._ended = True
      for process in tuple(self._running):
        _end(process)


def _end(process: subprocess.Popen[Any]) -> None:
  """Nothing outlives its pod: kills what is left of the group, also where another signal comes meanwhile."""
  with deferred_signals():
    with contextlib.suppress(ProcessLookupError):
      os.killpg(process.pid, signal.SIGKILL)
    process.wait()
