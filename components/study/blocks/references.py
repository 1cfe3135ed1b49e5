"""Simpler and stronger models on the same folds: the mean, linear regression, LightGBM."""

from __future__ import annotations

import functools
import importlib
from collections.abc import Callable, Iterator

import numpy as np

from components.study.case_study import raw_columns
from components.study.fare_models import FareModels
from components.study.reference_models import LIGHTLY_TUNED, lightgbm_fares, linear_fares, mean_fares
from components.study.study_fold import StudyFold
from components.study.task import Outcome, Task, Variant
from configs.run import RunConfig
from configs.study import StudyBlock
from transforms import names

THIS_MODEL = 'this model'


@functools.cache
def lightgbm_missing() -> str | None:
  """Why LightGBM is not among the reference models, in a sentence; `None` where it is."""
  try:
    importlib.import_module('lightgbm')
  except ImportError:
    return "LightGBM is not installed, so it is not among the reference models: pip install 'farelite[dev]'."
  except OSError as error:  # Its wheel takes OpenMP from the system.
    return (
      f"LightGBM can't be loaded ({error}), so it is not among the reference models: apt-get install libgomp1, or what "
      'your system calls the OpenMP library of GCC.'
    )
  return None


def tasks(config: RunConfig) -> Iterator[Task]:
  """One task per model; LightGBM where it can be loaded."""
  methods: dict[str, Callable[[StudyFold], np.ndarray]] = {
    'mean fare': mean_fares,
    'linear, five raw columns': lambda fold: linear_fares(fold, raw_columns(fold)),
    'linear, engineered features': lambda fold: linear_fares(fold, fold.engineered.inputs[names.NUMERIC]),
  }
  if lightgbm_missing() is None:
    methods['LightGBM, defaults'] = lambda fold: lightgbm_fares(fold, {})
    methods['LightGBM, lightly tuned'] = lambda fold: lightgbm_fares(fold, LIGHTLY_TUNED)
  for name, method in methods.items():
    yield Task(StudyBlock.REFERENCES, name, (Variant(name, THIS_MODEL),), _measured(name, method))
  models = FareModels(config)
  yield Task(
    StudyBlock.REFERENCES,
    THIS_MODEL,
    (Variant(THIS_MODEL, THIS_MODEL),),
    lambda fold: {THIS_MODEL: models.measure(fold, fold.engineered)},
  )


def _measured(name: str, method: Callable[[StudyFold], np.ndarray]) -> Callable[[StudyFold], dict[str, Outcome]]:
  return lambda fold: {name: Outcome(np.asarray(method(fold), np.float32))}
