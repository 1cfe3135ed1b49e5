"""What `study.json` holds, beside the tables; needs no TensorFlow."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from configs.records import Record, RecordPart


class OccupiedCells(RecordPart):
  """Where the rides are, of the case study's cells.

  Attributes:
    pickup_cells: pickup cells with at least one ride.
    pairs: pairs of cells with at least one ride.
    largest_share: of the rides, in the pair that has most.
    degrees: width and height of what buckets of equal width divide, degrees.
  """

  pickup_cells: int
  pairs: int
  largest_share: float
  degrees: tuple[float, float] = (8.0, 8.0)


class LostVariant(RecordPart):
  """A variant of a block that could not be measured, and why."""

  block: str
  variant: str
  reason: str


class RideLatency(RecordPart):
  """Microseconds of a lite file for one ride: the median, and the smallest and largest median of the rounds."""

  latency_us: float
  latency_low_us: float
  latency_high_us: float


class StudyRecord(Record):
  """What a study was made of, its notes, and what could not be measured.

  Attributes:
    currency: ISO 4217 code of the fares.
    rides: that were divided.
    seeds: of the divisions.
    folds: of each division.
    cells: of the case study, `published` and `fitted`; empty where that block was never measured.
    identity: equal for studies of the same rides, config, seeds and folds.
    code: digest of the code that measured.
    written: when, by this machine's clock.
    units: variants times seeds times folds that were measured.
  """

  FIX: ClassVar[str] = 'make the study again with farelite study --output'

  name: str
  currency: str
  rides: int
  seeds: int
  folds: int
  notes: tuple[str, ...] = ()
  lost: tuple[LostVariant, ...] = ()
  cells: Mapping[str, OccupiedCells] = {}
  identity: str | None = None
  code: str | None = None
  written: str = ''
  units: int = 0
