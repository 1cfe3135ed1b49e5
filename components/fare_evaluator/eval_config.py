"""TFMA's EvalConfig for fares: which metrics, which slices, which thresholds."""

from __future__ import annotations

from tensorflow_model_analysis.proto import config_pb2

from configs.dataset import LABEL
from configs.evaluation import Evaluation
from models import signatures
from transforms import names

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
    evaluation: thresholds; change thresholds are ignored by TFX where there is
      no baseline yet.
    judges: whether there are thresholds at all.
  """
  metrics = [
    config_pb2.MetricConfig(class_name=name, config=f'{{"name": "{alias}"}}') for name, alias in _METRICS.items()
  ]
  for metric in metrics:
    if judges and metric.class_name == 'RootMeanSquaredError':
      # A plain threshold would hold for every slice; this one is for all rides together.
      overall = config_pb2.PerSliceMetricThreshold(
        slicing_specs=[config_pb2.SlicingSpec()], threshold=_threshold(evaluation)
      )
      metric.per_slice_thresholds.append(overall)
  return config_pb2.EvalConfig(
    model_specs=[_model_spec(name='candidate'), _model_spec(name='baseline', is_baseline=True)],
    metrics_specs=[config_pb2.MetricsSpec(metrics=metrics)],
    slicing_specs=[config_pb2.SlicingSpec(), *(config_pb2.SlicingSpec(feature_keys=[key]) for key in SLICE_KEYS)],
  )


def _model_spec(name: str, is_baseline: bool = False) -> config_pb2.ModelSpec:
  return config_pb2.ModelSpec(
    name=name,
    is_baseline=is_baseline,
    label_key=LABEL,
    signature_name=signatures.SERVING_DEFAULT,
    preprocessing_function_names=[signatures.TRANSFORM_FEATURES],
  )


def _threshold(evaluation: Evaluation) -> config_pb2.MetricThreshold:
  return config_pb2.MetricThreshold(
    value_threshold=config_pb2.GenericValueThreshold(upper_bound={'value': evaluation.max_rmse}),
    change_threshold=config_pb2.GenericChangeThreshold(
      direction=config_pb2.MetricDirection.LOWER_IS_BETTER,
      # TFMA asks for strictly less; a model as good as the served one may pass at 0.
      relative={'value': evaluation.max_rmse_increase + 1e-9},
    ),
  )
