"""Whether a reduction fits the features of a run. Told when the config is read."""

from __future__ import annotations

from collections.abc import Iterator

from configs.dataset import Dataset
from configs.features import Features
from configs.layers import embeddings, has_numeric
from configs.problems import Problem
from configs.reduction import Reduction


def reduction_problems(reduction: Reduction, dataset: Dataset, features: Features) -> Iterator[Problem]:
  """Everything that makes a reduction, valid in itself, impossible for these features; located from the config down."""
  if not reduction.is_on:
    return
  if not has_numeric(dataset, features):
    told = f'must be none: no feature block yields a number that {reduction.method.value} could work on.'
    yield Problem(('reduction', 'method'), told)
  if reduction.takes_categoricals and not embeddings(dataset, features):
    told = 'must be false: neither buckets nor crosses are on, and the dataset has no categorical extra.'
    yield Problem(('reduction', 'categoricals'), told)
