"""What is done while faults strike, what is done afterwards, and what has to hold in between and at the end.

Each function runs in a fork of a process that has loaded the libraries and nothing else.
"""

from __future__ import annotations

import datetime
import hashlib
import json
import pathlib
from collections.abc import Callable

from ml_metadata.proto import metadata_store_pb2 as mlmd_pb2
from tfx.proto import pusher_pb2
from tfx.types import standard_artifacts, standard_component_specs
from tfx.utils import proto_utils

from components.pusher.component import AtomicPusherExecutor
from components.pusher.rollback import JOURNAL, rollbacks
from configs import loading
from models.release import verify
from models.served_versions import served_version
from pipeline import cli
from pipeline.commands import operations
from pipeline.local import output as local_output
from pipeline.operations import registry
from pipeline.operations import store as operations_store
from pipeline.retraining.ledger import Ledger, LedgerRun
from tests.faults.system_calls import Ending, Fault
from tests.integration.conftest import QUICK, simulated
from tests.pipeline.made_store import MadeStore, make_version

NOW = datetime.datetime(2026, 3, 8, tzinfo=datetime.timezone.utc)
_OWN = ('.staging-', '.removed-')
"""What begins the names of folders on their way in or out."""
LIMITS = ('retention.runs=2', 'retention.versions=2')


class Scenario:
  """A folder, and what happens in it.

  Attributes: folder: absolute; `out` in it is watched, what else is there is not.
  """

  limit = 60.0
  """Seconds after which something hangs."""

  def __init__(self, folder: pathlib.Path) -> None:
    self.folder = folder
    self.out = folder / 'out'

  def prepare(self) -> None:
    """Fills the folder."""
    raise NotImplementedError

  def act(self) -> None:
    """What faults strike."""
    raise NotImplementedError

  def go_on(self) -> None:
    """What comes next, without a fault, and has to succeed."""
    raise NotImplementedError

  def complaints(self, before: pathlib.Path, ending: Ending, fault: Fault) -> list[str]:
    """What is wrong after `act`. Args: before: a copy of `out` from before."""
    raise NotImplementedError

  def final_complaints(self, before: pathlib.Path) -> list[str]:
    """What is wrong after `go_on`."""
    raise NotImplementedError


def digests(serving: pathlib.Path) -> dict[int, str]:
  """SHA-256 of each version that a model server sees, by this module's own reckoning."""
  seen = {}
  for path in serving.iterdir() if serving.is_dir() else ():
    if path.name.isdecimal() and (path / 'saved_model.pb').exists():
      seen[int(path.name)] = tree_digest(path)
  return seen


def tree_digest(path: pathlib.Path) -> str:
  """SHA-256 over all files below a folder, their names among them."""
  digest = hashlib.sha256()
  for file in sorted(file for file in path.rglob('*') if file.is_file()):
    content = file.read_bytes()
    digest.update(f'{file.relative_to(path)}\0{len(content)}\0'.encode() + content)
  return digest.hexdigest()


def ending_complaints(ending: Ending, fault: Fault) -> list[str]:
  """A command ends with a sentence and an exit code that is documented, or by the fault itself."""
  if ending.code is None:
    return ['it hangs']
  if ending.code < 0 and fault is not Fault.KILLED:
    return [f'it dies by signal {-ending.code}']
  if 'Traceback (most recent call last)' in ending.output:
    return [f'a traceback: {ending.output.strip().splitlines()[-1]}']
  if ending.code not in (0, 1, 2) and fault is not Fault.KILLED:
    return [f'exit code {ending.code}']
  return []


