"""Which models a rollback withdraws, and that the pusher heeds it. Oracle: entries whose every field is known."""

from __future__ import annotations

import json
import pathlib
import shutil
import types

import pytest
from tfx.proto import pusher_pb2
from tfx.types import standard_artifacts, standard_component_specs
from tfx.utils import proto_utils

from components.pusher import rollback
from components.pusher.component import WITHDRAWN, AtomicPusherExecutor
from components.pusher.rollback import (
  JOURNAL,
  RestoreError,
  Rollback,
  announce,
  is_withdrawn,
  manifest_digest,
  origin,
  remove_versions,
  restore,
  rollbacks,
  skipped_lines,
)
from models.release import MANIFEST
from models.served_versions import versions
from tests.pipeline.made_store import make_version


def _entry(version: int, restored: int, replaced: int, withdraws: bool = True, **changes) -> Rollback:
  """Of bytes and models that go by the numbers of their versions."""
  values = {
    'restored_manifest': f'manifest of {restored}',
    'replaced_manifest': f'manifest of {replaced}',
    'restored_model': 100 + restored,
    'replaced_model': 100 + replaced,
  }
  same = {'id': f'{version}', 'time': '2026-03-08T10:00:00+00:00', 'reason': 'worse.', 'by': 'me@here'}
  return Rollback(
    **same, version=version, restored=restored, replaced=replaced, withdraws=withdraws, **values | changes
  )


BACK = _entry(4, 2, 3)


@pytest.mark.parametrize(
  ('happened', 'manifest', 'model', 'withdrawn'),
  [
    pytest.param([], 'manifest of 3', 103, False, id='nothing_happened'),
    pytest.param([BACK], 'manifest of 3', 103, True, id='replaced'),
    pytest.param([BACK], 'manifest of 3', None, True, id='by_its_bytes_alone'),
    pytest.param([BACK], 'other', 103, True, id='by_its_model_alone'),
    pytest.param([BACK], None, 103, True, id='without_a_manifest'),
    pytest.param([BACK], 'other', 107, False, id='another'),
    pytest.param([BACK], 'manifest of 2', 102, False, id='restored'),
    pytest.param([_entry(4, 2, 3, replaced_model=None)], None, None, False, id='nothing_is_known_of_it'),
    pytest.param([_entry(4, 3, 2, withdraws=False)], 'manifest of 2', 102, False, id='gone_forward_from'),
    pytest.param([BACK, _entry(5, 3, 4)], 'manifest of 3', 103, False, id='put_back'),
    pytest.param([BACK, _entry(5, 3, 4)], 'manifest of 3', None, False, id='put_back_by_its_bytes'),
    pytest.param([BACK, _entry(5, 3, 4)], 'other', 103, False, id='put_back_by_its_model'),
    pytest.param([BACK, _entry(5, 3, 4), _entry(6, 2, 3)], 'manifest of 3', 103, True, id='withdrawn_again'),
  ],
)
def test_what_is_withdrawn(happened, manifest, model, withdrawn):
  found = is_withdrawn(happened, manifest, model)
  assert (found is not None) == withdrawn
  assert not withdrawn or found is happened[-1]


@pytest.mark.parametrize(
  ('version', 'first'),
  [pytest.param(3, 3, id='pushed'), pytest.param(4, 2, id='put_back'), pytest.param(6, 2, id='put_back_twice'),
   pytest.param(5, 3, id='forward')],
)  # fmt: skip
def test_where_bytes_were_first(version, first):
  assert origin([BACK, _entry(5, 3, 4), _entry(6, 4, 5)], version) == first


def test_an_announcement_says_first_what_became_of_those_before(tmp_path):
  """Two were killed before their versions appeared."""
  announce(tmp_path, _entry(4, 2, 3))
  announce(tmp_path, _entry(5, 2, 3))
  lines = [json.loads(line) for line in (tmp_path / JOURNAL).read_text().splitlines()]
  assert [line.get('id') for line in lines] == ['4', None, '5']
  assert lines[1] == {'schema_version': 1, 'settled': '4', 'happened': False}


def test_a_version_without_a_manifest_is_none(tmp_path):
  """Where both digests are unknown, nothing happened: an empty text is no digest."""
  assert manifest_digest(tmp_path / '1') is None
  announce(tmp_path, _entry(4, 2, 3, restored_manifest=''))
  assert rollbacks(tmp_path) == []


