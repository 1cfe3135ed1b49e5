"""The verdict on the rides: by the quarantine's counts, and as findings in sentences, of the statistics' columns."""

from __future__ import annotations

import dataclasses
import datetime
import enum
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from tensorflow_metadata.proto.v0 import anomalies_pb2, schema_pb2, statistics_pb2

from components.ride_example_gen.spans import SPLITS
from configs.base import shortened
from configs.dataset import EPOCH, TIME
from configs.errors import FailedError
from configs.records import parse_list

if TYPE_CHECKING:  # Brings Arrow along, which who reads findings does without.
  from components.ride_example_gen.quarantine import RideCounts

FINDINGS_FILE = 'findings.json'
"""In the AnomalyGate's output."""

_Info = anomalies_pb2.AnomalyInfo
_TOO_LARGE = (_Info.FLOAT_TYPE_BIG_FLOAT, _Info.INT_TYPE_BIG_INT)
_TOO_SMALL = (_Info.FLOAT_TYPE_SMALL_FLOAT, _Info.INT_TYPE_SMALL_INT)
OUT_OF_RANGE = (*_TOO_LARGE, *_TOO_SMALL)
"""TFDV's reasons for a value outside of its domain."""

TOP_REASONS = 3
"""How many reasons a refusal names."""


class RidesRefusedError(FailedError):
  """Too few valid rides; the message is one sentence on what came, where it is and what to do."""


def check_rides(counts: RideCounts, max_quarantined_share: float, uri: str) -> None:
  """Refuses rides that a model must not be trained on.

  Args:
    max_quarantined_share: a fraction; exactly as many are still accepted.
    uri: where the quarantined rows are.
  Raises: RidesRefusedError: nothing was read, nothing is valid, too much is quarantined of all rides or of the newest
    span, however many older ones dilute it, or a split is empty.
  """
  quarantined = sum(counts.quarantined.values())
  if counts.read == 0:
    files = counts.files[0] if len(counts.files) == 1 else f'{len(counts.files)} files'
    raise RidesRefusedError(f'No rides were read from {files}: give dataset.path files with at least one row.')
  fix = f'they are with their reasons in {uri}; fix the data, widen dataset.rules'
  reasons = _top_reasons(counts.quarantined)
  examples = ''.join(f' {sentence}' for sentence in _examples(counts))
  if counts.kept == 0:
    raise RidesRefusedError(
      f'All {counts.read:,} rides are invalid ({reasons}): {fix} or correct the columns and the time format.{examples}'
    )
  if quarantined / counts.read > max_quarantined_share:
    share, limit = percent(quarantined / counts.read), percent(max_quarantined_share)
    raise RidesRefusedError(
      f'{quarantined:,} of {counts.read:,} rides ({share}) are invalid, more than the {limit} of '
      f'dataset.rules.max_quarantined_share ({reasons}): {fix} or raise the limit.{examples}'
    )
  label = counts.profile.newest_span
  newest = counts.profile.spans().get(label or '')
  if newest and newest.read - newest.rides > max_quarantined_share * newest.read:
    share, limit = percent(1 - newest.rides / newest.read), percent(max_quarantined_share)
    raise RidesRefusedError(
      f'{newest.read - newest.rides:,} of {newest.read:,} rides of the newest span, {label}, are invalid ({share}), '
      f'more than the {limit} of dataset.rules.max_quarantined_share (of all spans {reasons}): {fix} or raise the '
      f'limit, or leave the span out (retraining.exclude).{examples}'
    )
  for split in SPLITS:
    if not counts.splits.get(split):
      raise RidesRefusedError(_empty_split(counts, split))


def _empty_split(counts: RideCounts, split: str) -> str:
  """Why there is none, and what to do: a span without rides, or too few time stamps."""
  spans = counts.profile.spans()
  bare = [label for label, rides in spans.items() if not rides.rides]
  if bare and len(spans) > 1:
    return (
      f'The {split} split is empty because there is no valid ride in {shortened(bare, 3)}: bring the rides there, or '
      'remove what is there instead of them.'
    )
  every = f'all {counts.kept:,} valid rides, as rides of one time stamp do,'
  rides = 'the only valid ride' if counts.kept == 1 else every
  return (
    f'The {split} split is empty because {rides} fell into the other one: give rides of more time stamps, '
    'or change split.eval_share or split.seed.'
  )


