"""Makes small faults in chosen modules, one at a time, and counts those that the tests notice.

`make test-mutants ARGS='--seed 7 --count 100 --only pusher'`. Each fault is made in a copy of the checkout, and the
tests of the module run there in a fork of this process, which has loaded the libraries once. Works on POSIX systems.
"""

from __future__ import annotations

import argparse
import collections
import contextlib
import dataclasses
import importlib
import os
import pathlib
import random
import re
import shutil
import signal
import subprocess
import sys
import time
import warnings
from collections.abc import Sequence

from tests.mutants import operators, places

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
GOAL = 0.9
"""The share of faults that the tests have to notice."""
HANGS = 'the time limit'


@dataclasses.dataclass(frozen=True)
class Mutant:
  """One fault in one module."""

  module: str
  mutation: operators.Mutation

  def __str__(self) -> str:
    where = f'{self.module}:{self.mutation.line}'
    return f'{where}  {self.mutation.operator}: {_short(self.mutation.before)} -> {_short(self.mutation.after)}'

  @property
  def reason(self) -> str | None:
    """Why the fault changes nothing; `None` where it should be noticed."""
    return places.EQUIVALENT.get(self.module, {}).get(self.mutation.key)


@dataclasses.dataclass(frozen=True)
class Outcome:
  """How a run of tests ended.

  Attributes:
    code: pytest's exit code; -1 where the time was up.
    output: what it printed.
    seconds: how long it took.
  """

  code: int
  output: str
  seconds: float

  @property
  def failed(self) -> list[str]:
    """Ids of the tests that failed; files that could not be read among them."""
    return re.findall(r'^(?:FAILED|ERROR) (\S+(?:\[.*?\](?= - |$))?)', self.output, flags=re.MULTILINE)

  @property
  def killer(self) -> str | None:
    """What noticed the fault; `None` if nothing did."""
    if self.code == -1:
      return HANGS
    return None if self.code == 0 else (self.failed or [f'exit code {self.code}'])[0]


def choose(root: pathlib.Path, seed: int, count: int, only: str = '') -> list[Mutant]:
  """Faults by lot: each module in turn, in it a kind of fault, then a place.

  Args:
    root: the checkout.
    seed: the same one chooses the same faults of the same source.
    count: how many.
    only: part of the modules' paths.
  """
  lot = random.Random(seed)
  left: dict[str, dict[str, list[operators.Mutation]]] = {}
  for module in places.MODULES:
    if only in module:
      kinds: dict[str, list[operators.Mutation]] = collections.defaultdict(list)
      for mutation in operators.mutations((root / module).read_text(encoding='utf-8')):
        kinds[mutation.operator].append(mutation)
      left[module] = kinds
  chosen: list[Mutant] = []
  while len(chosen) < count and any(left.values()):
    for module, kinds in left.items():
      if kinds and len(chosen) < count:
        kind = lot.choice(sorted(kinds))
        mutant = Mutant(module, kinds[kind].pop(lot.randrange(len(kinds[kind]))))
        if not kinds[kind]:
          del kinds[kind]
        chosen.append(mutant)
  return chosen


def listed(root: pathlib.Path, file: pathlib.Path) -> list[Mutant]:
  """The faults of a list such as `survivors.txt`, as far as their places are still there."""
  lines = [line.split('\t') for line in file.read_text(encoding='utf-8').splitlines()]
  wanted = {(module, key) for module, key in lines}
  modules = dict.fromkeys(module for module, _ in lines)
  found = [
    Mutant(module, mutation)
    for module in modules
    for mutation in operators.mutations((root / module).read_text(encoding='utf-8'))
  ]
  return [mutant for mutant in found if (mutant.module, mutant.mutation.key) in wanted]


