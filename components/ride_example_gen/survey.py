"""Looks at the rides of a span before any run does: how many are valid, and whether a run could use it at all."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Iterator, Sequence

import pyarrow as pa

from components.ride_example_gen.errors import IngestionError
from components.ride_example_gen.ingestion import judged_blocks
from components.ride_example_gen.reasons import Reason
from configs.dataset import Dataset


@dataclasses.dataclass(frozen=True)
class SpanSurvey:
  """What is in a span.

  Attributes:
    read: all rows, malformed lines included; of the files up to the first one that could not be read.
    kept: valid rides among them.
    broken: why no run can use the span, one sentence; `None` if it can.
  """

  read: int
  kept: int
  broken: str | None = None


def survey_span(files: Sequence[str], dataset: Dataset) -> SpanSurvey:
  """Reads every file of a span, by the same rules as the ingestion.

  Args:
    files: of one span.
    dataset: the mapping and the rules; `rules.max_quarantined_share` bounds this span alone.
  """
  read, kept, reasons = 0, 0, Counter[str]()
  try:
    for path in files:
      for block, canonical in judged_blocks(path, dataset):
        read += block.rows.num_rows + len(block.malformed)
        kept += int(canonical.valid.sum())
        reasons[Reason.WRONG_NUMBER_OF_FIELDS.value] += len(block.malformed)
        reasons.update(canonical.reason.drop_null().to_pylist())
  except IngestionError as error:
    return SpanSurvey(read, kept, str(error))
  return SpanSurvey(read, kept, _broken(read, kept, +reasons, dataset.rules.max_quarantined_share))


def _broken(read: int, kept: int, reasons: Counter[str], limit: float) -> str | None:
  if not kept:
    return 'It has no valid ride.' if read else 'It has no ride at all.'
  share = 1 - kept / read
  if share <= limit:
    return None
  worst, count = reasons.most_common(1)[0]
  return (
    f'{100 * share:.3g} % of its {read:,} rows break a rule (rules.max_quarantined_share is {100 * limit:.3g} %), '
    f'most of all {worst} ({count:,}).'
  )


def valid_rides(files: Sequence[str], dataset: Dataset) -> Iterator[pa.RecordBatch]:
  """The valid canonical rides of some files, as single values a row.

  Raises:
    IngestionError: a file can't be read.
  """
  for path in files:
    for _, canonical in judged_blocks(path, dataset):
      mask = pa.array(canonical.valid)
      columns = [column.filter(mask) for column in canonical.rides.columns]
      yield pa.RecordBatch.from_arrays(columns, canonical.rides.schema.names)
