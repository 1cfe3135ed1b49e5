"""What is told, and what is noted so that it is told once: typed records, without TFX."""

from __future__ import annotations

from typing import Any

from configs.notify import Event
from configs.records import Figure, Moment, Record, RecordPart


class ToldRows(RecordPart):
  """The rides of a run.

  Attributes:
    read: rows of the source.
    kept: valid rides among them.
    quarantined_share: of the rows, in [0, 1].
  """

  read: int
  kept: int
  quarantined_share: float


class Notification(Record):
  """What is told of a run, or of a call that made none: as JSON, without what is `None`, to a command and a webhook.

  Attributes:
    event: what happened.
    reason: the sentence that belongs to it.
    pipeline: the config's name.
    time: of the notification, ISO 8601.
    host: where it ran.
    output: its output directory.
    status: of the run, or of the last one where this call made none; `None` where there was no run yet.
    run: its id.
    newest: label of the newest span.
    rows: of the run; `None` where it read none.
    rmse: of the trained model, in `currency`, on the eval split.
    pushed_version: the version that it pushed.
    served_version: the version that serves now, and since when.
    anomalies: sentences on what is wrong with the rides; where they stopped the run, at least that one.
    report: path of the page.
  """

  schema_version: int = 2
  event: Event
  reason: str
  pipeline: str
  time: Moment
  host: str
  output: str
  status: str | None = None
  run: str | None = None
  newest: str | None = None
  rows: ToldRows | None = None
  rmse: Figure | None = None
  currency: str = ''
  pushed_version: int | None = None
  served_version: int | None = None
  served_since: Moment | None = None
  anomalies: tuple[str, ...] = ()
  report: str | None = None

  def to_dict(self) -> dict[str, Any]:
    return {name: fact for name, fact in super().to_dict().items() if fact is not None}


class ToldRecord(Record):
  """What `notified.json` of an output directory holds.

  Attributes:
    begun: when the call began that has not told its end yet; `None` where none is on its way.
    interrupted: what ended it, such as `interrupted by SIGTERM`; `None` where it could not note that.
    stale: when it was last told that nothing is pushed.
  """

  FIX = 'move it away; nothing else needs it'

  begun: Moment | None = None
  interrupted: str | None = None
  stale: Moment | None = None
