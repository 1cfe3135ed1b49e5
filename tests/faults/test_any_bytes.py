"""Whatever bytes a file of the product's holds, whoever reads it gets a value or a sentence, and soon.

Oracle: the tree of errors. The bytes are real files that were altered by lot: cut, flipped, exchanged, filled with what
breaks parsers, or nothing but noise. `FARELITE_FAULT_SEED` chooses another lot, `FARELITE_FAULT_ROUNDS` a longer one.
"""

from __future__ import annotations

import contextlib
import datetime
import os
import pathlib
import random
import signal
from collections.abc import Callable, Iterator

import pytest

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
from models.release import MANIFEST, find_pushed, verify
from models.served_versions import next_version, served_version, versions
from pipeline.retraining.ledger import Ledger, LedgerRun, SpanEntry
from tests.pipeline.made_store import make_version

SEED = int(os.environ.get('FARELITE_FAULT_SEED', '0'))
ROUNDS = int(os.environ.get('FARELITE_FAULT_ROUNDS', '100'))
SECONDS = 10
NOW = datetime.datetime(2026, 3, 8, tzinfo=datetime.timezone.utc)

TOKENS = (
  b'\x00', b'\xff\xfe', b'\xef\xbb\xbf', b'\n', b'\r', b'\x1b[2J', b'{', b'}', b'[', b']', b'"', b'\\ud800', b'null',
  b'NaN', b'Infinity', b'-1', b'1e999', b'9' * 400, b'9' * 5000, b'true', b'""', b'[[' * 4000, b'{"a":' * 4000, b'5\n',
  b'{}\n', b'{"settled": 1}\n', b'&a [*a]', b'!!python/object/apply:os.getcwd []', b'? ', b'- ', b': ', b'<<: *x',
  b'name: a\nname: b\n', b'extends: chicago\n', b'\xe2\x80\xa8', b'"schema_version": 99', b'2026-99-99', b'\t',
)  # fmt: skip


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


def altered(content: bytes, lot: random.Random) -> bytes:
  """The bytes after one to three changes."""
  data = bytearray(content)
  for _ in range(lot.choice((1, 1, 1, 2, 3))):
    place, other = lot.randint(0, len(data)), lot.randint(0, len(data))
    first, last = sorted((place, other))
    kind = lot.randrange(8)
    if kind == 0:
      del data[place:]
    elif kind == 1 and data:
      data[place % len(data)] ^= 1 << lot.randrange(8)
    elif kind == 2:
      del data[first:last]
    elif kind == 3:
      data[place:place] = lot.choice(TOKENS)
    elif kind == 4:
      data[first:last] = lot.choice(TOKENS)
    elif kind == 5:
      data[place:place] = data[first:last]
    elif kind == 6:
      data = bytearray(lot.randbytes(lot.randint(0, 200)))
    else:
      digits = [position for position, byte in enumerate(data) if chr(byte).isdigit()]
      if digits:
        chosen = lot.choice(digits)
        data[chosen : chosen + 1] = lot.choice((b'-7', b'1.5', b'"x"', b'null', b'99999999999999999999', b'[]'))
  return bytes(data)


def _sentences_alone(path: pathlib.Path, readers: dict[str, Callable[[], object]]) -> None:
  """Alters a file round by round; tells of each reader that raised something else, with the bytes."""
  content, faults = path.read_bytes(), {}
  certain = [data for token in TOKENS for data in (token, token + content, content + token)]
  for number in range(len(certain) + ROUNDS):
    lot = random.Random(f'{SEED} {path.name} {number}')
    data = certain[number] if number < len(certain) else altered(content, lot)
    for name, read in readers.items():
      path.write_bytes(data)
      try:
        with _soon():
          read()
      except FareliteError as error:
        assert str(error).strip(), 'an empty sentence'
        assert len(str(error)) < 20_000 + 2 * len(data), f'a sentence of {len(str(error))} characters'
      except BaseException as error:
        if isinstance(error, KeyboardInterrupt):
          raise
        faults.setdefault(f'{name}: {type(error).__name__}', f'round {number}, {error!s:.200}: {data[:80]!r} …')
  assert not faults, '\n'.join(f'{name}, {what}' for name, what in faults.items())


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


def test_the_journal(journal: pathlib.Path):
  base = journal.parent
  _sentences_alone(journal, {'rollbacks': lambda: rollbacks(base), 'record_outcomes': lambda: record_outcomes(base)})


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


