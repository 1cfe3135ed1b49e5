"""What components keep goes by all that it depends on. Oracle: one ingredient is changed at a time."""

from __future__ import annotations

import json
import pathlib
import types

import numpy as np
import pytest

from components.quantization_rewriter import component, implementations, rewriting
from components.quantization_rewriter.records import ConvertedVariant, FeaturesFile, VariantsRecord
from components.ride_example_gen import executor
from components.ride_example_gen import files as fingerprints
from configs import loading
from configs.compression import Measurement, Scheme
from configs.recipe import Recipe
from configs.split import Split, SplitMethod
from configs.study import StudyBlock
from pipeline.study import fare_models
from pipeline.study.folds import StudyTask, StudyVariant
from pipeline.study.folds import digest as digest_of_rides
from pipeline.study.records import RideLatency
from pipeline.study.results import Origin, digest_of


def _files(folder: pathlib.Path, **contents: str) -> list[str]:
  folder.mkdir(exist_ok=True)
  for name, content in contents.items():
    (folder / name).write_text(content)
  return [str(folder / name) for name in contents]


def test_rides_are_known_by_names_contents_and_order(tmp_path):
  one = _files(tmp_path / 'rides', a='12', b='3')
  before = fingerprints.digest(one)
  found = {before, fingerprints.digest(one[::-1]), fingerprints.digest(one[:1])}
  _files(tmp_path / 'rides', a='1', b='23')
  found.add(fingerprints.digest(one))
  found.add(fingerprints.digest(_files(tmp_path / 'elsewhere', a='12', b='3')))
  assert len(found) == 5
  _files(tmp_path / 'rides', a='12', b='3')
  assert fingerprints.digest(one) == before == fingerprints.fingerprint(one)
  assert before.endswith(',files:2')


def test_the_end_of_a_large_file_counts(tmp_path):
  """It is read a megabyte at a time."""
  [file] = _files(tmp_path, a='x' * (1 << 20) + 'y')
  before = fingerprints.digest([file])
  pathlib.Path(file).write_text('x' * (1 << 20) + 'z')
  assert fingerprints.digest([file]) != before


@pytest.mark.parametrize(
  ('override', 'same'),
  [
    pytest.param('dataset.path=/elsewhere/*.csv', True, id='path'),
    pytest.param('dataset.currency=EUR', True, id='currency'),
    pytest.param('dataset.rules.max_quarantined_share=0.9', True, id='share_that_the_gate_reads'),
    pytest.param('dataset.city.center_latitude=41', True, id='city'),
    pytest.param('dataset.columns.fare_amount=price', False, id='a_column'),
    pytest.param('dataset.rules.fare.max=120', False, id='a_rule'),
    pytest.param('dataset.delimiter=;', False, id='delimiter'),
    pytest.param('dataset.time.column=[pickup_datetime, at]', False, id='another_name_of_a_column'),
    pytest.param('dataset.numbers.decimal=","', False, id='numbers'),
  ],
)
def test_what_the_ingestion_is_kept_by(override, same):
  before, after = (loading.load('nyc', overrides).dataset for overrides in ([], [override]))
  assert before != after
  assert (executor.DATASET.dump(before) == executor.DATASET.dump(after)) is same


def test_zones_are_what_the_ingestion_is_kept_by():
  before, after = (
    loading.load('tlc-yellow-zones', overrides).dataset
    for overrides in ([], ['dataset.places.zones.264=[-73.9, 40.7]'])
  )
  assert executor.DATASET.dump(before) != executor.DATASET.dump(after)


@pytest.mark.parametrize(
  ('method', 'changes', 'same'),
  [
    pytest.param(SplitMethod.HASH, {'seed': 3}, False, id='hash_by_seed'),
    pytest.param(SplitMethod.HASH, {'eval_share': 0.3}, False, id='hash_by_share'),
    pytest.param(SplitMethod.CHRONOLOGICAL, {'seed': 3}, True, id='chronological_without_seed'),
    pytest.param(SplitMethod.CHRONOLOGICAL, {'eval_share': 0.3}, False, id='chronological_by_share'),
    pytest.param(SplitMethod.NEWEST_SPAN, {'seed': 3, 'eval_share': 0.3}, True, id='newest_span_by_neither'),
  ],
)
def test_a_split_is_kept_by_what_its_method_looks_at(method, changes, same):
  one = Split(method=method)
  assert (executor.dump_split(one) == executor.dump_split(one.model_copy(update=changes))) is same


CONFIG = loading.load('nyc')
FOLD = types.SimpleNamespace(seed=0, number=0)
TASK = StudyTask(StudyBlock.REFERENCES, 'name', (StudyVariant('a', 'a'),), lambda fold: {}, about='about')


