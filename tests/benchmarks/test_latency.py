"""The latency benchmark: its cut files give the fares of the whole, its ways are checked, absent packages are named."""

import sys

import numpy as np
import pytest

from benchmarks import latency
from configs.columns import TIME
from configs.loading import load
from tests.models.lite.small_files import small_lite_file


@pytest.fixture(scope='module', params=['chicago', 'nyc'])
def file(request):
  return small_lite_file(load(request.param))


@pytest.fixture(scope='module')
def rides(file):
  generator = np.random.default_rng(0)
  columns = {name: generator.uniform(-2, 2, 64).astype(np.float32) for name in latency.LiteFile(file).inputs}
  for name, column in columns.items():
    column += {'longitude': -74, 'latitude': 40}.get(name.split('_')[-1], 3)
    column[::7] = np.nan
  return columns | {TIME: generator.integers(0, 2**28, 64).astype(np.int32)}


def _fares(content, rides):
  file = latency.LiteFile(content)
  return file.call(file.taken(rides))


def test_halves_give_the_fares_of_the_whole(file, rides):
  features, core = latency.halves(file)
  made = _fares(features, rides)
  assert made.ndim == 2 and len(made) == 64
  np.testing.assert_array_equal(_fares(core, {latency.FEATURES: made}), _fares(file, rides))


def test_columns_picked_by_matrices_are_the_same_to_the_bit(file, rides):
  assert b'' != latency.columns_by_matrices(file) != file
  np.testing.assert_array_equal(_fares(latency.columns_by_matrices(file), rides), _fares(file, rides))


def test_a_signature_runner_gives_the_same_fares(file, rides):
  lite = latency.LiteFile(file)
  np.testing.assert_array_equal(lite.by_signature([lite.taken(rides)])(0), _fares(file, rides))


def test_ways_are_timed_in_turns_on_rides_of_their_own(rides):
  seen = []

  def prepared(batches):
    return lambda batch: seen.append(len(batches[batch][TIME]))

  [(one, many)] = latency.timed([latency.Way('way', prepared)], rides, rounds=2, calls=50).values()
  assert len(one) == len(many) == 2 and min(one) > 0
  assert {*seen} == {1, 64}


@pytest.mark.parametrize('wrong', [np.float32(1), np.float32('nan')])
def test_a_way_that_gives_other_fares_is_refused(wrong, rides):
  way = latency.Way('a way', lambda batches: lambda batch: np.full(64, wrong), fares=np.zeros(64, np.float32))
  with pytest.raises(SystemExit, match=r'^a way gives other fares than it should\.$'):
    latency.check(way, rides)


def test_packages_that_are_missing_are_named(monkeypatch, capsys):
  monkeypatch.setitem(sys.modules, 'onnx', None)
  assert list(latency.onnx_ways(None, [])) == []
  assert capsys.readouterr().out.endswith('pip install onnx onnxruntime.\n')


def test_a_folder_without_a_run_is_one_sentence(tmp_path):
  with pytest.raises(SystemExit, match=r'is no finished run with dense\.float32'):
    latency.Run.read(tmp_path, 1)
