"""The outcome of a call that had nothing to do, and what every outcome says of its window. Needs no TFX."""

from __future__ import annotations

import datetime
import json
from collections.abc import Sequence
from typing import Any

from configs.run import RunConfig
from models.whole_files import write_whole
from pipeline.output_directory import OutputDirectory
from pipeline.retraining.ledger import Ledger
from pipeline.retraining.plan import Plan
from pipeline.retraining.triggers import Verdict


def end_early(
  config: RunConfig,
  plan: Plan,
  ledger: Ledger,
  output: OutputDirectory,
  reason: str,
  now: datetime.datetime,
  verdicts: Sequence[Verdict] = (),
) -> dict[str, Any]:
  """Writes the summary of a run that had nothing to do: the last one's, as a run from the cache would, and the reason.

  The last run's status, figures and served model stay; nothing was timed. `ended_early` tells it from a run.
  """
  result = _last_summary(output) or _empty_summary(config)
  last = ledger.last_finished
  if last is not None:
    result |= {'status': last.status, 'pushed_path': last.pushed_path}
  result |= {
    'reason': reason,
    'started': now.isoformat(timespec='seconds'),
    'timings': {},
    'notes': list(plan.notes()),
    **occasion(plan, verdicts, early=True),
  }
  write_whole(output.summary, json.dumps(result, indent=2, ensure_ascii=False) + '\n')
  return result


def occasion(plan: Plan, verdicts: Sequence[Verdict], early: bool = False) -> dict[str, Any]:
  """What was to be read, and why."""
  window = plan.window
  return {
    'ended_early': early,
    'window': {
      'spans': [span.label for span in window.spans],
      'newest': window.newest.label,
      'new': [span.label for span in plan.fresh],
      'new_rows': plan.new_rows,
      'missing': list(window.missing),
      'late': list(window.late),
      'left_out': list(window.left_out),
      'broken': plan.broken(),
    },
    'triggers': [{'trigger': v.trigger, 'fires': v.fires, 'sentence': v.sentence} for v in verdicts],
  }


def _last_summary(output: OutputDirectory) -> dict[str, Any] | None:
  try:
    return dict(json.loads(output.summary.read_text(encoding='utf-8')))
  except (FileNotFoundError, ValueError):
    return None


def _empty_summary(config: RunConfig) -> dict[str, Any]:
  """Where somebody has removed the last one."""
  from pipeline import summary  # Brings TFX along.

  return summary.summarize(config, [], None, anomalies=False, after={})
