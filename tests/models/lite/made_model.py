"""A small untrained fare model with an embedding, made-up features before it, and what conversion and checks take."""

import functools
import importlib.util

import numpy as np
import pytest
import tensorflow as tf

from configs.columns import LABEL
from configs.layer_names import OUTPUT_LAYER
from configs.loading import load
from configs.recipe import Recipe
from models.compression import layers
from models.compression.layers import DENSE_CORE
from models.fare_model import build_fare_model
from models.lite.conversion import assemble, convert_features, convert_model
from models.lite.promise import Promise
from models.lite.rides import RideInputs
from models.rides import RawRides, Rides
from models.training import predict
from tests.models.lite.small_files import TYPICAL_FARE, made_up_constants, some_rides
from transforms import names
from transforms.catalogue import categoricals
from transforms.engineering import catalogue, categorical_indices, engineer, standardize

CONFIG = load(
  'nyc', ['model.hidden=[16, 8]', 'features.crosses.enabled=true', 'features.crosses.crosses=[hour_of_week]']
)
DENSE = ('dense_0', 'dense_1', 'fare')
EMBEDDING = f'{categoricals(CONFIG.dataset, CONFIG.features)[0].name}_embedding'
DENSE_RECIPE = Recipe(name='dense')
RIDES = 300

QUANTIZERS = ('litert_quantizer', 'ai_edge_quantizer')
needs_quantizer = pytest.mark.skipif(
  not any(map(importlib.util.find_spec, QUANTIZERS)), reason='litert-quantizer is not installed'
)

SPREAD = 10.0
"""Times the untrained model's output weights, so that fares differ."""


def fresh_model():
  """A model of its own, the same each time."""
  width = len(catalogue(CONFIG.dataset, CONFIG.features))
  embedded = categoricals(CONFIG.dataset, CONFIG.features)
  model = build_fare_model(CONFIG.model, width, embedded, TYPICAL_FARE, seed=3)
  kernel = model.get_layer(DENSE_CORE).get_layer(OUTPUT_LAYER).kernel
  kernel.assign(kernel * SPREAD)
  return model


def transform(rides):
  """Raw rides to model inputs, as a Transform graph with made-up constants would."""
  constants = made_up_constants(CONFIG, len(catalogue(CONFIG.dataset, CONFIG.features)), 0)
  engineered = engineer(rides, CONFIG.dataset, CONFIG.features)
  found = categorical_indices(rides, engineered.rides, CONFIG.dataset, CONFIG.features, constants)
  return {**found, names.NUMERIC: standardize(engineered, constants)}


@functools.cache
def raw_columns():
  return some_rides(CONFIG, RIDES)


@functools.cache
def inputs():
  """The model inputs of the raw rides."""
  found = transform({name: tf.constant(column) for name, column in raw_columns().items()})
  return {name: found[name].numpy() for name in fresh_model().input_names}


@functools.cache
def features():
  return convert_features(transform, fresh_model(), RideInputs(CONFIG.dataset))


def fares(model):
  """The Keras model's own, [rides]."""
  return predict(model, Rides(inputs(), np.zeros(RIDES, np.float32), np.arange(RIDES)))


def raw_rides(model):
  return RawRides(raw_columns(), fares(model))


def whole_file(model, scheme, calibration=None):
  """A whole file, of a model without 8-bit rounding."""
  return assemble(features(), convert_model(model, scheme, calibration or inputs(), False, LABEL))


def promise(model, scheme, recipe=DENSE_RECIPE, quantized=DENSE):
  """What a file of the model has to keep."""
  kernels = {layer.name: layers.kernel(layer).numpy() for layer in layers.leaves(model) if layer.weights}
  ordered = {name: kernels[name] for name in (EMBEDDING, *DENSE)}
  return Promise(scheme, recipe, ordered, quantized, layers.LayerOrder.of(model))
