"""DimensionalityReduction behind FeatureEngineering on the real runner, with real rides.

Oracles: the full vector of the graph that came in, and scikit-learn.
"""

import dataclasses
import json
import pathlib

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_transform as tft
from sklearn.decomposition import PCA

from components.dimensionality_reduction import reduction_io
from configs import loading
from configs.dataset import LABEL, TIME
from configs.reduction import Reduction
from models.compression.layers import kernel_layers  # noqa: F401, registers what a fare model is made of
from models.fare_model import build_fare_model
from models.lite.conversion import convert_features
from models.lite.flatbuffer import shrink
from models.lite.rides import RideInputs
from models.reduction import fitted as reduction_fitted
from models.reduction.fitting import fit
from pipeline.study.folds import read_kept
from tests.components.test_feature_engineering import _write_examples, _write_schema
from transforms import names
from transforms.catalogue import categoricals
from transforms.constants import read_constants
from transforms.engineering import catalogue, engineer, standardize

CONFIG = loading.load('nyc', ['features.crosses.enabled=true', 'features.buckets.count=4'])
REDUCTIONS = {
  'pca': Reduction(method='pca', components=0.99, engine='tft'),
  'selection': Reduction(method='correlation', components=0.5),
  'svd': Reduction(method='svd', components=10, categoricals=True),
}


@dataclasses.dataclass(frozen=True)
class Outputs:
  """Folders of both components, and raw eval rides."""

  full: pathlib.Path
  reduced: dict[str, pathlib.Path]
  rides: dict[str, np.ndarray]

  def layer(self, graph):
    """Every output of a graph for the eval rides."""
    made = tft.TFTransformOutput(str(graph)).transform_features_layer()
    return {name: value.numpy() for name, value in made({k: tf.constant(v) for k, v in self.rides.items()}).items()}

  def graph(self, kind):
    return _only(self.reduced[kind] / 'reduced_graph')


@pytest.fixture(scope='module')
def outputs(tmp_path_factory, nyc_rides):
  from tfx.dsl.components.common.importer import Importer
  from tfx.orchestration import metadata, pipeline
  from tfx.orchestration.local.local_dag_runner import LocalDagRunner
  from tfx.types import standard_artifacts

  from components.dimensionality_reduction.component import DimensionalityReduction
  from components.feature_engineering.component import FeatureEngineering

  root = tmp_path_factory.mktemp('reduction')
  kept = read_kept([str(nyc_rides)], CONFIG.dataset)
  columns = {name: kept[name].astype(np.int64 if name == TIME else np.float32)
             for name in (*CONFIG.dataset.raw_inputs(), LABEL)}  # fmt: skip
  train, held = ({name: column[rows] for name, column in columns.items()} for rows in (slice(2000), slice(2000, 2200)))
  _write_examples(root / 'examples' / 'Split-train', train)
  _write_examples(root / 'examples' / 'Split-eval', held)
  _write_schema(root / 'schema', train)
  examples = Importer(source_uri=str(root / 'examples'), artifact_type=standard_artifacts.Examples,
                      properties={'split_names': '["train", "eval"]'}).with_id('examples')  # fmt: skip
  schema = Importer(source_uri=str(root / 'schema'), artifact_type=standard_artifacts.Schema).with_id('schema')
  common = {'dataset': CONFIG.dataset, 'features': CONFIG.features, 'slices': CONFIG.evaluation.slices}
  full = FeatureEngineering(
    examples=examples.outputs['result'], schema=schema.outputs['result'], code_version='test', **common
  )
  steps = [
    DimensionalityReduction(
      transform_graph=full.outputs['transform_graph'],
      transformed_examples=full.outputs['transformed_examples'],
      reduction=reduction,
      clip=CONFIG.model.clip,
      code_version='test',
      **common,
    ).with_id(kind)
    for kind, reduction in REDUCTIONS.items()
  ]
  LocalDagRunner().run(
    pipeline.Pipeline(
      pipeline_name='reduction',
      pipeline_root=str(root / 'root'),
      components=[examples, schema, full, *steps],
      metadata_connection_config=metadata.sqlite_metadata_connection_config(str(root / 'metadata.db')),
    )
  )
  folders = {kind: root / 'root' / kind for kind in REDUCTIONS}
  return Outputs(root / 'root' / 'FeatureEngineering', folders, held)


@pytest.fixture(scope='module')
def full(outputs):
  return outputs.layer(_only(outputs.full / 'transform_graph'))


