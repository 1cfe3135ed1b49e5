"""Farelite by import: the blocks of docs/library.md and the lines in the components' docstrings, each of them run."""

import ast
import inspect
import pathlib
import re

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from tfx.components.example_validator.component import ExampleValidator
from tfx.dsl.components.base import base_node
from tfx.orchestration import pipeline
from tfx.proto import example_gen_pb2, pusher_pb2

from components.bigquery_ride_gen.component import BigQueryRideGen
from components.compression_gate.component import CompressionGate
from components.compression_gate.report import judge_files
from components.compression_gate.rides import eval_rides, read_eval_rides
from components.dimensionality_reduction.component import DimensionalityReduction
from components.fare_evaluator.component import FareEvaluator
from components.feature_engineering.component import FeatureEngineering
from components.model_registry.component import ModelRegistry
from components.pruning_trainer.component import PruningTrainer
from components.pruning_trainer.keys import recipe_key
from components.pusher.component import AtomicPusher
from components.quantization_rewriter.component import QuantizationRewriter
from components.resolvers.served_model import ServedModel
from components.ride_example_gen.canonical import canonical_rides
from components.ride_example_gen.component import RideExampleGen
from components.ride_example_gen.files import IngestionError
from components.ride_example_gen.quarantine import Reason
from components.ride_validator.component import AnomalyGate, RideSchema, RideStatisticsGen
from configs.compression import Budget, Compression, Measurement
from configs.dataset import LABEL, TIME
from configs.errors import FailedError, UserError
from configs.loading import load
from configs.platform import BigQuery
from configs.reduction import Reduction
from models.lite.client import LiteModel
from models.lite.inspection import LiteFile
from models.release import find_pushed
from pipeline.code_version import step_version
from tests.components import gate_files
from tests.models.lite.small_files import preset_lite_file, small_lite_file, some_rides, write_version
from tests.pipeline.ride_files import source_rows
from transforms.in_memory import fit_features

ROOT = pathlib.Path(__file__).resolve().parent.parent
PAGE = ROOT / 'docs' / 'library.md'

COMPONENTS = (
  BigQueryRideGen, RideExampleGen, RideStatisticsGen, RideSchema, AnomalyGate, FeatureEngineering,
  DimensionalityReduction, PruningTrainer, FareEvaluator, QuantizationRewriter, CompressionGate, AtomicPusher,
  ServedModel, ModelRegistry,
)  # fmt: skip
"""In an order in which each one's lines find what they name."""


def _blocks():
  """The code of the page: a list of blocks by heading."""
  found = {}
  for section in PAGE.read_text(encoding='utf-8').split('\n## ')[1:]:
    blocks = re.findall(r'^```python\n(.*?)^```$', section, re.DOTALL | re.MULTILINE)
    found[section.partition('\n')[0]] = blocks
  return found


def _run(*blocks):
  names = {'__name__': 'block'}
  for block in blocks:
    exec(compile(block, str(PAGE), 'exec'), names)
  return names


@pytest.fixture
def folder(tmp_path, monkeypatch, nyc_rides):
  """What the page says that its blocks find in their folder."""
  (tmp_path / 'rides.csv').symlink_to(nyc_rides)
  write_version(tmp_path / 'serving' / '1')
  (tmp_path / 'files').mkdir()
  (tmp_path / 'files' / 'dense.float32.tflite').write_bytes(preset_lite_file())
  (tmp_path / 'files' / 'wide.float32.tflite').write_bytes(preset_lite_file('nyc', 'model.hidden=[128, 64]'))
  monkeypatch.chdir(tmp_path)
  return tmp_path


def test_every_section_has_a_block():
  assert [len(blocks) for blocks in _blocks().values()] == [2, 1, 1, 1, 3]


@pytest.mark.rides
def test_features_of_a_data_frame_and_of_an_arrow_table(folder):
  frame, table = map(_run, _blocks()['Features of a DataFrame'])
  features = frame['features']
  assert frame['matrix'].shape == (frame['rides'].valid.sum(), 48)
  assert np.isfinite(frame['matrix']).all(axis=None)
  np.testing.assert_array_equal(frame['matrix'], table['matrix'])
  assert [*frame['matrix'].columns] == [*features.names] == [*table['units']]
  # The frame's rows keep their index: the weekday is what pandas reads from the rows' own text.
  stamps = pd.to_datetime(frame['frame'].loc[frame['matrix'].index, 'pickup_datetime'])
  position = features.names.index('weekend')
  unscaled = frame['matrix']['weekend'] / features.constants.scale[position] + features.constants.mean[position]
  np.testing.assert_allclose(unscaled, stamps.dt.dayofweek >= 5, atol=1e-5)


