"""The course's compression tables on scikit-learn's digits: top-1, size, latency and sparsity of both nets, by seed.

`python -m benchmarks.digits --net plain --seeds 5` and `--net mobile`

Each seed takes another quarter of the 1,797 digits to judge and other initial weights. A cell is the mean over seeds of
the top-1 of the written file under LiteRT, its difference to the float32 file of the same seed in points, and the 95 %
t-interval of that difference over seeds. `--by-hand` adds, on the first seed, what tfmot and the converter give with
their defaults, and what of it nobody is told.
"""

from __future__ import annotations

import argparse
import dataclasses
import gzip
import json
import os
import pathlib
import statistics
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence

os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '2')
os.environ.setdefault('TF_USE_LEGACY_KERAS', '1')

import numpy as np
import sklearn.datasets
import tensorflow as tf
import tensorflow_model_optimization as tfmot

from configs.compression import Scheme, packaged_schemes
from configs.recipe import Recipe
from examples.digits.pipeline import TRAINING, task
from models.compiled_steps import CrossEntropy
from models.keras_compat import keras
from models.lite.interpreter import LiteRunner
from models.lite.variants import Variants
from models.protocols import RawExamples
from models.recipe_training import RecipeTraining
from models.serving import SharingExporter, kernels, read_weights
from models.task_metrics import metric_of
from models.tasks.building import builder
from models.tasks.examples import RawTaskExamples, TaskExamples, TaskInputs
from models.tasks.serving import TaskServing
from pipeline.study.folds import t_interval

LEVELS = (0.5, 0.75, 0.8, 0.875, 0.9)
STRUCTURES = ('unstructured', '4x1')
SCHEMES = packaged_schemes('float32', 'dynamic_range', 'int8', 'int8_per_channel', 'int16x8')
AIMS = {
  'qat.int8': ('top-1 within 0.5 points', -0.5),
  'dense.int8': ('top-1 within 1 point', -1.0),
  'pruned_80.float32': ('top-1 within 1 point', -1.0),
}
"""What the project aims at, by cell: the least difference to float32, in points."""


@dataclasses.dataclass(frozen=True)
class Cell:
  """A file of one seed. Attributes: zeros: share of the hidden kernels' weights."""

  top1: float
  content: bytes
  zeros: float


def recipes() -> Iterator[tuple[Recipe, tuple[str, ...]]]:
  """What is trained, and the names of the schemes that are written of it."""
  given = {recipe.name: recipe for recipe in TRAINING.recipes}
  yield given['dense'], tuple(scheme.name for scheme in SCHEMES)
  qat = given['qat']
  assert qat.quantization and given['pruned_80'].pruning
  yield qat, ('int8',)
  partial = qat.quantization.model_copy(update={'layers': ('hidden',)})
  yield qat.model_copy(update={'name': 'qat_partial', 'quantization': partial}), ('int8',)
  yield given['pqat_80'], ('int8',)
  yield given['clustered'], ('float32',)
  for structure in STRUCTURES:
    for level in LEVELS:
      pruning = given['pruned_80'].pruning.model_copy(update={'structure': structure, 'final_sparsity': level})
      kind = 'pruned' if structure == 'unstructured' else 'blocks'
      yield Recipe(name=f'{kind}_{100 * level:g}'.replace('.', '_'), pruning=pruning), ('float32',)


