"""The files that runs, studies and rehearsals leave for later ones: what they hold, and what is read of other versions.

Oracle: texts as the version before wrote them, which had no `schema_version`.
"""

from __future__ import annotations

import ast
import collections
import datetime
import io
import json
import pathlib

import numpy as np
import pytest

from configs import records
from configs.compression import Measurement
from configs.errors import UserError
from configs.records import RecordError, RecordPart
from pipeline import summary_record
from pipeline.commands.cloud import RehearsalRecord, RehearsedTask
from pipeline.rehearsal.invocation import ArtifactStore, Execution
from pipeline.report.record import read_record
from pipeline.retraining.ledger import Ledger, LedgerRecord, LedgerRun, SpanEntry
from pipeline.study import fare_models, results
from pipeline.study import records as study_records
from pipeline.study.folds import Outcome
from pipeline.study.records import RideLatency, StudyRecord
from pipeline.study.results import UnitStore
from pipeline.summary_record import Status, StepRecord, Summary
from pipeline.targets import Target

ROOT = pathlib.Path(__file__).resolve().parents[2]

SUMMARY = """{
  "status": "pushed", "reason": "It is good.", "name": "chicago",
  "rows": {"read": 15002, "kept": 14967, "quarantined": {"fare_out_of_range": 35},
           "splits": {"eval": 3050, "train": 11917}},
  "metrics": {"rmse": {"value": 4.43, "low": 3.62, "high": 5.38}, "mae": {"value": 1.81, "low": 1.68, "high": 1.96}},
  "rmse_without_worst_5": 3.63,
  "slices": [
    {"name": "all", "slice": [], "root_mean_squared_error": 4.43, "mean_absolute_error": 1.81,
     "example_count": 3050.0, "calibration": 0.97},
    {"name": "no airport", "slice": [{"feature": "slice_airport", "value": 0}], "root_mean_squared_error": 4.06,
     "mean_absolute_error": 1.61, "example_count": 2698.0, "calibration": 0.97}
  ],
  "base_slices": [],
  "recipes": [
    {"name": "pqat_80", "summary": "80 % zeros.", "served": false,
     "rmse": {"value": 4.43, "low": 3.63, "high": 5.39}, "mae": {"value": 1.82, "low": 1.69, "high": 1.98},
     "rmse_ratio": {"value": 1.001, "low": 0.99, "high": 1.01}, "parameters": 5736, "nonzero": 1227,
     "sparsity": 0.78, "pruned_sparsity": null, "biases": 113, "distinct_weights": 167, "seconds": 4.5,
     "path": "/out/artifacts/RecipeModels/pqat_80/10"}
  ],
  "variants": [
    {"name": "dense.float32", "recipe": "dense", "scheme": "float32", "bytes": 32256, "gzip_bytes": 25859,
     "rmse": {"value": 4.43, "low": 3.62, "high": 5.38}, "rmse_ratio": {"value": 1.0, "low": 1.0, "high": 1.0},
     "worst_slice": {"name": "over 8 km", "rides": 429, "rmse": 3.65,
                     "rmse_ratio": {"value": 1.0, "low": 1.0, "high": 1.0}},
     "latency_us": {"p50": 6.279, "p99": 6.911, "spread": [6.22, 6.329]}, "sparsity": 0.0, "within_budget": true,
     "reason": "Keeps the budget."},
    {"name": "clustered_16.float16", "recipe": "clustered_16", "scheme": "float16", "bytes": null,
     "gzip_bytes": null, "rmse": null, "rmse_ratio": null, "worst_slice": null, "latency_us": null,
     "sparsity": null, "within_budget": false, "reason": "Layer 'dense_0' has 28 distinct weights."}
  ],
  "chosen": "dense.float32", "notes": ["1 of 12 variants could not be judged."],
  "compression": "/out/artifacts/CompressionGate/report/14",
  "reduction": {"method": "l1", "features": 48, "inputs": 2, "variance_lost": 0.1, "reconstruction_error": 0.3,
                "rides": 11917, "notes": [], "kept": ["haversine_km", "bearing"]},
  "findings": [
    {"sentence": "fare in the train split: expected less, came 0.04.", "split": "train", "feature": "fare",
     "kind": "skew", "severity": "info", "stops": false, "expected": "less", "came": "0.04", "divergence": 0.04,
     "threshold": 0.2}
  ],
  "blessed": true, "pushed_path": "/out/serving/1795964462", "pushed_version": "1795964462",
  "timings": {"RideExampleGen": 0.278},
  "steps": [{"name": "RideExampleGen", "state": "complete", "seconds": 0.27796954399997276, "after": []}],
  "artifacts": {"RideExampleGen": {"quarantine": "/out/q/1"}, "QuarantineGate": {}}, "cached": [],
  "quarantine": "/out/q/1", "curves": "/out/artifacts/PruningTrainer/model_run/9",
  "run": "20261129-150018-6b33c4", "config": "/out/config.yaml", "pipeline": "chicago",
  "started": "2026-11-29T15:00:18+00:00", "data": "/rides/data.csv", "output": "/out",
  "code_version": "e4325925508a6be2", "ended_early": false,
  "window": {"spans": ["2026-03-02", "2026-03-03"], "newest": "2026-03-03", "new": ["2026-03-03"], "new_rows": 20,
             "missing": [], "late": [], "left_out": ["2026-03-01"], "broken": {"2026-03-03": "It has no ride."}},
  "triggers": [{"trigger": "new_rows", "fires": false, "sentence": "Too few."}]
}"""

