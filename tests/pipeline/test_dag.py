"""Every edge and every parameter of the DAG that is built, on each target.

Oracle: the tables below, made from `docs/architecture.md` and the reasons in the code. Edges are read where the runners
read them: in what TFX's own compiler makes of the pipeline.
"""

from __future__ import annotations

import dataclasses
import datetime
import enum
import fnmatch
import json

import pytest
from google.protobuf import text_format
from tfx.dsl.compiler import compiler
from tfx.dsl.components.common import resolver
from tfx.orchestration import pipeline as tfx_pipeline
from tfx.proto import example_gen_pb2, pusher_pb2
from tfx.utils import proto_utils

from components.dimensionality_reduction.component import DimensionalityReduction
from components.fare_evaluator.slices import eval_config
from components.ride_example_gen import executor
from components.ride_validator.schema import ride_schema
from configs import loading
from configs.base import Config
from configs.dataset import Dataset, ExtraColumn, Zone
from configs.parts import leaves
from configs.platform import BigQuery
from configs.run import RunConfig
from configs.source import ZonePlaces
from configs.split import SplitMethod
from pipeline import dag
from pipeline.code_version import step_roots
from pipeline.sources import DataSource, data_source, rides_of
from pipeline.targets import Places, Target

PLACES = Places(root='gs://shop/root', serving='/serving', checkpoints='/checkpoints', variants='/variants')

LOCAL = {
  'RideExampleGen': '',
  # The quarantine's verdict stops a run before anything is measured.
  'StatisticsGen': 'examples=RideExampleGen.examples, quarantine=RideExampleGen.quarantine',
  # Finds the statistics of an earlier run: not the ones that it is given.
  'BaselineStatistics': 'not=StatisticsGen.statistics, finds ExampleStatistics',
  # From the config alone, never from the data that it checks.
  'RideSchema': '',
  'ExampleValidator': 'schema=RideSchema.schema, statistics=StatisticsGen.statistics',
  'AnomalyGate': 'anomalies=ExampleValidator.anomalies, baseline_statistics=BaselineStatistics.statistics, '
  'quarantine=RideExampleGen.quarantine, schema=RideSchema.schema, statistics=StatisticsGen.statistics',
  # Nothing is fitted to rides that the gate stops.
  'FeatureEngineering': 'examples=RideExampleGen.examples, quarantine=RideExampleGen.quarantine, '
  'schema=RideSchema.schema, after AnomalyGate',
  'PruningTrainer': 'examples=FeatureEngineering.transformed_examples, '
  'transform_graph=FeatureEngineering.transform_graph',
  # Finds what the last push served: not the candidate.
  'ServedModel': 'not=PruningTrainer.model, finds Model, finds PushedModel',
  # Raw rides: the exported model has its features inside.
  'FareEvaluator': 'examples=RideExampleGen.examples, model=PruningTrainer.model',
  'QuantizationRewriter': 'examples=RideExampleGen.examples, recipe_dense=PruningTrainer.recipe_dense, '
  'recipe_pqat_80=PruningTrainer.recipe_pqat_80, transform_graph=FeatureEngineering.transform_graph, '
  'transformed_examples=FeatureEngineering.transformed_examples',
  'CompressionGate': 'examples=RideExampleGen.examples, recipe_dense=PruningTrainer.recipe_dense, '
  'recipe_pqat_80=PruningTrainer.recipe_pqat_80, served_push=ServedModel.pushed_model, trained=PruningTrainer.model, '
  'variants=QuantizationRewriter.variants',
  # The one judge: of the very file that is pushed.
  'Pusher': 'model=CompressionGate.model, model_blessing=CompressionGate.blessing',
}
"""Inputs by their producers' outputs, and what a step waits for besides; local, nothing switched on."""

VERTEX = {
  **LOCAL,
  # The latest statistics are the earlier ones only as long as this run has none; so this run's wait.
  'BaselineStatistics': 'finds ExampleStatistics',
  'StatisticsGen': 'examples=RideExampleGen.examples, quarantine=RideExampleGen.quarantine, after BaselineStatistics',
  # A copy of the version in the push destination, taken before the push.
  'ServedModel': '',
}

