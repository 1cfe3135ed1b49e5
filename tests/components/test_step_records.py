"""The files that steps leave for others: a real one of the version before records had versions, and broken ones.

`old_records` holds what a run of that version wrote, shortened.
"""

import ast
import json
import pathlib
import subprocess
import sys

import pytest

from components.compression_gate.records import CompressionRecord
from components.fare_evaluator.records import EvaluatedSlice, EvaluationIntervals
from components.quantization_rewriter.records import VariantsRecord
from components.ride_validator import findings
from configs.records import RecordError, list_to_json, parse_list
from models.compression.records import TrainingReport
from models.reduction.records import ReductionDetails

OLD = pathlib.Path(__file__).with_name('old_records')
KINDS = {
  'compression.json': (CompressionRecord, 'variants'),
  'variants.json': (VariantsRecord, 'features'),
  'training_report.json': (TrainingReport, 'totals'),
  'intervals.json': (EvaluationIntervals, 'rmse_without_worst_5'),
  'reduction.json': (ReductionDetails, 'findings'),
}
RECORDS = [pytest.param(name, *KINDS[name], id=name) for name in KINDS]


def _stored(name):
  return json.loads((OLD / name).read_text(encoding='utf-8'))


def _with_more(value):
  """What a newer version may have added: a key to every mapping whose keys are those of a model."""
  if isinstance(value, list):
    return [_with_more(one) for one in value]
  if not isinstance(value, dict):
    return value
  by_name = {'types', 'curves', 'figures', 'recipe'}
  return {key: one if key in by_name else _with_more(one) for key, one in value.items()} | {'more': {'of': 'it'}}


@pytest.mark.parametrize(('name', 'kind', '_'), RECORDS)
def test_a_file_of_the_version_before_is_read_and_only_the_version_is_new(name, kind, _):
  record = kind.read(OLD / name)
  assert record.schema_version == 0
  stored = _stored(name)
  if 'budget' in stored:  # A part of the config, which names every limit.
    stored = stored | {'budget': stored['budget'] | {'gzip_bytes': None}}
  assert json.loads(record.to_json()) == {'schema_version': 1} | stored
  assert kind.parse(record.to_json(), name).to_json() == record.to_json()


@pytest.mark.parametrize(('name', 'kind', '_'), RECORDS)
def test_what_a_newer_version_adds_is_ignored(name, kind, _):
  newer = kind.of(_with_more(_stored(name)) | {'schema_version': 9}, name)
  assert newer.to_json() == kind.read(OLD / name).to_json()


@pytest.mark.parametrize(('name', 'kind', 'needed'), RECORDS)
def test_a_newer_file_without_what_is_needed_is_reported_in_one_sentence(name, kind, needed):
  rest = {key: value for key, value in _stored(name).items() if key != needed}
  with pytest.raises(RecordError) as raised:
    kind.of(rest | {'schema_version': 9}, name)
  assert str(raised.value) == (
    f"'{name}' was written by a newer Farelite (schema_version 9, this one knows 1) and can't be read "
    f'({needed} is missing); update Farelite.'
  )


@pytest.mark.parametrize(('name', 'kind', '_'), RECORDS)
def test_a_file_that_was_cut_short_is_reported_in_one_sentence(name, kind, _):
  text = (OLD / name).read_bytes()
  with pytest.raises(RecordError, match=rf"^'{name}' is broken \(line \d+: [^\n]*\); run the pipeline again\.$"):
    kind.parse(text[: len(text) // 2], name)


def test_lists_of_the_version_before_are_read():
  text = (OLD / 'slices.json').read_text(encoding='utf-8')
  slices = parse_list(EvaluatedSlice, text, 'slices.json')
  assert [(row.name, len(row.slice)) for row in slices] == [('all', 0), ('no airport', 1)]
  assert json.loads(list_to_json(slices)) == _stored('slices.json')
  text = (OLD / 'findings.json').read_text(encoding='utf-8')
  assert json.loads(findings.to_json(findings.from_json(text))) == _stored('findings.json')


def test_lists_with_what_a_newer_version_adds_are_read_and_broken_ones_reported():
  newer = [row | {'more': 1} for row in _stored('findings.json')]
  assert findings.from_json(json.dumps(newer)) == findings.from_json((OLD / 'findings.json').read_text())
  with pytest.raises(
    RecordError, match=r"^'findings.json' is broken \(0.kind is not a known word\); run the pipeline again\.$"
  ):
    findings.from_json(json.dumps([newer[0] | {'kind': 'unheard_of'}]))


def test_records_need_no_heavy_library():
  """The report and the command line read them."""
  modules = ', '.join(sorted({kind.__module__ for kind, _ in KINDS.values()} | {'models.release'}))
  heavy = "{'tensorflow', 'tfx', 'apache_beam', 'pandas', 'ml_metadata'}"
  program = f'import sys, {modules}; print(sorted({heavy} & set(sys.modules)))'
  done = subprocess.run([sys.executable, '-c', program], check=True, capture_output=True, text=True)
  assert done.stdout.strip() == '[]'


ROOT = pathlib.Path(__file__).resolve().parents[2]
HOMES = {
  'compression.json': 'components/compression_gate/records.py',
  'findings.json': 'components/ride_validator/findings.py',
  'intervals.json': 'components/fare_evaluator/records.py',
  'reduction.json': 'models/reduction/records.py',
  'rollbacks.jsonl': 'components/pusher/rollback.py',
  'slices.json': 'components/fare_evaluator/records.py',
  'training_report.json': 'models/compression/records.py',
  'variants.json': 'components/quantization_rewriter/records.py',
}


def test_a_file_has_its_name_where_its_model_is_and_nowhere_else():
  """Who writes the name again is about to read the file by key again."""
  found = {name: [] for name in HOMES}
  for room in ('configs', 'transforms', 'models', 'components', 'pipeline', 'benchmarks'):
    for path in sorted((ROOT / room).rglob('*.py')):
      for node in ast.walk(ast.parse(path.read_text(encoding='utf-8'))):
        if isinstance(node, ast.Constant) and node.value in found:
          found[node.value].append(path.relative_to(ROOT).as_posix())
  assert found == {name: [home] for name, home in HOMES.items()}
