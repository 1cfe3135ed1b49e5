"""A rolling window: the last spans of a source, the newest of them for evaluation."""

from __future__ import annotations

import collections
import dataclasses
import itertools
from collections.abc import Collection, Sequence

from components.ride_example_gen.errors import IngestionError
from components.ride_example_gen.spans import Span, find_spans, is_dated, label_of
from configs.problems import shortened

_NAMED = 7
"""How many spans a sentence names before it only counts."""


@dataclasses.dataclass(frozen=True)
class Window:
  """What a run reads.

  Attributes:
    spans: oldest first; the last one evaluates.
    missing: labels of spans that should lie between these and don't, by the usual distance of spans.
    late: labels of spans that came after a newer one had been read.
    left_out: labels of spans that the window passed over, see `latest_window`.
  """

  spans: tuple[Span, ...]
  missing: tuple[str, ...] = ()
  late: tuple[str, ...] = ()
  left_out: tuple[str, ...] = ()

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
    """One sentence for each kind of irregularity."""
    kinds = (
      ('missing in the window', self.missing, ''),
      ('late, after a newer one had been read', self.late, ''),
      ('left out of the window', self.left_out, ' (set aside as broken until its files change)'),
    )
    return tuple(f'Spans {words}: {shortened(labels, _NAMED)}{why}.' for words, labels, why in kinds if labels)


def latest_window(
  base: str,
  pattern: str,
  size: int,
  *,
  newest: int | None = None,
  seen: Collection[int] = (),
  leave_out: Collection[int] = (),
) -> Window:
  """The last `size` spans that are there.

  A gap does not shrink the window: it reaches further back instead, so the amount of data stays, and what is missing
  is named. The newest span is never left out: if it is broken, the run has to say so.

  Args:
    base: a folder, or the prefix of a bucket.
    pattern: as of `find_spans`.
    size: number of spans, at least 1.
    newest: leave out the spans after this number, to run a past window.
    seen: numbers of the spans that earlier runs have found; later ones with a lower number are late.
    leave_out: numbers of spans that are known to be broken.

  Raises:
    IngestionError: as `find_spans`, or there is no span up to `newest`.
  """
  there = [span for span in find_spans(base, pattern) if newest is None or span.number <= newest]
  if not there:
    assert newest is not None
    raise IngestionError(f'There is no span up to {label_of(newest, dated=is_dated(pattern))}.')
  good = [span for span in there[:-1] if span.number not in leave_out] + there[-1:]
  spans = tuple(good[-size:])
  first = spans[0].number
  latest_seen = max(seen, default=None)
  return Window(
    spans=spans,
    missing=tuple(label_of(number, dated=is_dated(pattern)) for number in _missing(there, first)),
    late=tuple(s.label for s in spans if latest_seen is not None and s.number < latest_seen and s.number not in seen),
    left_out=tuple(span.label for span in there if span.number >= first and span not in spans),
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