KFP = {
  **{name: edges for name, edges in LOCAL.items() if name != 'BaselineStatistics'},
  'AnomalyGate': 'anomalies=ExampleValidator.anomalies, quarantine=RideExampleGen.quarantine, '
  'schema=RideSchema.schema, statistics=StatisticsGen.statistics',
  # A step of its own that reads the push destination.
  'ServedModel': '',
}

TARGETS = {Target.LOCAL: LOCAL, Target.VERTEX: VERTEX, Target.KFP: KFP}

REDUCED = {
  'DimensionalityReduction': 'transform_graph=FeatureEngineering.transform_graph, '
  'transformed_examples=FeatureEngineering.transformed_examples',
  'PruningTrainer': 'examples=DimensionalityReduction.reduced_examples, '
  'transform_graph=DimensionalityReduction.reduced_graph',
  'QuantizationRewriter': 'examples=RideExampleGen.examples, recipe_dense=PruningTrainer.recipe_dense, '
  'recipe_pqat_80=PruningTrainer.recipe_pqat_80, transform_graph=DimensionalityReduction.reduced_graph, '
  'transformed_examples=DimensionalityReduction.reduced_examples',
}
WARM = {
  'PruningTrainer': 'base_model=WarmStartModel.model, examples=FeatureEngineering.transformed_examples, '
  'transform_graph=FeatureEngineering.transform_graph'
}
WARM_LOOKUP = {
  Target.LOCAL: {'WarmStartModel': 'finds Model, finds PushedModel'},
  Target.VERTEX: {'WarmStartModel': ''},
  Target.KFP: {'WarmStartModel': ''},
}
OTHER_SERVED = {'BaseEvaluator': 'examples=RideExampleGen.examples, model=PruningTrainer.recipe_dense'}
ONE_RECIPE = {
  'QuantizationRewriter': LOCAL['QuantizationRewriter'].replace(' recipe_pqat_80=PruningTrainer.recipe_pqat_80,', ''),
  'CompressionGate': LOCAL['CompressionGate'].replace(' recipe_pqat_80=PruningTrainer.recipe_pqat_80,', ''),
}


@pytest.fixture(autouse=True)
def named_code(monkeypatch):
  """Code versions that can be read: what a step begins with."""
  for module in (dag, dag):
    monkeypatch.setattr(module, 'step_version', lambda component: ', '.join(step_roots(component)))


def _config(*overrides: str, preset: str = 'nyc') -> RunConfig:
  return loading.load(preset, ['dataset.path=gs://rides/*.csv', *overrides])


def _in_bigquery(*overrides: str) -> RunConfig:
  return loading.load('nyc', ['dataset.bigquery.table=shop.rides.taxi', 'platform.vertex.project=shop', *overrides])


def _pipeline(
  target: Target, *overrides: str, source: DataSource | None = None, nonce: str = ''
) -> tuple[RunConfig, tfx_pipeline.Pipeline]:
  config = _config(*overrides)
  source = source or data_source(config.dataset.path)
  return config, dag.build_pipeline(config, source, PLACES, nonce, target=target)


def _nodes(target: Target, *overrides: str, **others):
  config, pipeline = _pipeline(target, *overrides, **others)
  return config, {node.id: node for node in pipeline.components}


def _edges(pipeline: tfx_pipeline.Pipeline) -> dict[str, str]:
  """What TFX's compiler reads out of a pipeline, as the tables have it; an input without a producer is looked up."""
  found = {}
  for each in compiler.Compiler().compile(pipeline).nodes:
    node = each.pipeline_node
    inputs, looked_up, producers = [], [], set()
    for key, given in node.inputs.inputs.items():
      for channel in given.channels:
        producer = channel.producer_node_query.id
        producers.add(producer)
        if producer:
          inputs.append(f'{"not" if key.startswith("_") else key}={producer}.{channel.output_key}')
        else:
          looked_up.append(f'finds {channel.artifact_query.type.name}')
    after = [f'after {name}' for name in sorted(set(node.upstream_nodes) - producers)]
    found[node.node_info.id] = ', '.join([*sorted(inputs), *sorted(looked_up), *after])
  return found


