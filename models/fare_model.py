"""The fare model: embeddings beside the clipped standardized vector, then a dense core."""

from __future__ import annotations

import functools
from collections.abc import Sequence

from configs.layer_names import CLIP_LAYER, OUTPUT_LAYER, embedding_name
from configs.layers import hidden_names
from configs.model import Model
from models.compression.layers import DENSE_CORE, Clip
from models.keras_compat import keras
from models.labels import label_unit
from models.rides import Rides
from models.settings import Settings
from transforms import names
from transforms.catalogue import Categorical


def build_fare_model(
  config: Model, numeric_width: int, categoricals: Sequence[Categorical], typical_fare: float, seed: int
) -> keras.Model:
  """Builds an untrained fare model.

  Args:
    config: the dense layers, and where the numeric features are clipped.
    numeric_width: number of standardized numeric features; 0 leaves the numeric input out.
    categoricals: features that get an embedding each.
    typical_fare: where predictions start, in the city's currency; the median of the training fares spares the first
      epochs.
    seed: of the initial weights.
  Returns: A model from `numeric` float32 [batch, numeric_width] and one int64 [batch] per categorical to float32
    [batch, 1], fares in the city's currency.
  Raises: ValueError: there is neither a numeric nor a categorical feature.
  """
  if not numeric_width and not categoricals:
    raise ValueError('The feature blocks yield no feature; switch one on under features.')
  inputs: list[keras.KerasTensor] = []
  parts: list[keras.KerasTensor] = []
  if numeric_width:
    inputs.append(keras.Input([numeric_width], name=names.NUMERIC))
    parts.append(Clip(config.clip, name=CLIP_LAYER)(inputs[-1]) if config.clip else inputs[-1])
  for position, feature in enumerate(categoricals):
    inputs.append(keras.Input([], name=feature.name, dtype='int64'))
    embedding = keras.layers.Embedding(
      feature.size,
      feature.embedding_width,
      embeddings_initializer=keras.initializers.RandomUniform(-0.05, 0.05, seed=seed + 1000 + position),
      name=embedding_name(feature.name),
    )
    parts.append(embedding(inputs[-1]))
  joined = keras.layers.Concatenate(name='features')(parts) if len(parts) > 1 else parts[0]
  core = _dense_core(config, int(joined.shape[-1]), typical_fare, seed)
  return keras.Model({tensor.name: tensor for tensor in inputs}, core(joined), name='fare_model')


def builder(settings: Settings, rides: Rides, typical_fare: float) -> functools.partial[keras.Model]:
  """Makes a fresh untrained fare model for these rides at each call; see `build_fare_model`."""
  # A reduction may have taken some of them.
  embedded = [feature for feature in settings.categoricals if feature.name in rides.inputs]
  numeric = rides.inputs.get(names.NUMERIC)
  width = 0 if numeric is None else numeric.shape[1]
  return functools.partial(build_fare_model, settings.model, width, embedded, typical_fare, settings.training.seed)


def _dense_core(config: Model, width: int, typical_fare: float, seed: int) -> keras.Sequential:
  core = keras.Sequential([keras.Input([width])], name=DENSE_CORE)
  for depth, (name, units) in enumerate(zip(hidden_names(config), config.hidden, strict=True)):
    if config.dropout and depth:
      core.add(keras.layers.Dropout(config.dropout, seed=seed + depth))
    core.add(
      keras.layers.Dense(
        units,
        activation=config.activation.value,
        kernel_initializer=keras.initializers.GlorotUniform(seed=seed + depth),
        kernel_regularizer=keras.regularizers.L2(config.l2) if config.l2 else None,
        name=name,
      )
    )
  core.add(
    keras.layers.Dense(
      1,
      # Glorot's, in the unit of the loss.
      kernel_initializer=keras.initializers.VarianceScaling(
        label_unit(typical_fare) ** 2, 'fan_avg', 'uniform', seed=seed + len(config.hidden)
      ),
      bias_initializer=keras.initializers.Constant(typical_fare),
      name=OUTPUT_LAYER,
    )
  )
  return core
