"""The gate on real lite files, real processes and real artifacts."""

import json
import os
import pathlib
import shutil
import signal
import threading

import numpy as np
import pyarrow.parquet as pq
import pytest
import tensorflow as tf
import yaml
from tensorflow.lite.python import schema_py_generated as schema
from tensorflow_serving.apis import prediction_log_pb2
from tfx.components.pusher import executor as tfx_pusher
from tfx.dsl.components.common import importer
from tfx.orchestration import pipeline
from tfx.orchestration.kubeflow.v2 import kubeflow_v2_dag_runner
from tfx.types import artifact_utils, standard_artifacts, standard_component_specs

from components.artifacts import CompressionReport, LiteVariants
from components.compression_gate import pushed_version
from components.compression_gate.choice import fetch_variants
from components.compression_gate.component import CompressionGate, CompressionGateExecutor
from components.compression_gate.gate import judge
from components.compression_gate.measuring import Bench, _latency, measure
from components.compression_gate.pushed_version import spread_elsewhere
from components.compression_gate.rides import RideVersion, read_eval_rides
from components.pruning_trainer.keys import RECIPE_PREFIX
from components.pusher.component import AtomicPusherExecutor
from configs.compression import Budget, Compression, Measurement
from configs.dataset import COORDINATES, EPOCH, LABEL, TIME
from configs.errors import FailedError
from models.lite.client import LiteModel
from models.lite.flatbuffer import kind_of, pack
from models.lite.inspection import LiteFile
from models.lite.process import LiteProcess, StartedAhead
from models.release import GOLDEN, WARM_UP, ManifestError, check_golden, find_pushed, verify
from models.serving import raw_example_spec
from tests.components import gate_files
from tests.components.gate_files import CONFIG, FLOAT32, INT8, NOISE, RIDES
from transforms import names

QUICK = Measurement(rounds=3, calls=10, batch=64)
OPEN = Budget(rmse_ratio=None, worst_slice_ratio=None)


def compression(**budget):
  return Compression(schemes=(FLOAT32, INT8), budget=OPEN.model_copy(update=budget), measurement=QUICK)


@pytest.fixture(scope='module')
def made(tmp_path_factory):
  return gate_files.make(tmp_path_factory.mktemp('made'))


@pytest.fixture(scope='module')
def rides(made):
  return made.rides()


@pytest.fixture
def judged(made, rides, tmp_path):
  """Judges files by variant name; `lost` has no file."""

  def run(files, settings, lost=None):
    artifact = gate_files.write_variants(tmp_path / 'variants', files, lost)
    (tmp_path / 'fetched').mkdir()
    return judge(fetch_variants(str(artifact), tmp_path / 'fetched'), rides, settings, resamples=200)

  return run


def test_rides_are_read_as_they_were_written(made, rides):
  """Oracle: what was made up; the hour by `datetime`; the dropoff by NumPy."""
  written = gate_files.some_rides(CONFIG, RIDES)
  order = np.lexsort([written[name] for name in (*COORDINATES, TIME)])
  read = np.lexsort([rides.columns[name] for name in (*COORDINATES, TIME)])
  assert rides.seconds.dtype == np.int32
  for name, column in written.items():
    np.testing.assert_array_equal(rides.columns[name][read], column[order])
  hours = np.array([(EPOCH + np.timedelta64(int(second), 's').item()).hour for second in rides.seconds])
  np.testing.assert_array_equal(rides.slices['10–16 h'], (hours >= 10) & (hours < 16))
  missing = np.isnan(rides.columns['dropoff_longitude']) | np.isnan(rides.columns['dropoff_latitude'])
  np.testing.assert_array_equal(rides.slices['dropoff missing'], missing)
  np.testing.assert_array_equal(rides.slices['dropoff known'], ~missing)
  assert len(rides.slices) == sum(len(np.unique(codes)) for codes in rides.codes.values())


def test_an_empty_eval_split_is_refused(tmp_path):
  gate_files.write_examples(tmp_path, {name: np.zeros(0) for name in (*CONFIG.dataset.raw_inputs(), LABEL)})
  files = [str(path) for path in (tmp_path / 'Split-eval').iterdir()]
  with pytest.raises(
    FailedError, match=r'^The eval split holds no ride, so no variant can be judged: give rides of more'
  ):
    read_eval_rides(files, CONFIG.dataset, CONFIG.evaluation.slices)


