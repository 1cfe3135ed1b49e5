"""Everyone who asks what serves gets the same answer, and nobody has a rule of their own.

Oracle: destinations whose answer a model server would give, and the source of all rooms.
"""

from __future__ import annotations

import ast
import pathlib
import re
import shutil
import types
from collections.abc import Callable, Iterator

import pytest
from tfx.types import standard_artifacts

from components.pusher.publishing import publish, staging
from components.pusher.rollback import RestoreError, Rollback, remove_versions, restore
from components.resolvers.served_model import VERSION_PROPERTY, ServedModelExecutor
from configs.errors import UserError
from models.served_versions import SAVED_MODEL, next_version, served_version, versions
from pipeline.commands import retrain
from pipeline.commands import run as commands_run
from pipeline.local import run as local_run
from pipeline.local.steps import Output, Step, StepState
from pipeline.operations import registry, retention
from pipeline.prediction.scoring import find_model
from pipeline.rehearsal import bucket_guard
from pipeline.report.record import read_record
from pipeline.report.sections.model import served_section
from pipeline.retraining.ledger import Ledger, LedgerRun
from pipeline.summary_record import Status, Summary
from tests.pipeline.made_run import write_json
from tests.pipeline.made_store import NOON, MadeStore, make_version
from tests.test_rooms import ROOMS, ROOT, _sources


def _begun(path: pathlib.Path) -> None:
  """As a copy to or from an object store leaves a version that is not whole: `saved_model.pb` would come last."""
  (make_version(path, path.name) / SAVED_MODEL).unlink()


def _whole(*names: str) -> Callable[[pathlib.Path], None]:
  def make(serving: pathlib.Path) -> None:
    for name in names:
      make_version(serving / name, f'bytes of {name}')

  return make


def _empty(*names: str) -> Callable[[pathlib.Path], None]:
  def make(serving: pathlib.Path) -> None:
    for name in names:
      (serving / name).mkdir(parents=True)

  return make


def _elsewhere(serving: pathlib.Path) -> None:
  make_version(serving.parent / 'elsewhere', 'bytes of elsewhere')
  (serving / '200').symlink_to(serving.parent / 'elsewhere')


DESTINATIONS = [
  pytest.param([], None, id='not_there'),
  pytest.param([_empty('')], None, id='empty'),
  pytest.param([_whole('100')], 100, id='whole'),
  pytest.param([_whole('9', '100')], 100, id='numbers_not_text'),
  pytest.param([_whole('1', '100'), _empty('200')], 100, id='whole_and_empty'),
  pytest.param([_whole('1', '100'), lambda at: _begun(at / '200')], 100, id='whole_and_half_copied'),
  pytest.param([_empty('200'), lambda at: _begun(at / '300')], None, id='nothing_whole'),
  pytest.param([_whole('1', '100', '.staging-x/200', '.staging-removed-300')], 100, id='staged_leftovers'),
  pytest.param([_whole('1', '100', 'latest', 'v200', '200.5', '-200')], 100, id='no_numbers'),
  pytest.param([_whole('1', '100', '0200', '٣٠٠')], 100, id='otherwise_written_numbers'),
  pytest.param([_whole('1', '100'), lambda at: (at / '200').write_text('')], 100, id='a_file'),
  pytest.param([_whole('1', '100'), _elsewhere], 200, id='a_link'),
  pytest.param([_whole('1', '100'), lambda at: (at / '200').symlink_to('nowhere')], 100, id='a_link_to_nowhere'),
]


def _predict(made: MadeStore) -> int | None:
  try:
    return int(find_model(str(made.output.serving)).lite.parent.name)
  except UserError:
    return None


def _step(made: MadeStore) -> int | None:
  model = standard_artifacts.Model()
  model.uri = str(made.output.path / 'model')
  parameters = {'push_destination': str(made.output.serving), 'code_version': '1'}
  ServedModelExecutor().Do({}, {'model': [model]}, parameters)
  version = model.get_string_custom_property(VERSION_PROPERTY)
  copied = pathlib.Path(model.uri, 'Format-Serving')
  assert copied.exists() == bool(version)
  if version:
    assert (copied / 'variables/data').read_bytes() == (made.output.serving / version / 'variables/data').read_bytes()
    shutil.rmtree(copied)
  return int(version) if version else None