def test_constants_are_read_back(outputs, full):
  constants = read_constants(str(_only(outputs.full / 'transform_graph') / 'transform_fn'))

  @tf.function
  def standardized(inputs):
    return standardize(engineer(inputs, CONFIG.dataset, CONFIG.features), constants)

  again = standardized({name: tf.constant(column) for name, column in outputs.rides.items()}).numpy()
  # The constants are the graph's own; what is left is how TensorFlow fuses the operations around them.
  np.testing.assert_allclose(again, full[names.NUMERIC], rtol=1e-5, atol=1e-6)
  assert constants.boundaries.shape == (4, 3)


@pytest.mark.parametrize('kind', REDUCTIONS)
def test_graph_and_examples_hold_the_reduced_vector(outputs, full, kind):
  fitted = reduction_fitted.load(str(_only(outputs.reduced[kind] / 'report')))
  expected = fitted.apply(full[names.NUMERIC], full)
  by_graph, by_examples = outputs.layer(outputs.graph(kind)), _examples(outputs, kind)
  for found in (by_graph, by_examples):
    np.testing.assert_allclose(found[names.NUMERIC], expected, rtol=1e-5, atol=1e-5)
    assert set(found) == set(full) - set(fitted.taken)
    for name in set(found) - {names.NUMERIC}:
      np.testing.assert_array_equal(found[name], full[name], err_msg=name)
  assert fitted.is_selection == (kind == 'selection')
  assert len(fitted.outputs) == expected.shape[1] < len(fitted.names)


def test_tft_and_scikit_learn_find_the_same_axes(outputs):
  """`tft.pca` over all training rides, against scikit-learn on the same, up to sign."""
  rides = _training(outputs)
  oracle = PCA(0.99, whiten=True).fit(np.clip(rides.numeric.astype(np.float64), -6, 6))
  fitted = reduction_fitted.load(str(_only(outputs.reduced['pca'] / 'report')))
  assert len(fitted.outputs) == oracle.n_components_
  found, expected = fitted.project(rides.numeric), oracle.transform(np.clip(rides.numeric.astype(np.float64), -6, 6))
  # tft adds up the covariance in batches; components of nearly equal variance turn by that rounding.
  products = (found * expected).sum(axis=0) / (len(found) - 1)
  assert np.abs(np.abs(products) - 1).max() < 1e-4
  every = PCA().fit(np.clip(rides.numeric, -6, 6)).explained_variance_ratio_
  np.testing.assert_allclose(fitted.findings.explained, every, atol=1e-5)


def test_categories_that_a_projection_took_are_no_inputs(outputs):
  spec = tft.TFTransformOutput(str(outputs.graph('svd'))).transformed_feature_spec()
  assert not {found.name for found in categoricals(CONFIG.dataset, CONFIG.features)} & set(spec)
  assert spec[names.NUMERIC].shape == [10]


def test_what_a_selection_drops_is_not_in_the_lite_file(outputs, full):
  """Operators and bytes of the features as TFLite has them; values by ai-edge-litert, beside the full vector's."""
  from ai_edge_litert.interpreter import Interpreter

  files = {}
  for kind, graph in (('full', _only(outputs.full / 'transform_graph')), ('selection', outputs.graph('selection'))):
    output = tft.TFTransformOutput(str(graph))
    width = output.transformed_feature_spec()[names.NUMERIC].shape[0]
    model = build_fare_model(CONFIG.model.model_copy(update={'clip': None}), width, (), 10.0, 0)
    files[kind] = shrink(convert_features(output.transform_features_layer(), model, RideInputs(CONFIG.dataset)))
  operators = {kind: len(Interpreter(model_content=file)._get_ops_details()) for kind, file in files.items()}
  assert operators['selection'] < operators['full']
  assert len(files['selection']) < len(files['full'])
  raw = {name: outputs.rides[name].astype(np.int32 if name == TIME else np.float32)
         for name in CONFIG.dataset.raw_inputs()}  # fmt: skip
  made = Interpreter(model_content=files['selection']).get_signature_runner('serving_default')(**raw)[names.NUMERIC]
  fitted = reduction_fitted.load(str(_only(outputs.reduced['selection'] / 'report')))
  np.testing.assert_allclose(made, fitted.apply(full[names.NUMERIC]), rtol=1e-4, atol=1e-4)


def test_the_report_has_data_and_pictures(outputs):
  folder = _only(outputs.reduced['pca'] / 'report')
  saved = json.loads((folder / 'reduction.json').read_text())
  assert saved['method'] == 'pca' and saved['findings']['read'] == 2000
  assert {path.suffix for path in folder.iterdir()} == {'.json', '.npz', '.svg'}


