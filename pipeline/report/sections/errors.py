"""Where the model errs: by slice, by hour, by place, and the rides that it missed most."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from markupsafe import Markup

from components.compression_gate.records import JudgedVariant, SliceError
from components.fare_evaluator.records import EvaluatedSlice
from configs.base import joined
from configs.columns import COORDINATES
from configs.records import Estimate
from models.error_intervals import mean_error, widened
from pipeline.report.charts import Hour, dot_bar, draw_hours, reach, ruler
from pipeline.report.record import RunRecord
from pipeline.report.ride_map import Extent, Shades, draw_map, shades_for
from pipeline.report.rides import PredictedRides, slice_rmse
from pipeline.report.tables import (
  Cell,
  Heading,
  Picture,
  Table,
  counted,
  figure,
  figures,
  money,
  number,
  percent,
  picture,
  row,
  signed,
  table,
  whole,
  words,
)

_ALL = 'all'
"""The evaluator's name of the slice of all rides."""

_WORST_RIDES = 8
_ENDS = {'pickup': 'Where the rides begin', 'dropoff': 'Where they end'}
_EARTH_KM = 6371.0


class ErrorsSection(NamedTuple):
  """Where the model errs.

  Attributes:
    slices_of: which columns show whose errors, in a sentence.
    few: how much of the RMSE the five worst rides make.
    source: whose predictions the pictures show.
    shades: class and meaning of each colour of the maps.
  """

  slices: Table | None
  slices_of: str
  few: str
  source: str = ''
  hours: Markup | None = None
  hours_sentence: str = ''
  maps: tuple[Picture, ...] = ()
  shades: tuple[tuple[str, str], ...] = ()
  worst: Table | None = None


def errors_section(record: RunRecord, rides: PredictedRides | None) -> ErrorsSection | None:
  """The section, or `None` if nothing was evaluated."""
  judged = record.chosen or (record.variants.named(record.variants.baseline) if record.variants else None)
  slices = _slices(record, judged, rides)
  if slices is None and rides is None:
    return None
  slices_of = ''
  if judged and judged.slices:
    served = record.config.get('training', {}).get('serve')
    trained = f'the trained model that was evaluated{f" (recipe {served})" if served else ""}'
    slices_of = f'The dots show the file of {judged.name}, the last three columns {trained}.'
    if record.variants and record.variants.drawn_from is not None:
      slices_of += (
        f' The file was judged on {record.variants.rides:,} of {record.variants.drawn_from:,} rides, drawn at random '
        '(evaluation.judged_rides); the trained model, and the numbers of rides, are of all.'
      )
  section = ErrorsSection(slices, slices_of, _few(record))
  return section if rides is None else _with_pictures(section, record, rides)


def _few(record: RunRecord) -> str:
  rest, rmse = record.summary.rmse_without_worst_5, record.error('rmse')
  if rest is None or rmse is None:
    return ''
  return (
    'A few rides rule the RMSE, as errors are squared: without the five worst ones the trained model would have '
    f'{money(rest, record.currency)} instead of {money(rmse.value, record.currency)}.'
  )


def _slices(record: RunRecord, judged: JudgedVariant | None, rides: PredictedRides | None) -> Table | None:
  evaluated = {row.name: row for row in record.summary.slices}
  lite = _lite_slices(judged, rides, evaluated, record.resamples) if judged else {}
  if not evaluated and not lite:
    return None
  # What the picture shows: the file's error where it was measured, else the trained model's.
  shown = {name: Estimate(row.root_mean_squared_error) for name, row in evaluated.items()}
  shown |= {name: own.rmse for name, own in lite.items() if own.rmse}
  top, of_all = reach(max(found.top for found in shown.values())), record.error('rmse')
  reference = judged.rmse.value if judged and judged.rmse else of_all.value if of_all else None
  rows = []
  for name, error in shown.items():
    trained, own = evaluated.get(name), lite.get(name, SliceError(name=name))
    cells = [figure(trained.example_count if trained else own.rides, whole), picture(dot_bar(error, top, reference))]
    cells += [figures(own.rmse), figures(own.rmse_ratio, 3)] if lite else []
    rows.append(row(name, *cells, *_trained(trained, of_all), style='strong' if name == _ALL else ''))
  return table('Errors by slice', _slice_headings(record.currency, top, judged if lite else None), rows, sortable=True)


