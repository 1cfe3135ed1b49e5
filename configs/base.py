"""What every config model shares: unknown keys are refused, values are frozen, a check reports all mistakes at once."""

from __future__ import annotations

import dataclasses
import datetime
import difflib
import functools
import re
import typing
from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationInfo, field_validator, model_validator
from pydantic_core import PydanticCustomError

from configs.errors import UserError


class Config(BaseModel):
  """A frozen config model that refuses unknown keys, and for a number what is none or not finite."""

  model_config = ConfigDict(
    extra='forbid', frozen=True, validate_default=True, allow_inf_nan=False, protected_namespaces=()
  )

  @field_validator('*', mode='before')
  @classmethod
  def _numbers_are_numbers(cls, value: Any, info: ValidationInfo) -> Any:
    if not _may_be(value, _scalars(cls.model_fields[info.field_name or ''].annotation)):
      raise PydanticCustomError('no_number', 'not a number')
    return value

  def problems(self) -> Iterable[Problem]:
    """What is wrong with values that are each right by themselves."""
    return ()

  @model_validator(mode='after')
  def _values_fit(self) -> Config:
    raise_any(self.problems())
    return self

  if not TYPE_CHECKING:

    def __getattr__(self, name: str) -> Any:
      if name in type(self).model_fields:
        raise AttributeError(
          f"'{name}' is no part of the {type(self).__name__} that this step gets: what it reads has to stand in the "
          'Part that its component declares (see configs.parts).'
        )
      return super().__getattr__(name)


_SCIENTIFIC = re.compile(r'[+-]?\d+(\.\d*)?[eE][+-]?\d+')
"""A number that YAML 1.1 takes for a text, as it wants a point and a sign: `7e-3`."""


def _scalars(annotation: Any) -> frozenset[Any]:
  """The types inside an annotation such as `tuple[float, ...] | None`, those of a mapping's keys left out."""
  parts = typing.get_args(annotation)
  if typing.get_origin(annotation) is Annotated:
    return _scalars(parts[0])
  if typing.get_origin(annotation) is dict:
    parts = parts[1:]
  return frozenset[Any]().union(*map(_scalars, parts)) if parts else frozenset({annotation})


def _may_be(value: Any, scalars: frozenset[Any]) -> bool:
  """Whether a value is no true, false or quoted number where a number is meant; pydantic takes these for one."""
  # What may be a day or a number has a check of its own.
  if not scalars & {int, float} or scalars & {str, bool, datetime.date, Any}:
    return True
  if isinstance(value, (list, tuple)):
    return all(_may_be(one, scalars) for one in value)
  if isinstance(value, dict):
    is_section = any(isinstance(one, type) and issubclass(one, BaseModel) for one in scalars)
    return is_section or all(_may_be(one, scalars) for one in value.values())
  is_text = isinstance(value, str) and scalars <= {int, float, type(None), Ellipsis}
  return not (isinstance(value, bool) or (is_text and is_number(value) and not _SCIENTIFIC.fullmatch(value)))


def is_number(text: str) -> bool:
  """Whether a text reads as a number."""
  try:
    float(text)
  except ValueError:
    return False
  return True


class Interval(Config):
  """A closed range of numbers.

  Attributes:
    min: the smallest valid number.
    max: the largest one.
  """

  min: float
  max: float

  def problems(self) -> Iterable[Problem]:
    if self.min > self.max:
      yield Problem('', f'min must not be larger than max, got min {self.min:g} and max {self.max:g}.')


def one_or_more(value: object) -> object:
  """A text alone as a list of one."""
  return [value] if isinstance(value, str) else value


def _fraction(value: float) -> float:
  if not 0 <= value < 1:
    percent = f' For {value:g} % write {value / 100:g}.' if 1 <= value <= 100 else ''
    raise ValueError(f'must be a fraction in [0, 1), got {value:g}.{percent}')
  return value


Fraction = Annotated[float, AfterValidator(_fraction), Field(json_schema_extra={'minimum': 0, 'exclusiveMaximum': 1})]
"""A share in [0, 1)."""

