"""A run on a window, noted in the ledger before and after; and a run that ends before its first step."""

from __future__ import annotations

import datetime
import json
from collections.abc import Sequence
from typing import Any

from configs.run import RunConfig
from pipeline import local_run, summary
from pipeline.output_directory import OutputDirectory
from pipeline.retraining.ledger import Ledger
from pipeline.retraining.plan import Plan
from pipeline.retraining.triggers import Verdict
from pipeline.steps import StepObserver


def recorded_run(
  config: RunConfig,
  plan: Plan,
  ledger: Ledger,
  output: OutputDirectory,
  observer: StepObserver,
  now: datetime.datetime,
  verdicts: Sequence[Verdict] = (),
) -> dict[str, Any]:
  """Runs the pipeline on the plan's window.

  Args:
    config: the whole run.
    plan: what to read.
    ledger: is told when the run begins and what became of it.
    output: where everything goes.
    observer: is told of each step.
    now: when the run begins, by the caller's clock.
    verdicts: why it runs.

  Returns:
    The summary, as written.

  Raises:
    MetadataStoreError: the metadata store can't be used.
  """
  ledger.begin(plan.entry(now))
  result = local_run.run(config, plan.source, output, observer, _occasion(plan, verdicts), plan.notes())
  statistics = result['artifacts'].get('StatisticsGen', {}).get('statistics')
  ledger.end(status=result['status'], reason=result['reason'], pushed_path=result['pushed_path'], statistics=statistics)
  return result


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
  result = _last_summary(output) or summary.summarize(config, [], None, anomalies=False, after={})
  last = ledger.last_finished
  if last is not None:
    result |= {'status': last.status, 'pushed_path': last.pushed_path}
  result |= {
    'reason': reason,
    'started': now.isoformat(timespec='seconds'),
    'timings': {},
    'notes': list(plan.notes()),
    **_occasion(plan, verdicts, early=True),
  }
  summary.write(result, output.summary)
  return result


def _occasion(plan: Plan, verdicts: Sequence[Verdict], early: bool = False) -> dict[str, Any]:
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