LEDGER = """{
 "spans": {
  "7": {"digest": "a", "read": 10, "kept": 9, "broken": null, "late": false, "was_read": true},
  "8": {"digest": "b", "read": 10, "kept": 0, "broken": "It has no valid ride.", "late": true, "was_read": false}
 },
 "runs": [
  {"started": "2026-03-08T03:00:00-05:00", "spans": {"7": "a", "8": "b"}, "setting": "s", "status": "pushed",
   "reason": "it is good", "pushed_path": "/serving/12", "statistics": "/statistics/1", "kept": {"7": 9, "8": 0},
   "sources": "c", "ended": "2026-03-08T03:01:00-05:00", "not_registered": null}
 ]
}"""

STUDY = """{
  "name": "nyc", "currency": "USD", "rides": 8905, "seeds": 3, "folds": 5, "notes": ["No LightGBM."],
  "lost": [{"block": "reductions", "variant": "nmf, 24", "reason": "it did not converge."}],
  "cells": {"published": {"pickup_cells": 3, "pairs": 5, "largest_share": 0.998},
            "fitted": {"pickup_cells": 93, "pairs": 3492, "largest_share": 0.003}},
  "identity": "1f", "code": "2e", "written": "2026-11-27 10:00", "units": 1234
}"""

REHEARSAL = """{
  "status": "complete", "reason": null, "target": "kfp", "run": "20261129150018", "pushed": "gs://fares/serving/1",
  "logs": "/out/logs/20261129150018",
  "steps": [{"name": "RideExampleGen", "state": "cached", "seconds": 0.1, "start_up_seconds": null,
             "left_behind": []}],
  "seconds": 12.3
}"""

EXECUTION = (
  '{"cached": false, "fingerprint": "f", "outputs": {"out": [{"name": "1", "uri": "gs://b/1", "files": 2}]}, '
  '"parameters": {"a": 1}, "pipeline": "p", "run": "r", "task": "Make"}'
)

OLD = [
  pytest.param(Summary, SUMMARY, id='summary'),
  pytest.param(LedgerRecord, LEDGER, id='ledger'),
  pytest.param(StudyRecord, STUDY, id='study'),
  pytest.param(RehearsalRecord, REHEARSAL, id='rehearsal'),
  pytest.param(Execution, EXECUTION, id='execution'),
]


@pytest.mark.parametrize(('model', 'text'), OLD)
def test_a_file_of_the_version_before_is_read_whole_and_only_the_version_is_new(model, text):
  """Every key and value comes back; nothing is left out, nothing is added."""
  found = model.parse(text, 'file')
  assert found.schema_version == 0
  assert json.loads(found.to_json()) == {'schema_version': _version(model), **json.loads(text)}
  assert model.parse(found.to_json(), 'file') == found.model_copy(update={'schema_version': _version(model)})


def _version(model):
  return 2 if model is LedgerRecord else 1


NAMED = frozenset({'timings', 'artifacts', 'quarantined', 'splits', 'broken', 'kept', 'outputs', 'parameters'})
"""Mappings whose keys are names and not fields."""


def _grown(value, key=''):
  """With a key more at every depth; but for slices, of which TFMA's further metrics are kept."""
  if isinstance(value, list):
    return value if key == 'slices' else [_grown(one) for one in value]
  if not isinstance(value, dict) or key in NAMED:
    return value
  inside = {name: _grown(one, name) for name, one in value.items()}
  return inside if key in ('spans', 'cells') else {'from_the_future': {'a': [1]}} | inside


@pytest.mark.parametrize(('model', 'text'), OLD)
def test_what_a_newer_version_adds_is_ignored_at_every_depth(model, text):
  newer = json.dumps(_grown(json.loads(text)) | {'schema_version': 3})
  assert newer.count('from_the_future') > (0 if model is Execution else 1)
  found = model.parse(newer, 'file')
  assert found.schema_version == 3
  assert json.loads(found.to_json()) == {'schema_version': _version(model), **json.loads(text)}


