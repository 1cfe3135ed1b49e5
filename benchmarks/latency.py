"""What a caller pays for a fare, in microseconds and bytes: the lite file, SavedModel, servers, LightGBM, ONNX Runtime.

`python -m benchmarks.latency OUTPUT` takes a finished run, whose dense recipe has a float32 file. All ways take turns
in one process, one thread each, round by round; shown are the median of the rounds' medians and the smallest and the
largest of them. Before anything is timed, each way's fares are held against those of the same model by another way.

A whole file is called as a client calls it: inputs set, invoked, output taken. `columns picked by matrices` is the same
file with its wide gathers of columns as products with one-hot matrices. Features and core are the two halves of the
float32 file. LightGBM is trained here on the run's rides and the float32 file's features, and predicts by its C
interface; ONNX Runtime runs the dense core alone.

Servers run in processes of their own on this machine, and their CPU is counted with the caller's, who has the request
ready: `farelite serve` on the pushed version over HTTP, and the SavedModel over gRPC by TensorFlow Serving's protocol.
The latter is a server in Python, as no package has TensorFlow Serving's own; that one, in C++, takes less.
"""

from __future__ import annotations

import argparse
import atexit
import concurrent.futures
import contextlib
import copy
import ctypes
import dataclasses
import functools
import gzip
import http.client
import json
import multiprocessing
import os
import pathlib
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '2')
os.environ.setdefault('TF_USE_LEGACY_KERAS', '1')

import grpc
import numpy as np
import tensorflow as tf
from tensorflow.lite.python import schema_py_generated as schema
from tensorflow_serving.apis import predict_pb2, prediction_service_pb2_grpc

from benchmarks.server import Running, running
from components.parquet import pq  # noqa: F401, before anything else opens Parquet
from configs.columns import LABEL
from configs.layer_names import is_embedding
from configs.loading import load
from configs.model import Activation
from configs.run import RunConfig
from models.lite.flatbuffer import kind_of, pack
from models.lite.interpreter import SIGNATURE, runtime
from models.release import find_pushed
from models.rides import RawRides, read_raw_rides
from models.served_versions import EXTRA, served_version
from models.serving import SERVING_RAW, biases, kernels, read_weights
from pipeline.study.reference_models import LIGHTLY_TUNED

Columns = Mapping[str, np.ndarray]
Batches = Sequence[Columns]
Call = Callable[[int], Any]
"""Gets the number of a batch."""

FEATURES = 'features'
"""What goes from one half of a file to the other."""

_DENSE = 'dense.float32'
_WARM_UP = 20
_BATCH_CALLS = 10
"""The batch is called so many times more rarely than the single ride."""

_WIDE = 8
"""Columns that a gather picks, from which on it is worth a matrix."""

_CLOSE = 1e-3
"""The city's currency: float32 in another order of additions."""


@dataclasses.dataclass(frozen=True)
class Way:
  """One way to a fare, or a part of one.

  Attributes:
    name: for the table.
    prepared: makes a call for batches of raw rides [rides] by column; what it returns is nothing, a part, or the fares.
    content: what is shipped; `None` of a part.
    fares: what the call has to return, [rides] of all; `None` where it returns no fares.
    tolerance: how far it may be from them.
    process: another one that works for the call; 0 of none.
  """

  name: str
  prepared: Callable[[Batches], Call]
  content: bytes | None = None
  fares: np.ndarray | None = None
  tolerance: float = 0.0
  process: int = 0


