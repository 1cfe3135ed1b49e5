"""What a model, its data and its metric have to offer to what compresses, converts and judges it.

The trainer of recipes, the rewriter and the gate work on any Keras model that keeps to these; they know neither the
meaning of a column nor the unit of a label. A model to compress is a functional `keras.Model` that

- takes its inputs by name and gives float32 [batch, 1] or [batch, classes];
- holds a `keras.Sequential` named `models.compression.layers.DENSE_CORE` of Dense and Dropout layers alone, the last of
  which is the output; what stands ahead of it may be embeddings, joints and a `Clip`. A model without one is pruned,
  clustered, quantized and converted as a whole: convolutions, normalizations, residual additions
  (`models.compression.whole_model`, `models.lite.whole_validation`);
- is built anew, with the same initial weights and structure, by each call of a `Build`.

Imports NumPy alone, so that a client of a finished file may know it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, TypeVar

import numpy as np

if TYPE_CHECKING:
  import pathlib

  import tensorflow as tf

  from configs.records import Estimate
  from models.error_intervals import Comparison, SliceErrors
  from models.keras_compat import keras


class Terms(NamedTuple):
  """The words of messages for one example, several of them, their labels or predictions, and their groups."""

  example: str = 'example'
  examples: str = 'examples'
  predictions: str = 'predictions'
  groups: str = 'groups'


E = TypeVar('E', bound='Examples')


class _Labelled(Protocol):
  """One split in memory."""

  @property
  def labels(self) -> np.ndarray:
    """Float32 [examples], in the unit of the model's output."""

  @property
  def groups(self) -> np.ndarray:
    """Int [examples]: those of one group are not independent; they are held out and drawn together."""

  def __len__(self) -> int: ...


class Examples(_Labelled, Protocol):
  """One split in memory, as a model takes it."""

  @property
  def terms(self) -> Terms:
    """For messages."""

  @property
  def inputs(self) -> Mapping[str, np.ndarray]:
    """By the names of the model's inputs, each [examples, ...]."""

  @property
  def tensors(self) -> tuple[dict[str, tf.Tensor], tf.Tensor]:
    """The inputs by name, and the labels as float32 [examples, 1]; made once."""

  @property
  def classifies(self) -> bool:
    """Whether labels are numbers of classes: none of them is higher than another."""

  def __getitem__(self: E, rows: np.ndarray) -> E:
    """Those at a boolean mask or integer index [n]."""


class RawExamples(_Labelled, Protocol):
  """One split in memory, as a finished file takes it, ahead of any feature."""

  @property
  def columns(self) -> Mapping[str, np.ndarray]:
    """By the names of the file's inputs, in its types, each [examples, ...]."""


Build = Callable[[], 'keras.Model']
"""Makes a model to compress, a fresh untrained one at each call; see the module."""


class ModelExporter(Protocol):
  """Writes models as SavedModels, whatever stands in front of them."""

  def export(self, model: keras.Model, directory: str, structure: str) -> None:
    """Writes a model; models of an equal structure differ in the values of their variables alone."""


class FileContract(Protocol):
  """What a finished file takes and gives. A class without arguments: another process makes its own by the class's path.

  `models.lite.interpreter.AnyFile` serves every model; others check more.
  """

  @property
  def terms(self) -> Terms:
    """For messages."""

  def check_signature(
    self, file: str, inputs: Mapping[str, Mapping[str, Any]], outputs: Mapping[str, Mapping[str, Any]]
  ) -> None:
    """Checks the signature of a file.

    Args:
      file: what the message calls the file.
      inputs: the interpreter's details of each input, by name.
      outputs: the same of each output.
    Raises: LiteFileError: it is no file of this kind.
    """

  def columns_of(
    self, file: str, columns: Mapping[str, np.ndarray], inputs: Mapping[str, np.dtype]
  ) -> dict[str, np.ndarray]:
    """The columns that a file takes, checked and in its types; `inputs` are the file's.

    Raises: LiteFileError: a column is missing or has another type or length.
    """


