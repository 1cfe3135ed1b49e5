"""Runs a lite file: raw canonical rides in, fares out. Imports NumPy and LiteRT alone."""

from __future__ import annotations

import collections
import os
import pathlib
import re
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
  Raises: LiteFileError: it is the file of another project.
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
    rides: columns [rides] by name; those that the file does not take are left out.
    inputs: the file's dtype of each column.
  Raises: LiteFileError: a column is missing or has another type or length.
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
      rides: a column [rides] for each of `inputs`, NaN where missing; others are left alone. Integers of any width
        serve as seconds, numbers of any width as the rest.
    Returns: float32 [rides], the city's currency.
    Raises: LiteFileError: a column is missing or has another type or length, or the model fails on the rides.
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
    """Runs the batch that was set. Raises `LiteFileError`: an operator refuses it."""
    try:
      self._interpreter.invoke()
    except RuntimeError as error:
      raise LiteFileError(f'{self._name} fails on a batch of {self._rides} ({_line(error)}).') from error

  def fares(self) -> np.ndarray:
    """The fares of the last `invoke`: float32 [rides]. Raises `LiteFileError` where there are more or fewer."""
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
