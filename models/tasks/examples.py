"""Examples of a user's model in memory: as it takes them, and as its finished files do."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import ClassVar

import numpy as np
import tensorflow as tf
import tensorflow_transform as tft
from tensorflow_transform import graph_tools, tf2_utils

from configs.base import joined
from configs.errors import FailedError
from configs.task import Task, TaskKind
from models.example_files import Columns, Spec, read_columns, stream_columns
from models.keras_compat import keras
from models.lite.interpreter import AnyFile
from models.protocols import Terms
from models.samples import RecordSample
from models.served_versions import is_saved_model
from models.serving import SERVING_RAW, signature_inputs
from models.streaming import Stream
from models.tasks.building import ModelError, check_labels, classes_of

PREDICTIONS = 'predictions'
"""Name of the output in signatures and files."""


@dataclasses.dataclass(frozen=True)
class TaskExamples:
  """One split as a model takes it; see `models.protocols.Examples`.

  Attributes:
    labels: float32 [examples]; the numbers of classes where those are predicted.
    groups: int64 [examples]; each example is one where the task names no column.
    classifies: whether the labels are classes.
  """

  inputs: Mapping[str, np.ndarray]
  labels: np.ndarray
  groups: np.ndarray
  classifies: bool = False
  terms: ClassVar[Terms] = Terms()

  @functools.cached_property
  def tensors(self) -> tuple[dict[str, tf.Tensor], tf.Tensor]:
    """The inputs by name, and the labels as float32 [examples, 1]."""
    return {name: tf.constant(column) for name, column in self.inputs.items()}, tf.constant(self.labels.reshape(-1, 1))

  def __len__(self) -> int:
    return len(self.labels)

  def __getitem__(self, rows: np.ndarray) -> TaskExamples:
    inputs = {name: column[rows] for name, column in self.inputs.items()}
    return TaskExamples(inputs, self.labels[rows], self.groups[rows], self.classifies)


@dataclasses.dataclass(frozen=True)
class RawTaskExamples:
  """One split as finished files take it; see `models.protocols.RawExamples`.

  Attributes:
    others: the task's slices and group, [examples] by name, as the examples have them; see `absent`.
  """

  columns: Mapping[str, np.ndarray]
  labels: np.ndarray
  groups: np.ndarray
  others: Mapping[str, np.ndarray]

  def __len__(self) -> int:
    return len(self.labels)


class TaskInputs:
  """How examples enter the files of a task; see `models.protocols.RawInputs`.

  Files take what the transform graph takes, or the model's own inputs where there is no graph.

  Args:
    task: names the label, which no file takes.
    model: built.
    transform_graph: URI of the fitted graph.
  Raises: ModelError: a column can't enter a file.
  """

  contract = AnyFile()
  output = PREDICTIONS

  def __init__(self, task: Task, model: keras.Model, transform_graph: str | None) -> None:
    self._task = task
    self.graph = tft.TFTransformOutput(transform_graph) if transform_graph else None
    self.layer = self.graph.transform_features_layer() if self.graph else None
    """The graph as a layer."""
    self._own = {
      name: tf.io.FixedLenFeature([int(size) for size in tensor.shape[1:]], _stored(tensor.dtype))
      for name, tensor in zip(model.input_names, model.inputs, strict=True)
    }
    self._types = dict(zip(model.input_names, (tensor.dtype for tensor in model.inputs), strict=True))
    self._classes = classes_of(model) if task.kind is TaskKind.CLASSIFICATION else 0
    if self.graph is not None:
      _check_graph(self.graph, self._own, task)
    self.examples = self._own if self.graph is None else _taken(self.graph, [*self._own], task)
    """Parse spec of what the files take."""

  def specs(self) -> dict[str, tf.TensorSpec]:
    """The files' inputs, each [None, ...]."""
    types = self._types if self.graph is None else {name: feature.dtype for name, feature in self.examples.items()}
    return {
      name: tf.TensorSpec([None, *feature.shape], types[name], name=name) for name, feature in self.examples.items()
    }

  def check_models(self, saved_models: Iterable[str]) -> None:
    """Raises `ModelError` for a model that was exported for other columns than these. Args: saved_models: folders."""
    for folder in saved_models:
      found = signature_inputs(folder, SERVING_RAW) if is_saved_model(folder) else sorted(self.examples)
      if not found:
        raise ModelError(
          f"The model at {folder} has no signature '{SERVING_RAW}', which files are compared with: give models that "
          'PruningTrainer made.'
        )
      if found != sorted(self.examples):
        raise ModelError(
          f'The models take {joined(found)}, and the examples here give {joined(sorted(self.examples))}: give '
          'PruningTrainer, QuantizationRewriter and CompressionGate the same transform_graph, or none of them one.'
        )

  def for_graph(self, columns: Mapping[str, tf.Tensor]) -> dict[str, tf.Tensor]:
    """The same."""
    return dict(columns)

  def read(
    self,
    files: Sequence[str],
    split: str,
    memory: int | None = None,
    rows: np.ndarray | None = None,
    sample: RecordSample | None = None,
  ) -> TaskExamples | Stream[TaskExamples]:
    """A split as the model takes it, transformed where there is a graph.

    Args:
      files: gzip TFRecords.
      split: for messages.
      memory, rows: see `models.example_files.stream_columns`; in memory where the first is left out.
      sample: draws among them; all of them where it is left out.
    Raises: FailedError: the split is empty, or the examples lack what the model takes.
    """  # fmt: skip
    group = {} if self._task.group is None else {self._task.group: _spec_of(files, self._task.group)}
    if self.graph is None:  # Long before they are judged by.
      for name in self._task.slices:
        _spec_of(files, name)
    spec = {**self._own, self._task.label: _label_spec(files, self._task.label), **group}
    make = functools.partial(self._examples, split=split)
    with _explained(spec):
      if memory is not None:
        return stream_columns(files, spec, make, TaskExamples.terms, memory, rows)
      return make(read_columns(files, spec, sample, self._task.label))

  def read_raw(self, files: Sequence[str], split: str, sample: RecordSample | None = None) -> RawTaskExamples:
    """A split as the files take it, with the labels that the model is to predict; as `read`."""
    names = dict.fromkeys((*self._task.slices, *([self._task.group] if self._task.group else [])))
    raw = {} if self.graph is None else _taken(self.graph, [self._task.label], self._task, label=True)
    own = raw or {self._task.label: _label_spec(files, self._task.label)}
    if self.graph is not None:
      names.pop(self._task.label, None)  # It may be what the graph makes of another column.
    others = {name: _spec_of(files, name) for name in names if name not in self.examples | own}
    spec = {**self.examples, **own, **others}
    with _explained(spec):
      columns = read_columns(files, spec, sample, self._task.label)
    if not columns:
      raise FailedError(f'The {split} split holds no example.')
    if self.layer is None:
      found = columns[self._task.label]
    else:
      found = self.layer({name: tf.constant(columns[name]) for name in raw})[self._task.label].numpy()
    labels = self._checked(found, split)
    types = {name: spec.dtype.as_numpy_dtype for name, spec in self.specs().items()}
    inputs = {name: columns[name].astype(types[name]) for name in self.examples}
    told = {name: columns[name].reshape(len(labels), -1)[:, 0] for name in names}
    if self._task.label in self._task.slices:
      told[self._task.label] = labels
    return RawTaskExamples(inputs, labels, _groups(columns, self._task.group, len(labels)), told)

  def _examples(self, columns: Columns, split: str) -> TaskExamples:
    if not columns:
      raise FailedError(f'The {split} split holds no example.')
    labels = self._checked(columns[self._task.label], split)
    inputs = {name: columns[name].astype(self._types[name].as_numpy_dtype) for name in self._own}
    return TaskExamples(inputs, labels, _groups(columns, self._task.group, len(labels)), bool(self._classes))

  def _checked(self, labels: np.ndarray, split: str) -> np.ndarray:
    """Float32 [examples]; refused where they are no labels of the task."""
    found = np.asarray(labels, np.float32).reshape(len(labels), -1)
    if found.shape[1] != 1:
      raise ModelError(f"'{self._task.label}' holds {found.shape[1]} numbers per example; a label is one.")
    if self._classes:
      check_labels(found[:, 0], self._classes, self._task.label, split)
    elif not np.isfinite(found).all():
      raise ModelError(
        f"'{self._task.label}' of {int((~np.isfinite(found)).sum()):,} of {len(found):,} examples in the {split} split "
        'is no number.'
      )
    return found[:, 0]


