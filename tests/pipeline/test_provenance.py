"""What is told of where a version comes from, field by field. Oracle: the made store says what it made."""

from __future__ import annotations

import hashlib
import json
import pathlib
import re

import pytest
from click.testing import CliRunner
from ml_metadata.proto import metadata_store_pb2 as mlmd_pb2

from components.ride_example_gen.quarantine import COUNTS_FILE, RideCounts
from pipeline import cli
from pipeline.operations import registry
from pipeline.operations.lineage import COMPARED, lineage, outputs_of_run
from pipeline.summary_record import MetricsRecord, RowsRecord, Status, Summary
from tests.pipeline.made_store import MadeStore


@pytest.fixture
def made(tmp_path: pathlib.Path) -> MadeStore:
  """Three runs: the second is compared with the first; the third took the rides of the first from the cache."""
  store = MadeStore(tmp_path / 'out')
  first = store.run(version=1)
  second = store.run(version=2, baseline_of=first)
  store.run(version=3, rides_of=first, baseline_of=second)
  return store


def _show(made: MadeStore, what: str) -> dict:
  result = CliRunner().invoke(cli.main, ['runs', 'show', what, str(made.output.path), '--json'])
  assert result.exit_code == 0, result.output
  return json.loads(result.output)


def test_everything_that_is_told_of_a_version(made):
  first, second, third = made.runs
  counts = RideCounts(read=12, kept=9, splits={'train': 9}, quarantined={'late': 2, 'early': 1}, files=('a', 'b'))
  made.folder('RideExampleGen', 'quarantine', first).joinpath(COUNTS_FILE).write_text(counts.to_json())
  shown = _show(made, '3')
  [rides] = shown['rides']
  assert rides == {
    'source': '', 'files': ['a', 'b'], 'digest': f'sha256:{first}', 'span': 7, 'spans': [], 'read': 12, 'kept': 9,
    'quarantined': {'late': 2, 'early': 1},
  }  # fmt: skip
  assert shown['config_digest'] == hashlib.sha256(f'run: {third}\n'.encode()).hexdigest()
  assert shown['output'] == str(made.output.path)
  assert shown['notes'] == []
  # What the second one was compared with had no part in it.
  assert shown['other_models'] == {'other models': f'{made.pushes[second].id} of run {second}'}
  artifacts = shown['artifacts']
  assert [(one['step'], one['output'], one['type'], one['run']) for one in artifacts] == [
    ('RideExampleGen', 'examples', 'Examples', first),
    ('RideExampleGen', 'quarantine', 'components.Quarantine', first),
    ('PruningTrainer', 'model', 'Model', third),
    ('CompressionGate', 'blessing', 'ModelBlessing', third),
    ('CompressionGate', 'model', 'Model', third),
    ('Pusher', 'pushed_model', 'PushedModel', third),
  ]
  for one in artifacts:
    assert one['where'] == str(made.folder(one['step'], one['output'], one['run']))
  assert all(one['there'] for one in artifacts)
  assert [one['id'] for one in artifacts][:2] == [rides.id for rides in made.rides[first]]


def test_artifacts_that_are_gone_are_told(made):
  model = made.models[made.runs[0]]
  model.state = mlmd_pb2.Artifact.DELETED
  made.store.put_artifacts([model])
  found = {(one['step'], one['output']): one['there'] for one in _show(made, '1')['artifacts']}
  assert [key for key, there in found.items() if not there] == [('PruningTrainer', 'model')]


def test_counts_that_are_gone_leave_the_rest(made):
  first = made.runs[0]
  made.folder('RideExampleGen', 'quarantine', first).joinpath(COUNTS_FILE).unlink()
  [rides] = _show(made, '1')['rides']
  assert (rides['files'], rides['read'], rides['kept'], rides['quarantined']) == ([], None, None, None)
  assert rides['digest'] == f'sha256:{first}'


