"""The trainer as TFX sees it: outputs, what fills them, and the specs that Vertex and KFP get."""

import json
import pathlib

import pytest
import yaml
from tfx.components.trainer.component import Trainer
from tfx.components.trainer.executor import GenericExecutor
from tfx.dsl.components.common import importer
from tfx.orchestration import pipeline
from tfx.orchestration.kubeflow.v2 import kubeflow_v2_dag_runner
from tfx.types import standard_artifacts
from tfx.utils import json_utils

from components.pruning_trainer.component import PruningTrainer, PruningTrainerExecutor
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
  return examples, graph, trainer


def test_a_trainer_as_tfx_has_it_with_one_model_channel_per_recipe():
  *_, trainer = _nodes()
  assert isinstance(trainer, Trainer) and issubclass(trainer.executor_spec.executor_class, GenericExecutor)
  assert {key: channel.type for key, channel in trainer.outputs.items()} == {
    'model': standard_artifacts.Model,
    'model_run': standard_artifacts.ModelRun,
    **{f'recipe_{name}': standard_artifacts.Model for name in RECIPES},
  }


def test_what_tfx_tells_run_fn_is_what_its_own_trainer_tells():
  """Oracle: TFX's Trainer with the same arguments."""
  examples, graph, trainer = _nodes()
  config = json_utils.loads(trainer.exec_properties['custom_config'])
  plain = Trainer(
    examples=examples.outputs['result'],
    transform_graph=graph.outputs['result'],
    run_fn='models.run_fn.run_fn',
    custom_config=config,
  )
  given = {name: value for name, value in plain.exec_properties.items() if value is not None}
  assert trainer.exec_properties == given
  assert set(trainer.inputs) == set(plain.inputs)
  assert set(config) == {'dataset', 'features', 'model', 'training', 'checkpoints', 'code_version'}


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
  # The backend launches what the spec names, so a Trainer may have an executor of its own there.
  assert 'components.pruning_trainer.component.PruningTrainerExecutor' in arguments['PruningTrainer_executor']
  outputs = compiled['components']['PruningTrainer']['outputDefinitions']['artifacts']
  assert set(outputs) == {'model', 'model_run', *(f'recipe_{name}' for name in RECIPES)}
  models = [outputs[key]['artifactType']['instanceSchema'] for key in outputs if key != 'model_run']
  assert all('title: tfx.Model\n' in schema for schema in models)


def train(fn_args):
  """Takes the place of `run_fn`: a model that holds its recipe's name."""
  for name in RECIPES:
    folder = pathlib.Path(fn_args.model_run_dir, 'recipes', name, 'Format-Serving')
    folder.mkdir(parents=True)
    (folder / 'saved_model.pb').write_text(name)
  pathlib.Path(fn_args.serving_model_dir).mkdir(parents=True)


def test_the_executor_copies_each_recipe_into_its_artifact(tmp_path):
  *_, trainer = _nodes()
  artifacts = {key: [channel.type()] for key, channel in {**trainer.inputs, **trainer.outputs}.items()}
  for key, [artifact] in artifacts.items():
    artifact.uri = str(tmp_path / key)
    pathlib.Path(artifact.uri).mkdir()
  artifacts['examples'][0].split_names = '["train", "eval"]'
  outputs = {key: artifacts[key] for key in trainer.outputs}
  properties = {**trainer.exec_properties, 'run_fn': f'{__name__}.{train.__name__}'}
  PruningTrainerExecutor().Do({'examples': artifacts['examples']}, outputs, properties)
  for name in RECIPES:
    [model] = outputs[f'recipe_{name}']
    assert pathlib.Path(model.uri, 'Format-Serving', 'saved_model.pb').read_text() == name
    assert model.get_string_custom_property('recipe') == name
  assert not outputs['model'][0].has_custom_property('recipe')
