"""What a run leaves, whatever becomes of its steps: the summary, the entry in the store. TFX is a stand-in.

Oracle: the steps that the test makes, and the file and the store as others read them.
"""

from __future__ import annotations

import json
import pathlib
import time
import types

import pytest

from components.ride_validator.findings import AnomaliesError, Finding, Kind, Level
from configs import loading
from configs.beam import INGESTION
from configs.errors import FailedError
from configs.notify import Event
from models.served_versions import SAVED_MODEL
from pipeline.local import output as local_output
from pipeline.local import run as local_run
from pipeline.local.runner import ObservedLocalRunner, StepFailedError
from pipeline.local.steps import Output, Step, StepState
from pipeline.notifying.outcome import event_of
from pipeline.operations import registry, store
from pipeline.retraining.triggers import Verdict
from pipeline.sources import data_source
from pipeline.summary_record import Summary, WindowRecord
from tests.pipeline.made_store import make_version

WINDOW = WindowRecord(
  spans=('a', 'b'), newest='b', new=('b',), new_rows=7, missing=(), late=(), left_out=(), broken={}
)  # fmt: skip


class Runs:
  """Stands in for TFX: appends steps, and raises what it is told to."""

  def __init__(self, *attempts: list[Step], error: Exception | None = None) -> None:
    self._attempts, self._error = list(attempts), error
    self.nonces: list[str] = []
    self.ids: list[str] = []
    self.states: list[str] = []

  def __call__(self, pipeline, run_id, steps) -> None:
    config = loading.load('nyc', ['name=shop'])
    [pusher] = [node for node in pipeline.components if node.id == 'Pusher']
    self.nonces.append(json.loads(pusher.exec_properties['custom_config'])['push_nonce'])
    self.ids.append(run_id)
    directory = local_output.at(str(pathlib.Path(pipeline.pipeline_info.pipeline_root).parent))
    entries = registry.read_runs(store.open_store(config.metadata, directory.metadata), config, directory)
    self.states.append(entries[-1].status)
    steps += self._attempts[len(self.nonces) - 1]
    if self._error:
      raise StepFailedError(steps[-1].name) from self._error


def _step(name: str, state: StepState = StepState.COMPLETE, **outputs: Output) -> Step:
  return Step(name, state, 1.5, {key: [output] for key, output in outputs.items()})


@pytest.fixture
def output(tmp_path):
  return local_output.prepare(str(tmp_path / 'out'))


def _run(output, monkeypatch, runs: Runs, **others):
  """The summary, as it was returned and as it is read, and the entry in the store."""
  config = loading.load('nyc', ['name=shop'])
  monkeypatch.setattr(ObservedLocalRunner, 'run', lambda self, pipeline: runs(pipeline, self._run_id, self.steps))
  with local_output.locked(output):
    result = local_run.run(config, data_source('rides/*.csv'), output, None, **others)
  [entry] = registry.read_runs(store.open_store(config.metadata, output.metadata), config, output)
  return result, entry


FAILED = [
  _step('RideExampleGen', first=Output('/a', {}), second=Output('/b', {'computed': 'by Beam'})),
  _step('BaselineStatistics', statistics=Output('/s', {'computed': 'in memory'})),
  _step('StatisticsGen', StepState.FAILED),
]


def test_a_step_that_fails(output, monkeypatch):
  runs = Runs(FAILED, error=OSError(28, 'No space left on device'))
  result, entry = _run(output, monkeypatch, runs, notes=('First.',))
  told = json.loads(output.summary.read_text(encoding='utf-8'))
  assert Summary.read(output.summary) == result
  assert told['status'] == entry.status == 'failed'
  assert told['reason'] == entry.reason
  assert told['reason'].startswith('StatisticsGen: the disk is full.')
  assert told['notes'] == ['First.']
  assert [(step['name'], step['state'], step['seconds']) for step in told['steps']] == [
    ('RideExampleGen', 'complete', 1.5),
    ('BaselineStatistics', 'complete', 1.5),
    ('StatisticsGen', 'failed', 1.5),
  ]
  assert [step['after'] for step in told['steps']] == [[], ['StatisticsGen'], ['RideExampleGen']]
  assert [step.get('computed') for step in told['steps']] == ['by Beam', None, None]
  assert told['config'] == str(output.config)
  assert told['run'] == entry.run == runs.ids[0]
  assert told['data'] == entry.data
  assert told['data'].endswith('/*.csv')
  assert told['output'] == str(output.path)
  assert told['started'] == entry.started
  assert told['code_version'] == entry.code_version
  assert (entry.pipeline, entry.output) == ('shop', str(output.path))
  assert loading.yaml.safe_load(entry.config)['name'] == 'shop'
  assert entry.ended >= entry.started
  # It had its entry before its first step; it pushed once.
  assert (runs.states, runs.nonces) == (['running'], [''])
  assert 0 < told['seconds'] < 60
  # Not a run on a window.
  assert not {'ended_early', 'window', 'triggers'} & told.keys() or told['window'] is None


