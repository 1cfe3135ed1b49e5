"""The configs that decide a training, as they travel to the process that trains."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping
from typing import Any

import yaml

from configs.dataset import Dataset
from configs.features import Features
from configs.model import Model, Training

RECIPES_FOLDER = 'recipes'
"""Folder of a model run that holds one model per recipe."""

REPORT_FOLDER, REPORT = 'training_report', 'training_report.json'
"""Where a recipe's model holds its report, beside the SavedModel; see `report_file`."""


def report_file(model: str) -> str:
  """The path of the training report in the folder of a recipe's model, a URI or a path."""
  return os.path.join(model, REPORT_FOLDER, REPORT)


@dataclasses.dataclass(frozen=True)
class Settings:
  """Everything but the rides that a trained model depends on."""

  dataset: Dataset
  features: Features
  model: Model
  training: Training

  @classmethod
  def from_json(cls, texts: Mapping[str, Any]) -> Settings:
    """Reads the JSON text of each config by its name; further keys are left alone."""
    return cls(
      dataset=Dataset.model_validate_json(texts['dataset']),
      features=Features.model_validate_json(texts['features']),
      model=Model.model_validate_json(texts['model']),
      training=Training.model_validate_json(texts['training']),
    )

  def to_yaml(self) -> str:
    """All of it with every default written out, as it is kept beside a model."""
    parts = {field.name: getattr(self, field.name).model_dump(mode='json') for field in dataclasses.fields(self)}
    return yaml.safe_dump(parts, sort_keys=False, allow_unicode=True)
