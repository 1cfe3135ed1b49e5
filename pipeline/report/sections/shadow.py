"""What was to be pushed beside what serves, on the newest rides: the differences of fares, by slice."""

from __future__ import annotations

from typing import NamedTuple

from components.compression_gate.records import FareDifferences, ShadowRecord
from configs.amounts import amount
from pipeline.report.record import RunRecord
from pipeline.report.tables import (
  Heading,
  Row,
  Table,
  figure,
  money,
  number,
  percent,
  row,
  signed,
  table,
  whole,
  words,
)


class ShadowSection(NamedTuple):
  """The section.

  Attributes:
    version: the one that serves.
    sentences: what was compared, and how far apart it is.
    held: why the push is held, a sentence each; empty where it is not.
    table: of all rides and each slice.
  """

  version: str
  sentences: tuple[str, ...]
  held: tuple[str, ...]
  table: Table


def shadow_section(record: RunRecord) -> ShadowSection | None:
  """The section, or `None` where nothing was compared."""
  shadow = record.summary.shadow
  if shadow is None:
    return None
  overall, currency = shadow.overall, record.currency
  where = f'Both files were run on the same {whole(overall.rides)} rides, all of the newest span'
  direction = 'more' if overall.mean > 0 else 'less'
  mean = f'{money(abs(overall.mean), currency)} ({percent(abs(overall.change), 1)}) {direction}'
  sentences = (
    f'{where}: {shadow.variant}, which was to be pushed, and that of version {shadow.version}, which serves.',
    f'On average a ride costs {mean} by the new file, and 95 % of the fares are within {money(overall.p95, currency)} '
    f'of the served ones. {percent(overall.share_apart, 1)} are more than {money(shadow.apart, currency)} apart, '
    f'which is {percent(shadow.limits.apart, 0)} of the served median fare.',
    'A difference is no error: which of the two is nearer to what was paid, the errors on the eval split say.',
  )
  held = tuple(f'{sentence[0].upper()}{sentence[1:]}.' for sentence in shadow.held)
  return ShadowSection(shadow.version, sentences, held, _table(shadow, currency))


def _table(shadow: ShadowRecord, currency: str) -> Table:
  headings = (
    *words('slice'),
    'rides',
    Heading('mean change', currency, meaning='New fares less served ones.'),
    Heading('of the served mean', '%'),
    Heading('mean apart', currency, meaning='Mean of the differences without their signs.'),
    *(Heading(f'p{rank} apart', currency, meaning=f'{rank} % are no farther apart.') for rank in (50, 95, 99)),
    Heading('apart', '%', meaning=f'Rides whose fares differ by more than {amount(shadow.apart, currency)}.'),
  )
  rows = (_row('all', shadow.overall), *(_row(found.name, found) for found in shadow.slices))
  return table('Fares beside those of the version that serves, by slice', headings, rows, sortable=True)


def _row(name: str, found: FareDifferences) -> Row:
  amounts = (found.mean_absolute, found.p50, found.p95, found.p99)
  return row(
    name,
    figure(found.rides, whole),
    figure(found.mean, signed),
    figure(100 * found.change, lambda value: signed(value, 1)),
    *(figure(amount, number) for amount in amounts),
    figure(100 * found.share_apart, lambda value: number(value, 1)),
  )
