"""Watches what a process asks of the file system, and answers one of its calls with an error, or with its end.

The kernel itself hands each call over (seccomp's user notification, Linux 5.5): those of Python, TensorFlow's file
system and SQLite alike, of all threads and of all processes that the watched one starts. No library is replaced, so
whatever writes is seen. Not seen is what is written through mapped memory, which nothing here does.
"""

from __future__ import annotations

import contextlib
import ctypes
import dataclasses
import enum
import errno
import fcntl
import os
import pathlib
import platform
import re
import select
import signal
import socket
import struct
import sys
import time
import traceback
from collections.abc import Callable


class Fault(enum.Enum):
  """What happens at a call."""

  FULL = 'full'
  """The disk is full from here on: whatever takes room fails, ENOSPC. A write gets half of its bytes there, and says
  so."""
  BROKEN = 'broken'
  """This one call fails, EIO."""
  KILLED = 'killed'
  """The process and all that it started die before this call, SIGKILL."""


@dataclasses.dataclass(frozen=True)
class Call:
  """A call that changes something below the watched folder.

  Attributes:
    name: of the system call, without what tells its variants apart: `open`, `write`, `rename`, `mkdir`, …
    path: relative to the folder; what a name has of numbers and digests is a star.
    count: how many such calls were before it.
  """

  name: str
  path: str
  count: int

  def __str__(self) -> str:
    return f'{self.name} {self.path} #{self.count}'


@dataclasses.dataclass(frozen=True)
class Ending:
  """How a watched process ended.

  Attributes:
    calls: what it asked, in order.
    struck: whether the fault came to pass.
    code: exit code; negative for a signal, None where it had to be stopped.
    output: what it printed.
    seconds: how long it took.
  """

  calls: tuple[Call, ...]
  struck: bool
  code: int | None
  output: str
  seconds: float


_X86 = {
  'open': 2, 'creat': 85, 'openat': 257, 'openat2': 437, 'write': 1, 'pwrite': 18, 'writev': 20, 'pwritev': 296,
  'rename': 82, 'renameat': 264, 'renameat2': 316, 'mkdir': 83, 'mkdirat': 258, 'unlink': 87, 'unlinkat': 263,
  'rmdir': 84, 'fsync': 74, 'fdatasync': 75, 'ftruncate': 77, 'truncate': 76, 'link': 86, 'linkat': 265, 'symlink': 88,
  'symlinkat': 266, 'sendfile': 40, 'copy_file_range': 326, 'fallocate': 285, 'seccomp': 317,
}  # fmt: skip
_ARM = {
  'openat': 56, 'openat2': 437, 'write': 64, 'pwrite': 68, 'writev': 66, 'pwritev': 70, 'renameat': 38,
  'renameat2': 276, 'mkdirat': 34, 'unlinkat': 35, 'fsync': 82, 'fdatasync': 83, 'ftruncate': 46, 'truncate': 45,
  'linkat': 37, 'symlinkat': 36, 'sendfile': 71, 'copy_file_range': 285, 'fallocate': 47, 'seccomp': 277,
}  # fmt: skip
_MACHINES = {'x86_64': (0xC000003E, _X86), 'aarch64': (0xC00000B7, _ARM)}
"""Audit number and system calls; from Linux' own headers."""

_OPENING = {'open': 1, 'openat': 2}
"""Which argument are the flags."""
_FOLDER_AND_PATH = {
  'openat': 0, 'openat2': 0, 'mkdirat': 0, 'unlinkat': 0, 'renameat': 0, 'renameat2': 0, 'linkat': 2, 'symlinkat': 1
}  # fmt: skip
"""Which argument is the folder's descriptor; the path comes next."""
_PATH = {
  'open': 0,
  'creat': 0,
  'rename': 0,
  'mkdir': 0,
  'unlink': 0,
  'rmdir': 0,
  'truncate': 0,
  'link': 1,
  'symlink': 1,
}
_DESCRIPTOR = {'copy_file_range': 2}
_TAKES_ROOM = frozenset({'write', 'mkdir', 'link', 'symlink', 'fallocate'})
"""On a full disk; a file that is opened does where it is new."""
_PLAIN = {
  'openat': 'open', 'openat2': 'open', 'creat': 'open', 'pwrite': 'write', 'writev': 'write', 'pwritev': 'write',
  'sendfile': 'write', 'copy_file_range': 'write', 'renameat': 'rename', 'renameat2': 'rename', 'mkdirat': 'mkdir',
  'unlinkat': 'unlink', 'rmdir': 'unlink', 'fdatasync': 'fsync', 'ftruncate': 'truncate', 'linkat': 'link',
  'symlinkat': 'symlink',
}  # fmt: skip
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC
_VARIES = re.compile(r'(?<=[.-])[a-z0-9_]{8}(?=$|/)|tmp[a-z0-9_]{8}|[0-9a-f]{8,}(?:-[0-9a-f]{4,})*|\d+')
"""Names of temporary files and folders, digests, numbers."""

