"""Whole runs on the real runner, real MLMD and real Beam; simulated rides."""

from __future__ import annotations

import io
import json
import os
import pathlib
import shutil
import subprocess
import sys
import time

import pytest
from rich.console import Console

from models.release import LITE_FILE, MANIFEST, Manifest
from pipeline import dag
from pipeline.commands import run as run_command
from pipeline.report.page import run_page
from pipeline.report.record import read_record
from pipeline.report.tables import seconds
from pipeline.sources import rides_of
from pipeline.summary_record import Summary
from tests.pipeline.page_reader import text

_RESOLVERS = {'BaselineStatistics', 'ServedModel'}

_SERVE = """
import json, sys
import tensorflow as tf
model = tf.saved_model.load(sys.argv[1])
rides = json.loads(sys.argv[2])
raw = model.signatures['serving_raw'](
  pickup_seconds=tf.constant([ride['pickup_seconds'] for ride in rides]),
  **{name: tf.constant([ride.get(name, float('nan')) for ride in rides])
     for name in ('pickup_longitude', 'pickup_latitude', 'dropoff_longitude', 'dropoff_latitude', 'passenger_count')})
examples = []
for ride in rides:
  example = tf.train.Example()
  for name, value in ride.items():
    feature = example.features.feature[name]
    (feature.int64_list if name == 'pickup_seconds' else feature.float_list).value.append(value)
  examples.append(example.SerializeToString())
served = model.signatures['serving_default'](examples=tf.constant(examples))
print(json.dumps([raw['fare_amount'].numpy().tolist(), served['fare_amount'].numpy().tolist()]))
"""


def test_first_run_pushes(finished):
  project, summary, states = finished
  assert summary['status'] == 'pushed', summary['reason']
  assert set(states.values()) == {'complete'}
  assert pathlib.Path(summary['pushed_path'], 'saved_model.pb').is_file()
  assert pathlib.Path(summary['pushed_path']).name.isdigit()
  assert json.loads(project.output.summary.read_text()) == summary


def test_summary_adds_up(finished):
  _, summary, _ = finished
  rows = summary['rows']
  assert rows['read'] == 1500 == rows['kept'] + sum(rows['quarantined'].values())
  for name in ('rmse', 'mae'):
    estimate = summary['metrics'][name]
    assert 0 < estimate['low'] <= estimate['value'] <= estimate['high']
  steps = {'RideExampleGen', 'FeatureEngineering', 'PruningTrainer', 'FareEvaluator', 'Pusher'}
  assert set(summary['timings']) >= steps


def test_slices_partition_the_eval_split(finished):
  _, summary, _ = finished
  [overall, *slices] = summary['slices']
  assert overall['example_count'] == summary['rows']['splits']['eval']
  by_key: dict[str, float] = {}
  for row in slices:
    [part] = row['slice']
    by_key[part['feature']] = by_key.get(part['feature'], 0) + row['example_count']
  assert set(by_key) == {'slice_time_band', 'slice_distance_band', 'slice_airport', 'slice_missing_dropoff'}
  assert set(by_key.values()) == {overall['example_count']}
  assert overall['root_mean_squared_error'] == pytest.approx(summary['metrics']['rmse']['value'], rel=1e-4)


def test_pushed_model_serves_without_the_project(finished, tmp_path):
  """A fresh process in an empty folder, isolated from the checkout; a missing dropoff and passenger are served too."""
  _, summary, _ = finished
  whole = {
    'pickup_seconds': 100_000_000,
    'pickup_longitude': -73.98,
    'pickup_latitude': 40.75,
    'dropoff_longitude': -73.95,
    'dropoff_latitude': 40.78,
    'passenger_count': 1.0,
  }
  lacking = {name: whole[name] for name in ('pickup_seconds', 'pickup_longitude', 'pickup_latitude')}
  result = subprocess.run(
    [sys.executable, '-I', '-c', _SERVE, summary['pushed_path'], json.dumps([whole, lacking])],
    capture_output=True,
    text=True,
    cwd=tmp_path,
    check=True,
  )
  raw, served = json.loads(result.stdout.splitlines()[-1])
  assert raw == pytest.approx(served, rel=1e-6)
  assert all(0 < fare < 500 for fare in raw)


def test_terminal_page_and_manifest_name_one_file(finished):
  """Oracle: the manifest of the version, and the digest of the file that the rewriter made under that name."""
  project, summary, _ = finished
  version = pathlib.Path(summary['pushed_path'])
  manifest = Manifest.read(version / MANIFEST)
  made = pathlib.Path(summary['artifacts']['QuantizationRewriter']['variants'], f'{manifest.variant}.tflite')
  assert (version / LITE_FILE).read_bytes() == made.read_bytes()
  assert summary['chosen'] == manifest.variant
  assert f'{manifest.variant} was pushed' in text(run_page(read_record(project.output.path)))
  terminal = io.StringIO()
  console = Console(file=terminal, width=200)
  config = project.config()
  source = rides_of(config.dataset)
  session = run_command.Session(config, source, project.output, console, pathlib.Path('log'), time.monotonic())
  run_command._show_outcome(session, Summary.read(project.output.summary), None)
  said = ' '.join(terminal.getvalue().split())
  took = seconds(summary['seconds']).replace('\N{NO-BREAK SPACE}', ' ')
  assert f'The run took {took} ' in text(run_page(read_record(project.output.path)))
  assert f'pushed in {took}: The file keeps every limit and was pushed. {manifest.variant} is the ' in said
  assert str(version) in said


