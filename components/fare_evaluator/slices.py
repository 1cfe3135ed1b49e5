"""TFMA's config and its metrics by slice: read, named for people, and proven to have cut all rides."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf
import tensorflow_model_analysis as tfma
from tensorflow_model_analysis.proto import config_pb2

from components.fare_evaluator.records import EvaluatedSlice, EvaluationIntervals, SliceCode
from configs.base import joined
from configs.dataset import LABEL, TIME
from configs.errors import FailedError
from configs.evaluation import Evaluation, Slices
from models.error_intervals import error_intervals, rmse_without_worst
from models.serving import SERVING_DEFAULT, TRANSFORM_FEATURES
from transforms import names


def slice_name(feature: str, value: int, slices: Slices) -> str:
  """The name of one slice.

  Args:
    feature: one of `transforms.names.SLICES`.
    value: its code, as the Transform step makes it.
    slices: the bands that the codes index.
  """
  if feature == names.SLICE_TIME_BAND:
    return f'{_band(slices.hours, value, "24")} h'
  if feature == names.SLICE_DISTANCE_BAND:
    return f'{_band(slices.distance_km, value)} km' if value < len(slices.distance_km) else 'distance unknown'
  if feature == names.SLICE_AIRPORT:
    return 'airport ride' if value else 'no airport'
  return 'dropoff missing' if value else 'dropoff known'


def _band(lower_ends: Sequence[float], index: int, last: str = '') -> str:
  upper = f'{lower_ends[index + 1]:g}' if index + 1 < len(lower_ends) else last
  return f'{lower_ends[index]:g}–{upper}' if upper else f'over {lower_ends[index]:g}'


def read_slices(evaluation_uri: str, slice_keys: Sequence[str], slices: Slices) -> tuple[EvaluatedSlice, ...]:
  """Metrics of the candidate by slice.

  Args: slice_keys: single features that each cut the eval split into parts.
  Returns: One per slice; all rides first.
  Raises:
    FailedError: a key yields no slice, or its slices hold more or fewer rides than the eval split. Without this check a
      key that TFMA did not find would pass unseen, and the model would be blessed.
  """
  named = tfma.load_eval_result(evaluation_uri, model_name='candidate')
  # TFMA drops the name of the candidate where there is no baseline.
  found = named if named.slicing_metrics else tfma.load_eval_result(evaluation_uri)
  rows = [
    EvaluatedSlice(
      name=joined(slice_name(feature, int(value), slices) for feature, value in key) or 'all',
      slice=tuple(SliceCode(feature=feature, value=int(value)) for feature, value in key),
      **{name: value.get('doubleValue') for name, value in metrics[''][''].items()},
    )
    for key, metrics in found.slicing_metrics
  ]
  rows.sort(key=lambda row: [(part.feature, part.value) for part in row.slice])
  if not rows or rows[0].slice:
    raise FailedError('The evaluation has no metrics over all rides.')
  total = rows[0].example_count
  for key in slice_keys:
    counts = [row.example_count for row in rows if [part.feature for part in row.slice] == [key]]
    if not counts or not math.isclose(sum(counts), total):
      raise FailedError(
        f"The slices by '{key}' hold {sum(counts):g} of {total:g} rides in {len(counts)} slices: TFMA did not slice "
        'by it. The transform_features signature must yield it as int64 [batch].'
      )
  return tuple(rows)


RMSE = 'root_mean_squared_error'
"""TFMA's name of the metric that thresholds look at."""

SLICE_KEYS = (names.SLICE_TIME_BAND, names.SLICE_DISTANCE_BAND, names.SLICE_AIRPORT, names.SLICE_MISSING_DROPOFF)
"""Each of these transformed features cuts the rides into slices, beside the overall one."""

_METRICS = {
  'RootMeanSquaredError': RMSE,
  'MeanAbsoluteError': 'mean_absolute_error',
  'Calibration': 'calibration',
  'ExampleCount': 'example_count',
}


