"""Spans, windows and splits: which files a run reads, and which of their rides are for evaluation."""

from __future__ import annotations

import collections
import dataclasses
import datetime
import itertools
import re
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from components.ride_example_gen.files import IngestionError
from components.ride_example_gen.listing import (
  Found,
  Listing,
  find,
  find_files,
  nothing_found,
  passed_over_sentence,
  reasons,
  without_blank,
)
from components.ride_example_gen.patterns import check_spans, has_spans, is_dated, label_of
from configs.base import joined, shortened
from configs.split import Split, SplitMethod

_INPUT = re.compile(r'(day|span)-(\d+)')


@dataclasses.dataclass(frozen=True, order=True)
class Span:
  """One span of rides.

  Attributes:
    number: of `{SPAN}`, or days since 1970-01-01 of a date, as TFX counts them.
    label: `2026-03-08`, or `span 7`.
    pattern: the source's glob below its base with this span, and its newest version, filled in.
    files: what the pattern finds, sorted.
    version: of `{VERSION}`; `None` where the pattern has none.
  """

  number: int
  label: str
  pattern: str
  files: tuple[str, ...]
  version: int | None = None


def check_inputs(base: str, pattern: str) -> tuple[str, ...]:
  """Every file of rides that a pattern finds, span by span; see `list_inputs`."""
  return list_inputs(base, pattern).files


def list_inputs(base: str, pattern: str) -> Listing:
  """Every file of rides that a pattern finds, of all spans where it has spans, and what is passed over.

  Args: base, pattern: see `listing.find_files` and `survey_spans`.
  Raises: IngestionError: there is no file, or the pattern can't be followed.
  """
  if not has_spans(pattern):
    return find_files(base, pattern)
  found, passed_over = survey_spans(base, pattern)
  for span in found:
    passed_over |= find_files(base, span.pattern).passed_over
  return Listing(tuple(file for span in found for file in span.files), passed_over)


def day_of(label: str) -> datetime.date | None:
  """The day that a label of `patterns.label_of` names; None of any other name."""
  try:
    return datetime.date.fromisoformat(label) if len(label) == len('2026-03-08') else None
  except ValueError:
    return None


def input_name(number: int, *, dated: bool) -> str:
  """What ExampleGen's input split of a span is called: `day-20520`, or `span-7`."""
  return f'{"day" if dated else "span"}-{number}'


def number_of_input(name: str) -> int | None:
  """The number in a name of `input_name`; None of any other name."""
  found = _INPUT.fullmatch(name)
  return int(found[2]) if found else None


def label_of_input(name: str) -> str:
  """The label of the span whose input split has a name of `input_name`; any other name as it is."""
  number = number_of_input(name)
  return name if number is None else label_of(number, dated=name.startswith('day-'))


def find_spans(base: str, pattern: str) -> tuple[Span, ...]:
  """`survey_spans` without what is passed over."""
  return survey_spans(base, pattern)[0]


def survey_spans(base: str, pattern: str) -> tuple[tuple[Span, ...], dict[str, str]]:
  """Every span that has a file, oldest first, of several versions the newest; and what is in none of them.

  Args:
    base: a folder, or the prefix of a bucket.
    pattern: a glob below it with `{SPAN}` or `{YYYY}`, `{MM}` and `{DD}`, and perhaps `{VERSION}`, as in TFX.
  Returns: The spans, and why it is passed over of each path that the pattern finds outside of them.
  Raises: IngestionError: no file is left, the pattern's specs don't go together, or two folders are the same span.
  """
  check_spans(pattern)
  found = find(base, pattern)
  of_span: dict[int, dict[Any, dict[str, list[Found]]]] = {}
  outside = [one for one in found if one.why]
  for one in found:
    if not one.why and one.number is not None:
      versions = of_span.setdefault(one.number, {})
      versions.setdefault(one.values.get('VERSION'), {}).setdefault(one.filled, []).append(one)
    elif not one.why:
      outside.append(one._replace(why='its number is too large' if 'SPAN' in one.values else 'it is of no day'))
  spans = tuple(_span(number, versions, is_dated(pattern)) for number, versions in sorted(of_span.items()))
  passed_over = reasons(one for one in outside if one.number not in of_span)
  if not spans:
    raise nothing_found(base, pattern, passed_over)
  return spans, passed_over


def _span(number: int, versions: dict[Any, dict[str, list[Found]]], dated: bool) -> Span:
  label, version = label_of(number, dated=dated), max(versions)
  if len(versions[version]) > 1:
    raise IngestionError(f'Two folders are the same part of the data, {label}: {joined(sorted(versions[version]))}.')
  [(filled, found)] = versions[version].items()
  files, _ = without_blank(found)
  return Span(number, label, filled, tuple(one.path for one in files), version)