def _groups(columns: Columns, group: str | None, count: int) -> np.ndarray:
  """Int64 [examples]: equal where the group's column is."""
  if group is None:
    return np.arange(count)
  return np.unique(columns[group].reshape(count, -1)[:, 0], return_inverse=True)[1].astype(np.int64)


def _stored(dtype: tf.DType) -> tf.DType:
  """The type that a tf.Example has for a model's."""
  return tf.int64 if dtype.is_integer else tf.float32


def _taken(
  graph: tft.TFTransformOutput, outputs: Sequence[str], task: Task, label: bool = False
) -> dict[str, tf.io.FixedLenFeature]:
  """Parse spec of the raw columns that outputs of a transform graph are made of.

  Raises: ModelError: one of them is text or has no fixed size, or is the label.
  """
  function = tf.saved_model.load(graph.transform_savedmodel_dir).transform_fn
  concrete = function.concrete_functions[0] if hasattr(function, 'concrete_functions') else function
  made = tf.nest.pack_sequence_as(concrete.graph.structured_outputs, concrete.graph.outputs, expand_composites=True)
  given = tf2_utils.get_structured_inputs_from_func_graph(concrete.graph)
  found = graph_tools.get_dependent_inputs(concrete.graph, given, {name: made[name] for name in outputs})
  raw = graph.raw_feature_spec()
  spec = {name: raw[name] for name in sorted(found)}
  if not label and task.label in spec:
    raise ModelError(f"The features are made of the label '{task.label}', which nobody has when a file predicts.")
  for name, feature in spec.items():
    if not isinstance(feature, tf.io.FixedLenFeature) or None in feature.shape:
      raise ModelError(
        f"'{name}' has no fixed size in the schema: give it a shape (SchemaGen(infer_feature_shape=True)), or leave "
        'transform_graph out and give the transformed examples, which the files then take.'
      )
    if feature.dtype == tf.string and not label:
      raise ModelError(
        f"'{name}' is text, which TFLite can't look up: leave transform_graph out and give the transformed examples, "
        'which the files then take.'
      )
  return spec