def test_the_whole_run_is_timed_once_from_where_the_command_began(output, monkeypatch):
  result, _ = _run(output, monkeypatch, Runs(FAILED, error=ValueError()), start=time.monotonic() - 100)
  assert 100 <= result.seconds < 160
  assert json.loads(output.summary.read_text(encoding='utf-8'))['seconds'] == result.seconds


def test_rides_that_are_not_what_was_expected(output, monkeypatch):
  """However deep in the chain of errors the gate's own lies."""
  findings = (
    Finding('', 'tip', Kind.LEAKAGE, Level.WARNING, False, 'another', 'a tip'),
    Finding('', '', Kind.REDELIVERY, Level.ERROR, True, 'other rides', 'the same'),
  )
  gate = AnomaliesError('Too many.', findings)
  outer = RuntimeError('TFX wraps it.')
  outer.__cause__ = gate
  result, entry = _run(output, monkeypatch, Runs([_step('AnomalyGate', StepState.FAILED)], error=outer))
  assert result.status.value == entry.status == 'anomalies'
  assert 'Too many.' in result.reason
  # TFX removes the gate's output, and with it the findings that did not stop the run; they come with the error.
  told = json.loads(output.summary.read_text(encoding='utf-8'))['findings']
  assert [(found['sentence'], found['severity'], found['stops']) for found in told] == [
    ('tip: expected another, came a tip.', 'warning', False),
    ('The rides: expected other rides, came the same.', 'error', True),
  ]


def test_a_run_on_a_window_says_what_it_read_and_why(output, monkeypatch):
  verdicts = [Verdict('new_rows', True, 'Many.'), Verdict('drift', False, 'None.')]
  _run(output, monkeypatch, Runs(FAILED, error=ValueError('x')), window=WINDOW, triggers=verdicts, notes=('n',))
  told = json.loads(output.summary.read_text(encoding='utf-8'))
  assert told['ended_early'] is False
  assert (told['window']['spans'], told['window']['new'], told['window']['new_rows']) == (['a', 'b'], ['b'], 7)
  assert [(one['trigger'], one['fires'], one['sentence']) for one in told['triggers']] == [
    ('new_rows', True, 'Many.'),
    ('drift', False, 'None.'),
  ]


def test_a_summary_that_can_not_be_written_is_told_and_recorded(output, monkeypatch):
  def full(summary, path):
    raise OSError(28, 'No space left on device')

  monkeypatch.setattr(Summary, 'write', full)
  result, entry = _run(output, monkeypatch, Runs(FAILED, error=ValueError('Broken.')))
  assert 'Broken.' in result.reason
  assert result.reason.endswith(f'{output.summary} could not be written: No space left on device.')
  assert entry.reason == result.reason
  assert not output.summary.exists()


def test_a_store_that_goes_away_does_not_take_the_run_along(output, monkeypatch):
  def gone(*_):
    raise ConnectionError('The server went away.')

  monkeypatch.setattr(registry, 'update', gone)
  result, _ = _run(output, monkeypatch, Runs(FAILED, error=ValueError('Broken.')), notes=('First.',))
  assert result.notes == (
    'First.',
    'The outcome could not be recorded in the metadata store: The server went away.',
  )
  assert json.loads(output.summary.read_text(encoding='utf-8'))['status'] == 'failed'


