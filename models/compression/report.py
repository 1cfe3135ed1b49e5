"""The training report of a recipe: what was trained, what became of the weights, what it cost, as data and pictures."""

from __future__ import annotations

import dataclasses
import json
import math
import os
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import tensorflow as tf
from tensorboard.plugins.histogram.summary_v2 import histogram_pb

from configs.recipe import Recipe
from models import exported
from models.compression import facts
from models.compression.pictures import draw_report
from models.compression.proof import base_digest, clustered_layers, quantized_layers, sparsity_targets
from models.intervals import error_intervals, ratio_interval
from models.rides import Rides
from models.settings import REPORT

if TYPE_CHECKING:
  from models.compression.compressor import Stage


def draw_here(report: Mapping[str, Any], directory: str) -> None:
  """Draws a report's pictures into `directory`, which is there; a bucket is fine."""
  for name, picture in draw_report(report).items():
    _write(os.path.join(directory, name), picture)


def training_report(
  recipe: Recipe,
  stages: Sequence[Stage],
  *,
  saved_model_dir: str,
  base_dir: str,
  held_out: Rides,
  predictions: np.ndarray,
  base_predictions: np.ndarray,
  resamples: int = 1000,
  seed: int = 0,
) -> dict[str, Any]:
  """Reports on one recipe; every figure about weights is read back from the exported files.

  Args:
    recipe: what the model was made by.
    stages: its fine-tunings in their order; none for the dense base.
    saved_model_dir: its SavedModel.
    base_dir: the SavedModel of the dense base.
    held_out: the eval split.
    predictions: fares of `held_out` by the model, shape [rides].
    base_predictions: the same by the dense base.
    resamples: of the bootstrap.
    seed: of the bootstrap.

  Returns:
    JSON-ready:
    `recipe`, a mapping; `base_digest` (SHA-256); `seconds` of all stages;
    `stages`: `technique`, `seconds`, `resumed_from`, `curves` by name (a value
    that is not finite is null);
    `layers`: `name`, `shape`, `parameters`, `nonzero`, `sparsity`,
    `target_sparsity` (null where the layer is not pruned), `distinct`, `range`
    of its quantized output or null, and `histogram` of its weights (`edges`,
    `before`, `after`);
    `totals` over the kernels and embedding tables: `parameters`, `nonzero`,
    `sparsity`; `pruned_sparsity` over the pruned layers alone, or null;
    `biases`, which no technique touches; `distinct_weights`, the most distinct
    values of a kernel that the recipe limits: of the clustered ones, else the
    quantized, else the pruned, else all;
    `metrics` on the eval split: `rmse` and `mae` in the city's currency,
    `rmse_ratio` to the dense base (paired); each a value with its 95 %
    interval by time stamp.
  """
  weights, base = exported.read_weights(saved_model_dir), exported.kernels(exported.read_weights(base_dir))
  errors = error_intervals(held_out.fares, predictions, held_out.seconds, resamples, seed)
  ratio = ratio_interval(held_out.fares, predictions, base_predictions, held_out.seconds, resamples, seed)
  return {
    'recipe': recipe.model_dump(mode='json', exclude_none=True),
    'base_digest': base_digest(base_dir),
    'seconds': sum(stage.course.seconds for stage in stages),
    'stages': [_stage(stage) for stage in stages],
    'layers': _layers(recipe, weights, base),
    'totals': _totals(recipe, weights),
    'metrics': {**errors, 'rmse_ratio': ratio},
  }


def write_report(
  report: Mapping[str, Any], directory: str, draw: Callable[[Mapping[str, Any], str], None] = draw_here
) -> None:
  """Writes `training_report.json`, `weights.png` and, where there was a fine-tuning, `training.png`.

  Args:
    report: from `training_report`, or the same read back from its file.
    directory: made if need be; a bucket is fine.
    draw: draws the pictures of a report into a directory, here and now or in
      another process.
  """
  tf.io.gfile.makedirs(directory)
  _write(os.path.join(directory, REPORT), json.dumps(report, indent=2, allow_nan=False).encode())
  draw(report, directory)


def write_weight_histograms(before: Mapping[str, np.ndarray], after: Mapping[str, np.ndarray], directory: str) -> None:
  """Writes TensorBoard histograms of each layer's weights: the dense base at step 0, the compressed at step 1.

  Args:
    before: kernels of the dense base by layer name.
    after: kernels of the compressed model by layer name.
    directory: a TensorBoard log folder; made if need be.
  """
  writer = tf.summary.create_file_writer(directory)
  with writer.as_default():
    for step, kernels in enumerate((before, after)):
      for layer, kernel in kernels.items():
        # TensorBoard's own in NumPy: `tf.summary.histogram` computes it by thirty operations.
        summary = histogram_pb(f'weights/{layer}', kernel, facts.BINS)
        tf.summary.experimental.write_raw_pb(summary.SerializeToString(), step=step)
  writer.close()


def _stage(stage: Stage) -> dict[str, Any]:
  return {
    'technique': stage.technique,
    'seconds': stage.course.seconds,
    'resumed_from': stage.course.resumed_from,
    'curves': {name: [_finite(value) for value in values] for name, values in stage.course.curves.items()},
  }


def _finite(value: float) -> float | None:
  return value if math.isfinite(value) else None


def _layers(recipe: Recipe, weights: Mapping[str, np.ndarray], base: Mapping[str, np.ndarray]) -> list[dict[str, Any]]:
  kernels, ranges = exported.kernels(weights), exported.ranges(weights)
  targets = sparsity_targets(recipe.pruning, kernels)
  layers = []
  for layer in facts.layer_facts(kernels):
    histogram = facts.histogram(base[layer.name], kernels[layer.name])
    layers.append(
      {
        **dataclasses.asdict(layer),
        'shape': list(layer.shape),
        'target_sparsity': targets.get(layer.name),
        'range': list(ranges[layer.name]) if layer.name in ranges else None,
        'histogram': {name: values.tolist() for name, values in histogram._asdict().items()},
      }
    )
  return layers


def _totals(recipe: Recipe, weights: Mapping[str, np.ndarray]) -> dict[str, Any]:
  kernels = exported.kernels(weights)
  found = facts.layer_facts(kernels)
  pruned = tuple(sparsity_targets(recipe.pruning, kernels))
  limited = clustered_layers(recipe.clustering, kernels) or quantized_layers(recipe.quantization, kernels) or pruned
  everything = facts.totals(found)
  return {
    'parameters': everything.parameters,
    'nonzero': everything.nonzero,
    'sparsity': everything.sparsity,
    'pruned_sparsity': facts.totals([layer for layer in found if layer.name in pruned]).sparsity if pruned else None,
    'biases': sum(bias.size for bias in exported.biases(weights).values()),
    'distinct_weights': facts.totals([layer for layer in found if not limited or layer.name in limited]).distinct,
  }


def _write(path: str, content: bytes) -> None:
  with tf.io.gfile.GFile(path, 'wb') as file:
    file.write(content)
