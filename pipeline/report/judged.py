"""By what a page judges models, and how that is written: an RMSE in the city's currency, or any metric of a task."""

from __future__ import annotations

import dataclasses

from configs.records import Estimate, RecordPart
from configs.task import MetricName
from models.charts import united
from models.task_metrics import TaskMetric
from pipeline.report.tables import Cell, Heading, bracket, change, figures, interval, number

BASE = 'float32'
"""What files are compared with, in sentences; models are with the dense base."""


@dataclasses.dataclass(frozen=True)
class Judged:
  """A metric, and the words for what it is measured on.

  Attributes:
    unit: of the labels, such as the currency; nothing else is written with it.
    example: one of what is predicted.
    answer: what is predicted of it.
  """

  metric: TaskMetric
  unit: str = ''
  example: str = 'ride'
  answer: str = 'fare'

  @classmethod
  def by(cls, metric: str, unit: str = '', of_rides: bool = True) -> Judged:
    """What rides are judged by, or the examples of a user's own model."""
    found = TaskMetric(MetricName(metric))
    return cls(found, unit) if of_rides else cls(found, unit, 'example', 'answer')

  @property
  def name(self) -> str:
    """Such as `RMSE` or `accuracy`."""
    return self.metric.name

  @property
  def explained(self) -> str:
    """What it is, in a sentence."""
    meaning = _MEANINGS[self.metric.judged]
    return f'{self.title}: {meaning[0].lower()}{meaning[1:]}'

  @property
  def title(self) -> str:
    """The name at the beginning of a line."""
    return f'{self.name[0].upper()}{self.name[1:]}'

  @property
  def article(self) -> str:
    """`an RMSE`, `a log loss`."""
    return f'{"a" if self.metric.judged is MetricName.LOG_LOSS else "an"} {self.name}'

  @property
  def of_answer(self) -> str:
    """What is predicted, with its article."""
    return f'{"an" if self.answer[0] in "aeiou" else "a"} {self.answer}'

  @property
  def others(self) -> tuple[Judged, ...]:
    """What is shown beside it in tables: of classes every metric."""
    others = [*self.metric.figures(None)][2:] if self.metric.classifies else []
    return tuple(dataclasses.replace(self, metric=TaskMetric(MetricName(key))) for key in others)

  @property
  def is_loss(self) -> bool:
    """Whether it is compared by a difference, of which 0 is as good; else by a ratio, of which 1 is."""
    return self.metric.larger_is_better

  def error(self, found: RecordPart) -> Estimate | None:
    """The figure of a variant, a slice or a training."""
    estimate: Estimate | None = getattr(found, self.metric.key, None)
    return estimate

  def relative(self, found: RecordPart) -> Estimate | None:
    """How it stands to the baseline's: a ratio, or what is lost."""
    _, key, *_ = self.metric.figures(None)
    estimate: Estimate | None = getattr(found, key, None)
    return estimate

  @property
  def heading(self) -> Heading:
    """Of a column of it."""
    return Heading(self.name, self._unit, meaning=_MEANINGS[self.metric.judged])

  def relative_heading(self, to: str, base: str) -> Heading:
    """Of a column of how it stands to that of a base, which is shortened in the text."""
    by = f'{self.example} by {self.example}'
    if self.is_loss:
      return Heading('lost', meaning=f'How much less {self.name} it has than {base}, {by}; 0 is no loss.')
    return Heading(f'to {to}', meaning=f'Ratio of the {self.name} to that of {base}, {by}; 1 is no loss.')

  def cell(self, found: RecordPart) -> Cell:
    """The figure with its interval."""
    return figures(self.error(found), self._digits)

  def relative_cell(self, found: RecordPart) -> Cell:
    """How it stands to the baseline's, with its interval."""
    return figures(self.relative(found), self.relative_digits)

  @property
  def relative_digits(self) -> int:
    """Decimals of what `relative` gives."""
    return 4 if self.is_loss else 3

  def written(self, estimate: Estimate | None) -> str:
    """`3.52 [3.11, 4.02] USD`, `0.9412 [0.9203, 0.9591]`."""
    return united(interval(estimate, self._digits), self._unit)

  def parts(self, estimate: Estimate) -> tuple[str, str]:
    """The same in two: `3.52 USD` and `[3.11, 4.02]`."""
    return united(number(estimate.value, self._digits), self._unit), bracket(estimate, self._digits)

  def beside(self, relative: Estimate, base: str = BASE) -> str:
    """How it stands to that of another, in words."""
    if self.is_loss:
      return f'{_apart(relative.value)} {base} (loss {interval(relative, self.relative_digits)})'
    return f'{change(relative.value)} {base} (ratio {interval(relative, self.relative_digits)})'

  def axis(self, base: str = BASE) -> str:
    """What an axis of `relative` shows."""
    return f'{self.name} lost to {base}' if self.is_loss else f'{self.name} relative to {base}'

  def short(self, relative: Estimate, base: str = BASE) -> str:
    """`RMSE 1.004 [1.001, 1.007] times float32`, `accuracy 0.0020 less than float32`."""
    if self.is_loss:
      return f'{self.name} {interval(relative, self.relative_digits)} less than {base}'
    return f'{self.name} {interval(relative, self.relative_digits)} times {base}'

  @property
  def _unit(self) -> str:
    return self.unit if self.metric.judged in (MetricName.RMSE, MetricName.MAE) else ''

  @property
  def _digits(self) -> int | None:
    return None if self.metric.judged in (MetricName.RMSE, MetricName.MAE) else 4


_MEANINGS = {
  MetricName.RMSE: 'Root mean squared error: large misses weigh more.',
  MetricName.MAE: 'Mean absolute error.',
  MetricName.ACCURACY: 'Share of the examples whose most likely class is theirs.',
  MetricName.LOG_LOSS: 'Mean of -ln p of the true class: sure mistakes weigh more.',
  MetricName.AUC: 'Area under the ROC curve; of several classes the mean over each against the rest.',
}


def _apart(loss: float) -> str:
  if number(abs(loss), 4).strip('0.') == '':
    return 'the same as'
  return f'{number(abs(loss), 4)} {"less" if loss > 0 else "more"} than'


def judged_in(found: RecordPart, usual: Judged) -> Judged:
  """By what the figures of a training report are judged, which stand beside those of the dense base; else as usual."""
  known = (dataclasses.replace(usual, metric=TaskMetric(metric)) for metric in MetricName)
  return next((judged for judged in known if judged.relative(found) is not None), usual)
