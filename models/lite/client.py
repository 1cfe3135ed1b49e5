"""Runs a lite file: raw canonical rides in, fares out. Imports NumPy and LiteRT alone."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import numpy as np

from configs.columns import LABEL, RAW_INPUTS, TERMS, TIME
from models.lite.interpreter import (
  BATCH,
  SIGNATURE,
  AnyFile,
  LiteFileError,
  LiteRunner,
  described,
  is_column,
  listed,
  runtime,
)
from models.protocols import Terms

__all__ = ['BATCH', 'SIGNATURE', 'LiteFileError', 'LiteModel', 'RideFile', 'runtime']

_INT32 = np.iinfo(np.int32)


class RideFile(AnyFile):
  """The contract of a fare model's file: canonical rides in, their fares out."""

  terms = Terms(*TERMS)

  def check_signature(
    self, file: str, inputs: Mapping[str, Mapping[str, Any]], outputs: Mapping[str, Mapping[str, Any]]
  ) -> None:
    """Refuses the file of another project."""
    another = f'{file} is a .tflite of another project'
    for name in RAW_INPUTS:
      if name not in inputs:
        raise LiteFileError(f"{another}: it has no input '{name}', which every ride has; it has: {listed(inputs)}.")
    for name, detail in inputs.items():
      wanted = np.dtype(np.int32 if name == TIME else np.float32)
      if not is_column(detail, wanted):
        raise LiteFileError(f"{another}: its input '{name}' is {described(detail)}, a ride's is {wanted} [batch].")
    if list(outputs) != [LABEL]:
      raise LiteFileError(f"{another}: it gives {listed(outputs)}, not '{LABEL}' alone.")
    if not is_column(outputs[LABEL], np.dtype(np.float32)):
      raise LiteFileError(f'{another}: its fares are {described(outputs[LABEL])}, not float32 [batch].')

  def columns_of(
    self, file: str, columns: Mapping[str, np.ndarray], inputs: Mapping[str, np.dtype]
  ) -> dict[str, np.ndarray]:
    """Columns [rides], as many as there are times."""
    found = {name: _column(file, columns, name, dtype) for name, dtype in inputs.items()}
    count = len(found[TIME])
    for name, column in found.items():
      if len(column) != count:
        raise LiteFileError(f"Column '{name}' has {len(column)} rides, but '{TIME}' has {count}.")
    return found


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


class LiteModel(LiteRunner):
  """A lite file of a fare model, loaded. Not for several threads at once: give each its own.

  Attributes: inputs: the dtype of each raw column by name: int32 seconds, float32 the rest.
  """

  def __init__(self, source: bytes | str | os.PathLike[str], threads: int = 1, default_delegates: bool = True) -> None:
    """Loads a file.

    Args:
      source: its path or its content.
      threads: of the interpreter. Small models are faster with one; large ones gain by more.
      default_delegates: false leaves out XNNPACK, which LiteRT otherwise uses.
    Raises:
      LiteFileError: it can't be read, is no whole TFLite file, has operators that don't run here, or takes or gives
        other than a ride's columns.
    """
    super().__init__(source, threads, default_delegates, RideFile())

  def predict(self, columns: Mapping[str, np.ndarray]) -> np.ndarray:
    """Fares of rides, a batch at a time.

    Args:
      columns: [rides] for each of `inputs`, NaN where missing; others are left alone. Integers of any width serve as
        seconds, numbers of any width as the rest.
    Returns: float32 [rides], the city's currency.
    Raises: LiteFileError: a column is missing or has another type or length, or the model fails on the rides.
    """
    return super().predict(columns)
