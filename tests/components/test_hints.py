"""What a sentence advises about a value, and that who follows it can read the value. Oracle: the same ingestion."""

from __future__ import annotations

import json
import random
import re

import pyarrow as pa
import pytest

from components.parquet import pq
from components.ride_example_gen.canonical import canonicalize
from components.ride_example_gen.hints import hint
from components.ride_example_gen.ingestion import inspect_span
from components.ride_example_gen.quarantine import BrokenExample, Reason, RideCounts, first_examples, total
from components.ride_validator.findings import RidesRefusedError, check_rides
from configs import loading
from tests.components.ingested import ingested

RIDE = {
  'pickup_datetime': '2011-01-28 20:42:59 UTC', 'fare_amount': '11.3', 'pickup_longitude': '-73.99',
  'pickup_latitude': '40.73', 'dropoff_longitude': '-73.98', 'dropoff_latitude': '40.71', 'passenger_count': '2',
}  # fmt: skip
COMMAS = {name: value.replace('.', ',') for name, value in RIDE.items() if name != 'pickup_datetime'}
TIME, FARE = 'pickup_datetime', 'fare_amount'
DATASET = loading.load('nyc').dataset


def judged(dataset, **changes):
  return canonicalize(pa.RecordBatch.from_pylist([RIDE | changes]), dataset)


def hint_for(column, value, *overrides, **others):
  dataset = loading.load('nyc', list(overrides)).dataset
  [reason] = judged(dataset, **others, **{column: value}).reason.to_pylist()
  return hint(Reason(reason), column, value, dataset)


def overrides_of(advice, value, dataset):
  """What a reader would write who follows the first advice."""
  first = advice.split(', or ')[0]
  if first == 'add it to dataset.missing':
    return [f'dataset.missing={json.dumps([*dataset.missing, value])}']
  _, _, settings = first.partition('et dataset.')
  table, _, settings = settings.partition('.')
  parts = re.findall(r"(?:dataset\.\w+\.)?(\w+) to (\[.*?\]|'[^']*'|\"[^\"]*\"|\w+)", settings)
  return [f'dataset.{table}.{name}={text}' for name, text in parts]


ALONE = "; where other columns have points, dataset.numbers.columns to ['fare_amount']"
"""Where an amount has a comma and coordinates have points, one notation for all reads only one of them."""

NUMBERS = [
  pytest.param('$11.3', "set dataset.numbers.signs to ['$']", id='dollar'),
  pytest.param('11.3 €', "set dataset.numbers.signs to ['€']", id='euro_behind'),
  pytest.param('USD 11.3', "set dataset.numbers.signs to ['USD']", id='code'),
  pytest.param('R$ 11,3', f"set dataset.numbers.decimal to ',' and signs to ['R$']{ALONE}", id='real'),
  pytest.param('11,3', f"set dataset.numbers.decimal to ','{ALONE}", id='decimal_comma'),
  pytest.param('1.234,50', f"set dataset.numbers.decimal to ',' and thousands to '.'{ALONE}", id='german'),
  pytest.param('1\u00a0234,50', f"set dataset.numbers.decimal to ',' and thousands to ' '{ALONE}", id='french'),
  pytest.param('1,234.50', "set dataset.numbers.thousands to ','", id='english'),
  pytest.param("1'234.50", 'set dataset.numbers.thousands to "\'"', id='swiss'),
  pytest.param('$1,234.50', "set dataset.numbers.thousands to ',' and signs to ['$']", id='dollars_and_thousands'),
  pytest.param(
    '3,456', f"set dataset.numbers.thousands to ',', or set dataset.numbers.decimal to ','{ALONE}", id='one_of_two'
  ),
  *(pytest.param(text, 'add it to dataset.missing', id=f'missing_{number}')
    for number, text in enumerate(['N/A', r'\N', '#N/A', '-', '--', '?', '<null>', '(missing)', 'Unknown'])),
  *(pytest.param(text, '', id=f'none_{number}') for number, text in enumerate(
    ['eleven', 'A123', '(5.0)', '5-', '12:30', '$', '1.2.3', '12,34,5', '\x1b[31m', '5 km'])),
]  # fmt: skip


@pytest.mark.parametrize(('value', 'advice'), NUMBERS)
def test_advice_about_a_number(value, advice):
  assert hint_for(FARE, value, 'dataset.rules.fare.max=5000') == advice