def _expected(target: Target, changes: dict[str, str] | None = None) -> dict[str, str]:
  """The tables; locally the gate waits for the evaluations, so that files are timed, and pushed, after them."""
  edges = TARGETS[target] | (changes or {})
  gate = edges['CompressionGate']
  if target is Target.LOCAL:
    evaluations = [f'after {name}' for name in ('BaseEvaluator', 'FareEvaluator') if name in edges]
    return edges | {'CompressionGate': ', '.join([gate, *evaluations])}
  # What serves is a push that is noted locally, and a copy of the version elsewhere.
  copied = gate.replace('served_push=ServedModel.pushed_model', 'served_model=ServedModel.model')
  return edges | {'CompressionGate': copied}


@pytest.mark.parametrize('target', Target)
@pytest.mark.parametrize(
  ('overrides', 'changes'),
  [
    pytest.param([], {}, id='preset'),
    pytest.param(['reduction.method=pca'], REDUCED, id='reduction'),
    pytest.param(['training.serve=pqat_80'], OTHER_SERVED, id='another_recipe_served'),
    pytest.param(['training.recipes=[dense]'], ONE_RECIPE, id='one_recipe'),
    pytest.param(['dataset.path=gs://rides/{SPAN}/*.csv', 'retraining.window=7'], {}, id='window'),
  ],
)
def test_every_edge(target, overrides, changes):
  _, pipeline = _pipeline(target, *overrides)
  assert _edges(pipeline) == _expected(target, changes)


@pytest.mark.parametrize('target', Target)
def test_every_edge_of_a_warm_start(target):
  _, pipeline = _pipeline(target, 'training.warm_start=true')
  assert _edges(pipeline) == _expected(target, WARM | WARM_LOOKUP[target])


@pytest.mark.parametrize('target', Target)
def test_a_registry_comes_after_the_push_where_it_is_asked_for(target):
  """And changes no parameter of any other step, so nothing else runs again."""
  wanted = 'platform.vertex.registration={display_name: fares, container: image}'
  _, pipeline = _pipeline(target, wanted, 'platform.vertex.project=shop')
  assert _edges(pipeline) == _expected(target) | {'ModelRegistry': 'pushed_model=Pusher.pushed_model'}
  before, after = _nodes(target)[1], _nodes(target, wanted)[1]
  registry = after.pop('ModelRegistry')
  assert registry.executor_spec.class_path == 'components.model_registry.component.ModelRegistryExecutor'
  assert {name: node.exec_properties for name, node in after.items()} == {
    name: node.exec_properties for name, node in before.items()
  }


@pytest.mark.parametrize(
  ('overrides', 'spans', 'expected'),
  [
    pytest.param([], 0, 'train,eval', id='no_spans'),
    pytest.param(['dataset.path=gs://rides/{SPAN}/*.csv'], 1, 'train,eval', id='one_span_at_a_time'),
    pytest.param(['dataset.path=gs://rides/{SPAN}/*.csv', 'retraining.window=7'], 1, 'train,eval', id='one_so_far'),
    pytest.param(['dataset.path=gs://rides/{SPAN}/*.csv', 'retraining.window=7'], 3, 'eval', id='window'),
  ],
)
def test_where_the_newest_rides_are_that_two_versions_are_compared_on(overrides, spans, expected):
  """And that a gate without a shadow has the parameters that it had."""
  config = _config(*overrides, 'serving.shadow={enabled: true, max_share_apart: 0.1}')
  source = data_source(config.dataset.path).with_spans({number: f'{number}/*.csv' for number in range(spans)})
  [gate] = [node for node in dag.build_nodes(config, source, PLACES) if node.id == 'CompressionGate']
  assert gate.exec_properties['newest_splits'] == expected
  assert json.loads(gate.exec_properties['shadow'])['max_share_apart'] == 0.1
  _, nodes = _nodes(Target.LOCAL)
  plain = _parameters(nodes['CompressionGate'])
  assert plain.get('shadow') is None and plain.get('newest_splits') is None