def eval_config(evaluation: Evaluation, judges: bool = True) -> config_pb2.EvalConfig:
  """Builds the config of an evaluation with an optional baseline.

  Args:
    evaluation: thresholds; change thresholds are ignored by TFX where there is no baseline yet.
    judges: whether there are thresholds at all.
  """
  metrics = {
    alias: config_pb2.MetricConfig(class_name=name, config=f'{{"name": "{alias}"}}') for name, alias in _METRICS.items()
  }
  if judges:
    # A plain threshold would hold for every slice; this one is for all rides together.
    all_rides = [config_pb2.SlicingSpec()]
    metrics[RMSE].per_slice_thresholds.add(slicing_specs=all_rides, threshold=_threshold(evaluation))
  models = [
    config_pb2.ModelSpec(
      name=name,
      is_baseline=name == 'baseline',
      label_key=LABEL,
      signature_name=SERVING_DEFAULT,
      preprocessing_function_names=[TRANSFORM_FEATURES],
    )
    for name in ('candidate', 'baseline')
  ]
  return config_pb2.EvalConfig(
    model_specs=models,
    metrics_specs=[config_pb2.MetricsSpec(metrics=metrics.values())],
    slicing_specs=[config_pb2.SlicingSpec(), *(config_pb2.SlicingSpec(feature_keys=[key]) for key in SLICE_KEYS)],
  )


def _threshold(evaluation: Evaluation) -> config_pb2.MetricThreshold:
  return config_pb2.MetricThreshold(
    value_threshold=config_pb2.GenericValueThreshold(upper_bound={'value': evaluation.max_rmse}),
    change_threshold=config_pb2.GenericChangeThreshold(
      direction=config_pb2.MetricDirection.LOWER_IS_BETTER,
      # TFMA wants strictly less; a model as good as the served one may pass at 0.
      relative={'value': evaluation.max_rmse_increase + 1e-9},
    ),
  )


def refusals(evaluation_uri: str, currency: str = '') -> list[str]:
  """One sentence per threshold that the candidate missed.

  Args:
    evaluation_uri: where TFMA wrote its validation result.
    currency: appended to amounts.
  Returns: Sentences; empty for a blessed model.
  """
  result = tfma.load_validation_result(evaluation_uri)
  if result.validation_ok:
    return []
  sentences = [
    _sentence(failure, currency) for in_slice in result.metric_validations_per_slice for failure in in_slice.failures
  ]
  return sentences or ['TFMA refused the model without naming a threshold; see its validation result.']


def _sentence(failure: Any, currency: str) -> str:
  name = failure.metric_key.name
  shown = 'RMSE' if name == RMSE else name
  value = failure.metric_value.double_value.value
  unit = f' {currency}'.rstrip()
  if failure.metric_key.is_diff:
    limit = failure.metric_threshold.change_threshold.relative.value
    return f'{shown} is {value:+.3f}{unit} against the model that serves now; it may rise by {limit:.1%} at most.'
  limit = failure.metric_threshold.value_threshold.upper_bound.value
  return f'{shown} is {value:.3f}{unit}; the limit is {limit:.3f}{unit} (evaluation.max_rmse).'


def intervals_of_split(model_path: str, files: Sequence[str], resamples: int) -> EvaluationIntervals:
  """Runs the exported model itself over raw examples.

  Args:
    model_path: a SavedModel with the signature `serving_default`.
    files: gzip TFRecords of raw tf.Examples with time and label.
  Raises: ValueError: there is no ride, or a prediction is not finite.
  """
  model = tf.saved_model.load(model_path).signatures[SERVING_DEFAULT]
  spec = {TIME: tf.io.FixedLenFeature([], tf.int64), LABEL: tf.io.FixedLenFeature([], tf.float32)}
  fares, predictions, seconds = [], [], []
  for batch in tf.data.TFRecordDataset(sorted(files), compression_type='GZIP').batch(8192):
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
