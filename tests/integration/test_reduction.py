"""A whole run with a reduction, on real rides; its lite file alone gives the golden fares."""

import json

import numpy as np
import pytest

from pipeline.local import output
from pipeline.report import page as report
from tests.integration.conftest import Project


@pytest.fixture(scope='module')
def pushed(tmp_path_factory, nyc_rides):
  """Summary, states of the steps, and the pushed version, of principal components of 99 % of the variance."""
  project = Project(nyc_rides, output.prepare(str(tmp_path_factory.mktemp('reduction') / 'out')))
  summary, states = project.run('reduction.method=pca', 'reduction.components=0.99')
  assert summary['status'] == 'pushed', summary['reason']
  return project, summary, states, project.output.serving / project.versions()[-1]


def test_the_step_ran_and_is_reported(pushed):
  project, summary, states, _ = pushed
  assert states['DimensionalityReduction'] == 'complete'
  record = summary['reduction']
  assert record['method'] == 'pca' and record['inputs'] < record['features']
  # What scikit-learn counts until 99 % are reached misses less than 1 %.
  assert 0 < record['variance_lost'] < 0.01
  page = report.write(project.output.path).read_text()
  section = page[page.index('id="reduction"') :]
  section = section[: section.index('</section>')]
  assert section.count('<svg') == 4 and '<img' not in page


def test_the_lite_file_alone_gives_the_golden_fares(pushed):
  from ai_edge_litert.interpreter import Interpreter

  extra = pushed[3] / 'assets.extra'
  golden = json.loads((extra / 'golden_rides.json').read_text())
  model = Interpreter(str(extra.parent / 'model.tflite')).get_signature_runner('serving_default')
  types = {name: detail['dtype'] for name, detail in model.get_input_details().items()}
  fares = model(**{name: np.array(column, types[name]) for name, column in golden['rides'].items()})['fare_amount']
  assert np.abs(fares - golden['fare_amount']).max() <= golden['tolerance']
  # The model was trained: its fares are no constant.
  assert np.std(fares) > 1


def test_without_a_reduction_there_is_no_such_step(finished):
  _, summary, states = finished
  assert 'DimensionalityReduction' not in states and summary['reduction'] is None
