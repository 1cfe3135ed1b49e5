"""Compares a run's statistics with the schema, the previous span and each other."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from tensorflow_metadata.proto.v0 import anomalies_pb2, schema_pb2

from components.ride_example_gen.spans import EVAL, TRAIN
from components.ride_validator.divergence import Statistics, missing_divergence, value_divergences
from components.ride_validator.findings import OUT_OF_RANGE, Column, Finding, Kind, Level, columns, percent, wording
from components.ride_validator.hours import read_times, time_findings
from configs.validation import Severity, Validation


def inspect(
  statistics: Mapping[str, Statistics],
  schema: schema_pb2.Schema,
  anomalies: Mapping[str, anomalies_pb2.Anomalies],
  validation: Validation,
  baseline: Statistics | None = None,
  newest: bool = False,
) -> tuple[Finding, ...]:
  """All findings of the statistics: anomalies and missing values of each split, then drift, then skew.

  Hours of the day and days of the week are part of the drift; their skew is among `inputs.input_findings`.

  A divergence within its threshold is a finding of level `info`, so that a report can show it; one above it is an error
  where `validation.drift_stops`, else a warning that never stops.

  Args:
    statistics: of each split; `train` is compared with the baseline and with `eval`.
    anomalies: ExampleValidator's, of the same splits.
    validation: severity, thresholds, largest shares of missing values.
    baseline: the train statistics of the previous span, if there is one.
    newest: whether `eval` is the newest span of several; it is then compared with the baseline, too, as the older ones
      dilute in `train` what a single day brings.
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
  if baseline is not None:
    for split in (TRAIN, *([EVAL] if newest else [])):
      found += _drift(split, statistics.get(split), baseline, schema, validation)
  if TRAIN in statistics and EVAL in statistics:
    found += _divergences(Kind.SKEW, TRAIN, statistics[TRAIN], statistics[EVAL], schema, validation)
  return tuple(found)


def _drift(
  split: str, now: Statistics | None, baseline: Statistics, schema: schema_pb2.Schema, validation: Validation
) -> Iterator[Finding]:
  if now is None:
    return
  yield from _divergences(Kind.DRIFT, split, now, baseline, schema, validation)
  here, there = read_times(now), read_times(baseline)
  if here and there:
    yield from time_findings(Kind.DRIFT, here, there, validation, split)


def _schema_findings(
  split: str,
  anomalies: anomalies_pb2.Anomalies,
  schema: schema_pb2.Schema,
  found: Mapping[str, Column],
  validation: Validation,
) -> Iterator[Finding]:
  if anomalies.data_missing or not any(column.rides for column in found.values()):
    yield _schema_finding(validation, split, '', Level.ERROR, 'rides', 'none')
    return
  for reason in anomalies.dataset_anomaly_info.reason:
    level = _level(anomalies.dataset_anomaly_info.severity)
    yield _schema_finding(validation, split, '', level, 'what the schema says', f'"{reason.description}"')
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
      yield _schema_finding(validation, split, name, _level(info.severity), expected, came)


def _level(severity: int) -> Level:
  """An anomaly of unknown severity is taken for an error."""
  return Level.WARNING if severity == anomalies_pb2.AnomalyInfo.WARNING else Level.ERROR


def _schema_finding(
  validation: Validation, split: str, feature: str, severity: Level, expected: str, came: str
) -> Finding:
  stopping = {Severity.ERROR: (Level.ERROR,), Severity.WARNING: (Level.ERROR, Level.WARNING), Severity.NEVER: ()}
  stops = severity in stopping[validation.severity]
  return Finding(split, feature, Kind.SCHEMA, severity, stops, expected, came)


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
  kind: Kind, split: str, now: Statistics, other: Statistics, schema: schema_pb2.Schema, validation: Validation
) -> Iterator[Finding]:
  """Of the values and of the shares of missing ones, in the schema's order."""
  drift = kind is Kind.DRIFT
  missing_kind = Kind.MISSING_DRIFT if drift else Kind.MISSING_SKEW
  threshold = validation.drift_threshold if drift else validation.skew_threshold
  there = 'the previous span' if drift else 'the eval split'
  level = Level.ERROR if validation.drift_stops else Level.WARNING
  stops = validation.drift_stops and validation.severity is not Severity.NEVER
  values = value_divergences(now, other, schema, kind)
  here_columns, there_columns = columns(now), columns(other)
  for name in (feature.name for feature in schema.feature):
    measured = []
    if name in values:
      expected = f'values within a divergence of {threshold:g} from {there}'
      measured.append((kind, values[name], expected, f'{values[name]:.3g}'))
    if name in here_columns and name in there_columns:
      share, before = here_columns[name].missing_share, there_columns[name].missing_share
      expected = f'about as many missing values as in {there} ({percent(before)})'
      measured.append((missing_kind, missing_divergence(share, before), expected, percent(share)))
    for found, divergence, expected, came in measured:
      above = divergence > threshold
      yield Finding(
        split=split,
        feature=name,
        kind=found,
        severity=level if above else Level.INFO,
        stops=above and stops,
        expected=expected,
        came=came,
        divergence=round(divergence, 6),
        threshold=threshold,
      )