class LiteFile:
  """A lite file as a plain client holds it, on one thread with default delegates."""

  def __init__(self, content: bytes) -> None:
    kind, resolver = runtime()
    self._interpreter = kind(model_content=content, num_threads=1, experimental_op_resolver_type=resolver.AUTO)
    # Only for its details: as long as a runner lives, nothing may be resized but by itself.
    runner = self._interpreter.get_signature_runner(SIGNATURE)
    self.inputs = {name: (d['index'], d['dtype']) for name, d in runner.get_input_details().items()}
    [self._output] = [detail['index'] for detail in runner.get_output_details().values()]

  def taken(self, columns: Columns) -> dict[str, np.ndarray]:
    """Makes room for the columns; these, as the file takes them."""
    for name, (index, _) in self.inputs.items():
      self._interpreter.resize_tensor_input(index, columns[name].shape)
    self._interpreter.allocate_tensors()
    return {name: np.ascontiguousarray(columns[name], kind) for name, (_, kind) in self.inputs.items()}

  def set(self, taken: Columns) -> None:
    for name, (index, _) in self.inputs.items():
      self._interpreter.set_tensor(index, taken[name])

  def invoke(self) -> None:
    self._interpreter.invoke()

  def get(self) -> np.ndarray:
    return self._interpreter.get_tensor(self._output)

  def call(self, taken: Columns) -> np.ndarray:
    self.set(taken)
    self._interpreter.invoke()
    return self.get()

  def by_signature(self, taken: Batches) -> Call:
    """The call of a signature runner; afterwards the file is only for this."""
    runner = self._interpreter.get_signature_runner(SIGNATURE)
    return lambda batch: next(iter(runner(**taken[batch]).values()))


@dataclasses.dataclass(frozen=True)
class Run:
  """A finished run.

  Attributes:
    files: content by name of the variant.
    saved_model: directory of the dense recipe's SavedModel.
    version: directory of the version that serves; `None` where none does.
    train, rides: rides of the train split, and some of the eval split.
    fares: of `rides`, by the dense float32 file.
  """

  config: RunConfig
  files: Mapping[str, bytes]
  saved_model: pathlib.Path
  version: pathlib.Path | None
  train: RawRides
  rides: Columns
  fares: np.ndarray

  @classmethod
  def read(cls, output: pathlib.Path, rides: int) -> Run:
    """Args: rides: of the eval split, at most. Raises `SystemExit`: a part is not there."""
    files = {p.stem: p.read_bytes() for p in sorted(output.glob('artifacts/QuantizationRewriter/variants/*/*.tflite'))}
    folders = sorted(output.glob('artifacts/PruningTrainer/recipe_dense/*/Format-Serving'))
    splits = [_shards(output, split) for split in ('train', 'eval')]
    if _DENSE not in files or not folders or not all(splits):
      raise SystemExit(f"'{output}' is no finished run with {_DENSE}; make one with farelite run --output {output}.")
    config = load(str(output / 'config.yaml'), kept=True)
    train, held_out = (read_raw_rides(found, config.dataset) for found in splits)
    some = {name: column[:rides] for name, column in held_out.columns.items()}
    file = LiteFile(files[_DENSE])
    served = served_version(output / 'serving')
    version = output / 'serving' / str(served) if served else None
    return cls(config, files, folders[-1], version, train, some, file.call(file.taken(some)))


def _shards(output: pathlib.Path, split: str) -> list[str]:
  found = sorted(output.glob(f'artifacts/RideExampleGen/examples/*/Split-{split}'))
  return [str(path) for path in found[-1].glob('*.gz')] if found else []


def lite_ways(run: Run, variants: Sequence[str]) -> Iterator[Way]:
  """Files by interpreter, step by step, and by signature runner."""
  for name in variants:
    content = run.files[name]
    file = LiteFile(content)
    fares = file.call(file.taken(run.rides))
    yield Way(f'{name}: set', _part(file, lambda file, taken: lambda batch: file.set(taken[batch])))
    yield Way(f'{name}: invoke', _part(file, lambda file, taken: lambda batch: file.invoke()))
    yield Way(f'{name}: get', _part(file, lambda file, taken: lambda batch: file.get()))
    yield Way(f'{name}: set, invoke, get', _whole(file), content, fares)
    yield Way(f'{name}: signature runner', _by_signature(content), content, fares)
    matrices = columns_by_matrices(content)
    yield Way(f'{name}: columns picked by matrices', _whole(LiteFile(matrices)), matrices, fares)


def half_ways(run: Run, variants: Sequence[str]) -> Iterator[Way]:
  """Features and core of each file, each by itself."""
  for name in variants:
    whole, features, core = (LiteFile(content) for content in (run.files[name], *halves(run.files[name])))
    yield Way(f'{name}: features, invoke', _part(features, lambda file, taken: lambda batch: file.invoke()))
    yield Way(f'{name}: core, invoke', _core(core, features))
    made = features.call(features.taken(run.rides))
    if not np.array_equal(core.call(core.taken({FEATURES: made})), whole.call(whole.taken(run.rides))):
      raise SystemExit(f'The halves of {name} give other fares than the whole file.')


