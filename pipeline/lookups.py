"""Nodes that find what an earlier run left, as each target can.

A local run resolves by strategies of this project's own. Vertex compiles TFX's two strategies alone. Kubeflow Pipelines
refuses Resolvers, and a step there can't ask for the artifacts of other runs: what serves is read from the push
destination, and there are no earlier statistics.
"""

from __future__ import annotations

from tfx.dsl.components.base import base_node
from tfx.dsl.components.common import resolver
from tfx.dsl.input_resolution.strategies import latest_artifact_strategy, latest_blessed_model_strategy
from tfx.types import channel, standard_artifacts

from components.earlier.strategies import EarlierStatisticsStrategy, ServedModelStrategy
from components.served_model.component import ServedModel
from pipeline.code_version import step_version
from pipeline.targets.target import Target


def served_model(
  target: Target, push_destination: str, node_id: str, candidate: channel.BaseChannel | None = None
) -> base_node.BaseNode:
  """The look-up of the model that serves now; its output is `model`.

  Args:
    target: where the run happens.
    push_destination: URI of the folder of versions.
    node_id: of the node.
    candidate: the Model that must not be found; cloud targets look before it is blessed and pushed.
  """
  if target is Target.KFP:
    return ServedModel(push_destination=push_destination, code_version=step_version(ServedModel)).with_id(node_id)
  model = channel.Channel(type=standard_artifacts.Model)
  if target is Target.VERTEX:
    return resolver.Resolver(
      strategy_class=latest_blessed_model_strategy.LatestBlessedModelStrategy,
      model=model,
      model_blessing=channel.Channel(type=standard_artifacts.ModelBlessing),
    ).with_id(node_id)
  return resolver.Resolver(
    strategy_class=ServedModelStrategy,
    model=model,
    pushed_model=channel.Channel(type=standard_artifacts.PushedModel),
    **({} if candidate is None else {'candidate': candidate}),
  ).with_id(node_id)


def earlier_statistics(target: Target, statistics: base_node.BaseNode) -> base_node.BaseNode | None:
  """The look-up of the previous run's statistics; its output is `statistics`, and there is none for KFP.

  Args:
    target: where the run happens.
    statistics: this run's StatisticsGen, whose output must not be found.
  """
  if target is Target.KFP:
    return None
  found = channel.Channel(type=standard_artifacts.ExampleStatistics)
  if target is Target.LOCAL:
    current = statistics.outputs['statistics']
    strategy = EarlierStatisticsStrategy
    return resolver.Resolver(strategy_class=strategy, current=current, statistics=found).with_id('EarlierStatistics')
  latest = latest_artifact_strategy.LatestArtifactStrategy
  earlier = resolver.Resolver(strategy_class=latest, statistics=found).with_id('EarlierStatistics')
  # The latest statistics are the earlier ones only as long as this run has none.
  statistics.add_upstream_node(earlier)
  return earlier
