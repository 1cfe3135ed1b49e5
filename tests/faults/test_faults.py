"""A full disk, an error or a kill at every call that changes a file: what serves is whole, what comes next succeeds.

Oracle: digests of every version that there may be, taken before; a run's own files against the digests in its
manifest, read here; exit codes and output of the commands. The calls are found by watching an undisturbed run, see
`system_calls`. The form that is a part of `make test` takes calls by lot; the long one, `make test-slow`, takes all of
push, rollback and prune, and of a run the first of each kind on each place. `FARELITE_FAULT_SEED` chooses another lot.
"""

from __future__ import annotations

import os
import pathlib
import platform
import sys
from collections.abc import Callable, Iterator

import pytest

from tests.faults.system_calls import Call, Fault, NotWatchableError, watched
from tests.faults.trials import Laboratory, distinct, sample

SEED = int(os.environ.get('FARELITE_FAULT_SEED', '0'))

pytestmark = [
  pytest.mark.timeout(3600),
  pytest.mark.skipif(
    sys.platform != 'linux' or platform.machine() not in ('x86_64', 'aarch64'), reason='watches by the Linux kernel'
  ),
]


@pytest.fixture(scope='module')
def laboratory(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], Laboratory]]:
  """Makes laboratories; skips where the kernel lets nobody watch."""
  folder = tmp_path_factory.mktemp('faults').resolve()
  made: dict[str, Laboratory] = {}

  def of(name: str) -> Laboratory:
    if name not in made:
      try:
        made[name] = Laboratory(name, folder / name)
      except NotWatchableError as error:
        pytest.skip(f'the kernel lets nobody watch: {error}')
    return made[name]

  yield of
  for one in made.values():
    one.close()


def _found(laboratory: Laboratory, cases: list[tuple[Call, Fault]], missed: float = 0.0) -> None:
  """Args: missed: the share of calls that may not come again."""
  trials = list(laboratory.trials(cases))
  wrong = [str(trial) for trial in trials if trial.complaints]
  never = [f'never at {trial.call}' for trial in trials if not trial.struck]
  print(f'{len(laboratory.calls)} calls, {len(distinct(laboratory.calls))} kinds, {len(trials)} tried')
  assert not wrong, '\n'.join(wrong)
  assert len(never) <= missed * len(trials), '\n'.join(never)


CASES = [
  pytest.param(name, fault, id=f'{name}_{fault.value}') for name in ('push', 'rollback', 'prune') for fault in Fault
]


@pytest.mark.parametrize(('name', 'fault'), CASES)
def test_some(laboratory, name: str, fault: Fault):
  found = laboratory(name)
  _found(found, [(call, fault) for call, _ in sample(found.calls, 8, SEED)])


@pytest.mark.slow
@pytest.mark.parametrize(('name', 'fault'), CASES)
def test_all(laboratory, name: str, fault: Fault):
  found = laboratory(name)
  _found(found, [(call, fault) for call in found.calls])


def test_some_of_a_run(laboratory):
  found = laboratory('run')
  _found(found, sample(distinct(found.calls), 2, SEED), missed=0.5)


@pytest.mark.slow
@pytest.mark.timeout(6 * 3600)
def test_all_of_a_run(laboratory):
  found = laboratory('run')
  _found(found, sample(distinct(found.calls), len(found.calls), SEED), missed=0.05)


def test_each_kind_of_call_is_seen_and_answered(tmp_path: pathlib.Path):
  """Oracle: the calls that the job makes, in their order, and the errors that Python makes of the answers."""
  folder, output = tmp_path.resolve() / 'watched', tmp_path / 'output.txt'
  folder.mkdir()

  def job() -> None:
    (folder / 'inner').mkdir()
    (folder / 'inner' / 'file').write_bytes(b'12345678')
    (tmp_path / 'elsewhere').write_bytes(b'not seen')
    (folder / 'inner' / 'file').rename(folder / 'file-17')
    (folder / 'inner').rmdir()
    (folder / 'file-17').unlink()

  seen = watched(job, folder, output, None, limit=30)
  wanted = ['mkdir inner', 'open inner/file', 'write inner/file', 'rename inner/file', 'unlink inner', 'unlink file-*']
  assert (seen.code, [f'{call.name} {call.path}' for call in seen.calls]) == (0, wanted), seen.output
  write = seen.calls[2]
  full = watched(job, folder, output, (write, Fault.FULL), limit=30)
  assert (full.struck, full.code) == (True, 1)
  assert 'No space left on device' in full.output
  assert (folder / 'inner' / 'file').read_bytes() == b'1234', 'half of it had room'
  (folder / 'inner' / 'file').unlink(), (folder / 'inner').rmdir()
  broken = watched(job, folder, output, (seen.calls[3], Fault.BROKEN), limit=30)
  assert 'Input/output error' in broken.output
  (folder / 'inner' / 'file').unlink(), (folder / 'inner').rmdir()
  killed = watched(job, folder, output, (seen.calls[3], Fault.KILLED), limit=30)
  assert (killed.struck, killed.code) == (True, -9)
  assert [path.name for path in folder.rglob('*')] == ['inner', 'file'], 'dead before the rename'


def test_what_hangs_is_stopped(tmp_path: pathlib.Path):
  import time

  hung = watched(lambda: time.sleep(60), tmp_path, tmp_path / 'output.txt', None, limit=0.5)
  assert hung.code is None