def _core(core: LiteFile, features: LiteFile) -> Callable[[Batches], Call]:
  def prepared(batches: Batches) -> Call:
    core.set(core.taken({FEATURES: features.call(features.taken(batches[0]))}))
    return lambda batch: core.invoke()

  return prepared


def content_of(saved_model: pathlib.Path) -> bytes:
  """All bytes of a SavedModel, one file after the other, without what TensorFlow leaves alone."""
  files = (path for path in sorted(saved_model.rglob('*')) if path.is_file() and EXTRA not in path.parts)
  return b''.join(path.read_bytes() for path in files)


def saved_model_ways(run: Run, variants: Sequence[str]) -> Iterator[Way]:
  """The SavedModel in this process."""
  model = tf.saved_model.load(str(run.saved_model))
  serve = model.signatures[SERVING_RAW]
  content = content_of(run.saved_model)

  def call(batch: Columns) -> np.ndarray:
    return serve(**{name: tf.constant(column) for name, column in batch.items()})[LABEL].numpy()

  yield Way('SavedModel in process', lambda batches: lambda batch: call(batches[batch]), content, run.fares, _CLOSE)
  del model  # Kept until here: a signature alone does not hold its variables.


def server_ways(run: Run, variants: Sequence[str]) -> Iterator[Way]:
  """The pushed version over HTTP, and the SavedModel over gRPC, both on loopback, over connections that stay open."""
  kept = contextlib.ExitStack()
  atexit.register(kept.close)
  if run.version:
    pushed = find_pushed(run.version)
    content, file = pushed.file.read_bytes(), LiteFile(pushed.file.read_bytes())
    server = kept.enter_context(running(run.version))
    name = f'{pushed.manifest.variant if pushed.manifest else ""}: farelite serve, HTTP'
    fares = file.call(file.taken(run.rides))
    yield Way(name, functools.partial(_by_http, server), content, fares, process=server.process.pid)
  ready = kept.enter_context(tempfile.TemporaryDirectory())
  spawning = multiprocessing.get_context('spawn')
  process = spawning.Process(target=serve_by_grpc, args=(str(run.saved_model), f'{ready}/port'), daemon=True)
  process.start()
  kept.callback(process.terminate)
  port = pathlib.Path(ready, 'port')
  while not port.exists():
    if not process.is_alive():
      raise SystemExit('The gRPC server did not begin to answer.')
    time.sleep(0.1)
  channel = kept.enter_context(grpc.insecure_channel(f'127.0.0.1:{port.read_text()}'))
  stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
  name, saved_model = 'SavedModel, gRPC, server in Python', content_of(run.saved_model)
  yield Way(name, functools.partial(_by_grpc, stub), saved_model, run.fares, _CLOSE, process.pid or 0)


def _by_http(server: Running, batches: Batches) -> Call:
  connection = http.client.HTTPConnection(server.url.removeprefix('http://'), timeout=60)
  bodies = [json.dumps({'instances': _instances(batch)}).encode() for batch in batches]

  def call(batch: int) -> np.ndarray:
    connection.request('POST', '/predict', bodies[batch])
    return np.array(json.loads(connection.getresponse().read())['predictions'], np.float32)

  return call


def _instances(batch: Columns) -> list[dict[str, float]]:
  rows = [{name: column[row].item() for name, column in batch.items()} for row in range(_count(batch))]
  return [{name: value for name, value in row.items() if value == value} for row in rows]


def _by_grpc(stub: Any, batches: Batches) -> Call:
  requests = [predict_pb2.PredictRequest() for _ in batches]
  for request, batch in zip(requests, batches, strict=True):
    request.model_spec.signature_name = SERVING_RAW
    for name, column in batch.items():
      request.inputs[name].CopyFrom(tf.make_tensor_proto(column))
  return lambda batch: tf.make_ndarray(stub.Predict(requests[batch], timeout=60).outputs[LABEL])


