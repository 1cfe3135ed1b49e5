"""The file to push beside the one that serves: real files, real processes, limits by hand."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
from tfx.components.pusher import executor as tfx_pusher
from tfx.types import artifact_utils, standard_artifacts, standard_component_specs

from components.artifacts import CompressionReport, LiteVariants
from components.compression_gate.choice import Choice, Limit, Thresholds
from components.compression_gate.component import CompressionGateExecutor
from components.compression_gate.records import CompressionRecord, FareDifferences, ShadowRecord, SliceDifferences
from components.compression_gate.shadow import held, remark, shadow_misses
from components.pruning_trainer.keys import RECIPE_PREFIX
from configs.compression import Budget, Compression, Measurement
from configs.dataset import LABEL
from configs.serving import Shadow
from models.lite.client import LiteModel, RideFile
from tests.components import gate_files
from tests.components.gate_files import CONFIG, FLOAT32, INT8, RIDES

LIMITS = Thresholds(unit='USD')
LOOSE = {'bootstrap': 100, 'max_rmse': 1e6, 'max_rmse_increase': 1e6}
ONE_FILE = Compression(
  schemes=(FLOAT32, INT8),
  budget=Budget(rmse_ratio=None, worst_slice_ratio=None, min_slice_rides=100),
  measurement=Measurement(rounds=3, calls=10, batch=64),
)


def differences(mean=0.0, share=0.0, rides=1000, **name):
  kind = SliceDifferences if name else FareDifferences
  return kind(
    rides=rides, served_mean=10.0, mean=mean, mean_absolute=0.5, p50=0.4, p95=1.0, p99=2.0, share_apart=share, **name
  )


def record(overall, *slices, **limits):
  shadow = Shadow(enabled=True, **limits)
  return ShadowRecord(variant='dense.int8', version='7', apart=2.0, overall=overall, slices=slices, limits=shadow)


@pytest.mark.parametrize(
  ('found', 'expected'),
  [
    pytest.param(record(differences(9.0, 0.99)), [], id='no_limit'),
    pytest.param(record(differences(0.5, 0.05), max_mean_difference=0.05, max_share_apart=0.05), [], id='at_the_limit'),
    pytest.param(
      record(differences(0.61), max_mean_difference=0.05),
      [
        'fares of the newest rides are on average 6.1% above those of version 7, which serves (10.00 USD); 5.0% is '
        'allowed (serving.shadow.max_mean_difference)'
      ],
      id='dearer',
    ),
    pytest.param(
      record(differences(-0.61), max_mean_difference=0.05),
      [
        'fares of the newest rides are on average 6.1% below those of version 7, which serves (10.00 USD); 5.0% is '
        'allowed (serving.shadow.max_mean_difference)'
      ],
      id='cheaper',
    ),
    pytest.param(
      record(differences(share=0.123), max_share_apart=0.1),
      [
        '12.3% of the newest rides have fares more than 2.00 USD apart from those of version 7, which serves; 10.0% '
        'may at most (serving.shadow.max_share_apart)'
      ],
      id='apart',
    ),
    pytest.param(
      record(
        differences(), differences(2.0, rides=99, name='few'), differences(-1.5, rides=100, name='airport'),
        differences(1.2, name='over 8 km'), max_slice_difference=0.1,
      ),
      [
        "fares of the newest rides in the slice 'airport' (100 rides) are on average 15.0% below those of version 7, "
        'which serves (10.00 USD); 10.0% is allowed (serving.shadow.max_slice_difference)'
      ],
      id='the_worst_large_slice',
    ),
  ],
)  # fmt: skip
def test_limits(found, expected):
  misses = [*shadow_misses(found, 100, LIMITS, RideFile.terms)]
  assert [miss.sentence for miss in misses] == expected
  assert all(miss.excess > 1 for miss in misses)
  assert {miss.limit for miss in misses} <= {Limit.MEAN_DIFFERENCE, Limit.SHARE_APART, Limit.SLICE_DIFFERENCE}


@pytest.mark.parametrize(
  ('served_mean', 'mean', 'expected'), [(10.0, -1.0, -0.1), (-10.0, 1.0, 0.1), (0.0, 0.0, 0.0), (0.0, -1.0, -np.inf)]
)
def test_a_change_is_a_share_of_the_served_fares(served_mean, mean, expected):
  assert differences(mean).model_copy(update={'served_mean': served_mean}).change == expected


def test_a_held_choice_pushes_nothing_and_says_why():
  misses = [*shadow_misses(record(differences(0.61, 0.2), max_mean_difference=0.05, max_share_apart=0.1), 1, LIMITS,
                           RideFile.terms)]  # fmt: skip
  choice = held(Choice('dense.int8', 'It is best.', {'dense.int8': 'Chosen.', 'dense.float32': 'Larger.'}), misses)
  assert choice.chosen is None
  assert choice.reason == (
    f'dense.int8 keeps the budget, but is held beside what serves: {misses[0].sentence}; {misses[1].sentence}. '
    'Nothing is pushed and the served model stays.'
  )
  assert choice.reasons['dense.float32'] == 'Larger.'
  assert choice.reasons['dense.int8'].startswith('Held beside what serves: fares of')


def test_the_remark():
  assert remark(record(differences(-0.61, 0.123)), LIMITS, RideFile.terms) == (
    'Beside version 7, which serves, on 1,000 of the newest rides: fares are on average -6.1% (-0.61 USD), 95 % are '
    'within 1.00 USD, 12.3% are more than 2.00 USD apart.'
  )


@pytest.fixture(scope='module')
def made(tmp_path_factory):
  """A model whose rides are in both splits, one half each."""
  folder = tmp_path_factory.mktemp('made')
  made = gate_files.make(folder)
  shutil.copytree(made.examples / 'Split-eval', made.examples / 'Split-train')
  return made


@pytest.fixture(scope='module')
def serving(made, tmp_path_factory):
  """The float file as version 7."""
  folder = tmp_path_factory.mktemp('serving')
  execute(folder, made, made.float32)
  return shutil.copytree(folder / 'model' / 'Format-Serving', folder / 'serving' / '7')


def execute(folder, made, content, shadow=None, serving=None, splits='eval'):
  """Runs the executor as a launcher does, on one file. Returns whether TFX's Pusher pushes it, and the record."""
  variants, examples, model = LiteVariants(), standard_artifacts.Examples(), standard_artifacts.Model()
  variants.uri = str(gate_files.write_variants(folder / 'variants', {'dense.float32': content}))
  examples.uri, model.uri = str(made.examples), str(made.saved_model.parent)
  examples.split_names = artifact_utils.encode_split_names(['train', 'eval'])
  blessing, version, report = standard_artifacts.ModelBlessing(), standard_artifacts.Model(), CompressionReport()
  outputs = {'blessing': [blessing], 'model': [version], 'report': [report]}
  for key, [output] in outputs.items():
    output.uri = str(folder / key)
    (folder / key).mkdir()
  push = standard_artifacts.PushedModel()
  push.set_string_custom_property('pushed_destination', str(serving))
  inputs = {
    **{'variants': [variants], 'examples': [examples], f'{RECIPE_PREFIX}dense': [model], 'trained': [model]},
    **({} if serving is None else {'served_push': [push]}),
  }
  properties = {
    'compression': ONE_FILE.model_dump_json(),
    'evaluation': CONFIG.evaluation.model_copy(update=LOOSE).model_dump_json(),
    'dataset': CONFIG.dataset.model_dump_json(),
    'code_version': 'a1b2c3',
    **({} if shadow is None else {'shadow': shadow.model_dump_json(), 'newest_splits': splits}),
  }
  CompressionGateExecutor().Do(inputs, outputs, properties)
  pushes = tfx_pusher.Executor().CheckBlessing({standard_component_specs.MODEL_BLESSING_KEY: outputs['blessing']})
  return pushes, CompressionRecord.read(folder / 'report' / 'compression.json')


