"""What each record of the product does alike: its version, its unknown keys, and the sentence about a broken file."""

import json

import pytest

from configs.records import Record, RecordError, RecordPart


class Leg(RecordPart):
  km: float
  note: str | None = None


class Trip(Record):
  name: str
  legs: list[Leg]


class NewerTrip(Trip):
  schema_version: int = 3


TRIP = Trip(name='Straße', legs=[Leg(km=1.5), Leg(km=2.0, note=None)])


def test_round_trip_writes_what_was_set_in_order():
  text = TRIP.to_json(indent=None)
  assert text == '{"schema_version": 1, "name": "Straße", "legs": [{"km": 1.5}, {"km": 2.0, "note": null}]}'
  assert Trip.parse(text, 'trip.json') == TRIP


def test_a_file_from_before_versions_is_read_and_written_with_one():
  old = Trip.parse('{"name": "a", "legs": []}', 'trip.json')
  assert (old.schema_version, old.name) == (0, 'a')
  assert json.loads(old.to_json())['schema_version'] == 1


def test_unknown_keys_are_ignored_at_every_depth():
  read = Trip.parse('{"schema_version": 7, "fast": 1, "name": "a", "legs": [{"km": 1, "fun": true}]}', 'trip.json')
  assert read.legs == [Leg(km=1)]


def test_a_model_with_changed_keys_writes_its_own_version():
  assert json.loads(NewerTrip(name='a', legs=[]).to_json())['schema_version'] == 3


def test_not_a_number_is_not_written():
  with pytest.raises(ValueError, match='not JSON compliant'):
    Trip(name='a', legs=[Leg(km=float('nan'))]).to_json()


@pytest.mark.parametrize(
  ('text', 'sentence'),
  [
    (TRIP.to_json()[:30], "'trip.json' is broken (line 3: Unterminated string starting at); run the pipeline again."),
    (b'\xff{}', "'trip.json' is broken (no UTF-8 text); run the pipeline again."),
    ('[]', "'trip.json' is broken (it holds no record); run the pipeline again."),
    ('{"name": "a"}', "'trip.json' is broken (legs is missing); run the pipeline again."),
    (
      '{"schema_version": 2, "name": "a", "legs": [{"miles": 1}]}',
      "'trip.json' was written by a newer Farelite (schema_version 2, this one knows 1) and can't be read "
      '(legs.0.km is missing); update Farelite.',
    ),
  ],
)
def test_what_is_no_such_record_is_told_in_one_sentence(text, sentence):
  with pytest.raises(RecordError) as caught:
    Trip.parse(text, 'trip.json')
  assert str(caught.value) == sentence


def test_a_file_is_read_from_its_path(tmp_path):
  path = tmp_path / 'trip.json'
  path.write_text(TRIP.to_json(), encoding='utf-8')
  assert Trip.read(path) == TRIP
  with pytest.raises(FileNotFoundError):
    Trip.read(tmp_path / 'none.json')