def serve_by_grpc(saved_model: str, port: str) -> None:
  """Answers `PredictionService.Predict` on any port until the process is ended.

  Args: port: file that the port's number is written to once requests are taken.
  """
  tf.config.threading.set_intra_op_parallelism_threads(1)
  tf.config.threading.set_inter_op_parallelism_threads(1)
  model = tf.saved_model.load(saved_model)

  class Servicer(prediction_service_pb2_grpc.PredictionServiceServicer):
    def Predict(self, request: Any, context: Any) -> Any:  # noqa: N802, the protocol's name
      tensors = {name: tf.constant(tf.make_ndarray(tensor)) for name, tensor in request.inputs.items()}
      found = predict_pb2.PredictResponse()
      for name, tensor in model.signatures[request.model_spec.signature_name](**tensors).items():
        found.outputs[name].CopyFrom(tf.make_tensor_proto(tensor.numpy()))
      return found

  server = grpc.server(concurrent.futures.ThreadPoolExecutor(1))
  prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(Servicer(), server)
  number = server.add_insecure_port('127.0.0.1:0')
  server.start()
  whole = pathlib.Path(f'{port}.part')
  whole.write_text(str(number))
  whole.rename(port)
  server.wait_for_termination()


def lightgbm_ways(run: Run, variants: Sequence[str]) -> Iterator[Way]:
  """LightGBM by its C interface, which is made for single rows, and by Python; on all features of the float32 file."""
  try:
    import lightgbm
  except ImportError:
    return _missing('lightgbm')
  features = LiteFile(halves(run.files[_DENSE])[0])
  made, rows = (np.array(features.call(features.taken(rides))) for rides in (run.train.columns, run.rides))
  for settings in ({}, LIGHTLY_TUNED):
    model = lightgbm.LGBMRegressor(random_state=0, n_jobs=1, verbose=-1).set_params(**settings)
    booster = model.fit(made, run.train.fares).booster_
    fast, content, fares = FastBooster(booster), booster.model_to_string().encode(), booster.predict(rows)
    name = f'LightGBM, {booster.num_trees()} trees'
    yield Way(f'{name}, C interface, features ready', _on_ready(features, fast.ready), content, fares, 1e-9)
    yield Way(f'{name}, C interface, features by LiteRT', _after(features, fast.ready), content, fares, 1e-9)
    yield Way(f'{name}, Python, features ready', _on_ready(features, _by_python(booster)), content, fares, 1e-9)


def _by_python(booster: Any) -> Ready:
  return lambda rows: functools.partial(booster.predict, rows, num_threads=1)


Ready = Callable[[np.ndarray], Callable[[], Any]]
"""Makes a call for features [rides, features], which the caller keeps."""


def _on_ready(features: LiteFile, ready: Ready) -> Callable[[Batches], Call]:
  def prepared(batches: Batches) -> Call:
    rows = [np.array(features.call(features.taken(batch))) for batch in batches]
    kept = [(ready(row), row) for row in rows]
    return lambda batch: kept[batch][0]()

  return prepared


def _after(features: LiteFile, ready: Ready) -> Callable[[Batches], Call]:
  def call(file: LiteFile, taken: Columns) -> Any:
    made = file.call(taken)
    return ready(made)()

  return _part(features, lambda file, taken: lambda batch: call(file, taken[batch]))


class FastBooster:
  """A LightGBM model by `LGBM_BoosterPredictForMatSingleRowFast`, called for each row."""

  _FLOAT32 = _NORMAL = 0

  def __init__(self, booster: Any) -> None:
    from lightgbm import basic

    self._library, self._booster, self._config = basic._LIB, booster, ctypes.c_void_p()
    self._check(
      self._library.LGBM_BoosterPredictForMatSingleRowFastInit(
        *(booster._handle, self._NORMAL, 0, -1, self._FLOAT32, ctypes.c_int32(booster.num_feature())),
        *(ctypes.c_char_p(b'num_threads=1'), ctypes.byref(self._config)),
      )
    )
    self._length = ctypes.c_int64()
    self._predict = self._library.LGBM_BoosterPredictForMatSingleRowFast
    self._predict.argtypes = [ctypes.c_void_p] * 4

  def _check(self, code: int) -> None:
    if code:
      self._library.LGBM_GetLastError.restype = ctypes.c_char_p
      raise RuntimeError(self._library.LGBM_GetLastError().decode())

  def ready(self, rows: np.ndarray) -> Callable[[], np.ndarray]:
    """A call for these rows, float32 [rides, columns], contiguous; it gives the same float64 [rides] each time."""
    found = np.empty(len(rows))
    row, out = (array.__array_interface__['data'][0] for array in (rows, found))
    places = [(row + ride * rows.strides[0], out + ride * found.itemsize) for ride in range(len(rows))]
    predict, config, length = self._predict, self._config, ctypes.addressof(self._length)

    def call() -> np.ndarray:
      for row, out in places:
        if code := predict(config, row, length, out):
          self._check(code)
      return found

    return call


