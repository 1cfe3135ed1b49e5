"""Runs a lite file: raw canonical rides in, fares out. Imports NumPy and LiteRT alone."""

from __future__ import annotations

import collections
import os
import pathlib
import re
from collections.abc import Mapping
from typing import Any

import numpy as np

from configs.columns import LABEL, TIME
from models.lite.contract import SIGNATURE, LiteFileError, check_signature, columns_of, listed

BATCH = 1024
"""Rides at a time: small models reach their full speed here, and large ones still stay in the caches."""

_IDENTIFIER = b'TFL3'


def runtime() -> tuple[Any, Any]:
  """The interpreter class and its kinds of operator resolvers: LiteRT's, or TensorFlow's where LiteRT is absent."""
  try:
    from ai_edge_litert.interpreter import Interpreter, OpResolverType
  except ImportError:
    from tensorflow import lite

    return lite.Interpreter, lite.experimental.OpResolverType
  return Interpreter, OpResolverType


class LiteModel:
  """A lite file, loaded. Not for several threads at once: give each its own.

  Attributes:
    inputs: the dtype of each raw column by name: int32 seconds, float32 the
      rest.
  """

  def __init__(self, source: bytes | str | os.PathLike[str], threads: int = 1, default_delegates: bool = True) -> None:
    """Loads a file.

    Args:
      source: its path or its content.
      threads: of the interpreter. Small models are faster with one; large ones
        gain by more.
      default_delegates: false leaves out XNNPACK, which LiteRT otherwise uses.

    Raises:
      LiteFileError: it can't be read, is no whole TFLite file, has operators
        that don't run here, or takes or gives other than a ride's columns.
    """
    self._name = 'The lite model' if isinstance(source, bytes) else f"'{os.fspath(source)}'"
    content = source if isinstance(source, bytes) else _read(pathlib.Path(source))
    if content[4:8] != _IDENTIFIER:
      raise LiteFileError(f'{self._name} is not a TFLite file.')
    try:
      self._interpreter = _load(content, threads, default_delegates)
      details, self._fare = self._signature()
    except (ValueError, RuntimeError) as error:
      raise self._unusable(error) from error
    self._positions = {name: detail['index'] for name, detail in details.items()}
    self.inputs = {name: np.dtype(detail['dtype']) for name, detail in details.items()}
    self._rides = -1
    self._resize(1)

  def predict(self, rides: Mapping[str, np.ndarray]) -> np.ndarray:
    """Fares of rides, a batch at a time.

    Args:
      rides: a column [rides] for each of `inputs`, NaN where missing; others
        are left alone. Integers of any width serve as seconds, numbers of any
        width as the rest.

    Returns:
      float32 [rides], the city's currency.

    Raises:
      LiteFileError: a column is missing or has another type or length, or the
        model fails on the rides.
    """
    columns = columns_of(self._name, rides, self.inputs)
    count = len(columns[TIME])
    fares = np.empty(count, np.float32)
    for start in range(0, count, BATCH):
      batch = slice(start, min(start + BATCH, count))
      self._set({name: column[batch] for name, column in columns.items()})
      self.invoke()
      fares[batch] = self.fares()
    return fares

  def set_inputs(self, rides: Mapping[str, np.ndarray]) -> None:
    """Sets rides as one batch, for `invoke` to run any number of times; arguments and errors as `predict`."""
    self._set(columns_of(self._name, rides, self.inputs))

  def invoke(self) -> None:
    """Runs the batch that was set.

    Raises:
      LiteFileError: an operator refuses it.
    """
    try:
      self._interpreter.invoke()
    except RuntimeError as error:
      raise LiteFileError(f'{self._name} fails on a batch of {self._rides} ({_line(error)}).') from error

  def fares(self) -> np.ndarray:
    """The fares of the last `invoke`: float32 [rides].

    Raises:
      LiteFileError: the model gave another number of fares.
    """
    fares = self._interpreter.get_tensor(self._fare)
    if fares.shape != (self._rides,):
      raise LiteFileError(f'{self._name} gives fares of shape {list(fares.shape)} for {self._rides} rides.')
    return fares

  def operators(self) -> dict[str, int]:
    """How often each operator stands in the file; `DELEGATE` counts the parts that a delegate took over."""
    found = collections.Counter(operator['op_name'] for operator in self._interpreter._get_ops_details())
    return dict(sorted(found.items()))

  def _signature(self) -> tuple[dict[str, Any], int]:
    """The details of each input, and the index of the output."""
    signatures = self._interpreter.get_signature_list()
    if SIGNATURE not in signatures:
      raise LiteFileError(f"{self._name} has no signature '{SIGNATURE}'; it has: {listed(signatures)}.")
    # Only for its details: as long as a runner lives, nothing may be resized.
    runner = self._interpreter.get_signature_runner(SIGNATURE)
    inputs, outputs = runner.get_input_details(), runner.get_output_details()
    check_signature(self._name, inputs, outputs)
    first = {detail['index'] for detail in self._interpreter.get_input_details()}
    if first != {detail['index'] for detail in inputs.values()}:
      raise LiteFileError(f"{self._name} has its signature '{SIGNATURE}' in another subgraph than the first.")
    return inputs, outputs[LABEL]['index']

  def _unusable(self, error: Exception) -> LiteFileError:
    if isinstance(error, UnicodeDecodeError) or 'valid Flatbuffer' in str(error):
      return LiteFileError(f'{self._name} is cut off or damaged; copy or write it again.')
    return LiteFileError(f"{self._name} can't be loaded ({_line(error)}).")

  def _set(self, columns: Mapping[str, np.ndarray]) -> None:
    self._resize(len(columns[TIME]))
    for name, index in self._positions.items():
      self._interpreter.set_tensor(index, columns[name])

  def _resize(self, rides: int) -> None:
    """Makes room for so many rides, where there is room for another number."""
    if rides == self._rides:
      return
    self._rides = -1
    try:
      for index in self._positions.values():
        self._interpreter.resize_tensor_input(index, [rides])
      self._interpreter.allocate_tensors()
    except (ValueError, RuntimeError) as error:
      raise LiteFileError(f"{self._name} can't take a batch of {rides} ({_line(error)}).") from error
    self._rides = rides


def _read(path: pathlib.Path) -> bytes:
  try:
    return path.read_bytes()
  except OSError as error:
    raise LiteFileError(f"'{path}' can't be read ({error.strerror or error}).") from error


def _load(content: bytes, threads: int, default_delegates: bool) -> Any:
  interpreter, resolver = runtime()
  kind = resolver.AUTO if default_delegates else resolver.BUILTIN_WITHOUT_DEFAULT_DELEGATES
  return interpreter(model_content=content, num_threads=threads, experimental_op_resolver_type=kind)


def _line(error: Exception) -> str:
  """The first line of what LiteRT says, without the place in its source."""
  lines = str(error).strip().splitlines() or [type(error).__name__]
  return re.sub(r'^\S*tflite/\S+\s*', '', lines[0])[:200]
