"""Small faults of the kind that a careless edit or merge makes, and the places of a source where they fit.

A fault replaces the text of one node of the syntax tree; the rest of the file keeps its lines. Annotations, decorators,
docstrings, texts of errors, insides of f-strings and calls of loggers are left alone.
"""

from __future__ import annotations

import ast
import copy
import dataclasses
from collections.abc import Iterator

COMPARED = {
  ast.Lt: ast.GtE, ast.GtE: ast.Lt, ast.Gt: ast.LtE, ast.LtE: ast.Gt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq,
  ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.In: ast.NotIn, ast.NotIn: ast.In,
}  # fmt: skip
BOUNDARY = {ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt}
ARITHMETIC = {
  ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult, ast.FloorDiv: ast.Mult, ast.Mod: ast.Mult,
  ast.Pow: ast.Mult, ast.BitOr: ast.BitAnd, ast.BitAnd: ast.BitOr,
}  # fmt: skip
INSTEAD = {'sorted': 'list', 'reversed': 'list', 'abs': '', 'min': 'max', 'max': 'min', 'any': 'all', 'all': 'any'}
"""What takes the place of a called function; '' leaves its argument."""
QUIET = {'logging', 'logger', 'log', '_logger', 'warnings', 'print'}
TEXTS = (ast.JoinedStr, ast.List, ast.Tuple)


@dataclasses.dataclass(frozen=True)
class Mutation:
  """One fault at one place.

  Attributes:
    operator: what kind of fault.
    scope: the class and function that it lies in, such as `Pusher.Do`; '' for the module itself.
    line: number of its first line.
    start, end: the replaced bytes of the source.
    before: their text, of one line.
    after: the text in its place.
  """

  operator: str
  scope: str
  line: int
  start: int
  end: int
  before: str
  after: str

  @property
  def key(self) -> str:
    """Names the fault as long as its function and text stay, wherever their lines go."""
    return f'{self.scope}: {self.operator}: {self.before} -> {self.after}'


def mutations(source: str) -> list[Mutation]:
  """All faults that fit into a source, in the order of their places."""
  starts, size = [0], 0
  for line in source.encode().splitlines(keepends=True):
    size += len(line)
    starts.append(size)
  found = {}
  for scope, node, operator, new in _walk(ast.parse(source), ''):
    start = starts[node.lineno - 1] + node.col_offset
    end = starts[node.end_lineno - 1] + node.end_col_offset
    before, after = ast.unparse(node), new if isinstance(new, str) else ast.unparse(new)
    if isinstance(new, (ast.BinOp, ast.BoolOp, ast.Compare, ast.UnaryOp, ast.IfExp)):
      after = f'({after})'
    mutation = Mutation(operator, scope, node.lineno, start, end, before, after)
    alias = not scope and isinstance(node, ast.BinOp)  # `Place = str | None`
    if not alias and before not in (after, after[1:-1]) and '\n' not in after:
      found[start, end, after] = mutation
  return sorted(found.values(), key=lambda mutation: (mutation.start, mutation.end, mutation.after))


def mutated(source: str, mutation: Mutation) -> str:
  """The source with one fault."""
  raw = source.encode()
  return (raw[: mutation.start] + mutation.after.encode() + raw[mutation.end :]).decode()


def _walk(node: ast.AST, scope: str) -> Iterator[tuple[str, ast.AST, str, ast.AST | str]]:
  for operator, place, new in _faults(node):
    yield scope, place, operator, new
  for child in _children(node):
    inner = child.name if isinstance(child, (ast.FunctionDef, ast.ClassDef)) else ''
    yield from _walk(child, '.'.join(filter(None, (scope, inner))))


def _children(node: ast.AST) -> Iterator[ast.AST]:
  """The parts of a node in which faults are made."""
  if isinstance(node, (ast.JoinedStr, ast.Raise, ast.Assert, ast.Import, ast.ImportFrom)):
    return
  if isinstance(node, ast.Call) and _root(node.func) in QUIET:
    return
  if isinstance(node, ast.If) and 'TYPE_CHECKING' in ast.unparse(node.test):
    return
  if isinstance(node, ast.Assign) and '__all__' in ast.unparse(node.targets[0]):
    return
  for field, value in ast.iter_fields(node):
    if field in ('annotation', 'returns', 'decorator_list', 'bases', 'targets', 'target', 'type_params'):
      continue
    for child in value if isinstance(value, list) else [value]:
      if isinstance(child, ast.AST):
        yield child


def _root(node: ast.AST) -> str:
  while isinstance(node, (ast.Attribute, ast.Call)):
    node = node.value if isinstance(node, ast.Attribute) else node.func
  return node.id if isinstance(node, ast.Name) else ''


def _with(node: ast.AST, **fields: object) -> ast.AST:
  changed = copy.deepcopy(node)
  for name, value in fields.items():
    setattr(changed, name, value)
  return changed