def test_curves_and_logs_are_kept(finished):
  _, summary, _ = finished
  curves = pathlib.Path(summary['curves'])
  assert (curves / 'loss_curve.svg').read_bytes().startswith(b'<svg xmlns=')
  history = json.loads((curves / 'history.json').read_text())
  assert history['epoch'][-1] == 3
  assert len(history['val_rmse']) == len(history['epoch'])
  assert list(curves.glob('tensorboard/**/events.out.tfevents.*'))


def test_model_carries_its_config(finished):
  _, summary, _ = finished
  text = pathlib.Path(summary['pushed_path'], 'assets.extra', 'config.yaml').read_text()
  assert 'hidden:\n  - 16' in text


def test_second_run_is_cached_and_pushes_nothing_new(finished):
  project, first, _ = finished
  summary, states = project.run()
  assert {state for name, state in states.items() if name not in _RESOLVERS} == {'cached'}
  assert (summary['status'], summary['pushed_path']) == ('pushed', first['pushed_path'])
  assert summary['metrics'] == first['metrics']
  assert project.versions() == [pathlib.Path(first['pushed_path']).name]


def test_a_threshold_that_is_missed_is_a_result(finished):
  project, first, _ = finished
  summary, states = project.run('evaluation.max_rmse=0.001')
  assert summary['status'] == 'not_blessed'
  assert 'above the limit of 0.001 USD (evaluation.max_rmse)' in summary['reason']
  assert summary['pushed_path'] is None
  assert states['PruningTrainer'] == 'cached'
  assert project.versions() == [pathlib.Path(first['pushed_path']).name]


def test_changed_code_behind_a_dotted_path_is_not_cached(finished, monkeypatch):
  """The digest itself is held in `tests/pipeline/test_code_version.py`; here it has to reach the cache."""
  project, _, _ = finished
  real = dag.step_version
  changed = {dag.PruningTrainer: 'changed'}
  monkeypatch.setattr(dag, 'step_version', lambda component: real(component) + changed.get(component, ''))
  _, states = project.run('evaluation.max_rmse=0.001')
  assert (states['FeatureEngineering'], states['PruningTrainer']) == ('cached', 'complete')


def test_changed_input_of_the_same_size_and_time_is_not_cached(project):
  _, states = project.run('evaluation.max_rmse=0.001')
  before = project.data.stat()
  text = project.data.read_text()
  lines = text.splitlines(keepends=True)
  lines[1], lines[2] = lines[2], lines[1]
  project.data.write_text(''.join(lines))
  os.utime(project.data, ns=(before.st_atime_ns, before.st_mtime_ns))
  assert project.data.stat().st_size == before.st_size
  _, states = project.run('evaluation.max_rmse=0.001')
  assert states['RideExampleGen'] == 'complete'


def test_a_cached_push_that_no_longer_serves_is_pushed_again(project):
  first, _ = project.run()
  shutil.rmtree(first['pushed_path'])
  again, states = project.run()
  assert states['PruningTrainer'] == 'cached'
  assert pathlib.Path(again['pushed_path'], 'saved_model.pb').is_file()


def test_a_model_that_was_altered_after_it_was_judged_is_made_again(project):
  """What is pushed in the end has the bytes that were judged at first."""
  first, _ = project.run()
  judged = pathlib.Path(first['artifacts']['CompressionGate']['model']) / 'Format-Serving' / LITE_FILE
  good = judged.read_bytes()
  judged.write_bytes(good[:2000] + b'bad!' + good[2004:])
  shutil.rmtree(project.output.serving)
  failed, states = project.run()
  assert (failed['status'], states['CompressionGate'], states['Pusher']) == ('failed', 'cached', 'failed')
  assert f"'{LITE_FILE}' in '{judged.parent}' was altered" in failed['reason']
  assert project.versions() == []
  again, states = project.run()
  assert (again['status'], states['CompressionGate']) == ('pushed', 'complete')
  assert (pathlib.Path(again['pushed_path']) / LITE_FILE).read_bytes() == good


def test_a_served_version_that_was_altered_is_named_and_replaced(project):
  first, _ = project.run()
  altered = pathlib.Path(first['pushed_path']) / LITE_FILE
  good = altered.read_bytes()
  altered.write_bytes(good + b'!')
  refused, _ = project.run('evaluation.max_rmse=0.001')
  [note] = [note for note in refused['notes'] if 'was altered' in note]
  assert note.startswith(f'Version {first["pushed_version"]}, which serves, is not what was pushed: ')
  assert note.endswith('It goes on serving, as this run has pushed no other.')
  again, states = project.run()
  assert (again['status'], states['CompressionGate']) == ('pushed', 'cached')
  assert (project.output.serving / again['pushed_version'] / LITE_FILE).read_bytes() == good
  [note] = [note for note in again['notes'] if 'was altered' in note]
  assert note.endswith(f'Version {again["pushed_version"]} has taken its place.')
  assert int(again['pushed_version']) > int(first['pushed_version'])
  last, _ = project.run()
  assert not [note for note in last['notes'] if 'was altered' in note]


def test_warm_start_goes_on_from_the_served_model(project):
  cold, _ = project.run('training.epochs=8')
  warm, states = project.run('training.epochs=1', 'training.warm_start=true', 'training.learning_rate=1e-5')
  assert states['PruningTrainer'] == 'complete'
  assert warm['metrics']['rmse']['value'] == pytest.approx(cold['metrics']['rmse']['value'], rel=0.05)
  misfit, _ = project.run('training.epochs=1', 'training.warm_start=true', 'model.hidden=[5]')
  assert misfit['status'] == 'failed'
  assert 'has other features or layers than this config' in misfit['reason']
