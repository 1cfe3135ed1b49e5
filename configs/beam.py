"""Which engine runs the Beam steps, and its settings, for all of them and step by step."""

from __future__ import annotations

import enum
import math
from collections.abc import Iterator
from typing import Annotated, Any

from pydantic import Field, ValidationInfo, field_validator

from configs.base import Config, Idle, PositiveInt, Problem, at, joined, raise_any, unknown, written

INGESTION = 'RideExampleGen'
"""The id of the step that reads the rides, wherever they are."""

BEAM_STEPS = (
  INGESTION,
  'StatisticsGen',
  'FeatureEngineering',
  'DimensionalityReduction',
  'FareEvaluator',
  'BaseEvaluator',
)
"""Ids of the pipeline's steps that run on Beam."""


class Engine(str, enum.Enum):
  """What runs a Beam pipeline."""

  DIRECT = 'direct'
  PORTABLE = 'portable'
  DATAFLOW = 'dataflow'
  FLINK = 'flink'
  SPARK = 'spark'


_REFUSED = {
  'dask': "loses data: Beam's DaskRunner drops a sink without an error",
  'prism': 'is not offered, as Beam fetches its binary from the network when a step starts; start it yourself as a job '
  'service and use portable',
  'interactive': 'is for notebooks and keeps only what a cell looks at',
}


class RunningMode(str, enum.Enum):
  """How the direct runner runs its workers: in this process, in threads, or in processes of their own."""

  IN_MEMORY = 'in_memory'
  MULTI_THREADING = 'multi_threading'
  MULTI_PROCESSING = 'multi_processing'


class Environment(str, enum.Enum):
  """Where a portable runner's workers live.

  `LOOPBACK`: in the process that submits. `EXTERNAL`: in a worker pool at `environment_config`, host and port.
  `PROCESS`: started by the runner by the `command` in `environment_config`, which is JSON. `SUBPROCESS`: started by
  Beam's local job service by the command in `environment_config`. `DOCKER`: in containers of `sdk_container_image`.
  """

  LOOPBACK = 'LOOPBACK'
  EXTERNAL = 'EXTERNAL'
  PROCESS = 'PROCESS'
  SUBPROCESS = 'SUBPROCESS'
  DOCKER = 'DOCKER'


class Direct(Config):
  """Beam's runner on this machine.

  Attributes:
    direct_running_mode: whether its workers are in this process, in threads, or in processes of their own.
    direct_num_workers: how many; 0 means one per core.
  """

  direct_running_mode: RunningMode = RunningMode.IN_MEMORY
  direct_num_workers: Annotated[int, Field(ge=0)] = 1


class Workers(Config):
  """The workers of a portable runner.

  Attributes:
    environment_type: where they live: in the process that submits (`LOOPBACK`), in a worker pool (`EXTERNAL`), started
      by the runner (`PROCESS`) or by Beam's local job service (`SUBPROCESS`), or in containers (`DOCKER`).
    environment_config: what `environment_type` needs: host and port of the pool, or the command.
    sdk_container_image: the image of `DOCKER` workers, with this project in it.
    sdk_worker_parallelism: bundles that one worker runs at a time.
  """

  environment_type: Environment = Environment.DOCKER
  environment_config: str | None = None
  sdk_container_image: str | None = None
  sdk_worker_parallelism: PositiveInt | None = None


class Portable(Workers):
  """Any runner with a job service, such as a Flink or Spark job server that runs already.

  Attributes:
    job_endpoint: host and port of the job service.
    artifact_endpoint: host and port of its artifact service, where it has one apart.
  """

  job_endpoint: str | None = None
  artifact_endpoint: str | None = None


_BucketFolder = Annotated[str, Field(pattern='^gs://.', json_schema_extra={'form': 'a place in a bucket, gs://…'})]


class Dataflow(Config):
  """Google Cloud's service; what is null comes from the platform or the environment, or is the service's choice.

  Attributes:
    project: that pays.
    region: where the workers are, such as `europe-west4`.
    temp_location: a bucket's folder for what lasts as long as the job.
    staging_location: a bucket's folder for what the workers fetch when they start.
    sdk_container_image: the workers' image, with this project in it.
    service_account_email: the account that the workers run as.
    machine_type: of a worker, such as `n2-standard-4`.
    num_workers: how many at the start.
    max_num_workers: how many at most.
    disk_size_gb (GB): of a worker's disk.
    network: which the workers are in.
    subnetwork: of that network; as Dataflow writes it, such as `regions/REGION/subnetworks/NAME`.
    use_public_ips: whether workers have addresses of the internet.
  """

  project: str | None = None
  region: str | None = None
  temp_location: _BucketFolder | None = None
  staging_location: _BucketFolder | None = None
  sdk_container_image: str | None = None
  service_account_email: str | None = None
  machine_type: str | None = None
  num_workers: PositiveInt | None = None
  max_num_workers: PositiveInt | None = None
  disk_size_gb: PositiveInt | None = None
  network: str | None = None
  subnetwork: str | None = None
  use_public_ips: bool | None = None