@pytest.mark.parametrize('most', [1, 500, RIDES - 1])
def test_of_many_rides_a_sample_is_read(made, rides, most):
  """Oracle: the whole split, of which a sample has some rows in their order, with the slices that those have."""
  files = [str(path) for path in (made.examples / 'Split-eval').iterdir()]
  sample, again = (read_eval_rides(files, CONFIG.dataset, CONFIG.evaluation.slices, most) for _ in range(2))
  assert (len(sample), sample.drawn_from, rides.drawn_from) == (most, RIDES, None)
  place = {fare: row for row, fare in enumerate(rides.fares.tolist())}
  assert len(place) == RIDES  # Fares are all different, so that each names its ride.
  rows = np.array([place[fare] for fare in sample.fares.tolist()])
  assert np.all(np.diff(rows) > 0)
  for name, column in rides.columns.items():
    np.testing.assert_array_equal(sample.columns[name], column[rows])
    np.testing.assert_array_equal(again.columns[name], sample.columns[name])
  assert sample.slices.keys() == {name for name, mask in rides.slices.items() if mask[rows].any()}
  for name, mask in sample.slices.items():
    np.testing.assert_array_equal(mask, rides.slices[name][rows])


@pytest.mark.parametrize('most', [RIDES, RIDES + 1])
def test_a_split_that_is_no_larger_is_read_whole(made, rides, most):
  files = [str(path) for path in (made.examples / 'Split-eval').iterdir()]
  found = read_eval_rides(files, CONFIG.dataset, CONFIG.evaluation.slices, most)
  assert found.drawn_from is None
  np.testing.assert_array_equal(found.fares, rides.fares)
  assert found.slices.keys() == rides.slices.keys()


def test_a_verdict_on_a_sample_says_so(made, tmp_path):
  """In the record, in a note for page and terminal, and in the manifest; the RMSE is NumPy's on that sample."""
  execute(tmp_path, made, {'dense.float32': made.float32}, compression(), evaluation={'judged_rides': 500})
  content = json.loads((tmp_path / 'report' / 'compression.json').read_text())
  assert (content['rides'], content['drawn_from']) == (500, RIDES)
  said = 'Judged on 500 of 1,200 rides of the eval split, drawn at random (evaluation.judged_rides).'
  assert content['notes'][0] == said
  files = [str(path) for path in (made.examples / 'Split-eval').iterdir()]
  sample = read_eval_rides(files, CONFIG.dataset, CONFIG.evaluation.slices, 500)
  errors = LiteModel(made.float32).predict(sample.columns) - sample.fares
  [variant] = content['variants']
  assert variant['rmse']['value'] == pytest.approx(float(np.sqrt(np.mean(errors.astype(np.float64) ** 2))))
  metrics = verify(tmp_path / 'model' / 'Format-Serving').metrics
  assert (metrics.rides, metrics.drawn_from) == (500, RIDES)
  table = pq.read_table(tmp_path / 'report' / 'predictions.parquet')
  np.testing.assert_array_equal(table[LABEL].to_numpy(), sample.fares)


def test_each_file_is_run_in_its_own_process(made, rides, tmp_path):
  """Oracle: `LiteModel` in this process; the files are swapped, so that a mix-up would show."""
  files = {'a': made.int8, 'b': made.float32}
  paths = {name: tmp_path / f'{name}.tflite' for name in files}
  for name, path in paths.items():
    path.write_bytes(files[name])
  measured, lost = measure(paths, rides.columns, QUICK, rides.contract)
  assert lost == {}
  for name, content in files.items():
    np.testing.assert_array_equal(measured[name].predictions, LiteModel(content).predict(rides.columns))
    one, many = measured[name].latency_us, measured[name].latency_batch_us
    for latency in (one, many):
      assert latency.whole_call
      low, high = latency.spread
      assert 0 < low <= latency.p50 <= high
      assert latency.p50 <= latency.p99
    # Five of a round's ten calls take its median or longer, so of the thirty more than one in a hundred do.
    assert one.spread[1] <= one.p99 * 1.001
    assert one.p50 < many.p50
    assert len(content) < measured[name].peak_bytes < 2**28


def test_nothing_runs_beside_a_file_that_is_timed(made, rides, tmp_path, monkeypatch):
  """Oracle: the questions under way, counted by name of the file; predictions of several files do overlap."""
  paths = {name: tmp_path / f'{name}.tflite' for name in 'abcd'}
  for path in paths.values():
    path.write_bytes(made.float32)
  under_way, beside, lock, ask = [], {'time': set(), 'predict': set()}, threading.Lock(), LiteProcess._exchange

  def counted(process, request):
    kind = str(request.get('action', 'open'))
    timed = kind == 'time' and int(request['calls']) == QUICK.calls
    with lock:
      under_way.append(kind)
      others = len(under_way) - 1
    if timed or kind == 'predict':
      beside[kind].add(others)
    try:
      return ask(process, request)
    finally:
      with lock:
        under_way.remove(kind)

  monkeypatch.setattr(LiteProcess, '_exchange', counted)
  with StartedAhead() as ahead:
    ahead.prepare(len(paths))
    measure(paths, rides.columns, QUICK, rides.contract, ahead)
    assert ahead._waiting == []
  assert beside['time'] == {0}
  assert max(beside['predict']) > 0


