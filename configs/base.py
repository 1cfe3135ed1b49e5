"""What every config model shares: unknown keys are refused, values are frozen."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field


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
  """A closed range of numbers.

  Attributes:
    min: the smallest allowed value.
    max: the largest allowed value.
  """

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