@pytest.mark.rides
def test_a_model_from_a_pushed_version(folder):
  names = _run(*_blocks()['A fare model from a pushed version'])
  assert names['pushed'].manifest.dataset == 'nyc'
  assert len(names['fares']) == names['rides'].valid.sum()
  np.testing.assert_array_equal(names['fares'], LiteModel(preset_lite_file()).predict(names['rides'].columns))


@pytest.mark.rides
def test_the_verdict_on_files(folder, capsys):
  verdict = _run(*_blocks()["The gate's verdict on lite files"])['verdict']
  assert verdict.chosen == 'dense.float32'
  dense, wide = capsys.readouterr().out.splitlines()[1:]
  assert dense.startswith('dense.float32 ') and 'Chosen: ' in dense
  assert wide.startswith('wide.float32 ') and 'bytes are above the budget of 40,000' in wide


@pytest.mark.rides
def test_what_a_file_holds(folder, capsys):
  names = _run(*_blocks()['What a converted file holds'])
  assert [layer.name for layer in names['dense']] == ['dense_0', 'dense_1', 'dense_2', 'fare']
  assert 'FULLY_CONNECTED' in capsys.readouterr().out


def test_a_pipeline_of_ones_own(tmp_path, monkeypatch):
  monkeypatch.chdir(tmp_path)
  names = _run(_blocks()['Components in a pipeline of your own'][0])
  made = [type(node).__name__ for node in names['rides_pipeline'].components]
  assert made[0] == 'RideExampleGen' and made[-1] == 'CompressionGate' and len(made) == 6


@pytest.mark.slow
@pytest.mark.rides
def test_a_pipeline_of_ones_own_runs(folder):
  _run(*_blocks()['Components in a pipeline of your own'])
  [blessing] = folder.glob('own/CompressionGate/blessing/*/*BLESSED')
  [model] = folder.glob('own/CompressionGate/model/*/Format-Serving')
  assert blessing.name == 'BLESSED'
  page = (folder / 'own/page.html').read_text(encoding='utf-8')
  assert re.findall(r'<section id="(\w+)"', page) == ['variants', 'slices', 'training', 'data']
  assert find_pushed(model).manifest.dataset == 'nyc'


def _lines(component):
  [lines] = re.findall(r'```\n(.*?)```', inspect.getdoc(component), re.DOTALL)
  return lines


@pytest.fixture(scope='module')
def nodes():
  """What the lines in the docstrings make, by name."""
  names = {component.__name__: component for component in COMPONENTS}
  known = (BigQuery, ExampleValidator, Reduction, example_gen_pb2, pusher_pb2, recipe_key, step_version)
  names |= {thing.__name__.rpartition('.')[2]: thing for thing in known}
  names['config'] = load('nyc')
  for component in COMPONENTS:
    exec(_lines(component), names)
  return names


def test_every_component_is_shown():
  """A component is what says which executor it has."""
  found = {
    node.name
    for path in (ROOT / 'components').rglob('*.py')
    for node in ast.walk(ast.parse(path.read_text(encoding='utf-8')))
    if isinstance(node, ast.ClassDef)
    and any('EXECUTOR_SPEC' in ast.unparse(line) for line in node.body if isinstance(line, ast.Assign))
  }
  assert found == {component.__name__ for component in COMPONENTS}


@pytest.mark.parametrize('component', COMPONENTS)
def test_the_lines_in_a_docstring_make_the_component(nodes, component):
  assert 2 <= len(_lines(component).splitlines()) <= 8 or component is ServedModel
  assert component is BigQueryRideGen or any(type(node) is component for node in nodes.values())


def test_the_lines_make_a_pipeline(nodes):
  """TFX sorts the steps and finds every input among their outputs."""
  steps = [node for node in nodes.values() if isinstance(node, base_node.BaseNode)]
  made = pipeline.Pipeline(pipeline_name='own', pipeline_root='own', components=steps)
  assert len(made.components) == len(steps) == len(COMPONENTS)


