"""A training report as a trainer leaves it, with figures that are made up."""

from configs.records import Estimate
from models.compression.records import ReportedErrors, ReportedLabels, ReportedRecipe, ReportedTotals, TrainingReport


def made_report(deviation: float) -> TrainingReport:
  """Of a model that was trained on fares of a standard deviation."""
  one = Estimate(1.0, 0.9, 1.1)
  return TrainingReport(
    recipe=ReportedRecipe(name='dense'),
    base_digest='0' * 64,
    seconds=1.0,
    stages=(),
    layers=(),
    totals=ReportedTotals(parameters=1, nonzero=1, sparsity=0.0, pruned_sparsity=None, biases=1, distinct_weights=1),
    metrics=ReportedErrors(rmse=one, mae=one, rmse_ratio=one),
    labels=ReportedLabels(median=8.5, deviation=deviation),
  )
