"""What the gate finds in the statistics, one sentence each."""

from __future__ import annotations

import dataclasses
import enum
import json
from collections.abc import Sequence

from configs.errors import FailedError
from configs.records import parse_list

FINDINGS_FILE = 'findings.json'
"""In the `findings` artifact."""


class Kind(str, enum.Enum):
  """Which comparison a finding comes from."""

  SCHEMA = 'schema'
  MISSING = 'missing'
  DRIFT = 'drift'
  SKEW = 'skew'
  MISSING_DRIFT = 'missing_drift'
  MISSING_SKEW = 'missing_skew'


class Level(str, enum.Enum):
  """How bad a finding is; `info` is a measurement within its threshold."""

  INFO = 'info'
  WARNING = 'warning'
  ERROR = 'error'


@dataclasses.dataclass(frozen=True)
class Finding:
  """One anomaly or one measured divergence.

  Attributes:
    split: the split it was found in.
    feature: a canonical column; empty for the split as a whole.
    kind: the comparison it comes from.
    severity: see `Level`.
    stops: whether the config lets it stop the run.
    expected: what should have come, as words that follow 'expected'.
    came: what came, as words that follow 'came'.
    divergence: Jensen-Shannon, base 2, in [0, 1]; of drift and skew only.
    threshold: the largest accepted divergence, or share of missing values.
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
    place = f'{self.feature} in the {self.split} split' if self.feature else f'The {self.split} split'
    return f'{place}: expected {self.expected}, came {self.came}.'


class AnomaliesError(FailedError):
  """The rides are not what the schema expects; the message has one sentence per anomaly.

  Attributes:
    findings: all findings, those included that alone would not have stopped the run.
  """

  def __init__(self, message: str, findings: Sequence[Finding] = ()) -> None:
    super().__init__(message)
    self.findings = tuple(findings)


def refuse(findings: Sequence[Finding]) -> None:
  """Raises `AnomaliesError` if any finding stops the run."""
  stopping = [finding.sentence() for finding in findings if finding.stops]
  if stopping:
    mend = 'Mend the rides, widen dataset.rules or relax validation, and run again.'
    raise AnomaliesError('\n'.join([*stopping, mend]), findings)


def to_json(findings: Sequence[Finding]) -> str:
  """A JSON list of objects with the attributes of `Finding`."""
  return json.dumps([dataclasses.asdict(finding) for finding in findings], indent=2, ensure_ascii=False) + '\n'


def from_json(text: str) -> tuple[Finding, ...]:
  """The inverse of `to_json`; keys that it does not know are ignored.

  Raises:
    RecordError: the text is no such list.
  """
  return parse_list(Finding, text, FINDINGS_FILE)
