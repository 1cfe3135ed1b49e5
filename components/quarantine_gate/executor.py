"""Reads the counts and lets the run pass or fails it."""

from __future__ import annotations

import json
import os
from typing import Any

from tfx import types
from tfx.dsl.components.base import base_executor
from tfx.dsl.io import fileio
from tfx.types import artifact_utils

from components.quarantine_gate.spec import MAX_SHARE_KEY, QUARANTINE_KEY
from components.quarantine_gate.verdict import check_rides

COUNTS_FILE = 'counts.json'


class QuarantineGateExecutor(base_executor.BaseExecutor):
  """Executor of `QuarantineGate`."""

  def Do(  # noqa: N802, TFX's own name
    self,
    input_dict: dict[str, list[types.Artifact]],
    output_dict: dict[str, list[types.Artifact]],
    exec_properties: dict[str, Any],
  ) -> None:
    """Raises `RidesRefused` where too few rides are valid."""
    uri = artifact_utils.get_single_uri(input_dict[QUARANTINE_KEY])
    with fileio.open(os.path.join(uri, COUNTS_FILE)) as file:
      counts = json.load(file)
    check_rides(counts, exec_properties[MAX_SHARE_KEY], uri)
