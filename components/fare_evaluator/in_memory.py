"""TFMA's metrics of a split, computed in this process and written in TFMA's own files; for splits that fit into memory.

TFMA takes a millisecond and a half for each ride, whatever the model; NumPy takes a microsecond. Whatever is no
arithmetic is TFMA's: its keys, its protos, its validation by thresholds.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import tensorflow as tf
import tensorflow_model_analysis as tfma
from google.protobuf import json_format, message
from tensorflow_model_analysis.proto import config_pb2, metrics_for_slice_pb2, validation_result_pb2
from tfx.dsl.io import fileio
from tfx.utils import io_utils

from components.ride_example_gen.encoding import frame
from configs.dataset import LABEL, TIME
from models.error_intervals import root_mean_square
from models.serving import SERVING_DEFAULT, TRANSFORM_FEATURES

SliceKey = tuple[tuple[str, int], ...]


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
  config = tfma.utils.update_eval_config_with_defaults(config, has_baseline=False, rubber_stamp=True)
  rows = list(_slices(outcomes, config))
  writer = tfma.writers.metrics_plots_and_validations_writer  # Not by an import, which would load it for the gate too.
  protos = [writer.convert_slice_metrics_to_proto(row, None) for row in rows]
  keys = [proto.slice_key for proto in protos]
  _write(output, 'metrics-00000-of-00001', protos)
  _write(output, 'plots-00000-of-00001', [metrics_for_slice_pb2.PlotsForSlice(slice_key=key) for key in keys])
  attributions = [metrics_for_slice_pb2.AttributionsForSlice(slice_key=key) for key in keys]
  _write(output, 'attributions-00000-of-00001', attributions)
  combine = writer.CombineValidations(config)
  accumulated = combine.create_accumulator()
  for row in rows:
    accumulated = combine.add_input(accumulated, tfma.evaluators.metrics_validator.validate_metrics(row, config))
  verdict = combine.extract_output(accumulated)
  _write(output, 'validations', [verdict])
  run = config_pb2.EvalRun(
    eval_config=config,
    version=tfma.__version__,
    data_location='<user provided PCollection>',
    file_format='<unknown>',
    model_locations={'': model_path},
  )
  io_utils.write_string_file(os.path.join(output, 'eval_config.json'), json_format.MessageToJson(run))
  return verdict


def _slices(
  outcomes: Outcomes, config: config_pb2.EvalConfig
) -> Iterator[tuple[SliceKey, dict[tfma.metrics.MetricKey, float]]]:
  for spec in config.slicing_specs:
    if not spec.feature_keys:
      yield (), _metrics(outcomes.fares, outcomes.predictions)
      continue
    [feature] = spec.feature_keys
    for code in np.unique(outcomes.codes[feature]):
      chosen = outcomes.codes[feature] == code
      yield ((feature, int(code)),), _metrics(outcomes.fares[chosen], outcomes.predictions[chosen])


def _metrics(fares: np.ndarray, predictions: np.ndarray) -> dict[tfma.metrics.MetricKey, float]:
  """By the names of `slices.eval_config`, in float64."""
  true, predicted = fares.astype(np.float64), predictions.astype(np.float64)
  total = true.sum()
  values = {
    'root_mean_squared_error': root_mean_square(predicted - true),
    'mean_absolute_error': np.abs(predicted - true).mean(),
    'calibration': predicted.sum() / total if total else np.nan,
    'example_count': len(true),
  }
  return {tfma.metrics.MetricKey(name=name, example_weighted=False): float(value) for name, value in values.items()}


def _write(output: str, name: str, protos: Sequence[message.Message]) -> None:
  fileio.makedirs(output)
  with fileio.open(os.path.join(output, f'{name}.tfrecord'), 'wb') as file:
    file.write(frame([proto.SerializeToString(deterministic=True) for proto in protos]))
