"""Compiles the pipeline for Vertex AI (JSON) and for open-source Kubeflow Pipelines 2 (YAML).

The same config and code give the same bytes: no time, no path of this machine, sorted keys.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import pathlib
import tempfile
from collections.abc import Iterable, Iterator
from typing import Any

import yaml
from tfx.orchestration.kubeflow.v2 import kubeflow_v2_dag_runner

from components.ride_example_gen.executor import WINDOW_KEY
from configs.beam import INGESTION
from configs.platform import Platform
from configs.run import RunConfig
from models.whole_files import write_whole
from pipeline.beam import Surroundings
from pipeline.cloud.settings import TargetError, cloud_places
from pipeline.dag import build_pipeline
from pipeline.places import Target
from pipeline.sources import DataSource


@dataclasses.dataclass(frozen=True)
class CompiledPipeline:
  """A pipeline as a backend takes it.

  Attributes:
    target: which cloud.
    spec: the PipelineSpec as a plain mapping.
    pipeline_root: where its artifacts go.
    job: Vertex's PipelineJob, whose `pipelineSpec` is `spec`; `None` for a
      target that takes the spec itself.
  """

  target: Target
  spec: dict[str, Any]
  pipeline_root: str
  job: dict[str, Any] | None

  @property
  def name(self) -> str:
    """The pipeline's name."""
    return str(self.spec.get('pipelineInfo', {}).get('name', ''))

  def text(self) -> str:
    """The file: JSON for Vertex, YAML for KFP; equal pipelines give equal bytes."""
    if self.job is not None:
      return json.dumps(self.job, indent=1, sort_keys=True, ensure_ascii=False) + '\n'
    return yaml.safe_dump(self.spec, sort_keys=True, allow_unicode=True, width=120)

  @contextlib.contextmanager
  def file(self) -> Iterator[pathlib.Path]:
    """A file of it for a client that takes nothing else; gone after the block."""
    with tempfile.TemporaryDirectory() as folder:
      path = pathlib.Path(folder, f'pipeline{self.target.facts.suffixes[0]}')
      write_compiled(self, path)
      yield path


def check_suffix(path: str, target: Target) -> None:
  """Raises `TargetError` where a client of the target would not take a file of this name."""
  if not path.endswith(target.facts.suffixes):
    raise TargetError(f"'{path}' has to end with {target.facts.suffixes[0]}, which {target.value} takes.")


def write_compiled(compiled: CompiledPipeline, path: pathlib.Path) -> None:
  """Writes the file whole or not at all."""
  path.parent.mkdir(parents=True, exist_ok=True)
  write_whole(path, compiled.text())


LOOKUPS = ('ServedModel', 'WarmStartModel')
"""Steps that read what is no input of theirs."""


def compile_pipeline(config: RunConfig, source: DataSource, platform: Platform, target: Target) -> CompiledPipeline:
  """Compiles a config for a cloud target.

  Args:
    source: the rides; in a bucket.
    platform: completed from the environment, see `platform_settings`.
    target: vertex or kfp.

  Raises `TargetError` where the image or the pipeline root is missing.
  """
  if platform.image is None:
    raise TargetError('No image: set platform.image or FARELITE_IMAGE to what `make image` built and you pushed.')
  places = cloud_places(platform, config.name)
  around = Surroundings(places.root, platform.image, platform.vertex.project or '', platform.vertex.region or '')
  pipeline = build_pipeline(config, source, places, around=around, target=target)
  runner = kubeflow_v2_dag_runner.KubeflowV2DagRunner(
    # KFP takes no other schema; on Vertex, TFX loses what ExampleGen's driver found with schema 2.0.
    kubeflow_v2_dag_runner.KubeflowV2DagRunnerConfig(default_image=platform.image, use_pipeline_spec_2_1=True)
  )
  job = runner.run(pipeline, write_out=False)
  spec = job['pipelineSpec']
  _uncache(spec, LOOKUPS)
  if source.bigquery and source.version is None:
    # Its rows may have changed since, and no parameter of the step would tell.
    _uncache(spec, [INGESTION])
  if WINDOW_KEY in spec['root']['dag']['tasks'][INGESTION]['inputs']['parameters']:
    # The step itself looks which files are there, so no driver does, and no fingerprint of theirs is in its cache key.
    spec['deploymentSpec']['executors'][f'{INGESTION}_executor']['container'].pop('lifecycle')
    _uncache(spec, [INGESTION])
  if target.facts.takes_job:
    return CompiledPipeline(target, spec, places.root, job)
  return CompiledPipeline(target, {**spec, 'defaultPipelineRoot': places.root}, places.root, job=None)


def _uncache(spec: dict[str, Any], names: Iterable[str]) -> None:
  tasks = spec['root']['dag']['tasks']
  for name in names:
    tasks.get(name, {}).pop('cachingOptions', None)
