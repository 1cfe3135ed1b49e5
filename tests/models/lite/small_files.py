"""Small lite files without a pipeline run: the real features with made-up constants before an untrained fare model."""

import functools

import flatbuffers
import numpy as np
import tensorflow as tf
from tensorflow.lite.python import schema_py_generated as schema

from configs.dataset import LABEL, TIME
from configs.loading import load
from models.fare_model import build_fare_model
from models.lite.client import LiteModel
from models.lite.columns import describe_inputs
from models.lite.flatbuffer import IDENTIFIER, join, shrink
from models.release import Manifest, write_golden, write_manifest
from models.serving import raw_tensor_specs
from models.settings import Settings
from tests.models.lite.converters import from_functions
from transforms import names
from transforms.catalogue import categoricals, uses_boundaries
from transforms.constants import Constants
from transforms.crosses import equal_width
from transforms.engineering import catalogue, categorical_indices, engineer, standardize

TYPICAL_FARE = 10.0
"""Where the untrained model's fares are, in the city's currency."""


def small_lite_file(config, seed=0):
  """A file as the project ships it: raw rides in, fares out.

  Args:
    config: a `RunConfig`; its dataset, features and model count.
    seed: of the constants and of the weights.

  Returns:
    bytes of the file.
  """
  return shrink(join(*parts(config, seed)))


@functools.cache
def preset_lite_file(preset='nyc', *overrides):
  """`small_lite_file` of a preset, made once in a process."""
  return small_lite_file(load(preset, overrides))


def parts(config, seed=0):
  """The feature part and the model part, each a TFLite file of its own."""
  numeric = len(catalogue(config.dataset, config.features))
  embedded = categoricals(config.dataset, config.features)
  constants = made_up_constants(config, numeric, seed)
  model = build_fare_model(config.model, numeric, embedded, TYPICAL_FARE, seed)
  outputs = {names.NUMERIC: tf.TensorSpec([None, numeric], tf.float32, name=names.NUMERIC)} if numeric else {}
  outputs |= {feature.name: tf.TensorSpec([None], tf.int64, name=feature.name) for feature in embedded}

  def features(**rides):
    engineered = engineer(rides, config.dataset, config.features)
    found = categorical_indices(rides, engineered.rides, config.dataset, config.features, constants)
    found[names.NUMERIC] = standardize(engineered, constants)
    return {name: found[name] for name in outputs}

  def fares(**inputs):
    return {LABEL: tf.reshape(model(inputs, training=False), [-1])}

  return converted(features, raw_tensor_specs(config.dataset)), converted(fares, outputs, model)


def made_up_constants(config, numeric, seed):
  """Means near 0, scales below 1, and buckets of equal width."""
  generator = np.random.default_rng(seed)
  boundaries = None
  if uses_boundaries(config.features):
    boundaries = equal_width(config.dataset.rules.bounds, config.features.buckets.count)
  mean = generator.normal(size=numeric).astype(np.float32)
  return Constants(mean, generator.uniform(0.1, 1, numeric).astype(np.float32), boundaries)


def converted(function, specs, model=None):
  """A TFLite file of a function, with the signature `serving_default`."""
  module = tf.Module()
  module.model = model
  module.run = tf.function(function)
  return from_functions([module.run.get_concrete_function(**specs)], module).convert()


def changed(file, change):
  """The file after `change(its model, as TFLite's schema has it)`."""
  model = schema.ModelT.InitFromPackedBuf(file, 0)
  change(model)
  builder = flatbuffers.Builder()
  builder.Finish(model.Pack(builder), IDENTIFIER)
  return bytes(builder.Output())


def some_rides(config, rows, seed=0):
  """Made-up rides within the dataset's rules, a tenth of all floats missing: raw columns by name."""
  generator = np.random.default_rng(seed)
  rules = config.dataset.rules
  # 2009-01-02 to 2017, whole minutes, so that every time format can write them.
  rides = {TIME: (generator.integers(1440, 4_200_000, rows) * 60).astype(np.int32)}
  for name in config.dataset.raw_inputs()[1:]:
    values = generator.integers(1, 6, rows)
    if name.endswith(('longitude', 'latitude')):
      interval = rules.bounds.longitude if name.endswith('longitude') else rules.bounds.latitude
      values = np.round(generator.uniform(interval.min, interval.max, rows), 4)
    rides[name] = np.where(generator.random(rows) < 0.1, np.nan, values).astype(np.float32)
  return rides


def write_version(directory, preset='nyc', rows=8):
  """A version as it is pushed, with golden rides and a manifest; its SavedModel is a dummy."""
  config = load(preset)
  (directory / 'variables').mkdir(parents=True)
  (directory / 'assets.extra').mkdir()
  (directory / 'saved_model.pb').write_bytes(b'a graph')
  (directory / 'variables' / 'variables.index').write_bytes(b'an index')
  settings = Settings(config.dataset, config.features, config.model, config.training)
  (directory / 'assets.extra' / 'config.yaml').write_text(settings.to_yaml(), encoding='utf-8')
  (directory / 'model.tflite').write_bytes(preset_lite_file(preset))
  rides = some_rides(config, rows)
  fares = LiteModel(preset_lite_file(preset)).predict(rides)
  write_golden(directory, rides, fares, fares + np.float32(0.001))
  write_manifest(directory, Manifest(**facts(config)))
  return directory


def facts(config):
  """What a manifest says of such a version."""
  return {
    'dataset': config.dataset.name,
    'inputs': describe_inputs(config.dataset),
    'metrics': {'rmse': {'value': 4.4, 'low': 3.6, 'high': 5.4}},
    'recipe': 'dense',
    'scheme': 'float32',
    'code_version': '0123456789abcdef',
  }
