"""The outcome of a call that had nothing to do, and what every outcome says of its window. Needs no TFX."""

from __future__ import annotations

import datetime
from collections.abc import Sequence

from configs.records import RecordError
from configs.run import RunConfig
from pipeline.output_directory import OutputDirectory
from pipeline.retraining.ledger import Ledger
from pipeline.retraining.plan import Plan
from pipeline.retraining.triggers import Verdict
from pipeline.summary_record import Status, Summary, WindowRecord


def end_early(
  config: RunConfig,
  plan: Plan,
  ledger: Ledger,
  output: OutputDirectory,
  reason: str,
  now: datetime.datetime,
  verdicts: Sequence[Verdict] = (),
) -> Summary:
  """Writes the summary of a run that had nothing to do: the last one's, as a run from the cache would, and the reason.

  The last run's status, figures and served model stay; nothing was timed. `ended_early` tells it from a run.
  """
  result = _last_summary(output) or _empty_summary(config)
  last = ledger.last_finished
  if last is not None:
    result = result.model_copy(update={'status': Status(last.status), 'pushed_path': last.pushed_path})
  result = result.model_copy(
    update={
      'reason': reason,
      'started': now.isoformat(timespec='seconds'),
      'timings': {},
      'notes': plan.notes(),
      'ended_early': True,
      'window': read_window(plan),
      'triggers': tuple(verdicts),
    }
  )
  result.write(output.summary)
  return result


def read_window(plan: Plan) -> WindowRecord:
  """What was to be read."""
  window = plan.window
  return WindowRecord(
    spans=tuple(span.label for span in window.spans),
    newest=window.newest.label,
    new=tuple(span.label for span in plan.fresh),
    new_rows=plan.new_rows,
    missing=tuple(window.missing),
    late=tuple(window.late),
    left_out=tuple(window.left_out),
    broken=plan.broken(),
  )


def _last_summary(output: OutputDirectory) -> Summary | None:
  try:
    return Summary.read(output.summary)
  except (FileNotFoundError, RecordError):
    return None


def _empty_summary(config: RunConfig) -> Summary:
  """Where somebody has removed the last one."""
  from pipeline import summary  # Brings TFX along.

  return summary.summarize(config, [], None, anomalies=False, after={})
