"""Whatever a file of the product's holds, whoever reads it gets a value or a sentence, and soon.

Oracle: the tree of errors. Hypothesis makes what is read: noise, real files with some bytes exchanged, real
records with a value of another kind, and what breaks parsers. By default it makes the same few each time; `make
test-slow` makes many others (`--hypothesis-profile slow`). What is taken badly is told, as small as it gets.
"""

from __future__ import annotations

import contextlib
import copy
import datetime
import json
import os
import pathlib
import signal
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from components.pusher.rollback import (
  JOURNAL,
  Rollback,
  announce,
  manifest_digest,
  record_outcomes,
  rollbacks,
  skipped_lines,
)
from configs import loading
from configs.errors import FareliteError
from configs.operations import Retention
from configs.records import Record
from models.release import MANIFEST, find_pushed, verify
from models.served_versions import next_version, served_version, versions
from pipeline.operations import registry, retention
from pipeline.report.record import read_record
from pipeline.retraining.ledger import Ledger, LedgerRun, SpanEntry
from tests.pipeline.made_store import MadeStore, make_version
from tests.pipeline.test_record_files import LEDGER, OLD, SUMMARY

SECONDS = 10
NOW = datetime.datetime(2026, 3, 8, tzinfo=datetime.timezone.utc)

TOKENS = (
  b'\x00', b'\xff\xfe', b'\xef\xbb\xbf', b'\n', b'\r', b'\x1b[2J', b'{', b'}', b'[', b']', b'"', b'"\\ud800"', b'null',
  b'NaN', b'Infinity', b'-1', b'1e999', b'9' * 400, b'9' * 5000, b'true', b'""', b'[[' * 4000, b'{"a":' * 4000, b'5\n',
  b'{}\n', b'{"settled": 1}\n', b'&a [*a]', b'!!python/object/apply:os.getcwd []', b'? ', b'- ', b': ', b'<<: *x',
  b'name: a\nname: b\n', b'extends: chicago\n', b'\xe2\x80\xa8', b'"schema_version": 99', b'2026-99-99', b'\t',
  b'!!float ""', b'!!bool perhaps', b'&x ', b'*x ', b'<<: ', b'1:2:3', b'|\n', b'--- ', b'%YAML 9.9\n---\n',
)  # fmt: skip

VALUES = st.recursive(
  st.none()
  | st.booleans()
  | st.integers()
  | st.floats()
  | st.text(max_size=8)
  | st.sampled_from(['', 'x' * 999, 2**70]),
  lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
  max_leaves=5,
)
"""What JSON and YAML hold."""


class TookTooLongError(BaseException):
  """Nobody's error: no handler of the product may take it."""


@contextlib.contextmanager
def _soon() -> Iterator[None]:
  def ring(*_: object) -> None:
    raise TookTooLongError

  before = signal.signal(signal.SIGALRM, ring)
  signal.alarm(SECONDS)
  try:
    yield
  finally:
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


def told(read: Callable[[], object], length: int) -> None:
  """Reads; an error of the product's is one, too, if it says something, and no more than what was read allows."""
  try:
    with _soon():
      read()
  except FareliteError as error:
    assert str(error).strip(), 'an empty sentence'
    assert len(str(error)) < 20_000 + 2 * length, f'a sentence of {len(str(error))} characters'


@st.composite
def altered(draw: st.DrawFn, content: bytes) -> bytes:
  """The bytes with up to three places exchanged for others, or for none."""
  data = bytearray(content)
  for _ in range(draw(st.integers(1, 3))):
    first, last = sorted(draw(st.tuples(st.integers(0, len(data)), st.integers(0, len(data)))))
    kept = draw(st.sampled_from([first, first + 1, last, len(data)]))
    data[first:kept] = draw(st.just(b'') | st.sampled_from(TOKENS) | st.binary(max_size=9))
  return bytes(data)


def any_bytes(content: bytes) -> st.SearchStrategy[bytes]:
  """Noise, or what is almost a file."""
  return st.binary(max_size=200) | st.sampled_from(TOKENS) | altered(content) | altered(content)


