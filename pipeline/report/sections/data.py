"""The rides, the graph of the run's steps, and how to make the run again."""

from __future__ import annotations

import functools
import shlex
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from markupsafe import Markup

from components.in_memory import Computed
from components.ride_example_gen.listing import passed_over_sentence
from components.ride_example_gen.profile import ColumnProfile, Profile
from components.ride_example_gen.spans import SPLITS
from configs.amounts import bound
from configs.base import joined, shortened
from configs.dataset import TIME
from configs.texts import quoted
from models.charts import Series, draw_curves
from pipeline.local.steps import StepState
from pipeline.report.charts import draw_lanes, length_bar
from pipeline.report.record import ColumnSummary, RunRecord, period, vocabularies
from pipeline.report.tables import (
  Cell,
  Heading,
  Table,
  counted,
  day,
  degrees,
  figure,
  number,
  percent,
  picture,
  row,
  seconds,
  steps_of,
  table,
  whole,
  words,
)
from pipeline.summary_record import FindingRecord, RowsRecord

_PURPOSES = {'train': 'train on', 'eval': 'evaluate on'}
_COMPARISONS = {
  'drift': 'drift from the earlier rides',
  'newest': 'drift of the newest span alone',
  'skew': 'skew between train and eval',
}


class DataSection(NamedTuple):
  """The rides: rows that were set aside by reason, severity and sentence of each finding that is beyond its threshold,
  what was compared, drift and skew by column, what the columns hold, the values of the categorical ones, and a chart
  of the hours of the day (empty where they are not known).
  """

  sentences: tuple[str, ...]
  aside: Table | None
  anomalies: tuple[tuple[str, str], ...]
  compared: str
  divergences: Table | None
  columns: Table | None
  categories: Table | None = None
  hours: Markup = Markup('')


def data_section(record: RunRecord, columns: tuple[ColumnSummary, ...]) -> DataSection | None:
  """The section, or `None` if no ride was read."""
  rows = record.summary.rows
  if not rows:
    return None
  findings, profile = record.summary.findings, _profile(record)
  anomalies = tuple((found.severity, found.sentence) for found in findings if found.severity != 'info')
  return DataSection(
    sentences=tuple(_sentences(record, rows, columns)),
    aside=_aside(record, rows) if rows.quarantined else None,
    anomalies=anomalies,
    compared=_compared(findings, bool(anomalies)),
    divergences=_divergences(findings),
    columns=_columns(columns) if columns else None,
    categories=_categories(record, profile),
    hours=_hours(profile),
  )


def _sentences(record: RunRecord, rows: RowsRecord, columns: Sequence[ColumnSummary]) -> Iterator[str]:
  in_order = sorted(rows.splits.items(), reverse=True)
  splits = joined([f'{rides:,} to {_PURPOSES.get(split, split)}' for split, rides in in_order])
  aside = sum(rows.quarantined.values())
  share = f' ({percent(aside / rows.read, 2)})' if aside else ''
  yield (
    f'{counted(rows.read, "row")} were read and {rows.kept:,} kept: {splits}. '
    f'{counted(aside, "row") if aside else "None"} {"was" if aside < 2 else "were"} set aside{share}.'
  )
  if found := period(columns):
    yield f'The rides of the train split began between {day(found[0])} and {day(found[1])}.'
  if record.summary.quarantine and aside:
    yield 'Every row that was set aside is kept whole, with its reason, in the quarantine artifact.'
  if rows.passed_over:
    yield passed_over_sentence(rows.passed_over)


def _aside(record: RunRecord, rows: RowsRecord) -> Table:
  counts = sorted(rows.quarantined.items(), key=lambda item: -item[1])
  beside = words('beside the other reasons') if len(counts) > 1 else ()
  made = [
    row(
      Cell(reason.replace('_', ' '), note=_note(_rule(record, reason), *rows.examples.get(reason, ()))),
      figure(count, whole),
      figure(count, lambda count: percent(count / rows.read, 2)),
      *(picture(length_bar(count, counts[0][1])) for _ in beside),
    )
    for reason, count in counts
  ]
  return table('Rows that were set aside, by reason', (*words('reason'), 'rows', 'share of all rows', *beside), made)


def _note(*parts: str) -> str:
  return '; '.join(filter(None, parts))


def _rule(record: RunRecord, reason: str) -> str:
  """What the config allows, where that explains the reason."""
  rules = record.config.get('dataset', {}).get('rules') or {}
  for name, unit in (('fare', record.currency), ('passengers', '')):
    if reason == f'{name}_out_of_range' and rules.get(name):
      return f'valid: {bound(rules[name]["min"])} to {bound(rules[name]["max"])} {unit}'.strip()
  if reason.endswith('outside_bounds') and rules.get('bounds'):
    return f'valid: {degrees(rules["bounds"]["longitude"])} and {degrees(rules["bounds"]["latitude"])}'
  if reason == 'time_out_of_range' and rules.get('earliest'):
    return f'valid: {rules["earliest"]} to {rules["latest"]}'
  return ''


