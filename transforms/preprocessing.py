"""The `preprocessing_fn` of the Transform step. It only composes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import tensorflow as tf

from configs.dataset import Dataset
from configs.evaluation import Slices
from configs.features import Features
from configs.parts import load_part
from transforms.analyzers import fit
from transforms.engineering import engineer
from transforms.fitted_constants import named
from transforms.outputs import compose


def preprocessing_fn(inputs: Mapping[str, tf.Tensor], custom_config: Mapping[str, Any]) -> dict[str, tf.Tensor]:
  """What TFX's Transform calls by its dotted path.

  Args:
    inputs: dense canonical columns, [batch] each; the label may be absent.
    custom_config: JSON texts of the config models: `dataset`, `features`,
      `slices`. Further keys, such as the code version, only mark the cache.

  Returns:
    See `transforms.outputs.compose`.
  """
  dataset = load_part(Dataset, custom_config['dataset'])
  features = Features.model_validate_json(custom_config['features'])
  slices = Slices.model_validate_json(custom_config['slices'])
  engineered = engineer(inputs, dataset, features)
  constants = named(fit(engineered, dataset.rules.bounds, features))
  return compose(inputs, engineered, dataset, features, slices, constants)
