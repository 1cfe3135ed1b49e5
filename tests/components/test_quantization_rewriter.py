"""Every recipe in every scheme, before a real Transform graph; the cache of finished variants; the compiled step."""

import dataclasses
import errno
import fcntl
import functools
import gzip
import hashlib
import json
import pathlib
import shutil
import subprocess
import sys
import threading
from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_transform as tft
import tensorflow_transform.beam as tft_beam
import yaml
from tensorflow_transform.tf_metadata import dataset_metadata, schema_utils
from tfx.dsl.components.common import importer
from tfx.orchestration import pipeline
from tfx.orchestration.kubeflow.v2 import kubeflow_v2_dag_runner
from tfx.types import standard_artifacts

from components.artifacts import LiteVariants
from components.quantization_rewriter import implementations
from components.quantization_rewriter.claims import Claims
from components.quantization_rewriter.component import QuantizationRewriter, QuantizationRewriterExecutor
from components.quantization_rewriter.rewriting import rewrite_all, rewrite_ready
from configs import loading
from configs.compression import Compression, Scheme
from configs.dataset import LABEL, TIME
from configs.errors import FailedError
from configs.recipe import Pruning, Quantization, Recipe
from models.compression import layers
from models.compression.quantized_model import on_grid, quantized_model
from models.fare_model import build_fare_model, builder
from models.lite import quantizer_compat
from models.lite.client import LiteModel
from models.lite.microcontroller import integer_part
from models.lite.rides import RideInputs
from models.lite.variants import Variants
from models.recipe_training import WEIGHTS
from models.rides import RawRides, Rides
from models.serving import EXTRA, Exporter
from models.settings import Settings
from models.training import predict
from tests.models.lite.small_files import some_rides
from transforms.catalogue import categoricals
from transforms.engineering import catalogue
from transforms.preprocessing import preprocessing_fn

CONFIG = loading.load(
  'nyc', ['model.hidden=[16, 8]', 'features.crosses.enabled=true', 'features.crosses.crosses=[hour_of_week]']
)
SETTINGS = Settings(CONFIG.dataset, CONFIG.features, CONFIG.model, CONFIG.training)
RIDES = 240
RECIPES = (
  Recipe(name='dense'),
  Recipe(name='pruned', pruning=Pruning(final_sparsity=0.75)),
  Recipe(name='qat', quantization=Quantization()),
)
SCHEMES = (
  Scheme(name='float32', precision='float32', tolerance=1e-3),
  Scheme(name='int8', precision='int8'),
  # More than 8 bits can keep.
  Scheme(name='strict', precision='int8', tolerance=1e-9),
)
FIELDS = {
  *('name', 'recipe', 'scheme', 'file', 'bytes', 'gzip_bytes', 'sha256', 'feature_bytes', 'sparsity', 'metadata_bytes'),
  *('distinct_weights', 'types', 'calibration_rides', 'difference', 'seconds', 'cached', 'reason'),
  *('output_step', 'layer_errors'),
}


def _transform_graph(root, rides):
  configs = {'dataset': CONFIG.dataset, 'features': CONFIG.features, 'slices': CONFIG.evaluation.slices}
  function = functools.partial(
    preprocessing_fn, custom_config={name: config.model_dump_json() for name, config in configs.items()}
  )
  spec = {name: tf.io.FixedLenFeature([], tf.int64 if name == TIME else tf.float32) for name in (*rides, LABEL)}
  metadata = dataset_metadata.DatasetMetadata(schema_utils.schema_from_feature_spec(spec))
  rows = [dict(zip(rides, row, strict=True)) | {LABEL: 9.5} for row in zip(*rides.values(), strict=True)]
  with tft_beam.Context(temp_dir=str(root / 'temp')):
    _, transform = (rows, metadata) | tft_beam.AnalyzeAndTransformDataset(function)
    _ = transform | tft_beam.WriteTransformFn(str(root / 'transform'))
  return tft.TFTransformOutput(str(root / 'transform'))


def _model():
  width = len(catalogue(CONFIG.dataset, CONFIG.features))
  model = build_fare_model(CONFIG.model, width, categoricals(CONFIG.dataset, CONFIG.features), 10.0, seed=3)
  kernel = layers.kernel_layers(model)['fare'].kernel
  # Untrained, all fares are nearly the same.
  kernel.assign(10 * kernel)
  return model


