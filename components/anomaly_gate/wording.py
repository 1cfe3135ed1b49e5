"""What was expected and what came, in words, for each type of TFDV's anomalies."""

from __future__ import annotations

import datetime

from tensorflow_metadata.proto.v0 import anomalies_pb2, schema_pb2

from components.anomaly_gate.columns import Column
from configs.dataset import EPOCH, TIME

_Info = anomalies_pb2.AnomalyInfo


def wording(
  reason: anomalies_pb2.AnomalyInfo.Reason, feature: schema_pb2.Feature | None, column: Column | None
) -> tuple[str, str]:
  """Words that follow 'expected' and 'came'.

  Args:
    reason: one of an anomaly's reasons.
    feature: the schema's feature; `None` where the schema has none.
    column: the column of the statistics; `None` where they have none.
  """
  if feature is None:
    return 'no such column', f'one of type {column.type_name}' if column else 'one'
  if column is None or column.absent == column.rides:
    return 'the column in every ride', 'no ride that has it'
  low, high = _limits(feature)
  if reason.type in (_Info.FLOAT_TYPE_BIG_FLOAT, _Info.INT_TYPE_BIG_INT):
    return f'values of at most {_number(feature, high)}', _number(feature, column.largest)
  if reason.type in (_Info.FLOAT_TYPE_SMALL_FLOAT, _Info.INT_TYPE_SMALL_INT):
    return f'values of at least {_number(feature, low)}', _number(feature, column.smallest)
  return _other(reason, feature, column)


def _limits(feature: schema_pb2.Feature) -> tuple[float, float]:
  domain = feature.int_domain if feature.HasField('int_domain') else feature.float_domain
  return domain.min, domain.max


def _number(feature: schema_pb2.Feature, value: float) -> str:
  """Eight digits, as much as float32 holds; a time also as a date."""
  if feature.name == TIME:
    try:
      return f'{value:.0f} ({EPOCH + datetime.timedelta(seconds=value)})'
    except OverflowError:
      return f'{value:.0f}'
  return f'{value:.8g}' if feature.type == schema_pb2.INT else f'{value:.6g}'


def _other(reason: anomalies_pb2.AnomalyInfo.Reason, feature: schema_pb2.Feature, column: Column) -> tuple[str, str]:
  kind = schema_pb2.FeatureType.Name(feature.type)
  words = {
    _Info.FLOAT_TYPE_HAS_NAN: ('a number in every ride', f'{column.nan:,} of {column.rides:,} rides without one'),
    _Info.FLOAT_TYPE_HAS_INF: ('finite numbers', 'an infinite one'),
    _Info.FEATURE_TYPE_LOW_FRACTION_PRESENT: (
      'the column in every ride',
      f'{column.absent:,} of {column.rides:,} rides without it',
    ),
    _Info.INVALID_FEATURE_SHAPE: ('one value in every ride', f'up to {column.most_values} values in a ride'),
    _Info.UNEXPECTED_DATA_TYPE: (f'values of type {kind}', column.type_name),
  }
  # TFDV has some eighty types; the others can't come from this schema, so its own words do.
  return words.get(reason.type, ('what the schema says', f'"{reason.description}"'))
