"""What every config model shares: unknown keys are refused, values are frozen, one check tells all mistakes that it
found.
"""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from configs.errors import UserError


class Config(BaseModel):
  """A frozen config model that refuses unknown keys."""

  model_config = ConfigDict(extra='forbid', frozen=True, validate_default=True, protected_namespaces=())

  if not TYPE_CHECKING:

    def __getattr__(self, name: str) -> Any:
      if name in type(self).model_fields:
        raise AttributeError(
          f"'{name}' is no part of the {type(self).__name__} that this step gets: what it reads has to stand in the "
          'Part that its component declares (see configs.parts).'
        )
      return super().__getattr__(name)


class Interval(Config):
  """A closed range of numbers."""

  min: float
  max: float

  def model_post_init(self, _: object) -> None:
    if self.min > self.max:
      raise ValueError(f'min must not be larger than max, got min {self.min:g} and max {self.max:g}.')


def one_or_more(value: object) -> object:
  """A text alone as a list of one."""
  return [value] if isinstance(value, str) else value


def _fraction(value: float) -> float:
  if not 0 <= value < 1:
    percent = f' For {value:g} % write {value / 100:g}.' if 1 <= value <= 100 else ''
    raise ValueError(f'must be a fraction in [0, 1), got {value:g}.{percent}')
  return value


Fraction = Annotated[float, AfterValidator(_fraction)]
"""A share in [0, 1)."""

PositiveInt = Annotated[int, Field(gt=0)]
PositiveFloat = Annotated[float, Field(gt=0)]


_GOES_ON = ('must ', 'is ', 'has ')


@dataclasses.dataclass(frozen=True)
class Problem:
  """One mistake.

  Attributes:
    location: keys from where the check was made down to the mistake.
    message: the rest of the sentence, ending with a full stop; one that begins with a verb such as 'must' goes on after
      the location, another one follows a colon.
  """

  location: tuple[str, ...]
  message: str

  def under(self, *keys: str) -> Problem:
    """The same problem as seen from further up."""
    return Problem((*keys, *self.location), self.message)

  def __str__(self) -> str:
    where = '.'.join(self.location)
    if not where:
      return self.message
    return f'{where} {self.message}' if self.message.startswith(_GOES_ON) else f'{where}: {self.message}'


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


def nearest(word: str, known: Iterable[str]) -> str:
  """A hint such as " Did you mean 'dense_0'?", or nothing where no known word is near."""
  near = difflib.get_close_matches(word, list(known), n=1)
  return f" Did you mean '{near[0]}'?" if near else ''