def test_differences_are_those_of_the_two_files(made, serving, tmp_path):
  """Oracle: NumPy on what the client predicts by either file."""
  pushes, found = execute(tmp_path, made, made.int8, Shadow(enabled=True, apart=0.01), serving)
  assert pushes
  rides = made.rides()
  new, served = (LiteModel(file).predict(rides.columns).astype(np.float64) for file in (made.int8, made.float32))
  change = new - served
  shadow = found.shadow
  assert (shadow.variant, shadow.version, shadow.held) == ('dense.float32', '7', ())
  assert shadow.apart == pytest.approx(0.01 * np.median(served))
  assert shadow.overall.rides == RIDES
  assert shadow.overall.served_mean == pytest.approx(served.mean())
  assert shadow.overall.mean == pytest.approx(change.mean(), abs=1e-9)
  assert shadow.overall.mean_absolute == pytest.approx(np.abs(change).mean())
  percentiles = np.percentile(np.abs(change), [50, 95, 99])
  assert [shadow.overall.p50, shadow.overall.p95, shadow.overall.p99] == pytest.approx(percentiles)
  assert 0 < shadow.overall.share_apart < 1
  assert shadow.overall.share_apart == np.mean(np.abs(change) > shadow.apart)
  assert {one.name for one in shadow.slices} == {*rides.slices}
  for one in shadow.slices:
    mask = rides.slices[one.name]
    assert one.rides == mask.sum()
    assert one.mean == pytest.approx(change[mask].mean(), abs=1e-9)
  assert found.notes[0].startswith('Beside version 7, which serves, on 1,200 of the newest rides: fares are on average')


