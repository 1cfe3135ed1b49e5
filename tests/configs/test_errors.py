"""One tree of errors: it is drawn where it begins, and every error class of the five rooms hangs in it."""

import ast
import builtins
import pathlib
import pickle
import re

import pytest

import configs
from configs import errors
from configs.errors import FailedError, FareliteError, UserError

_ROOT = pathlib.Path(configs.__file__).parents[1]
_ROOMS = ('configs', 'transforms', 'models', 'components', 'pipeline')
_DRAWN = re.compile(r'^ {4}(?P<branches>[│├└─ ]*)(?P<name>\w+Error)(?: |$)', re.MULTILINE)

_ALSO = {
  'ProblemsError': 'ValueError',
  'ConversionError': 'ValueError',
  'MetricError': 'ValueError',
  'ValidationError': 'ValueError',
}
"""Errors with a second parent: pydantic, the rewriter of lite files and callers of a metric take ValueError."""


def _drawn() -> dict[str, str]:
  """The parent of each class of the drawing, by name."""
  above: list[str] = []
  parents = {}
  for match in _DRAWN.finditer(errors.__doc__):
    depth = len(match['branches']) // 4
    above[depth:] = [match['name']]
    parents[match['name']] = above[depth - 1] if depth else 'Exception'
  return parents


def _exception_classes() -> list[tuple[str, list[str]]]:
  """Name and bases of each exception class that stands in a room, nested ones included."""
  known = {
    name for name, value in vars(builtins).items() if isinstance(value, type) and issubclass(value, BaseException)
  }
  found = []
  classes = [
    (node.name, [base.attr if isinstance(base, ast.Attribute) else getattr(base, 'id', '') for base in node.bases])
    for room in _ROOMS
    for file in sorted((_ROOT / room).rglob('*.py'))
    for node in ast.walk(ast.parse(file.read_text(encoding='utf-8')))
    if isinstance(node, ast.ClassDef)
  ]
  while True:
    more = [one for one in classes if one not in found and any(base in known or _named(base) for base in one[1])]
    if not more:
      return found
    found += more
    known |= {name for name, _ in more}


def _named(base: str) -> bool:
  return base.endswith(('Error', 'Exception', 'Exit', 'Interrupt'))


def test_every_error_hangs_where_it_is_drawn():
  """An error without a base, or one that nobody has drawn, would be one that the handler does not know."""
  found = _exception_classes()
  assert {name: bases[0] for name, bases in found} == _drawn()
  assert len({name for name, _ in found}) == len(found), 'two errors have the same name'


def test_only_what_a_library_asks_for_has_a_second_base():
  second = {name: bases[1] for name, bases in _exception_classes() if len(bases) > 1}
  assert second == _ALSO


def test_only_the_branches_know_exit_codes():
  """Oracle: README's exit codes, 2 for a mistake and 1 for a run that failed."""
  assert (UserError.exit_code, FailedError.exit_code) == (2, 1)
  stated = [
    file.relative_to(_ROOT).as_posix()
    for room in _ROOMS
    for file in (_ROOT / room).rglob('*.py')
    if re.search(r'^  exit_code\b.*=', file.read_text(encoding='utf-8'), re.MULTILINE)
  ]
  assert stated == ['configs/errors.py']
  assert [name for name, parent in _drawn().items() if parent == 'FareliteError'] == ['UserError', 'FailedError']


@pytest.mark.parametrize(
  ('error', 'sentence', 'fix'),
  [
    pytest.param(UserError("'a' is not there.", 'Name another.'), "'a' is not there. Name another.", 'Name another.'),
    pytest.param(FailedError('It failed; run again.'), 'It failed; run again.', ''),
  ],
)
def test_the_fix_ends_the_sentence(error: FareliteError, sentence: str, fix: str):
  """Also of an error that came from another process."""
  for one in (error, pickle.loads(pickle.dumps(error))):
    assert (str(one), one.fix) == (sentence, fix)
    assert type(one) is type(error)
