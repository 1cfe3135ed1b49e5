"""Other people's tools take a file as it is pushed; each in its own words, on the file's bytes.

TensorFlow's analyzer and the LiteRT quantizer are beside us. What pins other packages than we do (tf2onnx, onnxruntime,
tflite-support, netron) is installed into a folder of its own, and a test is skipped where no package index answers.
"""

import json
import os
import pathlib
import shutil
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf

from configs.columns import LABEL
from configs.compression import KeepNames, Scheme
from models.lite.client import LiteModel
from models.lite.columns import describe_file
from models.lite.conversion import assemble, convert_model
from models.lite.quantizer_compat import quantize
from tests.models.lite import made_model

LICENSE = 'CC0-1.0'

_ONNX = '''
import sys
import numpy as np, onnxruntime
from tf2onnx import convert

def clip(graph, node, name, args):
  """TFL_RELU_N1_TO_1, the one operator that tf2onnx does not know."""
  ends = [graph.make_const(name + end, np.float32(value)).output[0] for end, value in (("-", -1), ("+", 1))]
  node.type, node.domain = "Clip", ""
  graph.replace_inputs(node, [node.input[0], *ends])
  return node

def where(graph, node, name, args):
  """SelectV2, of which tf2onnx makes a sum of products: NaN where what is not selected is NaN."""
  node.type, node.domain = "Where", ""
  return node

file, made, rides, fares, *selects = sys.argv[1:]
handlers = {"TFL_RELU_N1_TO_1": (clip, []), **{name: (where, []) for name in selects}}
convert._convert_common(None, tflite_path=file, opset=17, output_path=made, name=file, custom_op_handlers=handlers)
columns = dict(np.load(rides))
np.save(fares, onnxruntime.InferenceSession(made).run(None, columns)[0])
'''

_SUPPORT = """
import sys
from tflite_support import metadata
print(metadata.MetadataDisplayer.with_model_file(sys.argv[1]).get_metadata_json())
"""


@pytest.fixture(scope='module', params=['int8', 'float32'])
def file(request, tmp_path_factory):
  """A file as it is pushed, with metadata."""
  scheme = Scheme(name=request.param, precision=request.param)
  model = convert_model(made_model.fresh_model(), scheme, made_model.inputs(), False, LABEL)
  content = assemble(made_model.features(), model, description=describe_file(made_model.CONFIG.dataset, LICENSE))
  path = tmp_path_factory.mktemp('tools') / f'{request.param}.tflite'
  path.write_bytes(content)
  return path


def test_tensorflows_analyzer_lists_layers(file, capfd):
  tf.lite.experimental.Analyzer.analyze(model_path=str(file))
  text = capfd.readouterr().out
  assert 'FULLY_CONNECTED' in text and 'dense_0' in text and 'T#0(' in text


@made_model.needs_quantizer
def test_the_litert_quantizer_quantizes_it(file):
  """Oracle: the fares before, to what 8-bit weights may change; without names it refuses."""
  if file.stem != 'float32':
    pytest.skip('It takes float files.')
  rides, before = made_model.raw_columns(), LiteModel(file)
  after = LiteModel(quantize(file.read_bytes(), 'weight_only_wi8_afp32'))
  np.testing.assert_allclose(after.predict(rides), before.predict(rides), atol=0.1 * np.std(before.predict(rides)))
  model = convert_model(
    made_model.fresh_model(), Scheme(name='f', precision='float32'), made_model.inputs(), False, LABEL
  )
  with pytest.raises(AttributeError, match='decode'):
    quantize(assemble(made_model.features(), model, KeepNames.NONE), 'weight_only_wi8_afp32')


def _installed(folder: pathlib.Path, python: str, *packages: str) -> dict[str, str]:
  """The environment in which packages, without what they depend on, can be imported from a folder."""
  pip = [
    python,
    '-m',
    'pip',
    'install',
    '-q',
    '--no-deps',
    '--only-binary',
    ':all:',
    '--target',
    str(folder),
    *packages,
  ]
  ended = subprocess.run(pip, capture_output=True, text=True)
  if '(from versions: none)' in ended.stderr:  # No index answered; one that lacks the pin alone lists others.
    pytest.skip(f'{", ".join(packages)} can not be installed: {ended.stderr.strip().splitlines()[-1]}')
  assert ended.returncode == 0, ended.stderr[-2000:]
  return os.environ | {'PYTHONPATH': str(folder), 'TF_CPP_MIN_LOG_LEVEL': '3'}


