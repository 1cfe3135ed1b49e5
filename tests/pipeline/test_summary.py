"""How a run ended, in `summary.json`. Oracle: steps and artifacts that the test makes, one of each kind."""

from __future__ import annotations

import dataclasses
import json
import pathlib

import pytest

from components.ride_example_gen.quarantine import COUNTS_FILE, BrokenExample, RideCounts
from configs import loading
from configs.notify import Event
from pipeline.local import run, summary
from pipeline.local.steps import Output, Step, StepState
from pipeline.notifying.outcome import event_of
from pipeline.summary_record import Status, Summary
from tests.pipeline.made_store import make_version

CONFIG = loading.load('nyc', ['training.recipes=[dense]'])
INTERVALS = {
  'rmse': {'value': 4.4, 'low': 4.0, 'high': 4.8},
  'mae': {'value': 2.2, 'low': 2.0, 'high': 2.4},
  'rmse_without_worst_5': 3.3,
  'rides': 2,
}
SLICES = [{
  'name': 'all', 'slice': [], 'root_mean_squared_error': 4.4, 'mean_absolute_error': 2.2, 'example_count': 2.0,
  'calibration': 0.98,
}]  # fmt: skip


def _step(name: str, state: StepState = StepState.COMPLETE, **outputs: Output) -> Step:
  return Step(name, state, 1.23456, {key: [output] for key, output in outputs.items()})


def _written(folder: pathlib.Path, **files) -> str:
  folder.mkdir(parents=True, exist_ok=True)
  for name, content in files.items():
    (folder / f'{name}.json').write_text(json.dumps(content))
  return str(folder)


def _evaluated(folder: pathlib.Path, blessed: bool = True) -> Step:
  uri = _written(folder / 'evaluation', intervals=INTERVALS, slices=SLICES)
  return _step('FareEvaluator', evaluation=Output(uri, {}), blessing=Output('/b', {'blessed': int(blessed)}))


def _gated(folder: pathlib.Path, chosen: str | None) -> Step:
  report = {
    'variants': [{'name': 'dense.int8', 'bytes': 7}],
    'chosen': chosen,
    'reason': f'It is {chosen}.',
    'notes': ['n'],
    'served_version': '7',
    'served_rmse': INTERVALS['rmse'],
  }
  uri = _written(folder / 'gate', compression=report)
  return _step('CompressionGate', report=Output(uri, {}), blessing=Output('/b', {'blessed': int(chosen is not None)}))


def _pushed(**properties) -> Step:
  return _step('Pusher', pushed_model=Output('/pushed', properties))


KEEPS = 'The file keeps every limit and was pushed.'
PUSHED = {'pushed': 1, 'pushed_destination': '/serving/9', 'pushed_version': '9'}


@pytest.mark.parametrize(
  ('evaluator', 'chosen', 'push', 'ending'),
  [
    pytest.param(True, 'a', PUSHED, ('pushed', f'{KEEPS} It is a.', True), id='pushed'),
    pytest.param(False, 'a', PUSHED, ('pushed', f'{KEEPS} It is a.', True), id='the_gate_is_the_one_judge'),
    pytest.param(True, None, {'pushed': 0}, ('not_blessed', 'It is None.', False), id='no_file_keeps_the_limits'),
    pytest.param(True, 'a', {'pushed': 0, 'withdrawn': 'Back.'}, ('not_blessed', 'Back.', True), id='withdrawn'),
    pytest.param(True, 'a', {'pushed': 0} | {k: PUSHED[k] for k in ('pushed_destination', 'pushed_version')},
                 ('not_blessed', 'The model was not blessed; the served model stays.', True), id='not_this_time'),
  ],
)  # fmt: skip
def test_how_a_run_ended(evaluator, chosen, push, ending, tmp_path):
  steps = [_evaluated(tmp_path, evaluator), _gated(tmp_path, chosen), _pushed(**push)]
  found = summary.summarize(CONFIG, steps, None, anomalies=False, after={})
  assert (found.status, found.reason, found.blessed) == ending
  assert (found.pushed_path, found.pushed_version) == (('/serving/9', '9') if push is PUSHED else (None, None))


