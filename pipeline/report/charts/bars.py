"""Small pictures inside table cells: a value with its interval, a share of a whole."""

from __future__ import annotations

from markupsafe import Markup

from configs.records import Estimate

_BAR = Markup('<span class="track" aria-hidden="true">{}</span>')
_PIECE = Markup('<span class="{}" style="left:{:.2f}%;width:{:.2f}%"></span>')
_TICK = Markup('<span class="{}" style="left:{:.2f}%"></span>')


def dot_bar(estimate: Estimate, top: float, reference: float | None = None) -> Markup:
  """A dot on a track from zero, with its interval.

  Args:
    estimate: not negative.
    top: the right end of the track.
    reference: drawn as a line across, such as the value of all rides.
  """
  parts = []
  if reference is not None:
    parts.append(_TICK.format('reference', _place(reference, top)))
  if estimate.low is not None and estimate.high is not None:
    low = _place(estimate.low, top)
    parts.append(_PIECE.format('interval', low, _place(estimate.high, top) - low))
  parts.append(_TICK.format('dot', _place(estimate.value, top)))
  return _BAR.format(Markup('').join(parts))


def length_bar(value: float, top: float, style: str = 'length', limit: float | None = None) -> Markup:
  """A bar from zero; `limit` is drawn as a line across."""
  parts = [_PIECE.format(style, 0.0, _place(value, top))]
  if limit is not None:
    parts.append(_TICK.format('limit', _place(limit, top)))
  return _BAR.format(Markup('').join(parts))


def _place(value: float, top: float) -> float:
  return 100 * min(max(value / top, 0.0), 1.0) if top > 0 else 0.0
