"""The same rides have the same figures in the gate, on the page, in a comparison of two runs, and in a study."""

import dataclasses
import pathlib

import numpy as np
import pytest

from components.compression_gate import gate, report
from components.compression_gate.choice import Variant
from components.compression_gate.measuring import Measured
from components.compression_gate.records import REPORT_FILE
from components.compression_gate.rides import EvalRides
from components.quantization_rewriter.records import ConvertedVariant
from configs import loading
from configs.dataset import COORDINATES, LABEL, TIME
from configs.records import Estimate
from configs.study import StudyBlock
from models.error_intervals import error_intervals
from models.release import Latency
from pipeline.report.comparison import compare
from pipeline.report.record import read_record, read_variants
from pipeline.report.rides import read_rides
from pipeline.report.sections.errors import errors_section
from pipeline.report.sections.variants import variants_section
from pipeline.report.tables import figures, interval
from pipeline.study.folds import Outcome, StudyFold, StudyVariant
from pipeline.study.results import BlockResults, Results
from tests.pipeline.made_run import made_run

RIDES, BASE, OWN = 600, 'dense.float32', 'pqat_80.int8'
# Not the default number of draws, so that a number of one's own would give other figures.
CONFIG = loading.load('chicago', ['evaluation.bootstrap=300'])
_LATENCY = Latency(p50=5.0, p99=9.0, spread=(4.0, 6.0))