class RawInputs(Protocol):
  """How examples as they come enter a file, and what it gives."""

  @property
  def contract(self) -> FileContract:
    """Of the finished file."""

  @property
  def output(self) -> str:
    """Name of the predictions in the file's signature."""

  def specs(self) -> Mapping[str, tf.TensorSpec]:
    """The file's inputs by name, each [None, ...]."""

  def for_graph(self, columns: Mapping[str, tf.Tensor]) -> dict[str, tf.Tensor]:
    """The same in the types that the features graph takes: TFLite's are fewer."""


class Metric(Protocol):
  """What predictions are judged by: an error, the smaller the better, or a share that is right, the larger the better.

  Predictions are [examples], or [examples, classes] where a model gives the probability of each class.
  """

  @property
  def name(self) -> str:
    """As sentences have it, such as `RMSE`."""

  @property
  def key(self) -> str:
    """As records have it, such as `rmse`."""

  @property
  def relative(self) -> str:
    """What `Comparison.ratio` is called in sentences, such as `RMSE ratio`; the smaller, the better in any case."""

  @property
  def larger_is_better(self) -> bool:
    """The direction of `Comparison.error`."""

  @property
  def classifies(self) -> bool:
    """Whether predictions are probabilities of classes, and labels numbers of classes."""

  def compare(
    self,
    labels: np.ndarray,
    predictions: np.ndarray,
    base_predictions: np.ndarray,
    groups: np.ndarray,
    slices: Mapping[str, np.ndarray],
    resamples: int,
  ) -> Comparison:
    """The figure with its interval, and how it stands to that of a baseline, of all examples and of each slice.

    Args:
      labels: [examples], at least one; numbers of classes where those are predicted.
      predictions: of the model.
      base_predictions: of the baseline.
      groups: [examples]; those of one group are drawn together.
      slices: by name, which examples belong to it: bool [examples], at least one true.
      resamples: number of draws.
    Returns: `error` in the metric's own direction; `ratio` to the baseline's where it is an error, the difference,
      baseline less model, where it is a share.
    Raises: ValueError: the baseline makes no error, so that there is no ratio.
    """

  def figures(self, found: Comparison | None) -> dict[str, Estimate | None]:
    """What records and manifests hold of the errors of all examples, by their keys; `None` where they are not known."""

  def slice_figures(self, found: SliceErrors) -> dict[str, Estimate | None]:
    """What records hold of the errors of a slice, by their keys."""


class EvalExamples(RawExamples, Protocol):
  """What a gate judges finished files by."""

  @property
  def slices(self) -> Mapping[str, np.ndarray]:
    """By name, which examples belong to it: bool [examples]; none is empty."""

  @property
  def metric(self) -> Metric:
    """What is judged."""

  @property
  def contract(self) -> FileContract:
    """Of the files."""

  def shown(self) -> Mapping[str, np.ndarray]:
    """What stands beside the predictions in the report's table, by column: [examples] each."""


class Version(Protocol):
  """What a version to push holds of a model besides its files and figures."""

  @property
  def facts(self) -> dict[str, Any]:
    """Of the manifest, by key: `dataset`, `inputs`, and the unit of the labels."""

  def tolerance(self, spread: float) -> float:
    """How far a prediction may be off elsewhere, where the file's own arithmetic allows `spread`; the labels' unit."""

  def golden_rows(self, predictions: np.ndarray) -> np.ndarray:
    """Which few examples to keep beside the model: rising int64 [n]; predictions are [examples]."""

  def write_golden(
    self, version_dir: pathlib.Path, columns: Mapping[str, np.ndarray], predictions: np.ndarray, tolerance: float
  ) -> None:
    """Writes those examples, what the lite file gives for them, and what the SavedModel of the version does."""

  def write_warm_up(self, version_dir: pathlib.Path, columns: Mapping[str, np.ndarray]) -> None:
    """Writes requests for those examples that a model server answers before it serves the version."""
