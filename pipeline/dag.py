"""The pipeline's DAG: one factory for all targets."""

from __future__ import annotations

import dataclasses

from tfx.components.example_validator.component import ExampleValidator
from tfx.components.statistics_gen.component import StatisticsGen
from tfx.components.trainer.component import Trainer
from tfx.dsl.components.base import base_node
from tfx.dsl.components.common import resolver
from tfx.orchestration import pipeline
from tfx.proto import example_gen_pb2, pusher_pb2
from tfx.types import channel, standard_artifacts

from components.anomaly_gate.component import AnomalyGate
from components.earlier.strategies import EarlierStatisticsStrategy, OtherBlessedModelStrategy
from components.fare_evaluator.component import FareEvaluator
from components.feature_engineering.component import FeatureEngineering
from components.pusher.component import AtomicPusher
from components.quarantine_gate.component import QuarantineGate
from components.ride_example_gen.component import RideExampleGen
from components.ride_schema.component import RideSchema
from configs.run import RunConfig
from pipeline.code_version import code_version
from pipeline.data_source import DataSource


@dataclasses.dataclass(frozen=True)
class Places:
  """Where a target keeps things; URIs.

  Attributes:
    root: TFX's pipeline root.
    serving: the push destination.
  """

  root: str
  serving: str


def build_nodes(
  config: RunConfig, source: DataSource, places: Places, push_nonce: str = ''
) -> list[base_node.BaseNode]:
  """All steps of a run, in topological order.

  Args:
    config: the whole run.
    source: the rides.
    places: where to push.
    push_nonce: a new text pushes once more, although nothing changed.
  """
  ingest = RideExampleGen(
    input_base=source.base,
    input_config=example_gen_pb2.Input(splits=[example_gen_pb2.Input.Split(name='rides', pattern=source.pattern)]),
    dataset=config.dataset,
    split=config.split,
    code_version=code_version('configs', 'components.ride_example_gen'),
  )
  quarantine_gate = QuarantineGate(
    quarantine=ingest.outputs['quarantine'],
    rules=config.dataset.rules,
    code_version=code_version('configs', 'components.quarantine_gate', 'components.ride_example_gen'),
  )
  checks, gate, schema = _validation(config, ingest, quarantine_gate)
  features = FeatureEngineering(
    examples=ingest.outputs['examples'],
    schema=schema,
    dataset=config.dataset,
    features=config.features,
    slices=config.evaluation.slices,
    code_version=code_version('configs', 'transforms', 'components.feature_engineering'),
  )
  features.add_upstream_node(gate)
  trained = _training(config, features)
  released = _release(config, ingest, trained[-1], places, push_nonce)
  return [ingest, quarantine_gate, *checks, features, *trained, *released]


def _validation(
  config: RunConfig, ingest: RideExampleGen, quarantine_gate: QuarantineGate
) -> tuple[list[base_node.BaseNode], AnomalyGate, channel.BaseChannel]:
  """Statistics, curated schema, TFDV's verdict, and the gate that stops a run on it."""
  version = code_version('configs', 'components.ride_schema', 'components.anomaly_gate')
  statistics = StatisticsGen(examples=ingest.outputs['examples'])
  statistics.add_upstream_node(quarantine_gate)
  schema = RideSchema(dataset=config.dataset, validation=config.validation, code_version=version)
  validator = ExampleValidator(statistics=statistics.outputs['statistics'], schema=schema.outputs['schema'])
  earlier = resolver.Resolver(
    strategy_class=EarlierStatisticsStrategy,
    current=statistics.outputs['statistics'],
    statistics=channel.Channel(type=standard_artifacts.ExampleStatistics),
  ).with_id('EarlierStatistics')
  gate = AnomalyGate(
    statistics=statistics.outputs['statistics'],
    schema=schema.outputs['schema'],
    anomalies=validator.outputs['anomalies'],
    baseline_statistics=earlier.outputs['statistics'],
    validation=config.validation,
    code_version=version,
  )
  return [statistics, schema, validator, earlier, gate], gate, schema.outputs['schema']


def _training(config: RunConfig, features: FeatureEngineering) -> list[base_node.BaseNode]:
  nodes: list[base_node.BaseNode] = []
  base_model = None
  if config.training.warm_start:
    nodes.append(
      resolver.Resolver(
        strategy_class=OtherBlessedModelStrategy,
        model=channel.Channel(type=standard_artifacts.Model),
        model_blessing=channel.Channel(type=standard_artifacts.ModelBlessing),
      ).with_id('WarmStartModel')
    )
    base_model = nodes[0].outputs['model']
  trainer = Trainer(
    examples=features.outputs['transformed_examples'],
    transform_graph=features.outputs['transform_graph'],
    base_model=base_model,
    run_fn='models.run_fn.run_fn',
    custom_config={
      **{name: getattr(config, name).model_dump_json() for name in ('features', 'model', 'training')},
      'dataset': config.dataset.model_copy(update={'path': None}).model_dump_json(),
      'code_version': code_version('configs', 'transforms', 'models'),
    },
  )
  return [*nodes, trainer]


def _release(
  config: RunConfig, ingest: RideExampleGen, trainer: base_node.BaseNode, places: Places, push_nonce: str
) -> list[base_node.BaseNode]:
  """The served model, the comparison with it, and the push."""
  served = resolver.Resolver(
    strategy_class=OtherBlessedModelStrategy,
    candidate=trainer.outputs['model'],
    model=channel.Channel(type=standard_artifacts.Model),
    model_blessing=channel.Channel(type=standard_artifacts.ModelBlessing),
  ).with_id('ServedModel')
  evaluator = FareEvaluator(
    examples=ingest.outputs['examples'],
    model=trainer.outputs['model'],
    baseline_model=served.outputs['model'],
    evaluation=config.evaluation,
    currency=config.dataset.currency,
    code_version=code_version('configs', 'models', 'transforms', 'components.fare_evaluator'),
  )
  pusher = AtomicPusher(
    model=trainer.outputs['model'],
    model_blessing=evaluator.outputs['blessing'],
    push_destination=pusher_pb2.PushDestination(
      filesystem=pusher_pb2.PushDestination.Filesystem(base_directory=places.serving)
    ),
    custom_config={'push_nonce': push_nonce},
  ).with_id('Pusher')
  return [served, evaluator, pusher]


def build_pipeline(
  config: RunConfig, source: DataSource, places: Places, metadata_path: str | None = None, push_nonce: str = ''
) -> pipeline.Pipeline:
  """The TFX pipeline of a run; `metadata_path` is an SQLite file for local runs."""
  from tfx.orchestration import metadata

  connection = None
  if metadata_path:
    connection = metadata.sqlite_metadata_connection_config(metadata_path)
    # SQLite has one writer; without retries one write in six of parallel runs is lost with an error.
    connection.retry_options.max_num_retries = 30
  return pipeline.Pipeline(
    pipeline_name=config.name,
    pipeline_root=places.root,
    components=build_nodes(config, source, places, push_nonce),
    enable_cache=True,
    metadata_connection_config=connection,
    # No Beam arguments: any at all makes TFX build a wheel of itself for each Beam component, six seconds each.
    # DirectRunner in memory is what Beam takes without.
  )
