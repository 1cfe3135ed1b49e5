"""Runs a lite file: raw columns in, predictions out. Imports NumPy and LiteRT alone."""

from __future__ import annotations

import collections
import contextlib
import importlib.metadata
import os
import pathlib
import re
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from configs.errors import UserError
from models.protocols import FileContract, Terms

SIGNATURE = 'serving_default'


class LiteFileError(UserError):
  """A lite file, or data for one, that can't be used; the message is one sentence."""


def listed(names: Iterable[str]) -> str:
  """Names in alphabetical order, for a message."""
  return ', '.join(sorted(names)) or 'none'


class AnyFile:
  """The contract of any file whose inputs are numbers [batch, ...] and whose one output is float32 [batch] or
  [batch, classes].

  Attributes:
    flat: whether all inputs are [batch].
    integers: what columns of integers hold, for messages.
    overflow: what a column holds that has too large ones.
  """

  terms = Terms()
  flat = False
  integers = 'whole numbers'
  overflow = 'numbers beyond {} bits'

  def check_signature(
    self, file: str, inputs: Mapping[str, Mapping[str, Any]], outputs: Mapping[str, Mapping[str, Any]]
  ) -> None:
    """Checks that there are inputs, and one output of that kind; see `FileContract`."""
    if not inputs or len(outputs) != 1:
      raise LiteFileError(f'{file} takes {listed(inputs)} and gives {listed(outputs)}: not inputs and one output.')
    for name, detail in outputs.items():
      if (
        np.dtype(detail['dtype']) != np.float32
        or len(detail['shape_signature']) not in (1, 2)
        or -1 in width_of(detail)
      ):
        wanted = 'float32 [batch] or [batch, classes]'
        raise LiteFileError(f"{file}: its output '{name}' is {described(detail)}, not {wanted}.")

  def columns_of(
    self, file: str, columns: Mapping[str, np.ndarray], inputs: Mapping[str, np.dtype]
  ) -> dict[str, np.ndarray]:
    """Columns of one length, numbers where the file takes numbers; see `FileContract`."""
    found = {name: self._column(file, columns, name, dtype) for name, dtype in inputs.items()}
    first, *others = found
    for name in others:
      if len(found[name]) != len(found[first]):
        raise LiteFileError(
          f"Column '{name}' has {len(found[name])} {self.terms.examples}, but '{first}' has {len(found[first])}."
        )
    return found

  def _column(self, file: str, columns: Mapping[str, np.ndarray], name: str, dtype: np.dtype) -> np.ndarray:
    if name not in columns:
      raise LiteFileError(f"{file} needs the column '{name}'; there are: {listed(columns)}.")
    column = np.asarray(columns[name])
    whole = dtype.kind == 'i'
    if not column.ndim or (self.flat and column.ndim > 1) or column.dtype.kind not in ('iu' if whole else 'iuf'):
      wanted = (self.integers if whole else 'numbers') + (f' [{self.terms.examples}]' if self.flat else '')
      raise LiteFileError(f"Column '{name}' must hold {wanted}, got {column.dtype} {list(column.shape)}.")
    limits = np.iinfo(dtype) if whole and column.dtype != dtype else None
    if limits and len(column) and not limits.min <= column.min() <= column.max() <= limits.max:
      raise LiteFileError(f"Column '{name}' holds {self.overflow.format(limits.bits)}.")
    return np.ascontiguousarray(column, dtype)


def width_of(detail: Mapping[str, Any]) -> list[int]:
  """The shape of an input or output without the batch; of an output with one number for each example none."""
  return [int(size) for size in detail['shape_signature'][1:]]


def is_column(detail: Mapping[str, Any], dtype: np.dtype) -> bool:
  """Whether an input or output is [batch] of a type."""
  return np.dtype(detail['dtype']) == dtype and len(detail['shape_signature']) == 1


def described(detail: Mapping[str, Any]) -> str:
  """An input or output for a message, such as `float32 [batch, 2]`."""
  shape = ['batch' if size < 0 else str(size) for size in detail['shape_signature']]
  return f'{np.dtype(detail["dtype"])} [{", ".join(shape)}]'


