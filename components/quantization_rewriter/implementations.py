"""Whose files are written: those of fare models, or of a user's own one."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Sequence

from tfx.dsl.io import fileio
from tfx.types import artifact_utils

from components.specs import Artifacts, Properties, saved_models, split_files
from configs.compression import FileMetadata, KeepNames, Scheme
from configs.model import Training
from configs.task import Task
from models.lite.rides import calibration_rides, ride_variants, validation_rides
from models.lite.variants import Variants
from models.settings import Settings
from models.whole_files import read_checked, write_checked


def variants_of(input_dict: Artifacts, exec_properties: Properties, schemes: Sequence[Scheme]) -> Variants:
  """What makes the files of a step. Args: input_dict, exec_properties: of the step; see its component."""
  return (_task_variants if exec_properties.get('task') else _ride_variants)(input_dict, exec_properties, schemes)


def _ride_variants(input_dict: Artifacts, exec_properties: Properties, schemes: Sequence[Scheme]) -> Variants:
  return ride_variants(
    Settings.from_json(exec_properties | {'model': exec_properties['fare_model']}),
    artifact_utils.get_single_uri(input_dict['transform_graph']),
    split_files(input_dict['transformed_examples'], 'train'),
    split_files(input_dict['examples'], 'eval'),
    calibration_rides(schemes, exec_properties['calibration_rides']),
    validation_rides(exec_properties['validation_rides']),
    KeepNames(exec_properties['keep_names']),
    FileMetadata.model_validate_json(exec_properties['metadata']),
    functools.partial(_kept, cache_of(exec_properties)),
  )


def _kept(cache: str, digest: str, make: Callable[[], bytes]) -> bytes:
  """The features of all files, from the cache or made anew, and kept there."""
  path = os.path.join(cache, f'features-{digest}')
  content = read_checked(path)
  if content is None:
    content = make()
    fileio.makedirs(cache)
    write_checked(path, content)
  return content


def cache_of(exec_properties: Properties) -> str:
  """The folder of what this code has finished."""
  return os.path.join(exec_properties['cache'], exec_properties['code_version'])


def _task_variants(input_dict: Artifacts, exec_properties: Properties, schemes: Sequence[Scheme]) -> Variants:
  from models.tasks.variants import task_variants  # As rides do without the rest that it imports.

  graph = input_dict.get('transform_graph')
  return task_variants(
    Task.model_validate_json(exec_properties['task']),
    Training.model_validate_json(exec_properties['training']),
    artifact_utils.get_single_uri(graph) if graph else None,
    split_files(input_dict['transformed_examples'], 'train'),
    split_files(input_dict['examples'], 'eval'),
    saved_models(input_dict).values(),
    schemes,
    exec_properties['calibration_rides'],
    exec_properties['validation_rides'],
    KeepNames(exec_properties['keep_names']),
  )