_RECEIVE, _SEND = 0xC0502100, 0xC0182101
_NO_NEW_PRIVILEGES, _SET_FILTER, _NEW_LISTENER, _CONTINUE = 38, 1, 1 << 3, 1
_NOTIFY, _ALLOW = 0x7FC00000, 0x7FFF0000
_HERE = -100
"""The descriptor that stands for the working folder."""
_LIBC = ctypes.CDLL(None, use_errno=True)


class NotWatchableError(Exception):
  """This kernel, or what holds this process, lets nobody watch."""


def watched(
  job: Callable[[], None], folder: pathlib.Path, output: pathlib.Path, strike: tuple[Call, Fault] | None, limit: float
) -> Ending:
  """Runs a job in a fork of this process and watches what it asks for below a folder.

  Args:
    job: an exception or a SystemExit gives its exit code.
    folder: absolute and without links.
    output: the file that the fork prints into; outside of the folder.
    strike: where something happens, and what.
    limit: seconds after which the fork is stopped.
  Raises: NotWatchableError.
  """
  start = time.monotonic()
  mine, its = socket.socketpair()
  pid = os.fork()
  if not pid:
    _be_watched(job, output, its)
  its.close()
  _, descriptors, _, _ = socket.recv_fds(mine, 1, 1)
  mine.close()
  if not descriptors:
    os.waitpid(pid, 0)
    raise NotWatchableError(output.read_text(encoding='utf-8'))
  guard = _Guard(descriptors[0], folder, strike, pid)
  try:
    code = guard.until_ended(start + limit)
  finally:
    os.close(descriptors[0])
  return Ending(tuple(guard.calls), guard.struck, code, output.read_text(errors='replace'), time.monotonic() - start)


def _be_watched(job: Callable[[], None], output: pathlib.Path, guard: socket.socket) -> None:
  """The fork's own part; never returns."""
  code = 1
  try:
    os.setsid()
    printed = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(printed, 1)
    os.dup2(printed, 2)
    sys.stdout = sys.stderr = os.fdopen(1, 'w', buffering=1, encoding='utf-8', closefd=False)
    listener = _listener()
    socket.send_fds(guard, [b'1'], [listener])
    os.close(listener)
    guard.close()
    job()
    code = 0
  except SystemExit as error:
    code = error.code if isinstance(error.code, int) else int(error.code is not None)
  except BaseException:
    traceback.print_exc()
  finally:
    try:
      sys.stdout.flush()
      sys.stderr.flush()
    finally:
      os._exit(code)


def _listener() -> int:
  """Has the kernel hand over every call of `_MACHINES` from now on; a descriptor to answer them by."""
  machine, numbers = _MACHINES[platform.machine()]

  def step(code: int, value: int, yes: int = 0, no: int = 0) -> bytes:
    return struct.pack('HBBI', code, yes, no, value)

  load, equal, anybit, give = 0x20, 0x15, 0x45, 0x06
  steps = [step(load, 4), step(equal, machine, 1), step(give, _ALLOW), step(load, 0)]
  for name, number in numbers.items():
    if name in _OPENING:
      flags = 16 + 8 * _OPENING[name]
      steps += [step(equal, number, 0, 4), step(load, flags), step(anybit, _WRITING, 0, 1), step(give, _NOTIFY)]
      steps += [step(give, _ALLOW)]
    elif name != 'seccomp':
      steps += [step(equal, number, 0, 1), step(give, _NOTIFY)]
  program = ctypes.create_string_buffer(b''.join([*steps, step(give, _ALLOW)]))
  prog = ctypes.create_string_buffer(struct.pack('HxxxxxxP', len(steps) + 1, ctypes.addressof(program)))
  _LIBC.prctl(_NO_NEW_PRIVILEGES, 1, 0, 0, 0)
  listener = _LIBC.syscall(numbers['seccomp'], _SET_FILTER, _NEW_LISTENER, prog)
  if listener < 0:
    raise NotWatchableError(f'seccomp: {os.strerror(ctypes.get_errno())}')
  return int(listener)