def _without(items: list, index: int) -> list:
  return items[:index] + items[index + 1 :]


def _faults(node: ast.AST) -> Iterator[tuple[str, ast.AST, ast.AST | str]]:
  """Operator, the node that is replaced, and by what."""
  if isinstance(node, ast.Call):
    yield from _of_call(node)
  elif isinstance(node, ast.Compare) and len(node.ops) == 1:
    kind = type(node.ops[0])
    yield 'comparison', node, _with(node, ops=[COMPARED[kind]()])
    if kind in BOUNDARY:
      yield 'boundary', node, _with(node, ops=[BOUNDARY[kind]()])
  elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
    yield 'not dropped', node, f'({ast.unparse(node.operand)})'
  elif isinstance(node, ast.BoolOp):
    yield 'and/or', node, _with(node, op=ast.Or() if isinstance(node.op, ast.And) else ast.And())
    for index in range(len(node.values)):
      rest = _without(node.values, index)
      yield 'part of a condition dropped', node, rest[0] if len(rest) == 1 else _with(node, values=rest)
  elif isinstance(node, ast.BinOp) and type(node.op) in ARITHMETIC:
    texts = any(isinstance(side, TEXTS) or _is_text(side) for side in (node.left, node.right))
    if not texts:
      yield 'arithmetic', node, _with(node, op=ARITHMETIC[type(node.op)]())
  elif isinstance(node, ast.Constant) and isinstance(node.value, (bool, int, float)):
    yield 'constant', node, _other(node.value)
  elif isinstance(node, ast.IfExp):
    yield 'branches swapped', node, _with(node, body=node.orelse, orelse=node.body)
  elif isinstance(node, ast.If):
    yield 'condition', node.test, ast.UnaryOp(ast.Not(), node.test)
  elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Call) and _root(node.value.func) not in QUIET:
    yield 'statement dropped', node, 'pass'
  elif isinstance(node, ast.Raise):
    yield 'error dropped', node, 'pass'
  elif isinstance(node, ast.Return) and node.value and ast.unparse(node.value) not in ('None', 'self'):
    yield 'returns nothing', node, 'return None'
  elif isinstance(node, ast.AugAssign):
    yield 'assigned anew', node, f'{ast.unparse(node.target)} = {ast.unparse(node.value)}'
  elif isinstance(node, (ast.ListComp, ast.SetComp, ast.GeneratorExp, ast.DictComp)):
    for index, part in enumerate(node.generators):
      if part.ifs:
        parts = [_with(p, ifs=[]) if i == index else p for i, p in enumerate(node.generators)]
        yield 'filter dropped', node, _with(node, generators=parts)
  elif isinstance(node, ast.Dict) and len(node.keys) > 1:
    for index in range(len(node.keys)):
      yield 'entry dropped', node, _with(node, keys=_without(node.keys, index), values=_without(node.values, index))
  elif isinstance(node, (ast.List, ast.Set, ast.Tuple)) and len(node.elts) > 1:
    yield from _of_sequence(node)


def _of_sequence(node: ast.List | ast.Set | ast.Tuple) -> Iterator[tuple[str, ast.AST, ast.AST]]:
  """A tuple of two is a pair more often than a list: its parts are swapped."""
  if isinstance(node, ast.Tuple) and not isinstance(node.ctx, ast.Load):
    return
  if isinstance(node, ast.Tuple) and len(node.elts) == 2:
    yield 'pair swapped', node, _with(node, elts=node.elts[::-1])
    return
  for index in range(len(node.elts)):
    yield 'element dropped', node, _with(node, elts=_without(node.elts, index))


def _of_call(node: ast.Call) -> Iterator[tuple[str, ast.AST, ast.AST | str]]:
  name = node.func.id if isinstance(node.func, ast.Name) else ''
  if name in QUIET:
    return
  if name in INSTEAD and node.args:
    instead = INSTEAD[name]
    if instead in ('list', ''):
      yield f'{name} dropped', node, f'{instead}({ast.unparse(node.args[0])})'
    else:
      yield f'{instead} for {name}', node, _with(node, func=ast.Name(instead))
  for index, keyword in enumerate(node.keywords):
    if keyword.arg:
      yield 'argument dropped', node, _with(node, keywords=_without(node.keywords, index))
  for index in range(len(node.args) - 1):
    pair = node.args[index : index + 2]
    if name != 'isinstance' and all(isinstance(arg, (ast.Name, ast.Attribute)) for arg in pair):
      args = [*node.args[:index], pair[1], pair[0], *node.args[index + 2 :]]
      yield 'arguments swapped', node, _with(node, args=args)


def _is_text(node: ast.AST) -> bool:
  return isinstance(node, ast.Constant) and isinstance(node.value, (str, bytes))


def _other(value: bool | int | float) -> ast.Constant:
  if isinstance(value, bool):
    return ast.Constant(not value)
  return ast.Constant(value + 1 if isinstance(value, int) else value * 2 or 1.0)
