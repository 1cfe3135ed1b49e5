"""Which spans a run reads, decided before the run: on a cluster too, where no driver may look at the data."""

from __future__ import annotations

from collections.abc import Collection

from components.ride_example_gen.spans import has_spans
from components.ride_example_gen.window import Window, latest_window
from pipeline.data_source import DataSource


def resolve_window(
  source: DataSource,
  window: int | None = None,
  *,
  newest: int | None = None,
  seen: Collection[int] = (),
  leave_out: Collection[int] = (),
) -> tuple[DataSource, Window | None]:
  """The source with its spans filled in, and what is to be said about them. Changes nothing, only lists files.

  Args:
    source: the rides.
    window: number of spans; `None` takes the newest one alone, or everything where the pattern has no spans.
    newest: see `latest_window`.
    seen: see `latest_window`.
    leave_out: see `latest_window`.

  Returns:
    A source whose `spans` are plain globs, oldest first, and the window; a source without spans comes back as it is,
    with no window.

  Raises:
    IngestionError: no file matches, or a window is wanted where the pattern has no spans.
  """
  if window is None and not has_spans(source.pattern):
    return source, None
  found = latest_window(source.base, source.pattern, window or 1, newest=newest, seen=seen, leave_out=leave_out)
  return source.with_spans({span.number: span.pattern for span in found.spans}), found