@pytest.mark.parametrize('target', Target)
def test_every_edge_with_rides_in_bigquery(target):
  config = _in_bigquery()
  pipeline = dag.build_pipeline(config, rides_of(config.dataset), PLACES, target=target)
  assert _edges(pipeline) == _expected(target)
  [ingest, *_] = [node for node in pipeline.components if node.id == 'RideExampleGen']
  assert type(ingest).__name__ == 'BigQueryRideGen'
  # Who pays for the reading; only this step reads there.
  paying = {node.id for node in pipeline.components if '--project=shop' in _beam_arguments(node)}
  assert paying == {'RideExampleGen'}


def _beam_arguments(node) -> list[str]:
  return getattr(node.executor_spec, 'beam_pipeline_args', None) or []


@pytest.mark.parametrize('target', Target)
def test_no_step_comes_before_what_it_waits_for(target):
  """Oracle: the edges that were read."""
  _, pipeline = _pipeline(target, 'reduction.method=pca', 'training.warm_start=true', 'training.serve=pqat_80')
  done: set[str] = set()
  for each in compiler.Compiler().compile(pipeline).nodes:
    assert set(each.pipeline_node.upstream_nodes) <= done, each.pipeline_node.node_info.id
    done.add(each.pipeline_node.node_info.id)


def test_locally_the_evaluations_begin_before_the_conversion_and_end_before_the_gate():
  """A conversion that fails leaves the evaluation to be shown; an evaluation that fails leaves nothing to be pushed."""
  _, pipeline = _pipeline(Target.LOCAL, 'training.serve=pqat_80')
  nodes = [each.pipeline_node for each in compiler.Compiler().compile(pipeline).nodes]
  names = [node.node_info.id for node in nodes]
  last = ['BaseEvaluator', 'FareEvaluator', 'QuantizationRewriter', 'ServedModel', 'CompressionGate', 'Pusher']
  assert names[-6:] == last
  waits = {node.node_info.id: set(node.upstream_nodes) for node in nodes}
  assert dag.BESIDE == {'FareEvaluator', 'BaseEvaluator'} <= waits['CompressionGate']
  assert not dag.BESIDE & waits['QuantizationRewriter']


def test_how_each_target_looks_up_what_an_earlier_run_left():
  """Vertex compiles TFX's own strategies alone; KFP has no Resolver."""
  found = {
    target: {
      node.id: node.exec_properties['resolver_class'].__name__
      for node in _pipeline(target, 'training.warm_start=true')[1].components
      if isinstance(node, resolver.Resolver)
    }
    for target in Target
  }
  own = 'ServedModelStrategy'
  assert found == {
    Target.LOCAL: {'BaselineStatistics': 'BaselineStatisticsStrategy', 'ServedModel': own, 'WarmStartModel': own},
    Target.VERTEX: {'BaselineStatistics': 'LatestArtifactStrategy'},
    Target.KFP: {},
  }


EXECUTORS = {
  'RideExampleGen': 'components.ride_example_gen.executor.RideExampleGenExecutor',
  'StatisticsGen': 'components.ride_validator.component.RideStatisticsGenExecutor',
  'RideSchema': 'components.ride_validator.schema_executor.RideSchemaExecutor',
  'ExampleValidator': 'tfx.components.example_validator.executor.Executor',
  'AnomalyGate': 'components.ride_validator.component.AnomalyGateExecutor',
  'FeatureEngineering': 'components.feature_engineering.component.FeatureEngineeringExecutor',
  'DimensionalityReduction': 'components.dimensionality_reduction.component.DimensionalityReductionExecutor',
  'PruningTrainer': 'components.pruning_trainer.component.PruningTrainerExecutor',
  'FareEvaluator': 'components.fare_evaluator.component.FareEvaluatorExecutor',
  'BaseEvaluator': 'components.fare_evaluator.component.FareEvaluatorExecutor',
  'QuantizationRewriter': 'components.quantization_rewriter.component.QuantizationRewriterExecutor',
  'CompressionGate': 'components.compression_gate.component.CompressionGateExecutor',
  'Pusher': 'components.pusher.component.AtomicPusherExecutor',
}