def test_all_rides_of_the_newest_span_are_compared(made, serving, tmp_path):
  """Both splits where they are of one span: here the same rides twice."""
  _, found = execute(tmp_path, made, made.float32, Shadow(enabled=True), serving, splits='train,eval')
  assert found.rides == RIDES
  assert found.shadow.overall.rides == 2 * RIDES
  assert found.shadow.overall.mean_absolute == found.shadow.overall.share_apart == 0


def test_a_file_that_changes_too_much_is_held_by_the_one_judge(made, serving, tmp_path):
  """Eight times the weights of a layer; the error may rise, so no other limit is in its way."""
  shadow = Shadow(enabled=True, max_share_apart=0.05)
  pushes, found = execute(tmp_path, made, gate_files.damaged_scale(made.int8), shadow, serving)
  assert not pushes
  assert found.chosen is None
  [sentence] = found.shadow.held
  assert sentence.startswith(f'{found.shadow.overall.share_apart:.1%} of the newest rides have fares more than ')
  assert found.reason.startswith('dense.float32 keeps the budget, but is held beside what serves: ')
  assert not found.variants[0].within_budget
  assert not any((tmp_path / 'model').iterdir())
  assert (tmp_path / 'blessing' / 'NOT_BLESSED').is_file()


def test_nothing_is_compared_where_nothing_serves(made, tmp_path):
  pushes, found = execute(tmp_path, made, made.int8, Shadow(enabled=True, max_share_apart=0.01))
  assert pushes and found.shadow is None
  assert 'shadow' not in json.loads((tmp_path / 'report' / 'compression.json').read_text())


def test_a_served_version_that_does_not_run_holds_nothing_and_is_named(made, serving, tmp_path, monkeypatch):
  """A file that LiteRT loads and that gives no number; it is what was pushed, by its manifest."""
  broken = tmp_path / 'serving' / '8'
  monkeypatch.setattr('components.compression_gate.component.fetch_served', _broken(made, tmp_path))
  pushes, found = execute(tmp_path, made, made.int8, Shadow(enabled=True, max_share_apart=0.01), broken)
  assert pushes and found.shadow is None
  assert found.notes[0] == (
    'Version 8, which serves, does not run on the newest rides: it gives no number for some. serving.shadow is not '
    'held against anything.'
  )


def _broken(made, folder):
  from components.compression_gate.pushed_version import ServedVersion

  file = folder / 'broken.tflite'
  file.write_bytes(gate_files.without_numbers(made.float32))
  return lambda *_: ServedVersion('8', file, tuple(CONFIG.dataset.raw_inputs()))


def test_a_column_that_only_the_served_file_takes_is_missing(made):
  """As for the baseline of errors: NaN in every row."""
  from components.compression_gate.pushed_version import ServedVersion

  columns = {name: column for name, column in made.rides().columns.items() if name != 'passenger_count'}
  filled = ServedVersion('7', None, tuple(CONFIG.dataset.raw_inputs())).columns_of(columns)
  assert {*filled} == {*CONFIG.dataset.raw_inputs()} and LABEL not in filled
  assert np.isnan(filled['passenger_count']).all() and len(filled['passenger_count']) == RIDES
