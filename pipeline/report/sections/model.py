"""What came of the run: the sentence and figures at the top, the model card, the variants, and what served before."""

from __future__ import annotations

import pathlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from components.compression_gate.records import CompressionRecord, JudgedVariant
from configs.base import joined
from configs.columns import LABEL
from configs.records import RecordError
from models.release import EXTRA, LITE_FILE, MANIFEST, Manifest, lite_file
from models.served_versions import served_version, version_number
from pipeline.local.steps import StepState
from pipeline.report.judged import Judged
from pipeline.report.record import (
  ColumnSummary,
  Difference,
  RunRecord,
  differences,
  period,
  read_config,
)
from pipeline.report.tables import (
  MISSING,
  Cell,
  Table,
  bracket,
  counted,
  day,
  degrees,
  figure,
  figures,
  interval,
  microseconds,
  money,
  percent,
  row,
  seconds,
  size,
  steps_of,
  table,
  words,
)
from pipeline.summary_record import Status

BADGES = {
  Status.PUSHED: 'Pushed',
  Status.NOT_BLESSED: 'Not pushed',
  Status.ANOMALIES: 'Stopped',
  Status.FAILED: 'Failed',
}


class Tile(NamedTuple):
  """One figure: its name, itself, and what goes with it."""

  name: str
  value: str
  note: str = ''


class Headline(NamedTuple):
  """What came of the run: its status (for people, the badge), in a sentence, how good it is, why, and in figures."""

  status: str
  badge: str
  title: str
  sentences: tuple[str, ...]
  reason: tuple[str, ...]
  tiles: tuple[Tile, ...]


def headline(record: RunRecord) -> Headline:
  """The top of the page of any run."""
  status, reason = record.summary.status, record.summary.reason
  if record.variants and record.variants.reason not in reason:
    reason += f'\n{record.variants.reason}'
  lines = (line.strip() for line in reason.splitlines())
  return Headline(
    status=status.value,
    badge=BADGES[status],
    title=_title(record),
    sentences=_sentences(record),
    reason=tuple(dict.fromkeys(line for line in lines if line)),
    tiles=_tiles(record),
  )


def _title(record: RunRecord) -> str:
  status = record.summary.status
  if status is Status.PUSHED:
    return f'{record.chosen.name if record.chosen else "The model"} was pushed'
  if status is Status.NOT_BLESSED:
    return 'Nothing was pushed; the served model stays'
  if status is Status.ANOMALIES:
    return 'Stopped before training: the rides are not what was expected'
  failed = [step.name for step in record.steps() if step.state is StepState.FAILED]
  return f'The run failed in {failed[0]}' if failed else 'The run failed before its first step'


def _sentences(record: RunRecord) -> tuple[str, ...]:
  """How good the chosen variant is, or else the trained model."""
  variants, chosen = record.variants, record.chosen
  if variants and chosen and chosen.rmse:
    return (_accuracy(record.judged, variants, chosen), _cost(record.judged, variants, chosen))
  rmse = record.error('rmse')
  return (f'{_unseen(record.judged)}, the model has an RMSE of {interval(rmse)} {record.currency}.',) if rmse else ()


def _unseen(judged: Judged) -> str:
  return f'On {judged.example}s that it was not trained on'


def _accuracy(judged: Judged, variants: CompressionRecord, chosen: JudgedVariant) -> str:
  text = f'{_unseen(judged)}, the file itself has {judged.article} of {judged.written(judged.error(chosen))}'
  relative = judged.relative(chosen)
  return f'{text}.' if relative is None or chosen.name == variants.baseline else f'{text}: {judged.beside(relative)}.'


def _cost(judged: Judged, variants: CompressionRecord, chosen: JudgedVariant) -> str:
  text = f'It takes {size(chosen.bytes)}, {size(chosen.gzip_bytes)} after gzip'
  base = variants.named(variants.baseline)
  if base and base is not chosen and base.bytes and chosen.bytes and base.gzip_bytes and chosen.gzip_bytes:
    share, zipped = chosen.bytes / base.bytes, chosen.gzip_bytes / base.gzip_bytes
    text += f' ({percent(share, 0)} and {percent(zipped, 0)} of float32)'
  if chosen.latency_us:
    text += f', and predicts {judged.of_answer} in {microseconds(chosen.latency_us.p50)}'
  return f'{text}.'


def _tiles(record: RunRecord) -> tuple[Tile, ...]:
  errors = {'RMSE': record.shown_error('rmse'), 'MAE': record.shown_error('mae') or record.error('mae')}
  tiles = [
    Tile(name, money(found.value, record.currency), f'95 % interval {bracket(found)}')
    for name, found in errors.items()
    if found
  ]
  if chosen := record.chosen:
    tiles += _file_tiles(record.judged, chosen)
  if rows := record.summary.rows:
    tiles.append(Tile('Rides kept', f'{rows.kept:,}', f'of {rows.read:,} read'))
  if steps := record.steps():
    tiles.append(Tile('The run took', seconds(record.duration), steps_of(steps)))
  return tuple(tiles)


