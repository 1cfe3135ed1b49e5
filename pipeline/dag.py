"""The pipeline's DAG: one factory for all targets.

A local run resolves by strategies of this project's own. In the cloud, what serves is read from the push destination.
Vertex compiles TFX's own strategies alone; Kubeflow Pipelines refuses Resolvers, and a step there can't look for the
artifacts of other runs, so there are no earlier statistics.
"""

from __future__ import annotations

from tfx.components.example_validator.component import ExampleValidator
from tfx.dsl.components.base.base_node import BaseNode
from tfx.dsl.components.common import resolver
from tfx.dsl.input_resolution.strategies import latest_artifact_strategy
from tfx.orchestration import pipeline
from tfx.proto import example_gen_pb2, pusher_pb2
from tfx.types import standard_artifacts
from tfx.types.channel import BaseChannel, Channel

from components.bigquery_ride_gen.component import BigQueryRideGen
from components.compression_gate.component import CompressionGate
from components.dimensionality_reduction.component import DimensionalityReduction
from components.fare_evaluator.component import FareEvaluator
from components.feature_engineering.component import FeatureEngineering
from components.model_registry.component import ModelRegistry
from components.pruning_trainer.component import PruningTrainer
from components.pruning_trainer.keys import recipe_key
from components.pusher.component import AtomicPusher
from components.quantization_rewriter.component import QuantizationRewriter
from components.resolvers.served_model import ServedModel
from components.resolvers.strategies import BaselineStatisticsStrategy, ServedModelStrategy
from components.ride_example_gen.component import RideExampleGen
from components.ride_example_gen.patterns import excluded_numbers, is_plain
from components.ride_example_gen.spans import EVAL, SPLITS, of_a_single_span
from components.ride_validator.component import AnomalyGate, RideSchema, RideStatisticsGen
from configs.beam import INGESTION
from configs.recipe import DENSE
from configs.run import RunConfig
from configs.split import Split, SplitMethod
from pipeline.beam import BeamContext, with_engines
from pipeline.code_version import step_version
from pipeline.sources import DataSource
from pipeline.targets import Places, Target

BESIDE = frozenset({'FareEvaluator', 'BaseEvaluator'})
"""Steps that a local run does in a second thread, while the first one goes on with what does not wait for them.

They compute with a finished SavedModel: they build no Keras layer, whose names count up for the whole process, set no
seed, start no process by themselves, and nothing that is pushed is made of what they write.
"""

AHEAD = ('PruningTrainer', 'QuantizationRewriter', 'CompressionGate')
"""The trainer of recipes, and the two steps that a local run begins while that trains: a process of its own converts
each recipe's model as soon as it is proven, and runs its files."""


def served_model(target: Target, push_destination: str, node_id: str, candidate: BaseChannel | None = None) -> BaseNode:
  """The look-up of what serves now: `model` is a Model, and locally `pushed_model` the push of it.

  Args:
    push_destination: URI of the folder of versions.
    candidate: the Model that must not be found, locally; in the cloud the folder is read ahead of the push.
  """
  if target is not Target.LOCAL:
    return ServedModel(push_destination=push_destination, code_version=step_version(ServedModel)).with_id(node_id)
  model = Channel(type=standard_artifacts.Model)
  return resolver.Resolver(
    strategy_class=ServedModelStrategy,
    model=model,
    pushed_model=Channel(type=standard_artifacts.PushedModel),
    **({} if candidate is None else {'candidate': candidate}),
  ).with_id(node_id)


def baseline_statistics(target: Target, statistics: BaseNode) -> BaseNode | None:
  """The look-up of the previous run's statistics, if the target has look-ups; its output is `statistics`.

  Args: statistics: this run's StatisticsGen, whose output must not be found.
  """
  if not target.facts.resolves:
    return None
  found = Channel(type=standard_artifacts.ExampleStatistics)
  if target is Target.LOCAL:
    current = statistics.outputs['statistics']
    strategy = BaselineStatisticsStrategy
    return resolver.Resolver(strategy_class=strategy, current=current, statistics=found).with_id('BaselineStatistics')
  latest = latest_artifact_strategy.LatestArtifactStrategy
  baseline = resolver.Resolver(strategy_class=latest, statistics=found).with_id('BaselineStatistics')
  # The latest statistics are the earlier ones only as long as this run has none.
  statistics.add_upstream_node(baseline)
  return baseline


