"""TFMA's metrics of a split, computed in this process and written in TFMA's own files; for splits that fit into memory.

TFMA takes a millisecond and a half for each ride, whatever the model; NumPy takes a microsecond. Its protos are filled
here, as importing TFMA whole takes longer than the evaluation; the tests hold them against what TFMA writes.
"""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import tensorflow as tf
from google.protobuf import json_format, message
from tensorflow_model_analysis.proto import config_pb2, metrics_for_slice_pb2, validation_result_pb2
from tensorflow_model_analysis.version import VERSION
from tfx.dsl.io import fileio
from tfx.utils import io_utils

from components.ride_example_gen.encoding import frame
from configs.dataset import LABEL, TIME
from models.error_intervals import root_mean_square
from models.serving import SERVING_DEFAULT, TRANSFORM_FEATURES

SliceKey = tuple[tuple[str, int], ...]
Row = tuple[SliceKey, dict[str, float]]


@dataclasses.dataclass(frozen=True)
class Outcomes:
  """What a model predicts for a split, ride by ride, in the order of the files.

  Attributes:
    fares, predictions: float32 [rides].
    seconds: int64 [rides].
    codes: int16 [rides] by feature; what slices go by.
  """

  fares: np.ndarray
  predictions: np.ndarray
  seconds: np.ndarray
  codes: Mapping[str, np.ndarray]


def outcomes_of_split(model_path: str, files: Sequence[str], slice_keys: Sequence[str] = ()) -> Outcomes:
  """Runs the exported model itself over raw examples.

  Args:
    model_path: a SavedModel with the signatures `serving_default` and, for slices, `transform_features`.
    files: gzip TFRecords of raw tf.Examples with time and label.
    slice_keys: features whose values are kept.
  Raises: ValueError: there is no ride, or a prediction is not finite.
  """
  signatures = tf.saved_model.load(model_path).signatures
  spec = {TIME: tf.io.FixedLenFeature([], tf.int64), LABEL: tf.io.FixedLenFeature([], tf.float32)}
  columns: dict[str, list[np.ndarray]] = {name: [] for name in ('fares', 'predictions', 'seconds', *slice_keys)}
  for batch in tf.data.TFRecordDataset(sorted(files), compression_type='GZIP').batch(8192):
    known = tf.io.parse_example(batch, spec)
    columns['fares'].append(known[LABEL].numpy())
    columns['seconds'].append(known[TIME].numpy())
    columns['predictions'].append(signatures[SERVING_DEFAULT](examples=batch)[LABEL].numpy())
    codes = signatures[TRANSFORM_FEATURES](examples=batch) if slice_keys else {}
    for name in slice_keys:
      columns[name].append(codes[name].numpy().reshape(-1).astype(np.int16))
  if not columns['fares']:
    raise ValueError('The eval split holds no ride, so there is nothing to evaluate.')
  whole = {name: np.concatenate(parts) for name, parts in columns.items()}
  lost = int((~np.isfinite(whole['predictions'])).sum())
  if lost:
    raise ValueError(f'The model predicts no number for {lost} of {len(whole["fares"])} rides.')
  fares, predictions, seconds = (whole.pop(name) for name in ('fares', 'predictions', 'seconds'))
  return Outcomes(fares, predictions, seconds, whole)


def evaluate(
  outcomes: Outcomes, config: config_pb2.EvalConfig, model_path: str, output: str
) -> validation_result_pb2.ValidationResult:
  """Writes an evaluation as TFMA's writers do, for `tfma.load_eval_result` and its like.

  Args:
    config: of `slices.eval_config`; its metrics are those that `_metrics` has.
    model_path: is written into the evaluation.
    output: URI of the evaluation.
  Returns: TFMA's validation by the thresholds of the config.
  """
  config = _completed(config)
  rows = list(_slices(outcomes, config))
  keys = [_slice_key(key) for key, _ in rows]
  metrics = [_metrics_proto(key, values) for key, (_, values) in zip(keys, rows, strict=True)]
  _write(output, 'metrics-00000-of-00001', metrics)
  _write(output, 'plots-00000-of-00001', [metrics_for_slice_pb2.PlotsForSlice(slice_key=key) for key in keys])
  attributions = [metrics_for_slice_pb2.AttributionsForSlice(slice_key=key) for key in keys]
  _write(output, 'attributions-00000-of-00001', attributions)
  verdict = _validated(rows, config)
  _write(output, 'validations', [verdict])
  run = config_pb2.EvalRun(
    eval_config=config,
    version=VERSION,
    data_location='<user provided PCollection>',
    file_format='<unknown>',
    model_locations={'': model_path},
  )
  io_utils.write_string_file(os.path.join(output, 'eval_config.json'), json_format.MessageToJson(run))
  return verdict


