"""What the gate needs of an implementation, for a user's own model: how examples are read, and its version's facts."""

from __future__ import annotations

import dataclasses
import functools
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
import tensorflow as tf
from tfx.types import artifact_utils

from components.compression_gate.choice import Thresholds
from components.compression_gate.task import task_budget, task_thresholds
from components.compression_gate.warm_up import write_requests
from components.specs import Artifacts, Properties, saved_models, split_files
from configs.compression import Compression
from configs.model import Training
from configs.task import Task, TaskKind
from models.lite.columns import InputColumn
from models.lite.interpreter import AnyFile
from models.protocols import FileContract, Metric
from models.release import TOLERANCE, write_golden_examples
from models.samples import RecordSample
from models.serving import SERVING_DEFAULT, SERVING_RAW
from models.task_metrics import metric_of
from models.tasks.building import ModelError, builder
from models.tasks.examples import PREDICTIONS, RawTaskExamples, TaskInputs, absent

_SEED = 0
"""Of the sample: the same examples are judged in every run on the same files."""

_GOLDEN = 8

_MOST_SLICES = 200


@dataclasses.dataclass(frozen=True)
class EvalTaskExamples(RawTaskExamples):
  """Examples and where they belong; see `models.protocols.EvalExamples`.

  Attributes:
    slices: bool [examples] by `<column>=<value>`, or `<column> is missing`; none is empty.
    metric: what is judged.
    label: name of the labels.
    drawn_from: examples that these are a random sample of; `None` where they are all.
  """

  slices: Mapping[str, np.ndarray]
  metric: Metric
  label: str
  drawn_from: int | None = None
  contract: ClassVar[FileContract] = AnyFile()

  def shown(self) -> dict[str, np.ndarray]:
    """The inputs of one number, the columns of the task, masked where a value is missing, and the label."""
    found = {name: column for name, column in self.columns.items() if column.ndim == 1}
    others = {name: np.ma.array(column, mask=absent(column)) for name, column in self.others.items()}
    return {**found, **others, self.label: self.labels}


def read_eval_examples(inputs: TaskInputs, files: Sequence[str], task: Task, most: int) -> EvalTaskExamples:
  """Reads gzip TFRecords of raw tf.Examples, in the order of the sorted files.

  Args: most: of more examples a random sample of so many.
  Raises: FailedError: there is none, or a label is none.
  """
  sample = RecordSample(most, _SEED)
  raw = inputs.read_raw(files, 'eval', sample)
  slices = {}
  for name in task.slices:
    values, number = np.unique(raw.others[name], return_inverse=True)
    if len(values) > _MOST_SLICES:
      raise ModelError(
        f"task.slices: '{name}' has {len(values):,} values, and a slice of each is judged, of {_MOST_SLICES} at most: "
        'name a column of groups of them.'
      )
    for position, value in enumerate(values):
      told = f'{name} is missing' if absent(values)[position] else f'{name}={_text(value, name, task)}'
      slices[told] = number == position
  facts = {field.name: getattr(raw, field.name) for field in dataclasses.fields(raw)}
  drawn_from = sample.read if sample.read > len(raw) else None
  return EvalTaskExamples(**facts, slices=slices, metric=metric_of(task), label=task.label, drawn_from=drawn_from)


def _text(value: Any, name: str, task: Task) -> str:
  """A value of a slice as people read it."""
  if name == task.label and task.kind is TaskKind.CLASSIFICATION:
    return task.class_name(int(value))
  if isinstance(value, bytes):
    return value.decode('utf-8', 'replace')
  # All digits: rounded, two values would be one slice.
  return str(value) if isinstance(value, np.integer) else np.format_float_positional(value, trim='-')


