"""From a config's engine settings to `beam_pipeline_args`, step by step, checked against Beam's own options.

Beam drops an option that it does not know with a line in the log, and takes a
part of a name for the whole one; a misspelled option has no effect then.
"""

from __future__ import annotations

import argparse
import dataclasses
import functools
import json
import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from configs.base import nearest
from configs.beam import BEAM_STEPS, INGESTION, Beam, Dataflow, Engine, EngineSettings, Environment, Option, Workers
from configs.errors import UserError
from configs.loading import ConfigError
from models.whole_files import is_bucket

if TYPE_CHECKING:
  from tfx.dsl.components.base import base_node

INSTALLED = '--sdk_container_image=installed'
"""Keeps TFX from building a source package of itself, 5 s for each step, where workers have all code anyway.

TFX ships itself to the workers unless an option says that they have it; this is the one such option that neither
DirectRunner nor any worker outside a container reads (`tfx.utils.dependency_utils.make_beam_dependency_flags`).
"""

_RUNNERS = {Engine.DIRECT: 'apache_beam.runners.portability.fn_api_runner.FnApiRunner'}
"""By engine, where it is not called so; by its path, as Beam 2.65 has no short name for it. FnApiRunner is what
DirectRunner runs a batch on where it can't have Prism, whose binary it asks GitHub for whenever a step starts."""

_PROJECT = ('FARELITE_PROJECT', 'GOOGLE_CLOUD_PROJECT', 'CLOUDSDK_CORE_PROJECT')
_REGION = ('FARELITE_REGION', 'GOOGLE_CLOUD_REGION', 'CLOUDSDK_COMPUTE_REGION')


@dataclasses.dataclass(frozen=True)
class BeamContext:
  """What engines take from the target where the config does not say it.

  Attributes:
    root: the pipeline root, a folder or a bucket's URI.
    image: the container image that the steps run in, if any.
    project: the Google Cloud project; from the environment where empty.
    region: its region; from the environment where empty.
  """

  root: str
  image: str = ''
  project: str = ''
  region: str = ''


def with_engines(nodes: Sequence[base_node.BaseNode], beam: Beam, context: BeamContext, bigquery: bool = False) -> None:
  """Gives each Beam step its arguments.

  Args: bigquery: whether the ingestion reads BigQuery.
  Raises `ConfigError` where an engine lacks a setting, or an option of Beam's is wrong.
  """
  from tfx.dsl.components.base import base_beam_component

  for node in nodes:
    if isinstance(node, base_beam_component.BaseBeamComponent):
      node.with_beam_pipeline_args(step_arguments(beam, node.id, context, bigquery))


def check(beam: Beam, context: BeamContext, bigquery: bool = False) -> None:
  """Raises `ConfigError` for the first step whose engine can't run as it is set."""
  for step in BEAM_STEPS:
    step_arguments(beam, step, context, bigquery)


def step_arguments(beam: Beam, step: str, context: BeamContext, bigquery: bool = False) -> list[str]:
  """`beam_pipeline_args` of one step.

  Raises `ConfigError`, see `with_engines`.
  """
  place = f'beam.components.{step}' if step in beam.components else 'beam'
  pays = {'project': project_of(context)} if bigquery and step == INGESTION else {}
  return _arguments(beam.of(step), place, context, pays)


def prediction_arguments(beam: Beam, context: BeamContext) -> list[str]:
  """The same for `farelite predict --shards`, which is no step.

  Args: context: the root is the folder of the predictions.
  Raises `ConfigError`, see `with_engines`.
  """
  return _arguments(beam, 'beam', context, {})


def _arguments(settings: EngineSettings, place: str, context: BeamContext, pays: Mapping[str, str]) -> list[str]:
  runner = _RUNNERS.get(settings.engine, f'{settings.engine.value.capitalize()}Runner')
  if settings.as_it_comes and not pays:  # Beam's parser takes a second to load.
    return [f'--runner={runner}', INSTALLED]
  chosen = settings.chosen
  stated = chosen.model_dump(mode='json', exclude_none=True)
  values: dict[str, Option] = {'runner': runner, **pays, **stated}
  if isinstance(chosen, Dataflow):
    values |= _dataflow(chosen, context, place)
  elif isinstance(chosen, Workers):
    values |= _workers(chosen, context, f'{place}.{settings.engine.value}')
  try:
    return [*flags({**values, **settings.extra}), *([] if 'sdk_container_image' in values else [INSTALLED])]
  except OptionError as error:
    raise ConfigError(f'{place}.extra.{error}') from None


