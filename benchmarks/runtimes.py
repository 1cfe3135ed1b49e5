"""Every lite file of a run on every runtime that PyPI has: how far its fares are from those of this environment.

    farelite run --set 'training.recipes=[dense,pqat_80,clustered_16]' --output out/run
    python -m benchmarks.runtimes out/run --venvs /tmp/runtimes

Each version of `tflite-runtime` and `ai-edge-litert`, and with `--tensorflow` a few of TensorFlow from before there
was either, is installed into a virtual environment of its own, by an interpreter that it has a wheel for. The
interpreters are those of `--python`, or else those on the PATH and of pyenv. A cell is the largest difference of a fare
over the eval rides, in the city's currency; **bold** where it is beyond the tolerance that a pushed version states
with its golden rides. `refused` is a file that a runtime does not take: it says so, and gives no fare. Of each file
there are two damaged copies: the first dense layer's weights have the other sign, or the last bias is off by 1.4
tolerances. The last column says how many of those that a runtime runs are found by the golden rides. What could not be
installed is said below the table.
"""

from __future__ import annotations

import argparse
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '2')
os.environ.setdefault('TF_USE_LEGACY_KERAS', '1')

import numpy as np

from configs.errors import UserError

_VERSIONS = {
  'tflite-runtime': ('2.7.0', '2.8.0', '2.9.1', '2.10.0', '2.11.0', '2.12.0', '2.13.0', '2.14.0'),
  'ai-edge-litert': ('1.0.1', '1.1.2', '1.2.0', '1.3.0', '1.4.0', '2.0.3', '2.1.6', '2.2.0', '2.3.0'),
  'tensorflow-cpu': ('2.3.4', '2.4.4', '2.5.3', '2.6.5'),
}
"""The last release of each minor version. TensorFlow's are older than the others, one of them than any file states."""

RUNTIMES, TENSORFLOW = (
  tuple(f'{package}=={version}' for package in packages for version in _VERSIONS[package])
  for packages in (('tflite-runtime', 'ai-edge-litert'), ('tensorflow-cpu',))
)

_FIRST = {'tflite-runtime': '3.9', 'ai-edge-litert': '3.11', 'tensorflow-cpu': '3.8'}
"""The Python that is tried first: most versions of a package have a wheel for it."""

_SOURCES = ('--no-binary', 'clang,termcolor,wrapt')
"""TensorFlow 2.4 to 2.6 ask for versions of these small packages that have no wheel."""

_INTERPRETERS = tuple(f'python3.{minor}' for minor in range(14, 5, -1))

_WORKER = """
import sys
import numpy as np

def interpreter(path):
  for module in ("tflite_runtime.interpreter", "ai_edge_litert.interpreter"):
    try:
      return __import__(module, fromlist=["Interpreter"]).Interpreter(model_path=path)
    except ImportError:
      pass
  import tensorflow as tf
  return tf.lite.Interpreter(model_path=path)

def fares(path, columns):
  model = interpreter(path)
  for detail in model.get_input_details():
    model.resize_tensor_input(detail["index"], [len(columns[detail["name"]])])
  model.allocate_tensors()
  for detail in model.get_input_details():
    model.set_tensor(detail["index"], columns[detail["name"]])
  model.invoke()
  return model.get_tensor(model.get_output_details()[0]["index"])

rides, folder = sys.argv[1:3]
with np.load(rides) as loaded:
  columns = dict(loaded)
for number, path in enumerate(sys.argv[3:]):
  try:
    np.save("%s/%d.npy" % (folder, number), fares(path, columns))
  except (RuntimeError, ValueError) as error:
    print(number, error, file=sys.stderr)
"""
"""Runs files in a runtime's environment, with nothing of this project; any Python from 3.6 on."""


_RIDES = 'rides.npz'

_SHIFT = 1.4
"""Tolerances: three and a half steps of an 8-bit output, of which other kernels may take one back."""


class Runtime(NamedTuple):
  """An installed runtime: what was asked for, and the interpreter of its environment with its version."""

  requirement: str
  python: pathlib.Path
  version: str