def _shaped(recipe):
  """An untrained model with what the recipe's training would leave in it."""
  model = _model()
  for name, layer in layers.kernel_layers(model).items():
    if recipe.pruning and name != 'fare':
      kernel = layer.kernel.numpy()
      layer.kernel.assign(np.where(np.abs(kernel) < np.quantile(np.abs(kernel), 0.75), 0, kernel))
    if recipe.quantization:
      layer.kernel.assign(on_grid(layer.kernel.numpy()))
  return model


class Made:
  """A Transform graph, rides, and a SavedModel per recipe."""

  def __init__(self, root):
    self.root = root
    self.columns = some_rides(CONFIG, RIDES)
    graph = _transform_graph(
      root, {name: column.astype('int64' if name == TIME else 'float32') for name, column in self.columns.items()}
    )
    self.transform = graph.transform_features_layer()
    raw = {name: tf.constant(column, tf.int64 if name == TIME else tf.float32) for name, column in self.columns.items()}
    found = self.transform(raw)
    self.inputs = {name: found[name].numpy() for name in _model().input_names}
    exporter = Exporter(graph, CONFIG.dataset)
    self.saved_models = {recipe.name: self._export(exporter, recipe) for recipe in RECIPES}

  def _export(self, exporter, recipe):
    plain, directory = _shaped(recipe), self.root / 'models' / recipe.name
    model = plain
    if recipe.quantization:
      model = quantized_model(plain, recipe.quantization, self._ranges(plain))
    exporter.export(model, str(directory), 'quantized' if recipe.quantization else 'plain')
    (directory / EXTRA).mkdir(exist_ok=True)
    plain.save_weights(str(directory / EXTRA / WEIGHTS))
    return str(directory)

  def _ranges(self, plain):
    """Wide enough for all; these tests are not about accuracy."""
    names = ('input', *layers.kernel_layers(plain))
    fares = predict(plain, self.rides)
    return dict.fromkeys(names, (-20.0, 20.0)) | {'fare': (float(fares.min()), float(fares.max()))}

  @property
  def rides(self):
    return Rides(self.inputs, np.arange(RIDES, dtype=np.float32), self.columns[TIME])

  def variants(self):
    raw = RawRides(self.columns, self.rides.fares)
    return Variants(builder(SETTINGS, self.rides, 0.0), RideInputs(CONFIG.dataset), self.transform, self.rides, raw)

  def rewrite(self, directory, recipes=RECIPES, schemes=SCHEMES, cache='cache', saved_models=None):
    directory.mkdir(exist_ok=True)
    models = saved_models or self.saved_models
    return rewrite_all(self.variants(), recipes, schemes, models, str(directory), str(self.root / cache)).to_dict()


@pytest.fixture(scope='module')
def made(tmp_path_factory):
  return Made(tmp_path_factory.mktemp('rewriter'))


@pytest.fixture(scope='module')
def first(made):
  """The folder and the content of a first run."""
  return made.root / 'first', made.rewrite(made.root / 'first')


def test_another_quantizer_makes_its_own_files_anew(made, monkeypatch):
  recipe, variants = RECIPES[0], made.variants()
  schemes = [Scheme(name=name, precision=name) for name in ('dynamic_int4', 'weight_only_int8', 'dynamic_range')]
  digests = []
  for version in ('some_quantizer 1', 'some_quantizer 2'):
    monkeypatch.setattr(quantizer_compat, 'version', lambda version=version: version)
    digests.append([variants.digest(recipe, scheme, made.saved_models[recipe.name]) for scheme in schemes])
  assert [one == other for one, other in zip(*digests, strict=True)] == [False, False, True]


def _by_name(content):
  return {variant['name']: variant for variant in content['variants']}


