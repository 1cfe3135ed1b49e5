"""The exported signatures against each other and against features made without tft; a real Transform graph."""

import functools

import numpy as np
import pytest
import tensorflow as tf

from configs import loading
from configs.dataset import LABEL, TIME
from models.fare_model import build_fare_model
from models.rides import Rides
from models.serving import Exporter, raw_example_spec, raw_tensor_specs
from models.training import predict
from transforms import in_memory, names
from transforms.catalogue import categoricals
from transforms.engineering import catalogue
from transforms.preprocessing import preprocessing_fn

CONFIG = loading.load('nyc', ['features.crosses.enabled=true', 'features.crosses.crosses=[hour_of_week]'])
FLOATS = [name for name in CONFIG.dataset.raw_inputs() if name != TIME]


def _rides(count):
  """Rides around the center; every seventh lacks its dropoff, every ninth its passengers."""
  generator = np.random.default_rng(4)
  places = np.array([-73.98, 40.75, -73.98, 40.75]) + generator.normal(0, 0.04, (count, 4))
  places[::7, 2:] = np.nan
  rides = dict(
    zip(FLOATS, np.column_stack([places, generator.integers(1, 6, count)]).astype(np.float32).T, strict=True)
  )
  rides['passenger_count'][::9] = np.nan
  return {TIME: generator.integers(0, 2 * 10**8, count), **rides}


@pytest.fixture(scope='module')
def exported(tmp_path_factory):
  """A loaded SavedModel, its Keras model and the rides its Transform graph was fitted on."""
  import tensorflow_transform as tft
  import tensorflow_transform.beam as tft_beam
  from tensorflow_transform.tf_metadata import dataset_metadata, schema_utils

  root = tmp_path_factory.mktemp('signatures')
  rides = _rides(60)
  configs = {'dataset': CONFIG.dataset, 'features': CONFIG.features, 'slices': CONFIG.evaluation.slices}
  function = functools.partial(
    preprocessing_fn, custom_config={name: config.model_dump_json() for name, config in configs.items()}
  )
  spec = {name: tf.io.FixedLenFeature([], tf.int64 if name == TIME else tf.float32) for name in (*rides, LABEL)}
  metadata = dataset_metadata.DatasetMetadata(schema_utils.schema_from_feature_spec(spec))
  rows = [dict(zip(rides, row, strict=True)) | {LABEL: 9.5} for row in zip(*rides.values(), strict=True)]
  with tft_beam.Context(temp_dir=str(root / 'temp')):
    _, transform = (rows, metadata) | tft_beam.AnalyzeAndTransformDataset(function)
    _ = transform | tft_beam.WriteTransformFn(str(root / 'transform'))
  width = len(catalogue(CONFIG.dataset, CONFIG.features))
  model = build_fare_model(CONFIG.model, width, categoricals(CONFIG.dataset, CONFIG.features), 9.5, seed=3)
  Exporter(tft.TFTransformOutput(str(root / 'transform')), CONFIG.dataset).export(model, str(root / 'model'), 'plain')
  return tf.saved_model.load(str(root / 'model')), model, rides


def _raw(rides):
  return {k: tf.constant(v, tf.int32 if k == TIME else tf.float32) for k, v in rides.items()}


def _examples(rides, missing='nan', label=None):
  """Serialized Examples; a missing float is NaN or left out."""
  serialized = []
  for row in zip(*rides.values(), strict=True):
    example = tf.train.Example()
    for name, value in zip(rides, row, strict=True):
      if name == TIME:
        example.features.feature[name].int64_list.value.append(value)
      elif missing == 'nan' or np.isfinite(value):
        example.features.feature[name].float_list.value.append(value)
    if label is not None:
      example.features.feature[LABEL].float_list.value.append(label)
    serialized.append(example.SerializeToString())
  return tf.constant(serialized)


def test_raw_rides_get_the_fares_of_the_model_on_features_made_without_tft(exported):
  """Oracle: NumPy-fitted constants, then the Keras model itself."""
  loaded, model, rides = exported
  constants = in_memory.fit_constants(rides, CONFIG.dataset, CONFIG.features)
  made = in_memory.transform(rides, CONFIG.dataset, CONFIG.features, CONFIG.evaluation.slices, constants)
  inputs = {name: np.asarray(made[name]) for name in model.input_names}
  expected = predict(model, Rides(inputs, np.zeros(60), rides[TIME]))
  got = loaded.signatures['serving_raw'](**_raw(rides))[LABEL]
  assert got.dtype == tf.float32
  np.testing.assert_allclose(got, expected, rtol=1e-4, atol=1e-4)
  assert np.ptp(expected) > 0.1


@pytest.mark.parametrize('missing', ['nan', 'absent'])
def test_examples_get_the_fares_of_the_raw_rides(exported, missing):
  loaded, _, rides = exported
  raw = loaded.signatures['serving_raw'](**_raw(rides))[LABEL]
  np.testing.assert_array_equal(loaded.signatures['serving_default'](_examples(rides, missing))[LABEL], raw)


@pytest.mark.parametrize('count', [0, 1, 33])
def test_any_batch_is_taken(exported, count):
  loaded, _, rides = exported
  fares = loaded.signatures['serving_raw'](**_raw({name: column[:count] for name, column in rides.items()}))[LABEL]
  whole = loaded.signatures['serving_raw'](**_raw(rides))[LABEL]
  assert fares.shape == (count,)
  np.testing.assert_allclose(fares, whole[:count], rtol=1e-5)


@pytest.mark.parametrize('label', [pytest.param(12.5, id='labelled'), pytest.param(None, id='unlabelled')])
def test_transform_features_yields_slices_and_label(exported, label):
  loaded, _, rides = exported
  found = loaded.signatures['transform_features'](_examples(rides, label=label))
  np.testing.assert_array_equal(found[names.SLICE_MISSING_DROPOFF], np.isnan(rides['dropoff_longitude']))
  np.testing.assert_array_equal(found[TIME], rides[TIME])
  np.testing.assert_array_equal(found[LABEL], np.full(60, np.nan if label is None else label))


def test_an_example_without_its_time_is_refused(exported):
  loaded, _, rides = exported
  timeless = _examples({name: column for name, column in rides.items() if name != TIME})
  with pytest.raises(tf.errors.InvalidArgumentError, match=r'pickup_seconds .*required but could not be found'):
    loaded.signatures['serving_default'](timeless)


def test_specs_name_every_raw_input_and_only_evaluation_reads_the_label():
  assert set(raw_example_spec(CONFIG.dataset)) == set(CONFIG.dataset.raw_inputs())
  assert set(raw_example_spec(CONFIG.dataset, with_label=True)) == {*CONFIG.dataset.raw_inputs(), LABEL}
  specs = raw_tensor_specs(CONFIG.dataset)
  assert list(specs) == list(CONFIG.dataset.raw_inputs())
  assert specs[TIME].dtype == tf.int32
  assert {specs[name].dtype for name in FLOATS} == {tf.float32}
