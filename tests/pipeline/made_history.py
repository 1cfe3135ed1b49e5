"""Nights of an output directory that never ran: a made store, and beside it what is kept of each run."""

from __future__ import annotations

import datetime
import pathlib
from typing import Any

from configs import loading
from configs.records import Estimate
from pipeline.commands import operations
from pipeline.local.output import KeptRun
from pipeline.operations import registry
from pipeline.report.kept import keep, keep_refused
from pipeline.report.record import read_record
from pipeline.summary_record import Status, Summary
from tests.pipeline.made_run import failed_run, made_run
from tests.pipeline.made_store import NOON, MadeStore

VARIANT = {'name': 'dense.int8', 'recipe': 'dense', 'scheme': 'int8'}
COMMIT = '0123456789abcdef0123456789abcdef01234567'


class MadeHistory(MadeStore):
  """A store whose runs are kept, too."""

  def night(self, version: int | None = None, status: Status | None = None, kept: bool = True, **facts: Any) -> str:
    """Adds a run.

    Args:
      version: what it pushes.
      status: of a run that failed.
      kept: whether it is; runs of earlier versions of this project were not.
      **facts: `rmse`, `gzip_bytes`, `drift`, `quarantined`, `newest`; see `_summary`.
    """
    run = self.run(version=version)
    summary = _summary(run, self, version, status, **facts)
    registry.update(self.store, run, registry.outcome(summary))
    if kept:
      keep(self.config, self.output, summary)
    return run


def _summary(
  run: str,
  made: MadeStore,
  version: int | None,
  status: Status | None,
  rmse: float | None = None,
  gzip_bytes: int = 7_000,
  drift: float | None = None,
  quarantined: int = 10,
  newest: str = '2026-01-01',
) -> Summary:
  """As a run of that outcome writes it; the interval of an RMSE is half a dollar wide, of 1,000 rows some are bad."""
  kind = status or (Status.PUSHED if version else Status.NOT_BLESSED)
  found = {'value': rmse, 'low': (rmse or 0) - 0.25, 'high': (rmse or 0) + 0.25}
  variants = [{**VARIANT, 'bytes': 2 * gzip_bytes, 'gzip_bytes': gzip_bytes, 'rmse': found}] if rmse else []
  finding = {
    'sentence': 'It moved.', 'split': 'train', 'feature': 'fare_amount', 'kind': 'drift', 'severity': 'info',
    'stops': False, 'divergence': drift, 'threshold': 0.2,
  }  # fmt: skip
  window = {
    'spans': [newest], 'newest': newest, 'new': [newest], 'new_rows': 1, 'missing': [], 'late': [], 'left_out': [],
    'broken': {},
  }  # fmt: skip
  kept = 1000 - quarantined
  return Summary.model_validate(
    {
      'status': kind.value,
      'reason': f'It is {kind.value}.',
      'name': 'nyc',
      'run': run,
      'started': (NOON + datetime.timedelta(hours=made.runs.index(run))).isoformat(),
      'rows': {'read': 1000, 'kept': kept, 'quarantined': {'late': quarantined}, 'splits': {'train': kept, 'eval': 0}},
      'metrics': {'rmse': Estimate(rmse + 1, rmse, rmse + 2)} if rmse else None,
      'variants': variants,
      'chosen': 'dense.int8' if rmse else None,
      'findings': [finding] if drift is not None else [],
      'blessed': bool(version),
      'pushed_version': str(version) if version else None,
      'git_commit': COMMIT,
      'window': window,
    }
  )


def made_history(path: pathlib.Path) -> MadeHistory:
  """Eleven nights of every kind: the first one is not kept, the last is killed; version 5 was rolled back to 3."""
  made = MadeHistory(path)
  made.night(version=1, kept=False, rmse=4.4)
  made.night(version=3, rmse=4.2, drift=0.05)
  made.night(rmse=4.9, drift=0.12, quarantined=80, newest='2026-01-02')
  made.night(status=Status.ANOMALIES, quarantined=600, newest='2026-01-03')
  made.night(status=Status.FAILED, newest='2026-01-04')
  made.night(version=5, rmse=4.1, gzip_bytes=6_500, drift=0.31, newest='2026-01-05')
  operations.roll_back(str(path), to=None, reason='airport fares are off')
  made.night(rmse=40.0, gzip_bytes=6_400, drift=0.1, newest='2026-01-06')
  made.night(rmse=4.3, gzip_bytes=6_600, drift=0.02, newest='2026-01-07')
  keep_refused(made.config, made.output, "No file matches '/rides/*.csv'.")
  started = (NOON + datetime.timedelta(days=2)).isoformat()
  facts = registry.RunEntry(pipeline='nyc', output=str(path), started=started)
  registry.begin(made.store, registry.new_run_id(NOON + datetime.timedelta(days=2)), facts)
  return made


def kept_reports(path: pathlib.Path) -> list[KeptRun]:
  """Two runs of one output directory with all that a report reads, and one that failed; oldest first."""
  made_run(path)
  ids = ['20260101-120000-aaaaaa', '20260102-120000-bbbbbb', '20260103-120000-cccccc']
  return [run for run in (_keep(path, number, run) for number, run in enumerate(ids)) if run]


def _keep(path: pathlib.Path, number: int, run: str) -> KeptRun | None:
  (failed_run if number == 2 else made_run)(path)
  (path / 'logs').mkdir(exist_ok=True)
  record = read_record(path)
  pushed = None if number == 2 else str(11 + number)
  summary = record.summary.model_copy(update={'run': run, 'pushed_version': pushed})
  return keep(loading.load('chicago', [f'training.seed={number}']), record.output, summary)
