"""A whole run that trains on a sample, and measures on one: how many of how many, everywhere where it is told."""

import json

import pytest

from components.compression_gate.records import REPORT_FILE
from models.compression.records import REPORT
from pipeline.local import output as local_output
from pipeline.report import page
from tests.integration.conftest import Project, simulated


@pytest.fixture(scope='module')
def run(tmp_path_factory):
  folder = tmp_path_factory.mktemp('sampled')
  project = Project(simulated(folder / 'rides'), local_output.prepare(str(folder / 'out')))
  summary, _ = project.run('training.sample_rides=400', 'training.epochs=3')
  return project, summary


def _report(project):
  [path] = project.output.artifacts.glob(f'PruningTrainer/model_run/*/recipes/dense/training_report/{REPORT}')
  return json.loads(path.read_text(encoding='utf-8'))


def test_both_samples_are_told(run):
  project, summary = run
  rides, report = summary['rows']['splits'], _report(project)
  assert rides['train'] > 400 and rides['eval'] > 100
  told = [
    f'A seeded sample of 400 of the {rides["train"]:,} rides of the training split was trained on '
    '(training.sample_rides).',
    f'A seeded sample of 100 of the {rides["eval"]:,} rides of the eval split was measured (training.sample_rides).',
  ]
  assert [report['trained_on'], report['measured_on']] == told
  text = page.write(project.output.path).read_text(encoding='utf-8')
  for sentence in told:
    assert sentence in summary['notes'] and sentence in text


def test_an_epoch_is_one_of_the_sample_and_those_that_judge_have_their_own(run):
  """400 rides are one batch of 256; the 1,170 of the split would be four."""
  project, summary = run
  assert _report(project)['stages'][0]['curves']['step'] == [1, 2, 3]
  [judged] = project.output.path.rglob(REPORT_FILE)
  assert json.loads(judged.read_text(encoding='utf-8'))['rides'] == summary['rows']['splits']['eval']