class Copy:
  """A copy of the checkout in which one run of tests happens at a time."""

  def __init__(self, source: pathlib.Path, folder: pathlib.Path) -> None:
    self.root = folder / 'checkout'
    self._source = source
    self._folder = folder
    listed = subprocess.run(
      ['git', 'ls-files', '-z', '--cached', '--others', '--exclude-standard'],
      cwd=source, capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    for name in filter(None, listed.split('\0')):
      if (source / name).is_file():
        (self.root / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(source / name, self.root / name)
    self._pid = 0
    self._until = self._started = 0.0
    self._restored: tuple[pathlib.Path, bytes] | None = None

  def start(self, tests: Sequence[str], seconds: float, mutant: Mutant | None = None, all_tests: bool = False) -> None:
    """Runs tests in a fork, with one fault or none.

    Args:
      tests: arguments of pytest: files, or `--deselect` and ids.
      seconds: after which the run is stopped.
      mutant: the fault.
      all_tests: whether to go on after a failure.
    """
    if mutant:
      path = self.root / mutant.module
      source = path.read_bytes()
      self._restored = path, source
      path.write_text(operators.mutated(source.decode(), mutant.mutation), encoding='utf-8')
      self._forget_compiled(path)
    shutil.rmtree(self._folder / 'tmp', ignore_errors=True)
    (self._folder / 'tmp').mkdir()
    self._started = time.monotonic()
    self._until = self._started + seconds
    sys.stdout.flush()
    with warnings.catch_warnings():
      # The other threads are of libraries that are merely loaded.
      warnings.simplefilter('ignore', DeprecationWarning)
      self._pid = os.fork()
    if not self._pid:
      _test(self._source, self.root, self._folder, [*tests, *([] if all_tests else ['-x'])])

  def ended(self) -> Outcome | None:
    """The outcome, once the run is over; the fault is undone then."""
    pid, status = os.waitpid(self._pid, os.WNOHANG)
    late = time.monotonic() > self._until
    if not pid and not late:
      return None
    with contextlib.suppress(ProcessLookupError):
      os.killpg(self._pid, signal.SIGKILL)
    if not pid:
      os.waitpid(self._pid, 0)
    if self._restored:
      path, source = self._restored
      path.write_bytes(source)
      self._forget_compiled(path)
      self._restored = None
    output = (self._folder / 'output.txt').read_text(encoding='utf-8', errors='replace')
    return Outcome(os.waitstatus_to_exitcode(status) if pid else -1, output, time.monotonic() - self._started)

  def _forget_compiled(self, path: pathlib.Path) -> None:
    for compiled in (path.parent / '__pycache__').glob(f'{path.stem}.*.pyc'):
      compiled.unlink()


def _test(source: pathlib.Path, root: pathlib.Path, folder: pathlib.Path, arguments: Sequence[str]) -> None:
  """The fork's own part: ends the process."""
  code = 3
  try:
    os.setsid()
    output = os.open(folder / 'output.txt', os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(output, 1)
    os.dup2(output, 2)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.chdir(root)
    os.environ.update(TMPDIR=str(folder / 'tmp'), PYTHONPATH=str(root))
    sys.path[:] = [str(root), *(path for path in sys.path if path not in ('', str(ROOT), str(source)))]
    for name in [name for name in sys.modules if name.split('.')[0] in (*places.ROOMS, 'tests', 'benchmarks')]:
      del sys.modules[name]
    sys.argv = ['pytest']
    import pytest

    options = ['-q', '-ra', '--tb=no', '-p', 'no:cacheprovider', '-p', 'no:xdist', '-p', 'no:faulthandler']
    code = int(pytest.main([*options, f'--rootdir={root}', *arguments]))
    sys.stdout.flush()
  finally:
    os._exit(code)


class Runner:
  """Runs of tests in several copies at once."""

  def __init__(self, source: pathlib.Path, folder: pathlib.Path, at_once: int) -> None:
    self._copies = [Copy(source, folder / str(number)) for number in range(at_once)]

  def run(self, jobs, done) -> None:
    """Runs jobs, and calls `done(job, outcome)` as each ends; a job is the arguments of `Copy.start` by name."""
    waiting, busy = list(jobs)[::-1], {}
    while waiting or busy:
      for copy in self._copies:
        if copy not in busy and waiting:
          busy[copy] = waiting.pop()
          copy.start(**busy[copy])
        elif copy in busy and (outcome := copy.ended()):
          done(busy.pop(copy), outcome)
      time.sleep(0.05)


def load_libraries(root: pathlib.Path) -> None:
  """Imports once what every fork needs: all that the rooms import of other projects, and nothing of the rooms."""
  import tests.conftest  # noqa: F401  Its environment comes before TensorFlow.

  for name in [*places.libraries(root), 'pytest', 'pytest_timeout']:
    with contextlib.suppress(ImportError):
      importlib.import_module(name)


def outcomes(runner: Runner, mutants: Sequence[Mutant], near: dict[str, list[str]], limit: float) -> dict[Mutant, str]:
  """What noticed each fault; '' where nothing did.

  A test that fails without a fault, too, has noticed nothing: its faults are tried again without it.

  Args:
    runner: runs the tests.
    mutants: the faults.
    near: the files of tests for each module.
    limit: seconds after which a run hangs.
  """
  killers: dict[Mutant, str] = {}
  trusted: set[str] = set()
  broken: set[str] = set()

  def tried(job, outcome) -> None:
    mutant = job['mutant']
    killers[mutant] = outcome.killer or ''
    print(f'{mutant}  {"by " + killers[mutant] if killers[mutant] else "SURVIVED"}', flush=True)

  def checked(job, outcome) -> None:
    broken.update(outcome.failed or ([] if outcome.code in (0, 5) else job['tests']))

  pending = list(mutants)
  while pending:
    without = [f'--deselect={test}' for test in sorted(broken)]
    jobs = [{'tests': [*near[mutant.module], *without], 'mutant': mutant} for mutant in pending]
    runner.run([{**job, 'seconds': limit} for job in jobs], tried)
    tests = sorted({killers[mutant] for mutant in pending} - {'', HANGS} - trusted)
    named = [test for test in tests if '::' in test]
    unread = [test for test in tests if test.endswith('.py')]
    parts = [part for part in (named[::2], named[1::2], ['--collect-only', *unread] if unread else []) if part]
    runner.run([{'tests': part, 'seconds': 2 * limit, 'all_tests': True} for part in parts], checked)
    trusted |= set(tests) - broken
    pending = [mutant for mutant in pending if killers[mutant] in broken]
    if pending:
      print(f'These fail without a fault, too, and do not count: {", ".join(sorted(broken))}', flush=True)
  return killers


def main(arguments: Sequence[str] | None = None, root: pathlib.Path = ROOT) -> int:
  """Runs, prints, and says by its status whether enough faults were noticed.

  Args:
    arguments: of the command line.
    root: the checkout.
  """
  parser = argparse.ArgumentParser(prog='python -m tests.mutants', description=__doc__.splitlines()[0])
  parser.add_argument('--seed', type=int, default=1, help='of the lot that chooses the faults')
  parser.add_argument('--count', type=int, default=100, help='how many faults')
  parser.add_argument('--only', default='', help='modules with this in their path')
  parser.add_argument('--again', type=pathlib.Path, help='a list of faults, such as survivors.txt, instead of the lot')
  parser.add_argument('--at-once', type=int, default=2, help='how many runs of tests at once')
  parser.add_argument('--limit', type=float, default=1800, help='seconds after which a run of tests hangs')
  parser.add_argument('--list', action='store_true', help='print the faults and run nothing')
  parser.add_argument(
    '--output', type=pathlib.Path, default=root / 'out' / 'mutants', help='where survivors are written'
  )
  options = parser.parse_args(arguments)
  again = options.again
  chosen = listed(root, again) if again else choose(root, options.seed, options.count, options.only)
  mutants = [mutant for mutant in chosen if not mutant.reason]
  if options.list:
    print(*mutants, sep='\n')
    return 0
  folder = options.output.absolute()
  shutil.rmtree(folder / 'copies', ignore_errors=True)
  folder.mkdir(parents=True, exist_ok=True)
  os.environ.setdefault('FARELITE_NYC_RIDES', str(root.parent / 'shared' / 'data' / 'nyc' / 'rides.csv'))
  load_libraries(root)
  runner = Runner(root, folder / 'copies', options.at_once)
  near = {module: places.tests_of(root, module) for module in {mutant.module for mutant in mutants}}
  lot = again or f'seed {options.seed}'
  print(f'{len(mutants)} faults, {lot}; {len(chosen) - len(mutants)} more change nothing:', flush=True)
  killers = outcomes(runner, mutants, near, options.limit)
  survivors = [mutant for mutant in mutants if not killers[mutant]]
  shutil.rmtree(folder / 'copies')
  lines = [f'{mutant.module}\t{mutant.mutation.key}' for mutant in survivors]
  (folder / 'survivors.txt').write_text(''.join(f'{line}\n' for line in lines), encoding='utf-8')
  killed = len(mutants) - len(survivors)
  print(f'{killed} of {len(mutants)} noticed ({killed / max(len(mutants), 1):.0%}); the others: {folder}/survivors.txt')
  return 0 if killed >= GOAL * len(mutants) else 1


def _short(text: str, size: int = 90) -> str:
  line = ' '.join(text.split())
  return line if len(line) <= size else f'{line[: size - 1]}…'


if __name__ == '__main__':
  sys.exit(main())
