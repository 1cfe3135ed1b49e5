"""The curated schema: what TensorFlow parses by it, what TFDV lets pass by it, and the component that writes it."""

import calendar
import math

import numpy as np
import pyarrow as pa
import pytest
import tensorflow as tf
import tensorflow_data_validation as tfdv
from google.protobuf import text_format
from ml_metadata.proto import metadata_store_pb2
from tensorflow_data_validation.statistics import stats_impl
from tensorflow_metadata.proto.v0 import schema_pb2
from tensorflow_transform.tf_metadata import schema_utils
from tfx.orchestration import pipeline
from tfx.orchestration.local import local_dag_runner
from tfx_bsl.coders import example_coder
from tfx_bsl.tfxio import tensor_adapter

from components.ride_validator.component import RideSchema
from components.ride_validator.schema import ride_schema
from configs import loading
from configs.validation import Validation

EXTRAS = [
  {'name': 'company', 'column': 'company', 'kind': 'categorical', 'vocabulary': ['yellow', 'green']},
  {'name': 'temperature', 'column': 'temp', 'unit': 'degrees Celsius'},
]


def _dataset(**changed):
  values = loading.load('nyc').model_dump(mode='json')
  values['dataset'] |= changed
  return loading.validate(values).dataset


def _rides(dataset, **changed):
  """Two valid rides in the Examples' columns."""
  values = {
    'pickup_seconds': [0, 100],
    'pickup_longitude': [-73.98, -73.97],
    'pickup_latitude': [40.75, 40.76],
    'dropoff_longitude': [-73.9, -73.8],
    'dropoff_latitude': [40.7, 40.8],
    'passenger_count': [1.0, math.nan],
    'company': [0.0, 2.0],
    'temperature': [math.nan, -3.0],
    'fare_amount': [2.5, 50.0],
  } | changed
  integers = ('pickup_seconds',)
  names = [*dataset.raw_inputs(), 'fare_amount']
  types = {name: pa.int64() if name in integers else pa.float32() for name in names}
  columns = {name: pa.array([[v] for v in values[name]], pa.large_list(types[name])) for name in names}
  return pa.RecordBatch.from_pydict(columns)


def _anomalies(schema, rides):
  anomalies = tfdv.validate_statistics(stats_impl.generate_statistics_in_memory(rides), schema)
  return {name: info.description for name, info in anomalies.anomaly_info.items()}


@pytest.mark.parametrize('extras', [pytest.param([], id='no_extras'), pytest.param(EXTRAS, id='extras')])
def test_columns_parse_as_dense_scalars(extras):
  """Oracle: tf.io.parse_example and tfx_bsl's adapter on Examples that tfx_bsl encoded; NaN stays NaN."""
  dataset = _dataset(extras=extras)
  schema = ride_schema(dataset, Validation())
  assert [feature.name for feature in schema.feature] == [*dataset.raw_inputs(), 'fare_amount']
  parse = schema_utils.schema_as_feature_spec(schema).feature_spec
  integers = {'pickup_seconds'}
  assert parse == {
    name: tf.io.FixedLenFeature([], tf.int64 if name in integers else tf.float32)
    for name in [*dataset.raw_inputs(), 'fare_amount']
  }
  rides = _rides(dataset)
  examples = example_coder.RecordBatchToExamplesEncoder(schema).encode(rides)
  parsed = tf.io.parse_example(tf.constant(examples), parse)
  decoded = example_coder.ExamplesToRecordBatchDecoder(schema.SerializeToString()).DecodeBatch(examples)
  config = tensor_adapter.TensorAdapterConfig(decoded.schema, _dense(parse))
  adapted = tensor_adapter.TensorAdapter(config).ToBatchTensors(decoded)
  for name in parse:
    expected = [row[0] for row in rides.column(rides.schema.get_field_index(name)).to_pylist()]
    np.testing.assert_array_equal(parsed[name], np.asarray(expected, parsed[name].dtype.as_numpy_dtype))
    np.testing.assert_array_equal(adapted[name], parsed[name])


def _dense(parse):
  return {
    name: schema_pb2.TensorRepresentation(
      dense_tensor=schema_pb2.TensorRepresentation.DenseTensor(column_name=name, shape=schema_pb2.FixedShape())
    )
    for name in parse
  }


