"""The temporal block: hour, weekday, month and tariff. Mappers: no full pass."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from typing import NamedTuple

import numpy as np

from configs.dataset import EPOCH, City
from configs.features import TemporalBlock
from transforms import civil
from transforms.catalogue import Feature, Scaled, is_kept, picked
from transforms.later import tf
from transforms.rides import RideBatch

SECONDS_PER_YEAR = 365.25 * civil.SECONDS_PER_DAY
_SATURDAY = 5


class _Phase(NamedTuple):
  """How a phase is computed: its length in the units of the clock, and how it becomes what the catalogue names."""

  cycle: float
  factor: float = 1
  offset: float = 0


_PHASES = {'hour': _Phase(civil.SECONDS_PER_DAY, 1 / 3600), 'day_of_week': _Phase(7), 'month': _Phase(12, 1, 1)}


class _Counted(NamedTuple):
  """A feature that counts how many thresholds a column of the clock has reached.

  Attributes:
    column: of `civil.clock`.
    thresholds: rising.
    signs: what each one counts.
  """

  name: str
  column: int
  thresholds: Sequence[float]
  signs: Sequence[float]


def catalogue(block: TemporalBlock, city: City) -> list[Feature]:
  """The temporal features in vector order; the linear time, the first, is a raw column in years."""
  rush = ', '.join(f'{start:g}-{end:g} h' for start, end in block.rush_hours)
  rows = [
    ('linear_time', 'years', 'time since 2009-01-01, in years of 365.25 days'),
    ('hour', 'h', 'time of day with its fraction, 0 to 24'),
    ('day_of_week', '', 'Monday 0 to Sunday 6'),
    ('month', '', 'January 1 to December 12'),
    ('weekend', '', '1 on Saturday and Sunday'),
    *((f'tariff_{day:%Y_%m_%d}', '', f'1 from the tariff change of {day} on') for day in city.tariff_changes),
    *(
      (f'{name}_hours', '', f'1 from {start:g} to {end:g} h ({name.replace("_", " ")}), on any day')
      for name, (start, end) in city.windows.items()
    ),
    *([('rush_hour', '', f'1 in the rush hours ({rush}), on any day')] if rush else []),
  ]
  if block.cyclic:
    cycles = (('hour', 'time of day'), ('day_of_week', 'weekday'), ('month', 'month'))
    rows += [(f'{name}_sin', '', f'sine of the {text}, one turn a cycle') for name, text in cycles]
    rows += [(f'{name}_cos', '', f'cosine of the {text}, one turn a cycle') for name, text in cycles]
  return [Feature(name, 'temporal', unit, meaning) for name, unit, meaning in rows]


def engineer(ride: RideBatch, block: TemporalBlock, city: City, keep: Collection[str] | None) -> list[Scaled]:
  """See `transforms.engineering.Block`; the linear time is a raw column in years, and not made here.

  Returns: In the catalogue's order: hour with its fraction (computed in seconds), day of week (Monday 0), month
    (computed as January 0); weekend, one flag per tariff change and one per window; rush hour, if there is one; the
    sines of the three cycles, then their cosines.
  """
  own, sines, cosines = (
    [name for name in _PHASES if is_kept(f'{name}{suffix}', keep) and (block.cyclic or not suffix)]
    for suffix in ('', '_sin', '_cos')
  )
  phases = [name for name in _PHASES if name in {*own, *sines, *cosines}]
  counted = [found for found in _counted(block, city) if is_kept(found.name, keep) or found.name in phases]
  if not phases and not counted:
    return []
  phase, flags = _phases_and_flags(civil.clock(ride.seconds), phases, counted)
  pieces = []
  if own:
    units = [_PHASES[name] for name in own]
    columns = picked(phase, phases, own)
    pieces.append(Scaled(columns, [unit.factor for unit in units], [unit.offset for unit in units]))
  if flags is not None:
    pieces.append(Scaled(flags))
  if phase is not None and (sines or cosines):
    angles = phase * np.array([2 * math.pi / _PHASES[name].cycle for name in phases], np.float32)
    waves = (tf.sin, sines), (tf.cos, cosines)
    pieces += [Scaled(wave(picked(angles, phases, names))) for wave, names in waves if names]
  return pieces


def _phases_and_flags(
  clock: tf.Tensor, phases: Sequence[str], counted: Sequence[_Counted]
) -> tuple[tf.Tensor | None, tf.Tensor | None]:
  """The phases, and all that is counted but for the month: float32 [batch, each], `None` where there are none."""
  flags = [found.name for found in counted if found.name not in _PHASES]
  columns = tf.concat([clock, _count(clock, counted)], axis=1) if counted else clock
  if len(phases) == len(_PHASES) and flags:
    # Second of the day, weekday and, counted first, the month stand side by side.
    _, phase, flag = tf.split(columns, [civil.SECOND, len(_PHASES), len(flags)], axis=1)
    return phase, flag
  names = ['day', 'year_day', 'hour', 'day_of_week', *(found.name for found in counted)]
  phase, flag = (picked(columns, names, wanted) if wanted else None for wanted in (phases, flags))
  return phase, flag


def _counted(block: TemporalBlock, city: City) -> list[_Counted]:
  """Month (January 0), weekend, tariff flags, windows, then the rush hour."""
  rush = [round(edge * 3600) for span in merged(block.rush_hours) for edge in span]
  found = [
    _Counted('month', civil.YEAR_DAY, civil.MONTH_STARTS, [1] * len(civil.MONTH_STARTS)),
    _Counted('weekend', civil.WEEKDAY, [_SATURDAY], [1]),
  ]
  for day in city.tariff_changes:
    start = (day - EPOCH.date()).days + civil.FIRST_DAY
    found.append(_Counted(f'tariff_{day:%Y_%m_%d}', civil.DAY, [start], [1]))
  for name, hours in city.windows.items():
    edges = civil.window_edges(*hours)
    found.append(_Counted(f'{name}_hours', civil.SECOND, edges.seconds, edges.signs))
  if rush:
    # The end of a rush hour takes its start back.
    found.append(_Counted('rush_hour', civil.SECOND, rush, [1, -1] * (len(rush) // 2)))
  return found


def _count(clock: tf.Tensor, counted: Sequence[_Counted]) -> tf.Tensor:
  """All thresholds compared at once, then counted, each for its own feature: float32 [batch, features].

  Whole days and seconds are exact in float32. Hours would not do: 25200 / 3600 need not be 7 once a compiler has turned
  the division into a multiplication.
  """
  columns = [found.column for found in counted for _ in found.thresholds]
  thresholds = np.concatenate([found.thresholds for found in counted]).astype(np.float32)
  reached = tf.cast(tf.gather(clock, columns, axis=1) >= thresholds, tf.float32)
  counts = np.zeros((len(columns), len(counted)), np.float32)
  features = np.repeat(np.arange(len(counted)), [len(found.thresholds) for found in counted])
  counts[np.arange(len(columns)), features] = np.concatenate([found.signs for found in counted])
  return tf.matmul(reached, counts)


def merged(spans: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
  """Half-open intervals as a sorted list in which none touches another."""
  result: list[tuple[float, float]] = []
  for start, end in sorted(spans):
    if result and start <= result[-1][1]:
      result[-1] = (result[-1][0], max(end, result[-1][1]))
    else:
      result.append((start, end))
  return result
