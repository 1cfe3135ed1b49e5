"""The part of a config that decides what ingestion writes, as text for the cache key."""

from __future__ import annotations

import json

from configs.dataset import COORDINATES, LABEL, PASSENGERS, Dataset
from configs.parts import Part
from configs.split import Split, SplitMethod

DATASET = Part(
  Dataset,
  'format',
  'delimiter',
  'missing',
  *(f'columns.{name}' for name in (LABEL, *COORDINATES, PASSENGERS)),
  'time',
  *(f'extras.{name}' for name in ('name', 'column', 'kind', 'vocabulary')),
  *(f'rules.{name}' for name in ('fare', 'bounds', 'passengers', 'earliest', 'latest')),
)
"""What ingestion reads; where the rides are, the step's own parameters say."""


def dump_split(split: Split) -> str:
  """JSON of a split; without what its method does not look at."""
  exclude = {SplitMethod.CHRONOLOGICAL: {'seed'}, SplitMethod.NEWEST_SPAN: {'seed', 'eval_share'}}.get(split.method)
  return json.dumps(split.model_dump(mode='json', exclude=exclude), sort_keys=True)


def load_split(text: str) -> Split:
  """A split from `dump_split`."""
  return Split.model_validate(json.loads(text))
