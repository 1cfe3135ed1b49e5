"""A run on a window, noted in the ledger before and after."""

from __future__ import annotations

import datetime
from collections.abc import Sequence

from configs.run import RunConfig
from pipeline import local_run
from pipeline.output_directory import OutputDirectory
from pipeline.retraining.early_end import read_window
from pipeline.retraining.ledger import Ledger
from pipeline.retraining.plan import Plan
from pipeline.retraining.triggers import Verdict
from pipeline.steps import StepObserver
from pipeline.summary_record import Summary


def recorded_run(
  config: RunConfig,
  plan: Plan,
  ledger: Ledger,
  output: OutputDirectory,
  observer: StepObserver,
  now: datetime.datetime,
  verdicts: Sequence[Verdict] = (),
) -> Summary:
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
  result = local_run.run(config, plan.source, output, observer, read_window(plan), verdicts, plan.notes())
  statistics = (result.artifacts or {}).get('StatisticsGen', {}).get('statistics')
  ledger.end(status=result.status.value, reason=result.reason, pushed_path=result.pushed_path, statistics=statistics)
  return result
