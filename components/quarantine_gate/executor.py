"""Reads the counts and lets the run pass or fails it."""

from __future__ import annotations

from typing import Any

from tfx import types
from tfx.dsl.components.base import base_executor
from tfx.types import artifact_utils

from components.quarantine_gate.spec import MAX_SHARE_KEY, QUARANTINE_KEY
from components.quarantine_gate.verdict import check_rides
from components.ride_example_gen.counts import read_counts


class QuarantineGateExecutor(base_executor.BaseExecutor):
  """Executor of `QuarantineGate`."""

  def Do(  # noqa: N802, TFX's own name
    self,
    input_dict: dict[str, list[types.Artifact]],
    output_dict: dict[str, list[types.Artifact]],
    exec_properties: dict[str, Any],
  ) -> None:
    """Raises `RidesRefusedError` where too few rides are valid."""
    uri = artifact_utils.get_single_uri(input_dict[QUARANTINE_KEY])
    check_rides(read_counts(uri), exec_properties[MAX_SHARE_KEY], uri)
