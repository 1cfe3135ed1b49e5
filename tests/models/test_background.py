"""Trainings in the background: in order, errors with the results, and stopped where the block ends before them."""

import sys
import threading

import pytest

from models.background import Background, at_once
from models.training import TrainingHistory


class _Halted(BaseException):
  """As a killed run is seen from inside."""


def _failing(stopping):
  raise _Halted


@pytest.mark.parametrize('start', [pytest.param(at_once, id='at_once'), pytest.param(None, id='background')])
def test_errors_come_with_the_result(start):
  with Background() as background:
    future = (start or background.start)(_failing)
    with pytest.raises(_Halted):
      future.result()


def test_runs_in_another_thread_one_after_the_other():
  threads, running = [], threading.Lock()

  def run(stopping):
    assert running.acquire(blocking=False), 'two at once'
    threads.append(threading.get_ident())
    running.release()
    return TrainingHistory({}, float(len(threads)))

  with Background() as background:
    futures = [background.start(run) for _ in range(3)]
    assert [future.result().seconds for future in futures] == [1.0, 2.0, 3.0]
  assert threading.get_ident() not in threads
  assert len(set(threads)) == 1


def test_an_error_in_the_block_stops_what_runs_and_drops_what_waits():
  started, stopped, interval = threading.Event(), [], sys.getswitchinterval()

  def run(stopping):
    started.set()
    while not stopping():
      pass
    stopped.append(True)
    return TrainingHistory({}, 0.0)

  with pytest.raises(_Halted), Background() as background:
    background.start(run)
    waiting = background.start(run)
    started.wait()
    raise _Halted
  assert stopped == [True]
  assert waiting.cancelled()
  assert sys.getswitchinterval() == interval