def _frame(rows):
  """Made-up rides as pandas reads a source: an index of its own, fares, times as texts."""
  rides = some_rides(load('nyc'), rows)
  columns = ['key', 'pickup_datetime', *load('nyc').dataset.raw_inputs()[1:]]
  frame = pd.DataFrame(source_rows(rides), columns=columns, index=range(100, 100 + rows))
  frame[columns[2:]] = frame[columns[2:]].apply(pd.to_numeric)
  return frame.assign(fare_amount=np.linspace(3, 50, rows)), rides


def test_a_frame_gives_the_rides_it_was_made_of():
  frame, rides = _frame(20)
  found = canonical_rides(frame, load('nyc').dataset)
  assert found.valid.all()
  assert [*found.columns] == [*rides, LABEL]
  for name, column in rides.items():
    np.testing.assert_allclose(found.columns[name], column, rtol=1e-6, err_msg=name)
  np.testing.assert_allclose(found.columns[LABEL], frame['fare_amount'], rtol=1e-6)


@pytest.mark.parametrize(
  'change',
  [
    pytest.param(lambda frame: pa.Table.from_pandas(frame), id='arrow'),
    pytest.param(lambda frame: pa.concat_tables([pa.Table.from_pandas(frame[:7]), pa.Table.from_pandas(frame[7:])]),
                 id='arrow_in_chunks'),
    pytest.param(lambda frame: frame.astype({'pickup_datetime': 'category'}), id='categories'),
    pytest.param(lambda frame: frame.astype({'passenger_count': 'Int64'}), id='whole_numbers_with_missing_ones'),
  ],
)  # fmt: skip
def test_whatever_holds_the_rows_the_rides_are_the_same(change):
  frame, _ = _frame(20)
  expected = canonical_rides(frame, load('nyc').dataset).columns
  found = canonical_rides(change(frame), load('nyc').dataset).columns
  for name, column in expected.items():
    np.testing.assert_array_equal(found[name], column, err_msg=name)


def test_rows_that_break_a_rule_are_reported_and_left_out():
  frame, _ = _frame(4)
  frame.iloc[1, frame.columns.get_loc('fare_amount')] = -1.0
  frame.iloc[2, frame.columns.get_loc('pickup_datetime')] = 'yesterday'
  found = canonical_rides(frame, load('nyc').dataset)
  assert found.valid.tolist() == [True, False, False, True]
  assert found.reason.to_pylist() == [None, Reason.FARE_OUT_OF_RANGE, Reason.UNPARSABLE_TIME, None]
  np.testing.assert_allclose(found.columns[LABEL], [3, 50])
  without = canonical_rides(frame.drop(columns='fare_amount'), load('nyc').dataset, label_required=False)
  assert without.valid.tolist() == [True, True, False, True] and LABEL not in without.columns


def test_no_row_is_no_ride():
  frame, _ = _frame(2)
  assert len(canonical_rides(frame[:0].astype({'pickup_datetime': str}), load('nyc').dataset).columns[TIME]) == 0
  assert len(canonical_rides(pa.Table.from_pandas(frame)[:0], load('nyc').dataset).columns[TIME]) == 0


@pytest.mark.parametrize(
  ('change', 'message'),
  [
    pytest.param({'pickup_latitude': None}, 'numbers are expected|no column', id='absent'),
    pytest.param({'passenger_count': [1, 'two', 3.0, None]}, 'a column of several types', id='several_types'),
  ],
)
def test_a_frame_that_is_none_of_rides(change, message):
  frame, _ = _frame(4)
  [(name, values)] = change.items()
  broken = (
    frame.drop(columns=name) if values is None else frame.assign(**{name: pd.Series(values, frame.index, object)})
  )
  with pytest.raises(IngestionError, match=message):
    canonical_rides(broken, load('nyc').dataset)


def test_features_are_those_of_the_rides_that_they_were_fitted_on():
  """Oracle: standardization; the mean of a fitted column is 0, and other rides do not move it."""
  config = load('nyc')
  rides = some_rides(config, 500)
  features = fit_features(rides, config.dataset, config.features)
  whole = features.matrix(rides)
  assert whole.shape == (500, len(features.names))
  known = ~np.isnan(np.stack([rides[name] for name in config.dataset.raw_inputs()[1:]])).any(axis=0)
  column = whole[known, features.names.index('hour')]
  assert abs(whole[:, features.names.index('hour')].mean()) < 1e-4 and column.std() > 0.5
  few = features.matrix({name: values[:3] for name, values in rides.items()})
  np.testing.assert_allclose(few, whole[:3], atol=1e-6)