def onnx_ways(run: Run, variants: Sequence[str]) -> Iterator[Way]:
  """The dense core in ONNX Runtime, on ready features."""
  try:
    import onnx
    import onnxruntime
  except ImportError:
    return _missing('onnx onnxruntime')
  features = LiteFile(halves(run.files[_DENSE])[0])
  # Where the file clips behind the point where it is cut, so does this.
  clip, most = run.config.model.clip, float(np.max(np.abs(features.call(features.taken(run.rides)))))
  clip = clip if clip and most > clip else None
  content = onnx_core(onnx, read_weights(str(run.saved_model)), run.config.model.activation, clip)
  options = onnxruntime.SessionOptions()
  options.intra_op_num_threads = options.inter_op_num_threads = 1
  session = onnxruntime.InferenceSession(content, options, providers=['CPUExecutionProvider'])

  def ready(rows: np.ndarray) -> Callable[[], np.ndarray]:
    return lambda: session.run(None, {FEATURES: rows})[0].reshape(-1)

  yield Way('ONNX Runtime, dense core, features ready', _on_ready(features, ready), content, run.fares, _CLOSE)


def onnx_core(onnx: Any, weights: Mapping[str, np.ndarray], activation: Activation, clip: float | None = None) -> bytes:
  """The dense layers as an ONNX model from `features` [batch, inputs], clipped first, to [batch, 1]."""
  from onnx import TensorProto, helper, numpy_helper

  dense = {name: kernel for name, kernel in kernels(weights).items() if not is_embedding(name)}
  nodes: list[Any] = []
  constants: list[Any] = []
  tensor = FEATURES

  def add(kind: str, name: str, *values: np.ndarray) -> None:
    nonlocal tensor
    given = [f'{name}/{kind}/{place}' for place in range(len(values))]
    constants.extend(numpy_helper.from_array(value, label) for value, label in zip(values, given, strict=True))
    nodes.append(helper.make_node(kind, [tensor, *given], [tensor := f'{name}/{kind}']))

  if clip:
    add('Clip', FEATURES, np.array(-clip, np.float32), np.array(clip, np.float32))
  for depth, (name, kernel) in enumerate(dense.items()):
    add('Gemm', name, kernel, biases(weights)[name])
    if depth == len(dense) - 1 or activation is Activation.LINEAR:
      continue
    if activation is Activation.RELU6:
      add('Clip', name, np.array(0, np.float32), np.array(6, np.float32))
    else:
      add({Activation.RELU: 'Relu', Activation.TANH: 'Tanh'}[activation], name)
  width = next(iter(dense.values())).shape[0]
  values = [
    helper.make_tensor_value_info(name, TensorProto.FLOAT, ['batch', columns])
    for name, columns in ((FEATURES, width), (tensor, 1))
  ]
  graph = helper.make_graph(nodes, 'dense_core', values[:1], values[1:], constants)
  # A format that older runtimes read, too.
  made = helper.make_model(graph, opset_imports=[helper.make_opsetid('', 17)], ir_version=8)
  onnx.checker.check_model(made)
  return made.SerializeToString()


def _missing(packages: str) -> None:
  print(f'Left out, as it needs packages that are not part of the project: pip install {packages}.')


WAYS: Sequence[Callable[[Run, Sequence[str]], Iterator[Way]]] = (
  lite_ways,
  half_ways,
  saved_model_ways,
  server_ways,
  lightgbm_ways,
  onnx_ways,
)
"""Each gives ways for the table; what a server or a browser takes is one more entry."""


