"""Trainings as data, as pictures and for TensorBoard: their curves, what became of the weights, what it cost."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import tensorflow as tf
from tensorboard.plugins.histogram.summary_v2 import histogram_pb

from configs.recipe import Recipe
from models import serving
from models.charts import grid, standalone
from models.compression import proof
from models.compression.layers import LayerOrder
from models.compression.proof import base_digest, clustered_layers, quantized_layers, sparsity_targets
from models.compression.records import (
  REPORT,
  ReportedErrors,
  ReportedLabels,
  ReportedLayer,
  ReportedRecipe,
  ReportedStage,
  ReportedTotals,
  TrainingReport,
)
from models.compression.training_charts import CURVES_PICTURE, draw_base, draw_report
from models.error_intervals import RMSE
from models.protocols import Examples, Metric
from models.whole_files import write_whole

if TYPE_CHECKING:
  from models.compression.compressor import Stage
  from models.training import TrainingHistory

_EVAL = 'val_'
"""Prefix of the curves on the eval split; TensorBoard draws tags of one prefix together."""


def training_report(
  recipe: Recipe,
  stages: Sequence[Stage],
  *,
  saved_model_dir: str,
  base_dir: str,
  order: LayerOrder,
  held_out: Examples,
  predictions: np.ndarray,
  base_predictions: np.ndarray,
  resamples: int,
  metric: Metric = RMSE,
  trained_on: str = '',
  measured_on: str = '',
  labels: ReportedLabels | None = None,
) -> TrainingReport:
  """Reports on one recipe; every figure about weights is read back from the exported files.

  Args:
    stages: its fine-tunings in their order; none for the dense base.
    base_dir: the SavedModel of the dense base.
    order: of the model's layers.
    held_out: the eval split.
    predictions: of `held_out` by the model, see `models.protocols.Metric`.
    base_predictions: the same by the dense base.
    trained_on: what the training split's examples are a sample of: a sentence.
    measured_on: the same of `held_out`.
    labels: how large those of the training split are.
  """
  weights, base = serving.read_weights(saved_model_dir), serving.kernels(serving.read_weights(base_dir))
  errors = metric.compare(held_out.labels, predictions, base_predictions, held_out.groups, {}, resamples)
  return TrainingReport(
    recipe=ReportedRecipe(**recipe.model_dump(mode='json', exclude_none=True)),
    base_digest=base_digest(base_dir),
    seconds=sum(stage.history.seconds for stage in stages),
    stages=tuple(_stage(stage) for stage in stages),
    layers=_layers(recipe, weights, base, order),
    totals=_totals(recipe, weights, order),
    metrics=ReportedErrors.model_validate(metric.figures(errors)),
    trained_on=trained_on,
    measured_on=measured_on,
    labels=labels,
  )


def write_report(report: TrainingReport, directory: str) -> None:
  """Writes `training_report.json`, `weights.svg` and, where there was a fine-tuning, `training.svg` into a directory.

  It is made if need be; a bucket is fine.
  """
  tf.io.gfile.makedirs(directory)
  write_whole(os.path.join(directory, REPORT), report.to_json())
  for name, content in draw_report(report).items():
    write_whole(os.path.join(directory, name), content)


def write_curves(history: TrainingHistory, directory: str, unit: str) -> None:
  """Writes `history.json`, the curves as they are, and `loss_curve.svg`, with a unit on the axis of the RMSE.

  The directory is made if need be; a bucket is fine.
  """
  tf.io.gfile.makedirs(directory)
  write_whole(os.path.join(directory, 'history.json'), json.dumps(history.curves, indent=2))
  drawn = grid(draw_base(history.curves, unit), 2, 'Training of the dense base')
  write_whole(os.path.join(directory, CURVES_PICTURE), standalone(drawn))


def write_tensorboard(history: TrainingHistory, directory: str) -> None:
  """Writes every curve against the step as TensorBoard scalars, into a directory that is made if need be.

  `val_rmse` becomes `eval/rmse`, `val_loss` `eval/loss`, and the others keep their names.
  """
  names = [name for name in history.curves if name not in ('step', 'epoch')]
  writer = tf.summary.create_file_writer(directory)
  with writer.as_default():
    for step, *values in zip(*(history.curves[name] for name in ('step', *names)), strict=True):
      # All of a step in one operation: `tf.summary.scalar` takes ten times as long.
      summary = tf.compat.v1.Summary()
      for name, value in zip(names, values, strict=True):
        tag = name.replace(_EVAL, 'eval/', 1) if name.startswith(_EVAL) else name
        summary.value.add(tag=tag, simple_value=value)
      tf.summary.experimental.write_raw_pb(summary.SerializeToString(), step=int(step))
  writer.close()


def write_weight_histograms(before: Mapping[str, np.ndarray], after: Mapping[str, np.ndarray], directory: str) -> None:
  """Writes TensorBoard histograms of each layer's kernel: the dense base at step 0, the compressed model at step 1."""
  writer = tf.summary.create_file_writer(directory)
  with writer.as_default():
    for step, kernels in enumerate((before, after)):
      for layer, kernel in kernels.items():
        # TensorBoard's own in NumPy: `tf.summary.histogram` computes it by thirty operations.
        summary = histogram_pb(f'weights/{layer}', kernel, proof.BINS)
        tf.summary.experimental.write_raw_pb(summary.SerializeToString(), step=step)
  writer.close()


def _stage(stage: Stage) -> ReportedStage:
  return ReportedStage(
    technique=stage.technique,
    seconds=stage.history.seconds,
    resumed_from=stage.history.resumed_from,
    curves={
      name: tuple(value if math.isfinite(value) else None for value in values)
      for name, values in stage.history.curves.items()
    },
  )


def _layers(
  recipe: Recipe, weights: Mapping[str, np.ndarray], base: Mapping[str, np.ndarray], order: LayerOrder
) -> tuple[ReportedLayer, ...]:
  kernels, ranges = serving.kernels(weights), serving.ranges(weights)
  targets = sparsity_targets(recipe.pruning, order)
  return tuple(
    ReportedLayer(
      **dict(layer),
      target_sparsity=targets.get(layer.name),
      range=ranges.get(layer.name),
      histogram=proof.histogram(base[layer.name], kernels[layer.name]),
    )
    for layer in proof.layer_facts(kernels)
  )


def _totals(recipe: Recipe, weights: Mapping[str, np.ndarray], order: LayerOrder) -> ReportedTotals:
  kernels = serving.kernels(weights)
  found = proof.layer_facts(kernels)
  pruned = tuple(sparsity_targets(recipe.pruning, order))
  limited = clustered_layers(recipe.clustering, order) or quantized_layers(recipe.quantization, order) or pruned
  everything = proof.totals(found)
  return ReportedTotals(
    parameters=everything.parameters,
    nonzero=everything.nonzero,
    sparsity=everything.sparsity,
    pruned_sparsity=proof.totals([layer for layer in found if layer.name in pruned]).sparsity if pruned else None,
    biases=sum(bias.size for bias in serving.biases(weights).values()),
    distinct_weights=proof.totals([layer for layer in found if not limited or layer.name in limited]).distinct,
  )
