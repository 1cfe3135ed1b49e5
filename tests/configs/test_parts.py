"""A part of a config: what goes into a step's key, and what its executor can get at.

Oracle: the whole config, field by field.
"""

from __future__ import annotations

import copy
import json
import pickle

import pytest

from configs import loading
from configs.base import Config
from configs.dataset import Dataset, ExtraColumn, FileFormat, Landmark
from configs.parts import Part, leaves, load_part
from configs.platform import BigQuery

DATASET = loading.load('nyc').dataset.model_copy(
  update={'extras': (ExtraColumn(name='surge', column='Surge', meaning='how busy'),)}
)


class Inner(Config):
  number: int = 1
  text: str = 'a'


class Outer(Config):
  inner: Inner = Inner()
  maybe: Inner | None = None
  many: tuple[Inner, ...] = ()
  numbers: tuple[int, ...] = (1, 2)
  left: int = 3


def test_every_leaf_is_found():
  of_inner = ('number', 'text')
  nested = [f'{name}.{leaf}' for name in ('inner', 'maybe', 'many') for leaf in of_inner]
  assert list(leaves(Outer)) == [*nested, 'numbers', 'left']


def test_the_text_holds_what_is_declared_and_nothing_else():
  config = Outer(maybe=Inner(number=7), many=(Inner(number=8), Inner()))
  assert json.loads(Part(Outer, 'left', 'inner.text').dump(config)) == {'left': 3, 'inner': {'text': 'a'}}
  assert json.loads(Part(Outer, 'many.number').dump(config)) == {'many': [{'number': 8}, {'number': 1}]}
  assert json.loads(Part(Outer, 'maybe').dump(config)) == {'maybe': {'number': 7, 'text': 'a'}}
  assert json.loads(Part(Outer, 'maybe').dump(Outer())) == {'maybe': None}
  assert json.loads(Part(Outer, 'numbers').dump(config)) == {'numbers': [1, 2]}


def test_all_but_a_few():
  config = Outer(many=(Inner(),))
  part = Part.all_but(Outer, 'inner', 'many.text')
  assert part.fields == ('maybe.number', 'maybe.text', 'many.number', 'numbers', 'left')
  assert set(json.loads(part.dump(config))) == {'maybe', 'many', 'numbers', 'left'}


@pytest.mark.parametrize('field', ['nothing', 'inner.nothing', 'inner.number.more', 'inn', ''])
def test_a_field_that_is_none_is_refused(field):
  with pytest.raises(ValueError, match=f"Outer has no field '{field}'"):
    Part(Outer, 'left', field)


@pytest.mark.parametrize('preset', ['chicago', 'nyc'])
def test_what_is_declared_survives_the_way_to_the_executor(preset):
  whole = loading.load(preset).dataset
  part = Part(Dataset, 'currency', 'format', 'rules.bounds', 'rules.earliest', 'time', 'city', 'columns.fare_amount')
  got = load_part(Dataset, part.dump(whole))
  for name in ('currency', 'format', 'time', 'city'):
    assert getattr(got, name) == getattr(whole, name), name
  assert isinstance(got.format, FileFormat)
  assert isinstance(got.city.landmarks[0], Landmark)
  assert (got.rules.bounds, got.rules.earliest) == (whole.rules.bounds, whole.rules.earliest)
  assert got == part.of(whole)


def test_what_is_not_declared_can_not_be_read():
  got = Part(Dataset, 'extras.name', 'rules.bounds', 'bigquery').of(DATASET)
  assert (got.extras[0].name, got.rules.bounds, got.bigquery) == ('surge', DATASET.rules.bounds, None)
  for read in (
    lambda: got.currency,
    lambda: got.path,
    lambda: got.rules.max_quarantined_share,
    lambda: got.extras[0].meaning,
    lambda: got.source_columns(),
  ):
    with pytest.raises(AttributeError, match=r'is no part of the \w+ that this step gets: what it reads has to stand'):
      read()
  with pytest.raises(AttributeError, match='nonsense'):
    got.nonsense  # noqa: B018


