"""Compiles the pipeline for Vertex AI (JSON) and for open-source Kubeflow Pipelines 2 (YAML).

The same config and code give the same bytes: no time, no path of this machine, sorted keys.
"""

from __future__ import annotations

from tfx.orchestration.kubeflow.v2 import kubeflow_v2_dag_runner

from components.ride_example_gen.executor import WINDOW_KEY
from configs.beam import INGESTION
from configs.platform import Platform
from configs.run import RunConfig
from pipeline.beam import BeamContext
from pipeline.cloud.compiled import CompiledPipeline
from pipeline.cloud.settings import cloud_places, lacking, refuse_lacking
from pipeline.cloud.step import COMMAND
from pipeline.dag import build_pipeline
from pipeline.sources import DataSource
from pipeline.targets import Target

NEVER_CACHED = ('ServedModel', 'WarmStartModel')
"""Steps that read what is no input of theirs."""


def compile_pipeline(config: RunConfig, source: DataSource, platform: Platform, target: Target) -> CompiledPipeline:
  """Compiles a config for a cloud target.

  Args:
    source: the rides; in a bucket.
    platform: completed from the environment, see `platform_settings`.
    target: vertex or kfp.

  Raises `TargetError` where the image or the pipeline root is missing.
  """
  refuse_lacking(lacking(platform, config.name))
  assert platform.image is not None
  places = cloud_places(platform, config.name)
  context = BeamContext(places.root, platform.image, platform.vertex.project or '', platform.vertex.region or '')
  pipeline = build_pipeline(config, source, places, context=context, target=target)
  runner = kubeflow_v2_dag_runner.KubeflowV2DagRunner(
    # KFP takes no other schema; on Vertex, TFX loses what ExampleGen's driver found with schema 2.0.
    kubeflow_v2_dag_runner.KubeflowV2DagRunnerConfig(
      default_image=platform.image, default_commands=list(COMMAND), use_pipeline_spec_2_1=True
    )
  )
  job = runner.run(pipeline, write_out=False)
  spec = job['pipelineSpec']
  tasks, uncached = spec['root']['dag']['tasks'], [*NEVER_CACHED]
  if source.bigquery and source.version is None:
    # Its rows may have changed since, which no parameter of the step shows.
    uncached.append(INGESTION)
  if WINDOW_KEY in tasks[INGESTION]['inputs']['parameters']:
    # The step itself looks which files are there, so no driver does, and no fingerprint of theirs is in its cache key.
    spec['deploymentSpec']['executors'][f'{INGESTION}_executor']['container'].pop('lifecycle')
    uncached.append(INGESTION)
  for name in uncached:
    tasks.get(name, {}).pop('cachingOptions', None)
  if target.facts.takes_job:
    return CompiledPipeline(target, spec, places.root, job)
  return CompiledPipeline(target, {**spec, 'defaultPipelineRoot': places.root}, places.root, job=None)
