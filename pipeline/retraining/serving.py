"""Since when a version serves."""

from __future__ import annotations

import datetime

from pipeline.retraining.ledger import Ledger


def served_since(version: int, ledger: Ledger) -> datetime.datetime:
  """When a version was pushed: as the ledger has it, or by its number, which is a Unix time."""
  run = ledger.push_of(str(version))
  return run.started if run else datetime.datetime.fromtimestamp(version, datetime.timezone.utc)