class Flink(Workers):
  """A Flink cluster; Beam starts the job server, a jar, where `flink_master` is one.

  Attributes:
    flink_master: host and port of the cluster.
    flink_version: of the cluster, which Beam has a job server for.
    flink_job_server_jar: a jar of this machine, or a URL, in place of the one that Beam fetches.
    flink_submit_uber_jar: whether the job is sent as one jar, without a job server.
    parallelism: tasks at a time.
    max_parallelism: the most tasks that a job may later be scaled to.
  """

  flink_master: str | None = None
  flink_version: str | None = None
  flink_job_server_jar: str | None = None
  flink_submit_uber_jar: bool = False
  parallelism: PositiveInt | None = None
  max_parallelism: PositiveInt | None = None


class Spark(Workers):
  """A Spark cluster; Beam starts the job server, a jar.

  Attributes:
    spark_master_url: of the cluster, such as `spark://host:7077`.
    spark_version: of the cluster: 3.
    spark_job_server_jar: a jar of this machine, or a URL, in place of the one that Beam fetches.
    spark_submit_uber_jar: whether the job is sent as one jar, without a job server.
    spark_rest_url: of the cluster's REST service, for `spark_submit_uber_jar`.
  """

  spark_master_url: str | None = None
  spark_version: str | None = None
  spark_job_server_jar: str | None = None
  spark_submit_uber_jar: bool = False
  spark_rest_url: str | None = None


Option = str | int | float | bool | list[str] | None
"""The value of one of Beam's own options."""


class EngineSettings(Config):
  """An engine and the settings of all engines, of which the chosen one's count.

  Attributes:
    engine: which one runs.
    extra: further options of Beam's own, by their names without dashes.
  """

  engine: Engine = Engine.DIRECT
  direct: Direct = Direct()
  portable: Portable = Portable()
  dataflow: Dataflow = Dataflow()
  flink: Flink = Flink()
  spark: Spark = Spark()
  extra: dict[str, Option] = {}

  @field_validator('engine', mode='before')
  @classmethod
  def _loses_nothing(cls, value: Any) -> Any:
    known = [engine.value for engine in Engine]
    if not isinstance(value, str) or value in known:
      return value
    reason = refusal(value)
    raise ValueError(
      f"'{value}' {reason}. Available: {', '.join(known)}." if reason else unknown('engine', value, known)
    )

  @field_validator('extra')
  @classmethod
  def _not_settings(cls, extra: dict[str, Option]) -> dict[str, Option]:
    problems = []
    for name, value in extra.items():
      if name == 'runner':
        reason = refusal(str(value))
        problems.append(Problem(name, f'{value} {reason}.' if reason else 'is what engine says; set that instead.'))
      elif name in owners():
        problems.append(Problem(name, f'is a setting of its own; set {owners()[name]} instead.'))
    raise_any(problems)
    return extra

  @property
  def as_it_comes(self) -> bool:
    """Whether nothing but Beam's own defaults are meant: the direct runner in this process."""
    return self.engine is Engine.DIRECT and self.direct == Direct() and not self.extra

  @property
  def chosen(self) -> Config:
    """The settings of the chosen engine."""
    return getattr(self, self.engine.value)


class Beam(EngineSettings):
  """The engine of all Beam steps, and what is different for some.

  Attributes:
    in_memory_rides: with at most so many rides, and Beam's direct runner as it comes, a step works without Beam and
      writes the same; 0 always takes Beam.
    components: by step id; what is set there replaces what is set above, key by key. A resolved config has every
      setting of these steps.
  """

  in_memory_rides: Annotated[int, Field(ge=0)] = 50_000_000
  components: dict[str, EngineSettings] = {}

  @field_validator('components')
  @classmethod
  def _inherit(cls, components: dict[str, EngineSettings], info: ValidationInfo) -> dict[str, EngineSettings]:
    raise_any(Problem('', unknown('Beam step', name, BEAM_STEPS)) for name in components if name not in BEAM_STEPS)
    names = EngineSettings.model_fields
    if any(name not in info.data for name in names):
      return components  # A mistake above is reported by itself.
    common = EngineSettings(**{name: info.data[name] for name in names})
    return {name: _merged(common, settings) for name, settings in components.items()}

  def problems(self) -> Iterator[Problem]:
    common = list(_lacking(self))
    yield from common
    for name, settings in self.components.items():
      # What is wrong for all is reported once.
      yield from (problem.under('components', name) for problem in _lacking(settings) if problem not in common)
    yield from _idle(self)

  def of(self, step: str) -> EngineSettings:
    """The settings of one step."""
    return self.components.get(step, self)

  def rides_in_memory(self, step: str) -> int:
    """The most rides with which a step works without Beam."""
    return self.in_memory_rides if self.of(step).as_it_comes else 0


