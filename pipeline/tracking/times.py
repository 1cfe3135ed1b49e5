"""When a run began and ended, by its summary: it is noted elsewhere some seconds later."""

from __future__ import annotations

import datetime

from pipeline.summary_record import Summary


def began(summary: Summary) -> datetime.datetime:
  """With its time zone; now where the summary does not say."""
  if summary.started is None:
    return datetime.datetime.now(datetime.timezone.utc)
  return datetime.datetime.fromisoformat(summary.started)


def ended(summary: Summary) -> datetime.datetime:
  """When the last step ended."""
  steps = [step.began + step.seconds for step in summary.steps or () if step.began is not None]
  return began(summary) + datetime.timedelta(seconds=max(steps, default=0.0))
