"""What `training_report.json` holds; needs no TensorFlow."""

from __future__ import annotations

import os
import pathlib

from configs.records import Figure, Record, RecordPart

RECIPES_FOLDER = 'recipes'
"""Where a training's run holds the models, a folder per recipe."""

REPORT_FOLDER, REPORT = 'training_report', 'training_report.json'
"""Where a recipe's folder holds its report, beside the SavedModel."""


def report_file(model: str) -> str:
  """The path of the training report in the folder of a recipe's model, a URI or a path."""
  return os.path.join(model, REPORT_FOLDER, REPORT)


def lost_file(model: str) -> str:
  """The path of the one sentence in the folder of a recipe's model that was lost, a URI or a path."""
  return os.path.join(model, 'lost.txt')


def is_finished(model: str) -> bool:
  """Whether a training on this machine is done with a recipe, be it lost. Args: model: the folder of its model."""
  return any(pathlib.Path(file).exists() for file in (report_file(model), lost_file(model)))


class ReportedRecipe(RecordPart, extra='allow'):
  """The recipe that a model was made by: `name`, `summary`, and every other setting of a `configs.recipe.Recipe`."""

  name: str
  summary: str = ''


class ReportedStage(RecordPart):
  """A training.

  Attributes:
    resumed_from: the step that it went on from after it was killed; 0 if it was not.
    curves: by name, one value per logged step; one that is not finite is `None`.
  """

  technique: str
  seconds: float
  resumed_from: int
  curves: dict[str, tuple[int | float | None, ...]]

  @property
  def steps(self) -> tuple[float, ...]:
    """The steps of the curves."""
    return tuple(step for step in self.curves.get('step', ()) if step is not None)


class WeightHistogram(RecordPart):
  """Weights of a layer in bins: their edges, and the counts in the dense base and in this model."""

  edges: tuple[float, ...]
  before: tuple[int, ...]
  after: tuple[int, ...]


class LayerFacts(RecordPart):
  """A kernel or embedding table in numbers.

  Attributes:
    shape: [inputs, units], or [categories, width] of an embedding table.
    parameters: number of weights.
    nonzero: number of weights that are not exactly zero.
    sparsity: share of the weights that are exactly zero.
    distinct: number of distinct values.
  """

  name: str
  shape: tuple[int, ...]
  parameters: int
  nonzero: int
  sparsity: float
  distinct: int


class ReportedLayer(LayerFacts):
  """A layer as it was read back from the exported file.

  Attributes:
    target_sparsity: what the recipe sets; `None` where the layer is not pruned.
    range: of its quantized output, or `None`.
  """

  target_sparsity: float | None
  range: tuple[float, float] | None
  histogram: WeightHistogram


class ReportedTotals(RecordPart):
  """Over the kernels and embedding tables.

  Attributes:
    pruned_sparsity: over the pruned layers alone, or `None`.
    biases: which no technique touches.
    distinct_weights: the most distinct values of a kernel that the recipe limits: of the clustered ones, else the
      quantized, else the pruned, else all.
  """

  parameters: int
  nonzero: int
  sparsity: float
  pruned_sparsity: float | None
  biases: int
  distinct_weights: int


class ReportedErrors(RecordPart):
  """On the eval split, each with its 95 % interval by time stamp.

  Attributes:
    rmse, mae: in the labels' unit, of fares the city's currency.
    rmse_ratio, mae_ratio, log_loss_ratio: to the dense base, example by example.
    accuracy, log_loss, auc: of classes.
    accuracy_loss, auc_loss: of the dense base less of this model.
  """

  rmse: Figure | None = None
  mae: Figure | None = None
  rmse_ratio: Figure | None = None
  mae_ratio: Figure | None = None
  accuracy: Figure | None = None
  accuracy_loss: Figure | None = None
  auc: Figure | None = None
  auc_loss: Figure | None = None
  log_loss: Figure | None = None
  log_loss_ratio: Figure | None = None


class ReportedLabels(RecordPart):
  """The labels that were trained on, in the city's currency.

  Attributes:
    median: what a relative `training.huber_delta_share` is a share of.
    deviation: their standard deviation, what `evaluation.max_rmse_share` is a share of.
  """

  median: float
  deviation: float


class TrainingReport(Record):
  """`training_report.json`: what was trained, what became of the weights, what it cost.

  Attributes:
    recipe: what the model was made by.
    base_digest: SHA-256 of the dense base.
    seconds: of all stages.
    stages: in their order; none where nothing was trained.
    metrics: on the eval split, or on the sample that `measured_on` tells of.
    trained_on, measured_on: sentences; empty where nothing was left out.
    labels: how large those of the training split are; `None` in reports from before they were noted.
  """

  recipe: ReportedRecipe
  base_digest: str
  seconds: float
  stages: tuple[ReportedStage, ...]
  layers: tuple[ReportedLayer, ...]
  totals: ReportedTotals
  metrics: ReportedErrors
  trained_on: str = ''
  measured_on: str = ''
  labels: ReportedLabels | None = None
