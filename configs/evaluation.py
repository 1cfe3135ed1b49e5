"""How a candidate is evaluated, and what it must reach."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Annotated, Any

from pydantic import Field, field_validator

from configs.base import Config, PositiveFloat, PositiveInt, Problem, is_number, one_or_more, overridden, raise_any
from configs.dataset import HOURS
from configs.records import MOST_JUDGED, RESAMPLES


class Slices(Config):
  """How the evaluation is sliced.

  Attributes:
    hours: lower ends of the time bands; the first one must be 0, and the last one below 24.
    distance_km: lower ends of the great-circle distance bands, kilometres; the first one must be 0.
    airport_km: a ride is an airport ride if either end is this near to an airport landmark, kilometres.
    columns: extra columns of the dataset by name: of a numeric one the rising numbers at which bands meet, such as
      `surge: [1, 1.5]`, in its unit; of a categorical one `[]`, as each word of its vocabulary is a slice.
  """

  hours: Annotated[tuple[float, ...], Field(min_length=1)] = (0.0, 6.0, 10.0, 16.0, 20.0)
  distance_km: Annotated[tuple[float, ...], Field(min_length=1)] = (0.0, 1.0, 3.0, 8.0)
  airport_km: PositiveFloat = 2.0
  columns: dict[str, tuple[float, ...]] = {}

  @field_validator('hours', 'distance_km')
  @classmethod
  def _rising_from_zero(cls, value: tuple[float, ...]) -> tuple[float, ...]:
    if value[0] != 0 or list(value) != sorted(set(value)):
      raise ValueError(f'must start at 0 and rise, got {list(value)}.')
    return value

  @field_validator('columns', mode='before')
  @classmethod
  def _words_are_slices_anyway(cls, value: Any) -> Any:
    """Words in place of numbers: a categorical column is meant, which needs none."""
    given = value if isinstance(value, Mapping) else {}
    raise_any(Problem(str(name), _NO_WORDS) for name, edges in given.items() if _has_word(edges))
    return value

  def problems(self) -> Iterator[Problem]:
    if self.hours[-1] >= HOURS:
      yield Problem('hours', f'must be below {HOURS}, as no ride is later, got {self.hours[-1]:g}.')
    for name, edges in self.columns.items():
      if list(edges) != sorted(set(edges)) or not all(map(math.isfinite, edges)):
        yield Problem(f'columns.{name}', f'must be numbers that rise, got {list(edges)}.')


_NO_WORDS = (
  'must be [] where the column is categorical: each word of its vocabulary is a slice. Of a numeric one it names the '
  'numbers at which bands meet, such as [1, 2.5].'
)


def _has_word(edges: object) -> bool:
  listed = one_or_more(edges)
  return isinstance(listed, (list, tuple)) and any(isinstance(one, str) and not is_number(one) for one in listed)


class Evaluation(Config):
  """What a candidate must reach before it is blessed.

  Attributes:
    judged_rides: the most rides of the eval split that finished files are judged on; of a split with more, a random
      sample of so many, the same for every file, and report, terminal and manifest say so.
    max_rmse: largest RMSE of the file on the eval split, in the city's currency; `max_rmse_share` sets it when unset.
    max_rmse_share: the same as a share of the standard deviation of the fares trained on; a model that always says
      their mean has an RMSE of about 1.
    max_rmse_increase: largest relative increase of the RMSE over that of the file that serves now, on the same rides;
      0.02 means 2 %.
    min_rides: fewest rides of the eval split; nothing is pushed on fewer.
    min_time_stamps: fewest time stamps of these: rides of one are not independent.
    bootstrap: number of draws behind each 95 % interval, in the gate, the report and the study alike; the training
      reports of recipes draw the default number, as another one must not train them again.
  """

  slices: Slices = Slices()
  judged_rides: PositiveInt = MOST_JUDGED
  max_rmse: PositiveFloat | None = None
  max_rmse_share: PositiveFloat = 1.0
  max_rmse_increase: Annotated[float, Field(ge=0)] = 0.02
  min_rides: Annotated[int, Field(ge=1)] = 50
  min_time_stamps: Annotated[int, Field(ge=1)] = 10
  bootstrap: Annotated[int, Field(ge=100, le=100_000)] = RESAMPLES

  def problems(self) -> Iterator[Problem]:
    if self.min_rides > self.judged_rides:
      yield Problem('min_rides', f'must be at most judged_rides ({self.judged_rides:,}): on no more is a file judged.')
    if self.max_rmse is not None:
      yield from overridden(self, 'evaluation', 'max_rmse_share', 'max_rmse')