@st.composite
def misshapen(draw: st.DrawFn, whole: Any, values: st.SearchStrategy = VALUES) -> Any:
  """A tree of JSON or YAML in which something is missing, or is something else."""
  tree = copy.deepcopy(whole)
  for _ in range(draw(st.integers(1, 2))):
    inside, key = draw(st.sampled_from(list(_places(tree)) or [({}, 'x')]))
    if draw(st.integers(0, 3)):
      inside[key] = draw(values)
    else:
      inside.pop(key, None) if isinstance(inside, dict) else inside.pop(key)
  return tree


def _places(tree: Any) -> Iterator[tuple[Any, Any]]:
  for key, value in tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ():
    yield tree, key
    yield from _places(value)


def _entry(identity: str, version: int) -> Rollback:
  return Rollback(
    id=identity, time='2026-03-08T00:00:00+00:00', version=version, restored=1, replaced=2, withdraws=True,
    reason='Zwölf — „fares“ are off', by='me@here', restored_manifest='ab' * 32, replaced_manifest='cd' * 32,
    restored_model=41,
  )  # fmt: skip


@pytest.fixture
def journal(tmp_path: pathlib.Path) -> pathlib.Path:
  """A journal of two rollbacks, the first one settled, beside versions 1 and 2."""
  for version in (1, 2):
    make_version(tmp_path / str(version), f'bytes of {version}')
  announce(tmp_path, _entry('first', 3))
  announce(tmp_path, _entry('second', 4))
  return tmp_path / JOURNAL


@given(data=st.data())
def test_the_journal(journal: pathlib.Path, data: st.DataObject):
  """Not even a sentence: what is no line of a journal is skipped."""
  base = journal.parent
  journal.write_bytes(data.draw(any_bytes(_JOURNAL) | misshapen(json.loads(_LINE)).map(json.dumps).map(str.encode)))
  with _soon():
    rollbacks(base)
    skipped_lines(base)
    record_outcomes(base)
    assert all(isinstance(entry, Rollback) for entry in rollbacks(base))


_LINE = _entry('first', 3).to_json(indent=None)
_JOURNAL = f'{_LINE}\n{{"schema_version": 1, "settled": "first", "happened": true}}\n'.encode()


@pytest.mark.parametrize(
  'line',
  [
    pytest.param(b'5', id='number'),
    pytest.param(b'null', id='null'),
    pytest.param(b'"text"', id='text'),
    pytest.param(b'[1, 2]', id='list'),
    pytest.param(b'{}', id='empty_record'),
    pytest.param(b'{"settled": 1, "happened": "perhaps"}', id='damaged_outcome'),
    pytest.param(b'{"schema_version": 2, "id": "x", "kind": "pinned"}', id='newer'),
    pytest.param(b'\xff\xfe\x00', id='no_text'),
  ],
)
def test_a_foreign_line_of_the_journal_hides_no_rollback(journal: pathlib.Path, line: bytes):
  """A rollback that happened still counts, whatever line comes before or after it."""
  make_version(journal.parent / '5', 'bytes of 5')
  whole = journal.read_bytes()
  happened = rollbacks(journal.parent)
  for content in (whole + line + b'\n', line + b'\n' + whole):
    journal.write_bytes(content)
    assert rollbacks(journal.parent) == happened
    assert len(skipped_lines(journal.parent)) == 1
    record_outcomes(journal.parent)


@pytest.mark.parametrize('sign', ['\u2028', '\u2029', '\x85'])
def test_a_reason_may_hold_any_sign(tmp_path: pathlib.Path, sign: str):
  make_version(tmp_path / '5', 'bytes of 5')
  facts = {'reason': f'fares{sign}are off', 'restored_manifest': manifest_digest(tmp_path / '5')}
  entry = _entry('only', 5).model_copy(update=facts)
  announce(tmp_path, entry)
  assert rollbacks(tmp_path) == [entry]


