"""TFMA's config and its metrics by slice: read, named for people, and proven to have cut all rides."""

from __future__ import annotations

import itertools
import math
import os
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import tensorflow as tf
from tensorflow_model_analysis.proto import config_pb2, metrics_for_slice_pb2

from components.fare_evaluator.records import EvaluatedSlice, EvaluationIntervals, SliceCode
from configs.base import joined
from configs.dataset import LABEL, Dataset, ExtraColumn
from configs.errors import FailedError
from configs.evaluation import Slices
from models.error_intervals import error_intervals, rmse_without_worst
from models.serving import SERVING_DEFAULT, TRANSFORM_FEATURES
from transforms import names
from transforms.slice_names import column_slice, window_slice

if TYPE_CHECKING:
  from components.fare_evaluator.in_memory import Outcomes


def slice_name(feature: str, value: int, slices: Slices, dataset: Dataset) -> str:
  """The name of one slice.

  Args:
    feature: one of `transforms.slice_names.slice_keys`.
    value: its code, as the Transform step makes it.
    slices: the bands that the codes index.
    dataset: has the windows and the extra columns.
  """
  for window, (start, end) in dataset.city.windows.items():
    if feature == window_slice(window):
      return f'{window}, {start:g}–{end:g} h' if value else f'not {window}'
  for extra in dataset.extras:
    if feature == column_slice(extra.name):
      return _value_name(extra, value, slices.columns[extra.name])
  if feature == names.SLICE_TIME_BAND:
    return f'{_band(slices.hours, value, "24")} h'
  if feature == names.SLICE_DISTANCE_BAND:
    return f'{_band(slices.distance_km, value)} km' if value < len(slices.distance_km) else 'distance unknown'
  if feature == names.SLICE_AIRPORT:
    return 'airport ride' if value else 'no airport'
  return 'dropoff missing' if value else 'dropoff known'


def _value_name(extra: ExtraColumn, value: int, edges: Sequence[float]) -> str:
  """The name of a slice by an extra column; see `transforms.slice_names.column_slice`."""
  unit = f' {extra.unit}' if extra.unit else ''
  if extra.kind == 'categorical':
    known = [f'{extra.name} = {word}' for word in extra.vocabulary] + [f'{extra.name} of another value']
  else:
    between = [f'{extra.name} {low:g}–{high:g}{unit}' for low, high in itertools.pairwise(edges)]
    known = [f'{extra.name} under {edges[0]:g}{unit}', *between, f'{extra.name} over {edges[-1]:g}{unit}']
  return known[value] if value < len(known) else f'{extra.name} missing'


def _band(lower_ends: Sequence[float], index: int, last: str = '') -> str:
  upper = f'{lower_ends[index + 1]:g}' if index + 1 < len(lower_ends) else last
  return f'{lower_ends[index]:g}–{upper}' if upper else f'over {lower_ends[index]:g}'


def read_slices(
  evaluation_uri: str, slice_keys: Sequence[str], slices: Slices, dataset: Dataset
) -> tuple[EvaluatedSlice, ...]:
  """Metrics of the candidate by slice.

  Args: slice_keys: single features that each cut the eval split into parts.
  Returns: One per slice; all rides first.
  Raises:
    FailedError: a key yields no slice, or its slices hold more or fewer rides than the eval split. Without this check a
      key that TFMA did not find would pass unseen, and the model would be blessed.
  """
  rows = [
    EvaluatedSlice(
      name=joined(slice_name(part.column, part.int64_value, slices, dataset) for part in key) or 'all',
      slice=tuple(SliceCode(feature=part.column, value=part.int64_value) for part in key),
      **metrics,
    )
    for key, metrics in _read_metrics(evaluation_uri)
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


def _read_metrics(
  evaluation_uri: str,
) -> Iterator[tuple[Sequence[metrics_for_slice_pb2.SingleSliceKey], dict[str, float]]]:
  """What `tfma.load_eval_result` has of one model, without TFMA whole."""
  for path in tf.io.gfile.glob(os.path.join(evaluation_uri, 'metrics*.tfrecord')):
    for record in tf.data.TFRecordDataset(path).as_numpy_iterator():
      found = metrics_for_slice_pb2.MetricsForSlice.FromString(record)
      values = {metric.key.name: metric.value.double_value.value for metric in found.metric_keys_and_values}
      yield found.slice_key.single_slice_keys, values


RMSE = 'root_mean_squared_error'
"""TFMA's name of the metric that thresholds look at."""

_METRICS = {
  'RootMeanSquaredError': RMSE,
  'MeanAbsoluteError': 'mean_absolute_error',
  'Calibration': 'calibration',
  'ExampleCount': 'example_count',
}


def eval_config(max_rmse: float | None = None, slice_keys: Sequence[str] = names.SLICES) -> config_pb2.EvalConfig:
  """Builds the config of an evaluation.

  Args:
    max_rmse: what all rides together are validated by; nothing is where it is left out.
    slice_keys: transformed features, each of which cuts the rides into slices, beside the overall one.
  """
  metrics = {
    alias: config_pb2.MetricConfig(class_name=name, config=f'{{"name": "{alias}"}}') for name, alias in _METRICS.items()
  }
  if max_rmse is not None:
    # A plain threshold would hold for every slice; this one is for all rides together.
    limit = config_pb2.GenericValueThreshold(upper_bound={'value': max_rmse})
    threshold = config_pb2.MetricThreshold(value_threshold=limit)
    metrics[RMSE].per_slice_thresholds.add(slicing_specs=[config_pb2.SlicingSpec()], threshold=threshold)
  model = config_pb2.ModelSpec(
    label_key=LABEL, signature_name=SERVING_DEFAULT, preprocessing_function_names=[TRANSFORM_FEATURES]
  )
  return config_pb2.EvalConfig(
    model_specs=[model],
    metrics_specs=[config_pb2.MetricsSpec(metrics=metrics.values())],
    slicing_specs=[config_pb2.SlicingSpec(), *(config_pb2.SlicingSpec(feature_keys=[key]) for key in slice_keys)],
  )


def intervals(outcomes: Outcomes, resamples: int) -> EvaluationIntervals:
  """The errors over all rides of a split, with their intervals."""
  true, predicted = outcomes.fares, outcomes.predictions
  return EvaluationIntervals(
    **error_intervals(true, predicted, outcomes.seconds, resamples),  # type: ignore[arg-type]
    rmse_without_worst_5=rmse_without_worst(predicted - true),
    rides=len(true),
  )