def _file_tiles(judged: Judged, file: JudgedVariant) -> Iterator[Tile]:
  yield Tile('Size', size(file.bytes), f'{size(file.gzip_bytes)} after gzip')
  if file.latency_us:
    what = 'set, invoke, get; ' if file.latency_us.whole_call else ''
    tail = f'{what}99 % of calls under {microseconds(file.latency_us.p99)}'
    yield Tile(f'One {judged.example} takes', microseconds(file.latency_us.p50), tail)


def file_headline(record: RunRecord, title: str) -> Headline:
  """The top of a page of artifacts alone: the file that was chosen, else the one that others are compared with."""
  variants, judged = record.variants, record.judged
  found = record.chosen or (variants.named(variants.baseline) if variants else None)
  if variants is None or found is None or judged.error(found) is None:
    return Headline('', '', title, (), (variants.reason,) if variants else (), ())
  tiles = []
  for one in (judged, *judged.others):
    if error := one.error(found):
      value, bounds = one.parts(error)
      tiles.append(Tile(one.title, value, f'95 % interval {bounds}' if bounds else ''))
  badge = f'Chosen: {found.name}' if record.chosen else 'Nothing was chosen'
  sentences = (_accuracy(judged, variants, found), _cost(judged, variants, found))
  return Headline('', badge, title, sentences, (variants.reason,), (*tiles, *_file_tiles(judged, found)))


_MIN_RIDES = 50
"""A slice with fewer rides is no ground for a sentence."""


def model_card(record: RunRecord, columns: Sequence[ColumnSummary]) -> dict[str, Sequence[str]]:
  """The card: sentences by heading; empty where there is no model, or the config is lost."""
  dataset = record.config.get('dataset')
  if not dataset or not (record.summary.metrics or record.variants):
    return {}
  topics = {
    'What it is for': _use(record, dataset),
    'What it learned from': _data(record, dataset, columns),
    'How good it is': _metrics(record),
    'What it cannot do': _limits(record, columns),
    'What to keep in mind': _ethics(record),
  }
  return {title: found for title, sentences in topics.items() if (found := list(sentences))}


def _use(record: RunRecord, dataset: Mapping[str, Any]) -> Iterator[str]:
  yield (
    f"It estimates what a taxi ride of the dataset '{dataset['name']}' will cost, in {record.currency}, from what is "
    'known before the ride: the time of the pickup, where it begins and ends, and the number of passengers where it is '
    'told.'
  )
  yield (
    'It is made to show an expected fare and to notice unusual ones. It is no taximeter: do not charge what it says.'
  )


def _data(record: RunRecord, dataset: Mapping[str, Any], columns: Sequence[ColumnSummary]) -> Iterator[str]:
  rows, box = record.summary.rows, (dataset.get('rules') or {}).get('bounds')
  if rows:
    train, held = counted(rows.splits.get('train', 0), 'ride'), counted(rows.splits.get('eval', 0), 'other ride')
    yield f'{train} to learn from; {held}, of other moments, to judge it by.'
  if found := period(columns):
    yield f'Period: {day(found[0])} to {day(found[1])}, on the wall clock of the city.'
  if box:
    ranges = [f'{name} {degrees(box[name])}' for name in ('latitude', 'longitude')]
    yield f'Place: {joined(ranges)} (WGS84).'
  if fares := [column for column in columns if column.name == LABEL]:
    low, middle, high = (money(value, record.currency) for value in (fares[0].low, fares[0].median, fares[0].high))
    yield f'Fares: {low} to {high}, the middle one {middle}.'


def _metrics(record: RunRecord) -> Iterator[str]:
  known = [('The trained model', record.error('rmse'), record.error('mae'))]
  if chosen := record.chosen:
    known.append((f'The file that was chosen, {chosen.name}', chosen.rmse, chosen.mae))
  known = [(whose, rmse, mae) for whose, rmse, mae in known if rmse and mae]
  for whose, rmse, mae in known:
    yield f'{whose}: RMSE {interval(rmse)} {record.currency}, mean absolute error {interval(mae)} {record.currency}.'
  if known:
    yield 'Intervals hold 95 % and come from drawing the moments of pickup again and again (bootstrap).'


