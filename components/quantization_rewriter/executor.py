"""Resolves artifacts, has every variant written, records how many there are."""

from __future__ import annotations

import json
import os
from typing import Any

import tensorflow_transform as tft
from tfx import types
from tfx.dsl.components.base import base_executor
from tfx.dsl.io import fileio
from tfx.types import artifact_utils
from tfx.utils import io_utils, path_utils

from components.pruning_trainer import RECIPE_PREFIX
from components.quantization_rewriter import spec as keys
from components.quantization_rewriter.rewriting import rewrite_all
from configs.compression import Scheme
from models.lite.variants import Variants
from models.raw_rides import read_raw_rides
from models.rides import read_rides
from models.settings import Settings
from transforms.catalogue import categoricals


class QuantizationRewriterExecutor(base_executor.BaseExecutor):
  """Executor of `QuantizationRewriter`."""

  def Do(  # noqa: N802, TFX's own name
    self,
    input_dict: dict[str, list[types.Artifact]],
    output_dict: dict[str, list[types.Artifact]],
    exec_properties: dict[str, Any],
  ) -> None:
    """Writes the variants; raises `FailedError` where there is none."""
    settings = Settings.from_json(exec_properties | {'model': exec_properties[keys.MODEL_KEY]})
    graph = tft.TFTransformOutput(artifact_utils.get_single_uri(input_dict[keys.TRANSFORM_GRAPH_KEY]))
    spec = graph.transformed_feature_spec()
    known = categoricals(settings.dataset, settings.features)
    # A reduction may have taken some of them.
    embedded = [feature.name for feature in known if feature.name in spec]
    training = _files(input_dict[keys.TRANSFORMED_EXAMPLES_KEY], 'train')
    variants = Variants(
      settings,
      graph.transform_features_layer(),
      read_rides(training, spec, embedded),
      read_raw_rides(_files(input_dict[keys.EXAMPLES_KEY], 'eval'), settings.dataset),
    )
    artifact = artifact_utils.get_single_instance(output_dict[keys.VARIANTS_KEY])
    content = rewrite_all(
      variants,
      settings.training.recipes,
      [Scheme.model_validate(scheme) for scheme in json.loads(exec_properties[keys.SCHEMES_KEY])],
      {recipe.name: _saved_model(input_dict, recipe.name) for recipe in settings.training.recipes},
      artifact.uri,
      os.path.join(exec_properties[keys.CACHE_KEY], exec_properties[keys.CODE_VERSION_KEY]),
    )
    made = [variant for variant in content.variants if variant.file is not None]
    artifact.set_int_custom_property('variants', len(made))
    artifact.set_int_custom_property('lost', len(content.variants) - len(made))


def _files(artifacts: list[types.Artifact], split: str) -> list[str]:
  [uri] = artifact_utils.get_split_uris(artifacts, split)
  return list(fileio.glob(io_utils.all_files_pattern(uri)))


def _saved_model(input_dict: dict[str, list[types.Artifact]], recipe: str) -> str:
  return str(path_utils.serving_model_path(artifact_utils.get_single_uri(input_dict[RECIPE_PREFIX + recipe])))
