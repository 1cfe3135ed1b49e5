"""Says why TFMA did not bless a model."""

from __future__ import annotations

from typing import Any

import tensorflow_model_analysis as tfma

from components.fare_evaluator.eval_config import RMSE


def refusals(evaluation_uri: str, currency: str = '') -> list[str]:
  """One sentence per threshold that the candidate missed.

  Args:
    evaluation_uri: where TFMA wrote its validation result.
    currency: appended to amounts.

  Returns:
    Sentences; empty for a blessed model.
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
