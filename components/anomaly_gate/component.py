"""The gate behind ExampleValidator."""

from __future__ import annotations

from tfx.dsl.components.base import base_component, executor_spec
from tfx.types import channel, standard_artifacts

from components.anomaly_gate.executor import AnomalyGateExecutor
from components.anomaly_gate.spec import AnomalyGateSpec
from configs.validation import Validation


class AnomalyGate(base_component.BaseComponent):
  """Fails the run before training where the rides are not what the config lets pass.

  Outputs: `findings`, an ExampleAnomalies artifact with `findings.json` (see `components.anomaly_gate.findings`). Of a
  run that it stops, TFX removes the output; the exception carries the findings.

  Args:
    statistics: of all splits.
    schema: of the canonical ride, with drift and skew comparators.
    anomalies: ExampleValidator's.
    validation: severity, thresholds, largest shares of missing values.
    code_version: part of the cache key.
    baseline_statistics: of the previous span; drift is measured against its train split.
  """

  SPEC_CLASS = AnomalyGateSpec
  EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(AnomalyGateExecutor)

  def __init__(
    self,
    *,
    statistics: channel.BaseChannel,
    schema: channel.BaseChannel,
    anomalies: channel.BaseChannel,
    validation: Validation,
    code_version: str,
    baseline_statistics: channel.BaseChannel | None = None,
  ) -> None:
    spec = AnomalyGateSpec(
      statistics=statistics,
      schema=schema,
      anomalies=anomalies,
      baseline_statistics=baseline_statistics,
      findings=channel.Channel(type=standard_artifacts.ExampleAnomalies),
      validation=validation.model_dump_json(),
      code_version=code_version,
    )
    super().__init__(spec=spec)