@pytest.fixture
def ledger(tmp_path: pathlib.Path) -> pathlib.Path:
  """A ledger with spans and runs."""
  path = tmp_path / 'retraining.json'
  written = Ledger(path, {7: SpanEntry('digest', 10, 9), 8: SpanEntry('other', 5, 0, broken='no rides', late=True)})
  for number in (7, 8):
    written.begin(LedgerRun(NOW, {number: 'digest'}, 'setting', kept={number: 9}))
    written.end(status='pushed', pushed_path=f'/out/serving/{number}', statistics='/out/statistics')
  return path


@given(data=st.data())
def test_the_ledger(ledger: pathlib.Path, data: st.DataObject):
  """What `retrain` asks a ledger before anything else."""

  def decide() -> None:
    found = Ledger.load(ledger)
    found.seen(), found.last, found.last_finished, found.push_of('7')
    assert all(run.finished in (True, False) and run.newest >= 0 for run in found.runs)
    found.save()

  tree = misshapen(json.loads(LEDGER)).map(lambda tree: json.dumps(tree).encode())
  content = data.draw(any_bytes(LEDGER.encode()) | tree)
  ledger.write_bytes(content)
  told(decide, len(content))


@pytest.mark.parametrize('name', [pytest.param(MANIFEST, id='manifest'), pytest.param('saved_model.pb', id='graph')])
@given(data=st.data())
def test_a_version(tmp_path_factory: pytest.TempPathFactory, name: str, data: st.DataObject):
  """An altered file of a version is told, and never passed over: no reader takes the version for whole."""
  base = tmp_path_factory.mktemp('serving')
  for version in (1, 2):
    make_version(base / str(version), f'bytes of {version}')
  file = base / '2' / name
  content = file.read_bytes()
  altered_content = data.draw(any_bytes(content))
  file.write_bytes(altered_content)

  def whole() -> None:
    verify(base / '2')
    assert altered_content == content, 'altered bytes are taken for whole'

  told(whole, len(altered_content))
  told(lambda: find_pushed(base), len(altered_content))


NAMES = ('0', '00', '1', '01', '²', '٣', '1e3', '-1', '+1', ' 1', '1 ', '9' * 30, '9' * 250, '1\n', 'NaN', '.7', '７')


@given(
  found=st.dictionaries(st.sampled_from(NAMES), st.sampled_from(['version', 'empty', 'file', 'link', 'loop', 'pipe']))
)
def test_the_names_beside_the_versions(tmp_path_factory: pytest.TempPathFactory, found: dict[str, str]):
  """What serves is one of the whole versions, whatever else lies there; a new number is above all of them."""
  base, whole = tmp_path_factory.mktemp('serving'), set()
  for name, kind in found.items():
    path = base / name
    if kind == 'version':
      make_version(path, name)
      whole |= {int(name)} if name.isdecimal() and name.isascii() and str(int(name)) == name else set()
    elif kind == 'empty':
      path.mkdir()
    elif kind == 'file':
      path.touch()
    elif kind == 'pipe':
      os.mkfifo(path)
    else:
      path.symlink_to(base / ('nowhere' if kind == 'link' else name))
  with _soon():
    assert set(versions(base)) == whole
    assert served_version(base) == max(whole, default=None)
    assert next_version(base, 1) > max(whole, default=0)


@pytest.fixture(scope='module')
def made(tmp_path_factory: pytest.TempPathFactory) -> MadeStore:
  """An output directory with a run that pushed."""
  store = MadeStore(tmp_path_factory.mktemp('store') / 'out')
  store.run(version=1)
  return store


STORED = (
  st.text(max_size=20) | st.integers(-9, 9) | st.floats() | st.sampled_from(['running', '2026-03-08', '9' * 5000])
)


@given(facts=st.dictionaries(st.sampled_from([*registry.RunEntry.model_fields, 'host#001', '#', 'new']), STORED))
def test_what_the_store_holds_of_a_run(made: MadeStore, facts: dict[str, Any]):
  """Another program, or a newer version, may have written it."""
  [context] = made.store.get_contexts_by_type(registry.RUN_TYPE)
  context.custom_properties.clear()
  registry.set_properties(context, {**facts, 'pipeline': made.config.name})
  made.store.put_contexts([context])
  told(lambda: registry.read_runs(made.store, made.config, made.output), 6000)
  limited = made.config.model_copy(update={'retention': Retention(runs=1, max_age_days=1)})
  told(lambda: retention.plan(made.store, limited, made.output), 6000)