def test_latency_is_that_of_all_calls_and_its_spread_that_of_the_rounds():
  """Oracle: NumPy. With one call a round the spread may exceed p99, which lies between the two longest calls."""
  rounds = [np.array([4.0, 9.0, 5.0]), np.array([6.0, 7.0, 90.0]), np.array([1.0, 2.0, 3.0])]
  found = _latency(rounds)
  assert found.p50 == 5.0
  assert found.p99 == pytest.approx(np.percentile([1, 2, 3, 4, 5, 6, 7, 9, 90], 99))
  assert found.spread == (2.0, 7.0)
  single = _latency([np.array([value]) for value in (1.0, 2.0, 3.0)])
  assert single.spread == (1.0, 3.0) and single.p99 < 3.0


def test_errors_are_those_of_the_file(judged, made, rides):
  """Oracle: NumPy, on what `LiteModel` predicts; the fares were made with `NOISE` about the float file's."""
  found = judged({'dense.float32': made.float32, 'dense.int8': made.int8}, compression())
  rmse = {}
  for name, content in {'dense.float32': made.float32, 'dense.int8': made.int8}.items():
    errors = LiteModel(content).predict(rides.columns).astype(np.float64) - rides.fares
    rmse[name] = np.sqrt(np.mean(errors**2))
    assert found.candidates[name].errors.error.value == pytest.approx(rmse[name])
    assert found.candidates[name].errors.others['mae'].value == pytest.approx(np.mean(np.abs(errors)))
  assert rmse['dense.float32'] == pytest.approx(NOISE, rel=0.1)
  ratio = found.candidates['dense.int8'].errors.ratio
  assert ratio.value == pytest.approx(rmse['dense.int8'] / rmse['dense.float32'])
  assert ratio.low < ratio.value < ratio.high


def test_a_lost_variant_is_no_lost_run(judged, made, tmp_path):
  files = {
    'dense.float32': made.float32,
    'damaged.int8': gate_files.damaged_scale(made.int8),
    'crashing.int8': gate_files.crashing(made.int8),
    'truncated.int8': made.int8[:-300],
    'nan.float32': gate_files.without_numbers(made.float32),
    'foreign.int8': b'hello, I am no model',
    'dense.int8': made.int8,
  }
  found = judged(files, compression(rmse_ratio=1.05), lost={'big.int8': 'TFLite has no such operator.'})
  assert found.choice.chosen == 'dense.int8'
  assert [*found.lost] == ['crashing.int8', 'truncated.int8', 'nan.float32', 'foreign.int8', 'big.int8']
  assert found.lost['crashing.int8'] == 'The process that ran it was lost: killed by SIGSEGV.'
  assert found.lost['truncated.int8'] == "'truncated.int8.tflite' is cut off or damaged; copy or write it again."
  assert found.lost['nan.float32'] == f'It gives no number for {RIDES:,} of {RIDES:,} rides.'
  assert found.lost['foreign.int8'] == "'foreign.int8.tflite' is not a TFLite file."
  assert found.lost['big.int8'] == 'TFLite has no such operator.'
  # Eight times the first layer's weights, which nothing but the fares can show.
  assert found.candidates['damaged.int8'].errors.ratio.value > 2
  assert found.choice.reasons['damaged.int8'].startswith('RMSE ratio ')
  assert 'is above the budget of 1.05' in found.choice.reasons['damaged.int8']
  assert found.notes[0].startswith('5 of 8 variants could not be judged: crashing.int8, truncated.int8, nan.float32,')


def test_a_file_that_was_altered_since_it_was_converted(made, rides, tmp_path):
  artifact = gate_files.write_variants(tmp_path / 'a', {'dense.float32': made.float32, 'dense.int8': made.int8})
  (artifact / 'dense.int8.tflite').write_bytes(gate_files.damaged_scale(made.int8))
  sound, altered = fetch_variants(str(artifact), tmp_path)
  assert sound.path.read_bytes() == made.float32
  assert altered.path is None
  assert altered.reason == "'dense.int8.tflite' is not the file that was converted: its SHA-256 is another one."