def test_what_each_step_runs():
  _, nodes = _nodes(Target.LOCAL, 'reduction.method=pca', 'training.serve=pqat_80')
  assert {name: node.executor_spec.class_path for name, node in nodes.items() if name in EXECUTORS} == EXECUTORS
  assert set(nodes) - set(EXECUTORS) == {'BaselineStatistics', 'ServedModel'}


@pytest.mark.parametrize('target', Target)
def test_whose_code_each_step_is_kept_by(target):
  """Oracle: what it runs; TFX's own steps and the push, which goes by what is pushed, are kept by no code."""
  _, nodes = _nodes(target, 'reduction.method=pca', 'training.warm_start=true', 'training.serve=pqat_80')
  _check_code(nodes)
  assert {name for name, node in nodes.items() if not _code(node)} == {
    'ExampleValidator',
    'Pusher',
    *({'BaselineStatistics'} & set(nodes)),
    *({'ServedModel', 'WarmStartModel'} if target is Target.LOCAL else {}),
  }


def test_whose_code_the_ingestion_from_bigquery_is_kept_by():
  config = _in_bigquery()
  [ingest, *_] = dag.build_nodes(config, rides_of(config.dataset), PLACES)
  assert _code(ingest) == 'components.bigquery_ride_gen.component.BigQueryRideGenExecutor'


def _check_code(nodes):
  for name, node in nodes.items():
    parameters = _parameters(node)
    runs = [node.executor_spec.class_path] if hasattr(node.executor_spec, 'class_path') else []
    runs += [parameters[key] for key in ('run_fn', 'preprocessing_fn') if parameters.get(key)]
    if 'code_version' in parameters:
      assert parameters['code_version'] == ', '.join(path for path in runs if not path.startswith('tfx.')), name


def _code(node) -> str | None:
  return _parameters(node).get('code_version')


def _parameters(node) -> dict[str, object]:
  """Parameters by name; those of TFX's `custom_config` among them."""
  found = dict(node.exec_properties)
  return found | json.loads(found.pop('custom_config', None) or '{}')


def test_what_each_step_gets_of_the_config():
  """Oracle: the config, section by section; where a step reads a part alone, the part. `READ_BY` has the dataset."""
  changed = [
    'reduction.method=pca',
    'training.serve=pqat_80',
    'training.epochs=7',
    'evaluation.bootstrap=123',
    'evaluation.max_rmse=9.5',
    'dataset.rules.max_quarantined_share=0.3',
    'validation.drift_threshold=0.17',
    'model.clip=5.5',
    'compression.schemes=[float32,int8]',
    'compression.calibration_rides=777',
    'compression.validation_rides=888',
    'compression.keep_names=none',
    'compression.metadata={enabled: true, license: CC0-1.0}',
  ]
  config, nodes = _nodes(Target.LOCAL, *changed, nonce='once more')
  assert config != _config()
  parameters = {name: _parameters(node) for name, node in nodes.items()}
  features, slices = config.features.model_dump_json(), config.evaluation.slices.model_dump_json()
  training, model = config.training.model_dump_json(), config.model.model_dump_json()
  judged = {'bootstrap': 123, 'slices': slices, 'max_rmse_share': ''}
  expected = {
    'StatisticsGen': {'max_quarantined_share': 0.3},
    'RideSchema': {'schema_text': text_format.MessageToString(ride_schema(config.dataset, config.validation))},
    'AnomalyGate': {'validation': config.validation.model_dump_json()},
    'FeatureEngineering': {'features': features, 'slices': slices},
    'DimensionalityReduction': {
      'reduction': config.reduction.model_dump_json(),
      'features': features,
      'slices': slices,
      'clip': '5.5',
      'currency': 'USD',
    },
    'PruningTrainer': {
      'features': features,
      'model': model,
      'training': training,
      'checkpoints': '/checkpoints',
    },
    'FareEvaluator': {**judged, 'eval_config': _text(eval_config(config.evaluation.max_rmse))},
    'BaseEvaluator': {**judged, 'eval_config': _text(eval_config())},
    'QuantizationRewriter': {
      'features': features,
      'fare_model': model,
      'training': training,
      'schemes': json.dumps([scheme.model_dump(mode='json') for scheme in config.compression.schemes]),
      'keep_names': 'none',
      'metadata': config.compression.metadata.model_dump_json(),
      'cache': '/variants',
      'calibration_rides': 777,
      'validation_rides': 888,
    },
    'CompressionGate': {
      'compression': config.compression.model_dump_json(),
      'evaluation': config.evaluation.model_dump_json(),
    },
    'Pusher': {'push_nonce': 'once more', 'push_destination': _text(_destination('/serving'))},
  }
  for name, values in expected.items():
    assert {key: parameters[name][key] for key in values} == values, name
  assert len(json.loads(expected['QuantizationRewriter']['schemes'])) == 2
  assert set(nodes['PruningTrainer'].outputs) == {'model', 'model_run', 'recipe_dense', 'recipe_pqat_80'}
  assert isinstance(nodes['DimensionalityReduction'], DimensionalityReduction)


