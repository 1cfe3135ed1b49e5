"""What each trigger says. Oracle: the meaning of the config's keys, case by case, on a pure function."""

import dataclasses
import datetime

import pytest

from configs.operations import Triggers
from pipeline.retraining.triggers import TriggerInputs, decide

NOW = datetime.datetime(2026, 3, 8, 7, tzinfo=datetime.timezone.utc)
QUIET = TriggerInputs(
  now=NOW,
  unfinished=None,
  served=1772000000,
  served_since=NOW - datetime.timedelta(days=3),
  changed_setting=False,
  fresh=('2026-03-07',),
  new_rows=400,
  drift=('2026-03-07', 'fare_amount', 0.08),
  drift_limit=0.2,
  newest='2026-03-07',
)
TRIGGERS = Triggers(new_rows=500, drift=True, max_age_days=7)


@pytest.mark.parametrize(
  ('changes', 'fired', 'sentence'),
  [
    pytest.param({}, [], '400 new valid rides in 2026-03-07, fewer than 500 (new_rows).', id='nothing'),
    pytest.param({'new_rows': 500}, ['new_rows'], '500 new valid rides in 2026-03-07, at least 500', id='enough_rows'),
    pytest.param({'fresh': (), 'new_rows': 0, 'drift': None}, [],
                 'No new data: the newest span, 2026-03-07, has been read as it is.', id='no_new_data'),
    pytest.param({'drift': ('2026-03-07', 'passenger_count', 0.21)}, ['drift'],
                 'Drift: passenger_count of 2026-03-07 lies 0.210 from what the last run trained on, above the limit '
                 'of 0.2 (validation.drift_threshold).', id='drift'),
    pytest.param({'drift': ('2026-03-07', 'fare_amount', 0.2)}, [], 'within the limit of 0.2', id='drift_at_the_limit'),
    pytest.param({'served_since': NOW - datetime.timedelta(days=7.5)}, ['max_age_days'],
                 'Version 1772000000 is 7.5 days old, older than 7 (max_age_days).', id='old_model'),
    pytest.param({'served_since': NOW - datetime.timedelta(days=7)}, [], '7.0 days old, not older than 7', id='a_week'),
    pytest.param({'served_since': NOW - datetime.timedelta(days=9), 'fresh': (), 'new_rows': 0, 'drift': None}, [],
                 '(max_age_days), but there is no new ride to train on.', id='old_model_without_new_rides'),
    pytest.param({'served': None, 'served_since': None}, ['no_model'], 'No model serves yet.', id='first_run'),
    pytest.param({'unfinished': 'it was killed'}, ['unfinished'],
                 'The last run did not come to its end: it was killed', id='killed'),
    pytest.param({'broken': 'It has no ride at all.'}, ['broken'],
                 'newest span, 2026-03-07, is broken, which the run has to say: It has no ride at all.', id='broken'),
    pytest.param({'changed_setting': True}, ['setting'], 'The config or the code is not that of the last', id='config'),
  ],
)  # fmt: skip
def test_one_sentence_for_each_trigger(changes, fired, sentence):
  verdicts = decide(TRIGGERS, dataclasses.replace(QUIET, **changes))
  assert [verdict.trigger for verdict in verdicts if verdict.fires] == fired
  assert any(sentence in verdict.sentence for verdict in verdicts)
  assert all(verdict.sentence.endswith('.') or verdict.trigger == 'unfinished' for verdict in verdicts)


def test_triggers_that_are_off_say_nothing():
  off = Triggers(new_rows=None, drift=False, max_age_days=None)
  loud = dataclasses.replace(QUIET, new_rows=10**6, drift=('x', 'y', 1.0), served_since=NOW - datetime.timedelta(900))
  assert decide(off, loud) == ()


def test_without_a_model_and_without_rides_there_is_nothing_to_train_on():
  verdicts = decide(TRIGGERS, dataclasses.replace(QUIET, served=None, served_since=None, fresh=(), new_rows=0))
  assert [verdict.trigger for verdict in verdicts] == ['new_rows', 'drift']
  assert not any(verdict.fires for verdict in verdicts)
