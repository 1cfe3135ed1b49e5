"""What each step takes and leaves by the types of its artifacts, as the metadata store keeps them.

Oracle: the table, from the steps' own docstrings and TFX's standard artifacts.
"""

from __future__ import annotations

import pytest
from tfx.dsl.components.common import resolver

from components.resolvers.served_model import ServedModel
from configs import loading
from pipeline import dag
from pipeline.sources import data_source, rides_of
from pipeline.targets import Places, Target

PLACES = Places(root='gs://shop/root', serving='/serving', checkpoints='/checkpoints', variants='/variants')
MODELS = {'recipe_dense': 'Model', 'recipe_pqat_80': 'Model'}
TAKES = {
  'RideExampleGen': {},
  'StatisticsGen': {'examples': 'Examples', 'quarantine': 'components.Quarantine'},
  'RideSchema': {},
  'ExampleValidator': {'statistics': 'ExampleStatistics', 'schema': 'Schema'},
  'AnomalyGate': {
    'statistics': 'ExampleStatistics',
    'schema': 'Schema',
    'anomalies': 'ExampleAnomalies',
    'quarantine': 'components.Quarantine',
    'baseline_statistics': 'ExampleStatistics',
  },
  'FeatureEngineering': {'examples': 'Examples', 'schema': 'Schema', 'quarantine': 'components.Quarantine'},
  'DimensionalityReduction': {'transform_graph': 'TransformGraph', 'transformed_examples': 'Examples'},
  'PruningTrainer': {'examples': 'Examples', 'transform_graph': 'TransformGraph', 'base_model': 'Model'},
  'FareEvaluator': {'examples': 'Examples', 'model': 'Model'},
  'BaseEvaluator': {'examples': 'Examples', 'model': 'Model'},
  'QuantizationRewriter': {
    'examples': 'Examples',
    'transformed_examples': 'Examples',
    'transform_graph': 'TransformGraph',
    **MODELS,
  },
  'CompressionGate': {
    'variants': 'components.LiteVariants',
    'examples': 'Examples',
    'trained': 'Model',
    'served_push': 'PushedModel',
    **MODELS,
  },
  'Pusher': {'model': 'Model', 'model_blessing': 'ModelBlessing'},
}
LEAVES = {
  'RideExampleGen': {'examples': 'Examples', 'quarantine': 'components.Quarantine'},
  'StatisticsGen': {'statistics': 'ExampleStatistics'},
  'RideSchema': {'schema': 'Schema'},
  'ExampleValidator': {'anomalies': 'ExampleAnomalies'},
  'AnomalyGate': {'findings': 'ExampleAnomalies'},
  'DimensionalityReduction': {
    'reduced_graph': 'TransformGraph',
    'reduced_examples': 'Examples',
    'report': 'components.ReductionReport',
  },
  'PruningTrainer': {'model': 'Model', 'model_run': 'ModelRun', **MODELS},
  'FareEvaluator': {'evaluation': 'ModelEvaluation', 'blessing': 'ModelBlessing'},
  'BaseEvaluator': {'evaluation': 'ModelEvaluation', 'blessing': 'ModelBlessing'},
  'QuantizationRewriter': {'variants': 'components.LiteVariants'},
  'CompressionGate': {'blessing': 'ModelBlessing', 'model': 'Model', 'report': 'components.CompressionReport'},
  'Pusher': {'pushed_model': 'PushedModel'},
}


def _types(channels) -> dict[str, str]:
  return {key: channel.type_name for key, channel in channels.items()}


@pytest.fixture(scope='module')
def steps():
  """All steps of a local run with everything on, by name; look-ups aside."""
  config = loading.load(
    'nyc',
    ['dataset.path=gs://rides/*.csv', 'reduction.method=pca', 'training.serve=pqat_80', 'training.warm_start=true'],
  )
  nodes = dag.build_nodes(config, data_source('gs://rides/*.csv'), PLACES)
  return {node.id: node for node in nodes if not isinstance(node, resolver.Resolver)}


def test_what_each_step_takes(steps):
  assert {name: _types(step.inputs) for name, step in steps.items()} == TAKES


def test_what_each_step_leaves(steps):
  found = {name: _types(step.outputs) for name, step in steps.items()}
  # TFX's own Transform leaves more of its own kinds.
  features = found.pop('FeatureEngineering')
  assert found == LEAVES
  assert features['transform_graph'] == 'TransformGraph'
  assert features['transformed_examples'] == 'Examples'


def test_what_is_taken_from_bigquery_leaves_the_same():
  config = loading.load('nyc', ['dataset.bigquery.table=shop.rides.taxi', 'platform.vertex.project=shop'])
  [ingest, *_] = dag.build_nodes(config, rides_of(config.dataset), PLACES)
  assert (_types(ingest.inputs), _types(ingest.outputs)) == ({}, LEAVES['RideExampleGen'])


def test_the_look_up_that_is_a_step_leaves_a_model():
  found = ServedModel(push_destination='out/serving', code_version='7')
  assert (_types(found.inputs), _types(found.outputs)) == ({}, {'model': 'Model'})
  assert found.exec_properties == {'push_destination': 'out/serving', 'code_version': '7'}


@pytest.mark.parametrize('target', [Target.LOCAL, Target.VERTEX])
def test_what_look_ups_leave(target):
  config = loading.load('nyc', ['dataset.path=gs://rides/*.csv', 'training.warm_start=true'])
  nodes = dag.build_nodes(config, data_source('gs://rides/*.csv'), PLACES, target=target)
  found = {node.id: _types(node.outputs) for node in nodes if isinstance(node, resolver.Resolver | ServedModel)}
  assert found['BaselineStatistics']['statistics'] == 'ExampleStatistics'
  assert found['ServedModel']['model'] == found['WarmStartModel']['model'] == 'Model'