def _pushes(output, tmp_path, served: str) -> tuple[list[Step], list[Step]]:
  """A push out of the cache, whose bytes are those of `mine`, and the same push made again as version 9."""
  archive = make_version(tmp_path / 'archive', 'mine')
  make_version(output.serving / '8', served)
  gate = tmp_path / 'gate'
  gate.mkdir()
  (gate / 'compression.json').write_text(json.dumps({'variants': [], 'chosen': 'a', 'reason': 'It is a.', 'notes': []}))
  judged = _step('CompressionGate', report=Output(str(gate), {}))
  properties = {'pushed': 1, 'pushed_destination': str(output.serving / '7'), 'pushed_version': '7'}
  again = properties | {'pushed_destination': str(output.serving / '9'), 'pushed_version': '9'}
  cached = _step('Pusher', StepState.CACHED, pushed_model=Output(str(archive), properties))
  made = _step('Pusher', pushed_model=Output(str(archive), again))
  return [judged, cached], [judged, made]


def test_what_another_model_took_the_place_of_is_pushed_again(output, monkeypatch, tmp_path):
  """As another run, whose nonce makes the push a new one; its last step takes the place of the first one's."""
  runs = Runs(*_pushes(output, tmp_path, 'another'))
  result, entry = _run(output, monkeypatch, runs)
  assert len(runs.nonces) == 2
  assert runs.nonces[0] == ''
  assert len(runs.nonces[1]) == 32
  assert runs.ids == [entry.run, entry.run + registry.AGAIN]
  assert [step.state for step in result.steps] == [StepState.COMPLETE, StepState.COMPLETE]
  assert (result.status.value, result.pushed_version, entry.pushed_version) == ('pushed', '9', 9)


def test_a_version_that_a_registry_refuses_is_pushed(output, monkeypatch, tmp_path):
  """Both are said, to who is told, too; what the next run finds makes no end of it."""
  _, [judged, pusher] = _pushes(output, tmp_path, 'another')
  steps = [judged, pusher, _step('ModelRegistry', StepState.FAILED)]
  result, entry = _run(output, monkeypatch, Runs(steps, error=FailedError('Version 9 is not in the Model Registry.')))
  assert (result.status.value, entry.status, entry.pushed_version) == ('pushed', 'pushed', 9)
  refused = 'ModelRegistry: Version 9 is not in the Model Registry.'
  assert result.reason == entry.reason == f'{refused} The file keeps every limit and was pushed. It is a.'
  told = Summary.read(output.summary)
  assert (told.not_registered, told.newly_pushed, told.failed, told.made_of) == (refused, '9', True, None)
  assert event_of(told) is Event.FAILED


def test_what_serves_already_is_named_by_its_number_now(output, monkeypatch, tmp_path):
  """A rollback put the same bytes back under a newer number than the push had."""
  runs = Runs(*_pushes(output, tmp_path, 'mine'))
  archive = tmp_path / 'archive' / 'assets.extra' / 'manifest.json'
  (output.serving / '8' / 'assets.extra' / 'manifest.json').write_bytes(archive.read_bytes())
  result, entry = _run(output, monkeypatch, runs)
  assert len(runs.nonces) == 1
  assert (result.pushed_path, result.pushed_version) == (str(output.serving / '8'), '8')
  assert entry.pushed_version == 8
  assert (output.serving / '8' / SAVED_MODEL).is_file()


def test_a_broken_newest_span_fails_the_run_once_the_rides_are_read(tmp_path):
  """Whatever the other spans of its window dilute: nothing is measured, and the files are this run's."""
  output, config = local_output.prepare(str(tmp_path / 'out')), loading.load('nyc')
  observer = types.SimpleNamespace(started=lambda name: None, ended=lambda step: None)
  begin = local_run._Begin(observer, config, output, {'2026-03-08': 'It has no valid ride.'})
  begin.ended(Step('Other', StepState.COMPLETE, 0.1))
  with pytest.raises(StepFailedError) as failed:
    begin.ended(Step(INGESTION, StepState.COMPLETE, 0.1, {'examples': [Output('/examples/1', {})]}))
  assert str(failed.value.__cause__) == (
    'The newest span, 2026-03-08, is broken: It has no valid ride. Mend its files, or leave it out by '
    'retraining.exclude.'
  )
  assert isinstance(failed.value.__cause__, AnomaliesError) and output.config.is_file()
