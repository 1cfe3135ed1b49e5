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
  return _below(folder).version(*roots)


def step_version(component: type[Any], folder: pathlib.Path = _FOLDER) -> str:
  """The code version of a step: of its executor, and of the function that a library's executor calls (`USER_FN`)."""
  return code_version(*step_roots(component), folder=folder)


def step_roots(component: type[Any]) -> tuple[str, ...]:
  """Dotted paths of this project's code that a step begins with."""
  paths = (component.EXECUTOR_SPEC.class_path, getattr(component, 'USER_FN', ''))
  return tuple(path for path in paths if path.partition('.')[0] in _ROOMS)


def run_version(folder: pathlib.Path = _FOLDER) -> str:
  """The code version of a whole run: of all steps that there may be."""
  sources = _below(folder)
  wiring = [module for module in sources.closure(_WIRING) if module.startswith('pipeline.')]
  named = {name for module in wiring for name in sources.modules(sources.read(module).named)}
  return sources.version(*(name for name in named if name.startswith('components.')))


def sources_digest(folder: pathlib.Path = _FOLDER) -> str:
  """Digest of all source files as they are and of the libraries' versions: equal ones mean equal code versions.

  Twenty times as fast as `run_version`, which changes with less.
  """
  return _below(folder).digest()


def closure(*roots: str, folder: pathlib.Path = _FOLDER) -> frozenset[str]:
  """The modules of this project that run where `roots` do; of a package, its `__init__`.

  Raises `ImportError` where a root is no module, and nothing in one.
  """
  return _below(folder).closure(*roots)


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


class _Sources:
  """The source files of the rooms below a folder, each as it was when it was first asked for."""

  def __init__(self, folder: pathlib.Path) -> None:
    self._folder = folder
    self._files = sorted(file for room in _ROOMS for file in (folder / room).rglob('*.py'))
    paths = {'.'.join(file.relative_to(folder).with_suffix('').parts): file for file in self._files}
    packages = {name.removesuffix('.__init__'): file for name, file in paths.items()}
    self._paths = packages | paths  # A module goes before a package of its name.
    self._bytes: dict[pathlib.Path, bytes] = {}
    self._read: dict[str, _Source] = {}
    self._libraries = b''.join(f'{name}=={importlib.metadata.version(name)}\0'.encode() for name in _LIBRARIES)

  def digest(self) -> str:
    """See `sources_digest`."""
    digest = hashlib.sha256(self._libraries)
    for file in self._files:
      digest.update(f'{file.relative_to(self._folder)}\0'.encode() + hashlib.sha256(self._text(file)).digest())
    return digest.hexdigest()[:16]

  def version(self, *roots: str) -> str:
    """See `code_version`."""
    digest = hashlib.sha256()
    for module in sorted(self.closure(*roots)):
      digest.update(f'{module}\0'.encode() + self.read(module).digest)
    digest.update(self._libraries)
    return digest.hexdigest()[:16]

  def closure(self, *roots: str) -> frozenset[str]:
    """See `closure`."""
    found: set[str] = set()
    passed: set[str] = set()
    todo: list[str] = []
    for root in roots:
      module = self._module_of(root)
      if module is None:
        raise ImportError(f"No module '{root}' to take the code version of.")
      todo.append(module)
    while todo:
      module = todo.pop()
      if module in found:
        continue
      found.add(module)
      todo += (named for named in self.modules(self.read(module).named) if not named.startswith(_OWN_MODELS))
      parts = module.split('.')
      for package in ('.'.join(parts[:count]) for count in range(1, len(parts))):
        # What a package's functions import happens only to who calls them.
        if package not in passed and package in self._paths:
          passed.add(package)
          todo += self.modules(self.read(package).named_at_once)
    return frozenset(found | passed)

  def modules(self, paths: Iterable[str]) -> list[str]:
    """The modules that dotted paths name, or that hold what they name."""
    filled_in = (each for path in paths for each in self._filled_in(path))
    return [module for each in filled_in if (module := self._module_of(each)) is not None]

  def read(self, module: str) -> _Source:
    """A module that is there."""
    if module not in self._read:
      path = self._paths[module]
      package = module if path.name == '__init__.py' else module.rpartition('.')[0]
      self._read[module] = _source(self._text(path), package)
    return self._read[module]

  def _text(self, file: pathlib.Path) -> bytes:
    if file not in self._bytes:
      self._bytes[file] = file.read_bytes()
    return self._bytes[file]

  def _filled_in(self, path: str) -> list[str]:
    """The path itself; for one with a blank, those of all modules that it may name."""
    package, blank, _ = path.partition('.{}')
    if not blank:
      return [path]
    files = (self._folder / package.replace('.', '/')).glob('*.py')
    return [f'{package}.{file.stem}' for file in files if file.stem != '__init__']

  def _module_of(self, path: str) -> str | None:
    while path and path not in self._paths:
      path = path.rpartition('.')[0]
    return path or None


