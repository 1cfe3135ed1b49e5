"""Finds the lite file that a user means, and the config that was kept beside it."""

from __future__ import annotations

import pathlib
from typing import NamedTuple

from models.manifest import EXTRA
from models.pushed import find_pushed

_CONFIG = 'config.yaml'


class ModelFiles(NamedTuple):
  """What predictions need of a model.

  Attributes:
    lite: the lite file.
    config: the config that the model was trained by; `None` for a lite file on
      its own.
    dataset: name of the dataset that it was trained on; '' where unknown.
  """

  lite: pathlib.Path
  config: pathlib.Path | None
  dataset: str


def find_model(path: str) -> ModelFiles:
  """Finds and verifies a model.

  Args:
    path: a pushed version, the directory of the versions, or a `.tflite`.

  Raises:
    ManifestError: there is none, or it is not what was pushed.
  """
  pushed = find_pushed(path)
  config = pushed.version / EXTRA / _CONFIG if pushed.version else None
  known = config if config is not None and config.is_file() else None
  return ModelFiles(pushed.file, known, pushed.manifest.dataset if pushed.manifest else '')