def test_the_source_of_rides_is_its_base_and_patterns(made):
  """As TFX's driver leaves them in the execution, the span filled in."""
  [execution] = [
    execution
    for execution in made.store.get_executions_by_type('RideExampleGen')
    if execution.last_known_state == mlmd_pb2.Execution.COMPLETE
  ][:1]
  splits = {'splits': [{'name': 'a', 'pattern': '7/*.csv'}, {'name': 'b', 'pattern': '8/*.csv'}]}
  registry.set_properties(execution, {'input_base': 'gs://rides', 'input_config': json.dumps(splits)})
  made.store.put_executions([execution])
  assert _show(made, '1')['rides'][0]['source'] == 'gs://rides/7/*.csv, gs://rides/8/*.csv'
  registry.set_properties(execution, {'input_config': '{}'})
  made.store.put_executions([execution])
  assert _show(made, '1')['rides'][0]['source'] == 'gs://rides'


@pytest.mark.parametrize(
  ('names', 'labels', 'line'),
  [
    pytest.param(['day-20520'], ['2026-03-08'], 'day 2026-03-08', id='a_day'),
    pytest.param(
      ['day-20518', 'day-20520'],
      ['2026-03-06', '2026-03-08'],
      'days 2026-03-06 to 2026-03-08 (2 days)',
      id='days',
    ),
    pytest.param(['span-7'], ['span 7'], 'span 7', id='a_numbered_span'),
    pytest.param(['rides'], [], 'span 7', id='not_resolved_before_the_run'),
  ],
)
def test_days_are_told_and_not_their_numbers(made, names, labels, line):
  """Oracle: 20,520 days after 1 January 1970 is 8 March 2026."""
  [execution] = [
    execution
    for execution in made.store.get_executions_by_type('RideExampleGen')
    if execution.last_known_state == mlmd_pb2.Execution.COMPLETE
  ][:1]
  splits = {'splits': [{'name': name, 'pattern': '*.csv'} for name in names]}
  registry.set_properties(execution, {'input_config': json.dumps(splits)})
  made.store.put_executions([execution])
  assert _show(made, '1')['rides'][0]['spans'] == labels
  shown = CliRunner().invoke(cli.main, ['runs', 'show', '1', str(made.output.path)])
  name, text = line.split(maxsplit=1)
  assert re.search(rf'^ {name} +{re.escape(text)} *$', shown.output, re.MULTILINE), shown.output


def test_the_commit_is_that_of_the_run_which_made_the_version(made):
  registry.update(made.store, made.runs[0], registry.RunEntry(git_commit='0123abc-dirty'))
  assert _show(made, '1')['git_commit'] == '0123abc-dirty'
  shown = CliRunner().invoke(cli.main, ['runs', 'show', '1', str(made.output.path)]).output
  assert re.search(r'^commit +0123abc-dirty *$', shown, re.MULTILINE)
  without = CliRunner().invoke(cli.main, ['runs', 'show', '2', str(made.output.path)]).output
  assert 'commit' not in without


def test_a_version_that_was_removed_is_told(made):
  import shutil

  shutil.rmtree(made.output.serving / '1')
  shown = _show(made, '1')
  assert shown['notes'] == [f"Version 1 is not in '{made.output.serving}' any more."]
  assert shown['manifest'] == {}
  assert shown['entry']['serves'] is False


def test_what_a_version_was_compared_with_is_followed_or_not(made):
  first, second, third = made.runs
  [push] = [one.artifact.id for one in outputs_of_run(made.store, [third]) if one.step == 'Pusher']
  everything = lineage(made.store, [push])
  assert {one.run for one in everything} == {first, second, third}
  own = lineage(made.store, [push], skip=COMPARED)
  # The rides are those of the first run, which made them.
  assert {one.run for one in own} == {first, third}
  assert {one.step for one in own if one.run == first} == {'RideExampleGen'}
  executions = [one.execution.id for one in everything]
  assert executions == sorted(executions)
  assert lineage(made.store, []) == []


def test_what_a_run_made_or_took_from_the_cache(made):
  first, _, third = made.runs
  found = [(one.step, one.key, one.run) for one in outputs_of_run(made.store, [third, 'no such run'])]
  assert found[:2] == [('RideExampleGen', 'examples', first), ('RideExampleGen', 'quarantine', first)]
  assert {run for step, _, run in found[2:]} == {third}
  assert len(found) == 8
  assert outputs_of_run(made.store, ['no such run']) == []