@dataclasses.dataclass(frozen=True)
class Window:
  """What a run reads.

  Attributes:
    spans: oldest first; the last one evaluates.
    missing: labels of spans that are not between these and should be, by the usual distance of spans.
    late: labels of spans that came after a newer one had been read.
    left_out: labels of spans that the window passed over, see `latest_window`.
    excluded: labels of spans that are there, not before its first one, and that the config leaves out by name.
    outside: why it is passed over, by path, of what the pattern finds and is in no span.
  """

  spans: tuple[Span, ...]
  missing: tuple[str, ...] = ()
  late: tuple[str, ...] = ()
  left_out: tuple[str, ...] = ()
  excluded: tuple[str, ...] = ()
  outside: Mapping[str, str] = dataclasses.field(default_factory=dict)

  @property
  def newest(self) -> Span:
    """The span that evaluates."""
    return self.spans[-1]

  def files(self) -> tuple[str, ...]:
    """Every file of the window, span by span."""
    return tuple(file for span in self.spans for file in span.files)

  def name(self) -> str:
    """`2026-03-02 to 2026-03-08 (7 spans)`."""
    if len(self.spans) == 1:
      return self.newest.label
    return f'{self.spans[0].label} to {self.newest.label} ({len(self.spans)} spans)'

  def notes(self) -> tuple[str, ...]:
    """One sentence for each kind of irregularity, which names seven spans at most."""
    kinds = (
      ('missing in the window', self.missing, ''),
      ('late, after a newer one had been read', self.late, ''),
      ('left out of the window', self.left_out, ' (set aside as broken until its files change)'),
      ('left out by name', self.excluded, ' (retraining.exclude)'),
    )
    spans = (f'Spans {words}: {shortened(labels, 7)}{why}.' for words, labels, why in kinds if labels)
    return (*spans, *filter(None, [passed_over_sentence(self.outside)]))


def latest_window(
  base: str,
  pattern: str,
  size: int,
  *,
  newest: int | None = None,
  seen: Collection[int] = (),
  leave_out: Collection[int] = (),
  exclude: Collection[int] = (),
) -> Window:
  """The last `size` spans that are there.

  A gap does not shrink the window: it reaches further back instead, so the amount of data stays, and what is missing is
  named. The newest span is never left out: if it is broken, the run has to report it. One that the config excludes is
  as if it were not there.

  Args:
    base: a folder, or the prefix of a bucket.
    size: number of spans, at least 1.
    newest: leave out the spans after this number, to run a past window.
    seen: numbers of the spans that earlier runs have found; later ones with a lower number are late.
    leave_out: numbers of spans that are known to be broken.
    exclude: numbers of spans that the config leaves out.
  Raises: IngestionError: as `find_spans`, there is no span up to `newest`, or the config excludes all that are there.
  """
  found, outside = survey_spans(base, pattern)
  there = [span for span in found if newest is None or span.number <= newest]
  if not there:
    assert newest is not None
    raise IngestionError(f'There is no span up to {label_of(newest, dated=is_dated(pattern))}.')
  kept = [span for span in there if span.number not in exclude]
  if not kept:
    raise IngestionError(
      f'retraining.exclude leaves out every span: {shortened([span.label for span in there], 7)}; take one out of it.'
    )
  good = [span for span in kept[:-1] if span.number not in leave_out] + kept[-1:]
  spans = tuple(good[-size:])
  first = spans[0].number
  latest_seen = max(seen, default=None)
  return Window(
    spans=spans,
    missing=tuple(label_of(n, dated=is_dated(pattern)) for n in _missing(there, first) if n not in exclude),
    late=tuple(s.label for s in spans if latest_seen is not None and s.number < latest_seen and s.number not in seen),
    left_out=tuple(span.label for span in kept if span.number >= first and span not in spans),
    excluded=tuple(span.label for span in there if span.number >= first and span.number in exclude),
    outside=outside,
  )


def _missing(there: Sequence[Span], first: int) -> list[int]:
  """Numbers that the usual distance of spans, the most frequent one, would expect from `first` on."""
  distances = [later.number - earlier.number for earlier, later in itertools.pairwise(there)]
  if not distances:
    return []
  counts = collections.Counter(distances)
  usual = min(counts, key=lambda distance: (-counts[distance], distance))
  expected = []
  for span, distance in zip(there, distances, strict=False):
    # Rounded, as months have 28 to 31 days.
    steps = round(distance / usual)
    expected += [span.number + usual * step for step in range(1, steps) if span.number >= first]
  return expected


FEWEST_AGAIN = 2
"""So many rides that are the same in two places are a redelivery; a single one may be so by chance."""

TRAIN, EVAL = 'train', 'eval'
SPLITS = (TRAIN, EVAL)

ALL, NONE = -(2**63), 2**63 - 1
"""Thresholds that put all rides, or none, into the eval split."""


def of_a_single_span(split: Split) -> Split:
  """The newest span can't evaluate where it is the only one yet; then its rides are divided by their time stamps."""
  return split.model_copy(update={'method': SplitMethod.HASH})


def of_these_spans(split: Split, count: int) -> Split:
  """The split of a run on so many spans."""
  return of_a_single_span(split) if split.method is SplitMethod.NEWEST_SPAN and count < 2 else split


def span_thresholds(files: Mapping[str, Sequence[str]], split: Split) -> dict[str, int | None]:
  """The threshold of each file for `splitting.in_eval` as far as the spans tell it; None where they don't.

  Args: files: paths by span, the newest one last.
  """
  every = [path for paths in files.values() for path in paths]
  if split.method is not SplitMethod.NEWEST_SPAN:
    return dict.fromkeys(every)
  *_, newest = files.values()
  evaluating = set(newest)
  return {path: ALL if path in evaluating else NONE for path in every}
