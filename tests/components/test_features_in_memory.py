"""Features without Beam: the step writes what it writes by Beam, to the bit.

Oracle: tft on Beam's direct runner. Rides are New York's, in batches that are small enough to be many.
"""

from __future__ import annotations

import functools
import json
import pathlib

import numpy as np
import pyarrow as pa
import pytest
import tensorflow as tf
import tensorflow_transform as tft
from google.protobuf import text_format
from tensorflow_transform import schema_inference
from tfx.dsl.components.base import base_beam_executor
from tfx.types import standard_artifacts
from tfx_bsl.coders import example_coder
from tfx_bsl.tfxio import tf_example_record

from components import example_batches
from components.artifacts import Quarantine
from components.feature_engineering import example_io
from components.feature_engineering.component import FeatureEngineering, FeatureEngineeringExecutor
from components.feature_engineering.in_memory import analyze
from components.in_memory import COMPUTED
from components.ride_validator.schema import ride_schema
from configs import loading
from configs.run import RunConfig
from models.lite.converter import convert
from tests.components.ingested import ingested
from tests.models.lite.converters import from_functions
from transforms import names
from transforms.constants import read_constants

BUCKETS = ['features.buckets.enabled=true', 'features.crosses.enabled=true']
CONFIGS = {
  'default': loading.load('nyc'),
  'quantiles': loading.load('nyc', [*BUCKETS, 'features.crosses.crosses=[pickup_cell, hour_of_week]']),
}
RIDES = 8905
KEYS = ('transform_graph', 'transformed_examples')


@pytest.fixture(scope='module')
def inputs(nyc_rides, tmp_path_factory):
  """Raw Examples of two splits, their schema and their counts."""
  folder = tmp_path_factory.mktemp('inputs')
  config = CONFIGS['default']
  counts, files = ingested(str(nyc_rides), folder, config.dataset, config.split)
  assert counts.kept == RIDES
  for split in ('train', 'eval'):
    (folder / 'examples' / f'Split-{split}').mkdir(parents=True)
    for name in files[split]:
      (folder / name).rename(folder / 'examples' / f'Split-{split}' / name)
  (folder / 'quarantine').mkdir()
  (folder / 'quarantine' / 'counts.json').write_text(counts.to_json())
  (folder / 'schema').mkdir()
  schema = ride_schema(config.dataset, config.validation)
  (folder / 'schema' / 'schema.pbtxt').write_text(text_format.MessageToString(schema))
  kinds = {'examples': standard_artifacts.Examples, 'schema': standard_artifacts.Schema, 'quarantine': Quarantine}
  found = {key: [_artifact(kind, folder / key)] for key, kind in kinds.items()}
  found['examples'][0].split_names = json.dumps(['train', 'eval'])
  return found


def _artifact(kind, uri: pathlib.Path):
  made = kind()
  made.uri = str(uri)
  return made


def _step(inputs, folder: pathlib.Path, config: RunConfig, in_memory_rides: int):
  """What the executor makes; TFX itself calls it so."""
  outputs = {
    'transform_graph': [_artifact(standard_artifacts.TransformGraph, folder / 'transform_graph')],
    'transformed_examples': [_artifact(standard_artifacts.Examples, folder / 'transformed_examples')],
  }
  for [output] in outputs.values():
    pathlib.Path(output.uri).mkdir(parents=True)
  sections = {'features': config.features, 'slices': config.evaluation.slices}
  texts = {name: section.model_dump_json() for name, section in sections.items()}
  custom = {'dataset': FeatureEngineering.DATASET.dump(config.dataset), **texts}
  properties = {
    'preprocessing_fn': FeatureEngineering.USER_FN,
    'custom_config': json.dumps(custom),
    'in_memory_rides': in_memory_rides,
  }
  context = base_beam_executor.BaseBeamExecutor.Context(
    beam_pipeline_args=['--direct_num_workers=1'], tmp_dir=str(folder / 'tmp'), unique_id='1'
  )
  FeatureEngineeringExecutor(context).Do(inputs, outputs, properties)
  return [output for [output] in outputs.values()]


@pytest.fixture(scope='module', params=CONFIGS)
def both(request, inputs, tmp_path_factory):
  """Folders and artifacts of both forms, and the config."""
  folder = tmp_path_factory.mktemp('both')
  config = CONFIGS[request.param]
  with pytest.MonkeyPatch.context() as patch:
    patch.setattr(example_batches, 'BATCH_ROWS', 1000)
    made = {
      form: _step(inputs, folder / form, config, limit) for form, limit in (('beam', RIDES - 1), ('memory', RIDES))
    }
  return folder / 'beam', folder / 'memory', made


