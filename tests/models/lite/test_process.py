"""A lite file in a process of its own: the same fares, and no crash, kill or hang that reaches the parent."""

import io
import os
import pathlib
import signal
import sys
import threading
import time

import numpy as np
import pytest

from configs.loading import load
from models.lite.client import LiteFileError, LiteModel
from models.lite.messages import read_message, write_message
from models.lite.process import LiteCrashError, LiteProcess, StartedAhead
from tests.models.lite.small_files import preset_lite_file, some_rides


@pytest.fixture(scope='module')
def path(tmp_path_factory):
  path = tmp_path_factory.mktemp('lite') / 'model.tflite'
  path.write_bytes(preset_lite_file())
  return path


@pytest.fixture(scope='module')
def rides():
  return some_rides(load('nyc'), 20_000)


def first(rides, count):
  return {name: column[:count] for name, column in rides.items()}


def is_gone(pid):
  """Whether a child ended and was reaped: the kernel then knows none of this number."""
  with pytest.raises(ChildProcessError):
    os.waitpid(pid, os.WNOHANG)
  return True


MESSAGE = {
  'number': np.array(3),
  'text': np.array('Straße'),
  'empty text': np.array(''),
  'texts': np.array(['a', 'bcd']),
  'flag': np.array(True),
  'none': np.zeros((0, 3), np.float32),
  'every other': np.arange(12).reshape(3, 4)[:, ::2],
  'big endian': np.array([1.5, -0.0, np.nan], '>f4'),
}


def test_a_message_arrives_as_it_was_sent():
  stream = io.BytesIO()
  write_message(stream, MESSAGE)
  write_message(stream, {'next': np.array(1)})
  stream.seek(0)
  found = read_message(stream)
  assert found is not None
  assert list(found) == list(MESSAGE)
  for name, array in MESSAGE.items():
    assert (found[name].dtype, found[name].shape) == (array.dtype, array.shape)
    assert found[name].tobytes() == array.tobytes()
    assert found[name].flags.writeable
  assert read_message(stream) == {'next': 1}
  assert read_message(stream) is None


def test_a_message_that_is_cut_anywhere_is_none():
  stream = io.BytesIO()
  write_message(stream, MESSAGE)
  content = stream.getvalue()
  assert [length for length in range(len(content)) if read_message(io.BytesIO(content[:length])) is not None] == []


def test_fares_are_those_of_the_client(path, rides):
  with LiteProcess(path) as process:
    for count in (20_000, 1, 0, 300):
      np.testing.assert_array_equal(process.predict(first(rides, count)), LiteModel(path).predict(first(rides, count)))
    pid = process.pid
  assert is_gone(pid)


def test_time_and_memory(path, rides):
  with LiteProcess(path) as process:
    one, many = (process.time(first(rides, count), 200) for count in (1, 256))
    assert one.shape == many.shape == (200,)
    assert one.dtype == np.float64
    # Microseconds: more than nothing, less than a second, and 256 rides are not for free.
    assert 0.5 < np.median(one) < np.median(many) < 1e6
    assert path.stat().st_size < process.peak_bytes < 2**30
    before = process.peak_bytes
    process.predict({name: np.tile(column, 50) for name, column in rides.items()})
    assert process.peak_bytes > before + 20_000 * 50 * 6 * 4


@pytest.mark.parametrize(('wanted', 'delegated'), [pytest.param(True, 1, id='on'), pytest.param(False, 0, id='off')])
def test_delegates(path, wanted, delegated):
  with LiteProcess(path, default_delegates=wanted) as process:
    assert (process.operators.get('DELEGATE', 0) > 0) == delegated
    assert process.operators['FULLY_CONNECTED'] >= 4


def test_two_processes_take_turns(path, rides):
  with LiteProcess(path) as one, LiteProcess(path, threads=2) as other:
    for _ in range(3):
      np.testing.assert_allclose(one.predict(first(rides, 9)), other.predict(first(rides, 9)), rtol=1e-5)


def test_wrong_rides_are_reported_and_the_process_lives_on(path, rides):
  with LiteProcess(path) as process:
    for wrong, message in (
      ({'pickup_seconds': np.arange(3)}, "needs the column '"),
      (first(rides, 3) | {'pickup_latitude': np.array([None] * 3)}, "Column 'pickup_latitude' must hold numbers"),
    ):
      with pytest.raises(LiteFileError, match=message):
        process.predict(wrong)
    assert process.predict(first(rides, 3)).shape == (3,)


@pytest.mark.parametrize(
  ('content', 'message'),
  [
    pytest.param(preset_lite_file()[:-100], r"cut.tflite' is cut off or damaged", id='truncated'),
    pytest.param(b'hello', r"cut.tflite' is not a TFLite file", id='no_lite_file'),
  ],
)
def test_a_file_that_cannot_be_used(tmp_path, content, message):
  (tmp_path / 'cut.tflite').write_bytes(content)
  process = LiteProcess(tmp_path / 'cut.tflite')
  with pytest.raises(LiteFileError, match=message), process:
    pass
  assert is_gone(process.pid)


