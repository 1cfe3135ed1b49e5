"""What is exported converts to a TFLite file with int8 kernels that computes as the Keras model does."""

import numpy as np
import pytest
import tensorflow as tf
from ai_edge_litert.interpreter import Interpreter

from configs.recipe import Pruning, Quantization, Recipe
from models.recipe_training import FinalModels
from models.training import predict
from tests.models.compression.simulated import CLIP, TUNING, build
from tests.models.lite.converters import from_functions

PRUNING = Pruning(final_sparsity=0.75, layers=('dense_0', 'dense_2'), fine_tuning=TUNING)


def _converted(model):
  specs = {tensor.name: tf.TensorSpec(tensor.shape, tensor.dtype, name=tensor.name) for tensor in model.inputs}

  @tf.function
  def fares(**inputs):
    return {'fare_amount': model(inputs, training=False)}

  converter = from_functions([fares.get_concrete_function(**specs)], model)
  converter.optimizations = [tf.lite.Optimize.DEFAULT]
  interpreter = Interpreter(model_content=converter.convert())
  interpreter.allocate_tensors()
  return interpreter


@pytest.mark.parametrize(
  ('recipe', 'quantized'),
  [
    pytest.param(
      Recipe(name='pqat', pruning=PRUNING, quantization=Quantization(fine_tuning=TUNING)), (0, 1, 2, 3), id='pqat'
    ),
    pytest.param(
      Recipe(name='clip', quantization=Quantization(fine_tuning=TUNING, quantize_configs=CLIP)),
      (0, 1, 2, 3),
      id='qat_with_clip',
    ),
    pytest.param(
      Recipe(name='partial', quantization=Quantization(layers=('dense_1',), fine_tuning=TUNING)), (1,), id='partial'
    ),
  ],
)
def test_converts_to_int8_and_computes_the_same(compressor, rides, recipe, quantized):
  """Oracles: the Keras model, to two steps of the output's range; the stated weights, by integers times scale."""
  compressed = compressor.apply(recipe)
  model = FinalModels(build).of(compressed).model
  interpreter = _converted(model)
  tensors = {tensor['index']: tensor for tensor in interpreter.get_tensor_details()}
  dense = [op for op in interpreter._get_ops_details() if op['op_name'] == 'FULLY_CONNECTED']
  for position, (op, stated) in enumerate(zip(dense, compressed.weights[2::2], strict=True)):
    inputs, kernel = (tensors[index] for index in op['inputs'][:2])
    expected = np.int8 if position in quantized else np.float32
    assert (inputs['dtype'], kernel['dtype']) == (expected, expected), position
    scale = kernel['quantization'][0] or 1.0
    values = interpreter.get_tensor(kernel['index']).astype(np.float64) * scale
    np.testing.assert_allclose(values.T, stated, atol=1e-6)
  got = next(iter(interpreter.get_signature_runner()(**rides.inputs).values()))[:, 0]
  low, high = compressed.ranges.get('fare', (0.0, 40.0))
  np.testing.assert_allclose(got, predict(model, rides), atol=2 * (high - low) / 255)
