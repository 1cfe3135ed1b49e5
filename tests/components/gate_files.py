"""What a CompressionGate takes, without a pipeline run: real lite files, their SavedModel, raw examples."""

import dataclasses
import gzip
import hashlib
import json
import pathlib

import numpy as np
import pyarrow as pa
import tensorflow as tf
from tensorflow.lite.python import schema_py_generated as schema

from components.compression_gate.rides import read_eval_rides
from components.ride_example_gen.encoding import TFRecordFile, encode_examples
from configs.compression import Precision, Scheme
from configs.dataset import LABEL, TIME
from configs.layer_names import OUTPUT_LAYER
from configs.loading import load
from models.compression.layers import DENSE_CORE
from models.fare_model import build_fare_model
from models.lite.client import LiteModel
from models.lite.conversion import assemble, convert_features, convert_model
from models.lite.rides import RideInputs
from models.serving import FareServing
from tests.models.lite.small_files import changed, made_up_constants, some_rides
from transforms import names
from transforms.engineering import catalogue, engineer, standardize

CONFIG = load('nyc', ['model.hidden=[16, 8]'])
RIDES = 1200
NOISE = 2.0
"""Standard deviation of the fares about the float model's, so its RMSE."""

FLOAT32 = Scheme(name='float32', precision=Precision.FLOAT32)
INT8 = Scheme(name='int8', precision=Precision.INT8)

SPREAD = 10.0
"""Times the untrained model's output weights, so that fares differ."""

_PASSED_ON = {
  'feature_bytes': 1,
  'sparsity': 0.0,
  'distinct_weights': 9,
  'types': {},
  'calibration_rides': 1,
  'difference': 0.0,
  'seconds': 0.1,
  'cached': False,
  'reason': None,
}
"""Fields of `variants.json` that the gate only passes on."""


@dataclasses.dataclass(frozen=True)
class Made:
  """One untrained model: as SavedModel, as files by scheme, and rides whose fares it nearly gets right."""

  saved_model: pathlib.Path
  float32: bytes
  int8: bytes
  examples: pathlib.Path

  def rides(self):
    """The rides as the gate reads them back."""
    files = [str(path) for path in (self.examples / 'Split-eval').iterdir()]
    return read_eval_rides(files, CONFIG.dataset, CONFIG.evaluation.slices)


def make(folder):
  """Converts the model and writes its rides below a folder."""
  width = len(catalogue(CONFIG.dataset, CONFIG.features))
  constants = made_up_constants(CONFIG, width, 0)
  model = build_fare_model(CONFIG.model, width, [], 10.0, seed=3)
  # Untrained, all fares are nearly the same.
  kernel = model.get_layer(DENSE_CORE).get_layer(OUTPUT_LAYER).kernel
  kernel.assign(kernel * SPREAD)

  def transform(rides):
    return {names.NUMERIC: standardize(engineer(rides, CONFIG.dataset, CONFIG.features), constants)}

  features = convert_features(transform, model, RideInputs(CONFIG.dataset))
  rides = some_rides(CONFIG, RIDES)
  calibration = {names.NUMERIC: transform({name: tf.constant(column) for name, column in rides.items()})[names.NUMERIC]}
  float32, int8 = (
    assemble(features, convert_model(model, scheme, calibration, False, LABEL)) for scheme in (FLOAT32, INT8)
  )
  serving = FareServing(model, transform, CONFIG.dataset)
  saved_model = folder / 'recipe' / 'Format-Serving'
  tf.saved_model.save(serving, str(saved_model), signatures={'serving_raw': serving.signatures()['serving_raw']})
  fares = LiteModel(float32).predict(rides) + np.random.default_rng(1).normal(0, NOISE, RIDES).astype(np.float32)
  write_examples(folder / 'examples', {**rides, LABEL: fares})
  return Made(saved_model, float32, int8, folder / 'examples')


def write_examples(folder, columns):
  """Raw rides as the ingestion writes them, all in the eval split."""
  split = folder / 'Split-eval'
  split.mkdir(parents=True)
  arrays = {name: pa.array(column, pa.int64() if name == TIME else pa.float32()) for name, column in columns.items()}
  writer = TFRecordFile((split / 'rides-00000-of-00001.gz').open('wb'))
  if len(columns[TIME]):
    writer.write(encode_examples(pa.RecordBatch.from_pydict(arrays)))
  writer.close()


def write_variants(folder, files, lost=None):
  """A `LiteVariants` artifact.

  Args:
    folder: of the artifact.
    files: content by variant name.
    lost: why there is no file, by variant name; as the rewriter has it.
  """
  folder.mkdir(parents=True)
  listed = []
  for name, content in files.items():
    (folder / f'{name}.tflite').write_bytes(content)
    listed.append(facts(name, content))
  for name, reason in (lost or {}).items():
    recipe, scheme = name.split('.')
    listed.append({'name': name, 'recipe': recipe, 'scheme': scheme, 'file': None, 'reason': reason, 'seconds': 0.1})
  (folder / 'variants.json').write_text(json.dumps({'variants': listed, 'features': {'bytes': 1}}))
  return folder


def facts(name, content):
  """A file's entry in `variants.json`."""
  recipe, scheme = name.split('.')
  return _PASSED_ON | {
    'name': name,
    'recipe': recipe,
    'scheme': scheme,
    'file': f'{name}.tflite',
    'bytes': len(content),
    'gzip_bytes': len(gzip.compress(content)),
    'sha256': hashlib.sha256(content).hexdigest(),
  }


def damaged_scale(file):
  """The file with eight times the scales of the first integer layer's weights."""

  def damage(model):
    weights = next(tensor for tensor in dense_weights(model) if tensor.type == schema.TensorType.INT8)
    weights.quantization.scale = np.asarray(weights.quantization.scale, np.float32) * 8

  return changed(file, damage)


def crashing(file):
  """The file without the options of its splits, which LiteRT reads all the same, from address 0."""

  def damage(model):
    splits = operators(model, schema.BuiltinOperator.SPLIT)
    assert splits, 'another kind of operator has to crash'
    for operator in splits:
      operator.builtinOptions, operator.builtinOptionsType = None, schema.BuiltinOptions.NONE

  return changed(file, damage)


def without_numbers(file):
  """The file with NaN as the first bias of its output layer."""

  def damage(model):
    last = operators(model, schema.BuiltinOperator.FULLY_CONNECTED)[-1]
    bias = model.subgraphs[0].tensors[last.inputs[2]]
    model.buffers[bias.buffer].data = np.frombuffer(np.array([np.nan], np.float32).tobytes(), np.uint8)

  return changed(file, damage)


def dense_weights(model):
  """The tensors of the dense layers' weights, in the order of the layers."""
  found = operators(model, schema.BuiltinOperator.FULLY_CONNECTED)
  return [model.subgraphs[0].tensors[operator.inputs[1]] for operator in found]


def operators(model, kind):
  """The operators of a kind, in their order."""
  codes = [max(code.builtinCode, code.deprecatedBuiltinCode) for code in model.operatorCodes]
  return [operator for operator in model.subgraphs[0].operators if codes[operator.opcodeIndex] == kind]
