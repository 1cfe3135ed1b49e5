"""Where a pipeline runs."""

from __future__ import annotations

import enum


class Target(str, enum.Enum):
  """Where a pipeline runs; the DAG and the compiled spec depend on it.

  `local`: this machine. `vertex`: Vertex AI Pipelines. `kfp`: open-source
  Kubeflow Pipelines 2, which knows no Resolver and runs no driver.
  """

  LOCAL = 'local'
  VERTEX = 'vertex'
  KFP = 'kfp'
