"""The pictures of a study, made of the rows of `study.parquet`."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from markupsafe import Markup

from configs.records import Estimate
from configs.study import StudyBlock
from pipeline.report.charts.curves import Series, draw_curves
from pipeline.report.charts.forest import Entry, draw_forest
from pipeline.report.charts.frontier import Limits, Point, draw_frontier
from pipeline.report.wording import interval, microseconds, number, size

Row = Mapping[str, Any]

_COLORS = 8
_RATIO_AIM = 1.01


@dataclasses.dataclass(frozen=True)
class Picture:
  """A chart of the page.

  Attributes:
    name: of its file.
    title: above it.
    told: below it.
    drawn: SVG.
    legend: names by the class of their colour.
  """

  name: str
  title: str
  told: str
  drawn: Markup
  legend: tuple[tuple[str, str], ...] = ()


def pictures(block: StudyBlock, rows: Sequence[Row], currency: str) -> list[Picture]:
  """Those of a block; none where nothing was measured.

  Args:
    block: that the rows are of.
    rows: of `study.parquet`.
    currency: of the fares.
  """
  known = [row for row in rows if row.get('ratio') is not None]
  if not known:
    return []
  if block is StudyBlock.DIMENSIONS:
    return [_dimensions(known, currency)]
  if block is StudyBlock.REDUCTIONS:
    by_inputs = _frontier(
      'inputs', 'RMSE and number of inputs', known, 'inputs of the model', 'inputs', _whole, _method
    )
    by_bytes = _frontier('bytes', 'RMSE and size', known, 'size of the lite file', 'bytes', size, _method)
    return [found for found in (by_inputs, by_bytes) if found]
  if block is StudyBlock.COMPRESSION:
    by_bytes = _frontier('size', 'RMSE and size', known, 'size of the lite file', 'bytes', size, _recipe)
    gzipped = _frontier('gzip', 'RMSE and download', known, 'size after gzip', 'gzip_bytes', size, _recipe)
    by_time = _frontier('latency', 'RMSE and latency', known, 'time for one ride', 'latency_us', microseconds, _recipe)
    return [found for found in (by_bytes, gzipped, by_time) if found]
  return [_forest(block, known)]


def estimate_of(row: Row, figure: str = 'ratio') -> Estimate:
  """A figure of a row with its interval."""
  return Estimate(row[figure], row[f'{figure}_low'], row[f'{figure}_high'])


def _forest(block: StudyBlock, rows: Sequence[Row]) -> Picture:
  reference = rows[0]['reference']
  entries = [Entry(str(row['variant']), estimate_of(row), int(row['variant'] == reference)) for row in rows]
  label = f"RMSE relative to '{reference}': " + '; '.join(f'{e.name} {number(e.estimate.value, 3)}' for e in entries)
  drawn = draw_forest(entries, 1.0, f"RMSE relative to '{reference}'", label)
  return Picture('ratios', 'RMSE, with 95 % intervals', 'An arrow: further off than the picture reaches.', drawn)


def _dimensions(rows: Sequence[Row], currency: str) -> Picture:
  series = []
  for position, training_rides in enumerate(dict.fromkeys(row['training_rides'] for row in rows)):
    own = [row for row in rows if row['training_rides'] == training_rides]
    points = sorted((row['kept_features'] + row['noise_features'], row['rmse']) for row in own)
    name = 'all rides' if training_rides == 'all' else f'{int(training_rides):,} rides'
    series.append(Series(name, f's{position % _COLORS}', [x for x, _ in points], [y for _, y in points]))
  values = [y for one in series for y in one.y]
  margin = 0.06 * (max(values) - min(values)) or 0.1
  total = max(row['kept_features'] for row in rows)
  drawn = draw_curves(
    series,
    'features, noise included',
    f'RMSE ({currency})',
    'RMSE against the number of features: '
    + '; '.join(f'{one.name}: {number(min(one.y))} at best, {number(one.y[-1])} with most noise' for one in series),
    y_range=(min(values) - margin, max(values) + margin),
    marks=[(total, 'noise from here on')],
    logarithmic=True,
  )
  return Picture('features', 'The more features, the more rides it takes', 'Training rides by colour.', drawn)


def _method(row: Row) -> str:
  return str(row.get('method') or 'none')


def _recipe(row: Row) -> str:
  return str(row.get('recipe'))


def _whole(value: float | None) -> str:
  return f'{value or 0:,.0f}'


def _frontier(
  name: str,
  title: str,
  rows: Sequence[Row],
  cost_label: str,
  key: str,
  written: Callable[[float], str],
  group: Callable[[Row], str],
) -> Picture | None:
  """Cost against RMSE ratio; `None` where the cost was not measured."""
  costly = [row for row in rows if row.get(key)]
  if len(costly) < 2:
    return None
  groups = list(dict.fromkeys(group(row) for row in costly))
  best = _frontier_names(costly, key)
  points = [
    Point(
      name=str(row['variant']),
      color=groups.index(group(row)) % _COLORS,
      cost=float(row[key]),
      ratio=estimate_of(row),
      on_frontier=row['variant'] in best,
      within_budget=row['ratio'] <= _RATIO_AIM,
      chosen=False,
      told=f'{row["variant"]}: {written(row[key])}, RMSE ratio {interval(estimate_of(row), 3)}',
    )
    for row in costly
  ]
  reference = str(costly[0]['reference'])
  label = f'{title}: {len(points)} variants. On the frontier: {", ".join(sorted(best))}.'
  drawn, outside = draw_frontier(
    points, Limits(None, _RATIO_AIM), cost_label, written, label, ratio_label=f"RMSE relative to '{reference}'"
  )
  told = 'Filled, and below the dashed line: within 1 %.' + (
    f' Above the picture (▲): {", ".join(outside)}.' if outside else ''
  )
  legend = tuple((one, f's{position % _COLORS}') for position, one in enumerate(groups))
  return Picture(name, title, told, drawn, legend)


def _frontier_names(rows: Sequence[Row], key: str) -> set[str]:
  """Variants that no other one beats in both cost and error."""

  costs = [(row[key], row['ratio']) for row in rows]

  def dominated(own: tuple[float, float]) -> bool:
    return any(other != own and other[0] <= own[0] and other[1] <= own[1] for other in costs)

  return {str(row['variant']) for row, own in zip(rows, costs, strict=True) if not dominated(own)}
