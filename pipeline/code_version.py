"""Fingerprints of the code that a step runs, as a part of its cache key.

TFX keys its cache by inputs and parameters. A user function travels as a dotted path, so a change of the code behind
it would leave the key as it is and a run would be served stale results.

What counts is read from the sources, and nothing is imported: the modules of this project that a step's executor
reaches by imports, and by dotted paths in strings, as user functions are named; a path that ends in `{}`, as in
`'transforms.blocks.{}'.format(name)`, stands for every module of that package. Their syntax trees count: no comment,
docstring or layout, no `__all__`, and no import that only a type checker needs. No data of a package counts, as no step
reads any: presets are read before a run begins, and what they say is in the steps' parameters.
"""

from __future__ import annotations

import ast
import functools
import hashlib
import importlib.metadata
import importlib.util
import os
import pathlib
import re
import subprocess
from collections.abc import Iterable
from typing import Any

_LIBRARIES = (
  *('tfx', 'tensorflow', 'tensorflow-transform', 'tf-keras', 'tensorflow-model-optimization', 'pyarrow', 'numpy'),
  *('apache-beam', 'tensorflow-data-validation', 'tensorflow-model-analysis', 'scikit-learn', 'ai-edge-litert'),
)
_ROOMS = ('configs', 'transforms', 'models', 'components', 'pipeline')
_DOTTED = re.compile(rf'(?:{"|".join(_ROOMS)})(?:\.[A-Za-z_]\w*)+(?:\.{{}})?')
_FOLDER = pathlib.Path(__file__).resolve().parent.parent
"""The folder of the rooms: a checkout, or where the wheel is installed."""

_OWN_MODELS = ('models.tasks.', 'components.compression_gate.task_examples')
"""What runs for a user's own model alone, which no step of a run is for; `components.user_code` takes its digest."""

_GIT_SECONDS = 5.0
"""A checkout on a slow disk is not worth a longer wait: nothing depends on its commit."""

_WIRING = 'pipeline.dag'
"""The module that names all steps."""


def code_version(*roots: str, folder: pathlib.Path = _FOLDER) -> str:
  """Digest of the code that `roots` run and of the libraries' versions.

  Args: roots: dotted paths of modules, or of classes and functions in them.
  Returns 16 hexadecimal digits; equal code in another place, or under another Python, gives the same ones. Raises
  `ImportError` where there is no such module.
  """
  digest = hashlib.sha256()
  for module in sorted(closure(*roots, folder=folder)):
    digest.update(f'{module}\0{_read(module, folder).code}\0'.encode())
  digest.update(_libraries())
  return digest.hexdigest()[:16]


def step_version(component: type[Any], folder: pathlib.Path = _FOLDER) -> str:
  """The code version of a step: of its executor, and of the function that a library's executor calls (`USER_FN`)."""
  return code_version(*step_roots(component), folder=folder)


def step_roots(component: type[Any]) -> tuple[str, ...]:
  """Dotted paths of this project's code that a step begins with."""
  paths = (component.EXECUTOR_SPEC.class_path, getattr(component, 'USER_FN', ''))
  return tuple(path for path in paths if path.partition('.')[0] in _ROOMS)


def run_version(folder: pathlib.Path = _FOLDER) -> str:
  """The code version of a whole run: of all steps that there may be."""
  wiring = [module for module in closure(_WIRING, folder=folder) if module.startswith('pipeline.')]
  named = {name for module in wiring for name in _modules(_read(module, folder).named, folder)}
  return code_version(*(name for name in named if name.startswith('components.')), folder=folder)


def sources_digest(folder: pathlib.Path = _FOLDER) -> str:
  """Digest of all source files as they are and of the libraries' versions: equal ones mean equal code versions.

  Twenty times as fast as `run_version`, which changes with less.
  """
  digest = hashlib.sha256(_libraries())
  for file in sorted(file for room in _ROOMS for file in (folder / room).rglob('*.py')):
    digest.update(f'{file.relative_to(folder)}\0'.encode() + hashlib.sha256(file.read_bytes()).digest())
  return digest.hexdigest()[:16]


def git_commit(folder: pathlib.Path = _FOLDER) -> str | None:
  """The commit that is checked out, with `-dirty` behind it where a file that git knows was changed since.

  A record for people; no cache key has it. Returns `None` outside of a checkout, as where the wheel is installed, and
  where git is not there or refuses.
  """
  if not (folder / '.git').exists():
    return None
  command = ['git', '-C', str(folder), 'describe', '--always', '--dirty', '--abbrev=40', '--exclude=*']
  own = {name: value for name, value in os.environ.items() if not name.startswith('GIT_')}
  try:
    found = subprocess.run(command, capture_output=True, text=True, timeout=_GIT_SECONDS, check=True, env=own)
  except (OSError, subprocess.SubprocessError):
    return None
  return found.stdout.strip() or None


def _libraries() -> bytes:
  return b''.join(f'{library}=={importlib.metadata.version(library)}\0'.encode() for library in _LIBRARIES)