def _lite_slices(
  judged: JudgedVariant, rides: PredictedRides | None, evaluated: Mapping[str, EvaluatedSlice], resamples: int
) -> dict[str, SliceError]:
  """The file's errors by slice, all rides first; with intervals where its predictions are there."""
  whole = SliceError(name=_ALL, rmse=judged.rmse, rmse_ratio=judged.rmse_ratio)
  found = {one.name: one for one in (whole, *judged.slices) if one.rmse}
  if rides is None:
    return found
  unsure = [name for name, one in found.items() if one.rmse and one.rmse.low is None and name in evaluated]
  sure = slice_rmse(rides, {name: evaluated[name].slice for name in unsure}, resamples)
  return {name: one.model_copy(update={'rmse': sure.get(name) or one.rmse}) for name, one in found.items()}


def _slice_headings(currency: str, top: float, judged: JudgedVariant | None) -> tuple[Heading | str, ...]:
  """Of the trained model, and of a file if one was judged; bars go up to `top`."""
  of_file = []
  if judged:
    ratio = f'Ratio of the RMSE of {judged.name} to that of the float32 file.'
    of_file = [Heading('RMSE, file', currency, meaning=f'Of {judged.name}.'), Heading('to float32', meaning=ratio)]
  calibration = 'Sum of the predictions over the sum of the fares: below 1, fares are too low on the whole.'
  return (
    *words('slice'),
    'rides',
    Heading('RMSE, the line is that of all rides', currency, numeric=False, scale=ruler(top)),
    *of_file,
    Heading('RMSE, trained model' if judged else 'RMSE', currency, meaning='Of the trained model, before compression.'),
    Heading('MAE', currency, meaning='Mean absolute error of the trained model.'),
    Heading('calibration', meaning=calibration),
  )


def _trained(row: EvaluatedSlice | None, of_all: Estimate | None) -> list[Cell]:
  """The cells of the trained model; the interval of the whole split is known."""
  if row is None:
    return [figure(None, number)] * 3
  rmse = of_all if row.name == _ALL and of_all else Estimate(row.root_mean_squared_error)
  mae, calibration = figure(row.mean_absolute_error, number), figure(row.calibration, lambda value: number(value, 3))
  return [figures(rmse), mae, calibration]


def _with_pictures(section: ErrorsSection, record: RunRecord, rides: PredictedRides) -> ErrorsSection:
  hours = _hours(rides)
  sentence = _hours_sentence(hours, record.currency)
  return section._replace(
    source=f'{rides.variant or "the model"} on {counted(len(rides.fares), "ride")} of the eval split',
    hours=draw_hours(hours, record.currency, f'Errors by hour of the day. {sentence}'),
    hours_sentence=sentence,
    maps=_maps(record, rides),
    shades=tuple(_shades(rides).legend()),
    worst=_worst(rides, record.currency),
  )


def _shades(rides: PredictedRides) -> Shades:
  return shades_for(float(np.abs(rides.errors).mean()))


def _hours(rides: PredictedRides) -> list[Hour]:
  found = []
  for hour in range(24):
    chosen = rides.hours == hour
    if chosen.any():
      errors = rides.errors[chosen]
      low, high = np.quantile(errors, [0.25, 0.75])
      mean = mean_error(errors, rides.seconds[chosen])
      found.append(Hour(hour, int(chosen.sum()), mean, (float(low), float(high))))
  return found


def _hours_sentence(hours: Sequence[Hour], currency: str) -> str:
  """The hours whose mean error can't be chance: in one page of twenty it says so of any where there is none."""
  sure = [hour for hour in hours if hour.mean.low is not None and _excludes_zero(hour.mean, len(hours))]
  if not sure:
    return 'No hour stands out: the mean errors are no larger than chance makes them among so many hours.'
  worst = max(sure, key=lambda hour: abs(hour.mean.value))
  side = 'high' if worst.mean.value > 0 else 'low'
  return (
    f'In {counted(len(sure), "hour")} the mean error can hardly be chance, of {len(hours)} hours looked at; the '
    f'largest is at {worst.hour} h, where predictions are {money(abs(worst.mean.value), currency)} too {side} on '
    'average.'
  )


