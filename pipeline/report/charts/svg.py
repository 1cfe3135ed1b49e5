"""SVG elements that can't be malformed: text and attributes are escaped here, in one place."""

from __future__ import annotations

from markupsafe import Markup, escape


def element(tag: str, *children: Markup | str, **attributes: object) -> Markup:
  """One element.

  Args:
    tag: its name.
    *children: elements, or text to escape.
    **attributes: `class_` is `class`, other underscores are hyphens; numbers
      are rounded to a tenth, `None` leaves the attribute out.
  """
  told = Markup('').join(
    Markup(' {}="{}"').format(_attribute(name), _value(value))
    for name, value in attributes.items()
    if value is not None
  )
  content = Markup('').join(escape(child) for child in children)
  return Markup('<{}{}>{}</{}>').format(tag, told, content, tag) if content else Markup('<{}{}/>').format(tag, told)


def picture(width: float, height: float, label: str, *children: Markup) -> Markup:
  """A whole picture that scales with its column.

  Args:
    width: of the drawing, in its own units.
    height: of the drawing.
    label: what it shows, for who can't see it.
    *children: what is drawn.
  """
  return element('svg', *children, viewBox=f'0 0 {width:g} {height:g}', role='img', aria_label=label)


def text(x: float, y: float, content: str, anchor: str = 'start', class_: str | None = None) -> Markup:
  """Text on its baseline; `anchor` is start, middle or end."""
  return element('text', content, x=x, y=y, text_anchor=None if anchor == 'start' else anchor, class_=class_)


def line(x1: float, y1: float, x2: float, y2: float, class_: str) -> Markup:
  """A straight line."""
  return element('path', d=f'M{_short(x1)} {_short(y1)}L{_short(x2)} {_short(y2)}', class_=class_)


def polyline(points: list[tuple[float, float]], class_: str) -> Markup:
  """A line through points; nothing for fewer than two."""
  if len(points) < 2:
    return Markup('')
  steps = 'L'.join(f'{_short(x)} {_short(y)}' for x, y in points)
  return element('path', d=f'M{steps}', class_=class_)


def clipped(left: float, top: float, right: float, bottom: float, *children: Markup) -> Markup:
  """What is drawn within a rectangle; the rest of it is cut off."""
  width, height = right - left, bottom - top
  box = f'{_short(left)} {_short(top)} {_short(width)} {_short(height)}'
  return element('svg', *children, x=left, y=top, width=width, height=height, viewBox=box)


def _attribute(name: str) -> str:
  return name.rstrip('_').replace('_', '-')


def _value(value: object) -> str:
  return _short(value) if isinstance(value, float) else str(value)


def _short(value: float) -> str:
  return f'{value:.1f}'.removesuffix('.0')
