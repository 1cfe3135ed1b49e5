"""The top of the page: what came of the run, in a sentence and a few figures."""

from __future__ import annotations

import dataclasses

from components.compression_gate.records import CompressionRecord, JudgedVariant
from configs.records import Estimate
from pipeline.report.record import RunRecord
from pipeline.report.wording import bracket, change, interval, microseconds, money, percent, seconds, size
from pipeline.steps import StepState
from pipeline.summary_record import Status

BADGES = {
  Status.PUSHED: 'Pushed',
  Status.NOT_BLESSED: 'Not pushed',
  Status.ANOMALIES: 'Stopped',
  Status.FAILED: 'Failed',
}


@dataclasses.dataclass(frozen=True)
class Tile:
  """One figure: its name, itself, and what goes with it."""

  name: str
  value: str
  note: str = ''


@dataclasses.dataclass(frozen=True)
class Headline:
  """What came of the run.

  Attributes:
    status: as in the summary.
    badge: the status, for people.
    title: a short sentence.
    sentences: what was chosen and how good it is.
    reason: why; several paragraphs where several things went wrong.
    tiles: the most important figures.
  """

  status: str
  badge: str
  title: str
  sentences: tuple[str, ...]
  reason: tuple[str, ...]
  tiles: tuple[Tile, ...]


def headline(record: RunRecord, variants: CompressionRecord | None) -> Headline:
  """The top of the page of any run."""
  status = record.summary.status
  chosen = variants.named(variants.chosen) if variants else None
  reasons = [record.summary.reason]
  if variants and variants.reason not in reasons[0]:
    reasons.append(variants.reason)
  lines = [line.strip() for reason in reasons for line in reason.splitlines()]
  return Headline(
    status=status.value,
    badge=BADGES[status],
    title=_title(record, status, chosen),
    sentences=_sentences(record, variants, chosen),
    reason=tuple(dict.fromkeys(line for line in lines if line)),
    tiles=_tiles(record, variants, chosen),
  )


def _title(record: RunRecord, status: Status, chosen: JudgedVariant | None) -> str:
  if status is Status.PUSHED:
    return f'{chosen.name} was pushed' if chosen else 'The model was pushed'
  if status is Status.NOT_BLESSED:
    return 'Nothing was pushed; the served model stays'
  if status is Status.ANOMALIES:
    return 'Stopped before training: the rides are not what was expected'
  failed = [step.name for step in record.steps() if step.state is StepState.FAILED]
  return f'The run failed in {failed[0]}' if failed else 'The run failed before its first step'


def _sentences(record: RunRecord, variants: CompressionRecord | None, chosen: JudgedVariant | None) -> tuple[str, ...]:
  """How good the chosen variant is, or else the trained model."""
  if chosen and chosen.rmse and variants:
    return (_accuracy(record, variants, chosen), _cost(variants, chosen))
  rmse = record.error('rmse')
  if rmse is None:
    return ()
  return (f'On rides that it was not trained on, the model has an RMSE of {interval(rmse)} {record.currency}.',)


def _accuracy(record: RunRecord, variants: CompressionRecord, chosen: JudgedVariant) -> str:
  text = (
    f'On rides that it was not trained on, the file itself has an RMSE of {interval(chosen.rmse)} {record.currency}'
  )
  if chosen.rmse_ratio is None or chosen.name == variants.baseline:
    return f'{text}.'
  return f'{text}: {change(chosen.rmse_ratio.value)} float32 (ratio {interval(chosen.rmse_ratio, 3)}).'


def _cost(variants: CompressionRecord, chosen: JudgedVariant) -> str:
  text = f'It takes {size(chosen.bytes)}, {size(chosen.gzip_bytes)} after gzip'
  base = variants.named(variants.baseline)
  if base and base is not chosen and base.bytes and chosen.bytes and base.gzip_bytes and chosen.gzip_bytes:
    share, zipped = chosen.bytes / base.bytes, chosen.gzip_bytes / base.gzip_bytes
    text += f' ({percent(share, 0)} and {percent(zipped, 0)} of float32)'
  if chosen.latency_us:
    text += f', and predicts a fare in {microseconds(chosen.latency_us.p50)}'
  return f'{text}.'


def _tiles(record: RunRecord, variants: CompressionRecord | None, chosen: JudgedVariant | None) -> tuple[Tile, ...]:
  rmse = chosen.rmse if chosen and chosen.rmse else record.error('rmse')
  mae = chosen.mae if chosen and chosen.mae else record.error('mae')
  tiles = [_error_tile('RMSE', rmse, record.currency), _error_tile('MAE', mae, record.currency)]
  if chosen:
    tiles.append(Tile('Size', size(chosen.bytes), f'{size(chosen.gzip_bytes)} after gzip'))
    if chosen.latency_us:
      tail = f'99 % of calls under {microseconds(chosen.latency_us.p99)}'
      tiles.append(Tile('One ride takes', microseconds(chosen.latency_us.p50), tail))
  rows = record.summary.rows
  if rows:
    tiles.append(Tile('Rides kept', f'{rows.kept:,}', f'of {rows.read:,} read'))
  if steps := record.steps():
    tiles.append(Tile('The run took', seconds(sum(step.seconds for step in steps)), f'{len(steps)} steps'))
  return tuple(tile for tile in tiles if tile is not None)


def _error_tile(name: str, found: Estimate | None, currency: str) -> Tile | None:
  return Tile(name, money(found.value, currency), f'95 % interval {bracket(found)}') if found else None
