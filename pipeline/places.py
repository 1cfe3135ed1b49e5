"""Where a pipeline runs, and where its runs keep what."""

from __future__ import annotations

import dataclasses
import enum


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
  """

  LOCAL = 'local'
  VERTEX = 'vertex'
  KFP = 'kfp'
