"""The part of a config that decides what ingestion writes, as text for the cache key."""

from __future__ import annotations

import json
from typing import Any

from configs.dataset import Dataset
from configs.split import Split, SplitMethod

_IRRELEVANT: dict[str, Any] = {
  'name': True,
  'path': True,
  'bigquery': True,
  'city': True,
  'currency': True,
  'known_after_ride': True,
  'columns': {'key'},
  'rules': {'max_quarantined_share'},
  'extras': {'__all__': {'unit', 'meaning'}},
}


def dump_dataset(dataset: Dataset) -> str:
  """JSON of what matters to ingestion, so that a change of anything else does not ingest again.

  Where the rides are is left out, as the step's own parameters have it.
  """
  return json.dumps(dataset.model_dump(mode='json', exclude=_IRRELEVANT), sort_keys=True)


def load_dataset(text: str) -> Dataset:
  """A dataset from `dump_dataset`, good for ingestion; what was left out has placeholders."""
  placeholders = {'name': 'ingestion', 'city': {'center_latitude': 0.0, 'center_longitude': 0.0}}
  return Dataset.model_validate(placeholders | json.loads(text))


def dump_split(split: Split) -> str:
  """JSON of a split; without what its method does not look at."""
  exclude = {SplitMethod.CHRONOLOGICAL: {'seed'}, SplitMethod.NEWEST_SPAN: {'seed', 'eval_share'}}.get(split.method)
  return json.dumps(split.model_dump(mode='json', exclude=exclude), sort_keys=True)


def load_split(text: str) -> Split:
  """A split from `dump_split`."""
  return Split.model_validate(json.loads(text))