def test_every_recipe_in_every_scheme(made, first):
  """Oracle: the files themselves, and their bytes by hashlib and gzip."""
  directory, content = first
  assert json.loads((directory / 'variants.json').read_text()) == content
  assert [one['name'] for one in content['variants']] == [f'{r.name}.{s.name}' for r in RECIPES for s in SCHEMES]
  for variant in (one for one in content['variants'] if one['scheme'] != 'strict'):
    assert set(variant) == FIELDS
    assert (variant['reason'], variant['cached']) == (None, False), variant['name']
    file = (directory / variant['file']).read_bytes()
    assert (variant['bytes'], variant['sha256']) == (len(file), hashlib.sha256(file).hexdigest())
    assert variant['gzip_bytes'] == len(gzip.compress(file, 9, mtime=0))
    assert 0 < variant['feature_bytes'] == content['features']['bytes'] < variant['bytes']
    assert set(variant['types'].values()) == {variant['scheme']}
    fares = LiteModel(file).predict(made.columns)
    assert fares.shape == (RIDES,)


def test_what_is_recorded_of_a_variant(first):
  """Oracle: zeros counted in the model; 8 bits may round further weights to zero."""
  found = _by_name(first[1])
  kernels = [layers.kernel(layer).numpy() for layer in layers.leaves(_shaped(RECIPES[1])) if layer.weights]
  zeros, size = (sum(counts) for counts in zip(*((np.sum(one == 0), one.size) for one in kernels), strict=True))
  assert found['dense.int8']['calibration_rides'] == RIDES
  assert found['dense.float32']['calibration_rides'] is None
  assert found['qat.int8']['calibration_rides'] is None, 'training gave the ranges'
  assert found['dense.float32']['sparsity'] < 0.05
  assert found['pruned.float32']['sparsity'] == pytest.approx(zeros / size)
  assert 0.3 < zeros / size <= found['pruned.int8']['sparsity']
  assert found['dense.int8']['distinct_weights'] <= 256 < found['dense.float32']['distinct_weights']
  assert found['dense.float32']['difference'] < 1e-3 < found['dense.int8']['difference'] < 0.05


def test_a_lost_variant_has_a_reason_and_no_file(first):
  directory, content = first
  for recipe in RECIPES[:2]:
    lost = _by_name(content)[f'{recipe.name}.strict']
    assert lost['file'] is None
    assert lost['reason'].startswith("Its fares differ from the float model's by 0.")
    assert lost['reason'].endswith(' of their standard deviation; strict allows 1e-09.')
  assert {path.stem for path in directory.glob('*.tflite')} == {
    variant['name'] for variant in content['variants'] if variant['file']
  }


def test_a_second_run_converts_nothing_again(made, first, tmp_path):
  again, before = _by_name(made.rewrite(tmp_path / 'again')), _by_name(first[1])
  for name, variant in again.items():
    if variant['file']:
      assert variant == before[name] | {'cached': True}
      assert (tmp_path / 'again' / variant['file']).read_bytes() == (first[0] / variant['file']).read_bytes()
    else:
      assert not variant['cached'], 'what was lost is tried again'


@pytest.mark.parametrize('content', [pytest.param(b'', id='empty'), pytest.param(None, id='one_bit_in_the_file')])
def test_a_damaged_variant_is_made_anew(made, first, tmp_path, content):
  """Oracle: the file of the first run; the one after finds a whole one again."""
  kept = made.root / f'of {tmp_path.name}'
  shutil.copytree(made.root / 'cache', kept)
  for file in kept.iterdir():
    whole = file.read_bytes()
    file.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]) if content is None else content)
  for cached in (False, True):
    found = made.rewrite(tmp_path / f'{cached}', RECIPES[:1], SCHEMES[:1], cache=kept.name)
    assert [variant['cached'] for variant in found['variants']] == [cached]
    name = found['variants'][0]['file']
    assert (tmp_path / f'{cached}' / name).read_bytes() == (first[0] / name).read_bytes()


def test_a_new_scheme_converts_only_itself(made, first, tmp_path):
  schemes = (SCHEMES[0], Scheme(name='float16', precision='float16'))
  found = made.rewrite(tmp_path / 'more', RECIPES[:2], schemes)['variants']
  assert {variant['name']: variant['cached'] for variant in found} == {
    'dense.float32': True,
    'dense.float16': False,
    'pruned.float32': True,
    'pruned.float16': False,
  }


def test_a_changed_weight_converts_again(made, first, tmp_path):
  """Here the changed model is the other recipe's."""
  found = made.rewrite(
    tmp_path / 'changed', RECIPES[:1], SCHEMES[:2], saved_models={'dense': made.saved_models['pruned']}
  )
  assert [variant['cached'] for variant in found['variants']] == [False, False]
  assert found['variants'][0]['sha256'] == _by_name(first[1])['pruned.float32']['sha256']


