"""What `farelite monitor` found: what it prints as JSON, and leaves for `farelite retrain`."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from typing import ClassVar

from configs.errors import UserError
from configs.records import Figure, Moment, Record, RecordPart
from models.whole_files import write_whole
from pipeline.local.output import OutputDirectory


class RideGroup(RecordPart):
  """All rides, those of a day, or those of a slice.

  Attributes:
    rides: of them, those with a fare and a prediction.
    rmse, mae: in the city's currency; an interval where the rides have ten time stamps.
    bias: mean of prediction minus fare.
    promised: the RMSE that the gate measured of the versions which served these rides, on the eval split of the runs
      that pushed them; `None` where it is not known.
    versions: which ones served them.
    beyond: whether the RMSE is surely above what was promised; `None` where there are too few rides to say, or nothing
      was promised.
  """

  name: str
  rides: int
  rmse: Figure
  mae: Figure
  bias: Figure
  promised: Figure | None = None
  versions: tuple[int, ...] = ()
  beyond: bool | None = None


class MonitoringRecord(Record):
  """`monitoring.json`, which `--retrain` writes.

  Attributes:
    time: when, ISO 8601.
    served: the version that served then.
    from_log: whether the predictions come from a log; else versions were run again.
    limit: largest accepted increase over what was promised, `evaluation.max_rmse_increase`.
    left_out: rows without a part in it, by reason.
    beyond: whether anything is.
    reason: that in a sentence.
    retrain: whether `farelite retrain` is to run because of it.
  """

  FIX: ClassVar[str] = 'remove it, or run farelite monitor --retrain again'

  time: Moment
  served: int
  currency: str = ''
  from_log: bool = False
  limit: float = 0.0
  left_out: Mapping[str, int] = {}
  all: RideGroup
  days: tuple[RideGroup, ...] = ()
  slices: tuple[RideGroup, ...] = ()
  beyond: bool
  reason: str
  retrain: bool = False

  def write(self, output: OutputDirectory) -> None:
    """Writes the file whole or not at all."""
    write_whole(output.monitoring, self.to_json() + '\n')


def retraining_asked(output: OutputDirectory, served: int | None, since: datetime.datetime | None) -> str | None:
  """Why the last `farelite monitor --retrain` wants a run, in a sentence; `None` where it does not.

  It does while the version that it was about serves, until a run has come to its end.

  Args:
    served: the version that serves now.
    since: when the last run that came to its end was started, with its zone.
  Raises: UserError: the file is broken.
  """
  try:
    found = MonitoringRecord.read(output.monitoring)
  except FileNotFoundError:
    return None
  except OSError as error:
    raise UserError(f"'{output.monitoring}' can't be read: {error.strerror or error}.", 'Fix its rights.') from None
  if not (found.retrain and found.beyond) or found.served != served:
    return None
  if since is not None and since >= datetime.datetime.fromisoformat(found.time):
    return None
  return f'Later fares: {found.reason}'
