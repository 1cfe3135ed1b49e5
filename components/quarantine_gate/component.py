"""The gate behind the ingestion."""

from __future__ import annotations

from tfx.dsl.components.base import base_component, executor_spec
from tfx.types import channel

from components.quarantine_gate.executor import QuarantineGateExecutor
from components.quarantine_gate.spec import QuarantineGateSpec
from configs.dataset import Rules


class QuarantineGate(base_component.BaseComponent):
  """Fails the run where too few rides are valid; the quarantine stays on disk, as its step succeeded.

  It has no outputs: what must wait for it says `add_upstream_node(gate)`.

  Args:
    quarantine: the ingestion's quarantine artifact.
    rules: only `max_quarantined_share` is used.
    code_version: part of the cache key.
  """

  SPEC_CLASS = QuarantineGateSpec
  EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(QuarantineGateExecutor)

  def __init__(self, *, quarantine: channel.BaseChannel, rules: Rules, code_version: str) -> None:
    spec = QuarantineGateSpec(
      quarantine=quarantine, max_quarantined_share=rules.max_quarantined_share, code_version=code_version
    )
    super().__init__(spec=spec)