@pytest.mark.slow
def test_tf2onnx_and_onnxruntime_give_the_same_fares(file, tmp_path):
  """Oracle: LiteRT. The shapes of inner tensors hold for batch 1, so 300 rides at once prove that none is built in.

  A missing value is NaN, which the file selects away. tf2onnx's own SELECT_V2 multiplies it by 0 instead, so that such
  rides have a wrong fare or none; as ONNX's Where, which chooses, they have the right one.
  """
  if sys.version_info < (3, 11):
    pytest.skip('Its NumPy is another one.')
  environment = _installed(tmp_path / 'onnx', sys.executable, 'tf2onnx==1.17.0', 'onnx==1.23.2', 'onnxruntime==1.32.0')
  rides = made_model.raw_columns()
  np.savez(tmp_path / 'rides.npz', **rides)
  expected, missing = LiteModel(file).predict(rides), np.any([np.isnan(column) for column in rides.values()], axis=0)
  assert 50 < missing.sum() < 250 and np.isfinite(expected).all()

  def fares(*selects: str) -> np.ndarray:
    paths = [str(path) for path in (file, tmp_path / 'fares.onnx', tmp_path / 'rides.npz', tmp_path / 'fares.npy')]
    command = [sys.executable, '-c', _ONNX, *paths, *selects]
    ended = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr[-2000:]
    return np.load(tmp_path / 'fares.npy')

  np.testing.assert_allclose(fares('SelectV2'), expected, atol=1e-4)
  own = fares()
  np.testing.assert_allclose(own[~missing], expected[~missing], atol=1e-4)
  assert not np.isclose(own[missing], expected[missing], atol=1e-4).any()


@pytest.mark.slow
def test_tflite_support_reads_the_description(file, tmp_path):
  python = next(filter(None, map(_python, ('3.9', '3.10', '3.11'))), None)
  if python is None:
    pytest.skip('tflite-support has wheels for Python 3.7 to 3.11, and there is none of these.')
  needed = ('flatbuffers==25.9.23', 'numpy==1.26.4', 'pybind11==2.13.6', 'absl-py==2.1.0', 'protobuf==3.20.3')
  environment = _installed(tmp_path / 'support', python, 'tflite-support==0.4.4', *needed)
  ended = subprocess.run([python, '-c', _SUPPORT, str(file)], env=environment, capture_output=True, text=True)
  assert ended.returncode == 0, ended.stderr[-2000:]
  found = json.loads(ended.stdout)
  [graph] = found['subgraph_metadata']
  described = {tensor['name']: tensor['description'] for tensor in graph['input_tensor_metadata']}
  assert set(described) == set(made_model.raw_columns())
  assert described['pickup_longitude'].endswith('[degrees (WGS84)]')
  assert graph['output_tensor_metadata'][0]['name'] == LABEL
  assert (found['license'], found['min_parser_version']) == (LICENSE, '1.0.0')


def _python(version: str) -> str | None:
  """An interpreter of a version that starts, on the PATH or of pyenv."""
  pyenv = pathlib.Path(os.environ.get('PYENV_ROOT', pathlib.Path.home() / '.pyenv'))
  for path in (*pyenv.glob(f'versions/{version}.*/bin/python'), shutil.which(f'python{version}')):
    if path and subprocess.run([path, '-m', 'pip', '--version'], capture_output=True).returncode == 0:
      return str(path)
  return None


_SHOWN = """
import subprocess, sys
import netron
_, port = netron.start(sys.argv[1], address=("127.0.0.1", 0), browse=False)
page = ["--headless", "--no-sandbox", "--disable-gpu", "--virtual-time-budget=15000", "--dump-dom"]
print(subprocess.run([sys.argv[2], *page, f"http://127.0.0.1:{port}/"], capture_output=True, text=True).stdout)
netron.stop()
"""


@pytest.mark.slow
def test_netron_draws_it(file, tmp_path):
  """Oracle: the operators, inputs and layers in the page that a browser has made of the file."""
  browser = next(filter(None, map(shutil.which, ('chromium', 'google-chrome'))), None)
  if browser is None:
    pytest.skip('There is no Chromium.')
  environment = _installed(tmp_path / 'netron', sys.executable, 'netron==9.3.3')
  script = tmp_path / 'netron' / 'netron' / 'browser.js'
  script.write_text(script.read_text().replace('await consent();', ''))  # Its question about cookies.
  ended = subprocess.run(
    [sys.executable, '-c', _SHOWN, str(file), browser], env=environment, capture_output=True, text=True
  )
  assert ended.returncode == 0, ended.stderr[-2000:]
  for text in ('FullyConnected', 'pickup_seconds', 'dense_0', LABEL):
    assert text in ended.stdout, text