def closure(*roots: str, folder: pathlib.Path = _FOLDER) -> frozenset[str]:
  """The modules of this project that run where `roots` do; of a package, its `__init__`.

  Raises `ImportError` where a root is no module, and nothing in one.
  """
  found: set[str] = set()
  passed: set[str] = set()
  todo: list[str] = []
  for root in roots:
    module = _module_of(root, folder)
    if module is None:
      raise ImportError(f"No module '{root}' to take the code version of.")
    todo.append(module)
  while todo:
    module = todo.pop()
    if module in found:
      continue
    found.add(module)
    todo += (named for named in _modules(_read(module, folder).named, folder) if not named.startswith(_OWN_MODELS))
    parts = module.split('.')
    for package in ('.'.join(parts[:count]) for count in range(1, len(parts))):
      # What a package's functions import happens only to who calls them.
      if package not in passed and _path(package, folder) is not None:
        passed.add(package)
        todo += _modules(_read(package, folder).named_at_once, folder)
  return frozenset(found | passed)


class _Source(ast.NodeVisitor):
  """A module as the digest sees it.

  Attributes:
    code: its syntax tree as text. Empty fields are left out, since each Python has others.
    named: dotted paths that it imports, or that stand in its strings.
    named_at_once: those of them that importing it comes by, without what its functions name.
  """

  def __init__(self, text: bytes, package: str) -> None:
    self._package = package
    self._parts: list[str] = []
    self._functions = 0
    self.named: set[str] = set()
    self.named_at_once: set[str] = set()
    self.visit(ast.parse(text))
    self.code = '\n'.join(self._parts)

  def generic_visit(self, node: ast.AST) -> None:
    self._parts.append(type(node).__name__)
    for name, value in ast.iter_fields(node):
      if value is not None and value != []:
        self._parts.append(f'{name}[')
        self._visit_all(value if isinstance(value, list) else [value])
        self._parts.append(']')

  def _visit_all(self, values: list[Any]) -> None:
    """What a field holds; no docstring, no `__all__`, and nothing that only a type checker reads."""
    for value in values:
      if isinstance(value, ast.If) and _is_type_checking(value.test):
        self._visit_all(value.orelse)
      elif not isinstance(value, ast.AST):
        self._parts.append(repr(value))
      elif not _is_docstring(value) and not _is_all(value):
        self.visit(value)

  def visit_Constant(self, node: ast.Constant) -> None:
    self._parts.append(repr(node.value))
    if isinstance(node.value, str) and _DOTTED.fullmatch(node.value):
      self._name(node.value)

  def visit_Import(self, node: ast.Import) -> None:
    for alias in node.names:
      self._name(alias.name)
    self.generic_visit(node)

  def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
    base = importlib.util.resolve_name(f'{"." * node.level}{node.module or ""}', self._package)
    for alias in node.names:
      self._name(f'{base}.{alias.name}')
    self.generic_visit(node)

  def visit_FunctionDef(self, node: ast.AST) -> None:
    self._functions += 1
    self.generic_visit(node)
    self._functions -= 1

  visit_AsyncFunctionDef = visit_Lambda = visit_FunctionDef  # noqa: N815

  def _name(self, path: str) -> None:
    if path.partition('.')[0] in _ROOMS:
      self.named.add(path)
      if not self._functions:
        self.named_at_once.add(path)


def _is_docstring(part: ast.AST) -> bool:
  return isinstance(part, ast.Expr) and isinstance(part.value, ast.Constant) and isinstance(part.value.value, str)


def _is_all(part: ast.AST) -> bool:
  """Whether it lists what others may import, for `import *`, which this project does not use."""
  return isinstance(part, ast.Assign) and any(getattr(target, 'id', None) == '__all__' for target in part.targets)


def _is_type_checking(test: ast.expr) -> bool:
  return 'TYPE_CHECKING' in (getattr(test, 'id', None), getattr(test, 'attr', None))


_source = functools.cache(_Source)


def _read(module: str, folder: pathlib.Path) -> _Source:
  path = _path(module, folder)
  assert path is not None
  return _source(path.read_bytes(), module if path.name == '__init__.py' else module.rpartition('.')[0])


def _modules(paths: Iterable[str], folder: pathlib.Path) -> list[str]:
  filled_in = (each for path in paths for each in _filled_in(path, folder))
  return [module for each in filled_in if (module := _module_of(each, folder)) is not None]


def _filled_in(path: str, folder: pathlib.Path) -> list[str]:
  """The path itself; for one with a blank, those of all modules that it may name."""
  package, blank, _ = path.partition('.{}')
  if not blank:
    return [path]
  files = (folder / package.replace('.', '/')).glob('*.py')
  return [f'{package}.{file.stem}' for file in files if file.stem != '__init__']


def _path(module: str, folder: pathlib.Path) -> pathlib.Path | None:
  """The file of a module; `None` where there is none of that name."""
  if module.partition('.')[0] not in _ROOMS:
    return None
  stem = f'{folder}/{module.replace(".", "/")}'
  return next((path for path in map(pathlib.Path, (f'{stem}.py', f'{stem}/__init__.py')) if path.is_file()), None)


def _module_of(path: str, folder: pathlib.Path) -> str | None:
  """The module that a dotted path names, or that holds what it names."""
  while path and _path(path, folder) is None:
    path = path.rpartition('.')[0]
  return path or None