def _decided(path: pathlib.Path) -> None:
  """What `retrain` asks a ledger before anything else."""
  found = Ledger.load(path)
  found.seen(), found.last, found.last_finished, found.push_of('7')
  found.save()


def test_the_ledger(ledger: pathlib.Path):
  _sentences_alone(ledger, {'load': lambda: Ledger.load(ledger), 'decide': lambda: _decided(ledger)})


@pytest.mark.parametrize(
  'name',
  [
    pytest.param(MANIFEST, id='manifest'),
    pytest.param('saved_model.pb', id='graph'),
  ],
)
def test_a_version(tmp_path: pathlib.Path, name: str):
  """An altered file of a version is told, and never passed over: no reader takes the version for whole."""
  base = tmp_path / 'serving'
  for version in (1, 2):
    make_version(base / str(version), f'bytes of {version}')
  file = base / '2' / name
  content = file.read_bytes()

  def whole() -> None:
    verify(base / '2')
    assert file.read_bytes() == content, 'altered bytes are taken for whole'

  _sentences_alone(file, {'verify': whole, 'find_pushed': lambda: find_pushed(base)})


def test_the_names_beside_the_versions(tmp_path: pathlib.Path):
  """What serves is one of the whole versions, whatever else lies there; a new number is above all of them."""
  lot = random.Random(SEED)
  names = [
    '0',
    '00',
    '1',
    '01',
    '²',
    '٣',
    '1e3',
    '-1',
    '+1',
    ' 1',
    '1 ',
    '9' * 30,
    '9' * 4500,
    '1\n',
    'NaN',
    '.7',
    '７',
  ]
  kinds = ['version', 'empty', 'file', 'link', 'loop', 'pipe']
  for number in range(ROUNDS // 3):
    base = tmp_path / str(number)
    base.mkdir()
    whole = set()
    for name in lot.sample(names, lot.randint(1, 6)):
      kind, path = lot.choice(kinds), base / name
      with contextlib.suppress(OSError):  # Longer than a name may be.
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
      assert set(versions(base)) == whole, sorted(path.name for path in base.iterdir())
      assert served_version(base) == max(whole, default=None)
      assert next_version(base, 1) > max(whole, default=0)


def _config_text() -> str:
  return (
    'extends: nyc\nname: mine\ntraining:\n  epochs: 3\n  recipes: [dense, {extends: pruned_80, name: "mine"}]\n'
    'dataset:\n  path: /rides/*.csv\nevaluation: {max_rmse: 4.5}\nretention: {runs: 3}\n'
  )


@pytest.mark.parametrize('whole', [False, True], ids=['short', 'resolved'])
def test_a_config(tmp_path: pathlib.Path, whole: bool):
  path = tmp_path / 'mine.yaml'
  path.write_text(_config_text(), encoding='utf-8')
  if whole:
    path.write_text(loading.dump(loading.load(str(path))), encoding='utf-8')
  _sentences_alone(path, {'load and dump': lambda: loading.dump(loading.load(str(path)))})


@pytest.mark.parametrize('kind', ['recipe', 'scheme'])
def test_a_recipe_and_a_scheme(tmp_path: pathlib.Path, kind: str):
  path = tmp_path / 'mine.yaml'
  texts = {
    'recipe': 'summary: mine\nextends: pruned_80\npruning: {final_sparsity: 0.7}\n',
    'scheme': 'summary: mine\nextends: int8\ncalibration: {rides: 2000, longest: 200}\n',
  }
  path.write_text(texts[kind], encoding='utf-8')
  setting = {'recipe': 'training.recipes=[dense, {}]', 'scheme': 'compression.schemes=[float32, {}]'}[kind]
  _sentences_alone(path, {'load': lambda: loading.load('nyc', [setting.format(path)])})


def test_an_override():
  lot = random.Random(SEED)
  faults = {}
  for _ in range(ROUNDS):
    text = altered(b'training.recipes=[dense, pruned_80]', lot).decode(errors='surrogateescape')
    try:
      with _soon():
        loading.load('nyc', [text])
    except FareliteError as error:
      assert str(error)
    except BaseException as error:
      faults.setdefault(type(error).__name__, f'{text!r:.120} {error!s:.200}')
  assert not faults
