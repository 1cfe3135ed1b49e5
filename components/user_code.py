"""What a step of a user's own model is given, and the version of its code."""

from __future__ import annotations

import hashlib
import importlib.metadata
import importlib.util
import pathlib
from typing import TYPE_CHECKING

from configs.base import joined
from configs.errors import UserError
from configs.task import Task, TaskKind

if TYPE_CHECKING:
  from configs.dataset import Dataset
  from configs.features import Features
  from configs.model import Model, Training

_ROOMS = ('configs', 'models', 'components')
_FOLDER = pathlib.Path(__file__).resolve().parent.parent
_LIBRARIES = ('tensorflow', 'tf-keras', 'tensorflow-model-optimization', 'tensorflow-transform', 'ai-edge-litert')


def task_code(task: Task, training: Training) -> str:
  """Digest of all code that a task runs: this project's, the user's, and the versions of the libraries.

  TFX keys its cache by inputs and parameters, of which a dotted path is one and the code behind it is none. The user's
  code is every source file of the package that `build_fn` lies in, and of those of `QuantizeConfig`s.

  Returns: 16 hexadecimal digits.
  """
  paths = [task.build_fn]
  for recipe in training.recipes:
    paths += recipe.quantization.quantize_configs.values() if recipe.quantization else ()
  digest = hashlib.sha256()
  for name in sorted({path.partition('.')[0] for path in paths} - {*_ROOMS}):
    _add(digest, name, _sources(name))
  for room in _ROOMS:
    _add(digest, room, [_FOLDER / room])
  for library in _LIBRARIES:
    digest.update(f'{library}=={importlib.metadata.version(library)}\0'.encode())
  return digest.hexdigest()[:16]


def of_task(task: Task, training: Training, code_version: str | None, **rides: object) -> str:
  """The code version of a step of a task.

  Args:
    code_version: in place of one taken of its code.
    rides: what is for rides alone, by name.
  Raises: UserError: something is for rides alone, or has no effect.
  """
  given = joined(name for name, value in rides.items() if value is not None)
  if given:
    raise UserError(f'{given}: for rides alone; with a task leave it out.')
  if task.kind is TaskKind.CLASSIFICATION and training.model_fields_set & {'loss', 'huber_delta', 'huber_delta_share'}:
    raise UserError(
      'training.loss, huber_delta and huber_delta_share have no effect: classes have a loss of their own.'
    )
  return task_code(task, training) if code_version is None else code_version


def of_rides(
  dataset: Dataset | None, features: Features | None, model: Model | None, code_version: str | None
) -> tuple[Dataset, Features, Model, str]:
  """What a step of rides needs. Raises: UserError: something is missing."""
  if dataset is None or features is None or model is None or code_version is None:
    raise UserError('Give a task for a model of your own, or dataset, features, model and code_version for rides.')
  return dataset, features, model, code_version


def _sources(name: str) -> list[pathlib.Path]:
  """Folders of a package, or the file of a module; none where it can't be found, which the step says."""
  spec = importlib.util.find_spec(name)
  if spec is None:
    return []
  return [pathlib.Path(place) for place in spec.submodule_search_locations or ([spec.origin] if spec.origin else [])]


def _add(digest: hashlib._Hash, name: str, places: list[pathlib.Path]) -> None:
  for place in places:
    for file in sorted(place.rglob('*.py')) if place.is_dir() else [place]:
      inside = file.relative_to(place).as_posix() if place.is_dir() else file.name
      digest.update(f'{name}/{inside}\0'.encode() + hashlib.sha256(file.read_bytes()).digest())