def test_a_part_of_none_is_none():
  part = Part(Dataset, 'bigquery.table')
  assert part.of(DATASET).bigquery is None
  there = DATASET.model_copy(update={'path': None, 'bigquery': BigQuery(table='shop.rides.taxi', version='1')})
  assert part.of(there).bigquery.table == 'shop.rides.taxi'
  with pytest.raises(AttributeError):
    part.of(there).bigquery.version  # noqa: B018


def test_a_part_is_a_config_like_any_other():
  """Beam pickles it, and a step changes a copy of it."""
  got = Part(Dataset, 'format', 'extras.name', 'columns').of(DATASET)
  assert pickle.loads(pickle.dumps(got)) == got == copy.deepcopy(got)
  assert hash(got) == hash(pickle.loads(pickle.dumps(got)))
  changed = got.model_copy(update={'format': FileFormat.PARQUET})
  assert (changed.format, changed.extras) == (FileFormat.PARQUET, got.extras)
  with pytest.raises(AttributeError):
    changed.currency  # noqa: B018
  with pytest.raises(ValueError, match='frozen'):
    got.format = FileFormat.CSV
  assert got.model_dump(mode='json').keys() == {'format', 'extras', 'columns'}


def test_a_whole_config_is_a_part():
  assert load_part(Dataset, DATASET.model_dump_json()) == DATASET


def test_fields_keep_their_order():
  assert list(Part(Outer, 'left', 'numbers', 'inner').of(Outer()).model_dump()) == ['inner', 'numbers', 'left']


@pytest.mark.parametrize(
  ('text', 'message'),
  [
    pytest.param('{"lefft": 1}', "Outer has no field 'lefft'", id='unknown'),
    pytest.param('{"inner": {"numberr": 1}}', "Inner has no field 'numberr'", id='unknown_below'),
    pytest.param('{"left": "many"}', 'valid integer', id='wrong'),
  ],
)
def test_text_that_is_no_part_is_refused(text, message):
  with pytest.raises(ValueError, match=message):
    load_part(Outer, text)


def test_a_whole_config_is_checked_as_one():
  """Whatever the fields have to say to each other, as where it is read from a file."""
  whole = json.loads(DATASET.model_dump_json())
  whole['rules']['fare'] |= {'min': 50.0, 'max': 5.0}
  with pytest.raises(ValueError, match='min'):
    load_part(Dataset, json.dumps(whole))
  assert json.loads(load_part(Outer, Outer(left=9).model_dump_json()).model_dump_json()) == json.loads(
    Outer(left=9).model_dump_json()
  )


def test_a_part_knows_what_was_set():
  """Of a whole one all fields are, of a part those that it has."""
  assert load_part(Outer, Outer().model_dump_json()).model_fields_set == set(Outer.model_fields)
  assert Part(Outer, 'left').of(Outer()).model_fields_set == {'left'}
  assert Part(Outer, 'inner.text').of(Outer()).inner.model_fields_set == {'text'}


def test_many_or_none_of_a_config_keep_their_shape():
  part = Part(Outer, 'many', 'maybe')
  assert part.of(Outer()).many == ()
  assert part.of(Outer()).maybe is None
  there = part.of(Outer(many=(Inner(number=2), Inner(number=3)), maybe=Inner(text='b')))
  assert [each.number for each in there.many] == [2, 3]
  assert isinstance(there.many, tuple)
  assert there.maybe.text == 'b'


def test_fields_are_found_by_whole_names():
  """`left` is no part of `leftover`, and a name ends at a dot."""

  class Like(Config):
    left: int = 1
    leftover: int = 2

  assert Part(Like, 'left').fields == ('left',)
  assert Part.all_but(Like, 'left').fields == ('leftover',)
  with pytest.raises(ValueError, match="Like has no field 'right'"):
    Part.all_but(Like, 'right')