def _origin(*overrides: str, rides: str = 'rides', code: str = 'code') -> Origin:
  return Origin(loading.load('nyc', list(overrides)), rides, code)


def _task(**changes) -> StudyTask:
  values = {
    'block': TASK.block,
    'name': TASK.name,
    'variants': TASK.variants,
    'measure': TASK.measure,
    'about': TASK.about,
  }
  return StudyTask(**values | changes)


@pytest.mark.parametrize(
  ('origin', 'task', 'fold'),
  [
    pytest.param(_origin(rides='others'), TASK, FOLD, id='rides'),
    pytest.param(_origin(code='other'), TASK, FOLD, id='code'),
    pytest.param(_origin('features.temporal.enabled=false'), TASK, FOLD, id='features'),
    pytest.param(_origin('model.hidden=[8]'), TASK, FOLD, id='model'),
    pytest.param(_origin('training.epochs=3'), TASK, FOLD, id='training'),
    pytest.param(_origin('evaluation.slices.airport_km=3'), TASK, FOLD, id='slices'),
    pytest.param(_origin('dataset.city.center_latitude=41'), TASK, FOLD, id='city'),
    pytest.param(_origin('dataset.rules.bounds.latitude.max=41.9'), TASK, FOLD, id='bounds'),
    pytest.param(_origin('study.folds=3'), TASK, FOLD, id='number_of_folds'),
    pytest.param(_origin(), _task(block=StudyBlock.FEATURES), FOLD, id='block'),
    pytest.param(_origin(), _task(name='other'), FOLD, id='task'),
    pytest.param(_origin(), _task(about='other'), FOLD, id='what_the_task_is_about'),
    pytest.param(_origin(), TASK, types.SimpleNamespace(seed=1, number=0), id='seed'),
    pytest.param(_origin(), TASK, types.SimpleNamespace(seed=0, number=1), id='fold'),
  ],
)
def test_a_unit_of_a_study_goes_by(origin, task, fold):
  assert origin.key(task, fold) != _origin().key(TASK, FOLD)


@pytest.mark.parametrize(
  'override',
  [
    'dataset.path=/elsewhere',
    # What these two decide, the digest of the rides tells.
    'dataset.rules.fare.max=120',
    'dataset.columns.fare_amount=price',
    'dataset.rules.max_quarantined_share=0.9',
    'dataset.currency=EUR',
    'training.seed=9',
    'training.recipes=[dense]',
    'evaluation.bootstrap=700',
    'compression.schemes=[int8]',
    'study.seeds=9',
    'name=other',
  ],
)
def test_a_unit_of_a_study_does_not_go_by(override):
  assert _origin(override).key(TASK, FOLD) == _origin().key(TASK, FOLD)


@pytest.mark.parametrize(
  ('other', 'same'),
  [
    pytest.param(_origin(code='other'), True, id='code'),
    pytest.param(_origin('study.blocks=[references]'), True, id='blocks'),
    pytest.param(_origin(rides='others'), False, id='rides'),
    pytest.param(_origin('study.seeds=9'), False, id='seeds'),
    pytest.param(_origin('study.first_seed=9'), False, id='first_seed'),
    pytest.param(_origin('training.epochs=3'), False, id='training'),
  ],
)
def test_studies_that_can_stand_beside_each_other(other, same):
  assert (other.identity == _origin().identity) is same


def test_rides_of_a_study_go_by_names_and_values():
  ones = np.ones(3, np.float32)
  rides = [{'a': ones}, {'b': ones}, {'a': ones * 2}, {'a': ones, 'b': ones}]
  assert len({digest_of_rides(one) for one in rides}) == 4
  assert digest_of_rides({'a': np.ones(6, np.float32)[::2]}) == digest_of_rides(rides[0])


def test_latencies_go_by_files_names_and_how_they_are_measured(tmp_path, monkeypatch):
  measured = []

  def _measured(files, *_):
    measured.append(sorted(files))
    return {name: RideLatency(latency_us=1, latency_low_us=1, latency_high_us=1) for name in files}

  monkeypatch.setattr(fare_models, '_measured', _measured)
  files, how = {'a': b'1', 'b': b'2'}, Measurement()
  for other in ({'a': b'1', 'b': b'3'}, {'a': b'1', 'c': b'2'}, files, files):
    fare_models.latencies(other, {}, how, tmp_path)
  fare_models.latencies(files, {}, how.model_copy(update={'threads': how.threads + 1}), tmp_path)
  assert len(measured) == 4
  assert len(list(tmp_path.iterdir())) == 4


