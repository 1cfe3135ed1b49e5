"""Settings that go by a name: packaged files, a user's own ones by path, and what they extend."""

from __future__ import annotations

import collections
import contextlib
import copy
import dataclasses
import functools
import importlib.resources
import pathlib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from importlib.abc import Traversable
from typing import Any, NamedTuple, NoReturn, TypeVar

import yaml

from configs.base import Config, Problem, joined, nearest

C = TypeVar('C', bound=Config)


def packaged(folder: str = '') -> dict[str, Traversable]:
  """The YAML files that come with the project in a folder below `configs`, by name and in order."""
  files = importlib.resources.files('configs').joinpath(folder).iterdir()
  return dict(sorted((file.name[:-5], file) for file in files if file.name.endswith('.yaml')))


_DEEPEST = 100
_MERGE, _TEXT = 'tag:yaml.org,2002:merge', 'tag:yaml.org,2002:str'
"""Of a key: `<<`, and any other one."""

_MOST_VALUES = 100_000
"""Of a text, one behind an alias counted each time: a resolved config has fewer than 2,000."""
_CHARACTERS = 100
"""Of a value that counts as one; a longer text counts as several."""
_LARGEST_BITS = 1023
"""Of a number; a larger one is no float64."""
_HALF_A_SIGN = re.compile('[\ud800-\udfff]')
_UNFIT = (ValueError, LookupError, AttributeError, TypeError, OverflowError)
"""What YAML's constructors raise where a text does not fit its tag, as that of `!!bool perhaps`."""


class _Extent(NamedTuple):
  """Of a node with all that is behind its aliases."""

  values: int
  depth: int