BATCH = 1024
"""Examples at a time: small models reach their full speed here, and large ones still stay in the caches."""

_IDENTIFIER = b'TFL3'


def runtime() -> tuple[Any, Any]:
  """The interpreter class and its kinds of operator resolvers: LiteRT's, or TensorFlow's where LiteRT is absent."""
  try:
    from ai_edge_litert.interpreter import Interpreter, OpResolverType
  except ImportError:
    from tensorflow import lite

    return lite.Interpreter, lite.experimental.OpResolverType
  return Interpreter, OpResolverType


def runtime_name() -> str:
  """What `runtime` gives, such as `ai-edge-litert 2.3.0`."""
  for package in ('ai-edge-litert', 'tensorflow'):
    with contextlib.suppress(importlib.metadata.PackageNotFoundError):
      return f'{package} {importlib.metadata.version(package)}'
  return 'unknown'


class LiteRunner:
  """A lite file, loaded. Not for several threads at once: give each its own.

  Attributes: inputs: the dtype of each raw column by name.
  """

  def __init__(
    self,
    source: bytes | str | os.PathLike[str],
    threads: int = 1,
    default_delegates: bool = True,
    contract: FileContract | None = None,
    keep_tensors: bool = False,
  ) -> None:
    """Loads a file.

    Args:
      source: its path or its content.
      threads: of the interpreter. Small models are faster with one; large ones gain by more.
      default_delegates: false leaves out XNNPACK, which LiteRT otherwise uses.
      contract: what the file has to take and to give; that of any file where it is left out.
      keep_tensors: keeps what each operator yields, for `tensor`.
    Raises: LiteFileError: it can't be read, is no whole TFLite file, has operators that don't run here, or breaks its
      contract.
    """
    self._contract: FileContract = contract or AnyFile()
    self._name = 'The lite model' if isinstance(source, bytes) else f"'{os.fspath(source)}'"
    content = source if isinstance(source, bytes) else _read(pathlib.Path(source))
    if content[4:8] != _IDENTIFIER:
      raise LiteFileError(f'{self._name} is not a TFLite file.')
    try:
      interpreter, resolver = runtime()
      kind = resolver.AUTO if default_delegates else resolver.BUILTIN_WITHOUT_DEFAULT_DELEGATES
      self._interpreter = interpreter(
        model_content=content,
        num_threads=threads,
        experimental_op_resolver_type=kind,
        experimental_preserve_all_tensors=keep_tensors,
      )
      details, output = self._signature()
    except (ValueError, RuntimeError) as error:
      raise self._unusable(error) from error
    self._output, self._width = output['index'], tuple(width_of(output))
    self._positions = {name: detail['index'] for name, detail in details.items()}
    self._shapes = {name: list(detail['shape'][1:]) for name, detail in details.items()}
    self.inputs = {name: np.dtype(detail['dtype']) for name, detail in details.items()}
    self._batch = -1
    self._resize(1)

  def predict(self, columns: Mapping[str, np.ndarray]) -> np.ndarray:
    """Predictions, a batch at a time.

    Args: columns: [examples, ...] for each of `inputs`; others are left alone. Integers of any width serve where the
      file takes integers, numbers of any width where it takes floats.
    Returns: float32 [examples], or [examples, classes] where the file gives several numbers for each.
    Raises: LiteFileError: a column is missing or has another type or length, or the model fails on the examples.
    """
    taken = self._contract.columns_of(self._name, columns, self.inputs)
    count = _count(taken)
    predictions = np.empty([count, *self._width], np.float32)
    for start in range(0, count, BATCH):
      batch = slice(start, min(start + BATCH, count))
      predictions[batch] = self.call({name: column[batch] for name, column in taken.items()})
    return predictions

  def taken(self, columns: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Examples as the file takes them, for `call`; arguments and errors as `predict`."""
    return self._contract.columns_of(self._name, columns, self.inputs)

  def call(self, taken: Mapping[str, np.ndarray]) -> np.ndarray:
    """A caller's whole call: sets every input, invokes, and gets the predictions.

    Args: taken: examples that `taken` gave, as one batch.
    Returns: As `predict`.
    Raises: LiteFileError: an operator refuses them, or the model gives another number of predictions.
    """
    self._set(taken)
    self._invoke()
    return self._outputs()

  def _invoke(self) -> None:
    try:
      self._interpreter.invoke()
    except RuntimeError as error:
      raise LiteFileError(f'{self._name} fails on a batch of {self._batch} ({_line(error)}).') from error

  def _outputs(self) -> np.ndarray:
    found = self._interpreter.get_tensor(self._output)
    if found.shape != (self._batch, *self._width):
      _, examples, predictions, _ = self._contract.terms
      raise LiteFileError(
        f'{self._name} gives {predictions} of shape {list(found.shape)} for {self._batch} {examples}.'
      )
    return found

  def tensor(self, index: int) -> np.ndarray:
    """What a tensor of the file held in the last `invoke`, float32: integers by their scale and zero point.

    Args: index: in the file's first subgraph. Only with `keep_tensors`.
    """
    values = self.stored(index)
    [detail] = (detail for detail in self._interpreter.get_tensor_details() if detail['index'] == index)
    scale, zero = detail['quantization']
    return ((values.astype(np.float64) - zero) * scale if scale else values).astype(np.float32)

  def stored(self, index: int) -> np.ndarray:
    """The same as the file holds it: integers as they are."""
    return np.asarray(self._interpreter.get_tensor(index))

  def operators(self) -> dict[str, int]:
    """How often each operator stands in the file; `DELEGATE` counts the parts that a delegate took over."""
    found = collections.Counter(operator['op_name'] for operator in self._interpreter._get_ops_details())
    return dict(sorted(found.items()))

  def _signature(self) -> tuple[dict[str, Any], Mapping[str, Any]]:
    """The details of each input, and of the output."""
    signatures = self._interpreter.get_signature_list()
    if SIGNATURE not in signatures:
      raise LiteFileError(f"{self._name} has no signature '{SIGNATURE}'; it has: {listed(signatures)}.")
    # Only for its details: as long as a runner lives, nothing may be resized.
    runner = self._interpreter.get_signature_runner(SIGNATURE)
    inputs, outputs = runner.get_input_details(), runner.get_output_details()
    self._contract.check_signature(self._name, inputs, outputs)
    first = {detail['index'] for detail in self._interpreter.get_input_details()}
    if first != {detail['index'] for detail in inputs.values()}:
      raise LiteFileError(f"{self._name} has its signature '{SIGNATURE}' in another subgraph than the first.")
    [output] = outputs.values()
    return inputs, output

  def _unusable(self, error: Exception) -> LiteFileError:
    if isinstance(error, UnicodeDecodeError) or 'valid Flatbuffer' in str(error):
      return LiteFileError(f'{self._name} is cut off or damaged; copy or write it again.')
    return LiteFileError(f"{self._name} can't be loaded ({_line(error)}).")

  def _set(self, columns: Mapping[str, np.ndarray]) -> None:
    self._resize(_count(columns))
    for name, index in self._positions.items():
      self._interpreter.set_tensor(index, columns[name])

  def _resize(self, batch: int) -> None:
    """Makes room for so many examples, where there is room for another number."""
    if batch == self._batch:
      return
    self._batch = -1
    try:
      for name, index in self._positions.items():
        self._interpreter.resize_tensor_input(index, [batch, *self._shapes[name]])
      self._interpreter.allocate_tensors()
    except (ValueError, RuntimeError) as error:
      raise LiteFileError(f"{self._name} can't take a batch of {batch} ({_line(error)}).") from error
    self._batch = batch


def _count(columns: Mapping[str, np.ndarray]) -> int:
  return len(next(iter(columns.values())))


def _read(path: pathlib.Path) -> bytes:
  try:
    return path.read_bytes()
  except OSError as error:
    raise LiteFileError(f"'{path}' can't be read ({error.strerror or error}).") from error


def _line(error: Exception) -> str:
  """The first line of LiteRT's message, without the place in its source."""
  lines = str(error).strip().splitlines() or [type(error).__name__]
  return re.sub(r'^\S*tflite/\S+\s*', '', lines[0])[:200]
