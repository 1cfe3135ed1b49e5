"""Small lite files without a pipeline run: the real features with made-up constants before an untrained fare model."""

import numpy as np
import tensorflow as tf

from configs.dataset import LABEL, TIME
from configs.loading import load
from models.fare_model import build_fare_model
from models.lite.joining import join
from models.lite.shrinking import shrink
from models.signatures import SERVING_DEFAULT, raw_tensor_specs
from transforms import names
from transforms.catalogue import catalogue, categoricals, uses_boundaries
from transforms.constants import Constants
from transforms.crosses import equal_width
from transforms.engineering import categorical_indices, engineer, standardize

TYPICAL_FARE = 10.0
"""Where the untrained model's fares lie, in the city's currency."""


def small_lite_file(config, seed=0):
  """A file as the project ships it: raw rides in, fares out.

  Args:
    config: a `RunConfig`; its dataset, features and model count.
    seed: of the constants and of the weights.

  Returns:
    bytes of the file.
  """
  return shrink(join(*parts(config, seed)))


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

  return _converted(features, raw_tensor_specs(config.dataset)), _converted(fares, outputs, model)


def made_up_constants(config, numeric, seed):
  """Means near 0 and scales near 1, and buckets of equal width."""
  generator = np.random.default_rng(seed)
  boundaries = None
  if uses_boundaries(config.features):
    boundaries = equal_width(config.dataset.rules.bounds, config.features.buckets.count)
  mean = generator.normal(size=numeric).astype(np.float32)
  return Constants(mean, generator.uniform(0.1, 1, numeric).astype(np.float32), boundaries)


def _converted(function, specs, model=None):
  """One TFLite file with one signature, `serving_default`."""
  module = tf.Module()
  module.model = model
  module.run = tf.function(function)
  concrete = module.run.get_concrete_function(**specs)
  converter = tf.lite.TFLiteConverter.from_concrete_functions([concrete], module)
  return converter.convert()


def some_rides(config, rows, seed=0):
  """Made-up rides within the dataset's bounds, a tenth of all floats missing: columns by name, as a client gives them."""
  generator = np.random.default_rng(seed)
  bounds = config.dataset.rules.bounds
  rides = {TIME: generator.integers(0, 2**28, rows, dtype=np.int32)}
  for name in config.dataset.raw_inputs()[1:]:
    low, high = 1.0, 6.0
    if name.endswith(('longitude', 'latitude')):
      interval = bounds.longitude if name.endswith('longitude') else bounds.latitude
      low, high = interval.min, interval.max
    values = generator.uniform(low, high, rows)
    rides[name] = np.where(generator.random(rows) < 0.1, np.nan, values).astype(np.float32)
  return rides