def _profile(record: RunRecord) -> Profile:
  """What the ingestion knows of the kept rides; empty of a run before there were profiles."""
  counts = record.read_json('RideExampleGen', 'quarantine', 'counts.json') or {}
  return Profile.of(counts.get('profile', {}))


def _hours(profile: Profile) -> Markup:
  """The share of each split's rides by hour of the day; nothing where that is not known."""
  found = profile.times
  times = {split: found[split] for split in SPLITS if split in found and found[split].rides}
  if not times:
    return Markup('')
  series = [
    Series(split, f's{place}', range(24), [rides / time.rides for rides in time.by_hour])
    for place, (split, time) in enumerate(times.items())
  ]
  top = max(max(one.y) for one in series)
  said = f'Share of the rides by hour of the day, in the {joined(times)} split{"s" if len(times) > 1 else ""}.'
  return draw_curves(
    series, 'hour of the pickup', 'share of the rides', said, (0.0, 1.1 * top), lambda share: f'{100 * share:.3g} %'
  )


def _compared(findings: Sequence[FindingRecord], any_anomaly: bool) -> str:
  if not findings:
    return 'No column was compared yet.'
  kinds = {_comparison(found) for found in findings}
  compared = joined(comparison for kind, comparison in _COMPARISONS.items() if kind in kinds)
  text = f'Compared: {compared}.' if compared else ''
  return text if any_anomaly else f'{text} Nothing is beyond its threshold.'.strip()


def _divergences(findings: Sequence[FindingRecord]) -> Table | None:
  """One row per column with a measured drift or skew."""
  measured = {
    (found.feature, _comparison(found)): (found.divergence, found.threshold)
    for found in findings
    if _comparison(found) in _COMPARISONS and found.divergence is not None and found.threshold
  }
  if not measured:
    return None
  headings, rows = list(words('column')), {feature: [Cell(feature)] for feature, _ in measured}
  for kind, comparison in _COMPARISONS.items():
    if any(key[1] == kind for key in measured):
      meaning = f'{comparison}: Jensen-Shannon divergence, 0 to 1.'
      headings += [Heading(kind, meaning=meaning), *words('to its threshold')]
      for feature, cells in rows.items():
        cells += _divergence(*measured.get((feature, kind), (None, 0.0)))
  return table('Drift and skew by column', headings, (row(*cells) for cells in rows.values()))


def _comparison(found: FindingRecord) -> str:
  """What a divergence is of; the newest span of a window is measured by itself, too."""
  return 'newest' if (found.kind, found.split) == ('drift', 'eval') else found.kind


def _divergence(value: float | None, limit: float) -> tuple[Cell, Cell]:
  if value is None:
    return figure(None, number), picture(Markup(''))
  # The threshold at three quarters of the track, so that one sees what is beyond it.
  style = 'length beyond' if value > limit else 'length'
  return figure(value, lambda value: number(value, 3)), picture(length_bar(value, limit / 0.75, style, limit))


def _columns(columns: tuple[ColumnSummary, ...]) -> Table:
  headings = (*words('column'), 'missing', 'smallest', 'median', 'mean', 'largest')
  rows = []
  for column in columns:
    # Four decimals of a degree are ten metres.
    digits = 4 if column.name.endswith(('longitude', 'latitude')) else None
    values = (column.low, column.median, column.mean, column.high)
    cells = (figure(value, functools.partial(number, digits=digits)) for value in values)
    if column.name != TIME:
      missing = figure(column.missing, functools.partial(percent, digits=2))
      rows.append(row(column.name, missing, *cells))
  return table('What the train split holds, before any feature', headings, rows)


_VALUES = 20
"""Of a categorical column, the most frequent ones are shown."""


def _categories(record: RunRecord, profile: Profile) -> Table | None:
  """How often each value of the categorical columns came; `None` where there is none, or it is not known."""
  rows = []
  for name, vocabulary in vocabularies(record).items():
    column = profile.columns.get(name)
    if column is None or len(column.codes) != len(vocabulary) + 1:
      continue
    for value, rides in _most_frequent(vocabulary, column):
      rows.append(row(name, value, figure(rides, whole), figure(rides / column.rides, percent)))
  headings = (*words('column', 'value'), 'rides', 'share')
  return table('Values of the categorical columns, of all kept rides', headings, rows) if rows else None