@functools.cache
def _own() -> _Sources:
  """This project's, read once: what is changed under a process is no code that it runs."""
  return _Sources(_FOLDER)


def _below(folder: pathlib.Path) -> _Sources:
  return _own() if folder == _FOLDER else _Sources(folder)


class _Source:
  """A module as the digest sees it.

  Attributes:
    digest: of its syntax tree. Empty fields are left out, since each Python has others.
    named: dotted paths that it imports, or that stand in its strings.
    named_at_once: those of them that importing it comes by, without what its functions name.
  """

  def __init__(self, text: bytes, package: str) -> None:
    self._package = package
    self._parts: list[str] = []
    self._functions = 0
    self.named: set[str] = set()
    self.named_at_once: set[str] = set()
    self._visit(ast.parse(text))
    self.digest = hashlib.sha256('\n'.join(self._parts).encode()).digest()
    self._parts.clear()

  def _visit(self, node: Any) -> None:
    """Adds a node, and what is below it; `ast.NodeVisitor` takes twice as long."""
    kind = type(node)
    if kind in _IMPORTS:
      self._name_imports(node)
    in_function = kind in _FUNCTIONS
    self._functions += in_function
    self._parts.append(kind.__name__)
    for name in node._fields:
      value = getattr(node, name, None)
      if value is None or name in _NO_CODE:
        continue
      if isinstance(value, ast.AST):
        self._parts.append(name)
        self._visit(value)
      elif not isinstance(value, list):
        self._parts.append(repr(value))
        if kind is ast.Constant and isinstance(value, str) and _DOTTED.fullmatch(value):
          self._name(value)
      elif value:
        self._parts.append(name)
        self._visit_all(value)
    self._parts.append(')')
    self._functions -= in_function

  def _visit_all(self, values: list[Any]) -> None:
    """What a list holds; no docstring, no `__all__`, and nothing that only a type checker reads."""
    for value in values:
      if not isinstance(value, ast.AST):
        self._parts.append(repr(value))
      elif isinstance(value, ast.If) and _is_type_checking(value.test):
        self._visit_all(value.orelse)
      elif not _is_docstring(value) and not _is_all(value):
        self._visit(value)

  def _name_imports(self, node: ast.Import | ast.ImportFrom) -> None:
    base = ''
    if isinstance(node, ast.ImportFrom):
      base = importlib.util.resolve_name(f'{"." * node.level}{node.module or ""}', self._package) + '.'
    for alias in node.names:
      self._name(f'{base}{alias.name}')

  def _name(self, path: str) -> None:
    if path.partition('.')[0] in _ROOMS:
      self.named.add(path)
      if not self._functions:
        self.named_at_once.add(path)


_IMPORTS = (ast.Import, ast.ImportFrom)
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
_NO_CODE = ('ctx', 'kind')
"""Fields: whether a name is read or set shows by where it stands; the other one is the `u` before a text."""


def _is_docstring(part: ast.AST) -> bool:
  return isinstance(part, ast.Expr) and isinstance(part.value, ast.Constant) and isinstance(part.value.value, str)


def _is_all(part: ast.AST) -> bool:
  """Whether it lists what others may import, for `import *`, which this project does not use."""
  return isinstance(part, ast.Assign) and any(getattr(target, 'id', None) == '__all__' for target in part.targets)


def _is_type_checking(test: ast.expr) -> bool:
  return 'TYPE_CHECKING' in (getattr(test, 'id', None), getattr(test, 'attr', None))


_source = functools.cache(_Source)