@pytest.fixture(scope='module')
def rides() -> EvalRides:
  """Rides of which three share a time stamp, all of them to an airport: that slice is all rides."""
  random = np.random.default_rng(0)
  columns = {TIME: np.sort(random.integers(126_232_200, 252_348_300, RIDES // 3)).repeat(3).astype(np.int32)}
  columns |= {name: random.normal(41.9, 0.04, RIDES).astype(np.float32) for name in COORDINATES}
  airport = np.ones(RIDES, np.int64)
  fares = (random.gamma(2, 6, RIDES) + 3).astype(np.float32)
  return EvalRides(columns, fares, {'slice_airport': airport}, {'airport ride': airport == 1})


@pytest.fixture(scope='module')
def predictions(rides) -> dict[str, np.ndarray]:
  """Float32 fares by variant."""
  random = np.random.default_rng(1)
  base = rides.fares + random.standard_t(4, RIDES)
  return {BASE: base.astype(np.float32), OWN: (base + random.normal(0.1, 0.7, RIDES)).astype(np.float32)}


@pytest.fixture(scope='module')
def judgement(rides, predictions) -> gate.Judgement:
  """What the gate says, the running of files left out."""
  measured = {name: Measured(fares, _LATENCY, _LATENCY, 1) for name, fares in predictions.items()}
  with pytest.MonkeyPatch.context() as patch:
    patch.setattr(gate, 'measure', lambda *_: (measured, {}))
    return gate.judge(_variants(), rides, CONFIG.compression, CONFIG.evaluation.bootstrap)


def _variants() -> list[Variant]:
  return [
    Variant(
      ConvertedVariant(name=name, recipe=recipe, scheme=scheme, bytes=size, gzip_bytes=size),
      pathlib.Path(f'{name}.tflite'),
    )
    for name, recipe, scheme, size in ((BASE, *BASE.split('.'), 9000), (OWN, *OWN.split('.'), 5000))
  ]


def _run(directory: pathlib.Path, judgement: gate.Judgement, rides: EvalRides, chosen: str) -> pathlib.Path:
  """The output directory of a run with that judgement, but for the choice."""
  judgement = dataclasses.replace(judgement, choice=dataclasses.replace(judgement.choice, chosen=chosen))
  made_run(directory)
  (directory / 'config.yaml').write_text(loading.dump(CONFIG), encoding='utf-8')
  folder = directory / 'artifacts' / 'CompressionGate' / 'report' / '12'
  compression = report.report(judgement, _variants(), rides, CONFIG.compression)
  (folder / REPORT_FILE).write_text(compression.to_json(), encoding='utf-8')
  (folder / report.PREDICTIONS_FILE).write_bytes(report.predictions(judgement, rides))
  return directory


def _cell(table, row: str, heading: str):
  """The text and the interval of a cell."""
  column = [head.text for head in table.headings].index(heading)
  [found] = [line.cells[column] for line in table.rows if line.cells[0].text == row]
  return found.text, found.note


def _printed(estimate: Estimate, digits: int = 2):
  cell = figures(estimate, digits)
  assert cell.note
  return cell.text, cell.note


@pytest.fixture(scope='module')
def runs(tmp_path_factory, judgement, rides):
  """Run A chose the small file, run B the float32 one, on the same rides."""
  folder = tmp_path_factory.mktemp('runs')
  return [read_record(_run(folder / letter, judgement, rides, name)) for letter, name in (('a', OWN), ('b', BASE))]


def test_the_page_prints_what_the_gate_says(runs, judgement):
  record, errors = dataclasses.replace(runs[0], variants=read_variants(runs[0])), judgement.candidates[OWN].errors
  table = variants_section(record).table
  assert _cell(table, OWN, 'RMSE') == _printed(errors.error)
  assert _cell(table, OWN, 'to float32') == _printed(errors.ratio, 3)
  # The gate has no interval of a slice's RMSE: the page computes it from the predictions.
  slices = errors_section(record, read_rides(record)).slices
  for name in ('all', 'airport ride'):
    assert _cell(slices, name, 'RMSE, file') == _printed(errors.error)
    assert _cell(slices, name, 'to float32') == _printed(errors.ratio, 3)
  assert errors.slices['airport ride'].ratio == errors.ratio


def test_two_runs_compare_as_the_gate_compares_two_files(runs, judgement):
  own, base = (judgement.candidates[name].errors for name in (OWN, BASE))
  sentence = compare(*runs).sentences[0]
  assert sentence.startswith(f'RMSE: {interval(own.error)} against {interval(base.error)} {CONFIG.dataset.currency}.')
  assert f"there A's RMSE is {interval(own.ratio, 3)} times B's" in sentence


def test_a_study_finds_what_the_gate_says(rides, predictions, judgement):
  block = BlockResults(variants=[StudyVariant(OWN, BASE), StudyVariant(BASE, BASE)])
  known = {**rides.columns, LABEL: rides.fares}
  for number in (0, 1):
    test = np.arange(RIDES) // 3 % 2 == number
    fold = StudyFold(CONFIG, known, test, 0, number)
    block.add(fold, {name: Outcome(fares[test]) for name, fares in predictions.items()})
  results = Results(CONFIG, rides.seconds, rides.fares, {StudyBlock.COMPRESSION: block}, [], {}, 'id', 'code')
  row, errors = results.rows()[0], judgement.candidates[OWN].errors
  for name, expected in (('rmse', errors.error), ('mae', errors.others['mae']), ('ratio', errors.ratio)):
    found = {'value': row[name], 'low': row[f'{name}_low'], 'high': row[f'{name}_high']}
    assert found == pytest.approx(dataclasses.asdict(expected), rel=1e-9), name


def test_the_gate_says_what_the_evaluator_would_say_of_the_same_predictions(rides, predictions, judgement):
  """Evaluator and training report write what `error_intervals` gives; their own tests hold that."""
  found = error_intervals(rides.fares, predictions[OWN], rides.seconds, CONFIG.evaluation.bootstrap)
  errors = judgement.candidates[OWN].errors
  assert dataclasses.asdict(found['rmse']) == pytest.approx(dataclasses.asdict(errors.error), rel=1e-9)
  assert dataclasses.asdict(found['mae']) == pytest.approx(dataclasses.asdict(errors.others['mae']), rel=1e-9)


def test_the_run_says_how_often_its_figures_are_drawn(runs, tmp_path):
  assert runs[0].resamples == 300
  lost = made_run(tmp_path / 'lost')
  (lost / 'config.yaml').unlink()
  assert read_record(lost).resamples == 1000