def _most_frequent(vocabulary: Sequence[str], column: ColumnProfile) -> Iterator[tuple[str, int]]:
  """Values with their rides, the most frequent first; then the rest together, other values, and rides without one."""
  *known, other = column.codes
  ordered = sorted(zip(vocabulary, known, strict=True), key=lambda item: -item[1])
  yield from ordered[:_VALUES]
  if rest := ordered[_VALUES:]:
    yield f'{counted(len(rest), "further value")}', sum(rides for _, rides in rest)
  if other:
    yield f'any other, such as {quoted(column.other)}' if column.other else 'any other', other
  if column.missing:
    yield 'missing', column.missing


_WORDS = {
  StepState.COMPLETE: 'ran',
  StepState.CACHED: 'from the cache',
  StepState.SKIPPED: 'skipped',
  StepState.FAILED: 'failed',
}


class StepRow(NamedTuple):
  """One step: its state (for people, the word), its time (the bar: when), its part of the graph, what it waits for."""

  name: str
  state: str
  word: str
  time: str
  bar: Markup
  lanes: Markup
  after: str


class StepsSection(NamedTuple):
  """The steps: a sentence, and a row each; whether it is known what they wait for, and when they began."""

  sentence: str
  rows: tuple[StepRow, ...]
  has_graph: bool
  has_times: bool


def steps_section(record: RunRecord) -> StepsSection | None:
  """The section, or `None` if no step ended."""
  steps = record.steps()
  if not steps:
    return None
  graph = {step.name: step.after for step in steps if step.after is not None}
  has_graph = len(graph) == len(steps)
  styles = {step.name: step.state.value for step in steps}
  lanes = draw_lanes(graph, styles) if has_graph else [Markup('')] * len(steps)
  # Where it is known when they began, the bars are a time line: those that ran side by side lie below each other.
  has_times = all(step.began is not None for step in steps)
  top = record.stepping if has_times else max(step.seconds for step in steps)
  rows = tuple(
    StepRow(
      name=step.name,
      state=step.state.value,
      word=_WORDS[step.state],
      time=seconds(step.seconds),
      bar=length_bar(
        step.seconds,
        top,
        f'length {step.state.value}',
        start=step.began or 0.0 if has_times else 0.0,
        ahead=step.ahead if has_times else 0.0,
      ),
      lanes=lane,
      after=joined(step.after) if step.after else '',
    )
    for step, lane in zip(steps, lanes, strict=True)
  )
  cached = sum(step.state is StepState.CACHED for step in steps)
  sentence = f'{steps_of(steps)} in {seconds(record.stepping)}{_beside(record)}'
  in_memory = [step.name for step in steps if step.computed is Computed.IN_MEMORY]
  begun = ''.join(f' {step.name} had begun {seconds(step.ahead)} before.' for step in steps if step.ahead)
  without = f' Without Beam: {joined(in_memory)}.' if in_memory else ''
  sentence = f'{sentence}; {cached or "none"} came from the cache.{without}{begun}'
  return StepsSection(sentence, rows, has_graph, has_times)


def _beside(record: RunRecord) -> str:
  """What else there is to say of the time that the steps took: done in turn, and as a part of the whole run."""
  work, took = sum(step.seconds for step in record.steps()), seconds(record.stepping)
  in_turn = f', {seconds(work)} one after another' if work > record.stepping and seconds(work) != took else ''
  whole_run = seconds(record.duration)
  return in_turn if whole_run == took else f'{in_turn}, of the {whole_run} that the run took with what is around them'


class AgainSection(NamedTuple):
  """What it takes to make the run again: a command, facts by name, the resolved config (empty where it is lost)."""

  command: str
  facts: tuple[tuple[str, str], ...]
  config: str


def again_section(record: RunRecord) -> AgainSection:
  """The section of any run."""
  summary, files = record.summary, _data_files(record)
  facts = [
    ('Config', summary.config or str(record.output.config)),
    ('Data', shortened(files, 3) if len(files) > 3 else joined(files)),
    ('Code version', summary.code_version or ''),
    ('Started', summary.started or ''),
    ('Pushed to', summary.pushed_path or ''),
  ]
  config = record.output.config
  command = f'farelite run --config {shlex.quote(str(config))} --output {shlex.quote(f"{record.output.path}-again")}'
  text = config.read_text(encoding='utf-8') if config.is_file() else ''
  return AgainSection(command, tuple((name, value) for name, value in facts if value), text)


def _data_files(record: RunRecord) -> Sequence[str]:
  if record.summary.data:
    return [record.summary.data]
  counts = record.read_json('RideExampleGen', 'quarantine', 'counts.json')
  return counts.get('files', ()) if counts else ()
