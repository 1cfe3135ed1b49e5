"""The configs that decide a training, as they travel to the process that trains."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import yaml

from configs.dataset import Dataset
from configs.features import Features
from configs.model import Model, Training
from configs.parts import load_part
from transforms.catalogue import Categorical, categoricals


@dataclasses.dataclass(frozen=True)
class Settings:
  """Everything but the rides that a trained model depends on."""

  dataset: Dataset
  features: Features
  model: Model
  training: Training

  @property
  def categoricals(self) -> tuple[Categorical, ...]:
    """The features that get an embedding each, before a reduction."""
    return categoricals(self.dataset, self.features)

  @classmethod
  def from_json(cls, texts: Mapping[str, Any]) -> Settings:
    """Reads the JSON text of each config by its name, of the dataset a part; further keys are left alone."""
    return cls(
      dataset=load_part(Dataset, texts['dataset']),
      features=Features.model_validate_json(texts['features']),
      model=Model.model_validate_json(texts['model']),
      training=Training.model_validate_json(texts['training']),
    )

  def to_yaml(self) -> str:
    """All of it with every default written out, as it is kept beside a model."""
    parts = {field.name: getattr(self, field.name).model_dump(mode='json') for field in dataclasses.fields(self)}
    return yaml.safe_dump(parts, sort_keys=False, allow_unicode=True)