def test_both_forms_leave_the_same_files_and_properties(both):
  *folders, made = both
  assert [[artifact.get_string_custom_property(COMPUTED) for artifact in artifacts] for artifacts in made.values()] == [
    ['by Beam'] * 2,
    ['in memory'] * 2,
  ]
  # In any order: TFX takes them from a set.
  assert [set(json.loads(artifacts[1].split_names)) for artifacts in made.values()] == [{'train', 'eval'}] * 2
  by_beam, in_memory = (
    sorted(str(path.relative_to(folder)) for key in KEYS for path in (folder / key).rglob('*')) for folder in folders
  )
  assert in_memory == by_beam
  assert 'transformed_examples/Split-train/transformed_examples-00000-of-00001.gz' in in_memory


def test_both_forms_find_the_same_constants(both):
  by_beam, in_memory = (read_constants(str(folder / 'transform_graph' / 'transform_fn')) for folder in both[:2])
  for name in ('mean', 'scale', 'boundaries'):
    here, there = getattr(in_memory, name), getattr(by_beam, name)
    if there is None:
      assert here is None
    else:
      assert here.tobytes() == there.tobytes(), name


def test_both_forms_describe_the_same_features(both):
  by_beam, in_memory = (tft.TFTransformOutput(str(folder / 'transform_graph')) for folder in both[:2])
  assert in_memory.raw_metadata == by_beam.raw_metadata
  assert in_memory.transformed_metadata == by_beam.transformed_metadata
  assert in_memory.transformed_feature_spec()[names.NUMERIC].shape


@pytest.mark.parametrize('split', ['train', 'eval'])
def test_both_forms_transform_each_ride_alike_and_in_the_same_order(both, split):
  by_beam, in_memory = (
    [
      tf.train.Example.FromString(record.numpy())
      for record in tf.data.TFRecordDataset(
        sorted(map(str, (folder / 'transformed_examples' / f'Split-{split}').iterdir())), 'GZIP'
      )
    ]
    for folder in both[:2]
  )
  assert len(in_memory) > 1000
  assert in_memory == by_beam


def test_both_graphs_become_the_same_lite_file(both):
  by_beam, in_memory = (_lite(folder / 'transform_graph') for folder in both[:2])
  assert in_memory == by_beam


def _lite(graph: pathlib.Path) -> bytes:
  layer = tft.TFTransformOutput(str(graph)).transform_features_layer()
  module = tf.Module()
  module.layer = layer

  @tf.function
  def features(**inputs):
    return {'features': layer(inputs | {'pickup_seconds': tf.cast(inputs['pickup_seconds'], tf.int64)})[names.NUMERIC]}

  specs = {name: tf.TensorSpec([None], tf.int32 if name == 'pickup_seconds' else tf.float32, name=name)
           for name in CONFIGS['default'].dataset.raw_inputs()}  # fmt: skip
  return convert(from_functions([features.get_concrete_function(**specs)], module))


def test_without_counts_beam_does_the_work(inputs, tmp_path):
  """A user's own pipeline may have no quarantine."""
  given = {key: value for key, value in inputs.items() if key != 'quarantine'}
  made = _step(given, tmp_path, CONFIGS['default'], 10**9)
  assert [artifact.get_string_custom_property(COMPUTED) for artifact in made] == ['by Beam'] * 2


def _words(inputs):
  return {'word': tft.compute_and_apply_vocabulary(tf.strings.as_string(inputs['passenger_count']))}


def _centred_twice(inputs):
  once = inputs['passenger_count'] - tft.mean(inputs['passenger_count'])
  return {'twice': once / tft.max(tf.abs(once))}


@pytest.mark.parametrize(
  ('function', 'message'),
  [
    pytest.param(_words, 'is no combiner; only Beam can analyze it', id='a_vocabulary'),
    pytest.param(_centred_twice, 'waits for another analyzer; only Beam can analyze it', id='two_phases'),
  ],
)
def test_what_only_beam_can_analyze_is_refused(inputs, tmp_path, function, message):
  schema = ride_schema(CONFIGS['default'].dataset, CONFIGS['default'].validation)
  adapter = tf_example_record.TFExampleBeamRecord('tfrecords_gzip', ['test'], schema).TensorAdapterConfig()
  with pytest.raises(TypeError, match=message):
    analyze(function, adapter, [], schema, str(tmp_path / 'graph'), str(tmp_path / 'temporary'))


