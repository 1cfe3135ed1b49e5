"""What a study compares, and one piece of its work."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping

import numpy as np

from components.study.study_fold import StudyFold
from configs.study import StudyBlock

Setting = str | int | float


@dataclasses.dataclass(frozen=True)
class Variant:
  """One row of a block's table.

  Attributes:
    name: unique within the block.
    reference: name of the variant of the same block that its RMSE is divided
      by; its own name where it is one.
    settings: what makes it different, as columns of the results.
  """

  name: str
  reference: str
  settings: Mapping[str, Setting] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class Outcome:
  """What a variant came to on one fold.

  Attributes:
    fares: float32 [test rides], predictions.
    facts: figures such as `parameters`, `inputs`, `train_seconds` (CPU), by name.
    file: a whole lite file, where one was made.
  """

  fares: np.ndarray
  facts: Mapping[str, float] = dataclasses.field(default_factory=dict)
  file: bytes | None = None


@dataclasses.dataclass(frozen=True)
class Task:
  """Work that is done fold by fold, each time whole or not at all.

  Attributes:
    block: whose table it fills.
    name: for progress.
    variants: what one fold of it gives an outcome of each.
    measure: fits on a fold's training rides and predicts its test rides;
      outcomes by the variants' names. Raises ValueError for a variant that can't
      be made.
    about: what the outcomes depend on besides rides, fold, features, model and
      training of the config.
    tested_folds: folds of each seed that it is measured on; all when `None`.
  """

  block: StudyBlock
  name: str
  variants: tuple[Variant, ...]
  measure: Callable[[StudyFold], dict[str, Outcome]]
  about: str = ''
  tested_folds: int | None = None