def test_a_push_out_of_the_cache_is_none(tmp_path):
  """Neither to who reads the sentence nor to who is told."""
  steps = [_evaluated(tmp_path, True), _gated(tmp_path, 'a'), _pushed(**PUSHED)]
  first = summary.summarize(CONFIG, steps, None, anomalies=False, after={})
  again = [*steps[:-1], dataclasses.replace(steps[-1], state=StepState.CACHED)]
  second = summary.summarize(CONFIG, again, None, anomalies=False, after={})
  assert second.reason == 'The file keeps every limit and was pushed before; nothing new was pushed. It is a.'
  assert [event_of(found) for found in (first, second)] == [Event.PUSHED, Event.NOTHING_NEW]
  assert (second.status, second.pushed_version, second.newly_pushed) == (Status.PUSHED, '9', None)


@pytest.mark.parametrize(('anomalies', 'status'), [(True, 'anomalies'), (False, 'failed')])
def test_a_run_that_stopped(anomalies, status, tmp_path):
  """Whatever else is there; without the gate there is no blessing."""
  found = summary.summarize(CONFIG, [_step('Pusher')], 'It stopped.', anomalies, after={})
  assert (found.status, found.reason, found.blessed, found.metrics) == (status, 'It stopped.', None, None)


def test_the_first_broken_values_are_in_the_summary(tmp_path):
  examples = (
    BrokenExample('a', 'fare', '$1', 'f', 1, "set x to ['$']"),
    BrokenExample('a', 'tip', '-', 'f', 2),
    BrokenExample('b', '', '1,2', 'f', 3),
  )
  counts = RideCounts(read=3, quarantined={'a': 2, 'b': 1}, examples=examples)
  (tmp_path / COUNTS_FILE).write_text(counts.to_json())
  ingest = _step('RideExampleGen', quarantine=Output(str(tmp_path), {}))
  found = summary.summarize(CONFIG, [ingest], 'Refused.', anomalies=True, after={})
  assert found.to_dict()['rows']['examples'] == {
    'a': ["in fare, such as '$1': set x to ['$']", "in tip, such as '-'"], 'b': ["such as '1,2'"]
  }  # fmt: skip


def test_figures_and_places(tmp_path):
  counts = RideCounts(
    read=10, kept=8, splits={'train': 6, 'eval': 2}, quarantined={'a': 2}, files=('f',), passed_over={'_s': 'w'}
  )
  quarantine = tmp_path / 'quarantine'
  quarantine.mkdir()
  (quarantine / COUNTS_FILE).write_text(counts.to_json())
  ingest = _step('RideExampleGen', StepState.CACHED, quarantine=Output(str(quarantine), {}))
  steps = [ingest, _evaluated(tmp_path), _gated(tmp_path, 'dense.int8'), _pushed(**PUSHED)]
  found = summary.summarize(CONFIG, steps, None, anomalies=False, after={'Pusher': ['CompressionGate']})
  record = found.to_dict()
  rows = {'read': 10, 'kept': 8, 'quarantined': {'a': 2}, 'splits': {'train': 6, 'eval': 2}}
  assert record['rows'] == {**rows, 'passed_over': {'_s': 'w'}}
  assert record['metrics'] == {name: INTERVALS[name] for name in ('rmse', 'mae')}
  assert found.rmse_without_worst_5 == 3.3
  assert (record['slices'], record['base_slices'], record['notes'], record['chosen']) == (
    SLICES, [], ['n'], 'dense.int8'
  )  # fmt: skip
  assert (record['served_version'], record['served_rmse']) == ('7', INTERVALS['rmse'])
  assert [(one['name'], one['bytes'], one['reason']) for one in record['variants']] == [('dense.int8', 7, None)]
  assert record['cached'] == ['RideExampleGen']
  assert found.timings == dict.fromkeys(('RideExampleGen', 'FareEvaluator', 'CompressionGate', 'Pusher'), 1.235)
  assert [step['after'] for step in record['steps']] == [[], [], [], ['CompressionGate']]
  assert found.quarantine == str(quarantine)
  assert record['artifacts']['Pusher'] == {'pushed_model': '/pushed'}


def _cached_push(uri: pathlib.Path, **properties) -> list[Step]:
  return [_step('CompressionGate'), _step('Pusher', StepState.CACHED, pushed_model=Output(str(uri), properties))]


