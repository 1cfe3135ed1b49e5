"""The runner of faults itself, on a checkout of one module."""

import subprocess
import sys

import pytest

from tests.conftest import REPOSITORY
from tests.mutants import operators, places
from tests.mutants.__main__ import choose, listed

MODULE = """
import os


def age(born, now, most=120):
  years = now - born
  if years < 0 or years > most:
    raise ValueError(f'{years} - 1 years')
  return years


def save(file):
  file.write(b'1')
  os.fsync(file)
"""
TEST = """
import pytest

from models.ages import age


def test_age():
  assert age(10, 30) == 20
  with pytest.raises(ValueError):
    age(30, 10)
"""


def _faults(source):
  return [(mutation.operator, operators.mutated(source, mutation)) for mutation in operators.mutations(source)]


@pytest.mark.parametrize(
  ('source', 'operator', 'expected'),
  [
    pytest.param('a < b', 'comparison', ['(a >= b)'], id='comparison'),
    pytest.param('a < b', 'boundary', ['(a <= b)'], id='boundary'),
    pytest.param('not a', 'not dropped', ['(a)'], id='not'),
    pytest.param('a and b', 'and/or', ['(a or b)'], id='and'),
    pytest.param('a or b', 'part of a condition dropped', ['b', 'a'], id='part_of_a_condition'),
    pytest.param('def f(): a - b', 'arithmetic', ['def f(): (a + b)'], id='arithmetic'),
    pytest.param("'é' + f(1)", 'constant', ["'é' + f(2)"], id='constant_after_other_letters'),
    pytest.param('f(True)', 'constant', ['f(False)'], id='bool'),
    pytest.param('f(sorted(a, key=b))', 'sorted dropped', ['f(list(a))'], id='sorted'),
    pytest.param('x = max(a)', 'min for max', ['x = min(a)'], id='max'),
    pytest.param('os.fsync(a)', 'statement dropped', ['pass'], id='statement'),
    pytest.param('f(a=1, b=2)', 'argument dropped', ['f(b=2)', 'f(a=1)'], id='argument'),
    pytest.param('f(a, b.c)', 'arguments swapped', ['f(b.c, a)'], id='arguments'),
    pytest.param('x = a, b', 'pair swapped', ['x = (b, a)'], id='pair'),
    pytest.param('x = [a, b]', 'element dropped', ['x = [b]', 'x = [a]'], id='element'),
    pytest.param("{'a': 1, 'b': 2}", 'entry dropped', ["{'b': 2}", "{'a': 1}"], id='entry'),
    pytest.param('[a for a in b if a]', 'filter dropped', ['[a for a in b]'], id='filter'),
    pytest.param('def f(): return a', 'returns nothing', ['def f(): return None'], id='return'),
    pytest.param('def f(): raise A', 'error dropped', ['def f(): pass'], id='error'),
    pytest.param('if a:\n  b()', 'condition', ['if (not a):\n  b()'], id='condition'),
    pytest.param('x = a if b else c', 'branches swapped', ['x = (c if b else a)'], id='branches'),
    pytest.param('a |= b', 'assigned anew', ['a = b'], id='augmented_assignment'),
  ],
)
def test_a_fault_of_each_kind(source, operator, expected):
  assert sorted(after for found, after in _faults(source) if found == operator) == sorted(expected)


@pytest.mark.parametrize(
  'source',
  [
    pytest.param('"""1 + 2."""', id='docstring'),
    pytest.param('def f(a: b[1, 2]) -> c[1, 2]: ...', id='annotations'),
    pytest.param("logging.info('%d', 1)", id='logger'),
    pytest.param("__all__ = ['a', 'b']", id='exported_names'),
    pytest.param('Place = str | int', id='alias_of_types'),
    pytest.param("x = f'{a - 1}'", id='text'),
  ],
)
def test_no_fault(source):
  assert _faults(source) == []


