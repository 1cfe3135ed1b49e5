"""Real New York rides as the features of a reduction."""

from __future__ import annotations

import dataclasses
import pathlib

import numpy as np
import pytest

from configs import loading
from configs.dataset import LABEL
from configs.reduction import Reduction
from configs.run import RunConfig
from models.reduction.fitted import Fitted
from models.reduction.fitting import fit
from pipeline.study.folds import read_kept
from transforms import in_memory
from transforms import names as transforms_names
from transforms.catalogue import categoricals
from transforms.constants import Constants
from transforms.engineering import catalogue

CLIP = 6.0
ROWS = 3000


@dataclasses.dataclass(frozen=True)
class Features:
  """Rides with and without features."""

  config: RunConfig
  raw: dict[str, np.ndarray]
  constants: Constants
  numeric: np.ndarray
  fares: np.ndarray
  categories: dict[str, np.ndarray]

  @property
  def names(self) -> tuple[str, ...]:
    return tuple(feature.name for feature in catalogue(self.config.dataset, self.config.features))

  @property
  def sizes(self) -> dict[str, int]:
    return {found.name: found.size for found in categoricals(self.config.dataset, self.config.features)}

  @property
  def seen(self) -> np.ndarray:
    """What scikit-learn is given: clipped, float64."""
    return np.clip(self.numeric, -CLIP, CLIP).astype(np.float64)

  def fit(self, **reduction: object) -> Fitted:
    return fit(
      Reduction.model_validate(reduction), self.names, self.numeric, self.fares,
      clip=CLIP, categories=self.categories, sizes=self.sizes,
    )  # fmt: skip


@pytest.fixture(scope='session')
def rides(nyc_rides: pathlib.Path) -> Features:
  """The first 3,000 kept rides, buckets and the crosses of cells among their features."""
  config = loading.load('nyc', ['features.buckets={enabled: true, count: 5}', 'features.crosses.enabled=true'])
  kept = {name: column[:ROWS] for name, column in read_kept([str(nyc_rides)], config.dataset).items()}
  constants = in_memory.fit_constants(kept, config.dataset, config.features)
  made = in_memory.transform(kept, config.dataset, config.features, config.evaluation.slices, constants)
  found = [feature.name for feature in categoricals(config.dataset, config.features)]
  return Features(
    config,
    kept,
    constants,
    made[transforms_names.NUMERIC].numpy(),
    kept[LABEL].astype(np.float64),
    {name: made[name].numpy() for name in found},
  )
