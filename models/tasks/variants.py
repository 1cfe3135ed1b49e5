"""Lite files of a user's model."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from configs.compression import KeepNames, Scheme
from configs.model import Training
from configs.task import Task, TaskKind
from models.lite.variants import Variants
from models.samples import RecordSample
from models.streaming import Stream
from models.tasks.building import builder
from models.tasks.examples import TaskInputs

_SEED = 0
"""Of the samples: every run on the same files takes the same examples."""


def task_variants(
  task: Task,
  training: Training,
  transform_graph: str | None,
  transformed: Sequence[str],
  held_out: Sequence[str],
  saved_models: Iterable[str],
  schemes: Sequence[Scheme],
  calibration: int,
  validation: int,
  keep_names: KeepNames = KeepNames.SHORT,
) -> Variants:
  """What makes the lite files of a task.

  Args:
    training: what the models were trained by.
    transform_graph: URI of the fitted graph; the files take the model's own inputs where there is none.
    transformed: files of examples as the model takes them, the training split.
    held_out: files of examples as the finished files take them, the eval split.
    saved_models: folders of what is converted.
    schemes: those that there may be; one may ask for more examples than `calibration`.
    calibration, validation: the most examples that ranges are taken from, and that files are compared on.
  Raises: ModelError: as `models.tasks.building.builder` and `models.tasks.examples.TaskInputs`.
  """
  build = builder(task, training.seed)
  inputs = TaskInputs(task, build(), transform_graph)
  inputs.check_models(saved_models)
  most = max([calibration, *(scheme.calibration.rides or 0 for scheme in schemes)])
  # The highest labels show the reach of a regression; of classes none is the highest.
  highest = (
    max((scheme.calibration.longest for scheme in schemes), default=0) if task.kind is TaskKind.REGRESSION else 0
  )
  examples = inputs.read(transformed, 'train', sample=RecordSample(most, _SEED, highest=highest))
  assert not isinstance(examples, Stream)
  return Variants(
    build,
    inputs,
    inputs.layer,
    examples,
    inputs.read_raw(held_out, 'eval', RecordSample(validation, _SEED)),
    keep_names,
  )
