"""What every record of the product shares: one typed model for the writer and the reader of a JSON file.

`schema_version` of a record is the version of its model that wrote it. That rises with each change of the keys. A key
never changes its meaning; what means something else gets another name. So a file of a newer version is read as long as
it has what this version needs, and the keys that this version does not know are ignored.
"""

from __future__ import annotations

import dataclasses
import datetime
import json
import os
import pathlib
from collections.abc import Iterable
from typing import Annotated, Any, ClassVar, TypeVar

import pydantic

from configs.errors import UserError

RecordT = TypeVar('RecordT', bound='Record')
EntryT = TypeVar('EntryT')

_AGAIN = 'run the pipeline again'


@dataclasses.dataclass(frozen=True)
class Estimate:
  """A value and its 95 % interval.

  Attributes:
    value: the point.
    low, high: bounds; `None` where no interval is known.
  """

  value: float
  low: float | None = None
  high: float | None = None

  @property
  def bottom(self) -> float:
    """The lower end of what is known."""
    return self.value if self.low is None else self.low

  @property
  def top(self) -> float:
    """The upper end of what is known."""
    return self.value if self.high is None else self.high


RESAMPLES = 1000
"""Bootstrap draws behind each interval where no config sets their number.

Beside the intervals and not in `configs.evaluation`, as the training needs it: a change of how models are evaluated
must not train them again.
"""

MOST_JUDGED = 200_000
"""Examples that finished files are judged on at most where no config sets their number; here for the same reason."""


def estimate(figure: float | None) -> Estimate | None:
  """A number whose interval is not known; `None` stays `None`."""
  return None if figure is None else Estimate(figure)


def _read(figure: Any) -> Any:
  return Estimate(figure) if isinstance(figure, (int, float)) else figure


def _written(found: Estimate) -> float | dict[str, float | None]:
  return found.value if found.low is None and found.high is None else dataclasses.asdict(found)


Figure = Annotated[Estimate, pydantic.BeforeValidator(_read), pydantic.PlainSerializer(_written)]
"""An estimate as records hold it: `{value, low, high}`, or a bare number where no interval is known."""


def known_keys(kind: type[pydantic.BaseModel]) -> pydantic.BeforeValidator:
  """For a field that holds a config model, which refuses keys: those of a newer version are ignored before."""

  def known(values: Any) -> Any:
    return {name: values[name] for name in kind.model_fields if name in values} if isinstance(values, dict) else values

  return pydantic.BeforeValidator(known)


WHOLE = pydantic.PlainSerializer(lambda config: config.model_dump(mode='json'))
"""For a field that holds a config model: defaults are written, too."""


class RecordError(UserError):
  """A file that is no such record; the message is one sentence that names the file and what to do."""


def _moment(text: str) -> str:
  datetime.datetime.fromisoformat(text)
  return text


Moment = Annotated[str, pydantic.AfterValidator(_moment)]
"""A time as text, ISO 8601; in UTC where it names no time zone."""


class RecordPart(pydantic.BaseModel):
  """A part of a record: frozen, and unknown keys are ignored. What a writer does not set is not written."""

  model_config = pydantic.ConfigDict(
    extra='ignore', frozen=True, protected_namespaces=(), populate_by_name=True, ser_json_inf_nan='constants'
  )

  def to_dict(self) -> dict[str, Any]:
    """The keys that were set, as JSON knows them, in the model's order."""
    return self.model_dump(mode='json', by_alias=True, exclude_unset=True)