def build_nodes(
  config: RunConfig,
  source: DataSource,
  places: Places,
  push_nonce: str = '',
  context: BeamContext | None = None,
  target: Target = Target.LOCAL,
) -> list[BaseNode]:
  """All steps of a run, in topological order.

  Args:
    push_nonce: a new text pushes once more, although nothing changed.
    context: what the engines of Beam steps take from the target; the pipeline root alone by default.
    target: where the steps run; it decides how they find what an earlier run left.

  Raises `ConfigError` where an engine can't run as `config.beam` says.
  """
  ingest = _ingestion(config, source, target)
  checks, anomaly_gate, schema = _validation(config, ingest, target)
  features = FeatureEngineering(
    examples=ingest.outputs['examples'],
    schema=schema,
    dataset=config.dataset,
    features=config.features,
    slices=config.evaluation.slices,
    code_version=step_version(FeatureEngineering),
    quarantine=ingest.outputs['quarantine'],
    in_memory_rides=config.beam.rides_in_memory('FeatureEngineering'),
  )
  features.add_upstream_node(anomaly_gate)
  graph, examples, reduction = _transformed(config, features)
  trainer, warm_start = _training(config, graph, examples, places, target)
  evaluator, *base = _evaluation(config, ingest, trainer)
  served = served_model(target, places.serving, 'ServedModel', candidate=trainer.outputs['model'])
  # Without a window all that is read is of one span.
  held_out = _split(config, source, target).method is SplitMethod.NEWEST_SPAN
  newest_splits = (EVAL,) if held_out else SPLITS
  rewriter, gate, pusher = _release(
    config, ingest, graph, examples, trainer, served, places, push_nonce, target, newest_splits
  )
  if target is Target.LOCAL:
    # While files are timed nothing runs beside them, and nothing is pushed where an evaluation failed.
    for node in (evaluator, *base):
      gate.add_upstream_node(node)
  trained = [*reduction, *warm_start, trainer]
  judged = [evaluator, *base, served, rewriter, gate]
  nodes = [ingest, *checks, features, *trained, *judged, pusher, *_registration(config, pusher)]
  context = context or BeamContext(places.root, project=config.platform.vertex.project or '')
  with_engines(nodes, config.beam, context, bigquery=source.bigquery is not None)
  return nodes


def _ingestion(config: RunConfig, source: DataSource, target: Target) -> BaseNode:
  """The first step; of one name, wherever the rides are."""
  if source.bigquery:
    return BigQueryRideGen(
      bigquery=source.bigquery,
      version=source.version or '',
      dataset=config.dataset,
      split=config.split,
      code_version=step_version(BigQueryRideGen),
    ).with_id(INGESTION)
  window = _window(config, source, target)
  return RideExampleGen(
    input_base=source.base,
    input_config=example_gen_pb2.Input(
      splits=[example_gen_pb2.Input.Split(name=name, pattern=pattern) for name, pattern in source.inputs().items()]
    ),
    dataset=config.dataset,
    split=_split(config, source, target),
    code_version=step_version(RideExampleGen),
    window=window,
    exclude=excluded_numbers(config.retraining.exclude) if window else (),
  )


def _split(config: RunConfig, source: DataSource, target: Target) -> Split:
  """How rides are divided, as far as the spans are known; the newest can't evaluate where it is the only one."""
  alone = not _window(config, source, target) and len(source.spans) < 2
  newest = config.split.method is SplitMethod.NEWEST_SPAN
  return of_a_single_span(config.split) if alone and newest else config.split


def _window(config: RunConfig, source: DataSource, target: Target) -> int | None:
  """How many spans the ingestion has to find by itself, as no driver does, or TFX's own, which knows plain globs."""
  if target is Target.LOCAL or (target.facts.has_driver and all(map(is_plain, source.inputs().values()))):
    return None
  return config.retraining.spans


def _validation(config: RunConfig, ingest: BaseNode, target: Target) -> tuple[list[BaseNode], AnomalyGate, BaseChannel]:
  """Statistics of enough valid rides, curated schema, TFDV's verdict, and the gate that stops a run on it."""
  statistics = RideStatisticsGen(
    examples=ingest.outputs['examples'],
    quarantine=ingest.outputs['quarantine'],
    rules=config.dataset.rules,
    code_version=step_version(RideStatisticsGen),
    in_memory_rides=config.beam.rides_in_memory('StatisticsGen'),
  ).with_id('StatisticsGen')
  schema = RideSchema(dataset=config.dataset, validation=config.validation, code_version=step_version(RideSchema))
  validator = ExampleValidator(statistics=statistics.outputs['statistics'], schema=schema.outputs['schema'])
  baseline = baseline_statistics(target, statistics)
  gate = AnomalyGate(
    statistics=statistics.outputs['statistics'],
    schema=schema.outputs['schema'],
    anomalies=validator.outputs['anomalies'],
    baseline_statistics=baseline.outputs['statistics'] if baseline else None,
    quarantine=ingest.outputs['quarantine'],
    dataset=config.dataset,
    validation=config.validation,
    code_version=step_version(AnomalyGate),
  )
  resolvers = [baseline] if baseline else []
  return [*resolvers, statistics, schema, validator, gate], gate, schema.outputs['schema']


