"""When the backends take the outputs of an earlier execution."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from pipeline.rehearsal.kubeflow_spec import DagTask

_OF_CONTAINER = ('image', 'command', 'args', 'env')


def fingerprint(pipeline: str, task: DagTask, inputs: Mapping[str, Any]) -> str:
  """The cache key of an execution.

  Both backends compare the same: the pipeline's name, the names of input artifacts, the values of parameters, the
  definition of the outputs, and the container's image, command and environment. Neither looks at the content of
  files or of the image.

  Source: Vertex AI documentation, "Configure execution caching"; kubeflow/pipelines,
  backend/src/v2/cacheutils/cache.go, `GenerateCacheKey`.

  Args:
    pipeline: its name.
    task: with its component and container.
    inputs: `ExecutorInput.inputs`, after the driver hook.
  """
  container = task.executor['container']
  key = {
    'pipeline': pipeline,
    'artifacts': {
      key: [artifact['name'] for artifact in value['artifacts']] for key, value in inputs.get('artifacts', {}).items()
    },
    'parameters': inputs.get('parameterValues', {}),
    'legacy_parameters': inputs.get('parameters', {}),
    'outputs': task.component.get('outputDefinitions', {}),
    'container': {field: container.get(field) for field in _OF_CONTAINER},
  }
  return hashlib.sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()