def test_the_bytes_do_not_hang_on_what_the_process_did_before(made, first, tmp_path):
  """Keras numbers layers through a whole process, and names of layers end in files."""
  recipe = RECIPES[2]
  for _ in range(3):
    plain = _shaped(recipe)
    quantized_model(plain, recipe.quantization, made._ranges(plain))
  found = made.rewrite(tmp_path / 'later', [recipe], cache='later')
  earlier = _by_name(first[1])
  digests = {name: (one.get('sha256'), earlier[name].get('sha256')) for name, one in _by_name(found).items()}
  assert all(now == before for now, before in digests.values()) and len(set(digests.values())) > 2


def test_an_integer_only_file_has_its_integer_part_beside_it(made, tmp_path):
  """For microcontrollers; from the cache too, and not beside a file that is lost."""
  scheme = Scheme(name='whole_numbers', precision='int8', integer_only=True)
  schemes = (SCHEMES[0], scheme, scheme.model_copy(update={'name': 'strict', 'tolerance': 1e-9}))
  found = [made.rewrite(tmp_path / name, RECIPES[:1], schemes, cache='parts') for name in ('once', 'again')]
  assert [[variant['cached'] for variant in one['variants']] for one in found] == [[False] * 3, [True, True, False]]
  for name in ('once', 'again'):
    parts = sorted(path.name for path in (tmp_path / name).glob('*.core.*'))
    assert parts == ['dense.whole_numbers.core.h', 'dense.whole_numbers.core.tflite']
    part = integer_part((tmp_path / name / 'dense.whole_numbers.tflite').read_bytes())
    assert (tmp_path / name / parts[1]).read_bytes() == part.content
    assert (tmp_path / name / parts[0]).read_text() == part.header('dense.whole_numbers')


def test_no_variant_at_all(made, tmp_path):
  with pytest.raises(FailedError, match=r'^None of the 1 variants could be made\. dense\.strict: Its fares differ '):
    made.rewrite(tmp_path / 'none', RECIPES[:1], SCHEMES[2:])


LAYER = SimpleNamespace(name='fare', zeros=1, size=4, distinct=2, type='float32')


class Beside:
  """Stands in for `Variants`: the check of a file ends when the next one is converted, or fails."""

  features, feature_bytes = b'', 7

  def __init__(self, fails=()):
    self._fails, self._written = fails, {name: threading.Event() for name in ('one', 'two', 'three')}
    self.threads = set()

  def digest(self, recipe, scheme, saved_model):
    return scheme.name

  def calibrated_on(self, recipe, scheme):
    return None

  def said_by(self, content):
    return {}

  def write(self, recipe, scheme, saved_model):
    self._written[scheme.name].set()
    if f'write {scheme.name}' in self._fails:
      raise OSError(28, f'write {scheme.name}')
    return scheme.name.encode()

  def check(self, recipe, scheme, saved_model, ahead, beside):
    following = {'one': 'two', 'two': 'three'}.get(scheme.name)

    def check(content):
      self.threads.add(threading.current_thread())
      assert content == scheme.name.encode()
      assert following is None or self._written[following].wait(30)
      if f'check {scheme.name}' in self._fails:
        raise OSError(28, f'check {scheme.name}')
      return [LAYER], 0.5

    return check


def _beside(folder, variants):
  (folder / 'saved').mkdir()
  (folder / 'saved' / 'saved_model.pb').touch()
  schemes = [Scheme(name=name, precision='float32') for name in ('one', 'two', 'three')]
  return rewrite_all(
    variants, RECIPES[:1], schemes, {'dense': str(folder / 'saved')}, str(folder), str(folder / 'cache')
  )


def test_a_file_is_checked_while_the_next_one_is_converted(tmp_path):
  """Each check would wait in vain if the next conversion waited for it; the order stays that of the table."""
  variants = Beside()
  found = _beside(tmp_path, variants)
  assert [variant.name for variant in found.variants] == ['dense.one', 'dense.two', 'dense.three']
  assert [variant.bytes for variant in found.variants] == [3, 3, 5]
  assert threading.main_thread() not in variants.threads and len(variants.threads) == 1
  assert {path.name for path in (tmp_path / 'cache').iterdir()} == {'one', 'two', 'three'}