INGESTION, SCHEMA, TRAINED = 'RideExampleGen', 'RideSchema', 'PruningTrainer'
FITTED = 'FeatureEngineering DimensionalityReduction'
LITE = 'QuantizationRewriter CompressionGate'
EVALUATED = 'FareEvaluator BaseEvaluator'
READ_BY = {
  'name': f'{TRAINED} CompressionGate',
  # Where the rides are, the ingestion's own parameters say.
  'path': '',
  'bigquery.*': TRAINED,
  'format': f'{INGESTION} {TRAINED}',
  'delimiter': f'{INGESTION} {TRAINED}',
  'missing': f'{INGESTION} {TRAINED}',
  'numbers.*': f'{INGESTION} {TRAINED}',
  'columns.key': TRAINED,
  'columns.*': f'{INGESTION} AnomalyGate {TRAINED}',
  'places.zones': f'{INGESTION} {TRAINED}',
  'places.*': f'{INGESTION} AnomalyGate {TRAINED}',
  'time.column': f'{INGESTION} AnomalyGate {TRAINED}',
  'time.*': f'{INGESTION} {TRAINED}',
  'extras.name': f'{INGESTION} {SCHEMA} AnomalyGate {FITTED} {TRAINED} {EVALUATED} {LITE}',
  'extras.column': f'{INGESTION} AnomalyGate {TRAINED}',
  'extras.kind': f'{INGESTION} {SCHEMA} AnomalyGate {FITTED} {TRAINED} {EVALUATED} {LITE}',
  'extras.vocabulary': f'{INGESTION} {SCHEMA} AnomalyGate {FITTED} {TRAINED} {EVALUATED} {LITE}',
  'extras.unit': f'{FITTED} {TRAINED} {EVALUATED} CompressionGate',
  # The list of features has it.
  'extras.meaning': f'{FITTED} {TRAINED} {LITE}',
  'known_after_ride': f'AnomalyGate {TRAINED}',
  'rules.fare.*': f'{INGESTION} {SCHEMA} {TRAINED}',
  'rules.bounds.*': f'{INGESTION} {SCHEMA} FeatureEngineering {TRAINED}',
  'rules.passengers.*': f'{INGESTION} {SCHEMA} {TRAINED}',
  # The schema has those of the extras that there are.
  'rules.extras': f'{INGESTION} {TRAINED}',
  'rules.earliest': f'{INGESTION} {SCHEMA} {TRAINED}',
  'rules.latest': f'{INGESTION} {SCHEMA} {TRAINED}',
  'rules.max_quarantined_share': 'StatisticsGen',
  # The slices by distance and airport.
  'city.center_*': f'{FITTED} {TRAINED} CompressionGate',
  'city.landmarks.name': f'{FITTED} {TRAINED}',
  'city.landmarks.*': f'{FITTED} {TRAINED} CompressionGate',
  'city.windows': f'{FITTED} {TRAINED} {EVALUATED} CompressionGate',
  'city.*': f'{FITTED} {TRAINED}',
  'currency': f'DimensionalityReduction {TRAINED} CompressionGate',
}
"""Whose cache keys go by each field of the dataset: the first pattern that fits.

The trainer keeps what decides the rides beside the model, for predictions. Most of what it reads changes the rides or
the features anyhow; what does not (`name`, `columns.key`, `known_after_ride`, `currency`) is no figure to turn.
"""