def _limits(record: RunRecord, columns: Sequence[ColumnSummary]) -> Iterator[str]:
  if found := period(columns):
    yield f'It knows no tariff that came after {found[1]:%B %Y}; train it again when fares change.'
  yield ('It knows nothing of traffic, weather, tolls or the way that is taken: two equal rides get one fare.')
  yield 'Outside of the place above it was never tried; there its fares mean nothing.'
  judged = [row for row in record.summary.slices if row.name != 'all' and row.example_count >= _MIN_RIDES]
  if worst := max(judged, key=lambda row: row.root_mean_squared_error, default=None):
    rmse, rides = money(worst.root_mean_squared_error, record.currency), f'{worst.example_count:,.0f} rides'
    yield f"It errs most in the slice '{worst.name}': RMSE {rmse} over {rides}."
  if unknown := [column.name for column in columns if column.missing == 1]:
    yield f'No ride that it learned from has {joined(unknown)}; it makes nothing of that.'
  if lacking := [f'{column.name} ({percent(column.missing, 2)})' for column in columns if 0 < column.missing < 1]:
    yield f'Some rides lack {joined(lacking)}; for those it falls back on the average, and errs more.'


def _ethics(record: RunRecord) -> Iterator[str]:
  yield (
    'The fares are what people were charged, mistakes included: what breaks a rule was set aside, what is merely odd '
    'was not. The model repeats the habits of its data.'
  )
  if (rows := record.summary.rows) and (aside := sum(rows.quarantined.values())):
    share = percent(aside / rows.read, 2)
    yield f'{counted(aside, "row")} of {rows.read:,} ({share}) broke a rule; the reasons are above.'
  yield (
    'Where few rides were taken, fares are less sure. Look at the map before its fares decide who gets a taxi, and '
    'where.'
  )
  yield 'Places and times of single rides can tell who went where. This page shows some: keep it as safe as the rides.'


_NOT_OF_A_MODEL = ('dataset.path', 'dataset.rules.max_quarantined_share')
"""Settings in these sections that decide nothing of a model, and are not kept beside it."""


class ServedSection(NamedTuple):
  """The version that served before beside this run; without a table if it has no manifest; settings that differ."""

  version: str
  sentences: tuple[str, ...]
  table: Table | None
  changed: tuple[Difference, ...]


def served_section(record: RunRecord) -> ServedSection | None:
  """The section, or `None` if nothing served before."""
  before = _version_before(record)
  if before is None:
    return None
  pushed = record.summary.status is Status.PUSHED
  verb = 'served before this run' if pushed else 'goes on serving, as this run pushed nothing'
  table = None
  try:
    manifest = Manifest.read(before / MANIFEST)
  except (OSError, RecordError):
    sentence = 'It has no manifest, so there are no figures of it to compare with.'
  else:
    sentence = _verdict(record, manifest)
    table = _served_table(record, before.name, manifest)
  return ServedSection(before.name, (f'Version {before.name} {verb}.', sentence), table, _changed(record, before))


def _version_before(record: RunRecord) -> pathlib.Path | None:
  """What served before the version that this run pushed, or what serves now if it pushed none."""
  serving = record.output.serving
  pushed = pathlib.PurePath(record.summary.pushed_path or '').name
  version = served_version(serving, before=version_number(pushed))
  return None if version is None else serving / str(version)


def _changed(record: RunRecord, before: pathlib.Path) -> tuple[Difference, ...]:
  """What is set otherwise now, of what is kept beside a model: the sections that decide what it is."""
  earlier = read_config(before / EXTRA / 'config.yaml')
  now = {section: values for section, values in record.config.items() if section in earlier}
  return tuple(found for found in differences(earlier, now) if found.setting not in _NOT_OF_A_MODEL)


def _verdict(record: RunRecord, manifest: Manifest) -> str:
  now, then = record.shown_error('rmse'), manifest.metrics.rmse
  if now is None or then is None:
    return 'One of the two has no RMSE, so they can only be compared by their sizes and settings.'
  order = 'higher' if now.value > then.value else 'lower'
  overlap = now.bottom <= then.top and then.bottom <= now.top
  apart = 'but the intervals overlap: the difference may be chance' if overlap else 'and the intervals do not overlap'
  return f'The RMSE is {order} now, {apart}. Each was measured on the eval split of its own run.'


def _served_table(record: RunRecord, version: str, manifest: Manifest) -> Table:
  chosen, lite = record.chosen, manifest.files.get(lite_file(manifest.files) or LITE_FILE)
  rmse, mae = (record.shown_error(metric) for metric in ('rmse', 'mae'))
  sizes = (figure(made.bytes if made else None, size) for made in (chosen, lite))
  made = f'{manifest.created[:16].replace("T", " ")} UTC' if manifest.created else MISSING
  rows = (
    row(Cell('RMSE', note=record.currency), figures(rmse), figures(manifest.metrics.rmse)),
    row(Cell('MAE', note=record.currency), figures(mae), figures(manifest.metrics.mae)),
    row('size of the file', *sizes),
    row('variant', chosen.name if chosen else MISSING, f'{manifest.recipe}.{manifest.scheme}'),
    row('dataset', str(record.config.get('dataset', {}).get('name', MISSING)), manifest.dataset),
    row('made', f'{record.written:%Y-%m-%d %H:%M}', made),
  )
  return table('This run and the version that served before', (*words(''), 'this run', f'version {version}'), rows)
