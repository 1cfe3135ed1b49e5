"""What every record of the product shares: one typed model for the writer and the reader of a JSON file.

A record says with `schema_version` which of its model's versions wrote it. That rises with each change of the keys. A
key never changes its meaning; what means something else gets another name. So a file of a newer version is read as long
as it has what this version needs, and the keys that this version does not know are ignored.
"""

from __future__ import annotations

import json
import os
import pathlib
from typing import Any, ClassVar, TypeVar

import pydantic

RecordT = TypeVar('RecordT', bound='Record')


class RecordError(ValueError):
  """A file that is no such record; the message is one sentence that names the file and what to do."""


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

  Attributes:
    schema_version: which version of the model wrote it; 0 where a file is from before records said it.
  """

  MEND: ClassVar[str] = 'run the pipeline again'
  """What to do about a file that is broken, after a semicolon."""

  schema_version: int = 1

  @classmethod
  def parse(cls: type[RecordT], text: str | bytes, where: str | os.PathLike[str]) -> RecordT:
    """The record that a text holds.

    Args:
      text: JSON.
      where: the file that it is from, for the message.

    Raises:
      RecordError: the text is no such record, or one of a newer version without what this version needs.
    """
    try:
      values = json.loads(text)
    except json.JSONDecodeError as error:
      raise RecordError(f"'{where}' is broken (line {error.lineno}: {error.msg}); {cls.MEND}.") from None
    except UnicodeDecodeError:
      raise RecordError(f"'{where}' is broken (no UTF-8 text); {cls.MEND}.") from None
    return cls.of(values, where)

  @classmethod
  def of(cls: type[RecordT], values: Any, where: str | os.PathLike[str]) -> RecordT:
    """`parse` of what JSON was already read from a text."""
    if not isinstance(values, dict):
      raise RecordError(f"'{where}' is broken (it holds no record); {cls.MEND}.")
    try:
      return cls.model_validate({'schema_version': 0} | values)
    except pydantic.ValidationError as error:
      first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    what = f'{".".join(str(key) for key in first["loc"])}: {first["msg"]}'
    version, known = values.get('schema_version'), cls.model_fields['schema_version'].default
    if isinstance(version, int) and version > known:
      raise RecordError(
        f"'{where}' was written by a newer Farelite (schema_version {version}, this one knows {known}) and can't be "
        f'read ({what}); update Farelite.'
      )
    raise RecordError(f"'{where}' is broken ({what}); {cls.MEND}.")

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

    Args:
      indent: as `json.dumps`; `None` writes one line.

    Raises:
      ValueError: a number is not finite.
    """
    return json.dumps(self.to_dict(), indent=indent, ensure_ascii=False, allow_nan=False)
