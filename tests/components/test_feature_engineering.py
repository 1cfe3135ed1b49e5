"""FeatureEngineering on the real runner, held against the NumPy oracle on every way to the features.

The ways: the transformed Examples, `transform_features_layer` of the SavedModel
(what TFMA and serving use), and the TFLite file made of it by the real
converter, run by the real interpreter.
"""

import pathlib

import numpy as np
import pytest
import tensorflow as tf

from configs import loading
from configs.dataset import ExtraColumn
from tests.models.lite.converters import from_functions
from tests.transforms import oracle
from transforms import in_memory, names
from transforms.catalogue import categoricals
from transforms.engineering import catalogue

CONFIG = loading.load(
  'nyc',
  [
    'features.buckets.enabled=true',
    'features.crosses.enabled=true',
    'features.crosses.crosses=[pickup_cell, dropoff_cell, cell_pair, hour_of_week]',
  ],
)
EXTRAS = (
  ExtraColumn(name='temperature', column='t', unit='°C'),
  ExtraColumn(name='company', column='c', kind='categorical', vocabulary=('a', 'b')),
)
DATASET = CONFIG.dataset.model_copy(update={'extras': EXTRAS})
FEATURES = CONFIG.features
NAMED = oracle.named_rides()
CASES = [pytest.param(row, id=name) for row, name in enumerate(NAMED)]


def _rides(seed, rows):
  """Named rides first, then random ones."""
  generator = np.random.default_rng(seed)
  columns = oracle.as_columns(NAMED)
  for name, column in columns.items():
    spread = {'pickup_seconds': lambda: generator.integers(0, 2 * 10**8, rows)}
    center = -73.98 if 'longitude' in name else 40.75
    draw = spread.get(name, lambda center=center: generator.normal(center, 0.05, rows))
    columns[name] = np.concatenate([column, draw().astype(column.dtype)])
  total = len(NAMED) + rows
  columns['passenger_count'][len(NAMED) :] = generator.integers(1, 6, rows)
  columns['temperature'] = np.where(np.arange(total) % 7 == 0, np.nan, generator.normal(12, 9, total)).astype(
    np.float32
  )
  columns['company'] = (np.arange(total) % 3).astype(np.float32)
  columns[names.LABEL] = generator.uniform(3, 60, total).astype(np.float32)
  return columns


TRAIN, EVAL = _rides(1, 1500), _rides(2, 50)


@pytest.fixture(scope='module')
def outputs(tmp_path_factory) -> pathlib.Path:
  """Runs Importers and FeatureEngineering on LocalDagRunner; gives the component's output directory."""
  from tfx.dsl.components.common.importer import Importer
  from tfx.orchestration import metadata, pipeline
  from tfx.orchestration.local.local_dag_runner import LocalDagRunner
  from tfx.types import standard_artifacts

  from components.feature_engineering.component import FeatureEngineering

  root = tmp_path_factory.mktemp('feature_engineering')
  _write_examples(root / 'examples' / 'Split-train', TRAIN)
  _write_examples(root / 'examples' / 'Split-eval', EVAL)
  _write_schema(root / 'schema', TRAIN)
  examples = Importer(
    source_uri=str(root / 'examples'),
    artifact_type=standard_artifacts.Examples,
    properties={'split_names': '["train", "eval"]'},
  ).with_id('examples')
  schema = Importer(source_uri=str(root / 'schema'), artifact_type=standard_artifacts.Schema).with_id('schema')
  component = FeatureEngineering(
    examples=examples.outputs['result'],
    schema=schema.outputs['result'],
    dataset=DATASET,
    features=FEATURES,
    slices=CONFIG.evaluation.slices,
    code_version='test',
  )
  LocalDagRunner().run(
    pipeline.Pipeline(
      pipeline_name='features',
      pipeline_root=str(root / 'root'),
      components=[examples, schema, component],
      metadata_connection_config=metadata.sqlite_metadata_connection_config(str(root / 'metadata.db')),
      beam_pipeline_args=['--runner=DirectRunner'],
    )
  )
  return root / 'root' / 'FeatureEngineering'


@pytest.fixture(scope='module')
def layer(outputs):
  import tensorflow_transform as tft

  (graph,) = (outputs / 'transform_graph').iterdir()
  return tft.TFTransformOutput(str(graph)).transform_features_layer()


@pytest.fixture(scope='module')
def by_layer(layer):
  """Features of the eval rides by the SavedModel's layer."""
  return {name: value.numpy() for name, value in layer({k: tf.constant(v) for k, v in EVAL.items()}).items()}


@pytest.fixture(scope='module')
def lite(layer):
  """Features of the eval rides by a TFLite file of builtin operations alone, int32 seconds in."""
  module = tf.Module()
  module.layer = layer

  @tf.function
  def features(**inputs):
    found = layer(inputs | {'pickup_seconds': tf.cast(inputs['pickup_seconds'], tf.int64)})
    return {name: found[name] for name in (names.NUMERIC, *(c.name for c in categoricals(DATASET, FEATURES)))}

  specs = {name: tf.TensorSpec([None], tf.int32 if name == 'pickup_seconds' else tf.float32, name=name)
           for name in DATASET.raw_inputs()}  # fmt: skip
  converter = from_functions([features.get_concrete_function(**specs)], module)
  converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
  return converter.convert()