@pytest.mark.parametrize(('model', 'text'), OLD)
def test_a_newer_file_that_lacks_what_is_needed_is_told_in_one_sentence(model, text):
  key = next(name for name, field in model.model_fields.items() if field.is_required())
  newer = {name: value for name, value in json.loads(text).items() if name != key}
  with pytest.raises(RecordError) as told:
    model.parse(json.dumps(newer | {'schema_version': 3}), 'the file')
  assert str(told.value) == (
    f"'the file' was written by a newer Farelite (schema_version 3, this one knows {_version(model)}) and can't be "
    f'read ({key} is missing); update Farelite.'
  )


def test_a_run_that_ended_before_its_first_step_says_no_more_than_it_knows():
  """What a run did not come to is not in the file, as before."""
  text = '{"status": "failed", "reason": "No file.", "name": "nyc", "rows": null, "timings": {}}'
  found = Summary.parse(text, 'file')
  assert json.loads(found.to_json()) == {'schema_version': 1, **json.loads(text)}
  assert (found.steps, found.artifacts, found.metrics, found.slices, found.window) == (None, None, None, (), None)


def test_a_summary_is_written_also_with_a_figure_that_is_no_number(tmp_path):
  """A run whose model predicts none has to end with its summary."""
  step = StepRecord(name='Evaluator', state='complete', seconds=1.0)
  summary = Summary(status=Status.NOT_BLESSED, rmse_without_worst_5=float('nan'), steps=(step,))
  summary.write(tmp_path / 'summary.json')
  text = (tmp_path / 'summary.json').read_text()
  assert '"rmse_without_worst_5": NaN' in text and '"state": "complete"' in text
  assert np.isnan(Summary.read(tmp_path / 'summary.json').rmse_without_worst_5)


def test_the_report_tells_a_newer_summary_that_it_cannot_read(tmp_path):
  (tmp_path / 'summary.json').write_text('{"schema_version": 9, "status": "postponed"}')
  with pytest.raises(UserError, match=r'newer Farelite \(schema_version 9, this one knows 1\).*update Farelite'):
    read_record(tmp_path)


def test_the_ledger_of_the_version_before(tmp_path):
  (tmp_path / 'retraining.json').write_text(LEDGER)
  ledger = Ledger.load(tmp_path / 'retraining.json')
  assert ledger.spans == {
    7: SpanEntry('a', 10, 9, was_read=True),
    8: SpanEntry('b', 10, 0, 'It has no valid ride.', late=True),
  }
  assert ledger.last is not None
  assert ledger.last.started == datetime.datetime.fromisoformat('2026-03-08T03:00:00-05:00')
  assert (ledger.last.spans, ledger.last.kept, ledger.last.newest) == ({7: 'a', 8: 'b'}, {7: 9, 8: 0}, 8)
  ledger.save()
  assert json.loads((tmp_path / 'retraining.json').read_text()) == {'schema_version': 2, **json.loads(LEDGER)}


def test_a_ledger_from_before_sources_were_noted(tmp_path):
  later = ',\n   "sources": "c", "ended": "2026-03-08T03:01:00-05:00", "not_registered": null'
  (tmp_path / 'retraining.json').write_text(LEDGER.replace(later, ''))
  last = Ledger.load(tmp_path / 'retraining.json').last
  assert last is not None
  assert (last.setting, last.sources, last.ended, last.not_registered) == ('s', '', None, None)


def test_a_moment_keeps_its_zone_as_it_was_written(tmp_path):
  """`+00:00`, and never `Z`, which earlier versions do not read."""
  ledger = Ledger(tmp_path / 'retraining.json')
  ledger.begin(LedgerRun(datetime.datetime(2026, 3, 8, tzinfo=datetime.timezone.utc), {7: 'a'}, 's'))
  [run] = json.loads(ledger.path.read_text())['runs']
  assert run['started'] == '2026-03-08T00:00:00+00:00'


@pytest.mark.parametrize('size', [1, 40, len(LEDGER) - 2])
def test_a_ledger_that_was_cut_short_is_told_and_not_taken_for_an_empty_one(size, tmp_path):
  (tmp_path / 'retraining.json').write_text(LEDGER[:size])
  with pytest.raises(UserError, match=r"retraining\.json' is broken .*; move it away: the next run then takes every"):
    Ledger.load(tmp_path / 'retraining.json')


def test_a_newer_ledger_is_not_to_be_moved_away(tmp_path):
  (tmp_path / 'retraining.json').write_text('{"schema_version": 3, "spans": {}, "nights": []}')
  with pytest.raises(UserError, match=r'newer Farelite .*update Farelite\.$'):
    Ledger.load(tmp_path / 'retraining.json')


