"""The layers that configs derive. Oracle: the real fare model, built for the features of the catalogue."""

import pytest

from configs import loading
from configs.layers import LayerKind, hidden_names, model_layers
from models.fare_model import build_fare_model
from models.keras_compat import keras
from transforms.catalogue import catalogue, categoricals

BLOCKS_OFF = [f'features.{block}.enabled=false' for block in ('raw', 'passengers', 'temporal', 'geographic', 'buckets')]
EVERY_CROSS = 'features.crosses={enabled: true, crosses: [pickup_cell, dropoff_cell, cell_pair, hour_of_week]'


@pytest.mark.parametrize(
  ('source', 'overrides'),
  [
    *(pytest.param(name, [], id=name) for name in loading.presets()),
    pytest.param('nyc', ['features.buckets={enabled: true, count: 7, embedding: 3}'], id='buckets'),
    pytest.param('nyc', [EVERY_CROSS + ', max_exact: 1000, embedding: {cell_pair: 5}}'], id='hashed_crosses'),
    pytest.param('nyc', [*BLOCKS_OFF, EVERY_CROSS + '}'], id='cells_alone'),
    pytest.param('nyc', [*BLOCKS_OFF, 'features.crosses={enabled: true, crosses: [hour_of_week]}',
                         'model.clip=6'], id='nothing_to_clip'),
    pytest.param('nyc', [*BLOCKS_OFF, 'features.crosses={enabled: true, crosses: [hour_of_week]}',
                         'dataset.extras=[{name: a, column: a}]'], id='a_numeric_extra'),
    pytest.param('nyc', ['dataset.extras=[{name: kind, column: k, kind: categorical, vocabulary: [a, b, c]}]'],
                 id='a_categorical_extra'),
    pytest.param('nyc', ['model.clip=null', 'model.hidden=[5]', 'model.dropout=0.1'], id='one_layer_without_clip'),
  ],
)  # fmt: skip
def test_layers_are_those_of_the_model(source, overrides):
  config = loading.load(source, overrides)
  features = len(catalogue(config.dataset, config.features))
  model = build_fare_model(config.model, features, categoricals(config.dataset, config.features), 10.0, 0)
  built = {layer.name: layer for layer in [*model.layers, *model.get_layer('dense_core').layers]}
  derived = {layer.name: layer for layer in model_layers(config.dataset, config.features, config.model)}
  kinds = {
    LayerKind.DENSE: keras.layers.Dense,
    LayerKind.EMBEDDING: keras.layers.Embedding,
  }
  passive = (keras.layers.InputLayer, keras.layers.Concatenate, keras.layers.Dropout, keras.Sequential)
  assert set(derived) == {name for name, layer in built.items() if not isinstance(layer, passive)}
  for name, layer in derived.items():
    assert isinstance(built[name], kinds.get(layer.kind, keras.layers.Layer))
    if layer.units:
      inputs, units = built[name].get_weights()[0].shape
      assert (layer.inputs or inputs, layer.units) == (inputs, units)
      assert layer.weights in (None, inputs * units)
  # The first dense layer's width takes the feature list, which configs don't know.
  assert [name for name, layer in derived.items() if layer.units and not layer.inputs] == ['dense_0']


def test_hidden_names():
  assert hidden_names(loading.load('nyc', ['model.hidden=[4,3]']).model) == ('dense_0', 'dense_1')