def test_what_is_kept_of_an_outcome(made):
  summary = Summary(
    status=Status.PUSHED,
    reason='It is good.',
    rows=RowsRecord(read=100, kept=90, quarantined={}, splits={}),
    metrics=MetricsRecord.model_validate({'rmse': {'value': 4.5, 'low': 4.0, 'high': 5.0}}),
    chosen='qat.int8',
    blessed=True,
    pushed_version='12',
  )
  registry.update(made.store, made.runs[0], registry.outcome(summary))
  entry, *_ = registry.read_runs(made.store, made.config, made.output)
  assert (entry.status, entry.reason, entry.rows_read, entry.rows_kept) == ('pushed', 'It is good.', 100, 90)
  assert (entry.rmse, entry.rmse_low, entry.rmse_high) == (4.5, 4.0, 5.0)
  assert (entry.chosen, entry.blessed, entry.pushed_version) == ('qat.int8', True, 12)
  assert entry.ended is not None
  registry.update(made.store, made.runs[0], registry.outcome(Summary(status=Status.FAILED, reason='bad')))
  entry, *_ = registry.read_runs(made.store, made.config, made.output)
  assert (entry.status, entry.rmse, entry.rows_read, entry.pushed_version) == ('failed', None, None, None)


def test_runs_come_in_the_order_of_their_entry(made):
  """Not in that of their start, as a clock may go back, nor by name; those of another pipeline are not among them."""
  for number, (name, started) in enumerate((('nyc', '2025-01-02'), ('nyc', '2025-01-01'), ('other', '2025-01-03'))):
    facts = registry.RunEntry(pipeline=name, started=f'{started}T00:00:00+00:00', status='failed')
    registry.begin(made.store, f'run-{number}', facts)
  found = [entry.run for entry in registry.read_runs(made.store, made.config, made.output)]
  assert found == [*made.runs, 'run-0', 'run-1']


def test_what_serves_is_the_stores_last_push_where_the_folder_is_not_to_be_seen(made, tmp_path):
  from pipeline.local.output import OutputDirectory

  elsewhere = OutputDirectory(tmp_path / 'another machine')
  assert registry.serving_version(made.store, made.config, elsewhere) == 3
  assert [entry.serves for entry in registry.read_runs(made.store, made.config, elsewhere)] == [False, False, True]
  other = made.config.model_copy(update={'name': 'other'})
  assert registry.serving_version(made.store, other, elsewhere) is None


@pytest.mark.parametrize('length', [600, 601, 1200, 1201, 1999])
def test_long_texts_come_back_whole(made, length):
  """Cut into parts of 600 characters for the store's index."""
  text = ''.join(chr(97 + number % 26) for number in range(length))
  registry.update(made.store, made.runs[0], registry.RunEntry(config=text))
  assert registry.read_runs(made.store, made.config, made.output)[0].config == text
  [context] = [c for c in made.store.get_contexts_by_type(registry.RUN_TYPE) if c.name == made.runs[0]]
  parts = [value.string_value for name, value in context.custom_properties.items() if name.startswith('config')]
  assert max(map(len, parts)) <= 600
  assert len(parts) == -(-length // 600)


def test_each_ingestion_has_its_own_counts(made):
  """As where a run was made again with other rides."""
  run = made.run()
  again = run + registry.AGAIN
  made._rides(again, None)
  counts = RideCounts(read=77, kept=66, splits={'train': 66}, quarantined={'late': 11}, files=('another.csv',))
  made.folder('RideExampleGen', 'quarantine', again).joinpath(COUNTS_FILE).write_text(counts.to_json())
  found = _show(made, run)['rides']
  assert [(rides['digest'], rides['files'], rides['read'], rides['kept']) for rides in found] == [
    (f'sha256:{run}', [f'/rides/{run}.csv'], 10, 10),
    (f'sha256:{again}', ['another.csv'], 77, 66),
  ]
