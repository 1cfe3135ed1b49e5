"""Keeps what a study has measured, unit by unit, so that a killed one goes on where it stopped."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import json
import pathlib
import zipfile
from collections.abc import Mapping
from typing import Any

import numpy as np
import pydantic

from components.study.study_fold import StudyFold
from components.study.task import Outcome, Task
from configs.dataset import Dataset
from configs.parts import Part
from configs.run import RunConfig
from models.whole_files import replacing

_FACTS = pydantic.TypeAdapter(dict[str, dict[str, float]])
"""Facts by variant and name; no place for a version, as the key of a unit tells the code that measured it."""

_INSIDE = ('features', 'model', 'training', 'evaluation')
"""Sections of a config that every unit depends on; what it takes of `study` is told by its task."""

DATASET = Part(
  Dataset, 'extras.name', 'extras.kind', 'extras.vocabulary', 'extras.unit', 'extras.meaning', 'rules.bounds', 'city'
)
"""What units read of the dataset; its rides are known by their digest."""


@dataclasses.dataclass(frozen=True)
class Origin:
  """What every unit of a study depends on.

  Attributes:
    config: the resolved config.
    rides: digest of the rides.
    code: digest of the code.
  """

  config: RunConfig
  rides: str
  code: str

  def key(self, task: Task, fold: StudyFold) -> str:
    """What a task's outcomes on a fold go by; equal keys mean equal outcomes."""
    about = [task.block.value, task.name, task.about]
    return digest_of([*self._setting, self.code, fold.seed, fold.number, *about])

  @property
  def identity(self) -> str:
    """Equal for studies whose rows can stand beside each other: all but the blocks and the code."""
    study = self.config.study
    return digest_of([*self._setting, study.seeds, study.first_seed])

  @functools.cached_property
  def _setting(self) -> list[object]:
    config = self.config.model_dump(mode='json', include=set(_INSIDE))
    config['dataset'] = DATASET.dump(self.config.dataset)
    config['training'] = {k: v for k, v in config['training'].items() if k not in ('recipes', 'serve', 'seed')}
    config['evaluation'] = config['evaluation']['slices']
    return [config, self.rides, self.config.study.folds]


class UnitStore:
  """A folder with a file per finished unit of work.

  Args:
    directory: is made when the first unit is kept.
  """

  def __init__(self, directory: pathlib.Path) -> None:
    self._directory = directory

  def load(self, key: str) -> dict[str, Outcome] | None:
    """The outcomes of a unit by variant; `None` where it is not kept, or not whole."""
    try:
      with np.load(self._path(key), allow_pickle=False) as kept:
        told = _FACTS.validate_json(str(kept['facts']))
        return {
          name: Outcome(
            kept[f'fares:{name}'], facts, kept[f'file:{name}'].tobytes() if f'file:{name}' in kept else None
          )
          for name, facts in told.items()
        }
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
      return None

  def has(self, key: str) -> bool:
    """Whether there is a file of a unit."""
    return self._path(key).is_file()

  def keep(self, key: str, outcomes: Mapping[str, Outcome]) -> None:
    """Writes the outcomes of a unit, whole or not at all."""
    arrays: dict[str, Any] = {f'fares:{name}': outcome.fares for name, outcome in outcomes.items()}
    arrays |= {
      f'file:{name}': np.frombuffer(outcome.file, np.uint8)
      for name, outcome in outcomes.items()
      if outcome.file is not None
    }
    facts = {name: {fact: float(value) for fact, value in outcome.facts.items()} for name, outcome in outcomes.items()}
    self._directory.mkdir(parents=True, exist_ok=True)
    with replacing(self._path(key)) as file:
      np.savez(file, facts=np.array(json.dumps(facts)), **arrays)

  def _path(self, key: str) -> pathlib.Path:
    return self._directory / f'{key}.npz'


def digest_of(parts: object) -> str:
  """32 hexadecimal digits of what JSON makes of it."""
  return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:32]