class TaskVersion:
  """The facts of a version of a user's model; see `models.protocols.Version`.

  Args:
    inputs: of its files.
    examples: the eval split, at least one example.
  """

  def __init__(self, task: Task, inputs: TaskInputs, examples: EvalTaskExamples) -> None:
    self._task, self._inputs, self._examples = task, inputs, examples

  @property
  def facts(self) -> dict[str, Any]:
    """`dataset`, the task's name, and `inputs`."""
    columns = [
      InputColumn(name=name, dtype=spec.dtype.name, unit='', meaning=f'{spec.dtype.name} {["batch", *spec.shape[1:]]}')
      for name, spec in self._inputs.specs().items()
    ]
    return {'dataset': self._task.title, 'inputs': tuple(columns)}

  def tolerance(self, spread: float) -> float:
    """A hundredth of a probability at least, or of the labels' standard deviation."""
    unit = 1.0 if self._task.kind is TaskKind.CLASSIFICATION else float(np.std(self._examples.labels)) or 1.0
    return max(TOLERANCE * unit, spread)

  def golden_rows(self, predictions: np.ndarray) -> np.ndarray:
    """A few at even steps from the lowest to the highest prediction, or to the surest: rising int64 [n]."""
    order = np.argsort(predictions if predictions.ndim == 1 else predictions.max(axis=1), kind='stable')
    return np.unique(order[np.linspace(0, len(order) - 1, _GOLDEN).astype(int)])

  def write_golden(
    self, version_dir: pathlib.Path, columns: Mapping[str, np.ndarray], predictions: np.ndarray, tolerance: float
  ) -> None:
    """See `models.release.write_golden_examples`."""
    model = tf.saved_model.load(str(version_dir))  # The signatures live as long as it does.
    found = model.signatures[SERVING_RAW](**{name: tf.constant(column) for name, column in columns.items()})
    write_golden_examples(version_dir, columns, predictions, found[PREDICTIONS].numpy(), tolerance)

  def write_warm_up(self, version_dir: pathlib.Path, columns: Mapping[str, np.ndarray]) -> None:
    """Writes `models.release.WARM_UP`: a request with these examples for each signature that predicts."""
    count = len(next(iter(columns.values())))
    examples = [_encoded({name: column[row] for name, column in columns.items()}) for row in range(count)]
    requests = {SERVING_DEFAULT: {'examples': np.array(examples, object)}, SERVING_RAW: columns}
    write_requests(version_dir, self._task.title, requests)


def _encoded(row: Mapping[str, np.ndarray]) -> bytes:
  """A serialized tf.Example of one example's columns."""
  example = tf.train.Example()
  for name, values in row.items():
    feature, flat = example.features.feature[name], np.ravel(values)
    (feature.int64_list if flat.dtype.kind in 'iu' else feature.float_list).value.extend(flat.tolist())
  return bytes(example.SerializeToString())


class JudgedTask:
  """What is judged, for a user's own model."""

  def __init__(self, input_dict: Artifacts, exec_properties: Properties) -> None:
    self._files = input_dict['examples']
    self._task = Task.model_validate_json(exec_properties['task'])
    compression = Compression.model_validate_json(exec_properties['compression'])
    self.compression = compression.model_copy(update={'budget': task_budget(self._task, compression.budget)})
    self.resamples = self._task.resamples
    graph = input_dict.get('transform_graph')
    training = Training.model_validate_json(exec_properties['training'])
    uri = artifact_utils.get_single_uri(graph) if graph else None
    self._inputs = TaskInputs(self._task, builder(self._task, training.seed)(), uri)
    self._inputs.check_models(saved_models(input_dict).values())

  @functools.cached_property
  def examples(self) -> EvalTaskExamples:
    return read_eval_examples(self._inputs, split_files(self._files, 'eval'), self._task, self._task.judged_examples)

  def thresholds(self, trained: str) -> Thresholds:
    return task_thresholds(self._task)

  @property
  def version(self) -> TaskVersion:
    return TaskVersion(self._task, self._inputs, self.examples)

  def newest(self) -> None:
    """Nothing is compared."""