def _ranked(reasons: Mapping[str, int]) -> list[tuple[str, int]]:
  return sorted(((reason, count) for reason, count in reasons.items() if count), key=lambda item: (-item[1], item[0]))


def _examples(counts: RideCounts) -> Iterator[str]:
  """Sentences on the first values that broke the commonest rules: all with a hint, else one of a rule."""
  for reason, _ in _ranked(counts.quarantined)[:TOP_REASONS]:
    examples = [example for example in counts.examples if example.reason == reason]
    hinted = [example for example in examples if example.hint]
    yield from (example.sentence() for example in hinted or examples[:1])


def _top_reasons(reasons: Mapping[str, int]) -> str:
  ranked = _ranked(reasons)
  named = [f'{reason}: {count:,}' for reason, count in ranked[:TOP_REASONS]]
  rest = sum(count for _, count in ranked[TOP_REASONS:])
  return ', '.join([*named, f'other reasons: {rest:,}'] if rest else named)


def percent(share: float) -> str:
  """A share in [0, 1] as a text of three digits."""
  return f'{100 * share:.3g} %'


class Kind(str, enum.Enum):
  """Which comparison a finding comes from.

  From `empty` on they come from the profile of the rides: a column without a value, or with one only; values that no
  vocabulary has; inputs that only the finished ride knows; hours or days without a ride; rides of another day than
  their span; the same rides twice.
  """

  SCHEMA = 'schema'
  MISSING = 'missing'
  DRIFT = 'drift'
  SKEW = 'skew'
  MISSING_DRIFT = 'missing_drift'
  MISSING_SKEW = 'missing_skew'
  EMPTY = 'empty'
  CONSTANT = 'constant'
  OTHER_VALUES = 'other_values'
  LEAKAGE = 'leakage'
  HOURS = 'hours'
  OFF_DAY = 'off_day'
  REDELIVERY = 'redelivery'


class Level(str, enum.Enum):
  """How bad a finding is; `info` is a measurement within its threshold."""

  INFO = 'info'
  WARNING = 'warning'
  ERROR = 'error'


@dataclasses.dataclass(frozen=True)
class Finding:
  """One anomaly or one measured divergence.

  Attributes:
    split: `train` or `eval`; empty for all rides.
    feature: a canonical column, or `hour_of_day`, `day_of_week`; empty for the split as a whole.
    stops: whether the config lets it stop the run.
    expected, came: what should have come and what did, as words that follow 'expected' and 'came'.
    divergence: Jensen-Shannon, base 2, in [0, 1]; of drift and skew only.
    threshold: the largest accepted divergence or share.
  """

  split: str
  feature: str
  kind: Kind
  severity: Level
  stops: bool
  expected: str
  came: str
  divergence: float | None = None
  threshold: float | None = None

  def sentence(self) -> str:
    """Which feature, what was expected, what came."""
    split = f'the {self.split} split' if self.split else ''
    place = ' in '.join(filter(None, (self.feature, split))) or 'the rides'
    place = place if self.feature else place[0].upper() + place[1:]
    return f'{place}: expected {self.expected}, came {self.came}.'

  def of_span(self, label: str | None) -> Finding:
    """The same, said of the newest span by its label, which is the eval split; as it is where there is none."""
    said = f' in the newest span, {label}'
    return self if label is None or said in self.came else dataclasses.replace(self, came=f'{self.came}{said}')


class AnomaliesError(FailedError):
  """The rides are not what the schema expects; the message has one sentence per anomaly.

  Attributes: findings: all findings, those included that alone would not have stopped the run.
  """

  def __init__(self, message: str, findings: Sequence[Finding] = ()) -> None:
    super().__init__(message)
    self.findings = tuple(findings)


def refuse(findings: Sequence[Finding]) -> None:
  """Raises `AnomaliesError` if any finding stops the run."""
  stopping = [finding.sentence() for finding in findings if finding.stops]
  if stopping:
    fix = 'Fix the rides, widen dataset.rules or relax validation, and run again.'
    raise AnomaliesError('\n'.join([*stopping, fix]), findings)


def to_json(findings: Sequence[Finding]) -> str:
  """A JSON list of objects with the attributes of `Finding`."""
  return json.dumps([dataclasses.asdict(finding) for finding in findings], indent=2, ensure_ascii=False) + '\n'