def _part(file: LiteFile, made: Callable[[LiteFile, Batches], Call]) -> Callable[[Batches], Call]:
  """A call on a file whose inputs are set and that was invoked."""

  def prepared(batches: Batches) -> Call:
    taken = [file.taken(batch) for batch in batches]
    file.call(taken[0])
    return made(file, taken)

  return prepared


def _by_signature(content: bytes) -> Callable[[Batches], Call]:
  def prepared(batches: Batches) -> Call:
    file = LiteFile(content)
    return file.by_signature([file.taken(batch) for batch in batches])

  return prepared


def _whole(file: LiteFile) -> Callable[[Batches], Call]:
  return _part(file, lambda file, taken: lambda batch: file.call(taken[batch]))


def halves(content: bytes) -> tuple[bytes, bytes]:
  """A file cut in front of its dense core: raw columns to `features`, and from there to the fares.

  The core is the row of operators at the end that have one computed input each.
  """
  front, back = (schema.ModelT.InitFromPackedBuf(content, 0) for _ in range(2))
  graph = back.subgraphs[0]
  made_by = {int(index): operator for operator in graph.operators for index in operator.outputs}
  chain: list[Any] = []
  cut = int(graph.outputs[0])
  while len(computed := _computed(back, made_by[cut])) == 1:
    chain.insert(0, made_by[cut])
    [cut] = computed
  graph.operators, graph.inputs = chain, [cut]
  back.signatureDefs[0].inputs = [_named(cut)]
  front.subgraphs[0].operators = front.subgraphs[0].operators[: -len(chain)]
  front.subgraphs[0].outputs = [cut]
  front.signatureDefs[0].outputs = [_named(cut)]
  return pack(front), pack(back)


def _computed(model: Any, operator: Any) -> list[int]:
  """The inputs of an operator that are no constants."""
  tensors = model.subgraphs[0].tensors
  return [int(index) for index in operator.inputs if index >= 0 and model.buffers[tensors[index].buffer].data is None]


def _named(index: int) -> Any:
  named = schema.TensorMapT()
  named.name, named.tensorIndex = FEATURES, index
  return named


def columns_by_matrices(content: bytes) -> bytes:
  """The same file with each wide gather of columns as a product with a one-hot matrix, which delegates take."""
  model = schema.ModelT.InitFromPackedBuf(content, 0)
  graph = model.subgraphs[0]
  code = schema.OperatorCodeT()
  code.builtinCode = code.deprecatedBuiltinCode = schema.BuiltinOperator.FULLY_CONNECTED
  code.version = 1
  model.operatorCodes.append(code)
  for operator in graph.operators:
    if kind_of(model.operatorCodes[operator.opcodeIndex]) != schema.BuiltinOperator.GATHER:
      continue
    source, picked = (graph.tensors[index] for index in operator.inputs)
    indices = model.buffers[picked.buffer].data
    floats = source.type == schema.TensorType.FLOAT32
    if (
      operator.builtinOptions.axis != 1
      or not floats
      or indices is None
      or not len(picked.shape)
      or picked.shape[0] < _WIDE
    ):
      continue
    matrix = copy.copy(source)
    matrix.buffer, matrix.name, matrix.shapeSignature = len(model.buffers), None, None
    chosen = np.asarray(indices, np.uint8).view(np.int32)
    values = np.eye(int(source.shape[1]), dtype=np.float32)[chosen]
    matrix.shape = np.array(values.shape, np.int32)
    model.buffers.append(schema.BufferT())
    model.buffers[-1].data = np.frombuffer(values.tobytes(), np.uint8)
    graph.tensors.append(matrix)
    operator.inputs = [operator.inputs[0], len(graph.tensors) - 1, -1]
    operator.opcodeIndex = len(model.operatorCodes) - 1
    operator.builtinOptionsType = schema.BuiltinOptions.FullyConnectedOptions
    operator.builtinOptions = schema.FullyConnectedOptionsT()
  return pack(model)


def check(way: Way, rides: Columns) -> None:
  """Raises `SystemExit`: a way's fares are not those it has to give."""
  found = way.prepared([rides])(0)
  if way.fares is not None and not np.max(np.abs(np.asarray(found) - way.fares)) <= way.tolerance:
    raise SystemExit(f'{way.name} gives other fares than it should.')


