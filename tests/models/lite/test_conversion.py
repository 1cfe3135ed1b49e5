"""Conversion by each precision: types in the file, ranges, and fares; models with and without embeddings."""

import gc
import sys

import numpy as np
import pytest
import tensorflow as tf
from ai_edge_litert.interpreter import Interpreter
from tensorflow.lite.python import schema_py_generated as schema

from configs.columns import LABEL
from configs.compression import SCHEMES, Precision, Scheme
from configs.recipe import Quantization, Recipe
from models.compression import layers
from models.compression.compressor import Compressor
from models.lite import conversion
from models.lite.client import LiteModel
from models.lite.conversion import ConversionError, SavedParts, assemble, convert_features, convert_model
from models.lite.flatbuffer import shrink
from models.lite.inspection import LiteFile
from models.lite.rides import RideInputs
from models.recipe_training import FinalModels
from models.training import predict, train
from tests.models.compression.simulated import CELLS, MODEL, NUMERIC, TRAINING, TUNING, build, simulated_rides
from tests.models.lite import made_model
from transforms import names
from transforms.catalogue import Categorical

DENSE = ('dense_0', 'dense_1', 'dense_2', 'fare')
TABLES = tuple(f'{cell.name}_embedding' for cell in CELLS)
INT8 = Scheme(name='int8', precision='int8')
DEAREST = 5
"""Position of the one expensive ride."""


@pytest.fixture(scope='module')
def rides():
  return simulated_rides()


def _trained(model, rides):
  train(model, rides, TRAINING)
  return model


@pytest.fixture(scope='module')
def models(rides):
  """Trained ones: with two embeddings, and with numeric features alone."""
  return {'embeddings': _trained(build(), rides), 'numeric': _trained(build(cells=()), rides)}


def _inputs(model, rides):
  return {name: rides.inputs[name] for name in model.input_names}


def _run(file, inputs):
  """Fares of a model part, whose inputs come clipped."""
  inputs = {**inputs, 'numeric': np.clip(inputs['numeric'], -MODEL.clip, MODEL.clip)}
  return Interpreter(model_content=file).get_signature_runner('serving_default')(**inputs)['fare_amount']


def _layers(model, file):
  known = [layer.name for layer in model.layers]
  tables = {name: model.get_layer(name).embeddings.numpy() for name in TABLES if name in known}
  return {layer.name: layer for layer in LiteFile(file).layers(tables, DENSE)}


def _convert(model, rides, **scheme):
  return convert_model(model, Scheme(name='some', **scheme), _inputs(model, rides), False, LABEL)


def _step(file):
  """One step of the output's 8-bit range, in the fares' currency."""
  interpreter = Interpreter(model_content=file)
  [dense] = [op for op in interpreter._get_ops_details() if op['op_name'] == 'FULLY_CONNECTED'][-1:]
  tensors = {tensor['index']: tensor for tensor in interpreter.get_tensor_details()}
  return tensors[dense['outputs'][0]]['quantization'][0]


@pytest.mark.parametrize('kind', ['embeddings', 'numeric'])
@pytest.mark.parametrize(
  ('scheme', 'dense', 'table', 'activation'),
  [
    pytest.param({'precision': 'float32'}, 'float32', 'float32', 'float32', id='float32'),
    pytest.param({'precision': 'float16'}, 'float16', 'float16', 'float32', id='float16'),
    # Layers below 1,024 weights stay float.
    pytest.param({'precision': 'dynamic_range'}, 'float32', 'float32', 'float32', id='dynamic_range'),
    pytest.param({'precision': 'int8'}, 'int8', 'int8', 'int8', id='int8'),
    pytest.param({'precision': 'int16x8'}, 'int8', 'int16', 'int16', id='int16x8'),
  ],
)
def test_weights_and_activations_have_the_promised_types(models, rides, kind, scheme, dense, table, activation):
  """Oracles: the file's tensors as LiteRT loads them; the Keras model's fares, to 3 % of their deviation."""
  model = models[kind]
  file = _convert(model, rides, **scheme)
  found = _layers(model, file)
  expected = dict.fromkeys(TABLES if kind == 'embeddings' else (), table) | dict.fromkeys(DENSE, dense)
  assert {name: layer.type for name, layer in found.items()} == expected
  assert {found[name].input_type for name in DENSE} == {found[name].output_type for name in DENSE} == {activation}
  assert {len(found[name].scales) for name in DENSE} == {1 if dense == 'int8' else 0}
  details = tf.lite.Interpreter(model_content=file).get_tensor_details()
  for name, layer in layers.kernel_layers(model).items():
    shape = layer.kernel.shape[::-1]
    assert expected[name] in {np.dtype(tensor['dtype']).name for tensor in details if tuple(tensor['shape']) == shape}
  wanted = predict(model, rides)
  assert np.sqrt(np.mean((_run(file, _inputs(model, rides)) - wanted) ** 2)) < 0.03 * np.std(wanted)


