"""Runs TFMA, then proves that it sliced and adds intervals."""

from __future__ import annotations

import json
import os
from typing import Any

from tensorflow_model_analysis.proto import config_pb2
from tfx import types
from tfx.components.evaluator import executor as evaluator_executor
from tfx.dsl.io import fileio
from tfx.types import artifact_utils
from tfx.types import standard_component_specs as keys
from tfx.utils import io_utils, path_utils, proto_utils

from components.fare_evaluator.eval_config import SLICE_KEYS
from components.fare_evaluator.intervals import intervals_of_split
from components.fare_evaluator.records import INTERVALS_FILE, REFUSALS_FILE, SLICES_FILE
from components.fare_evaluator.slices import read_slices
from components.fare_evaluator.spec import BOOTSTRAP_KEY, CURRENCY_KEY, SLICES_KEY
from components.fare_evaluator.verdict import refusals
from components.served_model.absence import without_absent
from configs.evaluation import Slices
from configs.records import list_to_json


class FareEvaluatorExecutor(evaluator_executor.Executor):
  """TFX's Evaluator executor; also writes `slices.json`, `refusals.json` and `intervals.json`."""

  def Do(  # noqa: N802
    self,
    input_dict: dict[str, list[types.Artifact]],
    output_dict: dict[str, list[types.Artifact]],
    exec_properties: dict[str, Any],
  ) -> None:
    """Evaluates; raises `FailedError` where TFMA did not slice."""
    input_dict = without_absent(input_dict, keys.BASELINE_MODEL_KEY)
    super().Do(input_dict, output_dict, exec_properties)
    uri = artifact_utils.get_single_uri(output_dict[keys.EVALUATION_KEY])
    slices = read_slices(uri, SLICE_KEYS, Slices.model_validate_json(exec_properties[SLICES_KEY]))
    _write(uri, SLICES_FILE, list_to_json(slices))
    refused = refusals(uri, exec_properties[CURRENCY_KEY]) if _judges(exec_properties) else []
    _write(uri, REFUSALS_FILE, json.dumps(refused, indent=2))
    model = artifact_utils.get_single_instance(input_dict[keys.MODEL_KEY])
    model_path = path_utils.serving_model_path(model.uri)
    [split_uri] = artifact_utils.get_split_uris(input_dict[keys.EXAMPLES_KEY], 'eval')
    files = fileio.glob(io_utils.all_files_pattern(split_uri))
    _write(uri, INTERVALS_FILE, intervals_of_split(model_path, files, exec_properties[BOOTSTRAP_KEY]).to_json())


def _judges(exec_properties: dict[str, Any]) -> bool:
  """Whether the evaluation has a threshold; TFMA writes no verdict without."""
  config = config_pb2.EvalConfig()
  proto_utils.json_to_proto(exec_properties[keys.EVAL_CONFIG_KEY], config)
  return any(metric.per_slice_thresholds for spec in config.metrics_specs for metric in spec.metrics)


def _write(uri: str, name: str, text: str) -> None:
  io_utils.write_string_file(os.path.join(uri, name), text)
