"""Resolves the model and the statistics that a run compares itself with.

TFX's own strategies find, on a second run with nothing changed, what the first run made: the candidate would be
compared with itself, the evaluation would miss the cache, and the same model would be pushed again. These leave out
what this very run uses. Vertex can't run a strategy of one's own; it gets TFX's.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

import ml_metadata as mlmd
from tfx import types
from tfx.dsl.components.common import resolver
from tfx.dsl.io import fileio

from components.pusher.component import EVALUATED_MODEL_ID, WITHDRAWN_MODEL_ID


class ServedModelStrategy(resolver.ResolverStrategy):
  """The model that was blessed for the last push and is not the candidate itself. A rollback counts as a push.

  A model that the Evaluator blessed, but no lite file of which kept its budget, was never pushed and is no baseline.

  Channels: `model` (Model), `pushed_model` (PushedModel), and optionally `candidate` (Model, of this run). A model
  whose files are gone is no baseline, nor is one that a rollback withdrew.
  """

  def resolve_artifacts(
    self, store: mlmd.MetadataStore, input_dict: dict[str, list[types.Artifact]]
  ) -> dict[str, list[types.Artifact]]:
    """Returns the same channels, `model` and `pushed_model` with one artifact or none."""
    del store
    candidates = {artifact.id for artifact in input_dict.get('candidate', [])}
    pushes_in_order = sorted(input_dict['pushed_model'], key=lambda artifact: artifact.id)
    pushes = {push.get_int_custom_property(EVALUATED_MODEL_ID): push for push in pushes_in_order}
    others = candidates | _withdrawn(pushes_in_order)
    served = [m for m in input_dict['model'] if m.id in pushes and m.id not in others and fileio.exists(m.uri)]
    latest = max(served, key=lambda model: pushes[model.id].id, default=None)
    return {
      **input_dict,
      'model': [latest] if latest else [],
      'pushed_model': [pushes[latest.id]] if latest else [],
    }


def _withdrawn(pushes: Sequence[types.Artifact]) -> set[int]:
  """Ids of the models that rollbacks took out of service and that were not put back since."""
  withdrawn: set[int] = set()
  for push in pushes:
    if push.has_custom_property(WITHDRAWN_MODEL_ID):
      withdrawn.add(push.get_int_custom_property(WITHDRAWN_MODEL_ID))
    withdrawn.discard(push.get_int_custom_property(EVALUATED_MODEL_ID))
  return withdrawn


class BaselineStatisticsStrategy(resolver.ResolverStrategy):
  """The statistics computed last that are of other rides than this run's.

  The same rides are measured anew where `dataset.rules.max_quarantined_share` changes; compared with themselves they
  would never drift. Channels: `current` and `statistics`, both ExampleStatistics.
  """

  def resolve_artifacts(
    self, store: mlmd.MetadataStore, input_dict: dict[str, list[types.Artifact]]
  ) -> dict[str, list[types.Artifact]]:
    """Returns the same channels, `statistics` with one artifact or none."""
    current = {artifact.id for artifact in input_dict['current']}
    rides = _made_from(store, current)
    newest_first = sorted(input_dict['statistics'], key=lambda artifact: artifact.id, reverse=True)
    others = (a for a in newest_first if a.id not in current and fileio.exists(a.uri))
    latest = next((a for a in others if not rides & _made_from(store, {a.id})), None)
    return {**input_dict, 'statistics': [latest] if latest else []}


def _made_from(store: mlmd.MetadataStore, artifacts: Collection[int]) -> set[int]:
  """Ids of the artifacts that the steps read whose outputs these are."""
  made = [event for event in store.get_events_by_artifact_ids(list(artifacts)) if event.type == mlmd.proto.Event.OUTPUT]
  around = store.get_events_by_execution_ids(sorted({event.execution_id for event in made}))
  return {event.artifact_id for event in around if event.type == mlmd.proto.Event.INPUT}