def test_a_process_that_dies_between_two_rounds(made, rides, tmp_path):
  paths = {name: tmp_path / f'{name}.tflite' for name in 'ab'}
  for path in paths.values():
    path.write_bytes(made.float32)
  with Bench(paths, threads=1) as bench:
    os.kill(bench.ask('a', lambda process: process.pid), signal.SIGKILL)
    assert bench.ask('a', lambda process: process.predict(rides.columns)) is None
    assert bench.names == ['b']
    assert [*bench.ask_all(lambda process: process.predict(rides.columns))] == ['b']
  assert bench.lost == {'a': 'The process that ran it was lost: killed by SIGKILL.'}


def test_without_the_dense_float32_file_the_next_one_is_the_baseline(judged, made):
  files = {'dense.int8': made.int8, 'pruned.float32': made.float32, 'dense.float32': made.float32[:-300]}
  found = judged(files, compression())
  assert found.baseline == 'pruned.float32'
  assert found.candidates['pruned.float32'].errors.ratio.value == 1
  assert found.notes[0] == 'There is no dense.float32 to compare with, so RMSE ratios are to pruned.float32.'


@pytest.mark.parametrize(
  ('lost', 'message'),
  [
    pytest.param({}, r'compare the others with; put float32 into compression\.schemes\.$', id='none_converted'),
    pytest.param({'dense.float32': 'No.'}, r'compare the others with; dense\.float32 was lost: No\.$', id='lost'),
  ],
)
def test_without_any_float32_file_there_is_no_judgement(judged, made, lost, message):
  with pytest.raises(FailedError, match=rf'^No float32 variant ran, so there is nothing to {message}'):
    judged({'dense.int8': made.int8}, compression(), lost)


def execute(folder, made, files, settings, lost=None, evaluation=None, **served):
  """Runs the executor as a launcher does; the outputs by key."""
  artifact = gate_files.write_variants(folder / 'variants', files, lost)
  variants, examples, model = LiteVariants(), standard_artifacts.Examples(), standard_artifacts.Model()
  variants.uri, examples.uri, model.uri = str(artifact), str(made.examples), str(made.saved_model.parent)
  examples.split_names = artifact_utils.encode_split_names(['eval'])
  outputs = {
    'blessing': [standard_artifacts.ModelBlessing()],
    'model': [standard_artifacts.Model()],
    'report': [CompressionReport()],
  }
  for key, [output] in outputs.items():
    output.uri = str(folder / key)
    pathlib.Path(output.uri).mkdir()
  CompressionGateExecutor().Do(
    {
      'variants': [variants],
      'examples': [examples],
      f'{RECIPE_PREFIX}dense': [model],
      'trained': [model],
      **served,
    },
    outputs,
    {
      'compression': settings.model_dump_json(),
      'evaluation': CONFIG.evaluation.model_copy(update={'bootstrap': 200} | (evaluation or {})).model_dump_json(),
      'dataset': CONFIG.dataset.model_dump_json(),
      'code_version': 'a1b2c3',
    },
  )
  return outputs


@pytest.fixture(scope='module')
def blessed(made, tmp_path_factory):
  """The folder and the outputs of a gate that chose the int8 file and lost another one."""
  folder = tmp_path_factory.mktemp('blessed')
  files = {'dense.float32': made.float32, 'dense.int8': made.int8}
  return folder, execute(folder, made, files, compression(rmse_ratio=1.05), {'dense.int4': 'No quantizer.'})


@pytest.fixture(scope='module')
def refused(made, tmp_path_factory):
  """The same with a budget that nothing keeps."""
  folder = tmp_path_factory.mktemp('refused')
  return folder, execute(folder, made, {'dense.float32': made.float32, 'dense.int8': made.int8}, compression(bytes=100))


def checked(outputs):
  """What TFX's own Pusher makes of the blessing."""
  return tfx_pusher.Executor().CheckBlessing({standard_component_specs.MODEL_BLESSING_KEY: outputs['blessing']})


def test_the_pusher_takes_the_blessing(blessed, refused):
  """It names the file, the figure and the limit, and is of the Trainer's model, as TFX's Resolvers read it."""
  assert checked(blessed[1])
  assert not checked(refused[1])
  assert [path.name for path in (blessed[0] / 'blessing').iterdir()] == ['BLESSED']
  assert [path.name for path in (refused[0] / 'blessing').iterdir()] == ['NOT_BLESSED']
  for folder, outputs in (blessed, refused):
    [blessing] = outputs['blessing']
    reason = json.loads((folder / 'report' / 'compression.json').read_text())['reason']
    assert blessing.get_string_custom_property('blessing_message') == reason
    assert blessing.get_int_custom_property('current_model_id') == 0  # No store, no id.


def push_of(version, uri=''):
  """A push as the Pusher notes it."""
  pushed = standard_artifacts.PushedModel()
  pushed.uri = uri
  pushed.set_string_custom_property('pushed_destination', str(version))
  return [pushed]