TIMES = [
  pytest.param('1296247379', 'seconds? Set dataset.time.encoding to unix_seconds', id='seconds'),
  pytest.param('1296247379000', 'milliseconds? Set dataset.time.encoding to unix_milliseconds', id='milliseconds'),
  pytest.param('1296247379000000', 'microseconds? Set dataset.time.encoding to unix_microseconds', id='microseconds'),
  pytest.param('2011-01-28T20:42:59Z', "set dataset.time.format to '%Y-%m-%dT%H:%M:%SZ'", id='iso'),
  pytest.param('28/01/2011 20:42', "set dataset.time.format to '%d/%m/%Y %H:%M'", id='day_first'),
  pytest.param(
    '03/04/2011 07:30 PM',
    "set dataset.time.format to '%m/%d/%Y %I:%M %p', or set dataset.time.format to '%d/%m/%Y %I:%M %p'",
    id='day_or_month_first',
  ),
  pytest.param('20110128', "set dataset.time.format to '%Y%m%d'", id='packed'),
  pytest.param('N/A', 'add it to dataset.missing', id='missing'),
  *(pytest.param(text, '', id=f'none_{text}') for text in ['yesterday', '12', '2011-02-30', '99:99']),
]  # fmt: skip


@pytest.mark.parametrize('format_', ['%Y-%m-%d %H:%M:%S UTC', '%Y-%m-%d %H:%M:%S'])
@pytest.mark.parametrize(('value', 'advice'), TIMES)
def test_advice_about_a_time(value, advice, format_):
  """An own format has to go where stamps are no text."""
  own = ' and dataset.time.format to null' if 'encoding' in advice and format_.endswith('UTC') else ''
  assert hint_for(TIME, value, f'dataset.time.format={json.dumps(format_)}') == f'{advice}{own}'


def test_advice_about_a_time_out_of_range():
  unix = ['dataset.time.format=null', 'dataset.time.encoding=unix_seconds']
  assert hint_for(TIME, '1296247379000', *unix) == 'milliseconds? Set dataset.time.encoding to unix_milliseconds'
  assert hint_for(TIME, '0', *unix) == hint_for(TIME, '1e30', *unix) == ''
  text = "set dataset.time.encoding to string and dataset.time.format to '%Y-%m-%d %H:%M:%S'"
  assert hint_for(TIME, '2011-01-28 20:42:59', *unix) == text


def test_advice_keeps_what_is_set_already():
  assert hint_for(FARE, '€ 5', 'dataset.numbers.signs=["$"]') == "set dataset.numbers.signs to ['$', '€']"
  overrides = ['dataset.numbers.decimal=","', 'dataset.rules.fare.max=5000']
  others = {name: value for name, value in COMMAS.items() if name != FARE}
  assert hint_for(FARE, '1.234,5', *overrides, **others) == "set dataset.numbers.thousands to '.'"


@pytest.mark.parametrize(('column', 'value'), [
  *((FARE, case.values[0]) for case in NUMBERS if case.values[1]),
  *((TIME, case.values[0]) for case in TIMES if case.values[1]),
])  # fmt: skip
@pytest.mark.parametrize('others_have_points', [True, False], ids=['points', 'commas'])
def test_who_follows_the_advice_can_read_the_value(column, value, others_have_points):
  """The config takes the settings, and the reason is gone: the value is read, or missing where it says so."""
  overrides = ['dataset.rules.fare.max=5000']
  dataset = loading.load('nyc', overrides).dataset
  before = judged(dataset, **{column: value})
  advice = hint(Reason(before.reason[0].as_py()), column, value, dataset)
  advice = advice if others_have_points else advice.replace(ALONE, '')
  followed = loading.load('nyc', [*overrides, *overrides_of(advice, value, dataset)]).dataset
  commas = followed.numbers.decimal == ',' and not others_have_points
  after = judged(followed, **(COMMAS if commas else {}) | {column: value})
  expected = [None] if 'missing' not in advice else ['missing_time' if column == TIME else 'missing_fare']
  assert after.reason.to_pylist() == expected


def test_advice_where_only_some_columns_are_written_so():
  commas = ['dataset.numbers.decimal=","']
  amounts = [*commas, 'dataset.numbers.columns=[fare_amount]']
  others = {name: value for name, value in COMMAS.items() if name != FARE}
  plain = 'list in dataset.numbers.columns those that have a decimal comma'
  assert hint_for(FARE, '11.3', *commas, **others) == plain
  assert hint_for('pickup_longitude', '-73,99', *amounts, fare_amount='11,3') == 'add it to dataset.numbers.columns'
  assert hint_for(FARE, '1.111,3', *amounts, 'dataset.rules.fare.max=5000') == "set dataset.numbers.thousands to '.'"


@pytest.mark.parametrize('reason', list(Reason))
def test_no_value_is_too_odd_for_advice(reason):
  generator = random.Random(0)
  letters = ' 0123456789.,-+:/TZ$€%\\n\'"eEAMPUC\u00a0\u0661\U0001f695\x1b'
  for column in (TIME, FARE):
    for _ in range(30):
      value = ''.join(generator.choice(letters) for _ in range(generator.randrange(1, 25)))
      assert isinstance(hint(reason, column, value, DATASET), str)