class Record(RecordPart):
  """A record in a file of its own, or in a line of one.

  A model whose keys change sets another default for `schema_version`; that is what is written.

  Attributes: schema_version: which version of the model wrote it; 0 where a file is older than versions.
  """

  FIX: ClassVar[str] = _AGAIN
  """What to do about a file that is broken, after a semicolon."""

  schema_version: int = 1

  @classmethod
  def parse(cls: type[RecordT], text: str | bytes, where: str | os.PathLike[str]) -> RecordT:
    """The record that a text holds.

    Args: where: the file that it is from, for the message.
    Raises: RecordError: the text is no such record, or one of a newer version without what this version needs.
    """
    return cls.of(load_json(text, where, cls.FIX), where)

  @classmethod
  def of(cls: type[RecordT], values: Any, where: str | os.PathLike[str]) -> RecordT:
    """`parse` of what JSON was already read from a text."""
    if not isinstance(values, dict):
      raise RecordError(f"'{where}' is broken (it holds no record); {cls.FIX}.")
    try:
      return cls.model_validate({'schema_version': 0} | values)
    except pydantic.ValidationError as error:
      what = first_mistake(error)
    version, known = values.get('schema_version'), cls.model_fields['schema_version'].default
    if isinstance(version, int) and version > known:
      raise RecordError(
        f"'{where}' was written by a newer Farelite (schema_version {version}, this one knows {known}) and can't be "
        f'read ({what}); update Farelite.'
      )
    raise RecordError(f"'{where}' is broken ({what}); {cls.FIX}.")

  @classmethod
  def read(cls: type[RecordT], path: str | os.PathLike[str]) -> RecordT:
    """`parse` of a file on a disk.

    Raises:
      RecordError: as `parse`.
      OSError: there is no such file, or it can't be read.
    """
    return cls.parse(pathlib.Path(path).read_bytes(), path)

  def to_dict(self) -> dict[str, Any]:
    version = {'schema_version': type(self).model_fields['schema_version'].default}
    return version | super().to_dict() | version

  def to_json(self, indent: int | None = 2) -> str:
    """The record as JSON, without a line break at its end.

    Args: indent: as `json.dumps`; `None` writes one line.
    Raises: ValueError: a number is not finite.
    """
    return json.dumps(self.to_dict(), indent=indent, ensure_ascii=False, allow_nan=False)


def parse_list(kind: type[EntryT], text: str | bytes, where: str | os.PathLike[str]) -> tuple[EntryT, ...]:
  """The entries of a file that is a list, and so has no place for a version; unknown keys of an entry are ignored.

  Args:
    kind: of an entry: a `RecordPart`, or `str`.
    where: the file that it is from, for the message.
  Raises: RecordError: the text is no such list.
  """
  values = load_json(text, where, _AGAIN)
  try:
    return pydantic.TypeAdapter(tuple[kind, ...]).validate_python(values)  # type: ignore[valid-type]
  except pydantic.ValidationError as error:
    raise RecordError(f"'{where}' is broken ({first_mistake(error)}); {_AGAIN}.") from None


def list_to_json(entries: Iterable[RecordPart]) -> str:
  """A list of entries as JSON; a figure that is no number, as a bad model may have, stays NaN."""
  return json.dumps([entry.to_dict() for entry in entries], indent=2, ensure_ascii=False)


def load_json(text: str | bytes, where: str | os.PathLike[str], fix: str) -> Any:
  """What JSON of any origin holds.

  Args:
    where: the file that it is from, for the message.
    fix: what to do about a broken one.
  Raises: RecordError: it is no JSON, no UTF-8, or so deep or with so large a number that Python does not take it.
  """
  try:
    return json.loads(text)
  except json.JSONDecodeError as error:
    what = f'line {error.lineno}: {error.msg}'
  except UnicodeDecodeError:
    what = 'no UTF-8 text'
  except RecursionError:
    what = 'it nests too deeply'
  except ValueError:
    what = 'it has a number of thousands of digits'
  raise RecordError(f"'{where}' is broken ({what}); {fix}.")


def first_mistake(error: pydantic.ValidationError) -> str:
  """The first mistake and its place, without a full stop."""
  first = error.errors(include_url=False, include_context=False, include_input=False)[0]
  place, kind = '.'.join(map(str, first['loc'])) or 'it', first['type']
  if kind == 'missing':
    return f'{place} is missing'
  if kind == 'value_error':
    return f'{place}: {first["msg"].removeprefix("Value error, ").rstrip(".")}'
  return f'{place} is not {next((words for word, words in _KINDS.items() if kind.startswith(word)), "a valid value")}'


_KINDS = {
  'bool': 'true or false', 'int': 'a whole number', 'float': 'a number', 'finite': 'a finite number', 'string': 'text',
  'list': 'a list', 'tuple': 'a list', 'dict': 'a mapping', 'model': 'a mapping', 'enum': 'a known word',
  'literal': 'a known word', 'too_': 'a list of the right length', 'greater': 'in its range', 'less': 'in its range',
}  # fmt: skip
"""What a value is not, by the beginning of the kind of the mistake."""
