"""The trainer and its fan-out as TFX sees them: outputs, cache key, and the specs that Vertex and KFP get."""

import json
import pathlib

import pytest
import yaml
from tfx.components.trainer.executor import GenericExecutor
from tfx.dsl.components.common import importer
from tfx.orchestration import pipeline
from tfx.orchestration.kubeflow.v2 import kubeflow_v2_dag_runner
from tfx.types import standard_artifacts

from components.pruning_trainer.component import PruningTrainer
from components.recipe_models.component import RecipeModels
from components.recipe_models.executor import RecipeModelsExecutor
from components.recipe_models.spec import MODEL_RUN_KEY
from configs import loading

CONFIG = loading.load('nyc', ['training.recipes=[dense,pruned_80,qat]'])
RECIPES = [recipe.name for recipe in CONFIG.training.recipes]


def _nodes():
  examples, graph = (
    importer.Importer(source_uri=f'gs://bucket/{name}', artifact_type=kind).with_id(name)
    for name, kind in (('examples', standard_artifacts.Examples), ('graph', standard_artifacts.TransformGraph))
  )
  trainer = PruningTrainer(
    examples=examples.outputs['result'],
    transform_graph=graph.outputs['result'],
    dataset=CONFIG.dataset,
    features=CONFIG.features,
    model=CONFIG.model,
    training=CONFIG.training,
    checkpoints='gs://bucket/checkpoints',
    code_version='1',
  )
  models = RecipeModels(model_run=trainer.outputs['model_run'], recipes=RECIPES, code_version='1')
  return examples, graph, trainer, models


def test_trainer_keeps_the_executor_that_vertex_launches():
  *_, trainer, _ = _nodes()
  assert trainer.executor_spec.executor_class is GenericExecutor
  assert {key: channel.type for key, channel in trainer.outputs.items()} == {
    'model': standard_artifacts.Model,
    'model_run': standard_artifacts.ModelRun,
  }


def test_one_model_channel_per_recipe():
  *_, models = _nodes()
  assert {key: channel.type for key, channel in models.outputs.items()} == dict.fromkeys(
    RECIPES, standard_artifacts.Model
  )


@pytest.mark.parametrize('newer_schema', [pytest.param(False, id='vertex'), pytest.param(True, id='kfp')])
def test_compiles(newer_schema, tmp_path):
  """Oracle: the compiled spec itself; TFX's own compiler, no cluster."""
  config = kubeflow_v2_dag_runner.KubeflowV2DagRunnerConfig(
    default_image='registry.example/farelite', use_pipeline_spec_2_1=newer_schema
  )
  output = tmp_path / ('spec.yaml' if newer_schema else 'spec.json')
  runner = kubeflow_v2_dag_runner.KubeflowV2DagRunner(config=config, output_filename=str(output))
  runner.run(
    pipeline.Pipeline(pipeline_name='farelite', pipeline_root='gs://bucket/root', components=list(_nodes())),
    write_out=True,
  )
  text = output.read_text()
  compiled = yaml.safe_load(text) if newer_schema else json.loads(text)['pipelineSpec']
  executors = compiled['deploymentSpec']['executors']
  arguments = {name: ' '.join(map(str, spec.get('container', {}).get('args', []))) for name, spec in executors.items()}
  assert 'tfx.components.trainer.executor.GenericExecutor' in arguments['PruningTrainer_executor']
  assert 'components.recipe_models.executor.RecipeModelsExecutor' in arguments['RecipeModels_executor']
  outputs = compiled['components']['RecipeModels']['outputDefinitions']['artifacts']
  assert set(outputs) == set(RECIPES)
  assert all('title: tfx.Model' in artifact['artifactType']['instanceSchema'] for artifact in outputs.values())


def test_fan_out_copies_each_recipe_into_its_artifact(tmp_path):
  for name in RECIPES:
    folder = tmp_path / 'run' / 'recipes' / name / 'Format-Serving'
    folder.mkdir(parents=True)
    (folder / 'saved_model.pb').write_text(name)
  run = standard_artifacts.ModelRun()
  run.uri = str(tmp_path / 'run')
  outputs = {name: [standard_artifacts.Model()] for name in RECIPES}
  for name, [model] in outputs.items():
    model.uri = str(tmp_path / 'models' / name)
    pathlib.Path(model.uri).mkdir(parents=True)
  RecipeModelsExecutor().Do({MODEL_RUN_KEY: [run]}, outputs, {})
  for name, [model] in outputs.items():
    assert pathlib.Path(model.uri, 'Format-Serving', 'saved_model.pb').read_text() == name
    assert model.get_string_custom_property('recipe') == name
