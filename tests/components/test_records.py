"""Parts become shards once, however often Beam runs the last step."""

import pytest
import tensorflow as tf

from components.feature_engineering.example_io import parts_of, publish, remove_parts


@pytest.fixture
def parts(tmp_path):
  """Two parts of a split, and the split's folder."""
  split = tmp_path / 'Split-train'
  folder = tmp_path / '_parts' / 'Split-train'
  folder.mkdir(parents=True)
  assert parts_of(str(split)) == str(folder)
  for name in ('part-a', 'part-b', 'part-of-a-lost-bundle'):
    (folder / name).write_text(name)
  return [str(folder / name) for name in ('part-a', 'part-b')], split


def contents(split):
  return {path.name: path.read_text() for path in split.iterdir()}


def test_only_named_parts_are_published(parts):
  named, split = parts
  publish(named, str(split))
  assert contents(split) == {
    'transformed_examples-00000-of-00002.gz': 'part-a',
    'transformed_examples-00001-of-00002.gz': 'part-b',
  }


def test_a_second_time_goes_on_where_the_first_broke_off(parts):
  named, split = parts
  publish(named, str(split))
  whole = contents(split)
  # As after a crash between the two moves.
  (split / 'transformed_examples-00001-of-00002.gz').rename(named[1])
  publish(named, str(split))
  publish(named, str(split))
  assert contents(split) == whole


def test_what_nobody_named_is_removed(parts, tmp_path):
  named, split = parts
  publish(named, str(split))
  remove_parts([str(split), str(tmp_path / 'Split-eval')])
  assert [path.name for path in tmp_path.iterdir()] == ['Split-train']


def test_a_lost_part_is_an_error(parts):
  named, split = parts
  with pytest.raises(FileNotFoundError):
    publish([*named, f'{named[0]}-lost'], str(split))


def test_a_split_without_rides(tmp_path):
  publish([], str(tmp_path / 'Split-eval'))
  [file] = (tmp_path / 'Split-eval').iterdir()
  assert list(tf.data.TFRecordDataset(str(file), 'GZIP')) == []