def _pushed(tmp_path: pathlib.Path, model_id: int, model: pathlib.Path) -> standard_artifacts.PushedModel:
  """What the executor leaves of a model of this id, whose version lies in `model`."""
  artifact, blessing, pushed = (
    standard_artifacts.Model(),
    standard_artifacts.ModelBlessing(),
    standard_artifacts.PushedModel(),
  )
  artifact.uri, blessing.uri, pushed.uri = str(model), str(tmp_path), str(tmp_path / 'archive')
  blessing.set_int_custom_property('blessed', 1)
  blessing.set_int_custom_property('current_model_id', model_id)
  base = str(tmp_path / 'serving')
  destination = pusher_pb2.PushDestination(filesystem=pusher_pb2.PushDestination.Filesystem(base_directory=base))
  specs = standard_component_specs
  AtomicPusherExecutor().Do(
    {specs.MODEL_KEY: [artifact], specs.MODEL_BLESSING_KEY: [blessing]},
    {specs.PUSHED_MODEL_KEY: [pushed]},
    {specs.PUSH_DESTINATION_KEY: proto_utils.proto_to_json(destination)},
  )
  return pushed


@pytest.mark.parametrize(
  ('model_id', 'bytes_of', 'pushes'),
  [
    pytest.param(103, 3, False, id='the_very_same'),
    pytest.param(107, 3, False, id='its_bytes'),
    pytest.param(103, 7, False, id='its_model'),
    pytest.param(107, 7, True, id='another_one'),
    pytest.param(102, 2, True, id='what_was_put_back'),
  ],
)
def test_a_withdrawn_model_is_not_pushed(tmp_path, model_id, bytes_of, pushes):
  """Versions 2 and 3, of the models 102 and 103; then back to 2."""
  base, model = tmp_path / 'serving', tmp_path / 'model'
  for version in (2, 3):
    make_version(base / str(version), f'bytes of {version}')
  make_version(model / 'Format-Serving', 'others')
  if bytes_of in (2, 3):
    shutil.copytree(base / str(bytes_of), model / 'Format-Serving', dirs_exist_ok=True)
  restore(base, 2, lambda restored, replaced: _entry(0, restored, replaced))
  before = versions(base)
  pushed = _pushed(tmp_path, model_id, model)
  assert (len(versions(base)) > len(before)) == pushes
  assert pushed.has_custom_property('pushed')
  assert pushed.get_int_custom_property('pushed') == int(pushes)
  assert pushed.get_string_custom_property(WITHDRAWN) == (
    ''
    if pushes
    else 'This very model was pushed before, as version 3, and rolled back on 2026-03-08 (worse). It is not pushed '
    'again; `farelite rollback --to 3` puts it back.'
  )


def test_what_was_withdrawn_is_pushed_again_once_it_was_put_back(tmp_path):
  base, model = tmp_path / 'serving', tmp_path / 'model'
  for version in (2, 3):
    make_version(base / str(version), f'bytes of {version}')
  shutil.copytree(base / '3', model / 'Format-Serving')
  for restored in (2, 3):
    restore(base, restored, lambda restored, replaced: _entry(0, restored, replaced))
  assert _pushed(tmp_path, 103, model).get_int_custom_property('pushed') == 1


def test_an_altered_copy_is_not_put_back(tmp_path, monkeypatch):
  """The original holds; the disk changed a byte on the way."""
  for version in (2, 3):
    make_version(tmp_path / str(version), f'bytes of {version}')

  def copied(source, target):
    shutil.copy2(source, target)
    if target.name == 'saved_model.pb':
      target.write_bytes(b'grapj')

  monkeypatch.setattr(rollback, 'shutil', types.SimpleNamespace(copy2=copied))
  with pytest.raises(RestoreError, match=r"'saved_model.pb' in '.*\.staging-.*' was altered"):
    restore(tmp_path, 2, lambda restored, replaced: _entry(0, restored, replaced))
  assert versions(tmp_path) == [2, 3]
  assert not (tmp_path / JOURNAL).exists()


def test_what_is_written_of_a_rollback(tmp_path):
  """Forward from an older one withdraws nothing."""
  for version in (2, 3):
    make_version(tmp_path / str(version), f'bytes of {version}')
  digests = {version: manifest_digest(tmp_path / str(version)) for version in (2, 3)}
  entry = lambda restored, replaced: _entry(0, restored, replaced)  # noqa: E731
  back = restore(tmp_path, 2, entry)
  forward = restore(tmp_path, 3, entry)
  assert (back.restored, back.replaced, back.withdraws) == (2, 3, True)
  assert (back.restored_manifest, back.replaced_manifest) == (digests[2], digests[3])
  assert (forward.restored, forward.replaced, forward.withdraws) == (3, back.version, False)
  assert (forward.restored_manifest, forward.replaced_manifest) == (digests[3], digests[2])
  assert forward.version > back.version > 3
  assert back.id != forward.id
  assert rollbacks(tmp_path) == [back, forward]


def test_without_a_number_it_goes_to_the_last_push_before_with_other_bytes(tmp_path):
  """1, 2 and 3 were pushed, 2 and 3 with the same bytes; 4 has no manifest."""
  for version, content in ((1, 'a'), (2, 'b'), (3, 'c')):
    make_version(tmp_path / str(version), content)
  shutil.rmtree(tmp_path / '3')
  shutil.copytree(tmp_path / '2', tmp_path / '3')
  entry = lambda restored, replaced: _entry(0, restored, replaced)  # noqa: E731
  assert restore(tmp_path, None, entry).restored == 1
  with pytest.raises(RestoreError, match='holds no version before 1 with other bytes'):
    restore(tmp_path, None, entry)