def _check_graph(graph: tft.TFTransformOutput, own: Spec, task: Task) -> None:
  """Raises `ModelError` where a graph does not make what the model takes, or knows no column of the task's."""
  made, raw = graph.transformed_feature_spec(), graph.raw_feature_spec()
  if missing := [f"'{name}'" for name in (*own, task.label) if name not in made]:
    raise ModelError(
      f'The transform graph makes no {joined(missing)}; it makes {joined(sorted(made))}. Name the inputs of the model '
      'as preprocessing_fn names its outputs.'
    )
  for name, feature in own.items():
    sizes = [size for size in getattr(made[name], 'shape', ()) if size != 1]
    if isinstance(made[name], tf.io.FixedLenFeature) and sizes != [size for size in feature.shape if size != 1]:
      raise ModelError(
        f"The transform graph makes '{name}' of shape {list(made[name].shape)}, and the model takes {feature.shape}."
      )
  for key, names in (('slices', task.slices), ('group', [task.group] if task.group else [])):
    if unknown := [f"'{name}'" for name in names if name not in raw and name != task.label]:
      raise ModelError(f'task.{key}: the examples have no column {joined(unknown)}; they have {joined(sorted(raw))}.')


def _label_spec(files: Sequence[str], label: str) -> tf.io.FixedLenFeature:
  found = _spec_of(files, label)
  if found.dtype == tf.string:
    raise ModelError(f"The label '{label}' is text: make a number of it in preprocessing_fn, or before.")
  return tf.io.FixedLenFeature([1], found.dtype)  # Without a default: an example without a label is told.


def _spec_of(files: Sequence[str], name: str) -> tf.io.FixedLenFeature:
  """Parse spec of a column of one value, by the first example that has it."""
  for record in tf.data.TFRecordDataset(sorted(files), compression_type='GZIP').take(_LOOKED_AT).as_numpy_iterator():
    feature = tf.train.Example.FromString(record).features.feature
    kind = feature[name].WhichOneof('kind') if name in feature else None
    if kind:
      dtype = {'int64_list': tf.int64, 'float_list': tf.float32, 'bytes_list': tf.string}[kind]
      return tf.io.FixedLenFeature([1], dtype, default_value=[_ABSENT[dtype]])
  raise ModelError(f"The examples have no column '{name}'; where there is a graph, preprocessing_fn has to hand it on.")


_ABSENT = {tf.int64: np.iinfo(np.int64).min, tf.float32: np.nan, tf.string: b''}
"""What stands for a missing value, by type: of whole numbers the least one, as any other is somebody's code."""


def absent(column: np.ndarray) -> np.ndarray:
  """Which values of a column of `RawTaskExamples.others` are missing: bool [examples]; an empty text is, too."""
  if column.dtype.kind == 'f':
    return np.isnan(column)
  return column == (_ABSENT[tf.int64] if column.dtype.kind == 'i' else _ABSENT[tf.string])


_LOOKED_AT = 1000
"""Examples in which a column of the task is looked for."""


_FEATURE = re.compile(r'(?:Feature|Key|Name): [^\n\[]*[^\n\[\s]')
"""Where TensorFlow says which one, in the middle of where its operators are."""


@contextlib.contextmanager
def _explained(spec: Spec) -> Iterator[None]:
  """Turns what TensorFlow says of examples without a feature into one sentence."""
  try:
    yield
  except tf.errors.InvalidArgumentError as error:
    wanted = joined(f"'{name}' {feature.dtype.name} {list(feature.shape)}" for name, feature in spec.items())
    found = _FEATURE.search(str(error.message))
    reason = found[0] if found else str(error.message).splitlines()[0][:200]
    raise ModelError(f'The examples do not hold what the model takes ({wanted}): {reason}') from error
