"""Runs a lite file: raw canonical rides in, fares out. Imports NumPy and LiteRT alone."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import numpy as np

from configs.columns import LABEL, RAW_INPUTS, TERMS, TIME
from models.lite.interpreter import AnyFile, LiteFileError, LiteRunner, described, is_column, listed
from models.protocols import Terms

__all__ = ['LiteFileError', 'LiteModel', 'RideFile']


class RideFile(AnyFile):
  """The contract of a fare model's file: canonical rides in, their fares out."""

  terms = Terms(*TERMS)
  flat = True
  integers = 'whole seconds'
  overflow = 'seconds beyond {} bits; they count from 2009-01-01'

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
    return super().columns_of(file, columns, {TIME: inputs[TIME], **inputs})


class LiteModel(LiteRunner):
  """A lite file of a fare model, loaded. Not for several threads at once: give each its own.

  `predict` takes the columns [rides] of canonical rides, NaN where missing, and gives their fares: float32 [rides], in
  the city's currency.

  Attributes: inputs: the dtype of each raw column by name: int32 seconds, float32 the rest.
  """

  def __init__(self, source: bytes | str | os.PathLike[str], threads: int = 1, default_delegates: bool = True) -> None:
    """Loads a file; arguments and errors as `LiteRunner`, and one that takes or gives other than rides is refused."""
    super().__init__(source, threads, default_delegates, RideFile())