class Versions(Scenario):
  """An output directory with four runs and the versions 1, 2 and 3, made without running anything."""

  def prepare(self) -> None:
    made = MadeStore(self.out)
    for version in (1, 2, 3):
      made.run(version=version)
    made.run()
    for name in ('model', 'next'):
      make_version(self.folder / name / 'Format-Serving', f'bytes of {name}')

  def whole(self) -> set[str]:
    """Digests of all versions that there may ever be."""
    return {tree_digest(self.folder / name / 'Format-Serving') for name in ('model', 'next')}

  def complaints(self, before: pathlib.Path, ending: Ending, fault: Fault) -> list[str]:
    serving, had = self.out / 'serving', digests(before / 'serving')
    has = digests(serving)
    found = ending_complaints(ending, fault)
    found += [f'version {number} is not whole' for number, digest in has.items() if digest not in self.known(had)]
    if not has or max(has) < max(had):
      return [*found, f'version {max(has, default=None)} serves after {max(had)}']
    found += [f'version {number} is lost' for number in had if number not in has and not self.may_go(number, max(had))]
    return found + self._told(ending, fault, before, served=has[max(has)] != had[max(had)])

  def known(self, had: dict[int, str]) -> set[str]:
    return {*had.values(), *self.whole()}

  def may_go(self, number: int, served: int) -> bool:
    """Whether the version may be removed."""
    return False

  def _told(self, ending: Ending, fault: Fault, before: pathlib.Path, served: bool) -> list[str]:
    """A command that fails has changed nothing of what serves; one that succeeds has."""
    if fault is Fault.KILLED or served == (ending.code == 0):
      return []
    return [f'exit code {ending.code}, though {"another" if served else "the same"} version serves']

  def go_on(self) -> None:
    """The command again, then what the next run does with versions, journal, store and ledger."""
    try:
      self.act()
    except SystemExit as error:
      assert not error.code, f'the command again: exit code {error.code}'
    next_run(self.out, self.folder / 'next')

  def final_complaints(self, before: pathlib.Path) -> list[str]:
    serving, has = self.out / 'serving', digests(self.out / 'serving')
    found = [f'version {n} is not whole' for n, d in has.items() if d not in self.known(digests(before / 'serving'))]
    if has[max(has)] != tree_digest(self.folder / 'next' / 'Format-Serving'):
      found.append('the next push does not serve')
    left = [path for path in self.out.rglob('.*') if path.name.startswith(_OWN) or path.name.endswith('.tmp')]
    hidden = [path.relative_to(self.out) for path in left]
    found += [f'{path} is left' for path in hidden if not any(part in hidden for part in path.parents)]
    return found + [f'{path.name} in serving is no version' for path in serving.iterdir() if self._is_odd(path)]

  def _is_odd(self, path: pathlib.Path) -> bool:
    return path.is_dir() and not path.name.startswith('.') and not (path / 'saved_model.pb').is_file()


def push(out: pathlib.Path, model_folder: pathlib.Path) -> None:
  """The Pusher's executor, as a launcher calls it; its output artifact lies where TFX puts it."""
  model, blessing = standard_artifacts.Model(), standard_artifacts.ModelBlessing()
  pushed = standard_artifacts.PushedModel()
  model.uri = blessing.uri = str(model_folder)
  pushed.uri = str(out / 'artifacts' / 'Pusher' / 'pushed_model' / model_folder.name)
  blessing.set_int_custom_property('blessed', 1)
  blessing.set_int_custom_property('current_model_id', 4100 + len(model_folder.name))
  base = pusher_pb2.PushDestination.Filesystem(base_directory=str(out / 'serving'))
  specs = standard_component_specs
  AtomicPusherExecutor().Do(
    {specs.MODEL_KEY: [model], specs.MODEL_BLESSING_KEY: [blessing]},
    {specs.PUSHED_MODEL_KEY: [pushed]},
    {specs.PUSH_DESTINATION_KEY: proto_utils.proto_to_json(pusher_pb2.PushDestination(filesystem=base))},
  )


def next_run(out: pathlib.Path, model_folder: pathlib.Path) -> None:
  """What a run does with what an earlier one left, but for its steps: claim, enter rollbacks, push, prune, note."""
  output = local_output.prepare(str(out))
  with local_output.locked(output):
    config = loading.load(str(output.config), LIMITS)
    store = operations_store.open_store(config.metadata, output.metadata)
    registry.claim(store, config, output)
    registry.record_rollbacks(store, config.name, output.serving)
    run = registry.new_run_id(NOW)
    registry.begin(store, run, registry.RunEntry(pipeline=config.name, started=NOW.isoformat(), output=str(out)))
    ledger = Ledger.load(output.ledger)
    ledger.begin(LedgerRun(NOW, {7: 'digest'}, 'setting'))
    push(out, model_folder)
    served = served_version(output.serving)
    verify(output.serving / str(served))
    registry.update(store, run, registry.RunEntry(status='pushed', pushed_version=served))
    ledger.end(status='pushed', pushed_path=str(output.serving / str(served)))
    operations.remove_expired(store, config, output)
    for entry in rollbacks(output.serving):
      assert entry.version in registry.pushes(store, config.name), f'the store does not know of {entry.version}'
    for artifact in store.get_artifacts():
      place = pathlib.Path(artifact.uri)
      assert artifact.state != mlmd_pb2.Artifact.LIVE or place.is_dir(), f'{place} is gone, and the store names it'