@pytest.fixture
def serving(blessed, tmp_path):
  """The blessed version, as number 7 of a push destination."""
  return shutil.copytree(blessed[0] / 'model' / 'Format-Serving', tmp_path / 'serving' / '7')


def test_what_serves_is_run_beside_the_candidates(serving, made, tmp_path, rides):
  """Oracle: the RMSE of the pushed file by the client. The int8 file is as good as itself; the float one is better."""
  files = {'dense.float32': made.float32, 'dense.int8': made.int8}
  outputs = execute(
    tmp_path, made, files, compression(), evaluation={'max_rmse_increase': 0.0}, served_push=push_of(serving)
  )
  assert checked(outputs)
  content = json.loads((tmp_path / 'report' / 'compression.json').read_text())
  errors = LiteModel(made.int8).predict(rides.columns) - rides.fares
  assert content['served_version'] == '7'
  assert content['served_rmse']['value'] == pytest.approx(float(np.sqrt(np.mean(errors.astype(np.float64) ** 2))))


def test_a_file_worse_than_what_serves_is_not_pushed(blessed, made, tmp_path):
  """The float file serves; int8 is 1 to 5 % worse, and none may be."""
  first = execute(tmp_path / 'first', made, {'dense.float32': made.float32}, compression())
  serving = shutil.copytree(tmp_path / 'first' / 'model' / 'Format-Serving', tmp_path / 'serving' / '12')
  assert checked(first)
  only = {'dense.float32': made.float32, 'dense.int8': made.int8}
  outputs = execute(
    tmp_path, made, only, compression(rmse_ratio=1.05, bytes=len(made.int8)), evaluation={'max_rmse_increase': 0.0},
    served_push=push_of(serving),
  )  # fmt: skip
  assert not checked(outputs)
  rows = json.loads((tmp_path / 'report' / 'compression.json').read_text())['variants']
  [reason] = [row['reason'] for row in rows if row['name'] == 'dense.int8']
  assert 'where version 12, which serves, has ' in reason
  assert reason.endswith(' USD on the same rides; it may rise by 0.0% at most (evaluation.max_rmse_increase).')


def test_a_served_version_that_was_altered_is_named_and_no_baseline(serving, made, tmp_path):
  (serving / 'model.tflite').write_bytes(made.float32)
  outputs = execute(
    tmp_path, made, {'dense.float32': made.float32}, compression(), evaluation={'max_rmse_increase': 0.0},
    served_push=push_of(serving),
  )  # fmt: skip
  assert checked(outputs)
  content = json.loads((tmp_path / 'report' / 'compression.json').read_text())
  assert content['served_version'] is None
  assert content['notes'][0].startswith(
    f"Version 7, which serves, is not what was pushed: 'model.tflite' in '{serving}' was altered"
  )


def test_nothing_serves_where_the_look_up_found_nothing(made, tmp_path):
  """Kubeflow has no output that may be missing: the Model is there, and empty."""
  absent = standard_artifacts.Model()
  absent.uri = str(tmp_path / 'absent')
  outputs = execute(tmp_path, made, {'dense.float32': made.float32}, compression(), served_model=[absent])
  assert checked(outputs)
  assert json.loads((tmp_path / 'report' / 'compression.json').read_text())['served_version'] is None


@pytest.mark.parametrize(
  ('setting', 'message'),
  [
    ({'max_rmse': 0.01}, 'No variant keeps every limit, so nothing is pushed and the served model stays; nearest is '),
    (
      {'min_rides': 1_000_000, 'judged_rides': 1_000_000},
      ' rides to judge by are too few: evaluation.min_rides is 1,000,000. Nothing is pushed',
    ),
    ({'min_time_stamps': 1_000_000}, ' time stamps, which is too few: evaluation.min_time_stamps is 1,000,000.'),
  ],
)
def test_thresholds_are_held_against_the_files(setting, message, made, tmp_path):
  outputs = execute(tmp_path, made, {'dense.float32': made.float32}, compression(), evaluation=setting)
  assert not checked(outputs)
  assert message in json.loads((tmp_path / 'report' / 'compression.json').read_text())['reason']