def test_executions_of_other_versions_and_a_line_that_was_cut_short(tmp_path):
  file = tmp_path / 'executions.jsonl'
  newer = json.dumps({'schema_version': 2, 'pod': 'x', **json.loads(EXECUTION), 'task': 'Newer'})
  file.write_text(f'{EXECUTION}\n{newer}\n{EXECUTION[:30]}\n')
  store = ArtifactStore(file, Target.KFP)
  assert [artifact['uri'] for artifact in store.artifacts('p')] == ['gs://b/1', 'gs://b/1']
  again = store.cached('p', 'f')
  assert again is not None and again.task == 'Newer'
  store.record(again)
  assert json.loads(file.read_text().splitlines()[-1])['schema_version'] == 1


def test_a_newer_study_that_cannot_be_read(tmp_path):
  import pyarrow as pa
  import pyarrow.parquet as pq

  pq.write_table(pa.table({'block': ['features']}), tmp_path / results.STUDY)
  (tmp_path / results.ABOUT).write_text(STUDY)
  assert results.read(tmp_path)[1].cells['published'].pairs == 5
  (tmp_path / results.ABOUT).write_text('{"schema_version": 2}')
  with pytest.raises(UserError, match=r'newer Farelite .*update Farelite'):
    results.read(tmp_path)


def test_what_a_study_keeps_between_calls_is_as_before(tmp_path, monkeypatch):
  """Units and latencies have no version: their names say by which code, or of which files, they are.

  A SHA-256 is in front, which takes 32 bytes.
  """
  store = UnitStore(tmp_path)
  store.keep('unit', {'dense': Outcome(np.zeros(2, np.float32), {'bytes': 7, 'seconds': 0.5})})
  with np.load(io.BytesIO((tmp_path / 'unit.unit').read_bytes()[32:])) as kept:
    assert json.loads(str(kept['facts'])) == {'dense': {'bytes': 7.0, 'seconds': 0.5}}
  found = store.load('unit')
  assert found is not None and found['dense'].facts == {'bytes': 7.0, 'seconds': 0.5}

  def unexpected(*_):
    raise AssertionError('It was measured already.')

  monkeypatch.setattr(fare_models, '_measured', lambda files, *_: {'a': RideLatency.model_validate(figures)})
  figures = {'latency_us': 8.0, 'latency_low_us': 7.5, 'latency_high_us': 9.0}
  fare_models.latencies({'a': b'1'}, {}, Measurement(), tmp_path)
  [file] = tmp_path.glob('call-latency-*')
  assert json.loads(file.read_bytes()[32:]) == {'a': figures}
  monkeypatch.setattr(fare_models, '_measured', unexpected)
  assert fare_models.latencies({'a': b'1'}, {}, Measurement(), tmp_path)['a'].to_dict() == figures


def _trees(*rooms: str) -> dict[str, ast.Module]:
  files = [path for room in rooms for path in sorted((ROOT / room).rglob('*.py'))]
  return {str(path.relative_to(ROOT)): ast.parse(path.read_text(encoding='utf-8')) for path in files}


def test_a_record_has_a_name_of_its_own():
  """The report once declared steps, slices and variants a second time, by the same names."""
  rooms = ('configs', 'transforms', 'models', 'components', 'pipeline')
  classes = [node for tree in _trees(*rooms).values() for node in ast.walk(tree) if isinstance(node, ast.ClassDef)]
  names = collections.Counter(node.name for node in classes)
  modules = (summary_record, study_records, records)
  own = {name for module in modules for name, found in vars(module).items() if _is_record(found)}
  own |= {model.__name__ for model in (LedgerRecord, RehearsalRecord, RehearsedTask, Execution)}
  assert {'Summary', 'StepRecord', 'StudyRecord', 'JudgedVariant', 'EvaluatedSlice'} <= own
  assert {name: names[name] for name in own} == dict.fromkeys(own, 1)


def _is_record(found: object) -> bool:
  return isinstance(found, type) and issubclass(found, RecordPart)


def test_json_is_read_by_records_alone():
  """Whoever reads a file of the product by its keys has declared it a second time."""
  foreign = {
    'pipeline/commands/doctor.py',  # What set-up wrote, which has no packages yet.
    'pipeline/operations/lineage.py',  # A parameter of TFX's.
    'pipeline/prediction/served.py',  # What clients of the server send.
    'pipeline/rehearsal/spec.py',  # Kubeflow's and Vertex's own files.
    'pipeline/rehearsal/task_runner.py',
    'pipeline/cloud/lint.py',
    'pipeline/report/record.py',  # Whether a summary is one; other steps' files.
    'pipeline/report/sections/training.py',
    'pipeline/report/sections/model.py',
    'pipeline/local/summary.py',
  }
  readers = {
    file
    for file, tree in _trees('pipeline').items()
    for node in ast.walk(tree)
    if isinstance(node, ast.Attribute) and node.attr in ('loads', 'load') and isinstance(node.value, ast.Name)
    if node.value.id == 'json'
  }
  assert readers <= foreign
