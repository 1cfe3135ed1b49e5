"""All runs of an output directory: what each came to, and what served after it; `farelite history`."""

from __future__ import annotations

import pathlib

import ml_metadata as mlmd

from configs.errors import UserError
from configs.records import Estimate, Figure, Record, RecordPart
from configs.run import RunConfig
from pipeline.local.output import KeptRun, OutputDirectory, kept_runs
from pipeline.operations.registry import RunEntry, read_attempts
from pipeline.summary_record import FindingRecord, Summary


class Night(RecordPart):
  """A run or a rollback, and what served after it.

  Attributes:
    run: its id.
    started: ISO 8601, UTC.
    status: of the summary, or `running`, `killed`, `rolled_back`.
    reason: the sentence that belongs to it.
    newest: label of the newest span that it read; `None` where the source has no spans, or the run is not kept.
    rmse: on its eval split, in the city's currency: of the chosen file, else of the trained model.
    of_file: whether that is the chosen file's.
    chosen: the variant; its file has `bytes`, and `gzip_bytes` after gzip.
    rows_read, rows_kept: of the source.
    quarantined_share: of the rows that were read.
    drift: the divergence from the previous statistics, of the `drift_column` where it is largest beside what is
      accepted of it, `drift_limit`.
    pushed_version: the version that it pushed, or found pushed; of a rollback the one that it made.
    restored_version, replaced_version: of a rollback: whose bytes these are, and what served before.
    served: the version that served after it; `None` where none did.
    page: the run's page, relative to the output directory; `None` where it is not kept.
  """

  run: str
  started: str
  status: str
  reason: str = ''
  newest: str | None = None
  rmse: Figure | None = None
  of_file: bool = False
  chosen: str | None = None
  bytes: int | None = None
  gzip_bytes: int | None = None
  rows_read: int | None = None
  rows_kept: int | None = None
  quarantined_share: float | None = None
  drift: float | None = None
  drift_column: str | None = None
  drift_limit: float | None = None
  pushed_version: int | None = None
  restored_version: int | None = None
  replaced_version: int | None = None
  served: int | None = None
  page: str | None = None
  git_commit: str | None = None


class History(Record):
  """What `farelite history --json` prints.

  Attributes:
    name: of the pipeline.
    currency: ISO 4217 code of the fares.
    serves: the version that serves now; `None` where none does.
    nothing_new: why the last call made no run; `None` where it made one.
    unreadable: a sentence for each kept run whose summary can't be read.
    nights: oldest first.
  """

  name: str
  currency: str
  serves: int | None = None
  nothing_new: str | None = None
  unreadable: tuple[str, ...] = ()
  nights: tuple[Night, ...] = ()


def read_history(store: mlmd.MetadataStore, config: RunConfig, output: OutputDirectory) -> History:
  """Every run and rollback of `read_attempts`, with what is kept of it.

  Raises: MetadataStoreError: what the store holds is no run of this project's.
  """
  summaries, unreadable = _summaries(output)
  entries = read_attempts(store, config, output)
  nights: list[Night] = []
  served: int | None = None
  for entry in entries:
    night = _night(entry, summaries.get(entry.run), output)
    served = night.pushed_version or served
    nights.append(night.model_copy(update={'served': served}))
  serves = [entry.pushed_version for entry in entries if entry.serves]
  return History(
    name=config.name,
    currency=config.dataset.currency,
    serves=serves[-1] if serves else None,
    nothing_new=_nothing_new(output),
    unreadable=tuple(unreadable),
    nights=tuple(nights),
  )


def _summaries(output: OutputDirectory) -> tuple[dict[str, Summary], list[str]]:
  """What is kept, by the run's id, and why what can't be read is not in it."""
  found, unreadable = {}, []
  for run in kept_runs(output):
    try:
      found[run.path.name] = Summary.read(run.summary)
    except (OSError, UserError):
      unreadable.append(f"'{run.summary}' can't be read, so its run is shown as the metadata store knows it.")
  return found, unreadable


def _night(entry: RunEntry, summary: Summary | None, output: OutputDirectory) -> Night:
  night = Night(
    run=entry.run,
    started=entry.started,
    status=entry.status,
    reason=entry.reason or '',
    rmse=None if entry.rmse is None else Estimate(entry.rmse, entry.rmse_low, entry.rmse_high),
    chosen=entry.chosen,
    rows_read=entry.rows_read,
    rows_kept=entry.rows_kept,
    quarantined_share=1 - (entry.rows_kept or 0) / entry.rows_read if entry.rows_read else None,
    pushed_version=entry.pushed_version,
    restored_version=entry.restored_version,
    replaced_version=entry.replaced_version,
    git_commit=entry.git_commit,
  )
  return night if summary is None else _with_summary(night, summary, KeptRun(output.runs / entry.run))


def _with_summary(night: Night, summary: Summary, kept: KeptRun) -> Night:
  """What the store does not hold of a run: the chosen file's figures, the drift, the days."""
  chosen = next((variant for variant in summary.variants if variant.name == summary.chosen), None)
  newest = summary.window.newest if summary.window else None
  facts: dict[str, object] = {'newest': newest, 'git_commit': night.git_commit or summary.git_commit}
  if chosen and chosen.rmse:
    facts |= {'rmse': chosen.rmse, 'of_file': True, 'bytes': chosen.bytes, 'gzip_bytes': chosen.gzip_bytes}
  if drift := _largest_drift(summary):
    facts |= {'drift': drift.divergence, 'drift_column': drift.feature, 'drift_limit': drift.threshold}
  if kept.page.is_file():
    facts['page'] = str(pathlib.Path(kept.path.parent.name, kept.path.name, kept.page.name))
  return night.model_copy(update=facts)


def _largest_drift(summary: Summary) -> FindingRecord | None:
  measured = [found for found in summary.findings if found.kind == 'drift' and found.divergence is not None]
  # Columns have limits of their own.
  return max(measured, key=lambda found: (found.divergence or 0.0) / (found.threshold or 1.0), default=None)


def _nothing_new(output: OutputDirectory) -> str | None:
  """Of the output directory's own summary, which such a call writes anew."""
  try:
    last = Summary.read(output.summary)
  except (OSError, UserError):
    return None
  return last.reason if last.ended_early else None
