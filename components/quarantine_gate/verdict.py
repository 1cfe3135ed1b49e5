"""Whether enough valid rides came to go on; the counts say it, before any statistics are made."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

TOP_REASONS = 3
"""How many reasons a refusal names."""


class RidesRefused(RuntimeError):  # noqa: N818, it names a result, not a fault of the program
  """Too few valid rides; the message is one sentence on what came, where it lies and what to do."""


def check_rides(counts: Mapping[str, Any], max_quarantined_share: float, uri: str) -> None:
  """Refuses rides that a model must not be trained on.

  Args:
    counts: `read` (rows), `kept` (valid rows), `quarantined` (rows by reason), `splits` (rows of `train` and `eval`),
      `files`, as the ingestion counts them.
    max_quarantined_share: a fraction; exactly as many are still accepted.
    uri: where the quarantined rows lie.

  Raises:
    RidesRefused: nothing was read, nothing is valid, too much is quarantined, or a split is empty.
  """
  read, kept = int(counts['read']), int(counts['kept'])
  quarantined = sum(counts['quarantined'].values())
  if read == 0:
    raise RidesRefused(f'No rides were read from {_files(counts)}: give dataset.path files with at least one row.')
  mend = f'they lie with their reasons in {uri}; mend the data, widen dataset.rules'
  reasons = _top_reasons(counts['quarantined'])
  if kept == 0:
    raise RidesRefused(
      f'All {read:,} rides are invalid ({reasons}): {mend} or correct the columns and the time format.'
    )
  if quarantined / read > max_quarantined_share:
    share, limit = _percent(quarantined / read), _percent(max_quarantined_share)
    raise RidesRefused(
      f'{quarantined:,} of {read:,} rides ({share}) are invalid, more than the {limit} of '
      f'dataset.rules.max_quarantined_share ({reasons}): {mend} or raise the limit.'
    )
  _check_splits(counts['splits'], kept)


def _check_splits(splits: Mapping[str, int], kept: int) -> None:
  for split in ('train', 'eval'):
    if splits.get(split, 0) == 0:
      rides = 'the only valid ride' if kept == 1 else f'all {kept:,} valid rides, as rides of one time stamp do,'
      raise RidesRefused(
        f'The {split} split is empty because {rides} fell into the other one: give rides of more time stamps, '
        'or change split.eval_share or split.seed.'
      )


def _files(counts: Mapping[str, Any]) -> str:
  """`files` may be a count or a list of names."""
  files = counts.get('files', 0)
  number = files if isinstance(files, int) else len(files)
  return 'one file' if number == 1 else f'{number} files'


def _top_reasons(reasons: Mapping[str, int]) -> str:
  ranked = sorted(reasons.items(), key=lambda item: (-item[1], item[0]))
  ranked = [(reason, count) for reason, count in ranked if count]
  named = [f'{reason}: {count:,}' for reason, count in ranked[:TOP_REASONS]]
  rest = sum(count for _, count in ranked[TOP_REASONS:])
  return ', '.join([*named, f'other reasons: {rest:,}'] if rest else named)


def _percent(share: float) -> str:
  return f'{100 * share:.3g} %'