def project_of(context: BeamContext) -> str:
  """The project that pays for reading BigQuery. Raises `ConfigError` where there is none."""
  project = context.project or _from_environment(_PROJECT)
  if not project:
    raise ConfigError(
      'BigQuery needs a Google Cloud project that pays for reading: set platform.vertex.project, or export '
      f'{_PROJECT[0]}.'
    )
  return project


def _dataflow(chosen: Dataflow, context: BeamContext, place: str) -> dict[str, Option]:
  """Settings that the service must have, from the config or from its context."""
  if not is_bucket(context.root):
    raise ConfigError(
      f"{place}.engine: dataflow's workers can't reach '{context.root}' on this machine; "
      'use a pipeline root in a bucket (farelite compile), or engine: direct.'
    )
  temporary = f'{context.root}/beam' if context.root.startswith('gs://') else None
  found: dict[str, tuple[str | None, str]] = {
    'project': (chosen.project or context.project or _from_environment(_PROJECT), f'or export {_PROJECT[0]}'),
    'region': (chosen.region or context.region or _from_environment(_REGION), f'or export {_REGION[0]}'),
    'temp_location': (chosen.temp_location or temporary, 'a gs:// folder'),
    'staging_location': (chosen.staging_location or temporary, 'a gs:// folder'),
    'sdk_container_image': (chosen.sdk_container_image or context.image, 'an image with this project in it'),
  }
  for name, (value, hint) in found.items():
    if not value:
      raise ConfigError(f'{place}.dataflow.{name} is missing, which engine: dataflow needs ({hint}).')
  # The image has Beam; without this it would be fetched from the network while the job is built.
  return {**{name: value for name, (value, _) in found.items()}, 'sdk_location': 'container'}


def _from_environment(names: Sequence[str]) -> str | None:
  return next((os.environ[name] for name in names if os.environ.get(name)), None)


def _workers(chosen: Workers, context: BeamContext, place: str) -> dict[str, Option]:
  if chosen.environment_type is Environment.SUBPROCESS:
    from apache_beam.portability import python_urns  # A second, which Beam's defaults don't need.

    return {'environment_type': python_urns.SUBPROCESS_SDK}
  if chosen.environment_type is not Environment.DOCKER:
    return {}
  image = chosen.sdk_container_image or context.image
  if not image:
    raise ConfigError(f'{place}.sdk_container_image is missing, which environment_type: DOCKER needs.')
  return {'sdk_container_image': image}


class OptionError(UserError):
  """An option that Beam does not have, or a value that it does not take; begins with the option's name."""


def known_options() -> dict[str, argparse.Action]:
  """Beam's options by name, without dashes."""
  return {
    name.removeprefix('--'): action
    for name, action in _parser()._option_string_actions.items()
    if name.startswith('--') and name != '--help'
  }


def flags(options: Mapping[str, Option]) -> list[str]:
  """Options as flags for Beam; null leaves an option out.

  Args: options: values by name: true for an option that takes no value, a list for one that may be repeated.
  Raises `OptionError`, which names the nearest option.
  """
  known = known_options()
  found = []
  for name, value in options.items():
    if name not in known:
      raise OptionError(f"{name}: Beam has no option '{name}'.{nearest(name, known)}")
    own = _as_flags(name, value, known[name])
    try:
      parsed = getattr(_parser().parse_args(own), known[name].dest)
    except argparse.ArgumentError as error:
      raise OptionError(f'{name}: {error.message}.') from None
    # The parser knows and the action's class does not: Beam has list actions of its own beside argparse's.
    if isinstance(value, list) and not isinstance(parsed, list):
      raise OptionError(f'{name}: takes one value, got {len(value)}.')
    found += own
  return found


@functools.cache
def _parser() -> argparse.ArgumentParser:
  """Beam's own, which judges the values; it raises instead of ending the process."""
  from apache_beam.options.pipeline_options import PipelineOptions  # As above.

  parsers: list[argparse.ArgumentParser] = []
  PipelineOptions([]).get_all_options(add_extra_args_fn=parsers.append)
  parsers[0].exit_on_error = False
  return parsers[0]


def _as_flags(name: str, value: Option, action: argparse.Action) -> list[str]:
  if value is None:
    return []
  if action.nargs == 0:
    if not isinstance(value, bool):
      raise OptionError(f'{name}: takes no value; write true, or leave it out, got {value!r}.')
    opposite = [f'--no_{name}'] if name == 'use_public_ips' else []
    return [f'--{name}'] if value else opposite
  if isinstance(value, list):
    return [f'--{name}={item}' for item in value]
  return [f'--{name}={json.dumps(value) if isinstance(value, bool) else value}']
