"""`farelite runs`: what ran, and what a version was made of. Oracle: the made store says what it made."""

from __future__ import annotations

import datetime
import json
import pathlib

import pytest
from click.testing import CliRunner
from ml_metadata.proto import metadata_store_pb2 as mlmd_pb2

from configs import loading
from pipeline import cli
from pipeline.commands import operations
from pipeline.local import output
from pipeline.operations import registry
from pipeline.operations.store import MetadataStoreError
from pipeline.report.kept import keep_refused
from tests.pipeline.made_store import NOON, MadeStore


def _farelite(*arguments: str) -> str:
  result = CliRunner().invoke(cli.main, ['runs', *arguments])
  assert result.exit_code == 0, result.output
  return result.output


def _refused(*arguments: str) -> str:
  result = CliRunner().invoke(cli.main, ['runs', *arguments])
  assert result.exit_code == 2, result.output
  return result.output


def test_the_list(tmp_path: pathlib.Path):
  made = MadeStore(tmp_path)
  made.run(version=1), made.run(), made.run(version=2)
  first, second, third = json.loads(_farelite(str(tmp_path), '--json'))
  assert [run['run'] for run in (first, second, third)] == made.runs
  assert [run['status'] for run in (first, second, third)] == ['pushed', 'not_blessed', 'pushed']
  assert [run['serves'] for run in (first, second, third)] == [False, False, True]
  assert [run['blessed'] for run in (first, second, third)] == [True, False, True]
  assert first['pushed_version'] == 1
  table = _farelite(str(tmp_path)).splitlines()
  header = 'run started (UTC) status rows RMSE, trained model [95 %] (USD) variant blessed version serves now'
  assert ' '.join(table[0].split()) == header
  assert table[3].split() == [made.runs[2], '2026-01-01', '14:00', 'pushed', 'yes', '2', '●']


def test_a_run_that_did_not_begin_is_listed(tmp_path: pathlib.Path):
  """And shown, though the store knows nothing of it."""
  made = MadeStore(tmp_path)
  made.run(version=1)
  refused = keep_refused(made.config, made.output, 'No file of rides matches.')
  assert refused is not None
  first, second = json.loads(_farelite(str(tmp_path), '--json'))
  assert (second['run'], second['status'], second['serves']) == (refused.path.name, 'failed', False)
  assert (first['serves'], second['reason']) == (True, 'No file of rides matches.')
  assert refused.path.name in _farelite(str(tmp_path)).splitlines()[2]
  shown = json.loads(_farelite('show', refused.path.name, str(tmp_path), '--json'))
  assert (shown['entry']['reason'], shown['artifacts']) == ('No file of rides matches.', [])


def test_lineage_of_a_version(tmp_path: pathlib.Path):
  """The rides come from run 0's ingestion by the cache; run 2 is another model's, compared with."""
  made = MadeStore(tmp_path)
  rides, beaten = made.run(), made.run(version=1)
  served = made.run(version=2, rides_of=rides, baseline_of=beaten)
  shown = json.loads(_farelite('show', '2', str(tmp_path), '--json'))
  assert shown['entry']['run'] == served
  [read] = shown['rides']
  assert read['files'] == [f'/rides/{rides}.csv']
  assert (read['digest'], read['span'], read['read'], read['kept']) == (f'sha256:{rides}', 7, 10, 10)
  assert (shown['code_version'], shown['config']) == (f'code of {served}', f'run: {served}\n')
  assert shown['manifest']['code_version'] == served
  by_step = {(made['step'], made['output']): made['run'] for made in shown['artifacts']}
  assert by_step[('RideExampleGen', 'examples')] == rides
  assert by_step[('PruningTrainer', 'model')] == served
  assert beaten not in by_step.values()
  assert shown['other_models']['other models'] == f'{made.pushes[beaten].id} of run {beaten}'
  text = _farelite('show', str(made.output.serving / '2'))
  assert f'{served} of nyc: pushed, version 2, serves now' in text
  assert f'artifacts/RideExampleGen/examples/{rides}' in text