class Reference(NamedTuple):
  """A file and what is known of it here.

  Attributes:
    file: as the run wrote it.
    damaged: copies that give other fares.
    fares: here, [rides].
    golden: rows of the golden rides.
    tolerance: how far another runtime may be off.
    oldest: the oldest runtime that the file states.
  """

  file: pathlib.Path
  damaged: tuple[pathlib.Path, ...]
  fares: np.ndarray
  golden: np.ndarray
  tolerance: float
  oldest: str


class Outcome(NamedTuple):
  """What a runtime made of a file.

  Attributes:
    text: of the cell.
    found: for each damaged copy that ran, whether the golden rides tell.
    broken: whether it is not what the file states: beyond, refused, or damage passed.
  """

  text: str
  found: tuple[bool, ...]
  broken: bool


def main(arguments: Sequence[str] | None = None) -> None:
  """Prints a Markdown table; see `--help`. The exit status is 1 where a runtime that a file states is beyond.

  It is 1 as well where such a runtime lets a damaged copy pass, and 2, with a sentence, where there is no run to read.
  """
  parser = argparse.ArgumentParser(prog='python -m benchmarks.runtimes', description=__doc__.splitlines()[0])
  parser.add_argument('run', type=pathlib.Path, help='the output directory of a run')
  parser.add_argument('--runtime', action='append', metavar='PACKAGE==VERSION', help='instead of all; may be repeated')
  parser.add_argument('--tensorflow', action='store_true', help=f'also {", ".join(TENSORFLOW)}')
  parser.add_argument('--python', action='append', metavar='FILE', help='an interpreter; may be repeated')
  parser.add_argument('--venvs', type=pathlib.Path, help='keeps the environments here; by default they are removed')
  options = parser.parse_args(arguments)
  wanted = tuple(options.runtime or (*(TENSORFLOW if options.tensorflow else ()), *RUNTIMES))
  with tempfile.TemporaryDirectory(prefix='runtimes-') as folder:
    work = pathlib.Path(folder)
    try:
      references = _references(options.run, work)
    except UserError as error:
      parser.exit(2, f'{error}\n')
    pythons = _interpreters(options.python)
    failed = False
    print(f'| runtime | Python | {" | ".join(references)} | damage found |')
    print(f'|---|---|{"---:|" * (len(references) + 1)}', flush=True)
    missing = []
    for requirement in wanted:
      found = _installed(requirement, pythons, options.venvs or work)
      if isinstance(found, str):
        missing.append(f'{requirement}: {found}')
        continue
      outcomes = _outcomes(found, list(references.values()), work)
      failed |= any(outcome.broken for outcome in outcomes)
      damage = [one for outcome in outcomes for one in outcome.found]
      cells = (*(outcome.text for outcome in outcomes), f'{sum(damage)} of {len(damage)}')
      print(f'| {requirement.replace("==", " ")} | {found.version} | {" | ".join(cells)} |', flush=True)
    print(f'| *tolerance* | | {" | ".join(f"{reference.tolerance:.2f}" for reference in references.values())} | |')
    print(f'| *`min_runtime_version`* | | {" | ".join(reference.oldest for reference in references.values())} | |')
  for sentence in missing:
    print(f'\nNot installed: {sentence}')
  sys.exit(int(failed))