class _Loader(yaml.SafeLoader):
  """YAML's safe loader, which also refuses a key that is there twice, and what is too deep or too large for Python.

  Keys are texts as they are written: `132:` is the same key as `'132':`, in whichever of two merged files it stands.
  """

  def __init__(self, stream: str) -> None:
    super().__init__(stream)
    self._depth = 0
    self._extents: dict[yaml.Node, _Extent] = {}

  def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
    event = self.peek_event()
    self._depth += 1
    self._refuse_depth(self._depth, event)
    node = super().compose_node(parent, index)
    self._depth -= 1
    if node is not None and node not in self._extents:
      if isinstance(event, yaml.AliasEvent):
        self._refuse(f"'*{event.anchor}' stands inside of what it means", event)
      self._extents[node] = self._extent(node)
    return node

  def _extent(self, node: yaml.Node) -> _Extent:
    if isinstance(node, yaml.ScalarNode):
      if _HALF_A_SIGN.search(node.value):
        self._refuse('a text holds half of a sign, which no file can hold', node)
      return _Extent(1 + len(node.value) // _CHARACTERS, 1)
    children = node.value if isinstance(node, yaml.SequenceNode) else [child for pair in node.value for child in pair]
    found = [self._extents[child] for child in children]
    extent = _Extent(1 + sum(one.values for one in found), 1 + max((one.depth for one in found), default=0))
    self._refuse_depth(extent.depth, node)
    if extent.values > _MOST_VALUES:
      self._refuse(f'it holds more than {_MOST_VALUES:,} values, those behind aliases counted each time', node)
    return extent

  def _refuse_depth(self, depth: int, where: yaml.Node | yaml.Event) -> None:
    if depth > _DEEPEST:
      self._refuse(f'it nests more than {_DEEPEST} deep', where)

  def compose_mapping_node(self, anchor: Any) -> yaml.MappingNode:
    node = super().compose_mapping_node(anchor)
    keys = [key for key, _ in node.value if isinstance(key, yaml.ScalarNode)]
    seen = set()
    for key in keys:
      if key.tag != _MERGE:
        key.tag = _TEXT
      if (key.tag, key.value) in seen:
        self._refuse(f"the key '{key.value}' is there twice", key)
      seen.add((key.tag, key.value))
    return node

  def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
    try:
      return super().construct_object(node, deep)
    except _UNFIT:
      value = node.value if isinstance(node, yaml.ScalarNode) else 'what is there'
      self._refuse(f"'{value}' is no {node.tag.rpartition(':')[2]}", node)

  def construct_number(self, node: yaml.ScalarNode) -> int:
    with contextlib.suppress(ValueError):  # Python reads no decimals of thousands of digits.
      if abs(value := self.construct_yaml_int(node)).bit_length() <= _LARGEST_BITS:
        return value
    return self._refuse('a number is too large', node)

  def _refuse(self, what: str, where: yaml.Node | yaml.Event) -> NoReturn:
    raise yaml.MarkedYAMLError(problem=what, problem_mark=where.start_mark)  # type: ignore[arg-type]


_Loader.add_constructor('tag:yaml.org,2002:int', _Loader.construct_number)


class _EventLoader(_Loader):
  """The same of the events that libyaml finds in a text, several times as fast as PyYAML does."""

  def __init__(self, text: str) -> None:
    super().__init__('')
    self._events, self._place = list(yaml.parse(text, yaml.CSafeLoader)), 0

  def check_event(self, *choices: Any) -> bool:
    return not choices or isinstance(self.peek_event(), choices)

  def peek_event(self) -> Any:
    return self._events[self._place]

  def get_event(self) -> Any:
    self._place += 1
    return self._events[self._place - 1]


def load_yaml(text: str) -> Any:
  """What YAML of a user's holds. Raises `ValueError`: it is none; the message is the reason, with its line."""
  try:
    return copy.deepcopy(_parsed(text))
  except yaml.YAMLError as error:
    mark = getattr(error, 'problem_mark', None)
    where = f' in line {mark.line + 1}' if mark else ''
    raise ValueError(f'{str(error).splitlines()[0]}{where}') from None


@functools.lru_cache(maxsize=128)
def _parsed(text: str) -> Any:
  """What YAML holds; presets are read several times by a call, and parsing takes all of that."""
  if yaml.__with_libyaml__:
    # What it refuses is told in PyYAML's words; it takes no half of a sign.
    with contextlib.suppress(yaml.YAMLError, UnicodeEncodeError):
      return yaml.load(text, _EventLoader)
  return yaml.load(text, _Loader)


def is_file(path: pathlib.Path) -> bool:
  """Whether there is a file of this name, which may be too long for one."""
  try:
    return path.is_file()
  except OSError:
    return False


def extended_file(name: str, folder: pathlib.Path, root: pathlib.Path) -> pathlib.Path | None:
  """The file that `extends` means; `None` for what is no file, as the name of a packaged one.

  Args:
    folder: of the file that extends.
    root: the folder of the file that the user named; what is meant is below it, or below the current one.
  Raises: ValueError: it lies elsewhere, or is no YAML file. It is not opened.
  """
  path = next((path for path in (folder / name, pathlib.Path(name)) if is_file(path)), None)
  if path and not any(path.resolve().is_relative_to(place.resolve()) for place in (root, pathlib.Path())):
    raise ValueError(f"extends names '{name}', which lies outside of '{root.resolve()}'; copy it there.")
  if path and path.suffix not in _SUFFIXES:
    raise ValueError(f"extends names '{name}', which is no YAML file: its name ends in none of {joined(_SUFFIXES)}.")
  return path


_SUFFIXES = ('.yaml', '.yml')


def read_mapping(file: Traversable, what: str, example: str) -> dict[str, Any]:
  """Reads a YAML mapping.

  Args:
    what: the file, as an error names it.
    example: what the mapping could hold.
  Raises: ValueError: the file can't be read, is no YAML, or holds no mapping.
  """
  try:
    text = file.read_text(encoding='utf-8')
  except (UnicodeDecodeError, OSError) as error:
    raise ValueError(f"{what} can't be read: {error}.") from None
  try:
    values = load_yaml(text)
  except ValueError as error:
    raise ValueError(f'{what} is no valid YAML: {error}.') from None
  if not isinstance(values, dict):
    raise ValueError(f'{what} must hold a mapping of settings, such as {example}.')
  return values


def merge(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
  """`base` with the values of `over`, section by section."""
  merged = dict(base)
  for key, value in over.items():
    below = merged.get(key)
    merged[key] = merge(below, value) if isinstance(below, Mapping) and isinstance(value, Mapping) else value
  return merged


@dataclasses.dataclass(frozen=True)
class PresetFolder:
  """A folder of packaged YAML files, each of which a config may name, extend or replace by one of the user's.

  Attributes:
    noun: what one of them is called, such as 'recipe'.
    folder: its name below `configs`, which is the plural of the noun.
    listing: a list of some of them, as an error shows it.
    content: what a file could hold, as an error shows it.
  """

  noun: str
  folder: str
  listing: str
  content: str

  def names(self) -> tuple[str, ...]:
    """Names of the packaged ones, such as `pruned_80`."""
    return tuple(packaged(self.folder))

  def listed(self, items: object) -> list[object]:
    """The items as a list, a single one too. Raises `ValueError`: neither an item nor a list."""
    if isinstance(items, (str, Mapping, Config)):
      return [items]
    if not isinstance(items, (list, tuple)):
      raise ValueError(f'must be a {self.noun} or a list of {self.folder}, such as {self.listing}, got {items!r}.')
    return list(items)

  def spelled_out(self, item: object) -> object:
    """An item with everything in it that its name, path or `extends` refers to.

    Args:
      item: a packaged one's name, the path of a YAML file, or a mapping, which may hold `extends`: a name or a path.
        What it extends gives everything but its name and summary, which would no longer be true.
    Returns: A mapping without `extends`; what is neither text nor mapping as it is.
    Raises: ValueError: no such item, an unreadable one, or one that extends itself.
    """
    if isinstance(item, str):
      return self._read(item, seen=())
    return self._extended(item, folder=None, seen=()) if isinstance(item, Mapping) else item

  def name_of(self, item: object) -> str | None:
    """What an item is called, if that is known before it is read as a whole."""
    if isinstance(item, str):
      try:
        item = self._read(item, seen=())
      except ValueError:
        return None
    name = item.get('name') if isinstance(item, Mapping) else getattr(item, 'name', None)
    return name if isinstance(name, str) else None

  def anchored(self, items: object, folder: pathlib.Path, root: pathlib.Path) -> object:
    """Items as a config file in `folder` names them, relative paths made absolute where such a file is there.

    Args: root: see `extended_file`.
    Raises: ValueError: an item extends a file outside of it.
    """
    if isinstance(items, str):
      return self._anchored(items, folder)
    if isinstance(items, list):
      return [self.anchored(item, folder, root) for item in items]
    if isinstance(items, Mapping) and isinstance(items.get('extends'), str):
      return {**items, 'extends': self._extends(items['extends'], folder, root)}
    return items

  def doubled(self, names: Iterable[str]) -> Iterator[Problem]:
    """Names that are given more than once, located by the folder's own name."""
    for name, count in sorted(collections.Counter(names).items()):
      if count > 1:
        message = f"the name '{name}' is given {count} times; each {self.noun} needs its own."
        yield Problem(self.folder, message)

  def with_first(self, first: C, items: Sequence[C]) -> tuple[C, ...]:
    """The items, those of the first one's name before all others; itself where none of them has it."""
    same = [item for item in items if self.name_of(item) == self.name_of(first)]
    return (*(same or [first]), *(item for item in items if item not in same))

  def _anchored(self, source: str, folder: pathlib.Path) -> str:
    path = folder / source
    return str(path.resolve()) if source not in self.names() and is_file(path) else source

  def _extends(self, base: str, folder: pathlib.Path, root: pathlib.Path) -> str:
    path = None if base in self.names() else extended_file(base, folder, root)
    return str(path.resolve()) if path else base

  def _read(self, source: str, seen: tuple[str, ...], root: pathlib.Path | None = None) -> dict[str, Any]:
    if source in seen:
      raise ValueError(f"{self.noun} '{source}' extends itself: {' -> '.join([*seen, source])}.")
    path = pathlib.Path(source)
    values = read_mapping(self._file(source), f"{self.noun} '{source}'", self.content)
    return self._extended({'name': path.stem, **values}, path.parent, (*seen, source), root)

  def _extended(
    self,
    item: Mapping[str, Any],
    folder: pathlib.Path | None,
    seen: tuple[str, ...],
    root: pathlib.Path | None = None,
  ) -> dict[str, Any]:
    own = {key: value for key, value in item.items() if key != 'extends'}
    base = item.get('extends')
    if base is None:
      return own
    if not isinstance(base, str):
      raise ValueError(f'extends takes the name or the path of one {self.noun}, got {base!r}.')
    root = root or folder
    inherited = self._read(self._extends(base, folder, root) if folder and root else base, seen, root)
    return merge({key: value for key, value in inherited.items() if key not in ('name', 'summary')}, own)

  def _file(self, source: str) -> Traversable:
    files, path = packaged(self.folder), pathlib.Path(source)
    if source not in files and is_file(path):
      if path.suffix not in _SUFFIXES:
        raise ValueError(f"{self.noun} '{source}' is no YAML file: its name ends in none of {joined(_SUFFIXES)}.")
      return path
    # A packaged one may be meant by its path in the checkout, wherever this runs.
    beside = path.parent.as_posix() in ('.', f'configs/{self.folder}')
    is_path = path.suffix in _SUFFIXES
    name = path.stem if is_path and beside else source
    if name not in files:
      missing = f'No {self.noun} file' if is_path else f'Unknown {self.noun}'
      raise ValueError(f"{missing} '{source}'. Available: {', '.join(files)}.{nearest(path.stem, files)}")
    return files[name]


RECIPES = PresetFolder(
  noun='recipe', folder='recipes', listing='[dense, pruned_80]', content='pruning: {final_sparsity: 0.8}'
)