def _completed(config: config_pb2.EvalConfig) -> config_pb2.EvalConfig:
  """As `tfma.utils.update_eval_config_with_defaults`: each metric is of the one model, which has no name."""
  completed = config_pb2.EvalConfig()
  completed.CopyFrom(config)
  for spec in completed.metrics_specs:
    spec.model_names[:] = ['']
  return completed


def _slices(outcomes: Outcomes, config: config_pb2.EvalConfig) -> Iterator[Row]:
  for spec in config.slicing_specs:
    if not spec.feature_keys:
      yield (), _metrics(outcomes.fares, outcomes.predictions)
      continue
    [feature] = spec.feature_keys
    for code in np.unique(outcomes.codes[feature]):
      chosen = outcomes.codes[feature] == code
      yield ((feature, int(code)),), _metrics(outcomes.fares[chosen], outcomes.predictions[chosen])


def _metrics(fares: np.ndarray, predictions: np.ndarray) -> dict[str, float]:
  """By the names of `slices.eval_config`, in float64 and in the order of TFMA's files."""
  true, predicted = fares.astype(np.float64), predictions.astype(np.float64)
  total = true.sum()
  values = {
    'root_mean_squared_error': root_mean_square(predicted - true),
    'mean_absolute_error': np.abs(predicted - true).mean(),
    'calibration': predicted.sum() / total if total else np.nan,
    'example_count': len(true),
  }
  return {name: float(value) for name, value in values.items()}


def _slice_key(key: SliceKey) -> metrics_for_slice_pb2.SliceKey:
  parts = [metrics_for_slice_pb2.SingleSliceKey(column=feature, int64_value=code) for feature, code in key]
  return metrics_for_slice_pb2.SliceKey(single_slice_keys=parts)


def _metric_key(name: str) -> metrics_for_slice_pb2.MetricKey:
  return metrics_for_slice_pb2.MetricKey(name=name, example_weighted={'value': False})


def _value(value: float) -> metrics_for_slice_pb2.MetricValue:
  return metrics_for_slice_pb2.MetricValue(double_value={'value': value})


def _metrics_proto(
  key: metrics_for_slice_pb2.SliceKey, values: Mapping[str, float]
) -> metrics_for_slice_pb2.MetricsForSlice:
  proto = metrics_for_slice_pb2.MetricsForSlice(slice_key=key)
  for name, value in values.items():
    proto.metric_keys_and_values.add(key=_metric_key(name), value=_value(value))
  return proto


def _validated(rows: Sequence[Row], config: config_pb2.EvalConfig) -> validation_result_pb2.ValidationResult:
  """As TFMA validates by thresholds of slices with an upper bound, which are all that `slices.eval_config` makes."""
  verdict = validation_result_pb2.ValidationResult()
  thresholds = [
    (json.loads(metric.config)['name'], per_slice.threshold, spec)
    for metrics in config.metrics_specs
    for metric in metrics.metrics
    for per_slice in metric.per_slice_thresholds
    for spec in per_slice.slicing_specs
  ]
  for name, threshold, spec in thresholds:
    matching = [(key, values[name]) for key, values in rows if [feature for feature, _ in key] == [*spec.feature_keys]]
    for key, value in matching:
      if not value <= threshold.value_threshold.upper_bound.value:  # Not a number is over any bound.
        broken = verdict.metric_validations_per_slice.add(slice_key=_slice_key(key))
        broken.failures.add(metric_key=_metric_key(name), metric_value=_value(value), metric_threshold=threshold)
    if matching:
      verdict.validation_details.slicing_details.add(slicing_spec=spec, num_matching_slices=len(matching))
    else:
      verdict.missing_slices.append(spec)
  verdict.missing_thresholds = not thresholds
  verdict.validation_ok = bool(thresholds) and not (verdict.metric_validations_per_slice or verdict.missing_slices)
  return verdict


def _write(output: str, name: str, protos: Sequence[message.Message]) -> None:
  fileio.makedirs(output)
  with fileio.open(os.path.join(output, f'{name}.tfrecord'), 'wb') as file:
    file.write(frame([proto.SerializeToString(deterministic=True) for proto in protos]))
