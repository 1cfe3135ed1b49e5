"""The digits' pipeline on the real runner. Oracles: scikit-learn, TFMA, and LiteRT in a process of its own."""

import pathlib

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_transform as tft
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA

from components.compression_gate.records import REPORT_FILE, CompressionRecord
from configs.compression import Compression
from models.reduction import fitted as reduction_fitted
from models.release import verify


@pytest.fixture(scope='module')
def output(tmp_path_factory):
  """Folder of a run with two recipes and two schemes."""
  from tfx.orchestration.local.local_dag_runner import LocalDagRunner

  from examples.digits.pipeline import COMPRESSION, TRAINING, create_pipeline

  folder = tmp_path_factory.mktemp('digits')
  recipes = tuple(recipe for recipe in TRAINING.recipes if recipe.name in ('dense', 'pqat_80'))
  compression = COMPRESSION.model_copy(update={'schemes': Compression(schemes=['float32', 'int8']).schemes})
  training = TRAINING.model_copy(update={'recipes': recipes})
  LocalDagRunner().run(create_pipeline(str(folder), 'mobile', training, compression))
  return folder


@pytest.fixture(scope='module')
def artifacts(output):
  """Folder of the artifacts by step and output."""
  return lambda step, key: next((output / 'artifacts' / step / key).iterdir())


@pytest.fixture(scope='module')
def record(artifacts):
  return CompressionRecord.read(artifacts('CompressionGate', 'report') / REPORT_FILE)


def _examples(folder, graph):
  """The columns of gzip TFRecords."""
  spec = tft.TFTransformOutput(str(graph)).transformed_feature_spec()
  records = tf.data.TFRecordDataset([str(path) for path in pathlib.Path(folder).glob('*.gz')], 'GZIP')
  return {name: value.numpy() for name, value in tf.io.parse_example(tf.stack(list(records)), spec).items()}


def test_every_digit_is_in_one_split(artifacts):
  graph, examples = artifacts('Transform', 'transform_graph'), artifacts('Transform', 'transformed_examples')
  found = [_examples(examples / f'Split-{split}', graph)['image'].reshape(-1, 64) for split in ('train', 'eval')]
  assert len(found[1]) > 400
  images, _ = load_digits(return_X_y=True)
  ordered = [np.sort(values.sum(axis=1)) for values in (np.concatenate(found), images / 16)]
  np.testing.assert_allclose(*ordered, rtol=1e-5)


def test_the_reduced_column_is_scikit_learns(artifacts):
  """In the Examples and by the graph, whitened and up to sign."""
  graph = artifacts('DimensionalityReduction', 'reduced_graph')
  full = _examples(
    artifacts('Transform', 'transformed_examples') / 'Split-train', artifacts('Transform', 'transform_graph')
  )
  reduced = _examples(artifacts('DimensionalityReduction', 'reduced_examples') / 'Split-train', graph)
  images = full['image'].reshape(-1, 64).astype(np.float64)
  oracle = PCA(0.99, whiten=True, svd_solver='full').fit(images)
  assert reduced['image'].shape == (len(images), oracle.n_components_)
  assert sorted(reduced['digit'].ravel()) == sorted(full['digit'].ravel())
  raw = {'image': tf.constant(images * 16, tf.float32), 'digit': tf.constant(full['digit'])}
  by_graph = tft.TFTransformOutput(str(graph)).transform_features_layer()(raw)['image'].numpy()
  np.testing.assert_allclose(np.abs(by_graph), np.abs(oracle.transform(images)), atol=5e-3)
  np.testing.assert_allclose(np.sort(by_graph[:, 0]), np.sort(reduced['image'][:, 0]), atol=1e-4)


def test_the_report_has_a_picture_of_each_component(artifacts):
  report = artifacts('DimensionalityReduction', 'report')
  assert reduction_fitted.load(str(report)).names[9] == 'image_1_1_0'
  assert (report / 'patterns.svg').read_text(encoding='utf-8').count('<text') == 1 + 20


def test_the_pushed_file_reads_digits_where_nothing_of_this_is(output, record):
  from examples.digits.__main__ import on_a_device

  # Which recipe loses least hangs on the lane's arithmetic.
  assert record.chosen in ('dense.int8', 'pqat_80.int8'), record.reason
  [version] = (output / 'serving').iterdir()
  accuracy = verify(version).metrics.accuracy.value
  assert on_a_device(version / 'model.tflite', output) == pytest.approx(accuracy)
  assert accuracy > 0.95


def test_the_evaluator_sees_the_dense_model(artifacts, record):
  """TFMA calls the SavedModel with serialized examples, and finds what the gate finds of its float32 file."""
  import tensorflow_model_analysis as tfma
  from tfx.components import Evaluator  # noqa: F401, gives TFMA the names that it lacks.

  result = tfma.load_eval_result(str(artifacts('Evaluator', 'evaluation')))
  metrics = dict(result.slicing_metrics)[()]['']['']
  found = metrics['sparse_categorical_accuracy']['doubleValue']
  assert found == pytest.approx(record.named('dense.float32').accuracy.value)


def test_every_recipe_and_scheme_was_made(record):
  assert [variant.name for variant in record.variants if variant.bytes] == [
    *('dense.float32', 'dense.int8', 'pqat_80.float32', 'pqat_80.int8')
  ]
  assert record.named('pqat_80.int8').sparsity > 0.6  # Depthwise kernels and the output keep theirs.
  assert {*record.named('pqat_80.int8').types.values()} == {'int8'}
  assert record.named('pqat_80.int8').gzip_bytes < record.named('dense.float32').gzip_bytes / 4