class Rollback(Versions):
  """`farelite rollback`."""

  def act(self) -> None:
    cli.main(['rollback', str(self.out), '--reason', 'airport fares are off'])

  def complaints(self, before: pathlib.Path, ending: Ending, fault: Fault) -> list[str]:
    """Also what serves by a rollback and is in no line of the journal."""
    found, served = super().complaints(before, ending, fault), max(digests(self.out / 'serving'))
    journal = self.out / 'serving' / JOURNAL
    lines = journal.read_bytes().splitlines() if journal.is_file() else []
    if served > 3 and not any(f'"version": {served},'.encode() in line and line.endswith(b'}') for line in lines):
      found.append(f'version {served} serves, and the journal does not know why')
    return found


class Push(Versions):
  """The push of another model; its executor ends a run by an error, which is no traceback of a command."""

  def act(self) -> None:
    from configs.errors import FareliteError

    try:
      push(self.out, self.folder / 'model')
    except FareliteError as error:
      print(f'Error: {error}')
      raise SystemExit(1) from None


class Prune(Versions):
  """`farelite prune` that removes two runs and two versions; nothing else serves by it."""

  def act(self) -> None:
    cli.main(['prune', str(self.out), '--set', 'retention.runs=1', '--set', 'retention.versions=1'])

  def may_go(self, number: int, served: int) -> bool:
    return number != served

  def _told(self, ending: Ending, fault: Fault, before: pathlib.Path, served: bool) -> list[str]:
    return ['another version serves'] if served else []


class Run(Scenario):
  """`farelite run` on other rides, while the version of an earlier run serves; every step has work to do."""

  limit = 600.0
  settings = (*QUICK, 'training.epochs=1', 'retention.runs=2', 'retention.versions=2', 'retention.after_run=true')

  def prepare(self) -> None:
    self._run('first')

  def act(self) -> None:
    self._run('second')

  go_on = act

  def _run(self, rides: str) -> None:
    folder = self.folder / rides
    path = next(folder.glob('*.csv'), None) or simulated(folder, rows=400, seed=len(rides))
    options = [part for setting in self.settings for part in ('--set', setting)]
    cli.main(['run', '--config', 'nyc', '--data', str(path), '--output', str(self.out), *options])

  def complaints(self, before: pathlib.Path, ending: Ending, fault: Fault) -> list[str]:
    had, has = digests(before / 'serving'), digests(self.out / 'serving')
    found = ending_complaints(ending, fault)
    found += [f'version {number} is lost or altered' for number in had if has.get(number) != had[number]]
    new = {number: path for number in has if number not in had and (path := self.out / 'serving' / str(number))}
    found += [f'version {number}: {reason}' for number, path in new.items() if (reason := _broken(path))]
    found += [f'version {number} has a number below {max(had)}' for number in new if number < max(had)]
    return found

  def final_complaints(self, before: pathlib.Path) -> list[str]:
    had, serving = digests(before / 'serving'), self.out / 'serving'
    has = digests(serving)
    found = [f'version {number} is altered' for number in had if has.get(number, had[number]) != had[number]]
    # Retention keeps two: one that was pushed by a run that failed afterwards is one of them.
    found += [f'version {number} is lost' for number in had if number not in has and sum(n > number for n in has) < 2]
    newest = serving / str(max(has))
    if max(has) <= max(had):
      return [*found, 'nothing new serves']
    summary = json.loads((self.out / 'summary.json').read_text())
    if (summary['status'], summary['pushed_path']) != ('pushed', str(newest)):
      found.append(f'the summary says {summary["status"]} {summary["pushed_path"]}, and {newest.name} serves')
    gate = pathlib.Path(summary['artifacts']['CompressionGate']['model'])
    if tree_digest(gate / 'Format-Serving') != has[max(has)]:
      found.append('what serves is not what the gate chose')
    if reason := _broken(newest):
      found.append(reason)
    odd = [path.name for path in serving.iterdir() if path.name not in (*map(str, has), 'rollbacks.jsonl')]
    return found + [f'{name} is left in serving' for name in odd]


def _broken(version: pathlib.Path) -> str | None:
  """Why a version is not whole, by its manifest, read here and not by the product; None if it is."""
  try:
    listed = json.loads((version / 'assets.extra' / 'manifest.json').read_text())['files']
  except (OSError, ValueError, KeyError) as error:
    return f'its manifest: {error!r}'
  for name, facts in listed.items():
    path = version / name
    if not path.is_file() or hashlib.sha256(path.read_bytes()).hexdigest() != facts['sha256']:
      return f'{name} is missing or altered'
  return None


SCENARIOS: dict[str, Callable[[pathlib.Path], Scenario]] = {
  'push': Push,
  'rollback': Rollback,
  'prune': Prune,
  'run': Run,
}
