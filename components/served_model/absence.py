"""How a step tells an absent model from one that is there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tfx import types
from tfx.utils import path_utils

from models.versions import is_saved_model

Artifacts = Mapping[str, Sequence[types.Artifact]]


def without_absent(artifacts: Artifacts, key: str) -> dict[str, list[types.Artifact]]:
  """A step's inputs without the model `key` if that has no SavedModel.

  A Resolver that finds nothing leaves the input out; `ServedModel` can only
  leave its output empty. Both mean the same to whoever reads it.

  Args:
    artifacts: the step's inputs.
    key: of an optional Model input.
  """
  present = {name: list(values) for name, values in artifacts.items()}
  if not any(_has_model(model) for model in present.get(key, ())):
    present.pop(key, None)
  return present


def _has_model(model: types.Artifact) -> bool:
  return is_saved_model(path_utils.serving_model_path(model.uri))
