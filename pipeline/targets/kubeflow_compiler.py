"""Compiles the pipeline for Vertex AI (JSON) and for open-source Kubeflow Pipelines 2 (YAML).

The same config and code give the same bytes: no time, no path of this machine, sorted keys.
"""

from __future__ import annotations

from typing import Any

from tfx.orchestration.kubeflow.v2 import kubeflow_v2_dag_runner

from configs.platform import Platform
from configs.run import RunConfig
from pipeline.beam_arguments import Surroundings
from pipeline.dag import build_pipeline
from pipeline.data_source import DataSource
from pipeline.targets.compiled import CompiledPipeline
from pipeline.targets.places import TargetError, cloud_places
from pipeline.targets.target import Target

UNCACHED = ('ServedModel', 'WarmStartModel')
"""Steps that read what is no input of theirs."""


def compile_pipeline(config: RunConfig, source: DataSource, platform: Platform, target: Target) -> CompiledPipeline:
  """Compiles a config for a cloud target.

  Args:
    config: the whole run.
    source: the rides; in a bucket.
    platform: completed from the environment, see `platform_settings`.
    target: vertex or kfp.

  Raises:
    TargetError: the image or the pipeline root is missing.
  """
  if platform.image is None:
    raise TargetError('No image: set platform.image or FARELITE_IMAGE to what `make image` built and you pushed.')
  places = cloud_places(platform, config.name)
  around = Surroundings(places.root, platform.image, platform.vertex.project or '', platform.vertex.region or '')
  pipeline = build_pipeline(config, source, places, around=around, target=target)
  runner = kubeflow_v2_dag_runner.KubeflowV2DagRunner(
    kubeflow_v2_dag_runner.KubeflowV2DagRunnerConfig(
      default_image=platform.image, use_pipeline_spec_2_1=target is Target.KFP
    )
  )
  job = runner.run(pipeline, write_out=False)
  spec = job['pipelineSpec']
  if target is Target.VERTEX:
    return CompiledPipeline(target, spec, places.root, job)
  _adapt_to_kfp(spec, places.root)
  return CompiledPipeline(target, spec, places.root, job=None)


def _adapt_to_kfp(spec: dict[str, Any], pipeline_root: str) -> None:
  """What Kubeflow Pipelines needs and TFX's compiler, made for Vertex, does not write."""
  spec['defaultPipelineRoot'] = pipeline_root
  for executor in spec['deploymentSpec']['executors'].values():
    # KFP runs no driver; the hook would only promise one.
    executor['container'].pop('lifecycle', None)
  tasks = spec['root']['dag']['tasks']
  for name in UNCACHED:
    if name in tasks:
      tasks[name].pop('cachingOptions', None)
