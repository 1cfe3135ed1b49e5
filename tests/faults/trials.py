"""Tries scenarios, each time with a fault at another call. Runs in a process that has loaded the libraries once."""

from __future__ import annotations

import collections
import dataclasses
import multiprocessing
import pathlib
import random
import shutil
from collections.abc import Iterable, Iterator, Sequence
from concurrent import futures

from tests.faults.system_calls import Call, Ending, Fault, watched

PRELOADED = ['tests.conftest', 'tests.faults.scenarios', 'pipeline.local.run', 'pipeline.commands.run', 'pipeline.dag']
TRIES = 3
"""A call that comes at another moment in each run, as threads have it, may not come at all."""


@dataclasses.dataclass(frozen=True)
class Trial:
  """What became of one fault.

  Attributes:
    call, fault: where, and what.
    struck: whether it came to pass.
    complaints: what was wrong, in sentences; empty if nothing was.
  """

  call: Call
  fault: Fault
  struck: bool
  complaints: tuple[str, ...]

  def __str__(self) -> str:
    return f'{self.fault.value} at {self.call}: {"; ".join(self.complaints) or "well"}'


class Laboratory:
  """A scenario in a folder, to be tried again and again from the same state.

  Args:
    name: of the scenario.
    folder: absolute, without links; not there yet.
  Attributes: calls: of an undisturbed run, in order.
  Raises: AssertionError: even that one has complaints.
  """

  def __init__(self, name: str, folder: pathlib.Path) -> None:
    self._name, self._folder = name, folder
    folder.mkdir(parents=True)
    context = multiprocessing.get_context('forkserver')
    context.set_forkserver_preload(PRELOADED)
    self._process = futures.ProcessPoolExecutor(1, mp_context=context)
    self.calls, complaints = self._process.submit(_prepare, name, folder).result()
    assert not complaints, complaints

  def trials(self, cases: Iterable[tuple[Call, Fault]]) -> Iterator[Trial]:
    """Tries each case."""
    for call, fault in cases:
      yield self._process.submit(_try, self._name, self._folder, call, fault).result()

  def close(self) -> None:
    """Ends the process."""
    self._process.shutdown()


def distinct(calls: Iterable[Call]) -> list[Call]:
  """The first call of each kind on each place."""
  return [call for call in calls if call.count == 0]


def sample(calls: Sequence[Call], count: int, seed: int) -> list[tuple[Call, Fault]]:
  """Some calls by lot, of every step's folder in turn, each with one fault."""
  lot = random.Random(seed)
  groups: dict[str, list[Call]] = collections.defaultdict(list)
  for call in calls:
    groups['/'.join(call.path.split('/')[:2])].append(call)
  chosen: list[tuple[Call, Fault]] = []
  while len(chosen) < count and any(groups.values()):
    for name in lot.sample(sorted(groups), len(groups)):
      if groups[name] and len(chosen) < count:
        call = groups[name].pop(lot.randrange(len(groups[name])))
        chosen.append((call, lot.choice(list(Fault))))
  return chosen


def _scenario(name: str, folder: pathlib.Path):
  from tests.faults.scenarios import SCENARIOS

  return SCENARIOS[name](folder)


def _prepare(name: str, folder: pathlib.Path) -> tuple[tuple[Call, ...], list[str]]:
  scenario = _scenario(name, folder)
  made = watched(scenario.prepare, scenario.out, folder / 'prepared.txt', None, scenario.limit)
  if made.code != 0:
    return (), [made.output[-3000:]]
  shutil.copytree(scenario.out, folder / 'template', symlinks=True)
  ending = watched(scenario.act, scenario.out, folder / 'act.txt', None, scenario.limit)
  complaints = [] if ending.code == 0 else [ending.output[-3000:]]
  complaints += scenario.complaints(folder / 'template', ending, Fault.BROKEN)
  return ending.calls, complaints or _gone_on(name, folder)


def _try(name: str, folder: pathlib.Path, call: Call, fault: Fault) -> Trial:
  scenario = _scenario(name, folder)
  ending: Ending | None = None
  for _ in range(TRIES):
    shutil.rmtree(scenario.out)
    shutil.copytree(folder / 'template', scenario.out, symlinks=True)
    ending = watched(scenario.act, scenario.out, folder / 'act.txt', (call, fault), scenario.limit)
    if ending.struck:
      break
  assert ending is not None
  complaints = scenario.complaints(folder / 'template', ending, fault) if ending.struck else []
  return Trial(call, fault, ending.struck, tuple([*complaints, *_gone_on(name, folder)]))


def _gone_on(name: str, folder: pathlib.Path) -> list[str]:
  scenario = _scenario(name, folder)
  after = watched(scenario.go_on, scenario.out, folder / 'after.txt', None, scenario.limit)
  if after.code != 0:
    last = (after.output.strip().splitlines() or ['nothing'])[-1]
    return [f'what comes next fails ({after.code}): {last[:400]}']
  return [f'in the end {complaint}' for complaint in scenario.final_complaints(folder / 'template')]