EXTRA = ExtraColumn(name='surge', column='Surge', kind='categorical', vocabulary=('low', 'high'))
ZONE = Zone(name='jersey', polygon=((-74.3, 40.6), (-74.1, 40.6), (-74.1, 40.8)))
PLACED = ZonePlaces(pickup='PU', dropoff='DO', zones={'1': (-74.0, 40.7)})
WITH_ALL = {
  'extras': (EXTRA,),
  'bigquery': BigQuery(table='shop.rides.taxi', query=None, version='1'),
  'places': PLACED,
}


def _with_all(config: RunConfig) -> RunConfig:
  """A config whose dataset has something to change in every field; it need not fit together."""
  city = config.dataset.city.model_copy(update={'zones': (ZONE,)})
  return config.model_copy(update={'dataset': config.dataset.model_copy(update=WITH_ALL | {'city': city})})


def _another(value: object) -> object:
  """Another value of the same kind."""
  if isinstance(value, enum.Enum):
    return next(each for each in type(value) if each is not value)
  if isinstance(value, bool):
    return not value
  if isinstance(value, datetime.date):
    return value + datetime.timedelta(days=1)
  if isinstance(value, float):
    return value + 0.25
  if isinstance(value, tuple):
    return value[1:] or ('2000-01-01',)
  if isinstance(value, dict):
    return value | {'another': (0.0, 0.0)}
  return {'categorical': 'numeric'}.get(str(value), f'{value or ""}x')


def _changed(config: Config, leaf: str) -> Config:
  """A config with one leaf changed; of many, in each."""
  name, _, below = leaf.partition('.')
  value = getattr(config, name)
  if not below:
    return config.model_copy(update={name: _another(value)})
  many = isinstance(value, tuple)
  changed = [_changed(one, below) for one in (value if many else [value])]
  return config.model_copy(update={name: tuple(changed) if many else changed[0]})


def _parameters_of(config: RunConfig) -> dict[str, dict[str, object]]:
  nodes = dag.build_nodes(config, data_source('gs://rides/*.csv'), PLACES)
  return {node.id: dict(node.exec_properties) for node in nodes}


def test_whose_keys_each_field_of_the_dataset_is_in():
  """Every leaf of the config model is changed once; a new one has to find its place in the table."""
  config = _with_all(_config('reduction.method=pca', 'training.serve=pqat_80'))
  before, used, found, expected = _parameters_of(config), set(), {}, {}
  for leaf in leaves(Dataset):
    after = _parameters_of(config.model_copy(update={'dataset': _changed(config.dataset, leaf)}))
    pattern = next(pattern for pattern in READ_BY if fnmatch.fnmatchcase(leaf, pattern))
    used.add(pattern)
    expected[leaf] = set(READ_BY[pattern].split())
    found[leaf] = {name for name in before if before[name] != after[name]}
  assert found == expected
  assert used == set(READ_BY)


def test_a_looser_quarantine_is_nobody_elses_business():
  """What a user turns after a refused run; nothing is read, trained or converted again."""
  before, after = (_parameters_of(_config(f'dataset.rules.max_quarantined_share={share}')) for share in (0.1, 0.5))
  assert [name for name in before if before[name] != after[name]] == ['StatisticsGen']


def _text(message) -> str:
  return proto_utils.proto_to_json(message)


def _destination(base: str) -> pusher_pb2.PushDestination:
  return pusher_pb2.PushDestination(filesystem=pusher_pb2.PushDestination.Filesystem(base_directory=base))


@pytest.mark.parametrize('target', Target)
def test_where_the_served_model_is_looked_up_in_the_cloud_and_pushed_to_everywhere(target):
  _, nodes = _nodes(target, 'training.warm_start=true')
  assert _parameters(nodes['Pusher'])['push_destination'] == _text(_destination('/serving'))
  looked_up = [_parameters(nodes[name]).get('push_destination') for name in ('ServedModel', 'WarmStartModel')]
  assert looked_up == ([None] * 2 if target is Target.LOCAL else ['/serving'] * 2)