class _AskedError(Exception):
  """Ends a rollback before it changes anything."""


def _rollback(made: MadeStore) -> int | None:
  def entry(restored: int, replaced: int) -> Rollback:
    raise _AskedError(replaced)

  copy = _copy(made)
  try:
    restore(copy, None, entry)
  except _AskedError as asked:
    return asked.args[0]
  except RestoreError as error:
    only = re.search(r'no version before (\d+) with other bytes', str(error))
    return int(only[1]) if only else None
  raise AssertionError


def _removal(made: MadeStore) -> int | None:
  """What stays when all are to go."""
  copy = _copy(made)
  remove_versions(copy, range(1000))
  left = versions(copy)
  assert len(left) <= 1
  return left[0] if left else None


def _copy(made: MadeStore) -> pathlib.Path:
  copy = made.output.path / 'copy'
  shutil.rmtree(copy, ignore_errors=True)
  if made.output.serving.exists():
    shutil.copytree(made.output.serving, copy, symlinks=True)
  return copy


def _retention(made: MadeStore) -> int | None:
  planned = retention.plan(made.store, made.config, made.output)
  assert planned.versions == []
  return planned.serves


def _run(made: MadeStore) -> int | None:
  """The push of a cached run is outdated unless its very bytes serve."""

  def cached(version: pathlib.Path) -> list[Step]:
    return [Step('Pusher', StepState.CACHED, 1.0, {'pushed_model': [Output(str(version), {'pushed': 1})]})]

  serving = made.output.serving
  folders = [path for path in serving.rglob('*') if (path / 'assets.extra').is_dir()] if serving.exists() else []
  serves = [path for path in folders if not local_run._push_is_outdated(cached(path), serving)]
  assert len(serves) <= 1
  if not serves:
    return None
  first = Summary(status=Status.PUSHED, pushed_path='/first', pushed_version='0')
  result = local_run._name_what_serves(first, cached(serves[0]), serving)
  assert (result.pushed_path, result.pushed_version) == (str(serves[0]), serves[0].name)
  return int(serves[0].name)


def _report(made: MadeStore) -> int | None:
  write_json(made.output.summary, {'status': 'not_blessed'})
  section = served_section(read_record(made.output.path))
  return section and int(section.version)


def _no_new_data(made: MadeStore) -> int | None:
  ledger = Ledger(made.output.ledger, runs=[LedgerRun(NOON, {1: 'a'}, 's', 'not_blessed')])
  sentence = commands_run.no_new_data(_plan(), ledger, made.output)
  assert sentence is not None
  serves = re.search(r'Version (\d+) goes on serving\.$', sentence)
  assert serves or sentence.endswith('No model serves.')
  return int(serves[1]) if serves else None


def _retraining(made: MadeStore) -> int | None:
  return retrain.situation(made.config, _plan(), Ledger(made.output.ledger), made.output, NOON).served


def _plan() -> types.SimpleNamespace:
  window = types.SimpleNamespace(newest=types.SimpleNamespace(label='2026-01-01'))
  return types.SimpleNamespace(
    window=window, setting='s', fresh=(), new_rows=0, broken=dict, same_as=lambda run: run is not None
  )


ASKERS: dict[str, Callable[[MadeStore], int | None]] = {
  'the rule': lambda made: served_version(made.output.serving),
  'predict': _predict,
  'ServedModel': _step,
  'rollback': _rollback,
  'removal': _removal,
  'retention': _retention,
  'runs': lambda made: registry.serving_version(made.store, made.config, made.output),
  'run': _run,
  'report': _report,
  'run --window': _no_new_data,
  'retrain': _retraining,
}