@pytest.mark.parametrize(
  ('fails', 'told'),
  [
    pytest.param(['check one', 'write two'], 'check one', id='first_in_the_order_of_the_table'),
    pytest.param(['write two'], 'write two', id='a_conversion'),
    pytest.param(['check three'], 'check three', id='the_last_check'),
  ],
)
def test_a_disk_that_is_full_stops_the_step(tmp_path, fails, told):
  with pytest.raises(OSError, match=told):
    _beside(tmp_path, Beside(fails))
  assert not (tmp_path / 'variants.json').exists()


def _nodes():
  def imported(name, kind):
    return importer.Importer(source_uri=f'gs://bucket/{name}', artifact_type=kind).with_id(name)

  examples = imported('examples', standard_artifacts.Examples)
  transformed = imported('transformed', standard_artifacts.Examples)
  graph = imported('graph', standard_artifacts.TransformGraph)
  models = {recipe.name: imported(recipe.name, standard_artifacts.Model) for recipe in RECIPES}
  rewriter = QuantizationRewriter(
    examples=examples.outputs['result'],
    transformed_examples=transformed.outputs['result'],
    transform_graph=graph.outputs['result'],
    models={name: node.outputs['result'] for name, node in models.items()},
    dataset=CONFIG.dataset,
    features=CONFIG.features,
    model=CONFIG.model,
    training=CONFIG.training,
    compression=Compression(schemes=SCHEMES),
    cache='gs://bucket/variants',
    code_version='1',
  )
  return examples, transformed, graph, *models.values(), rewriter


def test_one_input_per_recipe_and_one_output():
  rewriter = _nodes()[-1]
  assert set(rewriter.inputs) == {
    *('examples', 'transformed_examples', 'transform_graph'),
    *(f'recipe_{recipe.name}' for recipe in RECIPES),
  }
  assert {key: channel.type for key, channel in rewriter.outputs.items()} == {'variants': LiteVariants}
  assert rewriter.executor_spec.executor_class is QuantizationRewriterExecutor
  schemes = [Scheme.model_validate(scheme) for scheme in json.loads(rewriter.exec_properties['schemes'])]
  assert schemes == list(SCHEMES)


@pytest.mark.parametrize('newer_schema', [pytest.param(False, id='vertex'), pytest.param(True, id='kfp')])
def test_compiles(newer_schema, tmp_path):
  """Oracle: the compiled spec itself; TFX's own compiler, no cluster."""
  config = kubeflow_v2_dag_runner.KubeflowV2DagRunnerConfig(
    default_image='registry.example/farelite', use_pipeline_spec_2_1=newer_schema
  )
  output = pathlib.Path(tmp_path / ('spec.yaml' if newer_schema else 'spec.json'))
  runner = kubeflow_v2_dag_runner.KubeflowV2DagRunner(config=config, output_filename=str(output))
  runner.run(
    pipeline.Pipeline(pipeline_name='farelite', pipeline_root='gs://bucket/root', components=list(_nodes())),
    write_out=True,
  )
  text = output.read_text()
  compiled = yaml.safe_load(text) if newer_schema else json.loads(text)['pipelineSpec']
  arguments = compiled['deploymentSpec']['executors']['QuantizationRewriter_executor']['container']['args']
  assert 'components.quantization_rewriter.component.QuantizationRewriterExecutor' in ' '.join(map(str, arguments))
  step = compiled['components']['QuantizationRewriter']
  assert {f'recipe_{recipe.name}' for recipe in RECIPES} <= set(step['inputDefinitions']['artifacts'])
  assert set(step['outputDefinitions']['artifacts']) == {'variants'}