def test_a_version_without_a_manifest_is_passed_over(tmp_path):
  make_version(tmp_path / '1', 'a')
  make_version(tmp_path / '2', 'b').joinpath(MANIFEST).unlink()
  make_version(tmp_path / '3', 'c')
  assert restore(tmp_path, None, lambda restored, replaced: _entry(0, restored, replaced)).restored == 1


def test_the_same_bytes_under_another_number_are_what_serves(tmp_path):
  make_version(tmp_path / '1', 'a')
  shutil.copytree(tmp_path / '1', tmp_path / '2')
  with pytest.raises(RestoreError, match=r'Version 1 is what serves now \(as 2\)'):
    restore(tmp_path, 1, lambda restored, replaced: _entry(0, restored, replaced))


def _killed_after_its_rename(base: pathlib.Path) -> Rollback:
  """Version 4 appeared, with the bytes of 2; nobody has said so in the journal."""
  for version in (2, 3):
    make_version(base / str(version), f'bytes of {version}')
  shutil.copytree(base / '2', base / '4')
  killed = _entry(4, 2, 3, restored_manifest=manifest_digest(base / '2'))
  announce(base, killed)
  return killed


def test_a_refused_rollback_settles_a_killed_one(tmp_path):
  _killed_after_its_rename(tmp_path)
  with pytest.raises(RestoreError, match='holds no version 9'):
    restore(tmp_path, 9, lambda restored, replaced: _entry(0, restored, replaced))
  lines = [json.loads(line) for line in (tmp_path / JOURNAL).read_text().splitlines()]
  assert lines[1:] == [{'schema_version': 1, 'settled': '4', 'happened': True}]


def test_a_killed_rollback_has_happened_after_its_version_was_removed_too(tmp_path):
  """What it withdrew stays withdrawn: a later push lets retention take away the one version with a record of it."""
  killed = _killed_after_its_rename(tmp_path)
  make_version(tmp_path / '5', 'bytes of 5')
  assert rollbacks(tmp_path) == [killed]
  assert remove_versions(tmp_path, [4]) == [4]
  assert rollbacks(tmp_path) == [killed]
  assert is_withdrawn(rollbacks(tmp_path), 'manifest of 3', 103) == killed


OLD_LINES = """\
{"id": "a", "time": "2026-03-08T10:00:00+00:00", "version": 4, "restored": 2, "replaced": 3, "withdraws": true, \
"reason": "worse", "by": "me@here", "restored_manifest": "2", "replaced_manifest": "3", "restored_model": 102, \
"replaced_model": null}
{"settled": "a", "happened": true}
"""
"""As the version before records had versions wrote them."""


def test_a_journal_from_before_versions_is_read_and_gone_on_with(tmp_path):
  (tmp_path / JOURNAL).write_text(OLD_LINES)
  [entry] = rollbacks(tmp_path)
  assert (entry.id, entry.restored_model, entry.replaced_model, entry.withdraws) == ('a', 102, None, True)
  announce(tmp_path, _entry(5, 1, 4))
  assert (tmp_path / JOURNAL).read_text().startswith(OLD_LINES)
  assert [line.get('schema_version') for line in map(json.loads, (tmp_path / JOURNAL).open())] == [None, None, 1]


def test_what_a_newer_version_adds_to_the_journal_is_ignored(tmp_path):
  newer = BACK.to_dict() | {'schema_version': 7, 'ticket': 'OPS-12'}
  ended = {'schema_version': 7, 'settled': BACK.id, 'happened': True, 'after': 1.5}
  (tmp_path / JOURNAL).write_text(f'{json.dumps(newer)}\n{json.dumps(ended)}\n')
  assert [entry.id for entry in rollbacks(tmp_path)] == [BACK.id]


@pytest.mark.parametrize(
  ('lacks', 'sentence'),
  [
    pytest.param({}, 'is broken (id is missing); take that line out of it.', id='this_version'),
    pytest.param(
      {'schema_version': 7},
      "was written by a newer Farelite (schema_version 7, this one knows 1) and can't be read (id is missing); "
      'update Farelite.',
      id='a_newer_one',
    ),
  ],
)
def test_a_line_that_is_no_record_is_named_and_skipped(tmp_path, lacks, sentence):
  announce(tmp_path, BACK)
  known = {key: value for key, value in BACK.to_dict().items() if key != 'id'}
  with (tmp_path / JOURNAL).open('a') as file:
    file.write(json.dumps(known | lacks) + '\n')
  assert skipped_lines(tmp_path) == [f"'{tmp_path / JOURNAL}:2' {sentence} Until then the line is skipped."]