def test_a_push_is_made_again_where_its_bytes_do_not_serve(tmp_path):
  """The cache knows that a model was pushed once, not what came of it."""
  serving, archive = tmp_path / 'serving', tmp_path / 'archive'
  make_version(archive, 'mine')
  steps = _cached_push(archive, pushed=1)
  assert run._push_is_outdated(steps, serving), 'nothing serves'
  make_version(serving / '9', 'mine')
  assert not run._push_is_outdated(steps, serving)
  make_version(serving / '10', 'another')
  assert run._push_is_outdated(steps, serving), 'another one took its place'
  make_version(serving / '11', 'mine').joinpath('assets.extra/manifest.json').write_bytes(
    (archive / 'assets.extra/manifest.json').read_bytes()
  )
  assert not run._push_is_outdated(steps, serving), 'a rollback put it back'


@pytest.mark.parametrize(
  ('state', 'properties', 'outdated'),
  [
    pytest.param(StepState.COMPLETE, {'pushed': 1}, False, id='pushed_just_now'),
    pytest.param(StepState.CACHED, {'pushed': 0}, False, id='not_blessed'),
    pytest.param(StepState.CACHED, {'pushed': 0, 'withdrawn': 'Back.'}, True, id='withdrawn_then'),
    pytest.param(StepState.SKIPPED, {'pushed': 1}, False, id='skipped'),
  ],
)
def test_when_a_push_is_made_again(state, properties, outdated, tmp_path):
  steps = [_step('Pusher', state, pushed_model=Output(str(tmp_path), properties))]
  assert run._push_is_outdated(steps, tmp_path / 'serving') is outdated


def test_a_cached_push_without_an_output_is_not_made_again(tmp_path):
  assert not run._push_is_outdated([Step('Pusher', StepState.CACHED, 1.0)], tmp_path)


@pytest.mark.parametrize(
  ('content', 'path'),
  [pytest.param('mine', '10', id='put_back'), pytest.param('another', '9', id='another_serves')],
)
def test_the_version_that_serves_is_named(content, path, tmp_path):
  """The same bytes under a newer number, which 10 is and '10' < '9' would not be."""
  serving, archive = tmp_path / 'serving', tmp_path / 'archive'
  make_version(archive, 'mine')
  for version, what in (('9', 'mine'), ('10', content)):
    make_version(serving / version, what)
    if what == 'mine':
      manifest = (archive / 'assets.extra/manifest.json').read_bytes()
      (serving / version / 'assets.extra/manifest.json').write_bytes(manifest)
  result = Summary(status=Status.PUSHED, pushed_path=str(serving / '9'), pushed_version='9')
  named = run._name_what_serves(result, _cached_push(archive, pushed=1), serving)
  assert named == Summary(status=Status.PUSHED, pushed_path=str(serving / path), pushed_version=path)


def test_nothing_is_named_where_nothing_was_pushed(tmp_path):
  make_version(tmp_path / 'serving' / '9', 'mine')
  result = Summary(status=Status.NOT_BLESSED, pushed_path=None, pushed_version=None)
  steps = _cached_push(tmp_path / 'serving' / '9', pushed=0)
  assert run._name_what_serves(result, steps, tmp_path / 'serving') == result


def test_what_is_told_of_each_variant(tmp_path):
  """All of its figures but those of single slices, of larger batches and of memory, which the gate's report has."""
  figure = {'value': 4.0, 'low': 3.0, 'high': 5.0}
  latency = {'p50': 5.0, 'p99': 9.0, 'spread': [4.0, 6.0]}
  worst = {'name': 'night', 'rides': 60, 'rmse': 6.0, 'rmse_ratio': figure}
  told = {
    'name': 'qat.int8', 'recipe': 'qat', 'scheme': 'int8', 'bytes': 7, 'gzip_bytes': 6, 'rmse': figure,
    'rmse_ratio': figure, 'worst_slice': worst, 'latency_us': latency, 'sparsity': 0.25, 'within_budget': True,
    'reason': 'Chosen.',
  }  # fmt: skip
  more = {'slices': [worst], 'mae': figure, 'latency_batch_us': latency, 'peak_bytes': 8}
  uri = _written(
    tmp_path / 'gate', compression={'variants': [told | more], 'chosen': 'qat.int8', 'reason': 'x', 'notes': []}
  )
  steps = [_step('CompressionGate', report=Output(uri, {}))]
  [found] = summary.summarize(CONFIG, steps, 'It stopped.', anomalies=False, after={}).to_dict()['variants']
  # The worst slice has fields of its own that no figure was found for.
  assert {name: value for name, value in found['worst_slice'].items() if value is not None} == worst
  assert found | {'worst_slice': worst} == told