class _Guard:
  """Answers the calls of a watched process."""

  def __init__(self, listener: int, folder: pathlib.Path, strike: tuple[Call, Fault] | None, pid: int) -> None:
    self.calls: list[Call] = []
    self.struck = False
    self._listener, self._folder, self._strike, self._pid = listener, f'{folder}/', strike, pid
    self._counts: dict[tuple[str, str], int] = {}

  def until_ended(self, deadline: float) -> int | None:
    """Answers until the process has ended; its exit code, or None where it had to be stopped."""
    poll = select.poll()
    poll.register(self._listener, select.POLLIN)
    status = None
    while status is None:
      if any(event & select.POLLIN for _, event in poll.poll(50)):
        self._answer()
      pid, ended = os.waitpid(self._pid, os.WNOHANG)
      if pid:
        status = ended
      elif time.monotonic() > deadline:
        self._kill()
        os.waitpid(self._pid, 0)
        return None
    self._kill()  # What it started and did not wait for.
    return os.waitstatus_to_exitcode(status)

  def _kill(self) -> None:
    with contextlib.suppress(ProcessLookupError):
      os.killpg(self._pid, signal.SIGKILL)

  def _answer(self) -> None:
    request = bytearray(80)
    try:
      fcntl.ioctl(self._listener, _RECEIVE, request)
    except OSError as error:
      if error.errno in (errno.ENOENT, errno.EINTR):  # It died meanwhile.
        return
      raise
    number, pid, _, call, _, _, *arguments = struct.unpack('QIIiIQ6Q', request)
    value = None
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # It died meanwhile.
      value = self._met(pid, call, arguments)
    if value is None:
      answer = struct.pack('QqiI', number, 0, 0, _CONTINUE)
    else:
      answer = struct.pack('QqiI', number, max(value, 0), min(value, 0), 0)
    try:
      fcntl.ioctl(self._listener, _SEND, bytearray(answer))
    except OSError as error:
      if error.errno != errno.ENOENT:
        raise

  def _met(self, pid: int, number: int, arguments: list[int]) -> int | None:
    """What a call gives instead of what it would: a value, or an error's number below zero."""
    _, numbers = _MACHINES[platform.machine()]
    variant = next(name for name, value in numbers.items() if value == number)
    path = _path_of(pid, variant, arguments)
    if not path.startswith(self._folder):
      return None
    name, pattern = _PLAIN.get(variant, variant), _VARIES.sub('*', path.removeprefix(self._folder))
    count = self._counts.get((name, pattern), 0)
    self._counts[name, pattern] = count + 1
    call = Call(name, pattern, count)
    self.calls.append(call)
    if self._strike is None or (call != self._strike[0] and not self.struck):
      return None
    fault, first, self.struck = self._strike[1], not self.struck, True
    if fault is Fault.FULL:
      takes_room = name in _TAKES_ROOM or (name == 'open' and not os.path.lexists(path))
      if first and variant in ('write', 'pwrite') and arguments[2] > 1:
        return _write_half(pid, variant, path, arguments)
      return -errno.ENOSPC if takes_room else None
    if first and fault is Fault.KILLED:
      self._kill()
    # Who is dead must not make the call either; the error never reaches it.
    return -errno.EIO if first else None


def _path_of(pid: int, variant: str, arguments: list[int]) -> str:
  """The path that a call changes, absolute."""
  if variant in _PATH:
    return os.path.normpath(os.path.join(_link(pid, 'cwd'), _text(pid, arguments[_PATH[variant]])))
  if variant in _FOLDER_AND_PATH:
    first = _FOLDER_AND_PATH[variant]
    folder = ctypes.c_int(arguments[first] & 0xFFFFFFFF).value
    below = _link(pid, 'cwd' if folder == _HERE else f'fd/{folder}')
    return os.path.normpath(os.path.join(below, _text(pid, arguments[first + 1])))
  return _link(pid, f'fd/{arguments[_DESCRIPTOR.get(variant, 0)]}')


def _link(pid: int, name: str) -> str:
  return str(pathlib.Path(f'/proc/{pid}/{name}').readlink())


def _text(pid: int, address: int) -> str:
  with open(f'/proc/{pid}/mem', 'rb', buffering=0) as memory:  # noqa: PTH123
    text = b''
    while b'\0' not in text:
      memory.seek(address + len(text))
      text += memory.read(4096 - (address + len(text)) % 4096)
  return os.fsdecode(text.partition(b'\0')[0])


def _write_half(pid: int, variant: str, path: str, arguments: list[int]) -> int:
  """Writes what a full disk still takes; the number of its bytes. What comes next of the same writer fails."""
  _, address, size, offset, *_ = arguments
  with open(f'/proc/{pid}/mem', 'rb', buffering=0) as memory:  # noqa: PTH123
    memory.seek(address)
    half = memory.read(size // 2)
  with open(path, 'r+b', buffering=0) as file:  # noqa: PTH123
    file.seek(offset if variant == 'pwrite' else 0, os.SEEK_SET if variant == 'pwrite' else os.SEEK_END)
    file.write(half)
  return len(half)