def timed(ways: Sequence[Way], rides: Columns, rounds: int, calls: int) -> dict[str, list[list[float]]]:
  """Of each round the median microseconds of one ride, and the CPU's for each of all at once, by the way's name.

  Ways take turns. Single calls go through all rides, one after the other: a tree that gets the same one again is twice
  as fast, as the processor knows its branches by then. Calls of all at once are long enough to be interrupted, so that
  the clock would measure the neighbours.
  """
  singles = [{name: column[place : place + 1] for name, column in rides.items()} for place in range(_count(rides))]
  found: dict[str, list[list[float]]] = {way.name: [[], []] for way in ways}
  for turn in range(rounds):
    order = np.random.default_rng(turn).permutation(len(ways))
    for way in (ways[position] for position in order):
      one, many = found[way.name]
      one.append(_median(way.prepared(singles), len(singles), calls))
      many.append(_cpu(way.prepared([rides]), max(1, calls // _BATCH_CALLS), way.process) / _count(rides))
  return found


def _count(rides: Columns) -> int:
  return len(next(iter(rides.values())))


def _median(call: Call, batches: int, times: int) -> float:
  for time_of in range(_WARM_UP):
    call(time_of % batches)
  elapsed = []
  for time_of in range(times):
    batch = time_of % batches
    start = time.perf_counter_ns()
    call(batch)
    elapsed.append(time.perf_counter_ns() - start)
  return statistics.median(elapsed) / 1000


def _cpu(call: Call, times: int, process: int) -> float:
  """Microseconds of all threads for one call, another process's included."""
  call(0)
  start = time.process_time_ns() + _cpu_of(process)
  for _ in range(times):
    call(0)
  return (time.process_time_ns() + _cpu_of(process) - start) / times / 1000


def _cpu_of(process: int) -> int:
  """Nanoseconds that all threads of a process have been on a core; 0 of no process."""
  threads = pathlib.Path(f'/proc/{process}/task').glob('*/schedstat') if process else ()
  return sum(int(thread.read_text().split()[0]) for thread in threads)


def main(arguments: list[str] | None = None) -> None:
  """Prints a Markdown table; see `--help`."""
  parser = argparse.ArgumentParser(
    prog='python -m benchmarks.latency', description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
  )
  parser.add_argument('output', type=pathlib.Path, help='the output directory of a run')
  parser.add_argument('--variants', nargs='+', default=[_DENSE, 'pqat_80.int8'], help='lite files of the run')
  parser.add_argument('--batch', type=int, default=256)
  parser.add_argument('--rounds', type=int, default=15)
  parser.add_argument('--calls', type=int, default=300, help='of one ride each, in each round')
  options = parser.parse_args(arguments)
  tf.config.threading.set_intra_op_parallelism_threads(1)
  tf.config.threading.set_inter_op_parallelism_threads(1)
  run = Run.read(options.output, options.batch)
  if unknown := [name for name in options.variants if name not in run.files]:
    raise SystemExit(f'The run has no {", ".join(unknown)}; it has {", ".join(run.files)}.')
  ways = [way for give in WAYS for way in give(run, options.variants)]
  for way in ways:
    check(way, run.rides)
  found = timed(ways, run.rides, options.rounds, options.calls)
  print('\n'.join(_table(ways, found, _count(run.rides))))
  for name in options.variants:
    parts = [statistics.median(found[f'{name}: {part}, invoke'][0]) for part in ('features', 'core')]
    print(f'\nOf the time of {name} on one ride the features are {parts[0] / sum(parts):.0%}.', end='')
  print()


def _table(ways: Sequence[Way], found: Mapping[str, list[list[float]]], batch: int) -> Iterator[str]:
  yield f'| way | bytes | gzip | one ride, µs | CPU µs a ride in {batch} |'
  yield '| --- | ---: | ---: | ---: | ---: |'
  for way in ways:
    one, many = ((statistics.median(rounds), min(rounds), max(rounds)) for rounds in found[way.name])
    sizes = ('', '') if way.content is None else (f'{len(way.content):,}', f'{len(gzip.compress(way.content)):,}')
    spread = f'{one[0]:,.1f} ({one[1]:,.1f}–{one[2]:,.1f})'
    yield f'| {way.name} | {" | ".join(sizes)} | {spread} | {many[0]:,.2f} |'


if __name__ == '__main__':
  main()