def test_a_digest_of_parts_goes_by_all_of_them_in_order():
  assert len({digest_of(parts) for parts in ([1, 2], [2, 1], [[1, 2]], ['1', 2], [1])}) == 5
  assert digest_of({'a': 1, 'b': 2}) == digest_of({'b': 2, 'a': 1})


class _Variants:
  """Counts conversions; each file's bytes are its number, and that of the scheme `lost` can't be made."""

  feature_bytes = 0

  def __init__(self) -> None:
    self.key, self.made = 'digest', []

  def digest(self, recipe, scheme, saved_model) -> str:
    return f'{self.key}-{recipe.name}-{scheme.name}'

  def write(self, recipe, scheme, saved_model) -> bytes:
    self.made.append(scheme.name)
    if scheme.name == 'lost':
      raise ValueError('It can not be made.')
    return f'{len(self.made)}'.encode()

  def check(self, recipe, scheme, saved_model, ahead, beside):
    layer = types.SimpleNamespace(name='dense_0', type='float32', zeros=0, size=1, distinct=1)
    return lambda content: ([layer], 0.0)

  def calibrated_on(self, recipe, scheme) -> None:
    return None

  def said_by(self, content) -> dict[str, float]:
    return {}


def _rewrite(tmp_path, variants, folder, cache='cache', schemes=('kept', 'lost')):
  (tmp_path / folder).mkdir()
  named = [Scheme(name=name, precision='float32') for name in schemes]
  args = (variants, [Recipe(name='dense')], named, {'dense': '/m'}, str(tmp_path / folder), str(tmp_path / cache))
  return rewriting.rewrite_all(*args).variants


def test_finished_variants_are_found_by_their_digest_and_lost_ones_made_again(tmp_path, monkeypatch):
  monkeypatch.setattr(rewriting, 'is_saved_model', lambda path: True)
  variants = _Variants()

  def rewrite(folder: str, cache: str = 'cache'):
    return [one.cached for one in _rewrite(tmp_path, variants, folder, cache)]

  assert rewrite('first') == [False, False]
  assert rewrite('second') == [True, False]
  assert variants.made == ['kept', 'lost', 'lost']
  assert (tmp_path / 'second' / 'dense.kept.tflite').read_bytes() == b'1'
  variants.key = 'other'
  assert rewrite('third') == [False, False]
  assert rewrite('fourth', cache='elsewhere') == [False, False]


def test_facts_of_a_finished_variant_are_kept_with_its_file(tmp_path, monkeypatch):
  """As one file, so that neither is there without the other."""
  kept = []
  monkeypatch.setattr(rewriting, 'is_saved_model', lambda path: True)
  monkeypatch.setattr(rewriting, 'write_checked', lambda target, content: kept.append(content))
  [facts] = _rewrite(tmp_path, _Variants(), 'first', schemes=('kept',))
  [content] = kept
  line, file = content.split(b'\n', 1)
  assert (ConvertedVariant.model_validate_json(line), file) == (facts, b'1')


def test_finished_variants_lie_below_their_code_version(tmp_path, monkeypatch):
  """Another code version converts everything again."""
  caches = []

  def rewrite_all(variants, recipes, schemes, models, directory, cache, run):
    caches.append(cache)
    return VariantsRecord(variants=(), features=FeaturesFile(bytes=0))

  monkeypatch.setattr(component, 'rewrite_all', rewrite_all)
  monkeypatch.setattr(implementations, 'ride_variants', lambda *_: None)
  monkeypatch.setattr(implementations, 'split_files', lambda *_: [])
  from tfx.types import standard_artifacts

  def artifact(kind):
    made = kind()
    made.uri = str(tmp_path)
    return [made]

  inputs = {
    'transform_graph': artifact(standard_artifacts.TransformGraph),
    'transformed_examples': artifact(standard_artifacts.Examples),
    'examples': artifact(standard_artifacts.Examples),
    'recipe_dense': artifact(standard_artifacts.Model),
  }
  training = CONFIG.training.model_copy(update={'recipes': CONFIG.training.recipes[:1]})
  from components.artifacts import LiteVariants

  for code in ('1', '2'):
    parameters_of = {
      'dataset': CONFIG.dataset.model_dump_json(),
      'features': CONFIG.features.model_dump_json(),
      'fare_model': CONFIG.model.model_dump_json(),
      'training': training.model_dump_json(),
      'schemes': json.dumps([]),
      'calibration_rides': 9,
      'validation_rides': 9,
      'keep_names': 'short',
      'metadata': '{}',
      'cache': '/cache',
      'code_version': code,
    }
    component.QuantizationRewriterExecutor().Do(inputs, {'variants': artifact(LiteVariants)}, parameters_of)
  assert caches == ['/cache/1', '/cache/2']
