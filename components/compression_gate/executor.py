"""Resolves artifacts, has the variants judged, records the outcome."""

from __future__ import annotations

import os
import pathlib
import tempfile
from typing import Any

from tfx import types
from tfx.dsl.components.base import base_executor
from tfx.dsl.io import fileio
from tfx.types import artifact_utils
from tfx.utils import io_utils, path_utils

from components.compression_gate import spec
from components.compression_gate.blessing import write_blessing
from components.compression_gate.eval_rides import EvalRides, read_eval_rides
from components.compression_gate.gate import Judgement, judge
from components.compression_gate.records import REPORT_FILE
from components.compression_gate.reporting import PREDICTIONS_FILE, predictions, report
from components.compression_gate.variants import Variant, fetch_variants
from components.compression_gate.version import write_version
from components.pruning_trainer import RECIPE_PREFIX
from configs.compression import Budget, Compression
from configs.dataset import Dataset
from configs.evaluation import Evaluation
from configs.parts import load_part
from models.exported import fake_quantized


class CompressionGateExecutor(base_executor.BaseExecutor):
  """Executor of `CompressionGate`."""

  def Do(  # noqa: N802, TFX's own name
    self,
    input_dict: dict[str, list[types.Artifact]],
    output_dict: dict[str, list[types.Artifact]],
    exec_properties: dict[str, Any],
  ) -> None:
    """Judges; raises `FailedError` where there is no ride or nothing to compare with."""
    compression = Compression.model_validate_json(exec_properties[spec.COMPRESSION_KEY])
    evaluation = Evaluation.model_validate_json(exec_properties[spec.EVALUATION_KEY])
    dataset = load_part(Dataset, exec_properties[spec.DATASET_KEY])
    saved_models = _saved_models(input_dict)
    rides = read_eval_rides(_eval_files(input_dict), dataset, evaluation.slices)
    with tempfile.TemporaryDirectory() as folder:
      uri = artifact_utils.get_single_uri(input_dict[spec.VARIANTS_KEY])
      variants = fetch_variants(uri, pathlib.Path(folder))
      aware = [name for name, path in saved_models.items() if fake_quantized(path)]
      judgement = judge(variants, rides, compression, evaluation.bootstrap, aware)
      _write_report(output_dict[spec.REPORT_KEY], judgement, variants, rides, compression.budget)
      chosen = judgement.chosen
      if chosen is not None:
        model = artifact_utils.get_single_instance(output_dict[spec.MODEL_KEY])
        model.set_string_custom_property('variant', chosen.variant.name)
        saved_model, version = saved_models[chosen.variant.recipe], path_utils.serving_model_dir(model.uri)
        code_version = exec_properties[spec.CODE_VERSION_KEY]
        write_version(version, saved_model, chosen, rides, judgement.baseline, dataset, code_version)
    write_blessing(artifact_utils.get_single_instance(output_dict[spec.BLESSING_KEY]), chosen is not None)


def _eval_files(input_dict: dict[str, list[types.Artifact]]) -> list[str]:
  [uri] = artifact_utils.get_split_uris(input_dict[spec.EXAMPLES_KEY], 'eval')
  return list(fileio.glob(io_utils.all_files_pattern(uri)))


def _saved_models(input_dict: dict[str, list[types.Artifact]]) -> dict[str, str]:
  """Paths by recipe name."""
  return {
    key.removeprefix(RECIPE_PREFIX): path_utils.serving_model_path(artifact_utils.get_single_uri(artifacts))
    for key, artifacts in input_dict.items()
    if key.startswith(RECIPE_PREFIX)
  }


def _write_report(
  artifacts: list[types.Artifact], judgement: Judgement, variants: list[Variant], rides: EvalRides, budget: Budget
) -> None:
  uri = artifact_utils.get_single_uri(artifacts)
  text = report(judgement, variants, rides, budget).to_json() + '\n'
  io_utils.write_string_file(os.path.join(uri, REPORT_FILE), text)
  with fileio.open(os.path.join(uri, PREDICTIONS_FILE), 'wb') as file:
    file.write(predictions(judgement, rides))
