"""What a client of the model needs to know of each raw column: type, unit, meaning."""

from __future__ import annotations

from configs.dataset import COORDINATES, PASSENGERS, TIME, Dataset, ExtraColumn
from configs.records import RecordPart

_DEGREES = 'degrees (WGS84)'


class InputColumn(RecordPart):
  """A raw column: its name, `int32` or `float32`, its unit, and what it means."""

  name: str
  dtype: str
  unit: str
  meaning: str


def describe_inputs(dataset: Dataset) -> tuple[InputColumn, ...]:
  """The served model's raw columns, in order, for the manifest.

  Args:
    dataset: names the columns.
  """
  time = 'pickup, counted from 2009-01-01 00:00:00 on the wall clock of the city; may not be missing'
  columns = [_column(TIME, 's', time, 'int32')]
  for name in COORDINATES:
    end, axis = name.split('_')
    columns.append(_column(name, _DEGREES, f'{axis} of the {end}; NaN where missing'))
  columns.append(_column(PASSENGERS, 'persons', 'number of passengers; NaN where missing'))
  return (*columns, *(_extra(extra) for extra in dataset.extras))


def _extra(extra: ExtraColumn) -> InputColumn:
  meaning = extra.meaning or 'a further column of the dataset'
  if extra.kind == 'categorical':
    codes = ', '.join(f'{code}: {value}' for code, value in enumerate(extra.vocabulary))
    meaning += f' ({codes}, {len(extra.vocabulary)}: any other)'
  return _column(extra.name, extra.unit, f'{meaning}; NaN where missing')


def _column(name: str, unit: str, meaning: str, dtype: str = 'float32') -> InputColumn:
  return InputColumn(name=name, dtype=dtype, unit=unit, meaning=meaning)