def test_stamps_of_no_year_are_set_aside_without_advice(tmp_path):
  """Of types, whose time stamps no format reads."""
  columns = {name: pa.array(['40.7' if name.endswith('latitude') else '-73.9'] * 3) for name in RIDE}
  far = pa.array([2**62, -(2**62), 0]).cast(pa.timestamp('s'))
  pq.write_table(pa.table(columns | {TIME: far, 'fare_amount': ['11'] * 3, 'passenger_count': ['1'] * 3}),
                 tmp_path / 'a.parquet')  # fmt: skip
  counts, _ = ingested(str(tmp_path / 'a.parquet'), tmp_path, DATASET)
  assert counts.quarantined == {'time_out_of_range': 3}
  assert [(example.column, example.hint) for example in counts.examples] == [(TIME, '')]


def file_of(path, *changes):
  rows = [RIDE | change for change in changes]
  lines = [','.join(RIDE), *(','.join(row.values()) for row in rows)]
  path.write_text('\n'.join(lines) + '\n')
  return str(path)


def test_counts_carry_the_first_broken_value_of_each_reason_and_column(tmp_path):
  files = [
    file_of(tmp_path / 'a.csv', {}, {FARE: '$1'}, {FARE: '$2'}, {'passenger_count': 'N/A'}, {FARE: '-4'}),
    file_of(tmp_path / 'b.csv', {FARE: '$3'}, {TIME: 'x' * 200}, {'passenger_count': '2,3,4'}),
  ]
  dataset = loading.load('nyc').dataset
  counts = [ingested(file, tmp_path, dataset)[0] for file in files]
  found = total([RideCounts.from_json(count.to_json()) for count in counts])
  [a, b] = files
  assert found.examples == (
    BrokenExample(
      'wrong_number_of_fields',
      '',
      ','.join((RIDE | {'passenger_count': '2,3,4'}).values()),
      b,
      4,
      '9 fields where the header has 7',
    ),
    BrokenExample('unparsable_time', TIME, 'x' * 80 + '…', b, 3),
    BrokenExample('unparsable_number', FARE, '$1', a, 3, "set dataset.numbers.signs to ['$']"),
    BrokenExample('unparsable_number', 'passenger_count', 'N/A', a, 5, 'add it to dataset.missing'),
    BrokenExample('fare_out_of_range', FARE, '-4', a, 6),
  )


def test_counts_of_before_are_still_read():
  counts = RideCounts(read=1, kept=1, splits={'train': 1, 'eval': 0})
  old = {name: value for name, value in json.loads(counts.to_json()).items() if name != 'examples'}
  assert RideCounts.from_json(json.dumps(old)) == counts


def test_three_columns_of_a_reason_are_enough():
  examples = [BrokenExample('not_finite', column, 'inf', 'f', 1) for column in 'abcdea']
  assert [example.column for example in first_examples(examples)] == ['a', 'b', 'c']


@pytest.mark.parametrize(
  ('example', 'sentence'),
  [
    (BrokenExample('fare_out_of_range', 'fare', '-1', 'f', 1), "fare_out_of_range in fare, such as '-1'."),
    (BrokenExample('missing_time', 't', '', 'f', 1), 'missing_time in t.'),
    (BrokenExample('wrong_number_of_fields', '', 'a,b', 'f', 1), "wrong_number_of_fields such as 'a,b'."),
    (BrokenExample('x', '', 'a,', 'f', 1, 'trailing commas?'), "x such as 'a,': trailing commas?"),
    (BrokenExample('y', '', 'a,,', 'f', 1, 'trailing commas?'), "y such as 'a,,': trailing commas?"),
    (BrokenExample('x', 'a\x1b', '\n\x1b[2J', 'f', 1, 'set it'), r"x in a\u001b, such as '\n\u001b[2J': set it."),
  ],
)
def test_sentences(example, sentence):
  assert example.sentence() == sentence


def test_a_refusal_says_what_to_set(tmp_path):
  path = file_of(tmp_path / 'a.csv', {FARE: '$1'}, {FARE: '-4'}, {'passenger_count': 'N/A'})
  dataset = loading.load('nyc').dataset
  counts, _ = ingested(path, tmp_path, dataset)
  with pytest.raises(RidesRefusedError) as refused:
    check_rides(counts, 0.1, '/q')
  assert str(refused.value).endswith(
    "the columns and the time format. unparsable_number in fare_amount, such as '$1': set dataset.numbers.signs to "
    "['$']. unparsable_number in passenger_count, such as 'N/A': add it to dataset.missing. fare_out_of_range in "
    "fare_amount, such as '-4'."
  )
  assert inspect_span([file_of(tmp_path / 'b.csv', {}, {FARE: '$1'})], dataset).broken == (
    '50 % of its 2 rows break a rule (rules.max_quarantined_share is 10 %), most of all unparsable_number (1) in '
    "fare_amount, such as '$1': set dataset.numbers.signs to ['$']."
  )