def test_the_version_is_whole_and_verified(blessed, made):
  version = blessed[0] / 'model' / 'Format-Serving'
  manifest = verify(version)
  assert find_pushed(version).file.read_bytes() == made.int8
  assert {'saved_model.pb', 'model.tflite', 'assets.extra/golden_rides.json'} <= {*manifest.files}
  for name, content in {path.relative_to(made.saved_model): path for path in made.saved_model.rglob('*')}.items():
    assert content.is_dir() or (version / name).read_bytes() == content.read_bytes()
  assert {
    key: getattr(manifest, key) for key in ('recipe', 'scheme', 'variant', 'dataset', 'currency', 'code_version')
  } == {
    'recipe': 'dense',
    'scheme': 'int8',
    'variant': 'dense.int8',
    'dataset': 'nyc',
    'currency': 'USD',
    'code_version': 'a1b2c3',
  }
  assert [column.name for column in manifest.inputs] == list(CONFIG.dataset.raw_inputs())
  assert 1 < manifest.metrics.rmse_ratio.value < 1.05
  assert blessed[1]['model'][0].get_string_custom_property('variant') == 'dense.int8'


def test_golden_rides_hold_for_the_file_and_for_the_saved_model(blessed, made, rides):
  """Oracle: the client on the pushed file; the SavedModel's fares are the float file's but for the quantization."""
  version = blessed[0] / 'model' / 'Format-Serving'
  check_golden(version)
  golden = json.loads((version / 'assets.extra' / 'golden_rides.json').read_text())
  assert 6 <= len(golden[LABEL]) <= 8
  assert None in golden['rides']['dropoff_longitude'] + golden['rides']['dropoff_latitude']
  lite, saved = np.array(golden[LABEL]), np.array(golden[f'saved_model_{LABEL}'])
  np.testing.assert_allclose(lite, saved, atol=2.0)
  assert np.std(saved) > 5
  spread = spread_elsewhere(made.int8, INT8, LiteModel(made.int8).predict(made.rides().columns))
  assert 0 <= golden['tolerance'] - spread <= 0.01


