"""Where a pipeline runs, and where its runs keep what."""

from __future__ import annotations

import dataclasses
import enum
from typing import NamedTuple


@dataclasses.dataclass(frozen=True)
class Places:
  """Where a target keeps things; URIs.

  Attributes:
    root: TFX's pipeline root.
    serving: the push destination.
    checkpoints: of unfinished trainings.
    variants: finished lite files, by what they depend on.
  """

  root: str
  serving: str
  checkpoints: str
  variants: str


class Target(str, enum.Enum):
  """Where a pipeline runs; the DAG and the compiled spec depend on it.

  `local`: this machine. `vertex`: Vertex AI Pipelines. `kfp`: open-source
  Kubeflow Pipelines 2, which knows no Resolver and runs no driver.

  How a cloud target takes a pipeline is the module of its name in
  `pipeline.cloud`: `submit(compiled, platform)` starts a run.
  """

  LOCAL = 'local'
  VERTEX = 'vertex'
  KFP = 'kfp'

  @property
  def facts(self) -> TargetFacts:
    """What the target takes and does."""
    return _FACTS[self]


CLOUD_TARGETS = tuple(target for target in Target if target is not Target.LOCAL)
"""Those that a pipeline is compiled for."""


class TargetFacts(NamedTuple):
  """What a target takes and does.

  Attributes:
    title: what a person calls it.
    version: of the backend, where there are several; '' for the only one.
    resolves: whether it runs Resolvers, which look for what an earlier run left.
    has_driver: whether a driver looks for the files there before a step runs.
    suffixes: of the file that its own client takes.
    schemas: versions of the compiled spec that it takes.
    takes_job: whether the file is a PipelineJob in JSON around the spec, and
      not the spec itself in YAML.
    in_pod: whether a step leaves what it says of its outputs in its pod, and
      not beside the artifacts.
  """

  title: str
  resolves: bool
  has_driver: bool
  version: str = ''
  suffixes: tuple[str, ...] = ()
  schemas: tuple[str, ...] = ()
  takes_job: bool = False
  in_pod: bool = False


_FACTS = {
  Target.LOCAL: TargetFacts('this machine', resolves=True, has_driver=True),
  Target.VERTEX: TargetFacts(
    'Vertex AI', resolves=True, has_driver=True, suffixes=('.json',), schemas=('2.0', '2.1'), takes_job=True
  ),
  Target.KFP: TargetFacts(
    'Kubeflow Pipelines',
    resolves=False,
    has_driver=False,
    version='2',
    suffixes=('.yaml', '.yml'),
    schemas=('2.1',),
    in_pod=True,
  ),
}