def test_what_another_process_makes_for_the_run_is_taken_and_not_of_an_earlier_one(made, first, tmp_path):
  """As a recipe gets ready; oracle: the files of the first run, made by one process alone."""
  cache, ready, done = str(tmp_path / 'ahead'), [], []

  def saved_model(recipe):
    ready.append(recipe.name)
    return made.saved_models[recipe.name] if len(ready) > 1 else None

  rewrite_ready(made.variants(), RECIPES[:1], SCHEMES[:2], saved_model, cache, 'tonight', done.append)
  assert (ready, done) == (['dense', 'dense'], ['dense.float32', f'dense.{SCHEMES[1].name}'])
  folder = tmp_path / 'files'
  record = rewrite_all(made.variants(), RECIPES[:1], SCHEMES, made.saved_models, str(folder), cache, 'tonight')
  assert {variant.cached for variant in record.variants} == {False}
  earlier = _by_name(first[1])
  assert [variant.sha256 for variant in record.variants[:2]] == [earlier[name]['sha256'] for name in done]
  later = rewrite_all(made.variants(), RECIPES[:1], SCHEMES[:2], made.saved_models, str(folder), cache, 'tomorrow')
  assert {variant.cached for variant in later.variants} == {True}


CLAIMER = """
import sys
from components.quantization_rewriter.claims import Claims
with Claims(sys.argv[1], shares=True) as claims:
  print(claims.take('mine'), claims.take('yours'), flush=True)
  sys.stdin.read()
"""


@pytest.fixture
def claimer(tmp_path):
  """Another process that claims two files of a cache; what it got, when asked."""
  started = []

  def start():
    command = [sys.executable, '-c', CLAIMER, str(tmp_path / 'cache')]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    started.append(process)
    return process, process.stdout.readline().split()

  yield start
  for process in started:
    process.kill()
    process.communicate()


def test_two_processes_share_out_the_files(tmp_path, claimer):
  with Claims(str(tmp_path / 'cache'), shares=True) as claims:
    assert claims.take('mine')
    other, taken = claimer()
    assert taken == ['False', 'True']
    assert not claims.take('yours')
    claims.release('mine')
    _, taken = claimer()
    assert taken == ['True', 'False']
    other.kill()  # What it had is free again, however it ends.
    claims.wait('yours')
    assert not claims.take('mine')


def test_a_file_of_a_process_that_never_ends_is_made_twice(tmp_path, claimer, monkeypatch):
  monkeypatch.setattr('components.quantization_rewriter.claims._PATIENCE', 0.1)
  claimer()
  (tmp_path / 'saved').mkdir()
  (tmp_path / 'saved' / 'saved_model.pb').touch()
  variants = Beside()
  monkeypatch.setattr(variants, 'digest', lambda recipe, scheme, _: {'two': 'yours'}.get(scheme.name, scheme.name))
  schemes = [Scheme(name=name, precision='float32') for name in ('one', 'two', 'three')]
  models = {'dense': str(tmp_path / 'saved')}
  # It comes last, and the order stays that of the table.
  monkeypatch.setattr(variants, 'check', lambda *_: lambda content: ([LAYER], 0.5))
  record = rewrite_all(variants, RECIPES[:1], schemes, models, str(tmp_path / 'files'), str(tmp_path / 'cache'))
  assert [(variant.name, variant.bytes) for variant in record.variants] == [
    ('dense.one', 3), ('dense.two', 3), ('dense.three', 5),
  ]  # fmt: skip


def test_without_locks_everybody_gets_what_he_claims(tmp_path, monkeypatch):
  def lockf(*_):
    raise OSError(errno.ENOLCK, 'No locks available')

  monkeypatch.setattr(fcntl, 'lockf', lockf)
  with Claims(str(tmp_path / 'cache'), shares=True) as claims:
    assert claims.take('mine')
  with Claims(str(tmp_path / 'alone')) as claims:
    assert claims.take('mine')
  assert not (tmp_path / 'alone.claims').exists()
  with Claims('gs://bucket/cache') as claims:
    assert claims.take('mine')


def test_the_features_are_made_once_and_damaged_ones_anew(made, tmp_path):
  """By their own bytes: they stand in every file."""
  variants, calls = made.variants(), []
  kept = functools.partial(implementations._kept, str(tmp_path))
  made_of = variants.features
  for content in (None, None, b'damaged'):
    if content is not None:
      [file] = tmp_path.iterdir()
      file.write_bytes(content)
    found = dataclasses.replace(
      made.variants(), kept=lambda digest, make: kept(digest, lambda: (calls.append(digest), make())[1])
    )
    assert found.features == made_of
  assert len(calls) == 2 and len(set(calls)) == 1
  other = dataclasses.replace(made.variants(), kept=lambda digest, make: (calls.append(digest), b'')[1], graph='other')
  assert other.features == b'' and calls[-1] != calls[0]