@pytest.mark.parametrize(('make', 'expected'), DESTINATIONS)
def test_everyone_names_the_same_version(tmp_path, make, expected):
  """Then one more is pushed, and everyone names that."""
  made = MadeStore(tmp_path / 'out')
  for part in make:
    part(made.output.serving)
  assert {name: ask(made) for name, ask in ASKERS.items()} == dict.fromkeys(ASKERS, expected)
  base = str(made.output.serving)
  number = next_version(base, 1)
  with staging(base) as folder:
    publish(str(make_version(pathlib.Path(folder, 'new'), 'new bytes')), base, number)
  assert {name: ask(made) for name, ask in ASKERS.items()} == dict.fromkeys(ASKERS, number)


def test_the_report_looks_below_what_its_run_pushed(tmp_path):
  made = MadeStore(tmp_path)
  for part in (_whole('9', '100', '300'), _empty('200')):
    part(made.output.serving)
  for pushed, before in (('300', '100'), ('200', '100'), ('100', '9'), ('latest', '300')):
    write_json(made.output.summary, {'status': 'pushed', 'pushed_path': str(made.output.serving / pushed)})
    section = served_section(read_record(tmp_path))
    assert section and section.version == before
  write_json(made.output.summary, {'status': 'pushed', 'pushed_path': str(made.output.serving / '9')})
  assert served_section(read_record(tmp_path)) is None


HOME = 'models/served_versions.py'
OTHER_NUMBERS = {
  'pipeline/report/record.py',
  'configs/layer_names.py',
  'configs/numbers.py',
  'configs/operations.py',
  'components/ride_example_gen/hints.py',
  'pipeline/starting/sample.py',
}
"""Files that read numbers of something else: TFX's artifact folders, hidden layers, cells, spans."""


_NUMBERS = re.compile(r'.+\.(isdecimal|isdigit|isnumeric)|key=int|int\(\w+\.name\)')
_LOOKS = re.compile(
  r'.*(serving|destination)\.(iterdir|glob|rglob|walk)|.*base\.iterdir|.*(listdir|scandir)\(.*(serving|base|destination).*'
)


def _rules(source: str, numbers: bool = True) -> Iterator[str]:
  """What a rule about versions is made of: names that are numbers, `saved_model.pb`, a look into a destination."""
  tree = ast.parse(source)
  texts = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
  for node in ast.walk(tree):
    code = ast.unparse(node) if isinstance(node, ast.Call | ast.Attribute | ast.keyword) else ''
    if (numbers and _NUMBERS.fullmatch(code)) or _LOOKS.fullmatch(code):
      yield code
    elif isinstance(node, ast.Constant) and SAVED_MODEL in str(node.value) and id(node) not in texts:
      yield repr(node.value)


def test_there_is_no_other_rule():
  files = [path for room in ROOMS for path in _sources(room)]
  names = {str(path.relative_to(ROOT)): path for path in files}
  assert {HOME} | OTHER_NUMBERS <= names.keys()
  assert list(_rules(names.pop(HOME).read_text(encoding='utf-8')))
  assert f'/{HOME}' in bucket_guard._BY_SCHEME, 'it asks whether a place is local'
  found = {
    name: list(_rules(path.read_text(encoding='utf-8'), name not in OTHER_NUMBERS)) for name, path in names.items()
  }
  assert {name: rules for name, rules in found.items() if rules} == {}


@pytest.mark.parametrize(
  'rule',
  [
    pytest.param("[c for c in place.iterdir() if c.name.isdecimal() and c.is_dir()]", id='predict'),
    pytest.param("max([wanted, *(int(name) + 1 for name in names(base) if name.isdecimal())])", id='push'),
    pytest.param("sorted(int(path.name) for path in base.iterdir())", id='rollback'),
    pytest.param("fileio.listdir(push_destination)", id='served_model'),
    pytest.param("fileio.exists(os.path.join(path, 'saved_model.pb'))", id='complete'),
    pytest.param("max(older, key=int, default=None)", id='report'),
    pytest.param("record.output.serving.iterdir()", id='retraining'),
    pytest.param("f'{path}/saved_model.pb'", id='in_a_text'),
  ],
)  # fmt: skip
def test_the_reader_sees_the_rules_that_there_were(rule):
  assert list(_rules(rule + '\n')) or list(_rules(f'x = {rule}\n'))
