"""Real PostgreSQL and MariaDB servers, as Debian packages them, on loopback and in a temporary folder.

Each server has one user, `farelite`, with a password, and one database, `metadata`. Nothing outlives the context.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import pathlib
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

USER = 'farelite'
PASSWORD = "p4ss'wörd\\ %$"
"""With what a connection string has to quote."""
DATABASE = 'metadata'

_PATIENCE = 60.0


class ServerMissingError(RuntimeError):
  """The binaries are not there, or the server did not come up; the message says what to install."""


@dataclasses.dataclass(frozen=True)
class Server:
  """A server that runs.

  Attributes:
    kind: `postgresql` or `mysql`, as `metadata.kind` of a config has it.
    port: on 127.0.0.1.
    version: what the server says of itself.
  """

  kind: str
  port: int
  version: str

  def overrides(self) -> list[str]:
    """The settings of a run that keeps its metadata there; the password goes through the environment."""
    return [
      f'metadata.kind={self.kind}',
      'metadata.host=127.0.0.1',
      f'metadata.port={self.port}',
      f'metadata.database={DATABASE}',
      f'metadata.user={USER}',
    ]


@contextlib.contextmanager
def server(kind: str, durable: bool = True) -> Iterator[Server]:
  """Starts a server and waits until it answers.

  Args:
    kind: `postgresql` or `mysql`; the latter is MariaDB.
    durable: whether a commit is on the disk before it is answered, as in production; a test may do without.

  Raises:
    ServerMissingError: the Debian package is not installed.
  """
  start = {'postgresql': _postgresql, 'mysql': _mariadb}[kind]
  with tempfile.TemporaryDirectory(prefix=f'farelite-{kind}-') as folder:
    home = pathlib.Path(folder)
    owner = _owner(kind)
    if owner:
      os.chown(home, owner.pw_uid, owner.pw_gid)
    with start(home, owner, durable) as running:
      yield running


def _owner(kind: str) -> pwd.struct_passwd | None:
  """PostgreSQL refuses to run as root; whoever else it is that starts a server, stays himself."""
  if os.geteuid() != 0:
    return None
  for name in ({'postgresql': 'postgres', 'mysql': 'mysql'}[kind], 'nobody'):
    with contextlib.suppress(KeyError):
      return pwd.getpwnam(name)
  return None


@contextlib.contextmanager
def _postgresql(home: pathlib.Path, owner: pwd.struct_passwd | None, durable: bool) -> Iterator[Server]:
  folders = sorted(pathlib.Path('/usr/lib/postgresql').glob('*/bin'), key=lambda path: int(path.parent.name))
  search = os.pathsep.join([*(str(path) for path in reversed(folders)), os.environ.get('PATH', '')])
  initdb, postgres, psql = (_binary(name, 'postgresql', search) for name in ('initdb', 'postgres', 'psql'))
  password = home / 'password'
  password.write_text(PASSWORD, encoding='utf-8')
  _give(password, owner)
  data, port = home / 'data', _free_port()
  _run(
    [initdb, '-D', str(data), '-U', USER, '-A', 'scram-sha-256', '--pwfile', str(password), '-E', 'UTF8', '--no-sync'],
    owner,
  )
  settings = [] if durable else ['-c', 'fsync=off', '-c', 'synchronous_commit=off', '-c', 'full_page_writes=off']
  command = [postgres, '-D', str(data), '-p', str(port), '-c', 'listen_addresses=127.0.0.1', '-k', str(home), *settings]
  client = [psql, '-h', '127.0.0.1', '-p', str(port), '-U', USER, '-d', 'postgres', '-Atqc']
  environment = {'PGPASSWORD': PASSWORD}
  with _running(command, home, owner, lambda: _answers([*client, 'select 1'], environment)):
    _run([*client, f'create database {DATABASE}'], None, environment)
    version = _run([*client, 'show server_version'], None, environment).split()[0]
    yield Server('postgresql', port, f'PostgreSQL {version}')


@contextlib.contextmanager
def _mariadb(home: pathlib.Path, owner: pwd.struct_passwd | None, durable: bool) -> Iterator[Server]:
  search = os.pathsep.join([os.environ.get('PATH', ''), '/usr/sbin', '/usr/bin'])
  names = ('mariadb-install-db', 'mariadbd', 'mariadb')
  install, mariadbd, mariadb = (_binary(name, 'mariadb-server', search) for name in names)
  data, port, entry = home / 'data', _free_port(), home / 'socket'
  _run(
    [install, '--no-defaults', f'--datadir={data}', '--auth-root-authentication-method=normal', '--skip-test-db'], owner
  )
  settings = [] if durable else ['--innodb-flush-log-at-trx-commit=0', '--innodb-flush-method=nosync']
  command = [mariadbd, '--no-defaults', f'--datadir={data}', f'--port={port}', '--bind-address=127.0.0.1']
  command += [f'--socket={entry}', f'--pid-file={home / "pid"}', *settings]
  client = [mariadb, '--no-defaults', f'--socket={entry}', '--user=root', '--default-character-set=utf8mb4', '-BNe']
  quoted = PASSWORD.replace('\\', '\\\\').replace("'", "''")
  grants = (
    f"create database {DATABASE}; create user '{USER}'@'127.0.0.1' identified by '{quoted}'; "
    f"create user '{USER}'@'localhost' identified by '{quoted}'; "
    f"grant all on {DATABASE}.* to '{USER}'@'127.0.0.1'; grant all on {DATABASE}.* to '{USER}'@'localhost';"
  )
  with _running(command, home, owner, lambda: _answers([*client, 'select 1'], {})):
    _run([*client, grants], None)
    yield Server('mysql', port, f'MariaDB {_run([*client, "select version()"], None).split("-")[0].strip()}')


def _binary(name: str, package: str, search: str) -> str:
  found = shutil.which(name, path=search)
  if found is None:
    raise ServerMissingError(f"'{name}' is not installed; Debian has it in the package '{package}'.")
  return found


def _give(path: pathlib.Path, owner: pwd.struct_passwd | None) -> None:
  path.chmod(0o600)
  if owner:
    os.chown(path, owner.pw_uid, owner.pw_gid)


@contextlib.contextmanager
def _running(
  command: Sequence[str], home: pathlib.Path, owner: pwd.struct_passwd | None, up: Callable[[], bool]
) -> Iterator[None]:
  log = home / 'log'
  with log.open('w') as output:
    process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT, cwd=home, **_as(owner))
  try:
    deadline = time.monotonic() + _PATIENCE
    while not up():
      if process.poll() is not None or time.monotonic() > deadline:
        raise ServerMissingError(f'{command[0]} did not come up: {log.read_text(errors="replace")[-2000:]}')
      time.sleep(0.1)
    yield
  finally:
    process.terminate()
    try:
      process.wait(20)
    except subprocess.TimeoutExpired:
      process.kill()
      process.wait()


def _answers(command: Sequence[str], environment: dict[str, str]) -> bool:
  return subprocess.run(command, env=os.environ | environment, capture_output=True, check=False).returncode == 0


def _run(command: Sequence[str], owner: pwd.struct_passwd | None, environment: dict[str, str] | None = None) -> str:
  cwd = '/' if owner else None
  ended = subprocess.run(
    command, env=os.environ | (environment or {}), capture_output=True, text=True, check=False, cwd=cwd, **_as(owner)
  )
  if ended.returncode:
    raise ServerMissingError(f'{command[0]} failed: {(ended.stderr or ended.stdout).strip()[-2000:]}')
  return ended.stdout


def _as(owner: pwd.struct_passwd | None) -> dict[str, Any]:
  return {'user': owner.pw_uid, 'group': owner.pw_gid, 'extra_groups': []} if owner else {}


def _free_port() -> int:
  with socket.socket() as probe:
    probe.bind(('127.0.0.1', 0))
    return int(probe.getsockname()[1])