def _references(run: pathlib.Path, work: pathlib.Path) -> dict[str, Reference]:
  """The files of the newest conversion of a run by variant, with their fares here.

  Writes the eval rides and the damaged copies into `work`. Raises `UserError` where the run has none.
  """
  from components.compression_gate.pushed_version import spread_elsewhere
  from components.compression_gate.rides import RideVersion, read_eval_rides
  from components.quantization_rewriter.records import VARIANTS_FILE, VariantsRecord
  from configs.loading import load
  from models.lite.client import LiteModel
  from models.lite.inspection import LiteFile

  if not (run / 'config.yaml').is_file():
    raise UserError(f"'{run}' is no run's output directory; make one with farelite run --output {run}.")
  config = load(str(run / 'config.yaml'))
  schemes = {scheme.name: scheme for scheme in config.compression.schemes}
  split = _newest(run, 'RideExampleGen', 'examples') / 'Split-eval'
  rides = read_eval_rides([str(path) for path in split.iterdir()], config.dataset, config.evaluation.slices)
  version, arrays = RideVersion(config.dataset, rides), dict[str, Any](rides.columns)
  np.savez(work / _RIDES, **arrays)
  folder = _newest(run, 'QuantizationRewriter', 'variants')
  record = VariantsRecord.parse((folder / VARIANTS_FILE).read_text(), folder / VARIANTS_FILE)
  found = {}
  for variant in record.variants:
    if variant.file is not None:
      content = (folder / variant.file).read_bytes()
      file, fares = LiteFile(content), LiteModel(content).predict(rides.columns)
      tolerance = version.tolerance(spread_elsewhere(content, schemes[variant.scheme], fares))
      damaged = _damaged(content, tolerance, work / variant.name)
      rows = version.golden_rows(fares)
      found[variant.name] = Reference(folder / variant.file, damaged, fares, rows, tolerance, file.runtime_version())
  return found


def _damaged(content: bytes, tolerance: float, folder: pathlib.Path) -> tuple[pathlib.Path, ...]:
  """Writes two copies with wrong fares: the first dense layer has the other sign, or the last bias is off by little."""
  from tensorflow.lite.python import schema_py_generated as schema

  from models.lite.flatbuffer import kind_of, pack, type_name

  folder.mkdir()
  files = folder / 'negated.tflite', folder / 'shifted.tflite'
  for file in files:
    model = schema.ModelT.InitFromPackedBuf(content, 0)
    [graph] = model.subgraphs
    kinds = [kind_of(model.operatorCodes[operator.opcodeIndex]) for operator in graph.operators]
    dense = [index for index, kind in enumerate(kinds) if kind == schema.BuiltinOperator.FULLY_CONNECTED]
    negate = file is files[0]
    tensor = _stored(graph, graph.operators[dense[0]].inputs[1] if negate else graph.operators[dense[-1]].inputs[2])
    values = np.asarray(model.buffers[tensor.buffer].data, np.uint8).view(type_name(tensor.type))
    changed = -values if negate else values + _in_type(_SHIFT * tolerance, values.dtype, tensor.quantization)
    model.buffers[tensor.buffer].data = changed.view(np.uint8)
    file.write_bytes(pack(model))
  return files


def _stored(graph: Any, index: int) -> Any:
  """The constant itself; float16 is stored before a DEQUANTIZE."""
  makers = {int(made): operator for operator in graph.operators for made in operator.outputs}
  while int(index) in makers:
    index = makers[int(index)].inputs[0]
  return graph.tensors[int(index)]


def _in_type(amount: float, dtype: np.dtype[Any], quantization: Any) -> np.generic:
  return dtype.type(round(amount / float(quantization.scale[0])) if dtype.kind == 'i' else amount)


def _newest(run: pathlib.Path, step: str, output: str) -> pathlib.Path:
  folder = run / 'artifacts' / step / output
  if not folder.is_dir() or not any(folder.iterdir()):
    raise UserError(f"The run in '{run}' has no {output} of {step}; let it end with farelite run --output {run}.")
  return max(folder.iterdir(), key=lambda path: int(path.name))


def _interpreters(given: Sequence[str] | None) -> dict[str, pathlib.Path]:
  """Interpreters that start, the newest first, by their versions such as `3.9`."""
  pyenv = pathlib.Path(os.environ.get('PYENV_ROOT', pathlib.Path.home() / '.pyenv'))
  known = [*pyenv.glob('versions/*/bin/python'), *filter(None, map(shutil.which, _INTERPRETERS))]
  found: dict[str, pathlib.Path] = {}
  for path in map(pathlib.Path, given or map(str, known)):
    command = [str(path), '-c', 'import sys; print("%d.%d" % sys.version_info[:2])']
    asked = subprocess.run(command, capture_output=True, text=True)
    version = asked.stdout.strip()
    if asked.returncode == 0 and re.fullmatch(r'3\.\d+', version):
      found.setdefault(version, path)
  return dict(sorted(found.items(), key=lambda item: -int(item[0][2:])))


