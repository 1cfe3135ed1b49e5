"""Which version serves now, and since when."""

from __future__ import annotations

import datetime
import pathlib

from pipeline.retraining.ledger import Ledger


def served_version(serving: pathlib.Path) -> str | None:
  """The newest version in the push destination, which is what model servers load; `None` where there is none."""
  versions = [path.name for path in serving.iterdir() if path.name.isdigit()] if serving.is_dir() else []
  return max(versions, key=int, default=None)


def served_since(version: str, ledger: Ledger) -> datetime.datetime:
  """When a version was pushed: as the ledger has it, or by its number, which is a Unix time."""
  run = ledger.push_of(version)
  return run.started if run else datetime.datetime.fromtimestamp(int(version), datetime.timezone.utc)
