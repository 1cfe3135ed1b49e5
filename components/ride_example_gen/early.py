"""A look at the first rides before anything is loaded: what can't be read at all is refused at once, with its mend."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence

from components.ride_example_gen.canonical import canonicalize
from components.ride_example_gen.files import IngestionError
from components.ride_example_gen.hints import hinted
from components.ride_example_gen.quarantine import broken_examples
from components.ride_example_gen.reading import read_blocks
from components.ride_example_gen.rows import RowBlock
from configs.dataset import Dataset

_ROWS, _FEWEST = 2_000, 10
_NEARLY_ALL = 0.9


def refuse_junk(files: Sequence[str], dataset: Dataset, *, label_required: bool = True) -> None:
  """Refuses rides that the dataset's settings don't fit, as told by the first file and the last one.

  One of several files may be bad: a run sets it aside, or names it. Rows that no setting makes readable are left to the
  counts of the run, too.

  Raises: IngestionError: neither file can be read, or nearly all of its first rows are of no use as they are read, and
    of use by another setting, which the message names.
  """
  looked_at = dict.fromkeys([*files[:1], *files[-1:]])
  errors = [error for file in looked_at if (error := _junk(file, dataset, label_required))]
  if errors and len(errors) == len(looked_at):
    raise errors[0]


def _junk(path: str, dataset: Dataset, label_required: bool) -> IngestionError | None:
  try:
    with contextlib.closing(read_blocks(path, dataset, label_required=label_required)) as blocks:  # type: ignore[type-var]
      block = next(blocks, None)
    return None if block is None else _unfit(path, block, dataset, label_required)
  except IngestionError as error:
    return error


def _unfit(path: str, block: RowBlock, dataset: Dataset, label_required: bool) -> IngestionError | None:
  """What is wrong with the first rows, where a setting mends nearly all of them."""
  rows = block._replace(
    rows=block.rows.slice(0, _ROWS), numbers=block.numbers[:_ROWS], malformed=(),
    lines=None if block.lines is None else block.lines[:_ROWS],
  )  # fmt: skip
  if rows.read < _FEWEST:
    return None
  try:
    judged = canonicalize(rows.rows, dataset, label_required=label_required)
  except IngestionError as error:
    return IngestionError(f"'{path}': {error}")
  broken = int((~judged.valid).sum())
  if broken <= max(_NEARLY_ALL, dataset.rules.max_quarantined_share) * rows.read:
    return None
  examples = hinted(broken_examples(path, rows, judged.valid, judged.reason, judged.column), dataset)
  mend = next((example for example in examples if example.hint), None)
  if mend is None:
    return None
  share = 'All' if broken == rows.read else f'{broken:,}'
  return IngestionError(f"{share} of the first {rows.read:,} rides of '{path}' are of no use: {mend.sentence()}")
