"""What runs on an output directory have read so far, and what they serve: `retraining.json`."""

from __future__ import annotations

import dataclasses
import datetime
import pathlib
from typing import Annotated, Any, ClassVar

from pydantic import Field, PlainSerializer

from configs.records import Record
from models.whole_files import write_whole

_MOST_RUNS = 2000
"""Older runs are forgotten; at one run a day these are five years."""

RUNNING = 'running'
"""The status of a run that has not come to its end; it was killed, if nobody holds the output directory."""

FINISHED = frozenset({'pushed', 'not_blessed'})
"""Statuses of a run that came to its end."""


Moment = Annotated[datetime.datetime, PlainSerializer(datetime.datetime.isoformat)]
"""With its time zone, as `isoformat` writes it."""


@dataclasses.dataclass(frozen=True)
class SpanEntry:
  """A span as it was when it was last looked at.

  Attributes:
    digest: of its files' names and contents.
    read: its rows.
    kept: its valid rides.
    broken: why no run can use it; `None` if one can.
    late: whether it came after a newer one.
    was_read: whether a run that came to its end has read it, in whatever state.
  """

  digest: str
  read: int
  kept: int
  broken: str | None = None
  late: bool = False
  was_read: bool = False


@dataclasses.dataclass(frozen=True)
class LedgerRun:
  """A run, begun or ended.

  Attributes:
    started, ended: when, by the clock that the run was given; it ends with its push.
    spans: digest of each span that it reads, by number.
    setting: digest of the config and the code; equal settings on equal spans give an equal run.
    sources: digest of the source files as they lay there: while they do, the code is that of `setting`.
    status: of the summary, or `RUNNING`.
    reason: of the summary.
    pushed_path: the version that it pushed.
    not_registered: of the summary.
    statistics: URI of the statistics of what it trained on.
    kept: valid rides of each span.
  """

  started: Moment
  spans: Annotated[dict[int, str], Field(min_length=1)]
  setting: str
  status: str = RUNNING
  reason: str = ''
  pushed_path: str | None = None
  statistics: str | None = None
  kept: dict[int, int] = dataclasses.field(default_factory=dict)
  sources: str = ''
  ended: Moment | None = None
  not_registered: str | None = None

  @property
  def newest(self) -> int:
    """The number of its newest span."""
    return max(self.spans)

  @property
  def finished(self) -> bool:
    """Whether it came to its end."""
    return self.status in FINISHED


class LedgerRecord(Record):
  """What `retraining.json` holds: spans by number, runs, oldest first, and digests of the spans' valid rides."""

  FIX: ClassVar[str] = 'move it away: the next run then takes every span for a new one'

  schema_version: int = 2
  spans: dict[int, SpanEntry]
  runs: tuple[LedgerRun, ...]
  rides: dict[int, int] = {}


@dataclasses.dataclass
class Ledger:
  """All that is known about spans and runs; `save` after each change.

  Attributes:
    path: the file.
    spans: by number.
    runs: oldest first.
    rides: digest of a span's valid rides by its number; none of a span that is broken in itself.
  """

  path: pathlib.Path
  spans: dict[int, SpanEntry] = dataclasses.field(default_factory=dict)
  runs: list[LedgerRun] = dataclasses.field(default_factory=list)
  rides: dict[int, int] = dataclasses.field(default_factory=dict)

  @classmethod
  def load(cls, path: pathlib.Path) -> Ledger:
    """Reads the file; a ledger without entries where there is none. Raises `UserError` where the file is no ledger."""
    try:
      found = LedgerRecord.read(path)
    except FileNotFoundError:
      return cls(path)
    return cls(path, found.spans, list(found.runs), found.rides)

  def save(self) -> None:
    """Writes the file whole or not at all, even if the machine stops."""
    record = LedgerRecord(spans=dict(sorted(self.spans.items())), runs=tuple(self.runs[-_MOST_RUNS:]))
    if self.rides:
      record = record.model_copy(update={'rides': dict(sorted(self.rides.items()))})
    write_whole(self.path, record.to_json(indent=1) + '\n')

  @property
  def last(self) -> LedgerRun | None:
    """The last run, whatever became of it."""
    return self.runs[-1] if self.runs else None

  @property
  def last_finished(self) -> LedgerRun | None:
    """The last run that came to its end."""
    return next((run for run in reversed(self.runs) if run.finished), None)

  def push_of(self, version: str) -> LedgerRun | None:
    """The run that pushed a version first."""
    return next((run for run in self.runs if run.pushed_path and pathlib.Path(run.pushed_path).name == version), None)

  def begin(self, run: LedgerRun) -> None:
    """Notes that a run begins, so that a killed one is known later."""
    self.runs.append(run)
    self.save()

  def end(self, **outcome: Any) -> None:
    """Notes what became of the run that was begun last."""
    self.runs[-1] = dataclasses.replace(self.runs[-1], **outcome)
    if self.runs[-1].finished:
      read = {n: self.spans[n] for n in self.runs[-1].spans if n in self.spans}
      self.spans |= {number: dataclasses.replace(entry, was_read=True) for number, entry in read.items()}
    self.save()

  def seen(self) -> frozenset[int]:
    """Spans that are not late for the next run: a late one is, until a run has read it."""
    return frozenset(number for number, entry in self.spans.items() if entry.was_read or not entry.late)


def served_since(version: int, ledger: Ledger) -> datetime.datetime:
  """When a version was pushed: as the ledger has it, or by its number, which is a Unix time."""
  run = ledger.push_of(str(version))
  return run.ended or run.started if run else datetime.datetime.fromtimestamp(version, datetime.timezone.utc)