def from_json(text: str) -> tuple[Finding, ...]:
  """The inverse of `to_json`, which ignores unknown keys; raises `RecordError` where the text is no such list."""
  return parse_list(Finding, text, FINDINGS_FILE)


@dataclasses.dataclass(frozen=True)
class Column:
  """What the statistics know about one column of one split.

  Attributes:
    absent: rides without the feature.
    nan: rides whose value is NaN.
    type_name: TFDV's type: INT, FLOAT, STRING, BYTES.
    smallest, largest: of the numbers; 0 where there is none.
    most_values: the largest number of values in one ride.
  """

  rides: int
  absent: int
  nan: int
  type_name: str
  smallest: float
  largest: float
  most_values: int

  @property
  def missing(self) -> int:
    """Rides without a number."""
    return self.absent + self.nan

  @property
  def missing_share(self) -> float:
    """A share in [0, 1]; 0 for no rides."""
    return self.missing / self.rides if self.rides else 0.0


def columns(statistics: statistics_pb2.DatasetFeatureStatisticsList) -> dict[str, Column]:
  """The columns of a split by name; slices other than the whole split are ignored."""
  whole = [dataset for dataset in statistics.datasets if dataset.name == 'All Examples']
  dataset = (whole or statistics.datasets)[0]
  rides = int(dataset.num_examples)
  found = {}
  for feature in dataset.features:
    numeric = feature.num_stats
    common = getattr(feature, feature.WhichOneof('stats') or 'num_stats').common_stats
    found[feature.name or '.'.join(feature.path.step)] = Column(
      rides=rides,
      # Not num_missing: it misses the rides of files where the feature is absent altogether.
      absent=rides - int(common.num_non_missing),
      nan=int(numeric.histograms[0].num_nan) if numeric.histograms else 0,
      type_name=statistics_pb2.FeatureNameStatistics.Type.Name(feature.type),
      smallest=numeric.min,
      largest=numeric.max,
      most_values=int(common.max_num_values),
    )
  return found


def wording(
  reason: anomalies_pb2.AnomalyInfo.Reason, feature: schema_pb2.Feature | None, column: Column | None
) -> tuple[str, str]:
  """Words that follow 'expected' and 'came'.

  Args:
    feature: the schema's feature; `None` where the schema has none.
    column: the column of the statistics; `None` where they have none.
  """
  if feature is None:
    return 'no such column', f'one of type {column.type_name}' if column else 'one'
  if column is None or column.absent == column.rides:
    return 'the column in every ride', 'no ride that has it'
  domain = feature.int_domain if feature.HasField('int_domain') else feature.float_domain
  if reason.type in _TOO_LARGE:
    return f'values of at most {_number(feature, domain.max)}', _number(feature, column.largest)
  if reason.type in _TOO_SMALL:
    return f'values of at least {_number(feature, domain.min)}', _number(feature, column.smallest)
  words = {
    _Info.FLOAT_TYPE_HAS_NAN: ('a number in every ride', f'{column.nan:,} of {column.rides:,} rides without one'),
    _Info.FLOAT_TYPE_HAS_INF: ('finite numbers', 'an infinite one'),
    _Info.FEATURE_TYPE_LOW_FRACTION_PRESENT: (
      'the column in every ride',
      f'{column.absent:,} of {column.rides:,} rides without it',
    ),
    _Info.INVALID_FEATURE_SHAPE: ('one value in every ride', f'up to {column.most_values} values in a ride'),
    _Info.UNEXPECTED_DATA_TYPE: (f'values of type {schema_pb2.FeatureType.Name(feature.type)}', column.type_name),
  }
  # TFDV has some eighty types; the others can't come from this schema, so its own words do.
  return words.get(reason.type, ('what the schema says', f'"{reason.description}"'))


def _number(feature: schema_pb2.Feature, value: float) -> str:
  """Eight digits, as much as float32 holds; a time also as a date."""
  if feature.name == TIME:
    try:
      return f'{value:.0f} ({EPOCH + datetime.timedelta(seconds=value)})'
    except OverflowError:
      return f'{value:.0f}'
  return f'{value:.8g}' if feature.type == schema_pb2.INT else f'{value:.6g}'
