"""Compares a run's statistics with the schema, the previous span and each other."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from tensorflow_metadata.proto.v0 import anomalies_pb2, schema_pb2

from components.ride_example_gen.spans import EVAL, TRAIN
from components.ride_validator.divergence import Statistics, missing_divergence, value_divergences
from components.ride_validator.findings import OUT_OF_RANGE, Column, Finding, Kind, Level, columns, percent, wording
from configs.validation import Severity, Validation


def inspect(
  statistics: Mapping[str, Statistics],
  schema: schema_pb2.Schema,
  anomalies: Mapping[str, anomalies_pb2.Anomalies],
  validation: Validation,
  baseline: Statistics | None = None,
) -> tuple[Finding, ...]:
  """All findings: anomalies and missing values of each split, then drift, then skew.

  A divergence within its threshold is a finding of level `info`, so that a report can show it; one above it is an error
  where `validation.drift_stops`, else a warning that never stops.

  Args:
    statistics: of each split; `train` is compared with the baseline and with `eval`.
    anomalies: ExampleValidator's, of the same splits.
    validation: severity, thresholds, largest shares of missing values.
    baseline: the train statistics of the previous span, if there is one.
  Raises: ValueError: `validation.max_missing_share` names a column that the schema lacks.
  """
  known = [feature.name for feature in schema.feature]
  for name in validation.max_missing_share:
    if name not in known:
      raise ValueError(f"validation.max_missing_share names '{name}', which is none of {', '.join(known)}.")
  found: list[Finding] = []
  for split, data in statistics.items():
    found += _schema_findings(split, anomalies[split], schema, columns(data), validation)
    found += _missing_findings(split, columns(data), validation)
  if baseline is not None and TRAIN in statistics:
    found += _divergences(Kind.DRIFT, statistics[TRAIN], baseline, schema, validation)
  if TRAIN in statistics and EVAL in statistics:
    found += _divergences(Kind.SKEW, statistics[TRAIN], statistics[EVAL], schema, validation)
  return tuple(found)


def _schema_findings(
  split: str,
  anomalies: anomalies_pb2.Anomalies,
  schema: schema_pb2.Schema,
  found: Mapping[str, Column],
  validation: Validation,
) -> Iterator[Finding]:
  if anomalies.data_missing or not any(column.rides for column in found.values()):
    yield _finding(validation, split, '', Kind.SCHEMA, Level.ERROR, 'rides', 'none')
    return
  for reason in anomalies.dataset_anomaly_info.reason:
    level = _level(anomalies.dataset_anomaly_info.severity)
    yield _finding(validation, split, '', Kind.SCHEMA, level, 'what the schema says', f'"{reason.description}"')
  features = {feature.name: feature for feature in schema.feature}
  for key, info in sorted(anomalies.anomaly_info.items()):
    name = '.'.join(info.path.step) or key
    for reason in info.reason:
      column = found.get(name)
      # TFDV takes the range of a column that is all NaN for 0 to 0, which is outside of a western city's longitudes.
      has_no_number = column is not None and column.absent < column.missing == column.rides
      if reason.type in OUT_OF_RANGE and has_no_number:
        continue
      expected, came = wording(reason, features.get(name), column)
      yield _finding(validation, split, name, Kind.SCHEMA, _level(info.severity), expected, came)


def _level(severity: int) -> Level:
  """An anomaly of unknown severity is taken for an error."""
  return Level.WARNING if severity == anomalies_pb2.AnomalyInfo.WARNING else Level.ERROR


def _finding(
  validation: Validation, split: str, feature: str, kind: Kind, severity: Level, expected: str, came: str
) -> Finding:
  stopping = {Severity.ERROR: (Level.ERROR,), Severity.WARNING: (Level.ERROR, Level.WARNING), Severity.NEVER: ()}
  stops = severity in stopping[validation.severity]
  return Finding(split, feature, kind, severity, stops, expected, came)


def _missing_findings(split: str, found: Mapping[str, Column], validation: Validation) -> Iterator[Finding]:
  """Shares above the configured limit; a column that is not there at all is the schema's matter."""
  for name, limit in validation.max_missing_share.items():
    column = found.get(name)
    if column is not None and column.missing_share > limit:
      yield Finding(
        split=split,
        feature=name,
        kind=Kind.MISSING,
        severity=Level.ERROR,
        stops=validation.severity is not Severity.NEVER,
        expected=f'at most {percent(limit)} missing values',
        came=f'{percent(column.missing_share)} ({column.missing:,} of {column.rides:,} rides)',
        threshold=limit,
      )


def _divergences(
  kind: Kind, now: Statistics, other: Statistics, schema: schema_pb2.Schema, validation: Validation
) -> Iterator[Finding]:
  """Of the values and of the shares of missing ones, in the schema's order."""
  drift = kind is Kind.DRIFT
  threshold = validation.drift_threshold if drift else validation.skew_threshold
  there = 'the previous span' if drift else 'the eval split'
  values = value_divergences(now, other, schema, kind)
  here_columns, there_columns = columns(now), columns(other)
  for name in (feature.name for feature in schema.feature):
    if name in values:
      words = (f'values within a divergence of {threshold:g} from {there}', f'{values[name]:.3g}')
      yield _divergence(kind, name, values[name], threshold, words, validation)
    if name in here_columns and name in there_columns:
      share, before = here_columns[name].missing_share, there_columns[name].missing_share
      words = (f'about as many missing values as in {there} ({percent(before)})', percent(share))
      missing = Kind.MISSING_DRIFT if drift else Kind.MISSING_SKEW
      yield _divergence(missing, name, missing_divergence(share, before), threshold, words, validation)


def _divergence(
  kind: Kind, feature: str, divergence: float, threshold: float, words: tuple[str, str], validation: Validation
) -> Finding:
  above = divergence > threshold
  level = Level.ERROR if validation.drift_stops else Level.WARNING
  return Finding(
    split=TRAIN,
    feature=feature,
    kind=kind,
    severity=level if above else Level.INFO,
    stops=above and validation.drift_stops and validation.severity is not Severity.NEVER,
    expected=words[0],
    came=words[1],
    divergence=round(divergence, 6),
    threshold=threshold,
  )
