"""The in-graph parser of time stamps against `datetime`."""

import datetime

import numpy as np
import pytest
import tensorflow as tf

from transforms.civil import INVALID_SECONDS, parse_seconds

EPOCH = datetime.datetime(2009, 1, 1)


@pytest.mark.parametrize(
  'text',
  [
    pytest.param('2009-01-01 00:00:00', id='epoch'),
    pytest.param('2012-02-29 23:59:59 UTC', id='leap_day'),
    pytest.param('2011-01-31 23:59:59', id='month_end'),
    pytest.param('2010-12-31 23:59:59', id='year_end'),
    pytest.param('2008-12-31 23:59:59', id='before_2009'),
    pytest.param('2000-02-29 12:34:56', id='century_leap_day'),
    pytest.param('1941-01-01 00:00:00', id='earliest'),
    pytest.param('2076-12-31 23:59:59', id='latest'),
    pytest.param('2014-07-23T18:05:09.123456Z', id='iso_with_fraction'),
  ],
)
def test_parses_as_datetime_does(text):
  expected = (datetime.datetime.fromisoformat(text[:19]) - EPOCH).total_seconds()
  assert int(parse_seconds(tf.constant([text]))[0]) == expected


@pytest.mark.parametrize(
  'text',
  [
    pytest.param('', id='empty'),
    pytest.param('2014-07-23 18:05', id='too_short'),
    pytest.param('2014-02-29 00:00:00', id='no_leap_year'),
    pytest.param('2014-04-31 00:00:00', id='day_31_of_april'),
    pytest.param('2014-13-01 00:00:00', id='month_13'),
    pytest.param('2014-00-01 00:00:00', id='month_0'),
    pytest.param('2014-01-00 00:00:00', id='day_0'),
    pytest.param('2014-01-01 24:00:00', id='hour_24'),
    pytest.param('2014-01-01 00:60:00', id='minute_60'),
    pytest.param('2014-01-01 00:00:60', id='second_60'),
    pytest.param('2014/01/01 00:00:00', id='other_separators'),
    pytest.param('2O14-01-01 00:00:00', id='letter_for_digit'),
    pytest.param(' 2014-01-01 00:00:00', id='leading_blank'),
    pytest.param('1940-12-31 23:59:59', id='too_early'),
    pytest.param('2077-01-01 00:00:00', id='too_late'),
    pytest.param('ö' * 19, id='not_ascii'),
  ],
)
def test_unreadable_stamps_become_the_sentinel_and_leave_the_others_alone(text):
  got = parse_seconds(tf.constant([text, '2009-01-01 00:00:01']))
  np.testing.assert_array_equal(got, [INVALID_SECONDS, 1])


def test_random_stamps_in_graph():
  seconds = np.random.default_rng(0).integers(-(2**31) + 2 * 10**6, 2**31 - 2 * 10**6, 5000)
  texts = [str(EPOCH + datetime.timedelta(seconds=int(value))) for value in seconds]
  np.testing.assert_array_equal(tf.function(parse_seconds)(tf.constant(texts)), seconds)
