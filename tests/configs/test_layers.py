"""The layers that configs derive. Oracle: the real fare model, built for the features of the catalogue."""

import ast
import pathlib

import pytest

from configs import loading
from configs.layer_names import hidden_depth
from configs.layers import LayerKind, hidden_names, model_layers
from models.fare_model import build_fare_model
from models.keras_compat import keras
from transforms.catalogue import categoricals
from transforms.engineering import catalogue

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
    pytest.param('nyc', ['model.clip=null', 'model.hidden=[5]'], id='one_layer_without_clip'),
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


@pytest.mark.parametrize(
  ('layer', 'depth'),
  [
    pytest.param('dense_0', 0, id='first'),
    pytest.param('dense_12', 12, id='two_digits'),
    pytest.param('dense_', None, id='no_number'),
    pytest.param('dense_core', None, id='core'),
    pytest.param('3', None, id='a_number_alone'),
    pytest.param('fare', None, id='output'),
    pytest.param('dense_1_embedding', None, id='embedding_of_such_a_column'),
  ],
)
def test_hidden_depth(layer, depth):
  assert hidden_depth(layer) == depth


ROOT = pathlib.Path(__file__).resolve().parents[2]
PARTS = ('_embedding', '_bucket', 'dense_')
"""What names of layers and their columns are made of."""
NO_NAMES = {'dense_core'}


def _texts(source):
  """Texts of a file, those of f-strings included, docstrings left out."""
  tree = ast.parse(source)
  prose = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
  constants = (node for node in ast.walk(tree) if isinstance(node, ast.Constant) and id(node) not in prose)
  return [node.value for node in constants if isinstance(node.value, str)]


def _builds_a_name(text):
  return text not in NO_NAMES and (text.endswith(PARTS[:2]) or text.startswith(PARTS[2]))


def test_names_and_sizes_have_one_home():
  """No other file spells the parts of a layer's name, counts the hours of a week, or takes the fourth root."""
  found = {}
  for room in ('configs', 'transforms', 'models', 'components', 'pipeline'):
    for path in sorted((ROOT / room).rglob('*.py')):
      source = path.read_text(encoding='utf-8')
      names = {text for text in _texts(source) if _builds_a_name(text)}
      calls = [
        n for n in ast.walk(ast.parse(source)) if isinstance(n, ast.Call) and ast.unparse(n.func) == 'fourth_root'
      ]
      numbers = [n for n in ast.walk(ast.parse(source)) if isinstance(n, ast.Constant) and n.value == 168]
      if names or calls or numbers:
        found[path.relative_to(ROOT).as_posix()] = names
  assert set(found) == {'configs/layer_names.py', 'configs/features.py', 'configs/columns.py'}
