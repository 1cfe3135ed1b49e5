"""The digits' pipeline on the real runner. Oracles: scikit-learn, on the same digits."""

import pathlib

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_transform as tft
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA

from models.reduction import fitted as reduction_fitted


@pytest.fixture(scope='module')
def artifacts(tmp_path_factory):
  """Folder of the artifacts by step and output."""
  from tfx.orchestration.local.local_dag_runner import LocalDagRunner

  from examples.digits.pipeline import create_pipeline

  output = tmp_path_factory.mktemp('digits')
  LocalDagRunner().run(create_pipeline(str(output)))
  return lambda step, output_: next((output / 'artifacts' / step / output_).iterdir())


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