@given(version=STORED, model=STORED)
def test_what_the_store_holds_of_a_push(made: MadeStore, version: object, model: object):
  artifact = copy.deepcopy(made.pushes[made.runs[0]])
  registry.set_properties(artifact, {'pushed_version': version, 'evaluated_model_id': model})
  made.store.put_artifacts([artifact])
  found = registry.pushes(made.store, made.config.name)
  # A long text is cut.
  told_as = {int(version[:600])} if isinstance(version, str) and version.isdecimal() else set()
  assert set(found) <= told_as


@pytest.mark.parametrize(('model', 'text'), OLD)
@given(data=st.data())
def test_a_record(model: type[Record], text: str, data: st.DataObject):
  content = data.draw(any_bytes(text.encode()))
  told(lambda: model.parse(content, 'the file').to_json(), len(content))
  tree = data.draw(misshapen(json.loads(text)) | VALUES)
  told(lambda: model.of(tree, 'the file'), len(repr(tree)))


@given(data=st.data())
def test_what_a_report_is_made_of(tmp_path: pathlib.Path, data: st.DataObject):
  summary = data.draw(any_bytes(SUMMARY.encode()) | st.just(SUMMARY.encode()))
  (tmp_path / 'summary.json').write_bytes(summary)
  config = data.draw(any_bytes(_CONFIG.encode()) | misshapen(yaml.safe_load(_CONFIG)).map(json.dumps).map(str.encode))
  (tmp_path / 'config.yaml').write_bytes(config)

  def read() -> None:
    record = read_record(tmp_path)
    assert isinstance(record.currency, str) and isinstance(record.resamples, int)

  told(read, len(summary) + len(config))


_CONFIG = (
  'extends: nyc\nname: mine\ntraining:\n  epochs: 3\n  recipes: [dense, {extends: pruned_80, name: "mine"}]\n'
  'dataset:\n  path: /rides/*.csv\nevaluation: {max_rmse: 4.5}\nretention: {runs: 3}\n'
)
_RESOLVED = loading.dump(loading.load('nyc'))


@given(data=st.data())
def test_a_config(tmp_path: pathlib.Path, data: st.DataObject):
  path = tmp_path / 'mine.yaml'
  content = data.draw(any_bytes(_CONFIG.encode()) | any_bytes(_RESOLVED.encode()))
  path.write_bytes(content)
  told(lambda: loading.dump(loading.load(str(path))), len(content))


@given(data=st.data())
def test_a_setting_of_another_kind(data: st.DataObject):
  """What is taken nevertheless is a config that can be written and read again."""
  dates = st.dates() | st.datetimes()
  tree = data.draw(misshapen(yaml.safe_load(_RESOLVED), VALUES | dates))

  def read() -> None:
    loading.validate(yaml.safe_load(loading.dump(loading.validate(tree))))

  told(read, len(repr(tree)))


@pytest.mark.parametrize('kind', ['recipe', 'scheme'])
@given(data=st.data())
def test_a_recipe_and_a_scheme(tmp_path: pathlib.Path, kind: str, data: st.DataObject):
  text = {
    'recipe': b'summary: mine\nextends: pruned_80\npruning: {final_sparsity: 0.7}\n',
    'scheme': b'summary: mine\nextends: int8\ncalibration: {rides: 2000, longest: 200}\n',
  }[kind]
  path = tmp_path / 'mine.yaml'
  setting = {'recipe': 'training.recipes=[dense, {}]', 'scheme': 'compression.schemes=[float32, {}]'}[kind]
  content = data.draw(any_bytes(text))
  path.write_bytes(content)
  told(lambda: loading.load('nyc', [setting.format(path)]), len(content))


@given(text=altered(b'training.recipes=[dense, pruned_80]').map(lambda data: data.decode(errors='surrogateescape')))
def test_an_override(text: str):
  told(lambda: loading.load('nyc', [text]), len(text))