def test_a_sample_in_bounded_memory(outputs, monkeypatch):
  monkeypatch.setattr(reduction_io, 'BATCH_ROWS', 300)
  some, again, everything = _training(outputs, 500), _training(outputs, 500), _training(outputs, 5000)
  assert len(some.labels) == 500 and some.read == 2000 == len(everything.labels)
  np.testing.assert_array_equal(some.numeric, again.numeric)
  rows = {row.tobytes() for row in everything.numeric}
  assert all(row.tobytes() in rows for row in some.numeric)
  assert abs(some.labels.mean() - everything.labels.mean()) < 1.5


def _training(outputs, sample=10_000):
  graph = tft.TFTransformOutput(str(_only(outputs.full / 'transform_graph')))
  files = [str(path) for path in (outputs.full / 'transformed_examples').glob('*/Split-train/*')]
  return reduction_io.read_training_examples(
    files, graph.transformed_feature_spec(), names.NUMERIC, LABEL, [], sample, seed=3
  )


def _examples(outputs, kind):
  files = [str(path) for path in (outputs.reduced[kind] / 'reduced_examples').glob('*/Split-eval/*.gz')]
  spec = tft.TFTransformOutput(str(outputs.graph(kind))).transformed_feature_spec()
  records = list(tf.data.TFRecordDataset(files, 'GZIP'))
  return {name: value.numpy() for name, value in tf.io.parse_example(tf.stack(records), spec).items()}


def _only(folder):
  [found] = [path for path in folder.iterdir() if path.name.isdecimal()]
  return found


def test_every_name_of_the_vector_is_known(outputs):
  fitted = reduction_fitted.load(str(_only(outputs.reduced['selection'] / 'report')))
  assert list(fitted.names) == [feature.name for feature in catalogue(CONFIG.dataset, CONFIG.features)]


@pytest.mark.parametrize(
  'given',
  [
    pytest.param({}, id='nothing'),
    pytest.param({'column': 'image'}, id='no_label'),
    pytest.param({'column': 'image', 'label': 'digit', 'dataset': CONFIG.dataset}, id='both'),
  ],
)
def test_rides_or_a_column_with_its_label(given):
  from tfx.types import channel, standard_artifacts

  from components.dimensionality_reduction.component import DimensionalityReduction

  with pytest.raises(ValueError, match='takes either dataset, features and slices of rides, or column and label'):
    DimensionalityReduction(
      transform_graph=channel.Channel(standard_artifacts.TransformGraph),
      transformed_examples=channel.Channel(standard_artifacts.Examples),
      reduction=REDUCTIONS['selection'],
      **given,
    )


def test_a_column_that_is_not_there_is_named():
  spec = {'image': tf.io.FixedLenFeature([8, 8], tf.float32), 'digit': tf.io.FixedLenFeature([1], tf.int64)}
  with pytest.raises(ValueError, match=r"have no 'picture'\. They have: digit, image"):
    reduction_io.read_training_examples([], spec, 'picture', 'digit', [], 10, 0)


@pytest.mark.parametrize('method', ['variance', 'pca'])
def test_a_column_of_any_graph(tmp_path, method):
  """The layer of the written graph, against the vector reduced in memory."""
  from tensorflow_transform import impl_helper
  from tensorflow_transform.tf_metadata import dataset_metadata, metadata_io, schema_utils

  def scaled(inputs):
    return {'picture': tf.reshape(inputs['pixels'], [-1, 2, 2]) / 2, 'kind': inputs['kind']}

  spec = {'pixels': tf.io.FixedLenFeature([4], tf.float32), 'kind': tf.io.FixedLenFeature([], tf.string)}
  full, reduced = str(tmp_path / 'full'), str(tmp_path / 'reduced')
  metadata = dataset_metadata.DatasetMetadata(schema_utils.schema_from_feature_spec(spec))
  metadata_io.write_metadata(metadata, f'{full}/{tft.TFTransformOutput.RAW_METADATA_DIR}')
  types = impl_helper.get_type_specs_from_feature_specs(spec)
  impl_helper.analyze_in_place(scaled, False, spec, types, full)
  pixels = np.random.default_rng(0).normal(size=(50, 4)).astype(np.float32) * [1, 0, 2, 3]
  fitted = fit(Reduction(method=method), 'abcd', pixels / 2, pixels[:, 0])
  reduction_io.write_reduced_graph(reduction_io.ReducedColumn(full, 'picture', fitted), full, reduced)
  raw = {'pixels': tf.constant(pixels, tf.float32), 'kind': tf.constant(['one'] * 50)}
  found = tft.TFTransformOutput(reduced).transform_features_layer()(raw)
  np.testing.assert_allclose(found['picture'].numpy(), fitted.apply(pixels / 2), atol=1e-5)
  assert found['picture'].shape[1] == 3 and set(found['kind'].numpy()) == {b'one'}
