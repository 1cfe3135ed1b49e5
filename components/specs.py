"""How a component of this project declares what goes in and comes out, each name once with its type, and finds it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from tfx import types
from tfx.dsl.io import fileio
from tfx.types import artifact_utils, channel, component_spec, standard_artifacts
from tfx.types.component_spec import ChannelParameter, ExecutionParameter
from tfx.utils import io_utils, path_utils

from components.pruning_trainer.keys import RECIPE_PREFIX

Artifacts = dict[str, list[types.Artifact]]
"""The inputs or outputs that a `Do` is handed, by key."""

Properties = dict[str, Any]
"""The execution properties that a `Do` is handed, by key."""


def parameters(*texts: str, **others: type) -> dict[str, ExecutionParameter]:
  """Execution parameters: the names of those that are text, then the others with their types."""
  return {name: ExecutionParameter(type=type_) for name, type_ in {**dict.fromkeys(texts, str), **others}.items()}


def optional_parameters(*texts: str) -> dict[str, ExecutionParameter]:
  """Execution parameters that are text, and that a step may do without."""
  return {name: ExecutionParameter(type=str, optional=True) for name in texts}


def channels(**artifact_types: type[types.Artifact]) -> dict[str, ChannelParameter]:
  """Inputs or outputs, none of them optional, by the type of their artifacts."""
  return {name: ChannelParameter(type=artifact_type) for name, artifact_type in artifact_types.items()}


def with_models(
  spec: type[component_spec.ComponentSpec], side: str, keys: Iterable[str]
) -> type[component_spec.ComponentSpec]:
  """The spec with one more Model per key among its channels of a `side`, `INPUTS` or `OUTPUTS`."""
  all_channels = {**getattr(spec, side), **channels(**dict.fromkeys(keys, standard_artifacts.Model))}
  return type(spec.__name__, (spec,), {side: all_channels, '__module__': spec.__module__})


def split_files(examples: list[types.Artifact], split: str) -> list[str]:
  """The files of one split of an Examples input, sorted."""
  [uri] = artifact_utils.get_split_uris(examples, split)
  return sorted(fileio.glob(io_utils.all_files_pattern(uri)))


def saved_models(input_dict: Artifacts) -> dict[str, str]:
  """Paths of the SavedModels of all recipes, by the recipe's name."""
  return {
    key.removeprefix(RECIPE_PREFIX): path_utils.serving_model_path(artifact_utils.get_single_uri(artifacts))
    for key, artifacts in input_dict.items()
    if key.startswith(RECIPE_PREFIX)
  }


def new_outputs(spec: type[component_spec.ComponentSpec]) -> dict[str, channel.Channel]:
  """An empty channel for each output of a spec."""
  return {name: channel.Channel(type=output.type) for name, output in spec.OUTPUTS.items()}