def _transformed(config: RunConfig, features: FeatureEngineering) -> tuple[BaseChannel, BaseChannel, list[BaseNode]]:
  """Graph and Examples of the features, reduced or not, for the later steps; and the step that reduces them, if any."""
  graph, examples = features.outputs['transform_graph'], features.outputs['transformed_examples']
  if not config.reduction.is_on:
    return graph, examples, []
  reduction = DimensionalityReduction(
    transform_graph=graph,
    transformed_examples=examples,
    reduction=config.reduction,
    dataset=config.dataset,
    features=config.features,
    slices=config.evaluation.slices,
    clip=config.model.clip,
    code_version=step_version(DimensionalityReduction),
  )
  return reduction.outputs['reduced_graph'], reduction.outputs['reduced_examples'], [reduction]


def _training(
  config: RunConfig, graph: BaseChannel, examples: BaseChannel, places: Places, target: Target
) -> tuple[PruningTrainer, list[BaseNode]]:
  """The trainer, and the look-up of the model that it starts from, if any."""
  warm_start: list[BaseNode] = []
  if config.training.warm_start:
    warm_start.append(served_model(target, places.serving, 'WarmStartModel'))
  trainer = PruningTrainer(
    examples=examples,
    transform_graph=graph,
    base_model=warm_start[0].outputs['model'] if warm_start else None,
    dataset=config.dataset,
    features=config.features,
    model=config.model,
    training=config.training,
    checkpoints=places.checkpoints,
    code_version=step_version(PruningTrainer),
  )
  return trainer, warm_start


def _evaluation(config: RunConfig, ingest: BaseNode, trainer: PruningTrainer) -> list[BaseNode]:
  """The model of the recipe to serve, by slice, and the base beside it where that is another one."""
  common = {
    'examples': ingest.outputs['examples'],
    'evaluation': config.evaluation,
    'dataset': config.dataset,
    'code_version': step_version(FareEvaluator),
  }
  limit = config.beam.rides_in_memory('FareEvaluator')
  nodes: list[BaseNode] = [FareEvaluator(model=trainer.outputs['model'], in_memory_rides=limit, **common)]
  if config.training.served_recipe.name != DENSE:
    nodes.append(
      FareEvaluator(
        model=trainer.outputs[recipe_key(DENSE)],
        in_memory_rides=config.beam.rides_in_memory('BaseEvaluator'),
        validates=False,
        **common,
      ).with_id('BaseEvaluator')
    )
  return nodes


def _release(
  config: RunConfig,
  ingest: BaseNode,
  graph: BaseChannel,
  transformed: BaseChannel,
  trainer: PruningTrainer,
  served: BaseNode,
  places: Places,
  push_nonce: str,
  target: Target,
  newest_splits: tuple[str, ...],
) -> list[BaseNode]:
  """Every recipe as lite files, the choice among them, and the push.

  Args: newest_splits: those that hold the rides of the newest span.
  """
  models = {recipe.name: trainer.outputs[recipe_key(recipe.name)] for recipe in config.training.recipes}
  rewriter = QuantizationRewriter(
    examples=ingest.outputs['examples'],
    transformed_examples=transformed,
    transform_graph=graph,
    models=models,
    dataset=config.dataset,
    features=config.features,
    model=config.model,
    training=config.training,
    compression=config.compression,
    cache=places.variants,
    code_version=step_version(QuantizationRewriter),
  )
  gate = CompressionGate(
    variants=rewriter.outputs['variants'],
    examples=ingest.outputs['examples'],
    models=models,
    trained=trainer.outputs['model'],
    served_push=served.outputs['pushed_model'] if target is Target.LOCAL else None,
    served_model=None if target is Target.LOCAL else served.outputs['model'],
    compression=config.compression,
    evaluation=config.evaluation,
    dataset=config.dataset,
    code_version=step_version(CompressionGate),
    shadow=config.serving.shadow if config.serving.shadow.enabled else None,
    newest_splits=newest_splits,
  )
  pusher = AtomicPusher(
    model=gate.outputs['model'],
    model_blessing=gate.outputs['blessing'],
    push_destination=pusher_pb2.PushDestination(
      filesystem=pusher_pb2.PushDestination.Filesystem(base_directory=places.serving)
    ),
    custom_config={'push_nonce': push_nonce},
  ).with_id('Pusher')
  return [rewriter, gate, pusher]


def _registration(config: RunConfig, pusher: BaseNode) -> list[BaseNode]:
  """The step after the push, if the config asks for it."""
  vertex = config.platform.vertex
  if vertex.registration.display_name is None:
    return []
  return [ModelRegistry(pushed_model=pusher.outputs['pushed_model'], vertex=vertex)]


def build_pipeline(
  config: RunConfig,
  source: DataSource,
  places: Places,
  push_nonce: str = '',
  context: BeamContext | None = None,
  target: Target = Target.LOCAL,
) -> pipeline.Pipeline:
  """The TFX pipeline of a run. It names no metadata store: that is the runner's, and its password nobody's."""
  return pipeline.Pipeline(
    pipeline_name=config.name,
    pipeline_root=places.root,
    components=build_nodes(config, source, places, push_nonce, context, target),
    enable_cache=True,
    # No Beam arguments for all: each step has its own, see `with_engines`.
  )