SOON = Measurement(rounds=3, calls=1, batch=2)


def _judged_rides(rows=60):
  config = load('nyc')
  rides = some_rides(config, rows)
  noise = np.random.default_rng(1).normal(0, 2, rows)
  fares = LiteModel(preset_lite_file()).predict(rides) + noise
  return eval_rides({**rides, LABEL: fares}, config.dataset, config.evaluation.slices)


def _written(folder, **contents):
  for name, content in contents.items():
    (folder / f'{name}.tflite').write_bytes(content)
  return sorted(folder.glob('*.tflite'))


def test_each_file_of_a_list_gets_its_reason(tmp_path):
  wide = preset_lite_file('nyc', 'model.hidden=[128, 64]')
  files = _written(tmp_path, **{'dense.float32': preset_lite_file(), 'wide.float32': wide, 'cut.int8': b'no lite file'})
  compression = Compression(
    budget=Budget(bytes=len(wide) - 1, rmse_ratio=None, worst_slice_ratio=None), measurement=SOON
  )
  verdict = judge_files(files, _judged_rides(), compression, resamples=100)
  assert (verdict.chosen, verdict.baseline, verdict.rides) == ('dense.float32', 'dense.float32', 60)
  cut, large, best = (verdict.named(name) for name in ('cut.int8', 'wide.float32', 'dense.float32'))
  assert cut.reason == "'cut.int8.tflite' is not a TFLite file." and not cut.within_budget
  assert large.reason == f'{len(wide):,} bytes are above the budget of {len(wide) - 1:,}.'
  assert best.bytes == len(preset_lite_file()) and best.within_budget and best.reason.startswith('Chosen: ')


def test_a_list_without_a_yardstick_has_no_verdict(tmp_path):
  files = _written(tmp_path, **{'dense.int8': preset_lite_file()})
  with pytest.raises(FailedError, match='No float32 variant ran, so there is nothing to compare the others with'):
    judge_files(files, _judged_rides(), Compression(measurement=SOON))


def test_two_files_of_one_name(tmp_path):
  for name in ('a', 'b'):
    (tmp_path / name).mkdir()
    _written(tmp_path / name, **{'dense.float32': preset_lite_file()})
  with pytest.raises(UserError, match=r"2 of the files are called 'dense.float32.tflite'"):
    judge_files(sorted(tmp_path.glob('*/*')), _judged_rides(), Compression(measurement=SOON))


def test_rides_in_memory_are_judged_as_those_of_a_run(tmp_path):
  """Oracle: the same rides, written as the ingestion writes them and read as the gate reads them."""
  found, config = _judged_rides(), load('nyc')
  gate_files.write_examples(tmp_path, {**found.columns, LABEL: found.fares})
  files = [str(path) for path in (tmp_path / 'Split-eval').iterdir()]
  read = read_eval_rides(files, config.dataset, config.evaluation.slices)
  # The ingestion writes the shortest examples first.
  order = [np.lexsort([*(rides.columns[name] for name in rides.columns), rides.fares]) for rides in (found, read)]
  for kind in ('columns', 'codes', 'slices'):
    mine, theirs = getattr(found, kind), getattr(read, kind)
    assert [*mine] == [*theirs]
    for name in mine:
      np.testing.assert_array_equal(mine[name][order[0]], theirs[name][order[1]], err_msg=name)
      assert mine[name].dtype == theirs[name].dtype
  np.testing.assert_array_equal(found.fares[order[0]], read.fares[order[1]])


def test_a_file_lists_all_its_weights():
  """Oracle: the shapes of the model that the file was made of."""
  file = LiteFile(small_lite_file(load('nyc', ['features.buckets.enabled=true', 'model.hidden=[16, 8]'])))
  weights = file.weights()
  tables = [layer for layer in weights if layer.name.startswith('GATHER 11 x 2')]
  assert len(tables) == 4
  last = [layer.name for layer in weights][-3:]
  assert last[0].startswith('FULLY_CONNECTED 16 x ') and last[1:] == ['FULLY_CONNECTED 8 x 16', 'FULLY_CONNECTED 1 x 8']
  by_name = file.layers({}, ['dense_0', 'dense_1', 'output'])
  assert [layer.size for layer in by_name] == [layer.size for layer in weights[-3:]]
  assert {layer.type for layer in weights} == {'float32'} and not any(layer.sparse for layer in weights)