def test_all_modules_of_the_list_are_there_and_have_tests():
  assert {
    module: places.tests_of(REPOSITORY, module) for module in places.MODULES if not (REPOSITORY / module).is_file()
  } == {}
  for module in places.MODULES:
    assert places.tests_of(REPOSITORY, module), module


def test_each_pattern_names_a_file():
  patterns = {pattern for found in places.MODULES.values() for pattern in found}
  assert {pattern for pattern in patterns if not list(REPOSITORY.glob(pattern))} == set()


def test_each_fault_that_changes_nothing_is_still_in_its_module():
  """Otherwise its reason may not hold any more."""
  gone = [
    (module, key)
    for module, reasons in places.EQUIVALENT.items()
    for key in reasons.keys()
    - {mutation.key for mutation in operators.mutations((REPOSITORY / module).read_text(encoding='utf-8'))}
  ]
  assert gone == []


def test_the_lot_is_fixed_by_its_seed():
  first = choose(REPOSITORY, 3, 20, 'pusher')
  assert first == choose(REPOSITORY, 3, 20, 'pusher')
  assert first != choose(REPOSITORY, 4, 20, 'pusher')
  assert len(set(first)) == 20
  assert {mutant.module for mutant in first} == {module for module in places.MODULES if 'pusher' in module}


@pytest.fixture(scope='module')
def tried(tmp_path_factory):
  """A run on all faults of one module, of which one function has tests."""
  root = tmp_path_factory.mktemp('small')
  for name, text in {
    'models/ages.py': MODULE,
    'tests/test_ages.py': TEST,
    'models/__init__.py': '',
    'tests/__init__.py': '',
  }.items():
    (root / name).parent.mkdir(exist_ok=True)
    (root / name).write_text(text, encoding='utf-8')
  subprocess.run(['git', 'init', '-q'], cwd=root, check=True)
  program = (
    'import pathlib, sys\nfrom tests.mutants import __main__ as runner, places\n'
    "places.MODULES = {'models/ages.py': ()}\n"
    "places.EQUIVALENT = {'models/ages.py': {'age: constant: 120 -> 121': 'Nobody is that old.'}}\n"
    "sys.exit(runner.main(['--count', '99'], root=pathlib.Path(sys.argv[1])))"
  )
  ended = subprocess.run(
    [sys.executable, '-c', program, root], cwd=REPOSITORY, capture_output=True, text=True, check=False
  )
  assert 'noticed' in ended.stdout, ended.stdout + ended.stderr
  return root, ended


def test_survivors_are_reported(tried):
  root, ended = tried
  survivors = (root / 'out' / 'mutants' / 'survivors.txt').read_text(encoding='utf-8')
  assert 'models/ages.py\tsave: statement dropped: os.fsync(file) -> pass\n' in survivors
  assert 'age: arithmetic: now - born -> (now + born)' not in survivors
  assert 'arithmetic: now - born -> (now + born)  by tests/test_ages.py::test_age' in ended.stdout


def test_survivors_can_be_tried_again(tried):
  root, _ = tried
  survivors = root / 'out' / 'mutants' / 'survivors.txt'
  again = listed(root, survivors)
  assert [f'{mutant.module}\t{mutant.mutation.key}' for mutant in again] == sorted(
    survivors.read_text(encoding='utf-8').splitlines(),
    key=[f'models/ages.py\t{m.key}' for m in operators.mutations(MODULE)].index,
  )


def test_too_many_survivors_fail(tried):
  assert tried[1].returncode == 1


def test_a_fault_that_changes_nothing_is_not_tried(tried):
  assert '1 more change nothing' in tried[1].stdout
  assert '120 -> 121' not in tried[1].stdout


def test_the_checkout_stays_as_it_was(tried):
  root, _ = tried
  assert (root / 'models' / 'ages.py').read_text(encoding='utf-8') == MODULE
  assert not (root / 'out' / 'mutants' / 'copies').exists()