def test_dynamic_range_stores_large_tensors_in_8_bits(rides):
  """Oracle: TFLite's own limit of 1,024 weights."""
  cells = (CELLS[0], Categorical('cell_pair', 400, 3, 'many cells'))
  model = build(MODEL.model_copy(update={'hidden': (64, 32, 8)}), cells=cells)
  found = _layers(model, _convert(model, rides, precision='dynamic_range'))
  assert {name for name, layer in found.items() if layer.type == 'int8'} == {'cell_pair_embedding', 'dense_1'}
  assert {name for name, layer in found.items() if layer.size >= 1024} == {'cell_pair_embedding', 'dense_1'}
  assert len(found['dense_1'].scales) == 1


@made_model.needs_quantizer
@pytest.mark.parametrize('kind', ['embeddings', 'numeric'])
@pytest.mark.parametrize(
  ('name', 'type_', 'bits'),
  [('weight_only_int8', 'int8', 8), ('dynamic_int4', 'int4', 4)],
  ids=lambda value: str(value),
)
def test_what_the_quantizer_makes(models, rides, kind, name, type_, bits):
  """Oracles: the bytes of each kernel in the file; the Keras model's fares, to the packaged scheme's tolerance."""
  model, scheme = models[kind], Scheme.model_validate(SCHEMES.spelled_out(name))
  file = convert_model(model, scheme, _inputs(model, rides), False, LABEL)
  found = _layers(model, file)
  expected = dict.fromkeys(TABLES if kind == 'embeddings' else (), 'float32') | dict.fromkeys(DENSE, type_)
  assert {layer: kept.type for layer, kept in found.items()} == expected
  kernels = {layer: dense.kernel.shape for layer, dense in layers.kernel_layers(model).items()}
  assert {layer: len(found[layer].scales) for layer in DENSE} == {layer: shape[1] for layer, shape in kernels.items()}
  stored = schema.ModelT.InitFromPackedBuf(file, 0)
  buffers = [(tuple(tensor.shape), stored.buffers[tensor.buffer].data) for tensor in stored.subgraphs[0].tensors]
  sizes = {shape: len(data) for shape, data in buffers if data is not None}
  assert all(sizes[shape[::-1]] == -(-shape[0] * shape[1] * bits // 8) for shape in kernels.values())
  wanted = predict(model, rides)
  difference = np.sqrt(np.mean((_run(file, _inputs(model, rides)) - wanted) ** 2)) / np.std(wanted)
  assert 0 < difference < scheme.tolerance


@made_model.needs_quantizer
@pytest.mark.parametrize(('precision', 'largest'), [('weight_only_int8', 127), ('dynamic_int4', 7)])
def test_kernels_compute_with_what_the_quantizer_stored(precision, largest):
  """Oracle: the Keras model with its weights rounded in NumPy, unit by unit, to 2 % of the fares' deviation."""
  model = made_model.fresh_model()
  file = made_model.whole_file(model, Scheme(name='some', precision=precision))
  for layer in layers.kernel_layers(model).values():
    kernel = layer.kernel.numpy()
    scale = np.abs(kernel).max(axis=0) / largest
    layer.kernel.assign(np.round(kernel / scale) * scale)
  wanted = made_model.fares(model)
  found = LiteModel(file).predict(made_model.raw_columns())
  assert np.sqrt(np.mean((found - wanted) ** 2)) < 0.02 * np.std(wanted)


@pytest.mark.parametrize(
  ('precision', 'kept'),
  [
    pytest.param('int8', ('fare',), id='int8_output'),
    pytest.param('int8', ('dense_0',), id='int8_input'),
    pytest.param('int8', ('dense_1',), id='int8_middle'),
    pytest.param('int16x8', ('dense_0', 'dense_2'), id='int16x8_two'),
    pytest.param('float16', ('dense_0',), id='float16_input'),
  ],
)
def test_float_layers_stay_float(models, rides, precision, kept):
  """Embeddings go with the first dense layer. Oracle: the Keras model's fares, to 3 % of their deviation."""
  model = models['embeddings']
  file = _convert(model, rides, precision=precision, float_layers=kept)
  found = _layers(model, file)
  floats = {*kept, *(TABLES if 'dense_0' in kept else ())}
  assert {name for name, layer in found.items() if layer.type == 'float32'} == floats
  wanted = predict(model, rides)
  assert np.sqrt(np.mean((_run(file, _inputs(model, rides)) - wanted) ** 2)) < 0.03 * np.std(wanted)


_CUTS = [
  ('float32', ()),
  ('int8', ()),
  ('int8', ('fare',)),
  ('float16', ('dense_0',)),
  ('int8', ('dense_0',)),
  ('float16', ()),
]


def test_schemes_share_what_is_saved(models, rides, monkeypatch):
  """Oracle: each file by itself; and no part is computed whose values no other part takes."""
  model, saved = models['embeddings'], SavedParts()
  schemes = [Scheme(name='some', precision=precision, float_layers=kept) for precision, kept in _CUTS]
  inputs = _inputs(model, rides)
  alone = [shrink(convert_model(model, scheme, inputs, False, LABEL)) for scheme in schemes]
  parts: list[str] = []
  run = conversion._run
  monkeypatch.setattr(conversion, '_run', lambda part, inputs: parts.append(part.name) or run(part, inputs))
  assert [shrink(convert_model(model, scheme, inputs, False, LABEL, saved)) for scheme in schemes] == alone
  assert len(parts) == sum(len(kept) for _, kept in _CUTS)
  folder = saved._folder
  assert len(list(folder.iterdir())) == 1 + 2 + 2, 'one whole, and both parts of each cut'
  del saved
  gc.collect()
  assert not folder.exists()


@pytest.mark.parametrize('kind', ['embeddings', 'numeric'])
def test_ranges_begin_behind_the_clip(models, rides, kind):
  """Oracle: 255 steps over twice the clip's 4 deviations, though a calibration ride has 9."""
  file = _convert(models[kind], rides, precision='int8')
  details = {tensor['index']: tensor for tensor in Interpreter(model_content=file).get_tensor_details()}
  [quantize] = [op for op in Interpreter(model_content=file)._get_ops_details() if op['op_name'] == 'QUANTIZE']
  assert rides.inputs['numeric'].max() == 9
  assert 255 * details[quantize['outputs'][0]]['quantization'][0] == pytest.approx(2 * MODEL.clip, rel=0.05)
  assert not {'MINIMUM', 'MAXIMUM', 'RELU_N1_TO_1'} & set(LiteFile(file).operators()), 'the features clip'


def test_features_clip_a_mistyped_coordinate():
  """Oracle: the model's own limit."""
  columns = {name: column.copy() for name, column in made_model.raw_columns().items()}
  columns['pickup_longitude'][:] = -40
  found = Interpreter(model_content=made_model.features()).get_signature_runner('serving_default')(**columns)
  unclipped = made_model.transform({name: tf.constant(column) for name, column in columns.items()})[names.NUMERIC]
  limit = made_model.CONFIG.model.clip
  assert np.abs(unclipped).max() > limit
  np.testing.assert_allclose(found[names.NUMERIC], np.clip(unclipped, -limit, limit), rtol=1e-3, atol=1e-4)


def test_calibration_covers_the_dearest_ride(models, rides):
  """Oracle: the Keras model; without that ride among the others, the output can't say so much."""
  model = models['numeric']
  wanted = predict(model, rides)
  assert wanted.argmax() == DEAREST
  others = {name: np.delete(column, DEAREST, axis=0) for name, column in _inputs(model, rides).items()}
  whole, cut = (convert_model(model, INT8, inputs, False, LABEL) for inputs in (_inputs(model, rides), others))
  assert _run(whole, _inputs(model, rides))[DEAREST] == pytest.approx(wanted[DEAREST], rel=0.05)
  assert _run(cut, _inputs(model, rides))[DEAREST] < 0.95 * wanted[DEAREST]


def test_calibration_takes_any_number_of_rides(models, rides):
  """The calibrator wants batches of one size; 513 is one more than a batch. Oracle: ranges of the same rides twice."""
  inputs = _inputs(models['embeddings'], rides[np.arange(513)])
  doubled = {name: np.concatenate([column, column]) for name, column in inputs.items()}
  one, two = (convert_model(models['embeddings'], INT8, some, False, LABEL) for some in (inputs, doubled))
  assert _step(one) == _step(two)


@pytest.fixture(scope='module')
def compressor(models, rides):
  return Compressor(build, models['embeddings'].get_weights(), rides, TRAINING)


@pytest.mark.parametrize(
  ('chosen', 'expected'),
  [
    pytest.param('core', {*TABLES, *DENSE}, id='whole_core'),
    pytest.param(('dense_1',), {'dense_1'}, id='one_in_the_middle'),
  ],
)
def test_quantization_aware_models_bring_their_ranges(compressor, rides, chosen, expected):
  """Oracle: the Keras model with 8-bit rounding, to one step of its output; calibration rides make no difference."""
  recipe = Recipe(name='qat', quantization=Quantization(layers=chosen, fine_tuning=TUNING))
  compressed = compressor.apply(recipe)
  model = FinalModels(build).of(compressed).model
  inputs = _inputs(model, rides)
  file = convert_model(model, INT8, inputs, True, LABEL)
  few = {name: column[:1] for name, column in inputs.items()}
  assert convert_model(model, INT8, few, True, LABEL) == file
  found = _layers(build(), file)
  assert {name for name, layer in found.items() if layer.type == 'int8'} == expected
  wanted = predict(model, rides)
  low, high = compressed.ranges.get('fare', (wanted.min(), wanted.max()))
  np.testing.assert_allclose(_run(file, inputs), wanted, atol=1.01 * (high - low) / 255)


def test_the_whole_file_gives_the_fares_of_the_model():
  """Oracle: the Keras model on features made by TensorFlow."""
  model = made_model.fresh_model()
  file = made_model.whole_file(model, Scheme(name='float32', precision='float32'))
  np.testing.assert_allclose(LiteModel(file).predict(made_model.raw_columns()), made_model.fares(model), rtol=1e-3)


def test_assembling_loses_no_type():
  """Oracle: the model part before it was joined and made small."""
  model = made_model.fresh_model()
  part = convert_model(model, INT8, made_model.inputs(), False, LABEL)
  tables = {made_model.EMBEDDING: model.get_layer(made_model.EMBEDDING).embeddings.numpy()}
  before, after = (
    LiteFile(file).layers(tables, made_model.DENSE) for file in (part, assemble(made_model.features(), part))
  )
  assert [(layer.name, layer.type, layer.zeros) for layer in before] == [
    (layer.name, layer.type, layer.zeros) for layer in after
  ]


def test_layers_of_equal_shape_are_distinguished(rides):
  """Oracle: zeros put into one of two tables of the same shape, whose names sort the other way."""
  cells = (Categorical('b_cell', 9, 3, 'one'), Categorical('a_cell', 9, 3, 'another'))
  model = build(cells=cells)
  table = model.get_layer('b_cell_embedding').embeddings
  table.assign(np.where(np.arange(9)[:, None] < 4, 0, table))
  inputs = {'numeric': rides.inputs['numeric'], **{cell.name: rides.inputs['pickup_cell'] for cell in cells}}
  tables = {f'{cell.name}_embedding': model.get_layer(f'{cell.name}_embedding').embeddings.numpy() for cell in cells}
  for precision in (Precision.FLOAT32, Precision.FLOAT16, Precision.INT16X8):
    file = convert_model(model, Scheme(name='some', precision=precision), inputs, False, LABEL)
    one, another = LiteFile(file).layers(tables, ())
    assert (one.zeros, another.zeros) == (12, 0), precision


def test_zeros_of_an_8_bit_table_are_counted(rides):
  """A table joined with features has their scale, in which 0 is another integer. Oracle: the table itself."""
  model = build(numeric=NUMERIC)
  table = model.get_layer('cell_pair_embedding').embeddings
  table.assign(np.where(np.arange(20)[:, None] < 10, 0, np.full((20, 3), 2.0)))
  inputs = _inputs(model, rides) | {'numeric': np.abs(rides.inputs['numeric'])}
  assert _layers(model, convert_model(model, INT8, inputs, False, LABEL))['cell_pair_embedding'].zeros == 30


def test_a_scheme_that_contradicts_the_recipe_is_refused(models, rides):
  scheme = Scheme(name='int8_float_output', precision='int8', float_layers=['fare'])
  with pytest.raises(ConversionError) as caught:
    convert_model(models['embeddings'], scheme, rides.inputs, True, LABEL)
  assert str(caught.value) == (
    "Scheme 'int8_float_output' keeps fare in float, but the recipe was trained for 8 bits and says itself which "
    'layers are; name them in quantization.layers of the recipe.'
  )


@pytest.mark.parametrize('precision', ['weight_only_int8', 'dynamic_int4'])
def test_a_missing_quantizer_is_named(models, rides, precision, monkeypatch):
  for name in made_model.QUANTIZERS:
    monkeypatch.setitem(sys.modules, name, None)
  with pytest.raises(
    ConversionError, match=r"Scheme 'some' needs the LiteRT quantizer, which is not installed \("
  ) as caught:
    _convert(models['numeric'], rides, precision=precision)
  assert str(caught.value).endswith(
    "pip install 'farelite[quantizer]', or leave the scheme out of compression.schemes."
  )


def test_what_tflite_cannot_convert_is_reported():
  """Oracle: an operator that has no TFLite builtin."""

  def transform(rides):
    found = made_model.transform(rides)
    return {
      **found,
      names.NUMERIC: tf.raw_ops.Betainc(a=found[names.NUMERIC], b=found[names.NUMERIC], x=found[names.NUMERIC]),
    }

  with pytest.raises(ConversionError, match=r"^TFLite can't convert this as 'float32': .*"):
    convert_features(transform, made_model.fresh_model(), RideInputs(made_model.CONFIG.dataset))