@pytest.mark.parametrize('number', [signal.SIGKILL, signal.SIGSEGV, signal.SIGABRT], ids=lambda number: number.name)
def test_a_process_that_dies_in_the_middle_of_a_call(path, rides, number):
  with LiteProcess(path) as process:
    threading.Timer(0.3, os.kill, [process.pid, number]).start()
    start = time.monotonic()
    with pytest.raises(LiteCrashError, match=rf"ran '{path}' was lost: killed by {number.name}") as raised:
      process.time(first(rides, 256), 10_000_000)
    assert raised.value.reason.startswith(f'killed by {number.name}')
    assert time.monotonic() - start < 5
    assert is_gone(process.pid)
    with pytest.raises(LiteCrashError, match=number.name):
      process.predict(first(rides, 1))


def test_a_process_that_was_killed_between_two_calls(path, rides):
  with LiteProcess(path) as process:
    process.predict(first(rides, 1))
    os.kill(process.pid, signal.SIGKILL)
    with pytest.raises(LiteCrashError, match='killed by SIGKILL'):
      process.predict(rides)


@pytest.mark.parametrize(
  'count',
  # A large request fills the pipe, so that writing it hangs; a small one leaves the reading to hang.
  [pytest.param(1, id='waiting_for_the_answer'), pytest.param(20_000, id='handing_over_the_rides')],
)
def test_a_process_that_hangs(path, rides, count):
  with LiteProcess(path, timeout=1.0) as process:
    os.kill(process.pid, signal.SIGSTOP)
    start = time.monotonic()
    with pytest.raises(LiteCrashError, match=r'was lost: it gave no answer within 1 s and was stopped'):
      process.predict(first(rides, count))
    assert 0.9 < time.monotonic() - start < 5
    assert is_gone(process.pid)


def test_an_error_of_the_caller_ends_a_stopped_process_at_once(path):
  start = time.monotonic()
  with pytest.raises(KeyboardInterrupt), LiteProcess(path) as process:
    os.kill(process.pid, signal.SIGSTOP)
    raise KeyboardInterrupt
  assert time.monotonic() - start < 4
  assert is_gone(process.pid)


def test_a_program_that_fails_is_quoted(path, rides, monkeypatch):
  """An exit code and the last line of standard error, where no signal was the cause."""
  monkeypatch.setenv('PYTHONHOME', '/nowhere')
  process = LiteProcess(path)
  with pytest.raises(LiteCrashError, match=r'it ended with exit code \d+ \(.*\w'), process:
    pass
  assert is_gone(process.pid)


def test_another_package_called_models_is_not_in_the_way(path, rides, tmp_path, monkeypatch):
  (tmp_path / 'models').mkdir()
  (tmp_path / 'models' / '__init__.py').write_text('raise SystemExit(9)')
  monkeypatch.chdir(tmp_path)
  relative = pathlib.Path(os.path.relpath(path))
  with LiteProcess(relative) as process:
    assert process.predict(first(rides, 2)).shape == (2,)


def test_it_needs_a_with(path, rides):
  with pytest.raises(RuntimeError, match='Use LiteProcess with `with`'):
    LiteProcess(path).predict(first(rides, 1))


def test_a_process_that_is_started_ahead_serves_one_file(path, rides):
  """Oracle: the client; the ids that the kernel gave."""
  with StartedAhead() as ahead:
    ahead.prepare(2)
    ahead.prepare(2)  # Two wait already.
    waiting = [started.process.pid for started in ahead._waiting]
    assert len(waiting) == 2
    pids = []
    for _ in range(3):
      with LiteProcess(path, ahead=ahead) as process:
        np.testing.assert_array_equal(process.predict(first(rides, 9)), LiteModel(path).predict(first(rides, 9)))
        pids.append(process.pid)
      assert is_gone(process.pid)
    assert pids[:2] == waiting and pids[2] not in waiting
    ahead.prepare()
    [left] = ahead._waiting
  assert is_gone(left.process.pid)
  assert left.errors.closed
  with pytest.raises(RuntimeError, match='Nothing is started any more'), LiteProcess(path, ahead=ahead):
    pass


def test_one_that_died_while_it_waited_is_replaced(path, rides):
  with StartedAhead() as ahead:
    ahead.prepare()
    [dead] = ahead._waiting
    os.kill(dead.process.pid, signal.SIGKILL)
    dead.process.wait()
    with LiteProcess(path, ahead=ahead) as process:
      assert process.predict(first(rides, 3)).shape == (3,)
      assert process.pid != dead.process.pid


def test_an_error_ends_what_another_thread_waits_for(path, rides):
  """A file that hangs would otherwise keep a command that was interrupted, for as long as an answer may take."""
  found = []

  def ask(ahead):
    with LiteProcess(path, ahead=ahead) as process:
      os.kill(process.pid, signal.SIGSTOP)
      found.append(process.pid)
      process.predict(first(rides, 1))

  def caught(ahead):
    try:
      ask(ahead)
    except LiteCrashError as error:
      found.append(error.reason)

  with pytest.raises(KeyboardInterrupt), StartedAhead() as ahead:
    thread = threading.Thread(target=caught, args=(ahead,))
    thread.start()
    while not found:
      time.sleep(0.01)
    raise KeyboardInterrupt
  thread.join(5)
  assert not thread.is_alive()
  assert found[1].startswith('killed by SIGKILL')
  assert is_gone(found[0])


def test_it_starts_fast(path):
  """Well under a second; the best of three, as other work may be in the way."""
  seconds = []
  for _ in range(3):
    start = time.monotonic()
    with LiteProcess(path):
      seconds.append(time.monotonic() - start)
  assert min(seconds) < 1.0
  assert 'models.lite.worker' in sys.modules
