"""The quarantine's verdict: its sentences, and that a run fails by it before anything is measured."""

import dataclasses
import json

import numpy as np
import pandas as pd
import pytest
import tensorflow as tf
import tensorflow_data_validation as tfdv
from ml_metadata.proto import metadata_store_pb2
from tensorflow_data_validation.utils import stats_util
from tfx.dsl.components.base import base_beam_executor
from tfx.dsl.components.common import importer
from tfx.orchestration import pipeline
from tfx.orchestration.local import local_dag_runner
from tfx.types import standard_artifacts

from components.artifacts import Quarantine
from components.in_memory import COMPUTED
from components.ride_example_gen.profile import ColumnProfile, FileProfile, Profile, profile_times
from components.ride_example_gen.quarantine import RideCounts
from components.ride_validator.component import RideStatisticsGen, RideStatisticsGenExecutor
from components.ride_validator.findings import RidesRefusedError, check_rides
from components.ride_validator.hours import read_times
from configs import loading

REJECTED = 'they are with their reasons in /q; fix the data, widen dataset.rules'


def _counts(kept, quarantined=(), splits=None, files=('rides.csv',)):
  reasons = dict(quarantined)
  splits = {'train': kept - kept // 5, 'eval': kept // 5} if splits is None else splits
  return RideCounts(kept + sum(reasons.values()), kept, reasons, splits, files)


def _window(newest_invalid):
  """Of 1,100 rides on two days the newest has 100, so many of them invalid."""
  kept = 100 - newest_invalid
  files = {'a': FileProfile('2014-03-01', 1000, read=1000), 'b': FileProfile('2014-03-02', kept, read=100)}
  profile = Profile(files=files, newest={'fare_amount': ColumnProfile(kept)})
  splits = {'train': 1000, 'eval': kept}
  return dataclasses.replace(
    _counts(1000 + kept, {'unparsable_number': newest_invalid}, splits=splits), profile=profile
  )


@pytest.mark.parametrize(
  ('counts', 'message'),
  [
    pytest.param(
      _counts(0, files=('a.csv', 'b.csv')),
      'No rides were read from 2 files: give dataset.path files with at least one row.',
      id='nothing_read',
    ),
    pytest.param(
      _counts(0),
      'No rides were read from rides.csv: give dataset.path files with at least one row.',
      id='header_only',
    ),
    pytest.param(
      _counts(0, {'time': 12, 'fare_range': 3}),
      f'All 15 rides are invalid (time: 12, fare_range: 3): {REJECTED} or correct the columns and the time format.',
      id='all_invalid',
    ),
    pytest.param(
      _counts(80_000, {'a': 1_000, 'b': 12_000, 'c': 6_000, 'd': 700, 'e': 300, 'none': 0}),
      '20,000 of 100,000 rides (20 %) are invalid, more than the 10 % of dataset.rules.max_quarantined_share '
      f'(b: 12,000, c: 6,000, a: 1,000, other reasons: 1,000): {REJECTED} or raise the limit.',
      id='share_above_the_limit',
    ),
    pytest.param(
      _counts(1),
      'The eval split is empty because the only valid ride fell into the other one: give rides of more time stamps, '
      'or change split.eval_share or split.seed.',
      id='single_row',
    ),
    pytest.param(
      _counts(1_200, splits={'train': 0, 'eval': 1_200}),
      'The train split is empty because all 1,200 valid rides, as rides of one time stamp do, fell into the other one: '
      'give rides of more time stamps, or change split.eval_share or split.seed.',
      id='one_time_stamp',
    ),
    pytest.param(
      dataclasses.replace(
        _counts(1_200, splits={'train': 1_200, 'eval': 0}),
        profile=Profile(files={'a': FileProfile('2014-03-01', 1_200), 'b': FileProfile('2014-03-02')}),
      ),
      'The eval split is empty because there is no valid ride in 2014-03-02: bring the rides there, or remove what is '
      'there instead of them.',
      id='span_without_rides',
    ),
    pytest.param(
      _window(newest_invalid=60),
      '60 of 100 rides of the newest span, 2014-03-02, are invalid (60 %), more than the 10 % of '
      'dataset.rules.max_quarantined_share (of all spans unparsable_number: 60): they are with their reasons in /q; '
      'fix the data, widen dataset.rules or raise the limit, or leave the span out (retraining.exclude).',
      id='newest_span_diluted_by_an_older_one',
    ),
  ],
)
def test_refusals_say_what_came_and_what_to_do(counts, message):
  with pytest.raises(RidesRefusedError) as refused:
    check_rides(counts, 0.1, '/q')
  assert str(refused.value) == message


@pytest.mark.parametrize(
  'counts',
  [
    pytest.param(_counts(10), id='all_valid'),
    pytest.param(_counts(90, {'fare_range': 10}), id='share_at_the_limit'),
    pytest.param(_window(newest_invalid=10), id='newest_span_at_the_limit'),
  ],
)
def test_enough_valid_rides_pass(counts):
  check_rides(counts, 0.1, '/q')


def _pipeline(tmp_path, counts, max_quarantined_share=0.1, seconds=(), in_memory_rides=0, **settings):
  for split in ('train', 'eval'):
    folder = tmp_path / 'examples' / f'Split-{split}'
    folder.mkdir(parents=True, exist_ok=True)
    fare = tf.train.Feature(float_list=tf.train.FloatList(value=[2.5]))
    times = [{'pickup_seconds': tf.train.Feature(int64_list=tf.train.Int64List(value=[each]))} for each in seconds]
    with tf.io.TFRecordWriter(str(folder / 'rides.gz'), 'GZIP') as file:
      for time in times or [{}]:
        ride = tf.train.Example(features=tf.train.Features(feature={'fare_amount': fare, **time}))
        file.write(ride.SerializeToString())
  quarantine = tmp_path / 'quarantine'
  quarantine.mkdir(exist_ok=True)
  (quarantine / 'counts.json').write_text(counts.to_json())
  rides = importer.Importer(
    source_uri=str(tmp_path / 'examples'),
    artifact_type=standard_artifacts.Examples,
    properties={'split_names': '["train", "eval"]'},
  ).with_id('rides')
  aside = importer.Importer(source_uri=str(quarantine), artifact_type=Quarantine).with_id('aside')
  rules = loading.load('nyc').dataset.rules
  statistics = RideStatisticsGen(
    examples=rides.outputs['result'],
    quarantine=aside.outputs['result'],
    rules=rules.model_copy(update={'max_quarantined_share': max_quarantined_share}),
    code_version='1',
    in_memory_rides=in_memory_rides,
  ).with_id('StatisticsGen')
  return pipeline.Pipeline(
    pipeline_name='gate', pipeline_root=str(tmp_path / 'root'), components=[rides, aside, statistics], **settings
  )


def _run(tmp_path, counts, **settings):
  connection = metadata_store_pb2.ConnectionConfig()
  connection.sqlite.filename_uri = str(tmp_path / 'metadata.db')
  connection.sqlite.connection_mode = metadata_store_pb2.SqliteMetadataSourceConfig.READWRITE_OPENCREATE
  run = _pipeline(tmp_path, counts, metadata_connection_config=connection, enable_cache=True, **settings)
  local_dag_runner.LocalDagRunner().run(run)


def _measured(tmp_path):
  return sorted((tmp_path / 'root').glob('StatisticsGen/statistics/*/Split-train/FeatureStats.pb'))


def test_the_run_fails_before_it_measures_and_keeps_the_quarantine(tmp_path):
  """LocalDagRunner: no statistics, which a later run would take for earlier ones."""
  with pytest.raises(RidesRefusedError, match=r'6 of 10 rides \(60 %\) are invalid, more than the 10 %'):
    _run(tmp_path, _counts(4, {'fare_range': 6}))
  assert (tmp_path / 'quarantine' / 'counts.json').is_file()
  assert _measured(tmp_path) == []


FORMS = pytest.mark.parametrize('in_memory_rides', [0, 10], ids=['by_beam', 'in_memory'])


@FORMS
def test_enough_valid_rides_are_measured_once_as_tfx_measures_them(tmp_path, in_memory_rides):
  """Oracle: TFDV in memory; a second run takes the statistics from the cache, another limit asks again."""
  form = {'in_memory_rides': in_memory_rides}
  for _ in range(2):
    _run(tmp_path, _counts(10), **form)
  [file] = _measured(tmp_path)
  [found] = stats_util.load_stats_binary(str(file)).datasets
  expected = tfdv.generate_statistics_from_dataframe(pd.DataFrame({'fare_amount': np.float32([2.5])})).datasets[0]
  assert found.num_examples == 1 and found.features[0].num_stats.mean == expected.features[0].num_stats.mean == 2.5
  _run(tmp_path, _counts(10), max_quarantined_share=0.2, **form)
  assert len(_measured(tmp_path)) == 2


@FORMS
def test_the_hours_go_into_the_statistics_and_come_back(tmp_path, in_memory_rides):
  """TFDV itself reads and compares what was written; statistics of an earlier version have none."""
  seconds = np.arange(0, 30 * 86_400, 5_003)
  times = profile_times(seconds)
  counts = _counts(10)
  profile = Profile({'train': times, 'eval': times})
  _run(
    tmp_path, dataclasses.replace(counts, profile=profile), seconds=seconds.tolist(), in_memory_rides=in_memory_rides
  )
  [file] = _measured(tmp_path)
  statistics = tfdv.load_stats_binary(str(file))
  assert read_times(statistics) == times
  schema = tfdv.infer_schema(statistics)
  assert not tfdv.validate_statistics(statistics, schema, previous_statistics=statistics).anomaly_info
  assert read_times(tfdv.generate_statistics_from_dataframe(pd.DataFrame({'pickup_seconds': seconds}))) is None


def _step(folder, in_memory_rides, rides, splits):
  """What the executor makes of rides, by split; TFX itself calls it so."""
  inputs = {'examples': [standard_artifacts.Examples()], 'quarantine': [Quarantine()]}
  outputs = {'statistics': [standard_artifacts.ExampleStatistics()]}
  for key, [artifact] in (inputs | outputs).items():
    artifact.uri = str(folder / key)
  inputs['examples'][0].split_names = json.dumps(splits)
  inputs['examples'][0].span = 7
  for number, split in enumerate(splits):
    _write_rides(folder / 'examples' / f'Split-{split}', rides[number :: len(splits)])
  (folder / 'quarantine').mkdir()
  (folder / 'quarantine' / 'counts.json').write_text(_counts(len(rides)).to_json())
  context = base_beam_executor.BaseBeamExecutor.Context(
    beam_pipeline_args=['--direct_num_workers=1'], tmp_dir=str(folder / 'tmp'), unique_id='1'
  )
  properties = {'exclude_splits': '[]', 'max_quarantined_share': 0.1, 'in_memory_rides': in_memory_rides}
  RideStatisticsGenExecutor(context).Do(inputs, outputs, properties)
  return outputs['statistics'][0]


def _write_rides(folder, rides):
  """In two files."""
  folder.mkdir(parents=True)
  for half in (0, 1):
    with tf.io.TFRecordWriter(str(folder / f'rides-{half}.gz'), 'GZIP') as file:
      for row in rides[half::2].to_dict('records'):
        values = {name: _feature(value) for name, value in row.items()}
        file.write(tf.train.Example(features=tf.train.Features(feature=values)).SerializeToString())


def _feature(value):
  if isinstance(value, int):
    return tf.train.Feature(int64_list=tf.train.Int64List(value=[value]))
  return tf.train.Feature(float_list=tf.train.FloatList(value=[value]))


def test_both_forms_write_the_same(tmp_path):
  """Oracle: TFX's own executor, by Beam. Means and deviations agree to rounding, all else is equal."""
  generator = np.random.default_rng(5)
  rides = pd.DataFrame({
    'pickup_seconds': generator.integers(0, 10**8, 3000),
    'fare_amount': generator.uniform(3, 60, 3000),
    'passenger_count': generator.integers(1, 7, 3000).astype(float),
    'tolls': np.where(np.arange(3000) % 7 == 0, np.nan, generator.normal(0, 1, 3000)),
    'never': np.nan,
    'constant': 2.5,
  })  # fmt: skip
  splits = ['train', 'eval', 'test']
  made = {form: _step(tmp_path / form, limit, rides, splits) for form, limit in (('beam', 2999), ('memory', 3000))}
  assert [artifact.get_string_custom_property(COMPUTED) for artifact in made.values()] == ['by Beam', 'in memory']
  for artifact in made.values():
    del artifact.mlmd_artifact.custom_properties[COMPUTED]
    artifact.uri = ''
  assert made['beam'].mlmd_artifact == made['memory'].mlmd_artifact
  for split in splits:
    here, there = (
      tfdv.load_stats_binary(str(tmp_path / form / 'statistics' / f'Split-{split}' / 'FeatureStats.pb'))
      for form in made
    )
    assert here.datasets[0].num_examples == 1000
    for feature, other in zip(here.datasets[0].features, there.datasets[0].features, strict=True):
      for name in ('mean', 'std_dev'):
        expected = getattr(feature.num_stats, name)
        assert getattr(other.num_stats, name) == pytest.approx(expected, rel=1e-12, abs=1e-12, nan_ok=True)
        feature.num_stats.ClearField(name)
        other.num_stats.ClearField(name)
    assert here.SerializeToString(deterministic=True) == there.SerializeToString(deterministic=True)


@pytest.mark.parametrize('open_source', [pytest.param(True, id='kfp'), pytest.param(False, id='vertex')])
def test_it_compiles(tmp_path, open_source):
  """TFX's own compilers, for both targets."""
  pytest.importorskip('kfp')
  from tfx.orchestration.kubeflow.v2 import kubeflow_v2_dag_runner as compiler

  config = compiler.KubeflowV2DagRunnerConfig(default_image='image', use_pipeline_spec_2_1=open_source)
  runner = compiler.KubeflowV2DagRunner(config=config, output_dir=str(tmp_path), output_filename='spec.json')
  runner.run(_pipeline(tmp_path, _counts(10)), write_out=True)
  spec = json.loads((tmp_path / 'spec.json').read_text())
  spec = spec.get('pipelineSpec', spec)
  task = spec['root']['dag']['tasks']['StatisticsGen']
  assert sorted(task['dependentTasks']) == ['aside', 'rides']
  assert set(task['inputs']['parameters']) >= {'max_quarantined_share', 'code_version'}
  arguments = ' '.join(map(str, spec['deploymentSpec']['executors']['StatisticsGen_executor']['container']['args']))
  assert 'components.ride_validator.component.RideStatisticsGenExecutor' in arguments