def test_files_come_in_the_order_of_their_names(inputs, tmp_path):
  """Also where Beam would shuffle them: which ride is where must not depend on it."""
  [examples] = inputs['examples']
  halves = _artifact(standard_artifacts.Examples, tmp_path / 'halves')
  halves.split_names = json.dumps(['train'])
  (tmp_path / 'halves' / 'Split-train').mkdir(parents=True)
  [file] = (pathlib.Path(examples.uri) / 'Split-eval').iterdir()
  records = [record.numpy() for record in tf.data.TFRecordDataset(str(file), 'GZIP')]
  for name, part in (('b.gz', records[900:]), ('a.gz', records[:900])):
    with tf.io.TFRecordWriter(str(tmp_path / 'halves' / 'Split-train' / name), 'GZIP') as writer:
      for record in part:
        writer.write(record)
  _step(inputs | {'examples': [halves]}, tmp_path, CONFIGS['default'], RIDES)
  [shard] = (tmp_path / 'transformed_examples' / 'Split-train').iterdir()
  seconds = functools.partial(tf.io.parse_example, features={'pickup_seconds': tf.io.FixedLenFeature([], tf.int64)})
  written = [record.numpy() for record in tf.data.TFRecordDataset(str(shard), 'GZIP')]
  np.testing.assert_array_equal(seconds(written)['pickup_seconds'], seconds(records)['pickup_seconds'])


@pytest.mark.parametrize(
  ('sizes', 'rows_of_shards'),
  [
    pytest.param([], [0], id='none'),
    pytest.param([4, 4], [8], id='a_few'),
    pytest.param([4, 4, 4, 4, 4], [12, 8], id='more_than_a_shard'),
    pytest.param([10, 10, 10], [10, 10, 10], id='whole_shards'),
  ],
)
def test_a_large_split_is_several_shards(tmp_path, monkeypatch, sizes, rows_of_shards):
  """Oracle: the numbers that were written, in their order; no shard but the last is small."""
  monkeypatch.setattr(example_io, '_SHARD_ROWS', 10)
  numbers = np.split(np.arange(sum(sizes), dtype=np.int64), np.cumsum(sizes)[:-1]) if sizes else []
  columns = [pa.LargeListArray.from_arrays(np.arange(len(some) + 1), pa.array(some)) for some in numbers]
  example_io.write_shards(
    (pa.RecordBatch.from_arrays([column], ['number']) for column in columns), str(tmp_path / 'Split-train')
  )
  example_io.remove_parts([str(tmp_path / 'Split-train')])
  assert [path.name for path in tmp_path.iterdir()] == ['Split-train']
  shards = sorted((tmp_path / 'Split-train').iterdir())
  total = len(rows_of_shards)
  assert [path.name for path in shards] == [f'transformed_examples-{n:05d}-of-{total:05d}.gz' for n in range(total)]
  found = [
    [
      tf.train.Example.FromString(record.numpy()).features.feature['number'].int64_list.value[0]
      for record in tf.data.TFRecordDataset(str(path), 'GZIP')
    ]
    for path in shards
  ]
  assert list(map(len, found)) == rows_of_shards
  assert [number for numbers in found for number in numbers] == list(range(sum(sizes)))


@pytest.mark.parametrize(('annotated', 'traces'), [(False, 2), (True, 3)])
def test_a_function_is_traced_to_analyze_and_to_write_and_once_more_for_annotations_alone(
  inputs, tmp_path, annotated, traces
):
  calls = []

  def function(rides):
    calls.append(rides)
    count = rides['passenger_count']
    if annotated:
      index = tf.cast(count > 1, tf.int64)
      schema_inference.set_tensor_schema_override(index, tf.constant(0), tf.constant(1))
      return {'several': index, 'centred': count - tft.mean(count)}
    return {'centred': count - tft.mean(count)}

  schema = ride_schema(CONFIGS['default'].dataset, CONFIGS['default'].validation)
  files = sorted(pathlib.Path(inputs['examples'][0].uri, 'Split-train').iterdir())
  records = tf_example_record.TFExampleBeamRecord('tfrecords_gzip', ['test'], schema)
  decoder = example_coder.ExamplesToRecordBatchDecoder(schema.SerializeToString())
  batches = (batch for path in files for batch in example_batches.read_batches(str(path), decoder))
  analyze(
    function, records.TensorAdapterConfig(), batches, schema, str(tmp_path / 'graph'), str(tmp_path / 'temporary')
  )
  assert len(calls) == traces
  features = tft.TFTransformOutput(str(tmp_path / 'graph')).transformed_metadata.schema.feature
  assert [feature.name for feature in features if feature.int_domain.is_categorical] == ['several'] * annotated
