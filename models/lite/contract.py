"""What every lite file takes and gives, and what its rides must be. Imports NumPy, names and errors alone."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from configs.columns import LABEL, RAW_INPUTS, TIME
from configs.errors import UserError

SIGNATURE = 'serving_default'

_INT32 = np.iinfo(np.int32)


class LiteFileError(UserError):
  """A lite file, or rides for one, that can't be used; the message is one sentence."""


def check_signature(
  file: str, inputs: Mapping[str, Mapping[str, Any]], outputs: Mapping[str, Mapping[str, Any]]
) -> None:
  """Checks that a signature takes canonical rides and gives their fares.

  Args:
    file: what the message calls the file.
    inputs: the interpreter's details of each input, by name.
    outputs: the same of each output.

  Raises:
    LiteFileError: it is the file of another project.
  """
  another = f'{file} is a .tflite of another project'
  for name in RAW_INPUTS:
    if name not in inputs:
      raise LiteFileError(f"{another}: it has no input '{name}', which every ride has; it has: {listed(inputs)}.")
  for name, detail in inputs.items():
    wanted = _input_dtype(name)
    if not _is_column(detail, wanted):
      raise LiteFileError(f"{another}: its input '{name}' is {_described(detail)}, a ride's is {wanted} [batch].")
  if list(outputs) != [LABEL]:
    raise LiteFileError(f"{another}: it gives {listed(outputs)}, not '{LABEL}' alone.")
  if not _is_column(outputs[LABEL], np.dtype(np.float32)):
    raise LiteFileError(f'{another}: its fares are {_described(outputs[LABEL])}, not float32 [batch].')


def columns_of(file: str, rides: Mapping[str, np.ndarray], inputs: Mapping[str, np.dtype]) -> dict[str, np.ndarray]:
  """The columns that a file takes, checked and in its types.

  Args:
    file: what the message calls the file.
    rides: columns [rides] by name; those that the file does not take are left
      out.
    inputs: the file's dtype of each column.

  Raises:
    LiteFileError: a column is missing or has another type or length.
  """
  columns = {name: _column(file, rides, name, dtype) for name, dtype in inputs.items()}
  count = len(columns[TIME])
  for name, column in columns.items():
    if len(column) != count:
      raise LiteFileError(f"Column '{name}' has {len(column)} rides, but '{TIME}' has {count}.")
  return columns


def listed(names: Iterable[str]) -> str:
  """Names in alphabetical order, for a message."""
  return ', '.join(sorted(names)) or 'none'


def _input_dtype(name: str) -> np.dtype:
  return np.dtype(np.int32 if name == TIME else np.float32)


def _is_column(detail: Mapping[str, Any], dtype: np.dtype) -> bool:
  return np.dtype(detail['dtype']) == dtype and len(detail['shape_signature']) == 1


def _described(detail: Mapping[str, Any]) -> str:
  shape = ['batch' if size < 0 else str(size) for size in detail['shape_signature']]
  return f'{np.dtype(detail["dtype"])} [{", ".join(shape)}]'


def _column(file: str, rides: Mapping[str, np.ndarray], name: str, dtype: np.dtype) -> np.ndarray:
  if name not in rides:
    raise LiteFileError(f"{file} needs the column '{name}'; there are: {listed(rides)}.")
  column = np.asarray(rides[name])
  whole = dtype.kind == 'i'
  if column.ndim != 1 or column.dtype.kind not in ('iu' if whole else 'iuf'):
    wanted = 'whole seconds' if whole else 'numbers'
    raise LiteFileError(f"Column '{name}' must hold {wanted} [rides], got {column.dtype} {list(column.shape)}.")
  if whole and column.dtype != dtype and len(column) and not _INT32.min <= column.min() <= column.max() <= _INT32.max:
    raise LiteFileError(f"Column '{name}' holds seconds beyond 32 bits; they count from 2009-01-01.")
  return np.ascontiguousarray(column, dtype)
