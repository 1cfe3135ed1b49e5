"""A user's own model, for the components that compress any: how it is made, what it learns, and what it must reach."""

from __future__ import annotations

import enum
import re
from collections.abc import Iterator
from typing import Annotated

from pydantic import BeforeValidator, Field, ValidationInfo, field_validator

from configs.base import Config, PositiveFloat, PositiveInt, Problem, joined, one_or_more
from configs.records import MOST_JUDGED, RESAMPLES


class MetricName(str, enum.Enum):
  """What a model is judged by.

  `accuracy` is the share of examples whose most likely class is theirs, `auc` the area under the ROC curve (of several
  classes the mean over each against the rest), `log_loss` the mean of -ln p of the true class; `rmse` and `mae` are in
  the labels' unit.
  """

  RMSE = 'rmse'
  MAE = 'mae'
  ACCURACY = 'accuracy'
  LOG_LOSS = 'log_loss'
  AUC = 'auc'

  @property
  def larger_is_better(self) -> bool:
    """The direction of its limits."""
    return self in (MetricName.ACCURACY, MetricName.AUC)


class TaskKind(str, enum.Enum):
  """What a model learns: a number, or which of several classes."""

  REGRESSION = 'regression'
  CLASSIFICATION = 'classification'

  @property
  def metrics(self) -> tuple[MetricName, ...]:
    """Those of it, the usual one first."""
    if self is TaskKind.REGRESSION:
      return MetricName.RMSE, MetricName.MAE
    return MetricName.ACCURACY, MetricName.LOG_LOSS, MetricName.AUC


_PATH = re.compile(r'[^\W\d]\w*(\.[^\W\d]\w*)+')


class Task(Config):
  """A model of a user's, and what it is for.

  Attributes:
    build_fn: dotted path of a function without arguments that makes the untrained Keras 2 model, the same at each call;
      its module must be importable wherever a step runs.
    kind: `regression` takes labels that are numbers and predictions [batch, 1]; `classification` labels 0, 1, ... and
      probabilities: [batch, 1] of class 1 by a sigmoid, or [batch, classes] by a softmax.
    label: name of the label in the examples.
    classes: names of the classes for pages and slices; their numbers where it is left out.
    group: a column of the examples; those that share a value are drawn together by intervals. Each example is drawn by
      itself where it is left out.
    slices: columns of the examples, the label among them; examples of each value are also judged by themselves, and so
      are those without one.
    metric: judged; the kind's first one where it is left out. The others are shown.
    limit: what a file must reach: at least that accuracy or AUC, at most that error.
    max_loss: how much worse than the float32 file of the dense base a file may be: in accuracy or AUC as a difference
      (0.01 is one point), in errors as a share (0.01 is 1 %).
    worst_slice_loss: the same of the worst slice; `null` judges none.
    max_loss_to_served: the same, compared with the file that serves now.
    judged_examples: the most examples of the eval split that finished files are judged on; of a split with more, a
      random sample of so many, the same for every file.
    resamples: draws behind each 95 % interval.
    unit: of the labels of a regression, for sentences.
    name: of the model in manifests; the module of `build_fn` where it is left out.
  """

  build_fn: str
  kind: TaskKind
  label: str
  classes: tuple[str, ...] = ()
  group: str | None = None
  slices: Annotated[tuple[str, ...], BeforeValidator(one_or_more)] = ()
  metric: MetricName | None = None
  limit: float | None = None
  max_loss: PositiveFloat | None = 0.01
  worst_slice_loss: PositiveFloat | None = 0.05
  max_loss_to_served: PositiveFloat | None = 0.02
  judged_examples: PositiveInt = MOST_JUDGED
  resamples: Annotated[int, Field(ge=100, le=100_000)] = RESAMPLES
  unit: str = ''
  name: str = ''

  @field_validator('metric', mode='before')
  @classmethod
  def _of_its_kind(cls, value: object, info: ValidationInfo) -> object:
    kind = info.data.get('kind')
    if kind is None or value is None or value in kind.metrics:
      return value
    known = joined(metric.value for metric in kind.metrics)
    raise ValueError(f'must be one of {known} for a {kind.value}, got {getattr(value, "value", value)}.')

  def problems(self) -> Iterator[Problem]:
    if not _PATH.fullmatch(self.build_fn):
      message = 'must be the dotted path of a function that makes the model, such as my_package.model.build, got'
      yield Problem('build_fn', f"{message} '{self.build_fn}'.")
    if self.classes and self.kind is TaskKind.REGRESSION:
      yield Problem('classes', 'has no effect in a regression; leave it out.')
    if len(self.classes) == 1:
      yield Problem('classes', 'must name at least two classes, or none.')
    if self.limit is not None and self.judged.larger_is_better and not 0 < self.limit <= 1:
      percent = f' For {self.limit:g} % write {self.limit / 100:g}.' if 1 < self.limit <= 100 else ''
      yield Problem('limit', f'must be a share of 1 for {self.judged.value}, got {self.limit:g}.{percent}')
    elif self.limit is not None and self.limit <= 0:
      yield Problem('limit', f'must be above 0 for {self.judged.value}, got {self.limit:g}.')
    for name in ('max_loss', 'worst_slice_loss', 'max_loss_to_served'):
      if self.judged.larger_is_better and (getattr(self, name) or 0) >= 1:
        yield Problem(
          name,
          f'must be below 1, got {getattr(self, name):g}: no {self.judged.value} can lose more. '
          'For one point write 0.01.',
        )
    if self.unit and self.kind is TaskKind.CLASSIFICATION:
      yield Problem('unit', 'has no effect in a classification, whose labels have none; leave it out.')

  @property
  def judged(self) -> MetricName:
    """The metric that limits are held against."""
    return self.metric or self.kind.metrics[0]

  @property
  def title(self) -> str:
    """Of the model in manifests and on pages."""
    return self.name or self.build_fn.rpartition('.')[0]

  def class_name(self, number: int) -> str:
    """Of a class."""
    return self.classes[number] if self.classes else str(number)
