"""Whether enough valid rides came to go on; the counts say it, before any statistics are made."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from components.ride_example_gen.counts import RideCounts
from configs.errors import FailedError

TOP_REASONS = 3
"""How many reasons a refusal names."""


class RidesRefusedError(FailedError):
  """Too few valid rides; the message is one sentence on what came, where it lies and what to do."""


def check_rides(counts: RideCounts, max_quarantined_share: float, uri: str) -> None:
  """Refuses rides that a model must not be trained on.

  Args:
    counts: the ingestion's, of all files.
    max_quarantined_share: a fraction; exactly as many are still accepted.
    uri: where the quarantined rows lie.

  Raises:
    RidesRefusedError: nothing was read, nothing is valid, too much is quarantined, or a split is empty.
  """
  quarantined = sum(counts.quarantined.values())
  if counts.read == 0:
    raise RidesRefusedError(
      f'No rides were read from {_files(counts.files)}: give dataset.path files with at least one row.'
    )
  mend = f'they lie with their reasons in {uri}; mend the data, widen dataset.rules'
  reasons = _top_reasons(counts.quarantined)
  if counts.kept == 0:
    raise RidesRefusedError(
      f'All {counts.read:,} rides are invalid ({reasons}): {mend} or correct the columns and the time format.'
    )
  if quarantined / counts.read > max_quarantined_share:
    share, limit = _percent(quarantined / counts.read), _percent(max_quarantined_share)
    raise RidesRefusedError(
      f'{quarantined:,} of {counts.read:,} rides ({share}) are invalid, more than the {limit} of '
      f'dataset.rules.max_quarantined_share ({reasons}): {mend} or raise the limit.'
    )
  _check_splits(counts.splits, counts.kept)


def _check_splits(splits: Mapping[str, int], kept: int) -> None:
  for split in ('train', 'eval'):
    if splits.get(split, 0) == 0:
      rides = 'the only valid ride' if kept == 1 else f'all {kept:,} valid rides, as rides of one time stamp do,'
      raise RidesRefusedError(
        f'The {split} split is empty because {rides} fell into the other one: give rides of more time stamps, '
        'or change split.eval_share or split.seed.'
      )


def _files(files: Sequence[str]) -> str:
  return files[0] if len(files) == 1 else f'{len(files)} files'


def _top_reasons(reasons: Mapping[str, int]) -> str:
  ranked = sorted(reasons.items(), key=lambda item: (-item[1], item[0]))
  ranked = [(reason, count) for reason, count in ranked if count]
  named = [f'{reason}: {count:,}' for reason, count in ranked[:TOP_REASONS]]
  rest = sum(count for _, count in ranked[TOP_REASONS:])
  return ', '.join([*named, f'other reasons: {rest:,}'] if rest else named)


def _percent(share: float) -> str:
  return f'{100 * share:.3g} %'