def refusal(runner: str) -> str:
  """Why a runner of Beam's is not offered; empty for any other."""
  name = runner.rsplit('.', 1)[-1].lower().removesuffix('runner')
  return _REFUSED.get(name, '')


def owners() -> dict[str, str]:
  """Where each of Beam's options that is a setting of its own is set, by option."""
  found: dict[str, str] = {'no_use_public_ips': 'dataflow.use_public_ips', 'sdk_location': 'sdk_container_image'}
  for section in Engine:
    for name in type(EngineSettings.model_fields[section.value].default).model_fields:
      found[name] = f'{found[name]} or {section.value}.{name}' if name in found else f'{section.value}.{name}'
  return found


def _merged(common: EngineSettings, own: EngineSettings) -> EngineSettings:
  """`common` with what was set in `own`, key by key."""
  update: dict[str, Any] = {}
  for name in own.model_fields_set:
    value, inherited = getattr(own, name), getattr(common, name)
    if isinstance(value, Config):
      value = inherited.model_copy(update={key: getattr(value, key) for key in value.model_fields_set})
    elif isinstance(value, dict):
      value = inherited | value
    update[name] = value
  return common.model_copy(update=update)


_NEEDED = {'portable': 'job_endpoint', 'flink': 'flink_master', 'spark': 'spark_master_url'}


def _lacking(settings: EngineSettings) -> Iterator[Problem]:
  """What the chosen engine lacks that nothing but the config can provide."""
  chosen, engine = settings.chosen, settings.engine.value
  alone = isinstance(chosen, Direct) and chosen.direct_running_mode is RunningMode.IN_MEMORY
  if alone and settings.direct.direct_num_workers != 1:
    message = 'must be 1 for in_memory; for more set direct_running_mode: multi_processing.'
    yield Problem('direct.direct_num_workers', message)
  needed = _NEEDED.get(engine)
  if needed and getattr(chosen, needed) is None:
    yield Problem(f'{engine}.{needed}', f'is missing, which engine: {engine} needs.')
  if isinstance(chosen, Workers) and chosen.environment_config is None:
    environment = chosen.environment_type
    if environment not in (Environment.LOOPBACK, Environment.DOCKER):
      yield Problem(f'{engine}.environment_config', f'is missing, which environment_type: {environment.value} needs.')
  if isinstance(chosen, Dataflow) and (chosen.max_num_workers or math.inf) < (chosen.num_workers or 0):
    yield Problem('dataflow.max_num_workers', f'must not be less than num_workers ({chosen.num_workers}).')


def _idle(beam: Beam) -> Iterator[Idle]:
  """Settings of engines that run no step, and of workers that live elsewhere."""
  everyone = (beam, *beam.components.values())
  if list(written(beam, 'in_memory_rides')) and not any(beam.of(step).as_it_comes for step in BEAM_STEPS):
    message = (
      "has no effect where no step runs on Beam's direct runner as it comes; leave it out, or set engine: direct."
    )
    yield Idle('in_memory_rides', message, ('engine', 'components', 'direct', 'extra'))
  for place in _engine_settings(beam):
    if not any(_has_effect(place, settings) for settings in everyone):
      yield Idle(place, _no_effect(place, beam, 'beam'), ('engine', 'components', _environment(place)))
  for step, settings in beam.components.items():
    for place in _engine_settings(settings):
      inherited = at(beam, place) == at(settings, place)
      if not inherited and not _has_effect(place, settings):
        where = f'components.{step}'
        deciders = ('engine', f'{where}.engine', f'{where}.{_environment(place)}')
        yield Idle(f'{where}.{place}', _no_effect(place, settings, f'beam.{where}'), deciders)


def _engine_settings(settings: EngineSettings) -> Iterator[str]:
  for engine in Engine:
    yield from written(settings, engine.value)


def _environment(place: str) -> str:
  return f'{place.partition(".")[0]}.environment_type'


_READ_BY = {
  'environment_config': tuple(one for one in Environment if one not in (Environment.LOOPBACK, Environment.DOCKER)),
  'sdk_container_image': (Environment.DOCKER,),
}
"""Which kinds of workers look at a setting of theirs that is not for all."""


def _has_effect(place: str, settings: EngineSettings) -> bool:
  engine, _, name = place.partition('.')
  chosen = settings.chosen
  if settings.engine.value != engine:
    return False
  return not isinstance(chosen, Workers) or chosen.environment_type in _READ_BY.get(name, Environment)


def _no_effect(place: str, settings: EngineSettings, where: str) -> str:
  engine, _, name = place.partition('.')
  if settings.engine.value != engine:
    cause, mend = f'{where}.engine is {settings.engine.value}', f'set that to {engine}'
  else:
    kinds = joined(kind.value for kind in _READ_BY[name])
    cause, mend = f'{where}.{_environment(place)} is not {kinds}', 'set that'
  return f'has no effect while {cause}; {mend}, or remove {where}.{place}.'