def test_what_the_ingestion_gets():
  config, nodes = _nodes(Target.LOCAL, 'split.seed=5')
  parameters = _parameters(nodes['RideExampleGen'])
  given = example_gen_pb2.Input()
  proto_utils.json_to_proto(parameters['input_config'], given)
  assert parameters['input_base'] == 'gs://rides'
  assert [(split.name, split.pattern) for split in given.splits] == [('rides', '*.csv')]
  assert parameters['dataset'] == executor.DATASET.dump(config.dataset)
  assert parameters['split'] == executor.dump_split(config.split)
  assert '"seed": 5' in parameters['split']


def test_what_the_ingestion_from_bigquery_gets():
  config = _in_bigquery('split.seed=5')
  [ingest, *_] = dag.build_nodes(config, dataclasses.replace(rides_of(config.dataset), version='v7'), PLACES)
  parameters = _parameters(ingest)
  assert parameters['version'] == 'v7'
  assert parameters['bigquery'] == config.dataset.bigquery.model_dump_json(exclude={'version'})
  assert parameters['dataset'] == executor.DATASET.dump(config.dataset)
  assert parameters['split'] == executor.dump_split(config.split)


@pytest.mark.parametrize(
  ('target', 'path', 'window', 'spans', 'expected'),
  [
    pytest.param(Target.LOCAL, '*.csv', 1, 0, None, id='local_files'),
    pytest.param(Target.LOCAL, '{SPAN}/*.csv', 7, 3, None, id='local_resolved_before'),
    pytest.param(Target.LOCAL, '{SPAN}/*.csv', 7, 2, None, id='local_two_resolved_before'),
    pytest.param(Target.LOCAL, '{SPAN}/*.csv', 7, 1, None, id='local_one_resolved_before'),
    pytest.param(Target.VERTEX, '*.csv', 1, 0, None, id='vertex_files'),
    pytest.param(Target.VERTEX, '**/*.csv', 1, 0, 1, id='vertex_any_depth_by_the_step'),
    pytest.param(Target.VERTEX, 'rides [2024]/*.csv', 1, 0, 1, id='vertex_brackets_by_the_step'),
    pytest.param(Target.VERTEX, '{SPAN}/*.csv', 1, 0, 1, id='vertex_single_by_the_step'),
    pytest.param(Target.VERTEX, '{SPAN}/*.csv', 7, 0, 7, id='vertex_window_by_the_step'),
    pytest.param(Target.VERTEX, '{SPAN}/*.csv', 7, 3, None, id='vertex_resolved_before'),
    pytest.param(Target.KFP, '*.csv', 1, 0, 1, id='kfp_files'),
    pytest.param(Target.KFP, '{SPAN}/*.csv', 7, 3, 7, id='kfp_always'),
  ],
)
def test_who_finds_the_spans_and_how_they_are_split(target, path, window, spans, expected):
  """A single span can't hold out its newest one, so another split takes its place; not where spans are found later."""
  overrides = [f'dataset.path=gs://rides/{path}', f'retraining.window={window}']
  config = _config(*overrides)
  source = data_source(config.dataset.path)
  if spans:
    source = source.with_spans({number: f'{number}/*.csv' for number in range(spans)})
  nodes = {node.id: node for node in dag.build_nodes(config, source, PLACES, target=target)}
  parameters = _parameters(nodes['RideExampleGen'])
  assert parameters['window'] == expected
  newest = json.loads(parameters['split'])['method'] == SplitMethod.NEWEST_SPAN.value
  assert newest == (window > 1 and (expected is not None or spans > 1))


def test_the_pipeline_itself():
  config, pipeline = _pipeline(Target.LOCAL)
  assert pipeline.pipeline_info.pipeline_name == config.name == 'nyc'
  assert pipeline.pipeline_info.pipeline_root == PLACES.root
  assert pipeline.enable_cache
