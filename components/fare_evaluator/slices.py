"""Reads TFMA's metrics by slice and proves that every slice key cut all rides."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import tensorflow_model_analysis as tfma

from components.fare_evaluator.records import EvaluatedSlice, SliceCode
from components.fare_evaluator.slice_names import slice_name
from configs.errors import FailedError
from configs.evaluation import Slices
from configs.problems import joined


def read_slices(evaluation_uri: str, slice_keys: Sequence[str], slices: Slices) -> tuple[EvaluatedSlice, ...]:
  """Metrics of the candidate by slice.

  Args:
    evaluation_uri: where TFMA wrote.
    slices: the bands, for names.
    slice_keys: single features that each cut the eval split into parts.

  Returns:
    One per slice; all rides first.

  Raises:
    FailedError: a key yields no slice, or its slices hold more or fewer
      rides than the eval split. Without this check a key that TFMA did not
      find would pass unseen, and the model would be blessed.
  """
  rows = [_row(key, metrics, slices) for key, metrics in _candidate(evaluation_uri).slicing_metrics]
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


def _candidate(evaluation_uri: str) -> tfma.EvalResult:
  """TFMA drops the name of the candidate where there is no baseline."""
  named = tfma.load_eval_result(evaluation_uri, model_name='candidate')
  return named if named.slicing_metrics else tfma.load_eval_result(evaluation_uri)


def _row(slice_key: tuple[tuple[str, Any], ...], metrics: Any, slices: Slices) -> EvaluatedSlice:
  values = metrics['']['']
  return EvaluatedSlice(
    name=joined(slice_name(feature, int(value), slices) for feature, value in slice_key) or 'all',
    slice=tuple(SliceCode(feature=feature, value=int(value)) for feature, value in slice_key),
    **{name: _number(value) for name, value in values.items()},  # type: ignore[arg-type]
  )


def _number(value: Any) -> float | None:
  number = value.get('doubleValue')
  return None if number is None else float(number)
