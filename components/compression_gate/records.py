"""What `compression.json` holds; needs neither TFX nor TensorFlow."""

from __future__ import annotations

import enum
import math
from typing import Annotated

from components.quantization_rewriter.records import ConvertedVariant
from configs.compression import Budget, Objective
from configs.records import WHOLE, Figure, Record, RecordPart, known_keys
from configs.serving import Shadow
from configs.task import MetricName
from models.release import Latency, TaskFigures

REPORT_FILE = 'compression.json'
"""In the `report` artifact: the variants and the verdict on them."""


class SliceError(TaskFigures):
  """The error of a file on one slice of the eval split.

  Attributes:
    rmse, mae: in the labels' unit.
    rmse_ratio: to the float32 file's, ride by ride.
  """

  name: str
  rides: int | None = None
  rmse: Figure | None = None
  mae: Figure | None = None
  rmse_ratio: Figure | None = None


class JudgedVariant(TaskFigures, ConvertedVariant):
  """A variant that the gate judged; what is not known of a lost one is `None`.

  Attributes:
    rmse, mae: on the eval split, in the labels' unit.
    rmse_ratio: to the float32 file's, ride by ride.
    worst_slice: the slice that loses most.
    slices: of the eval split.
    confusion: how many examples of each class (row) are taken for which (column); of the baseline and the chosen one.
    latency_batch_us: of a larger batch, all of its rides together.
    peak_bytes: by how much it raised the peak of its process's memory.
    within_budget: whether it keeps every limit.
    frontier_size, frontier_latency: whether no other one is smaller, by the record's `size`, or faster, and as
      accurate.
    reason: one sentence on why it was chosen or not.
  """

  rmse: Figure | None = None
  mae: Figure | None = None
  rmse_ratio: Figure | None = None
  worst_slice: SliceError | None = None
  slices: tuple[SliceError, ...] = ()
  confusion: tuple[tuple[int, ...], ...] | None = None
  latency_us: Latency | None = None
  latency_batch_us: Latency | None = None
  peak_bytes: int | None = None
  within_budget: bool = False
  frontier_size: bool = False
  frontier_latency: bool = False


class FareDifferences(RecordPart):
  """Fares of the new version less those of the version that serves, ride by ride, in the city's currency.

  Attributes:
    served_mean: mean fare of the version that serves.
    mean: mean difference; above 0 the new version is the more expensive one.
    mean_absolute, p50, p95, p99: mean and percentiles of the differences without their signs.
    share_apart: share of the rides whose fares are apart.
  """

  rides: int
  served_mean: float
  mean: float
  mean_absolute: float
  p50: float
  p95: float
  p99: float
  share_apart: float

  @property
  def change(self) -> float:
    """The mean difference as a share of the served version's mean fare."""
    if not self.served_mean:
      return math.copysign(math.inf, self.mean) if self.mean else 0.0
    return self.mean / abs(self.served_mean)


class SliceDifferences(FareDifferences):
  """The same of one slice."""

  name: str


class ShadowRecord(RecordPart):
  """The file to push beside that of the version that serves, on the newest rides.

  Attributes:
    variant: name of the file to push.
    version: name of the version that serves.
    apart: fares of a ride are apart that differ by more, in the city's currency.
    overall: of all rides.
    slices: of each slice.
    limits: what the differences had to keep.
    held: what holds the push, a sentence each without the full stop; empty where nothing does.
  """

  variant: str
  version: str
  apart: float
  overall: FareDifferences
  slices: tuple[SliceDifferences, ...] = ()
  limits: Annotated[Shadow, known_keys(Shadow), WHOLE] = Shadow()
  held: tuple[str, ...] = ()


class CompressionRecord(Record):
  """`compression.json`: all variants and the verdict on them.

  Attributes:
    chosen: name of the variant to push; `None` where none keeps the budget.
    reason: one sentence on the whole.
    baseline: name of the variant that ratios and losses refer to.
    metric: what is judged, by its key in `variants`; an RMSE where a file has none.
    served_version: the version that serves; `None` where none does, or its file can't be run on these rides.
    served_rmse, served_mae, served_accuracy, served_log_loss, served_auc: of its own file on the same examples.
    rides: of the eval split that the variants were judged on.
    drawn_from: rides of the whole split, where those are a random sample of it.
    shadow: the file to push beside that of the version that serves; `None` where they were not compared.
    budget: what a variant had to keep; its two ratios limit the `metric`: an accuracy's or AUC's limit what is lost.
    objective: what makes a variant the best one; files of before have none, there it was the file as it is.
    notes: sentences for the reader.
    variants: in the order of the config.
  """

  chosen: str | None = None
  reason: str = ''
  baseline: str | None = None
  metric: str = 'rmse'
  served_version: str | None = None
  served_rmse: Figure | None = None
  served_mae: Figure | None = None
  served_accuracy: Figure | None = None
  served_log_loss: Figure | None = None
  served_auc: Figure | None = None
  rides: int | None = None
  drawn_from: int | None = None
  shadow: ShadowRecord | None = None
  budget: Annotated[Budget, known_keys(Budget), WHOLE] | None = None
  objective: Objective = Objective.FILE
  notes: tuple[str, ...] = ()
  variants: tuple[JudgedVariant, ...]

  def named(self, name: str | None) -> JudgedVariant | None:
    """The variant of a name."""
    return next((variant for variant in self.variants if variant.name == name), None)

  @property
  def size(self) -> Objective:
    """What the size of a file means here: as it is, or as it is downloaded."""
    return self.objective.size

  def size_of(self, variant: JudgedVariant) -> int | None:
    """Bytes of a variant, in what the size of a file means here."""
    return variant.bytes if self.size is Objective.FILE else variant.gzip_bytes

  @property
  def recipes(self) -> tuple[str, ...]:
    """The recipes that occur, in order; a recipe's place is the number of its colour."""
    return tuple(dict.fromkeys(variant.recipe for variant in self.variants))


class BudgetVerdict(str, enum.Enum):
  """What came of a variant. One that is held keeps the budget, but not the limits of `serving.shadow`."""

  KEPT = 'kept'
  MISSED = 'missed'
  HELD = 'held'
  NOT_MADE = 'not made'

  @property
  def keeps_budget(self) -> bool:
    """Whether it is within the budget."""
    return self in (BudgetVerdict.KEPT, BudgetVerdict.HELD)


def verdict(variant: JudgedVariant, shadow: ShadowRecord | None) -> BudgetVerdict:
  """What came of a variant, in a run that compared one with what serves, or none."""
  if variant.bytes is None or all(getattr(variant, metric.value) is None for metric in MetricName):
    return BudgetVerdict.NOT_MADE
  if shadow is not None and shadow.held and shadow.variant == variant.name:
    return BudgetVerdict.HELD
  return BudgetVerdict.KEPT if variant.within_budget else BudgetVerdict.MISSED
