"""What ends a command ends what it has started, whenever it comes.

Oracle: the processes that the kernel knows, the documented exit codes, and that there is one line.
"""

from __future__ import annotations

import os
import pathlib
import signal
import subprocess
import sys
from collections.abc import Callable
from types import FrameType

import pytest

from models.lite.process import LiteProcess, StartedAhead
from models.signals import deferred_signals
from pipeline.errors import ended_by_signals
from pipeline.rehearsal import image

ENDED = [
  ('container', signal.SIGINT, 130, '\nInterrupted; what was finished is kept.\n'),
  ('container', signal.SIGTERM, 143, 'Ended by SIGTERM; what was finished is kept.\n'),
  ('container', signal.SIGHUP, 129, 'Ended by SIGHUP; what was finished is kept.\n'),
  ('image', signal.SIGTERM, 143, 'Ended by SIGTERM; what was finished is kept.\n'),
]
_CONTAINER = """
import pathlib, sys
from pipeline import cli
from pipeline.rehearsal.image import Containers

@cli.main.command('contain')
def contain():
  folder = pathlib.Path(sys.argv[1])
  Containers().run(['bash', '-c', 'sleep 60 & sleep 60'], {'PATH': '/usr/bin:/bin'}, folder, folder / 'log')

cli.main(['contain'])
"""


@pytest.mark.parametrize(('what', 'number', 'code', 'line'), ENDED)
def test_ending_a_command_ends_its_children(tmp_path: pathlib.Path, what: str, number: int, code: int, line: str):
  """A container with a process of its own, and the wheel that a rehearsal begins with."""
  (tmp_path / 'rides.csv').write_text('nothing')
  rehearse = ['-m', 'pipeline', 'rehearse', '--target', 'kfp', '--config', 'nyc', '--output', str(tmp_path / 'out')]
  command = {
    'container': ['-c', _CONTAINER, str(tmp_path)],
    'image': [*rehearse, '--data', str(tmp_path / 'rides.csv')],
  }[what]
  wanted = {'container': b'sleep\0', 'image': b'\0wheel\0'}[what]

  def as_by_default() -> None:  # Whatever started these tests may ignore the signal.
    signal.signal(number, signal.SIG_DFL)

  parent = subprocess.Popen(
    [sys.executable, *command],
    stderr=subprocess.PIPE,
    stdout=subprocess.DEVNULL,
    text=True,
    preexec_fn=as_by_default,
  )
  children: set[int] = set()
  while not any(wanted in _command_of(child) for child in children):
    assert parent.poll() is None, parent.communicate()[1]
    signal.sigtimedwait([], 0.02)
    children = _descendants(parent.pid)
  parent.send_signal(number)
  said = parent.communicate(timeout=60)[1]
  assert (parent.returncode, said[-len(line) :]) == (code, line)
  assert 'Traceback' not in said
  for _ in range(50):  # What is killed takes a moment.
    alive = [child for child in children if _command_of(child)]
    signal.sigtimedwait([], 0.1 if alive else 0)
  for child in alive:
    os.kill(child, signal.SIGKILL)
  assert not alive


def _command_of(process: int) -> bytes:
  """Its command line; empty once it has ended."""
  try:
    return pathlib.Path(f'/proc/{process}/cmdline').read_bytes()
  except OSError:
    return b''


def _descendants(process: int) -> set[int]:
  found: set[int] = set()
  for file in pathlib.Path(f'/proc/{process}/task').glob('*/children'):
    try:
      children = {int(child) for child in file.read_text().split()}
    except OSError:
      continue
    found |= children.union(*(_descendants(child) for child in children))
  return found


def _contained(folder: pathlib.Path) -> None:
  image.Containers().run(['sleep', '60'], {'PATH': '/usr/bin:/bin'}, folder, folder / 'log')


def _called(folder: pathlib.Path) -> None:
  image._call('sleep', '60')


def _lite(folder: pathlib.Path) -> None:
  with LiteProcess(folder / 'model.tflite'):
    pass


def _lite_ahead(folder: pathlib.Path) -> None:
  with StartedAhead() as ahead:
    ahead.prepare(2)
    with LiteProcess(folder / 'model.tflite', ahead=ahead):
      pass


@pytest.mark.parametrize('number', [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize(
  'job',
  [
    pytest.param(_contained, id='container'),
    pytest.param(_called, id='image'),
    pytest.param(_lite, id='lite'),
    pytest.param(_lite_ahead, id='lite_ahead'),
  ],
)
def test_a_signal_while_a_process_starts(tmp_path: pathlib.Path, job: Callable, number: signal.Signals):
  """At each of the first steps after the fork that a profiler sees, before and after the id of the child is known."""
  before = _descendants(os.getpid())
  for wait in range(25):
    with pytest.raises(KeyboardInterrupt), ended_by_signals():
      sys.setprofile(_striker(number, wait))
      try:
        job(tmp_path)
      finally:
        sys.setprofile(None)
    left = {child for child in _descendants(os.getpid()) - before if _command_of(child)}
    for child in left:
      os.kill(child, signal.SIGKILL)
    assert not left, f'a child outlives a signal {wait} steps after the fork'


def _striker(number: signal.Signals, wait: int) -> Callable[[FrameType, str, object], None]:
  """A profiler that sends this process a signal."""
  seen: list[str] = []

  def strike(frame: FrameType, event: str, argument: object) -> None:
    if seen or (event == 'c_return' and getattr(argument, '__name__', '') == 'fork_exec'):
      seen.append(event)
    if len(seen) == wait + 1:
      os.kill(os.getpid(), number)

  return strike


def test_a_deferred_signal_is_answered_at_the_end_of_the_block():
  done = []
  with pytest.raises(KeyboardInterrupt), ended_by_signals(), deferred_signals():
    os.kill(os.getpid(), signal.SIGTERM)
    done.append('the block')
  assert done == ['the block']
  assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
  assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