def test_lineage_of_a_version_that_was_put_back_is_the_first_runs(tmp_path: pathlib.Path):
  made = MadeStore(tmp_path)
  first, _ = made.run(version=1), made.run(version=2)
  operations.roll_back(str(tmp_path), to=None, reason='bad')
  newest = max(int(path.name) for path in made.output.serving.iterdir() if path.name.isdecimal())
  shown = json.loads(_farelite('show', str(newest), str(tmp_path), '--json'))
  assert (shown['entry']['status'], shown['entry']['reason']) == ('rolled_back', 'bad')
  assert shown['config'] == f'run: {first}\n'
  assert [read['digest'] for read in shown['rides']] == [f'sha256:{first}']


def test_a_run_by_the_beginning_of_its_id_and_one_that_pushed_nothing(tmp_path: pathlib.Path):
  made = MadeStore(tmp_path)
  first, _ = made.run(), made.run()
  shown = json.loads(_farelite('show', first[:15], str(tmp_path), '--json'))
  assert shown['entry']['run'] == first
  assert {made['step'] for made in shown['artifacts']} >= {'RideExampleGen', 'PruningTrainer'}
  assert 'begins 2 runs' in _refused('show', first[:6], str(tmp_path))
  assert "has no run and no version '77'" in _refused('show', '77', str(tmp_path))


def test_a_killed_run_differs_from_one_that_goes_on(tmp_path: pathlib.Path):
  made = MadeStore(tmp_path)
  for number in (1, 2):
    started = f'2026-01-0{number}T00:00:00+00:00'
    facts = registry.RunEntry(pipeline='nyc', output=str(tmp_path), started=started)
    registry.begin(made.store, f'run-{number}', facts)

  def states() -> list[str]:
    return [entry.status for entry in registry.read_runs(made.store, made.config, made.output)]

  assert states() == ['killed', 'killed']
  with output.locked(made.output):
    assert states() == ['killed', 'running']


def test_altered_files_are_named(tmp_path: pathlib.Path):
  made = MadeStore(tmp_path)
  made.run(version=1)
  (made.output.serving / '1' / 'saved_model.pb').write_bytes(b'other')
  assert "'saved_model.pb' in" in _farelite('show', '1', str(tmp_path))


def test_no_run_no_store_no_directory(tmp_path: pathlib.Path):
  made = MadeStore(tmp_path / 'made')
  assert "No run of 'nyc' in" in _farelite(str(tmp_path / 'made'))
  assert _farelite(str(tmp_path / 'made'), '--json').strip() == '[]'
  made.output.metadata.unlink()
  assert 'There is no metadata store' in _refused(str(tmp_path / 'made'))
  (tmp_path / 'empty').mkdir()
  assert 'holds no config.yaml; name the output directory of a run' in _refused(str(tmp_path / 'empty'))
  nowhere = tmp_path / 'nowhere'
  assert f"There is neither an output directory nor a config file '{nowhere}'. Presets: " in _refused(str(nowhere))
  (tmp_path / 'bad.yaml').write_text('extends: nowhere\n')
  assert "No config file 'nowhere'" in _refused(str(tmp_path / 'bad.yaml'))
  assert 'farelite runs takes [DIR_OR_CONFIG]' in _refused('a', 'b')


def test_nothing_is_named(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch):
  """The default config, chicago, is said to be one, unless a place was named and the version forgotten."""
  MadeStore(tmp_path / 'out' / 'd').run(version=1)
  monkeypatch.chdir(tmp_path)
  for words in ((), ('show', '1')):
    refused = ' '.join(_refused(*words).split())
    assert 'No output directory or config was named, and the default, config chicago, has no metadata store' in refused
  for place in ('out/d', 'out/d/serving', 'out/d/serving/'):
    refused = _refused('show', place)
    assert f"'{place}' says where, but the version or run is missing" in refused
    assert refused.endswith('farelite runs show RUN_OR_VERSION out/d\n')
  assert json.loads(_farelite('show', 'out/d/serving/1', '--json'))['entry']['pushed_version'] == 1


