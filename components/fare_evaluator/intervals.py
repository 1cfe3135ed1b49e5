"""RMSE and MAE of a SavedModel on a split, with intervals by time stamp."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from components.fare_evaluator.records import EvaluationIntervals
from configs.dataset import LABEL, TIME
from models.intervals import error_intervals, rmse_without_worst
from models.signatures import SERVING_DEFAULT

_BATCH = 8192


def intervals_of_split(model_path: str, files: Sequence[str], resamples: int) -> EvaluationIntervals:
  """Runs the exported model itself over raw examples.

  Args:
    model_path: a SavedModel with the signature `serving_default`.
    files: gzip TFRecords of raw tf.Examples with time and label.
    resamples: of the bootstrap.

  Raises:
    ValueError: there is no ride, or a prediction is not finite.
  """
  model = tf.saved_model.load(model_path).signatures[SERVING_DEFAULT]
  spec = {TIME: tf.io.FixedLenFeature([], tf.int64), LABEL: tf.io.FixedLenFeature([], tf.float32)}
  fares, predictions, seconds = [], [], []
  for batch in tf.data.TFRecordDataset(sorted(files), compression_type='GZIP').batch(_BATCH):
    known = tf.io.parse_example(batch, spec)
    fares.append(known[LABEL].numpy())
    seconds.append(known[TIME].numpy())
    predictions.append(model(examples=batch)[LABEL].numpy())
  if not fares:
    raise ValueError('The eval split holds no ride, so there is nothing to evaluate.')
  true, predicted, stamps = (np.concatenate(parts) for parts in (fares, predictions, seconds))
  if not np.isfinite(predicted).all():
    raise ValueError(f'The model predicts no number for {int((~np.isfinite(predicted)).sum())} of {len(true)} rides.')
  return EvaluationIntervals(
    **error_intervals(true, predicted, stamps, resamples),  # type: ignore[arg-type]
    rmse_without_worst_5=rmse_without_worst(predicted - true),
    rides=len(true),
  )
