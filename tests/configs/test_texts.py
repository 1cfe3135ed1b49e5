"""Texts of any origin on a terminal."""

import pytest

from configs.texts import visible


@pytest.mark.parametrize(
  ('text', 'shown'),
  [
    ('Zwölf — „fares“ …\n  of 東京 \U0001f695', 'Zwölf — „fares“ …\n  of 東京 \U0001f695'),
    ('a\x1b[31mb\x9b1mc\x07\x7f', r'a\u001b[31mb\u009b1mc\u0007\u007f'),
    ('\rback\u202eturned\u2028line', r'\rback\u202eturned\u2028line'),
    ('\udcff', r'\udcff'),
  ],
  ids=['text', 'controls', 'directions', 'no_text'],
)
def test_a_text_is_shown_and_not_obeyed(text: str, shown: str):
  assert visible(text) == shown
