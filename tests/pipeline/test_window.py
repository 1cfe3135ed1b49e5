"""The spans of a run are decided before it. Oracle: the folders that the test makes."""

import pathlib

import pytest

from components.ride_example_gen.files import IngestionError
from pipeline.sources import data_source, resolve_window


@pytest.fixture
def spans(tmp_path):
  """Three numbered spans; returns the pattern."""
  for number in (1, 2, 3):
    (tmp_path / f'span-{number}').mkdir()
    (tmp_path / f'span-{number}' / 'a.csv').write_text('rides')
  return f'{tmp_path}/span-{{SPAN}}/*.csv'


def test_a_window_becomes_one_plain_glob_for_each_span(spans):
  source, window = resolve_window(data_source(spans), 2)
  assert source.inputs() == {'span-2': 'span-2/*.csv', 'span-3': 'span-3/*.csv'}
  assert window is not None
  assert window.name() == 'span 2 to span 3 (2 spans)'


def test_without_a_window_the_newest_span_alone(spans):
  source, _ = resolve_window(data_source(spans))
  assert source.inputs() == {'span-3': 'span-3/*.csv'}


def test_what_is_in_no_span_is_said(spans):
  folder = pathlib.Path(spans).parent.parent / 'span-latest'
  folder.mkdir()
  _, window = resolve_window(data_source(spans), 2)
  assert window is not None
  assert window.notes() == (f"1 path was passed over: '{folder}' (it does not fit 'span-{{SPAN}}').",)


def test_without_spans_everything(spans):
  plain = data_source(spans.replace('{SPAN}', '*'))
  assert resolve_window(plain) == (plain, None)
  assert plain.inputs() == {'rides': 'span-*/*.csv'}
  with pytest.raises(IngestionError, match='has no spans; a window needs'):
    resolve_window(plain, 7)