def test_tensorflow_serving_finds_the_lite_file(blessed, made, rides):
  """Oracle: what its TFLite session does, by its source, on the file that `--prefer_tflite_model` looks for.

  Without older metadata in the file its tensors' names are those of the signature, so each must be there, and once. It
  sets one input after the other and makes room for each at once, which fits requests of one ride.
  """
  version = blessed[0] / 'model' / 'Format-Serving'
  path = version / 'model.tflite'
  assert path.is_file() and not path.is_symlink() and path.read_bytes() == made.int8
  assert not list((version / 'assets.extra').glob('*.tflite'))
  model = tf.lite.Interpreter(str(path), num_threads=1)
  model.allocate_tensors()
  inputs = {detail['name']: detail for detail in model.get_input_details()}
  assert {*inputs} == {*CONFIG.dataset.raw_inputs()}
  [output] = model.get_output_details()
  assert output['name'] == LABEL
  expected = LiteModel(made.int8).predict(rides.columns)
  for row in (0, len(rides) // 2):
    for name, detail in inputs.items():
      model.resize_tensor_input(detail['index'], [1])
      model.allocate_tensors()
      model.set_tensor(detail['index'], rides.columns[name][row : row + 1])
    model.invoke()
    np.testing.assert_allclose(model.get_tensor(output['index']), expected[row : row + 1], atol=1.5)


def test_requests_to_warm_up_with(blessed, made):
  """Oracle: TensorFlow's reader of the records, and the SavedModel on what is in them."""
  version = blessed[0] / 'model' / 'Format-Serving'
  assert WARM_UP in verify(version).files
  records = [record.numpy() for record in tf.data.TFRecordDataset(str(version / WARM_UP))]
  requests = [prediction_log_pb2.PredictionLog.FromString(record).predict_log.request for record in records]
  assert [request.model_spec.signature_name for request in requests] == ['serving_default', 'serving_raw']
  golden = json.loads((version / 'assets.extra' / 'golden_rides.json').read_text())
  examples, raw = ({name: tf.make_ndarray(t) for name, t in request.inputs.items()} for request in requests)
  model = tf.saved_model.load(str(version))
  [fares] = model.signatures['serving_raw'](**{name: tf.constant(t) for name, t in raw.items()}).values()
  np.testing.assert_allclose(fares, golden[f'saved_model_{LABEL}'], rtol=1e-6)
  parsed = tf.io.parse_example(examples['examples'], raw_example_spec(CONFIG.dataset))
  for name, column in raw.items():
    np.testing.assert_array_equal(parsed[name], column, err_msg=name)


def test_the_manifest_says_what_was_checked(blessed):
  manifest = verify(blessed[0] / 'model' / 'Format-Serving')
  assert manifest.min_runtime_version == '2.4.0'
  assert [(found.kernels, found.within) for found in manifest.checked] == [('default', True), ('builtin', True)]
  assert manifest.checked[0].largest == 0 and manifest.checked[0].runtime.startswith('ai-edge-litert ')


def test_golden_rides_find_a_damaged_file(blessed, tmp_path):
  """The weights of one layer have the other sign."""
  version = tmp_path / '1'
  shutil.copytree(blessed[0] / 'model' / 'Format-Serving', version)
  file = version / 'model.tflite'
  model = schema.ModelT.InitFromPackedBuf(file.read_bytes(), 0)
  named = [tensor for tensor in model.subgraphs[0].tensors if tensor.name.startswith(b'dense_0')]
  kernels = [tensor for tensor in named if model.buffers[tensor.buffer].data is not None]
  buffer = model.buffers[kernels[0].buffer]
  buffer.data = (-buffer.data.view(np.int8)).view(np.uint8)
  file.write_bytes(pack(model))
  with pytest.raises(ManifestError, match=r'golden rides of .* have another fare'):
    check_golden(version)


def test_golden_rides_find_small_damage(blessed, tmp_path):
  """The last bias is off by three and a half steps of the fares, which is less than the scheme allows of all."""
  version = tmp_path / '1'
  shutil.copytree(blessed[0] / 'model' / 'Format-Serving', version)
  file = version / 'model.tflite'
  step, fares = LiteFile(file.read_bytes()).output_step(), json.loads((version / GOLDEN).read_text())[LABEL]
  assert 3.5 * step < 3 * INT8.tolerance * np.std(fares)
  model = schema.ModelT.InitFromPackedBuf(file.read_bytes(), 0)
  kind = schema.BuiltinOperator.FULLY_CONNECTED
  [graph] = model.subgraphs
  last = [operator for operator in graph.operators if kind_of(model.operatorCodes[operator.opcodeIndex]) == kind][-1]
  bias = graph.tensors[last.inputs[2]]
  buffer = model.buffers[bias.buffer]
  added = round(3.5 * step / bias.quantization.scale[0])
  buffer.data = (buffer.data.view(np.int32) + np.int32(added)).view(np.uint8)
  file.write_bytes(pack(model))
  with pytest.raises(ManifestError, match=r'golden rides of .* have another fare'):
    check_golden(version)


def test_kernels_that_are_beyond_the_tolerance_are_a_note(made, tmp_path, monkeypatch):
  """The push goes on: they may be wrong themselves. Oracle: the manifest."""
  monkeypatch.setattr(pushed_version, 'spread_elsewhere', lambda *_: -1e9)
  monkeypatch.setattr(RideVersion, 'tolerance', lambda _, spread: spread)
  outputs = execute(tmp_path, made, {'dense.float32': made.float32}, compression())
  assert checked(outputs)
  found = verify(tmp_path / 'model' / 'Format-Serving').checked
  assert [one.within for one in found] == [False, False]
  noted = json.loads((tmp_path / 'report' / 'compression.json').read_text())['notes']
  for one, kernels in zip(found, ('default', 'builtin'), strict=True):
    said = f'Golden predictions: {one.runtime} with its {kernels} kernels is off by up to {one.largest:.4g}, beyond'
    assert len([note for note in noted if note.startswith(said)]) == 1


def test_the_pusher_publishes_the_version(blessed, tmp_path):
  """TFX's push with both blessings, by the project's Pusher; a byte that is changed afterwards is noticed."""
  blessing, pushed = standard_artifacts.ModelBlessing(), standard_artifacts.PushedModel()
  blessing.set_int_custom_property('blessed', 1)
  pushed.uri = str(tmp_path / 'archive')
  keys = standard_component_specs
  AtomicPusherExecutor().Do(
    {
      keys.MODEL_KEY: blessed[1]['model'],
      keys.MODEL_BLESSING_KEY: [blessing],
      keys.INFRA_BLESSING_KEY: blessed[1]['blessing'],
    },
    {keys.PUSHED_MODEL_KEY: [pushed]},
    {keys.PUSH_DESTINATION_KEY: json.dumps({'filesystem': {'base_directory': str(tmp_path / 'serving')}})},
  )
  version = pathlib.Path(pushed.get_string_custom_property('pushed_destination'))
  assert verify(version) == verify(blessed[0] / 'model' / 'Format-Serving')
  lite = find_pushed(tmp_path / 'serving').file
  lite.write_bytes(lite.read_bytes()[:-1] + b'!')
  with pytest.raises(ManifestError, match=r"'model.tflite' in '.*' was altered"):
    find_pushed(tmp_path / 'serving')


def test_the_report(blessed):
  content = json.loads((blessed[0] / 'report' / 'compression.json').read_text())
  assert {key: content[key] for key in ('chosen', 'baseline', 'rides')} == {
    'chosen': 'dense.int8',
    'baseline': 'dense.float32',
    'rides': RIDES,
  }
  assert content['reason'].startswith('dense.int8 is the smallest download of 2 variants that keep the budget (')
  assert content['objective'] == 'download'
  assert content['budget']['rmse_ratio'] == 1.05
  rows = {row['name']: row for row in content['variants']}
  assert [*rows] == ['dense.float32', 'dense.int8', 'dense.int4']
  # Every row has the same fields, so that a table needs no exceptions.
  assert {tuple(sorted(row)) for row in rows.values()} == {tuple(sorted(rows['dense.int8']))}
  chosen = rows['dense.int8']
  assert chosen['within_budget'] and chosen['frontier_size']
  assert chosen['worst_slice'] in chosen['slices']
  assert chosen['worst_slice']['rmse_ratio']['value'] == max(
    found['rmse_ratio']['value'] for found in chosen['slices'] if found['rides'] >= 50
  )
  lost = rows['dense.int4']
  assert lost['reason'] == 'No quantizer.'
  assert not lost['within_budget'] and not lost['frontier_size'] and not lost['frontier_latency']
  assert lost['rmse'] is lost['bytes'] is lost['latency_us'] is None


def test_predictions_are_kept_for_the_residuals(blessed, made, rides):
  table = pq.read_table(blessed[0] / 'report' / 'predictions.parquet')
  variants = ['dense.float32', 'dense.int8']
  assert table.column_names == [TIME, *COORDINATES, LABEL, *names.SLICES, *variants]
  np.testing.assert_array_equal(table[LABEL].to_numpy(), rides.fares)
  np.testing.assert_array_equal(table[names.SLICE_AIRPORT].to_numpy(), rides.codes[names.SLICE_AIRPORT])
  for name, content in zip(variants, (made.float32, made.int8), strict=True):
    np.testing.assert_array_equal(table[name].to_numpy(), LiteModel(content).predict(rides.columns))


def test_a_budget_that_nothing_keeps_leaves_the_model_empty_and_says_what_is_nearest(refused):
  content = json.loads((refused[0] / 'report' / 'compression.json').read_text())
  assert content['chosen'] is None
  assert content['reason'].startswith(
    'No variant keeps every limit, so nothing is pushed and the served model stays; nearest is dense.int8: '
  )
  assert content['reason'].endswith(' bytes are above the budget of 100.')
  assert [*(refused[0] / 'model').iterdir()] == []
  table = pq.read_table(refused[0] / 'report' / 'predictions.parquet')
  assert [name for name in table.column_names if '.' in name] == ['dense.float32']


def nodes():
  kinds = {'variants': LiteVariants, 'examples': standard_artifacts.Examples} | (
    {'dense': standard_artifacts.Model, 'examples_2': standard_artifacts.Model}
  )
  sources = {
    name: importer.Importer(source_uri=f'gs://bucket/{name}', artifact_type=kind).with_id(name)
    for name, kind in kinds.items()
  }
  channels = {name: node.outputs['result'] for name, node in sources.items()}
  gate = CompressionGate(
    variants=channels['variants'],
    examples=channels['examples'],
    # A recipe may be called like another input.
    models={'dense': channels['dense'], 'examples': channels['examples_2']},
    trained=channels['dense'],
    compression=compression(),
    evaluation=CONFIG.evaluation,
    dataset=CONFIG.dataset,
    code_version='1',
  )
  return [*sources.values(), gate]


def test_outputs_and_parameters():
  *_, gate = nodes()
  assert {key: channel.type for key, channel in gate.outputs.items()} == {
    'blessing': standard_artifacts.ModelBlessing,
    'model': standard_artifacts.Model,
    'report': CompressionReport,
  }
  assert Compression.model_validate_json(gate.exec_properties['compression']) == compression()


def test_compiles(tmp_path):
  """Oracle: the compiled spec itself; TFX's own compiler, no cluster."""
  config = kubeflow_v2_dag_runner.KubeflowV2DagRunnerConfig(
    default_image='registry.example/farelite', use_pipeline_spec_2_1=True
  )
  runner = kubeflow_v2_dag_runner.KubeflowV2DagRunner(config=config, output_filename=str(tmp_path / 'spec.yaml'))
  runner.run(
    pipeline.Pipeline(pipeline_name='farelite', pipeline_root='gs://bucket/root', components=nodes()), write_out=True
  )
  compiled = yaml.safe_load((tmp_path / 'spec.yaml').read_text())
  gate = compiled['components']['CompressionGate']
  assert set(gate['inputDefinitions']['artifacts']) == {
    *('variants', 'examples', 'trained', 'recipe_dense', 'recipe_examples')
  }
  schema = gate['outputDefinitions']['artifacts']['report']['artifactType']['instanceSchema']
  assert 'title: components.CompressionReport' in schema
