"""What the rows of a study say, in sentences computed from them, and what can't be told from chance."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from configs.base import joined
from configs.records import Estimate
from configs.study import StudyBlock
from pipeline.report.tables import change, counted, interval, number, percent, size
from pipeline.study.records import StudyRecord

Measured = Mapping[str, Any]
"""A row of `study.parquet`."""

WITHIN = 1.01
"""The aim: an RMSE within 1 % of the reference."""

_SMALLER = 0.75
"""The aim: a lite file smaller by a quarter."""


def estimate_of(row: Measured) -> Estimate:
  """The ratio of a row with its interval."""
  return Estimate(row['ratio'], row['ratio_low'], row['ratio_high'])


class Chance(NamedTuple):
  """A ratio, and between what chance alone leaves it."""

  value: float
  low: float
  high: float


def beyond_chance(row: Measured) -> Chance | None:
  """The ratio of a row with the wider of its intervals, over rides and over seeds; `None` of a single seed.

  What other rides would change is one part of chance, and what other divisions and initial weights would is the other.
  """
  low, high = row.get('ratio_seeds_low'), row.get('ratio_seeds_high')
  if low is None or high is None:
    return None
  over_rides = row['ratio_low'], row['ratio_high']
  return Chance(row['ratio'], *max(over_rides, (low, high), key=lambda ends: ends[1] - ends[0]))


_ONE_SEED = 'With a single seed nothing is told from chance: set study.seeds to 2 or more.'


def _features(rows: Mapping[str, Measured], about: StudyRecord) -> Iterator[str]:
  less = 'everything less '
  left = {name.removeprefix(less): row for name, row in rows.items() if name.startswith(less)}
  sure = _sure(left)
  costly = sorted((found.value, name) for name, found in sure.items() if found.low > 1)
  if 'raw' in rows:
    yield f'The raw baseline has an RMSE {interval(estimate_of(rows["raw"]), 3)} times that of everything.'
  if costly:
    parts = [f'{name} ({percent(ratio - 1)} more without it)' for ratio, name in reversed(costly)]
    yield f'Blocks that are missed when they are left out: {joined(parts)}.'
  if harmful := joined(name for name, found in sure.items() if found.high < 1):
    yield f'Blocks without which it is better, beyond chance: {harmful}.'
  if idle := joined(name for name, found in sure.items() if found.low <= 1 <= found.high):
    yield f"Blocks whose absence can't be told from chance: {idle}."
  if left and not sure:
    parts = [f'{name} {number(row["ratio"], 3)}' for name, row in left.items()]
    yield f'RMSE without a block, relative to that of everything: {joined(parts)}. {_ONE_SEED}'
  yield from _published_cross(rows, about)


_NEARLY_ALL = 0.9
"""Of the rides in one pair of cells, above which an embedding of pairs has nothing to tell apart."""


def _published_cross(rows: Mapping[str, Measured], about: StudyRecord) -> Iterator[str]:
  if 'published' not in about.cells or 'case study, published cells' not in rows:
    return
  one, other = about.cells['published'], about.cells['fitted']
  pairs = f'{counted(one.pickup_cells, "pickup cell")} and {counted(one.pairs, "pair")} of cells'
  width, height = one.degrees
  same = ', so the embedding sees almost the same index for every ride' if one.largest_share > _NEARLY_ALL else ''
  sentence = (
    f"The case study's published cross: buckets of equal width over {width:.3g} × {height:.3g} degrees put these rides "
    f'into {pairs}, {percent(one.largest_share, 1)} of them into a single one{same}. Boundaries at quantiles give '
    f'{other.pickup_cells:,} pickup cells and {other.pairs:,} pairs'
  )
  if 'case study, fitted cells' not in rows:
    yield f'{sentence}.'
    return
  published, fitted = rows['case study, published cells']['rmse'], rows['case study, fitted cells']['rmse']
  rides = about.rides / other.pairs
  yield (
    f'{sentence}, {number(rides, 1)} rides each; the RMSE is then {number(fitted)} in place of {number(published)} '
    f'{about.currency}, {change(fitted / published)} before.'
  )


def _dimensions(rows: Mapping[str, Measured], about: StudyRecord) -> Iterator[str]:
  for size_of_training in dict.fromkeys(row['training_rides'] for row in rows.values()):
    own = [row for row in rows.values() if row['training_rides'] == size_of_training]
    rides = 'all training rides' if size_of_training == 'all' else f'{int(size_of_training):,} training rides'
    real = [row for row in own if not row['noise_features']]
    best = min(real, key=lambda row: row['rmse'])
    enough = min((row for row in real if row['ratio'] <= WITHIN), key=lambda row: row['kept_features'])
    sentence = f'With {rides}, {best["kept_features"]} features are best'
    if enough['kept_features'] < best['kept_features']:
      sentence += f', and {enough["kept_features"]} come within 1 % of all'
    noisy = max(own, key=lambda row: row['noise_features'])
    if noisy['noise_features']:
      sentence += (
        f'; {noisy["noise_features"]} columns of noise beside all of them multiply the RMSE by '
        f'{interval(estimate_of(noisy), 3)}'
      )
    yield f'{sentence}.'


def _reductions(rows: Mapping[str, Measured], about: StudyRecord) -> Iterator[str]:
  full = next((row for row in rows.values() if row['variant'] == row['reference']), None)
  if full is None:
    return
  half = [row for row in rows.values() if row.get('inputs') and row['inputs'] <= full['inputs'] / 2]
  close = sorted((row['ratio'], row['variant']) for row in half if row['ratio'] <= WITHIN)
  if close:
    parts = [f'{name} ({number(ratio, 3)})' for ratio, name in close]
    yield f'At most half of the inputs and an RMSE within 1 % of the full vector: {joined(parts)}.'
  elif half:
    best = min(half, key=lambda row: row['ratio'])
    yield (
      f'No variant with at most half of the inputs comes within 1 % of the full vector; the nearest is '
      f'{best["variant"]} with {interval(estimate_of(best), 3)}.'
    )
  if full.get('bytes'):
    small = [row for row in half if row.get('bytes') and row['bytes'] <= _SMALLER * full['bytes']]
    both = [row['variant'] for row in small if row['ratio'] <= WITHIN]
    least = min((row for row in half if row.get('bytes')), key=lambda row: row['bytes'], default=None)
    if both:
      yield (f'Of these, a lite file smaller by a quarter than the full {size(full["bytes"])}: {joined(both)}.')
    elif least is not None:
      yield (
        f'None of them has a lite file smaller by a quarter than the full {size(full["bytes"])}: the smallest, of '
        f'{least["variant"]}, has {size(least["bytes"])}.'
      )


def _embeddings(rows: Mapping[str, Measured], about: StudyRecord) -> Iterator[str]:
  reference = next((row for row in rows.values() if row['variant'] == row['reference']), None)
  if reference is not None:
    yield f'The fourth root rule makes {reference["parameters"]:,.0f} parameters.'
    sure = _sure(rows)
    if not sure:
      yield _ONE_SEED
      return
    better = joined(name for name, found in sure.items() if found.high < 1)
    worse = joined(name for name, found in sure.items() if found.low > 1)
    yield f'Better than it beyond chance: {better or "none"}.'
    yield f'Worse beyond chance: {worse or "none"}.'


def _sure(rows: Mapping[str, Measured]) -> dict[str, Chance]:
  """By variant, what `beyond_chance` says; nothing of a single seed."""
  return {name: found for name, row in rows.items() if (found := beyond_chance(row))}


def _compression(rows: Mapping[str, Measured], about: StudyRecord) -> Iterator[str]:
  close = [row for row in rows.values() if row['ratio'] <= WITHIN]
  for key, what in (('bytes', 'file'), ('gzip_bytes', 'download')):
    if close and all(row.get(key) for row in close):
      least = min(close, key=lambda row: row[key])
      yield (
        f'The smallest {what} within 1 %: {least["variant"]} with {size(least[key])}, an RMSE ratio of '
        f'{interval(estimate_of(least), 3)}.'
      )
  if beyond := joined(name for name, found in _sure(rows).items() if found.low > WITHIN):
    yield f'Worse than 1 % beyond chance: {beyond}.'
  if not _sure(rows):
    yield _ONE_SEED


def _references(rows: Mapping[str, Measured], about: StudyRecord) -> Iterator[str]:
  others = [row for row in rows.values() if row['variant'] != row['reference']]
  if best := min(others, key=lambda row: row['ratio'], default=None):
    sure = beyond_chance(best)
    chance = ', a difference that may be chance' if sure and sure.low <= 1 <= sure.high else ''
    ratio = interval(estimate_of(best), 3)
    yield f'The strongest of them, {best["variant"]}, has {ratio} times the RMSE of this model{chance}.'
    if sure is None:
      yield _ONE_SEED


class Question(NamedTuple):
  title: str
  sentences: Callable[[Mapping[str, Measured], StudyRecord], Iterator[str]]


BLOCKS = {
  StudyBlock.FEATURES: Question('What each block of features is worth', _features),
  StudyBlock.DIMENSIONS: Question('The number of features, by the size of the training split', _dimensions),
  StudyBlock.REDUCTIONS: Question('Reductions and selections', _reductions),
  StudyBlock.EMBEDDINGS: Question('Embedding widths', _embeddings),
  StudyBlock.COMPRESSION: Question('Training recipes × schemes', _compression),
  StudyBlock.REFERENCES: Question('Reference models', _references),
}
"""In the order of the page."""


def findings(block: StudyBlock, rows: Sequence[Measured], about: StudyRecord) -> list[str]:
  """Sentences on a block, the most important one first."""
  known = {row['variant']: row for row in rows if row.get('ratio') is not None}
  if not known:
    return ['What the others are compared with could not be measured.']
  return list(BLOCKS[block].sentences(known, about))