def _excludes_zero(mean: Estimate, looked_at: int) -> bool:
  """Whether a 95 % interval, made as wide as so many looks ask for (Bonferroni), lies on one side of zero."""
  low, high = (mean.value + widened(looked_at) * (end - mean.value) for end in (mean.bottom, mean.top))
  return not low <= 0 <= high


def _maps(record: RunRecord, rides: PredictedRides) -> tuple[Picture, ...]:
  """A map of each end of which two places or more are known, all of one extent."""
  known = {end: _known(rides, end) for end in _ENDS}
  placed = [end for end, found in known.items() if found.sum() > 1]
  ends = [
    (longitude[known[end]], latitude[known[end]]) for end in placed for longitude, latitude in [_places(rides, end)]
  ]
  extent = Extent.of(*ends) if ends else None
  return tuple(_map(record, rides, end, known[end], extent) for end in placed)


def _places(rides: PredictedRides, end: str) -> tuple[np.ndarray, np.ndarray]:
  """Longitude and latitude of one end of the rides."""
  return rides.coordinates[f'{end}_longitude'], rides.coordinates[f'{end}_latitude']


def _known_places(rides: PredictedRides, end: str, known: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
  longitude, latitude = _places(rides, end)
  return longitude[known], latitude[known]


def _known(rides: PredictedRides, end: str) -> np.ndarray:
  """Which rides have a place there."""
  return np.logical_and(*map(np.isfinite, _places(rides, end)))


def _map(record: RunRecord, rides: PredictedRides, end: str, known: np.ndarray, extent: Extent | None) -> Picture:
  """A map of one end of the rides, and how many are not on it."""
  title, (longitude, latitude) = _ENDS[end], _places(rides, end)
  landmarks = record.config.get('dataset', {}).get('city', {}).get('landmarks') or ()
  drawn, outside = draw_map(
    longitude[known],
    latitude[known],
    rides.errors[known],
    _shades(rides),
    landmarks,
    record.currency,
    f'{title}: dots coloured by mean error.',
    extent,
  )
  unknown = int((~known).sum())
  left_out = (
    (outside, 'lies' if outside == 1 else 'lie', 'outside of the map'),
    (unknown, 'has' if unknown == 1 else 'have', f'no {end} place'),
  )
  parts = joined(f'{counted(count, "ride")} {verb} {what}' for count, verb, what in left_out if count)
  return Picture(title, drawn, f'{parts}.' if parts else '')


def _worst(rides: PredictedRides, currency: str) -> Table:
  order = np.argsort(-np.abs(rides.errors))[:_WORST_RIDES].tolist()
  squared, kilometres = rides.errors**2, _kilometres(rides)
  share = float(squared[order].sum() / squared.sum()) if squared.any() else 0.0
  headings = (
    *words('pickup'),
    Heading('distance', 'km', meaning='As the crow flies.'),
    Heading('fare', currency),
    Heading('prediction', currency),
    Heading('error', currency, meaning='Prediction minus fare.'),
  )
  rows = [
    row(
      time,
      figure(kilometres[i] if np.isfinite(kilometres[i]) else None, lambda value: number(value, 1)),
      figure(rides.fares[i], number),
      figure(rides.predictions[i], number),
      figure(rides.errors[i], signed),
    )
    for i, time in zip(order, rides.times(order), strict=True)
  ]
  caption = f'The {len(rows)} rides that were missed most; they make {percent(share, 0)} of the squared error'
  return table(caption, headings, rows)


def _kilometres(rides: PredictedRides) -> np.ndarray:
  """Great-circle distances; Sinnott, "Virtues of the Haversine", Sky and Telescope 68(2), 1984."""
  west, south, east, north = (np.radians(rides.coordinates[name]) for name in COORDINATES)
  half = np.sin((north - south) / 2) ** 2 + np.cos(south) * np.cos(north) * np.sin((east - west) / 2) ** 2
  return 2 * _EARTH_KM * np.arcsin(np.sqrt(half))
