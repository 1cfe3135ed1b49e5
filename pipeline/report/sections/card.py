"""The model card: what the model is for, what it can't do, and what it learned from."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from components.compression_gate.records import CompressionRecord
from configs.columns import LABEL
from configs.problems import joined
from pipeline.report.columns import ColumnSummary, period
from pipeline.report.record import RunRecord
from pipeline.report.wording import counted, day, interval, money, number, percent

_MIN_RIDES = 50
"""A slice with fewer rides is no ground for a sentence."""


@dataclasses.dataclass(frozen=True)
class Topic:
  """A heading of the card and the sentences below it."""

  title: str
  sentences: tuple[str, ...]


def model_card(
  record: RunRecord, variants: CompressionRecord | None, columns: tuple[ColumnSummary, ...]
) -> tuple[Topic, ...]:
  """The card; empty where there is no model to tell of, or the config is lost."""
  dataset = record.config.get('dataset')
  if not dataset or not (record.summary.metrics or variants):
    return ()
  topics = [
    Topic('What it is for', _use(record, dataset)),
    Topic('What it learned from', _data(record, dataset, columns)),
    Topic('How good it is', _metrics(record, variants)),
    Topic('What it cannot do', _limits(record, dataset, columns)),
    Topic('What to keep in mind', _ethics(record)),
  ]
  return tuple(topic for topic in topics if topic.sentences)


def _use(record: RunRecord, dataset: Mapping[str, Any]) -> tuple[str, ...]:
  return (
    f"It estimates what a taxi ride of the dataset '{dataset['name']}' will cost, in {record.currency}, from what is "
    'known before the ride: the time of the pickup, where it begins and ends, and the number of passengers where it is '
    'told.',
    'It is made to show an expected fare and to notice unusual ones. It is no taximeter: do not charge what it says.',
  )


def _data(record: RunRecord, dataset: Mapping[str, Any], columns: tuple[ColumnSummary, ...]) -> tuple[str, ...]:
  rows, box = record.summary.rows, (dataset.get('rules') or {}).get('bounds')
  told = []
  if rows:
    train, held = rows.splits.get('train', 0), rows.splits.get('eval', 0)
    told.append(
      f'{counted(train, "ride")} to learn from; {counted(held, "other ride")}, of other moments, to judge it by.'
    )
  if found := period(columns):
    told.append(f'Period: {day(found[0])} to {day(found[1])}, on the wall clock of the city.')
  if box:
    told.append(f'Place: {_range(box["latitude"], "latitude")} and {_range(box["longitude"], "longitude")} (WGS84).')
  if fares := [column for column in columns if column.name == LABEL]:
    low, middle, high = (money(value, record.currency) for value in (fares[0].low, fares[0].median, fares[0].high))
    told.append(f'Fares: {low} to {high}, the middle one {middle}.')
  return tuple(told)


def _range(bounds: Mapping[str, float], name: str) -> str:
  return f'{name} {number(bounds["min"])}° to {number(bounds["max"])}°'


def _metrics(record: RunRecord, variants: CompressionRecord | None) -> tuple[str, ...]:
  chosen = variants.named(variants.chosen) if variants else None
  rmse, mae = record.error('rmse'), record.error('mae')
  told = []
  if rmse and mae:
    told.append(
      f'The trained model: RMSE {interval(rmse)} {record.currency}, mean absolute error {interval(mae)} '
      f'{record.currency}.'
    )
  if chosen and chosen.rmse and chosen.mae:
    told.append(
      f'The file that was chosen, {chosen.name}: RMSE {interval(chosen.rmse)} {record.currency}, mean absolute error '
      f'{interval(chosen.mae)} {record.currency}.'
    )
  if told:
    told.append('Intervals hold 95 % and come from drawing the moments of pickup again and again (bootstrap).')
  return tuple(told)


def _limits(record: RunRecord, dataset: Mapping[str, Any], columns: tuple[ColumnSummary, ...]) -> tuple[str, ...]:
  told = []
  if found := period(columns):
    told.append(f'It knows no tariff that came after {found[1]:%B %Y}; train it again when fares change.')
  told.append('It knows nothing of traffic, weather, tolls or the way that is taken: two equal rides get one fare.')
  told.append('Outside of the place above it was never tried; there its fares mean nothing.')
  judged = [row for row in record.summary.slices if row.name != 'all' and row.example_count >= _MIN_RIDES]
  if judged:
    worst = max(judged, key=lambda row: row.root_mean_squared_error)
    told.append(
      f"It errs most in the slice '{worst.name}': RMSE {money(worst.root_mean_squared_error, record.currency)} "
      f'over {worst.example_count:,.0f} rides.'
    )
  told += _missing(columns)
  return tuple(told)


def _missing(columns: Sequence[ColumnSummary]) -> list[str]:
  often = [column for column in columns if 0 < column.missing < 1]
  if not often:
    return []
  names = joined([f'{column.name} ({percent(column.missing)})' for column in often])
  return [f'Some rides lack {names}; for those it falls back on the average, and errs more.']


def _ethics(record: RunRecord) -> tuple[str, ...]:
  rows = record.summary.rows
  told = [
    'The fares are what people were charged, mistakes included: what breaks a rule was set aside, what is merely odd '
    'was not. The model repeats the habits of its data.',
    'Where few rides were taken, fares are less sure. Look at the map before its fares decide who gets a taxi, and '
    'where.',
    'Places and times of single rides can tell who went where. This page shows some: keep it as safe as the rides.',
  ]
  if rows and (aside := sum(rows.quarantined.values())):
    share = percent(aside / rows.read, 2)
    told.insert(1, f'{counted(aside, "row")} of {rows.read:,} ({share}) broke a rule; the reasons are above.')
  return tuple(told)
