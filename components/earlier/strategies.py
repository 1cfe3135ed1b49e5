"""Resolves the model and the statistics that a run compares itself with.

TFX's own strategies find, on a second run with nothing changed, what the first run made: the candidate would be
compared with itself, the evaluation would miss the cache, and the same model would be pushed again. These leave out
what this very run uses. Vertex can't run a strategy of one's own; it gets TFX's.
"""

from __future__ import annotations

import ml_metadata as mlmd
from tfx import types
from tfx.dsl.components.common import resolver
from tfx.dsl.io import fileio

_CURRENT_MODEL_ID = 'current_model_id'
_BLESSED = 'blessed'


class OtherBlessedModelStrategy(resolver.ResolverStrategy):
  """The model blessed last that is not the candidate itself.

  Channels: `model` (Model), `model_blessing` (ModelBlessing), and optionally
  `candidate` (Model, of this run). A model whose files are gone is no baseline.
  """

  def resolve_artifacts(
    self, store: mlmd.MetadataStore, input_dict: dict[str, list[types.Artifact]]
  ) -> dict[str, list[types.Artifact]]:
    """Returns the same channels, `model` and `model_blessing` with one artifact or none."""
    del store
    candidates = {artifact.id for artifact in input_dict.get('candidate', [])}
    blessings = {
      blessing.get_int_custom_property(_CURRENT_MODEL_ID): blessing
      for blessing in sorted(input_dict['model_blessing'], key=lambda artifact: artifact.id)
      if blessing.get_int_custom_property(_BLESSED) == 1
    }
    blessed = [m for m in input_dict['model'] if m.id in blessings and m.id not in candidates and fileio.exists(m.uri)]
    latest = max(blessed, key=lambda model: blessings[model.id].id, default=None)
    return {
      **input_dict,
      'model': [latest] if latest else [],
      'model_blessing': [blessings[latest.id]] if latest else [],
    }


class EarlierStatisticsStrategy(resolver.ResolverStrategy):
  """The statistics computed last that are not this run's.

  Channels: `current` and `statistics`, both ExampleStatistics.
  """

  def resolve_artifacts(
    self, store: mlmd.MetadataStore, input_dict: dict[str, list[types.Artifact]]
  ) -> dict[str, list[types.Artifact]]:
    """Returns the same channels, `statistics` with one artifact or none."""
    del store
    current = {artifact.id for artifact in input_dict['current']}
    others = [a for a in input_dict['statistics'] if a.id not in current and fileio.exists(a.uri)]
    latest = max(others, key=lambda artifact: artifact.id, default=None)
    return {**input_dict, 'statistics': [latest] if latest else []}
