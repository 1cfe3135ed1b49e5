"""What a fare model's file takes and gives, in words: for the manifest, and for the file's own metadata."""

from __future__ import annotations

from typing import TYPE_CHECKING

from configs.dataset import COORDINATES, LABEL, PASSENGERS, TIME, Dataset
from configs.records import RecordPart

if TYPE_CHECKING:
  from models.lite.metadata import FileDescription


class InputColumn(RecordPart):
  """A raw column: its name, `int32` or `float32`, its unit, and what it means."""

  name: str
  dtype: str
  unit: str
  meaning: str


def describe_inputs(dataset: Dataset) -> tuple[InputColumn, ...]:
  """The served model's raw columns, in order, for the manifest."""
  time = 'pickup, counted from 2009-01-01 00:00:00 on the wall clock of the city; may not be missing'
  columns = [_column(TIME, 's', time, 'int32')]
  for name in COORDINATES:
    end, axis = name.split('_')
    columns.append(_column(name, 'degrees (WGS84)', f'{axis} of the {end}; NaN where missing'))
  columns.append(_column(PASSENGERS, 'persons', 'number of passengers; NaN where missing'))
  for extra in dataset.extras:
    meaning = extra.meaning or 'a further column of the dataset'
    if extra.kind == 'categorical':
      codes = ', '.join(f'{code}: {value}' for code, value in enumerate(extra.vocabulary))
      meaning += f' ({codes}, {len(extra.vocabulary)}: any other)'
    columns.append(_column(extra.name, extra.unit, f'{meaning}; NaN where missing'))
  return tuple(columns)


def _column(name: str, unit: str, meaning: str, dtype: str = 'float32') -> InputColumn:
  return InputColumn(name=name, dtype=dtype, unit=unit, meaning=meaning)


def describe_file(dataset: Dataset, license: str = '') -> FileDescription:
  """What the TFLite metadata of a fare model's file says: each input as the manifest describes it.

  Args: license: of the model; empty where it is not said.
  """
  from models.lite.metadata import FileDescription  # Brings flatbuffers and NumPy along.

  tensors = {column.name: f'{column.meaning} [{column.unit}]' for column in describe_inputs(dataset)}
  tensors[LABEL] = f'the fare, estimated before the ride [{dataset.currency}]'
  return FileDescription(f'fares of {dataset.name}', 'Raw columns of taxi rides in, their fares out.', tensors, license)