Identifier = Annotated[
  str, Field(pattern=r'^[a-z][a-z0-9_]*$', json_schema_extra={'form': 'small letters, digits and _, a letter first'})
]
"""A name that may stand in those of features, inputs and files."""

PositiveInt = Annotated[int, Field(gt=0)]
PositiveFloat = Annotated[float, Field(gt=0)]


@dataclasses.dataclass(frozen=True)
class Problem:
  """One mistake.

  Attributes:
    where: dotted keys from where the check was made down to the mistake; empty for all that was checked.
    message: the rest of the sentence, ending with a full stop; one that begins with a verb such as 'must' goes on after
      the keys, another one follows a colon.
  """

  where: str
  message: str

  def under(self, *keys: str) -> Problem:
    """The same problem as seen from further up."""
    return Problem('.'.join(filter(None, (*keys, self.where))), self.message)

  def __str__(self) -> str:
    if not self.where:
      return self.message
    return f'{self.where}{" " if self.message.startswith(("must ", "is ", "has ")) else ": "}{self.message}'


@dataclasses.dataclass(frozen=True)
class Idle(Problem):
  """A setting that has no effect, as others decide.

  It is refused where the user wrote it together with those, or after them. Where it was written before, in a preset or
  file that the deciding one extends, it gives way: a method can be switched off without naming all of its settings.

  Attributes:
    deciders: dotted keys of the settings that decide, from where the check was made; it never gives way to none.
  """

  deciders: tuple[str, ...]

  def under(self, *keys: str) -> Idle:
    deciders = tuple('.'.join((*keys, decider)) for decider in self.deciders)
    return Idle('.'.join(filter(None, (*keys, self.where))), self.message, deciders)


def overridden(config: Config, section: str, relative: str, absolute: str) -> Iterator[Idle]:
  """A relative setting that is not the default and has no effect, as an absolute one is set in its place."""
  if getattr(config, relative) != type(config).model_fields[relative].default:
    message = f'has no effect while {section}.{absolute} is set; set that to null, or remove {section}.{relative}.'
    yield Idle(relative, message, (absolute,))


def written(config: Config, below: str) -> Iterator[str]:
  """Dotted keys of all settings at a dotted key, or below it, whose values are not the defaults."""
  section, _, name = below.rpartition('.')
  holder = at(config, section)
  value, default = getattr(holder, name), type(holder).model_fields[name].default
  if value == default:
    return
  if not isinstance(value, Config) or any(field.is_required() for field in type(value).model_fields.values()):
    yield below
    return
  for field in type(value).model_fields:
    yield from (f'{below}.{found}' for found in written(value, field))


def at(config: Config, place: str) -> Any:
  """What a config holds at a dotted key; itself at the empty one."""
  return functools.reduce(getattr, filter(None, place.split('.')), config)


class ProblemsError(UserError, ValueError):  # pydantic takes ValueError alone for a mistake in what it validates.
  """Several mistakes found by one check."""

  def __init__(self, problems: Sequence[Problem]) -> None:
    super().__init__('\n'.join(str(problem) for problem in problems))
    self.problems = tuple(problems)


def raise_any(problems: Iterable[Problem]) -> None:
  """Raises `ProblemsError` if there is at least one."""
  found = list(problems)
  if found:
    raise ProblemsError(found)


def joined(words: Iterable[str]) -> str:
  """A list in a sentence: `a, b and c`."""
  *before, last = [*words] or ['']
  return f'{", ".join(before)} and {last}' if before else last


def shortened(words: Sequence[str], most: int) -> str:
  """The first words of a list, and how many follow: `a, b, c` or `a, b and 7 more`."""
  return ', '.join(words) if len(words) <= most else f'{", ".join(words[:most])} and {len(words) - most} more'


def unknown(noun: str, word: str, known: Collection[str]) -> str:
  """The message about a word that is none of the known ones, with the nearest of them."""
  return f"unknown {noun} '{word}'. Available: {', '.join(known)}.{nearest(word, known)}"


def nearest(word: str, known: Iterable[str]) -> str:
  """A hint such as " Did you mean 'dense_0'?", or nothing where no known word is near."""
  near = difflib.get_close_matches(word, list(known), n=1)
  return f" Did you mean '{near[0]}'?" if near else ''
