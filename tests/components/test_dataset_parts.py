"""What each step declares of the dataset is enough for what it does.

Oracle: the same functions with the whole dataset, which has extras of both kinds, an airport, a zone and a tariff.
"""

from __future__ import annotations

import pathlib
import re

import numpy as np
import pyarrow as pa
import pytest
import tensorflow as tf

from components.compression_gate.component import CompressionGate
from components.dimensionality_reduction.component import DimensionalityReduction
from components.feature_engineering.component import FeatureEngineering
from components.pruning_trainer.component import PruningTrainer
from components.quantization_rewriter.component import QuantizationRewriter
from components.ride_example_gen import executor
from components.ride_example_gen.canonical import canonicalize
from components.ride_example_gen.column_names import check_columns
from configs import loading
from configs.dataset import Dataset, ExtraColumn, Zone
from configs.evaluation import Slices
from configs.features import Features
from models.lite.columns import describe_inputs
from models.serving import raw_example_spec
from models.settings import Settings
from pipeline.study import results
from transforms import in_memory
from transforms.catalogue import categoricals
from transforms.engineering import catalogue, rides
from transforms.slicing import slice_columns

CONFIG = loading.load(
  'nyc', ['features.buckets.enabled=true', 'features.buckets.fit=equal_width', 'features.crosses.enabled=true']
)
SURGE = ExtraColumn(name='surge', column='Surge', unit='%', meaning='how busy')
CAR = ExtraColumn(name='car', column='Car', kind='categorical', vocabulary=('small', 'large'), meaning='what comes')
JERSEY = Zone(name='jersey', polygon=((-74.3, 40.6), (-74.1, 40.6), (-74.1, 40.8)))
WHOLE: Dataset = CONFIG.dataset.model_copy(
  update={'extras': (SURGE, CAR), 'city': CONFIG.dataset.city.model_copy(update={'zones': (JERSEY,)})}
)
RAW = {
  'pickup_seconds': np.array([1_000, 90_000_000], np.int32),
  'pickup_longitude': np.array([-73.98, -73.78], np.float32),
  'pickup_latitude': np.array([40.75, 40.64], np.float32),
  'dropoff_longitude': np.array([-74.2, np.nan], np.float32),
  'dropoff_latitude': np.array([40.65, np.nan], np.float32),
  'passenger_count': np.array([1, np.nan], np.float32),
  'surge': np.array([0.5, np.nan], np.float32),
  'car': np.array([1, 2], np.float32),
}


def _equal(one, other):
  assert one.keys() == other.keys()
  for name in one:
    np.testing.assert_array_equal(np.asarray(one[name]), np.asarray(other[name]), err_msg=name)


def _features(dataset: Dataset):
  constants = in_memory.fit_constants(RAW, dataset, CONFIG.features)
  return in_memory.transform(RAW, dataset, CONFIG.features, Slices(), constants)


@pytest.mark.parametrize('part', [FeatureEngineering.DATASET, results.DATASET], ids=['step', 'study'])
def test_features_are_fitted_and_made(part):
  assert catalogue(part.of(WHOLE), CONFIG.features) == catalogue(WHOLE, CONFIG.features)
  _equal(_features(part.of(WHOLE)), _features(WHOLE))


def test_features_are_made_once_more_for_the_reduction():
  constants = in_memory.fit_constants(RAW, WHOLE, CONFIG.features)
  part = DimensionalityReduction.DATASET.of(WHOLE)
  made = [in_memory.transform(RAW, dataset, CONFIG.features, Slices(), constants) for dataset in (part, WHOLE)]
  _equal(*made)
  assert categoricals(part, CONFIG.features) == categoricals(WHOLE, CONFIG.features)


@pytest.mark.parametrize('part', [PruningTrainer.DATASET, QuantizationRewriter.DATASET, results.DATASET])
def test_inputs_of_a_model(part):
  assert categoricals(part.of(WHOLE), CONFIG.features) == categoricals(WHOLE, CONFIG.features)
  specs = [str(raw_example_spec(dataset, with_label=True)) for dataset in (part.of(WHOLE), WHOLE)]
  assert specs[0] == specs[1]


def test_what_is_kept_beside_a_model_reads_its_rides():
  """As `farelite predict` does."""
  texts = {name: getattr(CONFIG, name).model_dump_json() for name in ('features', 'model', 'training')}
  settings = Settings.from_json(texts | {'dataset': PruningTrainer.DATASET.dump(WHOLE)})
  kept = Dataset.model_validate(loading.yaml.safe_load(settings.to_yaml())['dataset'])
  assert kept == WHOLE.model_copy(update={'path': None})
  assert settings.dataset.currency == WHOLE.currency


def test_manifest_and_slices():
  part = CompressionGate.DATASET.of(WHOLE)
  assert describe_inputs(part) == describe_inputs(WHOLE)
  assert (part.name, part.currency) == (WHOLE.name, WHOLE.currency)
  columns = {name: tf.constant(column) for name, column in RAW.items()}
  slices = Slices(columns={'car': ()})
  found = [slice_columns(columns, rides(columns, one, Features()), slices, one) for one in (part, WHOLE)]
  _equal(*found)


def test_rides_are_read_and_judged():
  part = executor.DATASET.of(WHOLE)
  assert part.source_columns().items() <= WHOLE.source_columns().items()
  assert list(part.source_columns()) == [name for name in WHOLE.source_columns() if name != 'key']
  check_columns('rides.csv', [*WHOLE.source_columns().values(), 'more'], part)
  values = {column: ['1', 'x'] for column in part.source_columns().values()}
  values |= {WHOLE.time.column: ['2012-01-01 10:00:00 UTC', '2012-01-01 10:00:00'], 'Car': ['small', 'other']}
  rows = pa.RecordBatch.from_pydict(values)
  one, other = (canonicalize(rows, dataset) for dataset in (part, WHOLE))
  assert str(one.rides.to_pydict()) == str(other.rides.to_pydict())
  assert one.reason.to_pylist() == other.reason.to_pylist()


@pytest.mark.parametrize('room', ['transforms', 'models', 'components'])
def test_no_step_is_handed_a_dataset_in_another_way(room):
  """By `Part.dump` and `load_part` alone: whatever else writes or reads one would be a second home of what is read."""
  root = pathlib.Path(in_memory.__file__).resolve().parent.parent
  found = [
    (path.name, line.strip())
    for path in (root / room).rglob('*.py')
    for line in path.read_text(encoding='utf-8').splitlines()
    if re.search(r'\bDataset\.model_validate|\bdataset\.model_(dump|copy)|\bdataset\.model_construct', line)
  ]
  assert found == []