def split(seed: int) -> tuple[TaskExamples, RawTaskExamples]:
  """Three quarters to train on, and a quarter to judge, pixels from 0 to 1."""
  images, digits = sklearn.datasets.load_digits(return_X_y=True)
  order = np.random.default_rng(seed).permutation(len(digits))
  pictures, labels = (images / 16).astype(np.float32).reshape(-1, 8, 8, 1), digits.astype(np.float32)
  held, rest = np.split(order, [len(order) // 4])
  train = TaskExamples({'image': pictures[rest]}, labels[rest], np.arange(len(rest)), classifies=True)
  return train, RawTaskExamples({'image': pictures[held]}, labels[held], np.arange(len(held)), {})


def measure(net: str, seed: int, folder: pathlib.Path) -> dict[str, Cell]:
  """Trains all recipes of a seed and writes their files; the SavedModels stay in `folder`."""
  keras.backend.clear_session()
  wanted = [*recipes()]
  training = TRAINING.model_copy(update={'seed': seed, 'recipes': tuple(recipe for recipe, _ in wanted)})
  train, held_out = split(seed)
  build = builder(task(net), seed)
  inputs = TaskInputs(task(net), build(), None)
  RecipeTraining(
    training=training,
    described=net,
    unit='',
    build=build,
    examples=train,
    held_out=TaskExamples(held_out.columns, held_out.labels, held_out.groups, classifies=True),
    exporter=SharingExporter(lambda model: TaskServing(model, inputs)),
    logs=str(folder / 'logs'),
    checkpoints=str(folder / 'checkpoints'),
    objective=CrossEntropy,
    metric=metric_of(task(net)),
  ).run(str(folder / 'recipes'), 'model')
  variants = Variants(build, inputs, None, train, held_out)
  by_name = {scheme.name: scheme for scheme in SCHEMES}
  return {
    f'{recipe.name}.{name}': _cell(variants, recipe, by_name[name], str(folder / 'recipes' / recipe.name / 'model'))
    for recipe, names in wanted
    for name in names
  }


def _cell(variants: Variants, recipe: Recipe, scheme: Scheme, saved_model: str) -> Cell:
  content = variants.write(recipe, scheme, saved_model)
  found = [*kernels(read_weights(saved_model)).values()][:-1]
  zeros = sum(int((kernel == 0).sum()) for kernel in found) / sum(kernel.size for kernel in found)
  return Cell(top_1(content, variants.held_out), content, zeros)


def top_1(content: bytes, held_out: RawExamples) -> float:
  """Share of the digits that a file reads as they are."""
  return float((LiteRunner(content).predict(held_out.columns).argmax(axis=1) == held_out.labels).mean())


def latencies(files: Mapping[str, bytes], batch: int, rounds: int = 15) -> dict[str, float]:
  """Microseconds of a call with so many digits, by file: the median over rounds in which files take turns."""
  runners = {name: LiteRunner(content) for name, content in files.items()}
  image = {'image': np.zeros([batch, 8, 8, 1], np.float32)}
  seconds: dict[str, list[float]] = {name: [] for name in files}
  for _ in range(rounds):
    for name, runner in runners.items():
      runner.call(image)
      for _ in range(max(5, 100 // batch)):
        start = time.perf_counter()
        runner.call(image)
        seconds[name].append(time.perf_counter() - start)
  return {name: 1e6 * statistics.median(values) for name, values in seconds.items()}


def rows(cells: Sequence[Mapping[str, Cell]]) -> list[dict]:
  """A row for each file, from its cells by seed."""
  one, many = (latencies({name: cell.content for name, cell in cells[-1].items()}, batch) for batch in (1, 32))
  made = []
  for name in cells[0]:
    points = np.array([100 * (seed[name].top1 - seed['dense.float32'].top1) for seed in cells])
    low, high = t_interval(points) if len(points) > 1 else (float('nan'), float('nan'))
    made.append(
      {
        'name': name,
        'top1': float(np.mean([seed[name].top1 for seed in cells])),
        'points': float(points.mean()),
        'low': low,
        'high': high,
        'zeros': float(np.mean([seed[name].zeros for seed in cells])),
        'bytes': round(np.mean([len(seed[name].content) for seed in cells])),
        'gzip': round(np.mean([len(gzip.compress(seed[name].content)) for seed in cells])),
        'us_1': one[name],
        'us_32': many[name],
      }
    )
  return made


def shown(made: Sequence[Mapping]) -> Iterator[str]:
  """The table in Markdown, and the aims."""
  yield '| file | top-1 | to float32, points [95 %] | zero | bytes | gzip | µs, one | µs, 32 |'
  yield '|---|---|---|---|---|---|---|---|'
  for row in made:
    yield (
      f'| {row["name"]} | {100 * row["top1"]:.2f} % | {row["points"]:+.2f} [{row["low"]:+.2f}, {row["high"]:+.2f}] '
      f'| {row["zeros"]:.0%} | {row["bytes"]:,} | {row["gzip"]:,} | {row["us_1"]:.1f} | {row["us_32"]:.0f} |'
    )
  found = {row['name']: row for row in made}
  for name, (words, least) in AIMS.items():
    row = found[name]
    held = 'holds' if row['points'] >= least else 'does not hold'
    surely = ', surely' if row['low'] >= least or row['high'] < least else ''
    yield f'{name}: {words}: {held}{surely}, {row["points"]:+.2f} [{row["low"]:+.2f}, {row["high"]:+.2f}]'
  share = found['dense.float32']['gzip'] / found['pqat_80.int8']['gzip']
  yield f'pqat_80.int8: a sixth of float32 by gzip: {"holds" if share >= 6 else "does not hold"}, 1 / {share:.2f}'


def by_hand(net: str, folder: pathlib.Path) -> Iterator[str]:
  """What tfmot's and the converter's defaults make of the first seed's base: rows of a table in Markdown."""
  train, held_out = split(0)
  images, labels = train.inputs['image'], train.labels
  build = builder(task(net), 0)
  weights = build()
  weights.load_weights(str(folder / 'recipes' / 'dense' / 'model' / 'assets.extra' / 'fare_model.weights.h5'))
  pruning, schedules = tfmot.sparsity.keras, tfmot.sparsity.keras.PolynomialDecay
  steps = 12 * (len(labels) // 32)

  def tuned(model: keras.Model, epochs: int, *callbacks: keras.callbacks.Callback) -> keras.Model:
    model.compile(keras.optimizers.Adam(1e-3), 'sparse_categorical_crossentropy')
    model.fit(images, labels, batch_size=32, epochs=epochs, verbose=0, callbacks=[*callbacks])
    return model

  def copy() -> keras.Model:
    made = keras.models.clone_model(weights)
    made.set_weights(weights.get_weights())
    return made

  def converted(model: keras.Model, optimized: bool = True, representative: bool = False) -> bytes:
    converter = tf.lite.TFLiteConverter.from_keras_model(model)
    converter.optimizations = [tf.lite.Optimize.DEFAULT] if optimized else []
    if representative:
      converter.representative_dataset = lambda: ([image[np.newaxis]] for image in images[:200])
    return converter.convert()

  pruned = tuned(
    pruning.prune_low_magnitude(copy(), schedules(0.0, 0.8, 0, int(0.6 * steps), frequency=20)),
    12,
    pruning.UpdatePruningStep(),
  )
  stripped = pruning.strip_pruning(pruned)
  aware = tuned(tfmot.quantization.keras.quantize_model(stripped), 8)
  made = {
    'converter, no options': converted(copy(), optimized=False),
    'optimizations=DEFAULT': converted(copy()),
    'DEFAULT, representative dataset': converted(copy(), representative=True),
    'pruned, not stripped': converted(pruned, optimized=False),
    'pruned, stripped': converted(stripped, optimized=False),
    'pruned, then quantize_model, no options': converted(aware, optimized=False),
    'pruned, then quantize_model, DEFAULT': converted(aware),
  }
  yield '| by hand | top-1 | zero | bytes | gzip | input |'
  yield '|---|---|---|---|---|---|'
  for name, content in made.items():
    interpreter = tf.lite.Interpreter(model_content=content)
    found = _run(interpreter, held_out.columns['image'])
    given = interpreter.get_input_details()[0]
    zeros = _zeros(interpreter)
    yield (
      f'| {name} | {100 * (found == held_out.labels).mean():.2f} % | {zeros:.0%} | {len(content):,} '
      f'| {len(gzip.compress(content)):,} | {given["dtype"].__name__} {given["shape_signature"].tolist()} |'
    )
  for name, model in (('pruned, not stripped', pruned), ('pruned, stripped', stripped)):
    path = folder / 'by_hand.h5'
    model.save(path, include_optimizer=False)
    yield f'| {name}, as .h5 | | | {path.stat().st_size:,} | {len(gzip.compress(path.read_bytes())):,} | |'


def _run(interpreter: tf.lite.Interpreter, images: np.ndarray) -> np.ndarray:
  """The most likely digit of each image."""
  (given,), (output,) = interpreter.get_input_details(), interpreter.get_output_details()
  interpreter.resize_tensor_input(given['index'], images.shape)
  interpreter.allocate_tensors()
  interpreter.set_tensor(given['index'], images)
  interpreter.invoke()
  return interpreter.get_tensor(output['index']).argmax(axis=1)


def _zeros(interpreter: tf.lite.Interpreter) -> float:
  """Share of a file's constant weights that are zero, of tensors of more than 500 values."""
  zero = size = 0
  for tensor in interpreter.get_tensor_details():
    if np.prod(tensor['shape']) <= 500:
      continue
    try:
      values = interpreter.get_tensor(tensor['index'])
    except ValueError:
      continue  # An activation.
    if tensor['shape_signature'].size and tensor['shape_signature'][0] == -1:
      continue
    zero, size = zero + int((values == 0).sum()), size + values.size
  return zero / max(1, size)


def main(arguments: list[str] | None = None) -> None:
  """Prints tables; see `--help`."""
  parser = argparse.ArgumentParser(
    prog='python -m benchmarks.digits', description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
  )
  parser.add_argument('--net', choices=('plain', 'mobile'), default='plain')
  parser.add_argument('--seeds', type=int, default=5)
  parser.add_argument('--by-hand', action='store_true')
  parser.add_argument('--output', type=pathlib.Path, help='a JSON file to write')
  options = parser.parse_args(arguments)
  cells = []
  with tempfile.TemporaryDirectory() as name:
    for seed in range(options.seeds):
      start = time.monotonic()
      cells.append(measure(options.net, seed, pathlib.Path(name) / str(seed)))
      print(f'seed {seed}: {time.monotonic() - start:.0f} s', flush=True)
    made = rows(cells)
    if options.output:
      options.output.write_text(json.dumps({'net': options.net, 'seeds': options.seeds, 'rows': made}, indent=2))
    print(*shown(made), sep='\n', flush=True)
    if options.by_hand:
      print(*by_hand(options.net, pathlib.Path(name) / '0'), sep='\n')


if __name__ == '__main__':
  main()