@pytest.fixture(scope='module')
def by_lite(lite):
  from ai_edge_litert.interpreter import Interpreter

  runner = Interpreter(model_content=lite).get_signature_runner()
  inputs = {name: EVAL[name].astype(np.int32 if name == 'pickup_seconds' else np.float32)
            for name in DATASET.raw_inputs()}  # fmt: skip
  return runner(**inputs)


@pytest.fixture(scope='module')
def expected():
  """The standardized vector of the eval rides by the oracle, and the tolerance that float32 inputs allow."""
  inputs = {name: column for name, column in EVAL.items() if name not in ('company', names.LABEL)}
  analyzed = {name: column for name, column in TRAIN.items() if name not in ('company', names.LABEL)}
  values = oracle.expected_features(inputs, DATASET, FEATURES)
  training = oracle.expected_features(analyzed, DATASET, FEATURES)
  features = catalogue(DATASET, FEATURES)
  z = np.stack([oracle.standardized(values[f.name], training[f.name]) for f in features], axis=1)
  spread = np.array([np.nanstd(training[f.name]) or np.inf for f in features])
  # 1e-5 of the value before standardization, at least 1e-5 of its unit, and 1e-5 of the result.
  raw = np.stack([np.nan_to_num(np.abs(values[f.name])) for f in features], axis=1)
  return z, 1e-5 * (np.maximum(raw, 1) / spread + np.abs(z) + 1)


@pytest.mark.parametrize('row', CASES)
@pytest.mark.parametrize('way', ['by_layer', 'by_lite'])
def test_every_feature_is_within_1e_5_of_the_oracle(request, expected, way, row):
  got = request.getfixturevalue(way)[names.NUMERIC][row]
  z, tolerance = expected
  for index, feature in enumerate(catalogue(DATASET, FEATURES)):
    assert abs(got[index] - z[row, index]) <= tolerance[row, index], (feature.name, got[index], z[row, index])


def test_all_ways_agree(outputs, by_layer, by_lite, expected):
  examples = _read_examples(outputs, by_layer)
  assert set(examples) == set(by_layer)
  for name, value in examples.items():
    np.testing.assert_allclose(value, by_layer[name], rtol=1e-6, atol=1e-6, err_msg=name)
  z, tolerance = expected
  assert by_lite[names.NUMERIC].shape == z.shape == by_layer[names.NUMERIC].shape
  assert (np.abs(by_layer[names.NUMERIC] - z) <= tolerance).all()
  assert (np.abs(by_lite[names.NUMERIC] - z) <= tolerance).all()
  for found in categoricals(DATASET, FEATURES):
    np.testing.assert_array_equal(by_lite[found.name], by_layer[found.name], err_msg=found.name)


def test_agrees_with_fitting_in_memory(by_layer):
  constants = in_memory.fit_constants(TRAIN, DATASET, FEATURES)
  got = in_memory.transform(EVAL, DATASET, FEATURES, CONFIG.evaluation.slices, constants)
  assert set(got) == set(by_layer)
  for name, value in got.items():
    if name == names.NUMERIC:
      np.testing.assert_allclose(value, by_layer[name], rtol=1e-4, atol=1e-4)
    elif 'bucket' in name or 'cell' in name:
      # The sketch of the quantiles is approximate: a boundary may fall on the ride next to it.
      assert (value.numpy() == by_layer[name]).mean() > 0.9, name
    else:
      np.testing.assert_array_equal(value, by_layer[name], err_msg=name)


def test_lite_file_is_small(lite):
  assert len(lite) < 40_000


def test_the_part_of_the_dataset_that_is_declared_has_the_same_features():
  from components.feature_engineering.component import FeatureEngineering

  assert catalogue(FeatureEngineering.DATASET.of(DATASET), FEATURES) == catalogue(DATASET, FEATURES)


def _write_examples(folder, columns):
  import pyarrow as pa
  from tfx_bsl.coders import example_coder

  folder.mkdir(parents=True)
  offsets = pa.array(np.arange(len(columns['pickup_seconds']) + 1))
  lists = [pa.LargeListArray.from_arrays(offsets, pa.array(column)) for column in columns.values()]
  batch = pa.RecordBatch.from_arrays(lists, list(columns))
  with tf.io.TFRecordWriter(str(folder / 'data_tfrecord-00000-of-00001.gz'), 'GZIP') as writer:
    for record in example_coder.RecordBatchToExamplesEncoder().encode(batch):
      writer.write(record)


def _write_schema(folder, columns):
  folder.mkdir()
  kinds = {name: 'INT' if column.dtype == np.int64 else 'FLOAT' for name, column in columns.items()}
  (folder / 'schema.pbtxt').write_text(
    '\n'.join(
      f'feature {{ name: "{name}" type: {kind} presence {{ min_fraction: 1 min_count: 1 }} shape {{}} }}'
      for name, kind in kinds.items()
    )
  )


def _read_examples(outputs, like):
  """The transformed eval Examples as arrays, in file order."""
  files = [str(path) for path in (outputs / 'transformed_examples').glob('*/Split-eval/*.gz')]
  assert files
  specs = {name: tf.io.FixedLenFeature(value.shape[1:], value.dtype) for name, value in like.items()}
  records = list(tf.data.TFRecordDataset(files, 'GZIP'))
  return {name: value.numpy() for name, value in tf.io.parse_example(tf.stack(records), specs).items()}
