"""What a study says, in sentences that are computed from its rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from components.study.study_record import StudyRecord
from configs.problems import joined
from configs.study import StudyBlock
from pipeline.report.wording import change, counted, interval, number, percent, size
from pipeline.study.charts import estimate_of

Row = Mapping[str, Any]

_WITHIN = 1.01
"""The aim: an RMSE within 1 % of the reference."""

_SMALLER = 0.75
"""The aim: a lite file smaller by a quarter."""


def findings(block: StudyBlock, rows: Sequence[Row], about: StudyRecord) -> list[str]:
  """Sentences on a block, the most important one first.

  Args:
    block: that the rows are of.
    rows: of `study.parquet`.
    about: of `study.json`.
  """
  known = {str(row['variant']): row for row in rows if row.get('ratio') is not None}
  if not known:
    return ['What the others are compared with could not be measured.']
  told = {
    StudyBlock.FEATURES: _features,
    StudyBlock.DIMENSIONS: _dimensions,
    StudyBlock.REDUCTIONS: _reductions,
    StudyBlock.EMBEDDINGS: _embeddings,
    StudyBlock.COMPRESSION: _compression,
    StudyBlock.REFERENCES: _references,
  }
  return [sentence for sentence in told[block](known, about) if sentence]


def _features(rows: Mapping[str, Row], about: StudyRecord) -> list[str]:
  left = {
    name.removeprefix('everything less '): row for name, row in rows.items() if name.startswith('everything less')
  }
  costly = sorted((row['ratio'], name) for name, row in left.items() if row['ratio_low'] > 1)
  harmful = [name for name, row in left.items() if row['ratio_high'] < 1]
  idle = [name for name, row in left.items() if row['ratio_low'] <= 1 <= row['ratio_high']]
  told = []
  if 'raw' in rows:
    told.append(f'The raw baseline has an RMSE {interval(estimate_of(rows["raw"]), 3)} times that of everything.')
  if costly:
    parts = [f'{name} ({percent(ratio - 1)} more without it)' for ratio, name in reversed(costly)]
    told.append(f'Blocks that are missed when they are left out: {joined(parts)}.')
  if harmful:
    told.append(f'Blocks without which it is better, beyond chance: {joined(harmful)}.')
  if idle:
    told.append(f"Blocks whose absence can't be told from chance: {joined(idle)}.")
  return [*told, *_published_cross(rows, about)]


def _published_cross(rows: Mapping[str, Row], about: StudyRecord) -> list[str]:
  cells = about.cells
  if 'published' not in cells or 'case study, published cells' not in rows:
    return []
  one, other = cells['published'], cells['fitted']
  pairs = f'{counted(one.pickup_cells, "pickup cell")} and {counted(one.pairs, "pair")} of cells'
  sentence = (
    f"Why the case study's published cross learned next to nothing: buckets of equal width over 8 × 8 degrees put "
    f'these rides into {pairs}, {percent(one.largest_share, 1)} of them into a single one, so the embedding sees '
    f'almost the same index for every ride. Boundaries at quantiles give {other.pickup_cells:,} pickup cells and '
    f'{other.pairs:,} pairs'
  )
  if 'case study, fitted cells' not in rows:
    return [f'{sentence}.']
  published, fitted = rows['case study, published cells']['rmse'], rows['case study, fitted cells']['rmse']
  rides = about.rides / other.pairs
  return [
    f'{sentence}, {number(rides, 1)} rides each; the RMSE is then {number(fitted)} in place of {number(published)} '
    f'{about.currency}, {change(fitted / published)} before.'
  ]


def _dimensions(rows: Mapping[str, Row], about: StudyRecord) -> list[str]:
  told = []
  for size_of_training in dict.fromkeys(row['training_rides'] for row in rows.values()):
    own = [row for row in rows.values() if row['training_rides'] == size_of_training]
    rides = 'all training rides' if size_of_training == 'all' else f'{int(size_of_training):,} training rides'
    real = [row for row in own if not row['noise_features']]
    best = min(real, key=lambda row: row['rmse'])
    enough = min((row for row in real if row['ratio'] <= _WITHIN), key=lambda row: row['kept_features'])
    sentence = f'With {rides}, {best["kept_features"]} features are best'
    if enough['kept_features'] < best['kept_features']:
      sentence += f', and {enough["kept_features"]} come within 1 % of all'
    noisy = max(own, key=lambda row: row['noise_features'])
    if noisy['noise_features']:
      sentence += (
        f'; {noisy["noise_features"]} columns of noise beside all of them multiply the RMSE by '
        f'{interval(estimate_of(noisy), 3)}'
      )
    told.append(f'{sentence}.')
  return told


def _reductions(rows: Mapping[str, Row], about: StudyRecord) -> list[str]:
  full = next((row for row in rows.values() if row['variant'] == row['reference']), None)
  if full is None:
    return []
  half = [row for row in rows.values() if row.get('inputs') and row['inputs'] <= full['inputs'] / 2]
  close = sorted((row['ratio'], str(row['variant'])) for row in half if row['ratio'] <= _WITHIN)
  told = []
  if close:
    parts = [f'{name} ({number(ratio, 3)})' for ratio, name in close]
    told.append(f'At most half of the inputs and an RMSE within 1 % of the full vector: {joined(parts)}.')
  elif half:
    best = min(half, key=lambda row: row['ratio'])
    told.append(
      f'No variant with at most half of the inputs comes within 1 % of the full vector; the nearest is '
      f'{best["variant"]} with {interval(estimate_of(best), 3)}.'
    )
  if full.get('bytes'):
    small = [row for row in half if row.get('bytes') and row['bytes'] <= _SMALLER * full['bytes']]
    both = [str(row['variant']) for row in small if row['ratio'] <= _WITHIN]
    least = min((row for row in half if row.get('bytes')), key=lambda row: row['bytes'], default=None)
    if both:
      told.append(f'Of these, a lite file smaller by a quarter than the full {size(full["bytes"])}: {joined(both)}.')
    elif least is not None:
      told.append(
        f'None of them has a lite file smaller by a quarter than the full {size(full["bytes"])}: the smallest, of '
        f'{least["variant"]}, has {size(least["bytes"])}.'
      )
  return told


def _embeddings(rows: Mapping[str, Row], about: StudyRecord) -> list[str]:
  reference = next((row for row in rows.values() if row['variant'] == row['reference']), None)
  told = []
  if reference is not None:
    better = [str(row['variant']) for row in rows.values() if row['ratio_high'] < 1]
    worse = [str(row['variant']) for row in rows.values() if row['ratio_low'] > 1]
    told.append(f'The fourth root rule makes {reference["parameters"]:,.0f} parameters.')
    told.append(f'Better than it beyond chance: {joined(better) if better else "none"}.')
    told.append(f'Worse beyond chance: {joined(worse) if worse else "none"}.')
  return told


def _compression(rows: Mapping[str, Row], about: StudyRecord) -> list[str]:
  close = [row for row in rows.values() if row['ratio'] <= _WITHIN]
  told = []
  for key, words in (('bytes', 'file'), ('gzip_bytes', 'download')):
    if close and all(row.get(key) for row in close):
      least = min(close, key=lambda row: row[key])
      told.append(
        f'The smallest {words} within 1 %: {least["variant"]} with {size(least[key])}, an RMSE ratio of '
        f'{interval(estimate_of(least), 3)}.'
      )
  beyond = [str(row['variant']) for row in rows.values() if row['ratio_low'] > _WITHIN]
  if beyond:
    told.append(f'Worse than 1 % beyond chance: {joined(beyond)}.')
  return told


def _references(rows: Mapping[str, Row], about: StudyRecord) -> list[str]:
  others = [row for row in rows.values() if row['variant'] != row['reference']]
  if not others:
    return []
  best = min(others, key=lambda row: row['ratio'])
  sentence = (
    f'The strongest of them, {best["variant"]}, has {interval(estimate_of(best), 3)} times the RMSE of this model'
  )
  if best['ratio_low'] <= 1 <= best['ratio_high']:
    return [f'{sentence}, a difference that may be chance.']
  return [f'{sentence}.']