def test_a_directory_of_another_store_is_refused(tmp_path: pathlib.Path):
  """Folders are numbered by the store: a new one would write into folders of the old one."""
  made = MadeStore(tmp_path)
  registry.claim(made.store, made.config, made.output)
  made.run()
  registry.claim(made.store, made.config, made.output)
  made.output.metadata.unlink()
  fresh = MadeStore(tmp_path)
  with pytest.raises(MetadataStoreError, match='were made with another metadata store'):
    registry.claim(fresh.store, fresh.config, fresh.output)


def test_a_directory_of_another_pipeline_is_refused(tmp_path: pathlib.Path):
  """Its versions would be replaced by those of another city."""
  made = MadeStore(tmp_path)
  registry.claim(made.store, loading.load('chicago'), made.output)  # Nobody's yet.
  made.run(version=1)
  registry.claim(made.store, made.config, made.output)
  with pytest.raises(MetadataStoreError, match=rf"'{tmp_path}' belongs to the pipeline 'nyc', .* --set name=nyc\.$"):
    registry.claim(made.store, loading.load('chicago'), made.output)


def test_runs_are_in_their_order_though_the_clock_went_back(tmp_path: pathlib.Path):
  made = MadeStore(tmp_path)
  runs = [made.run(started=NOON - datetime.timedelta(days=day)) for day in range(3)]
  assert [entry.run for entry in registry.read_runs(made.store, made.config, made.output)] == runs


def test_a_long_text_survives(tmp_path: pathlib.Path):
  """PostgreSQL refuses an indexed text of 2,704 bytes; no part may be so long, and the whole has to come back."""
  made = MadeStore(tmp_path)
  text = ''.join(chr(0x4E00 + number % 5000) for number in range(9000))
  facts = registry.RunEntry(pipeline='nyc', started='2026-01-01T00:00:00+00:00', config=text)
  registry.begin(made.store, 'long', facts)
  [context] = made.store.get_contexts_by_type('farelite_run')
  assert max(len(value.string_value.encode()) for value in context.custom_properties.values()) < 2704
  [entry] = registry.read_runs(made.store, made.config, made.output)
  assert entry.config == text


def test_an_entry_of_the_version_before_and_one_of_a_newer_one(tmp_path: pathlib.Path):
  """Oracle: the properties as they are in stores, versions as text; what a newer version adds is not shown."""
  made = MadeStore(tmp_path)
  context = mlmd_pb2.Context(
    name='20260101-120000-4f2ab1',
    type_id=made.store.put_context_type(mlmd_pb2.ContextType(name=registry.RUN_TYPE)),
  )
  texts = {'pipeline': 'nyc', 'started': '2026-01-01T12:00:00+00:00', 'status': 'pushed'}
  for name, text in (texts | {'pushed_version': '12', 'from_the_future': 'x'}).items():
    context.custom_properties[name].string_value = text
  context.custom_properties['blessed'].int_value = 1
  context.custom_properties['rows_read'].int_value = 7
  context.custom_properties['rmse'].double_value = 4.4
  made.store.put_contexts([context])
  [entry] = json.loads(_farelite(str(tmp_path), '--json'))
  nothing = dict.fromkeys(
    (
      'ended', 'reason', 'rows_kept', 'rmse_low', 'rmse_high', 'chosen', 'restored_version', 'replaced_version', 'data',
      'output', 'host', 'code_version', 'git_commit', 'config', 'pruned',
    )
  )  # fmt: skip
  known = {'run': context.name, 'blessed': True, 'rows_read': 7, 'rmse': 4.4, 'serves': False, 'pushed_version': 12}
  assert entry == nothing | texts | known
  assert list(entry)[:5] == ['run', 'pipeline', 'started', 'ended', 'status']
  registry.update(made.store, context.name, registry.RunEntry(pushed_version=13, rmse=None))
  kept = made.store.get_context_by_type_and_name(registry.RUN_TYPE, context.name).custom_properties
  assert (kept['pushed_version'].string_value, 'rmse' in kept, kept['rows_read'].int_value) == ('13', False, 7)
