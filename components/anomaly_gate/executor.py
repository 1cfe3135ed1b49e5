"""Reads statistics and anomalies, records the findings, lets the run pass or fails it."""

from __future__ import annotations

import os
from typing import Any

from tensorflow_metadata.proto.v0 import anomalies_pb2, schema_pb2
from tfx import types
from tfx.components.example_validator import executor as example_validator
from tfx.components.statistics_gen import stats_artifact_utils
from tfx.dsl.components.base import base_executor
from tfx.dsl.io import fileio
from tfx.types import artifact_utils
from tfx.utils import io_utils

from components.anomaly_gate import spec
from components.anomaly_gate.findings import FINDINGS_FILE, refuse, to_json
from components.anomaly_gate.inspection import TRAIN, Statistics, inspect
from configs.validation import Validation


class AnomalyGateExecutor(base_executor.BaseExecutor):
  """Executor of `AnomalyGate`."""

  def Do(  # noqa: N802, TFX's own name
    self,
    input_dict: dict[str, list[types.Artifact]],
    output_dict: dict[str, list[types.Artifact]],
    exec_properties: dict[str, Any],
  ) -> None:
    """Raises `AnomaliesError` where the config lets a finding stop the run."""
    statistics = artifact_utils.get_single_instance(input_dict[spec.STATISTICS_KEY])
    anomalies = artifact_utils.get_single_instance(input_dict[spec.ANOMALIES_KEY])
    output = artifact_utils.get_single_instance(output_dict[spec.FINDINGS_KEY])
    splits = artifact_utils.decode_split_names(statistics.split_names)
    findings = inspect(
      statistics={split: _statistics(statistics, split) for split in splits},
      schema=_schema(artifact_utils.get_single_uri(input_dict[spec.SCHEMA_KEY])),
      anomalies={split: _anomalies(anomalies, split) for split in splits},
      validation=Validation.model_validate_json(exec_properties[spec.VALIDATION_KEY]),
      baseline=_baseline(input_dict.get(spec.BASELINE_KEY)),
    )
    output.split_names = statistics.split_names
    io_utils.write_string_file(os.path.join(output.uri, FINDINGS_FILE), to_json(findings))
    refuse(findings)


def _statistics(artifact: types.Artifact, split: str) -> Statistics:
  return stats_artifact_utils.load_statistics(artifact, split).proto()


def _schema(uri: str) -> schema_pb2.Schema:
  return io_utils.SchemaReader().read(io_utils.get_only_uri_in_dir(uri))


def _anomalies(artifact: types.Artifact, split: str) -> anomalies_pb2.Anomalies:
  uri = artifact_utils.get_split_uri([artifact], split)
  with fileio.open(os.path.join(uri, example_validator.DEFAULT_FILE_NAME), 'rb') as file:
    return anomalies_pb2.Anomalies.FromString(file.read())


def _baseline(artifacts: list[types.Artifact] | None) -> Statistics | None:
  """The first run of a pipeline has no previous span."""
  if not artifacts:
    return None
  artifact = artifact_utils.get_single_instance(artifacts)
  return _statistics(artifact, TRAIN) if TRAIN in artifact_utils.decode_split_names(artifact.split_names) else None