@pytest.mark.parametrize(
  ('changed', 'name', 'message'),
  [
    pytest.param({'pickup_latitude': [40.75, 38.2]}, 'pickup_latitude', 'low values: 38.2<40', id='below_the_box'),
    pytest.param({'dropoff_longitude': [-73.9, -72.4]}, 'dropoff_longitude', 'high value', id='east_of_the_box'),
    pytest.param({'fare_amount': [2.4, 3.0]}, 'fare_amount', 'low value', id='cheap_fare'),
    pytest.param({'fare_amount': [math.nan, 3.0]}, 'fare_amount', 'NaN', id='missing_label'),
    pytest.param({'temperature': [math.inf, 3.0]}, 'temperature', 'Inf', id='infinite_extra'),
    pytest.param({'company': [0.0, 3.0]}, 'company', 'high value', id='code_beyond_the_vocabulary'),
    pytest.param({'pickup_seconds': [-1, 5]}, 'pickup_seconds', 'small value: -1', id='before_2009'),
    pytest.param({'pickup_seconds': [0, 1_640_995_200]}, 'pickup_seconds', 'large value: 1640995200', id='after_2060'),
  ],
)
def test_broken_rules_are_anomalies(changed, name, message):
  """Oracle: TFDV on rides that differ from valid ones by one column."""
  dataset = _dataset(extras=EXTRAS)
  found = _anomalies(ride_schema(dataset, Validation()), _rides(dataset, **changed))
  assert list(found) == [name]
  assert message in found[name]


def test_limits_themselves_and_missing_inputs_are_valid():
  """Float32 columns at the rules' limits, of which -88.3 and 42.3 aren't float32 numbers; NaN in every float input."""
  dataset = loading.load('chicago').dataset
  rules, nan = dataset.rules, math.nan
  last = calendar.timegm((2060, 12, 31, 23, 59, 59)) - calendar.timegm((2009, 1, 1, 0, 0, 0))
  rides = _rides(
    dataset,
    pickup_seconds=[0, last],
    pickup_longitude=[rules.bounds.longitude.min, rules.bounds.longitude.max],
    pickup_latitude=[rules.bounds.latitude.min, rules.bounds.latitude.max],
    dropoff_longitude=[nan, -87.6],
    dropoff_latitude=[nan, 41.9],
    passenger_count=[nan, nan],
    fare_amount=[rules.fare.min, rules.fare.max],
  )
  assert _anomalies(ride_schema(dataset, Validation()), rides) == {}


def test_every_column_but_the_time_has_both_comparators():
  schema = ride_schema(_dataset(extras=EXTRAS), Validation(drift_threshold=0.3, skew_threshold=0.4))
  thresholds = {
    feature.name: (
      feature.drift_comparator.jensen_shannon_divergence.threshold,
      feature.skew_comparator.jensen_shannon_divergence.threshold,
    )
    for feature in schema.feature
  }
  assert thresholds.pop('pickup_seconds') == (0.0, 0.0)
  assert set(thresholds.values()) == {(0.3, 0.4)}
  standard = [
    feature.name
    for feature in schema.feature
    if feature.drift_comparator.jensen_shannon_divergence.source.type == schema_pb2.HistogramSelection.STANDARD
  ]
  assert standard == ['passenger_count', 'company']


def test_component_writes_it_and_its_cache_key_is_what_matters(tmp_path):
  """LocalDagRunner; oracle: the pure function."""
  dataset, validation = _dataset(), Validation()
  node = RideSchema(dataset=dataset, validation=validation, code_version='1')
  connection = metadata_store_pb2.ConnectionConfig()
  connection.sqlite.filename_uri = str(tmp_path / 'metadata.db')
  connection.sqlite.connection_mode = metadata_store_pb2.SqliteMetadataSourceConfig.READWRITE_OPENCREATE
  local_dag_runner.LocalDagRunner().run(
    pipeline.Pipeline(
      pipeline_name='schema',
      pipeline_root=str(tmp_path / 'root'),
      components=[node],
      metadata_connection_config=connection,
    )
  )
  (path,) = (tmp_path / 'root').glob('RideSchema/schema/*/schema.pbtxt')
  assert text_format.Parse(path.read_text(), schema_pb2.Schema()) == ride_schema(dataset, validation)
  # A setting that the schema doesn't depend on leaves the key alone.
  other = RideSchema(dataset=_dataset(path='elsewhere.csv'), validation=validation, code_version='1')
  assert other.exec_properties == node.exec_properties