def _installed(requirement: str, pythons: Mapping[str, pathlib.Path], folder: pathlib.Path) -> Runtime | str:
  """A runtime in an environment of its own, there from an earlier call or made now; or why there is none."""
  reason = 'no interpreter was found; name one with --python.'
  for version in pythons:
    home = folder / f'{requirement.replace("==", "-")}-py{version}'
    if (home / 'complete').exists():
      return Runtime(requirement, home / 'bin' / 'python', version)
  first = _FIRST.get(requirement.partition('==')[0])
  for version, interpreter in sorted(pythons.items(), key=lambda item: item[0] != first):
    home = folder / f'{requirement.replace("==", "-")}-py{version}'
    python = home / 'bin' / 'python'
    shutil.rmtree(home, ignore_errors=True)
    made = subprocess.run([interpreter, '-m', 'venv', home], capture_output=True, text=True)
    if made.returncode:
      continue
    for packages in _attempts(requirement):
      pip = [
        str(python),
        '-m',
        'pip',
        'install',
        '-q',
        '--disable-pip-version-check',
        '--only-binary',
        ':all:',
        *packages,
      ]
      ended = subprocess.run(pip, capture_output=True, text=True)
      if ended.returncode == 0 and subprocess.run([str(python), '-c', _LOADS], capture_output=True).returncode == 0:
        (home / 'complete').touch()
        return Runtime(requirement, python, version)
    reason = f'no wheel that installs and loads for Python {", ".join(pythons)}.'
    shutil.rmtree(home, ignore_errors=True)
  return reason


_LOADS = """
for name in ("tflite_runtime", "ai_edge_litert"):
  try:
    __import__(name + ".interpreter")
    break
  except ImportError as error:
    if getattr(error, "name", "") != name:
      raise
else:
  import tensorflow
"""
"""Old wheels of NumPy 1 load only beside it."""


def _attempts(requirement: str) -> Iterator[tuple[str, ...]]:
  yield requirement, 'numpy<2', *(('protobuf<3.21', *_SOURCES) if requirement.startswith('tensorflow') else ())
  yield (requirement,)


def _outcomes(runtime: Runtime, references: Sequence[Reference], work: pathlib.Path) -> list[Outcome]:
  files = [file for reference in references for file in (reference.file, *reference.damaged)]
  with tempfile.TemporaryDirectory(dir=work) as folder:
    command = [str(runtime.python), '-c', _WORKER, str(work / _RIDES), folder, *map(str, files)]
    subprocess.run(command, capture_output=True, cwd=work)
    results = [pathlib.Path(folder, f'{number}.npy') for number in range(len(files))]
    fares = {file: np.load(result) if result.exists() else None for file, result in zip(files, results, strict=True)}
  return [_outcome(runtime, reference, fares) for reference in references]


def _outcome(runtime: Runtime, reference: Reference, fares: Mapping[pathlib.Path, np.ndarray | None]) -> Outcome:
  stated = _release(runtime.requirement) >= tuple(int(part) for part in reference.oldest.split('.'))
  given = fares[reference.file]
  if given is None:
    return Outcome('**refused**' if stated else 'refused', (), stated)
  largest = _largest(given - reference.fares)
  beyond = largest > reference.tolerance
  text = '0' if largest == 0 else f'{largest:.2g}'
  ran = [copy for copy in (fares[file] for file in reference.damaged) if copy is not None]
  found = tuple(_largest((copy - reference.fares)[reference.golden]) > reference.tolerance for copy in ran)
  return Outcome(f'**{text}**' if beyond else text, found, stated and (beyond or not all(found)))


def _largest(apart: np.ndarray) -> float:
  """Of differences; infinity where one is no number."""
  return float(np.max(np.abs(apart))) if np.isfinite(apart).all() else float('inf')


def _release(requirement: str) -> tuple[int, ...]:
  """What a runtime counts as in TFLite's versions; LiteRT's own begin after 2.17."""
  package, _, version = requirement.partition('==')
  return (2, 18, 0) if package == 'ai-edge-litert' else tuple(int(part) for part in version.split('.'))


if __name__ == '__main__':
  main()
