"""What serves is compared with whatever comes next: other slices, features or raw columns are judged, and pushed.

Oracle: the RMSE of the served file by the client, on the rides that the gate wrote down.
"""

from __future__ import annotations

import json
import pathlib

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from configs.columns import LABEL
from models.lite.client import LiteModel
from pipeline.local import output as local_output
from tests.integration.conftest import Project, simulated

EXTRA = 'dataset.extras=[{name: tolls, column: tolls, kind: numeric}]'
CHANGES = {
  'bands': ('evaluation.slices.hours=[0, 12]', 'evaluation.slices.distance_km=[0, 5]'),
  'airport': ('evaluation.slices.airport_km=9',),
  'landmarks': ('dataset.city.landmarks=[{name: center, latitude: 40.75, longitude: -73.98, airport: true}]',),
  'center': ('dataset.city.center_latitude=40.7',),
  'crosses': ('features.crosses.enabled=true',),
  'reduction': ('reduction.method=pca', 'reduction.components=6'),
  'extra_added': (EXTRA,),
}


@pytest.fixture(scope='module')
def serving(tmp_path_factory) -> Project:
  """A project with rides that have a further column, and a version that serves."""
  folder = tmp_path_factory.mktemp('serving')
  data = simulated(folder / 'rides')
  rides = pd.read_csv(data)
  rides['tolls'] = np.arange(len(rides)) % 7
  rides.to_csv(data, index=False)
  project = Project(data, local_output.prepare(str(folder / 'out')))
  assert project.run()[0]['status'] == 'pushed'
  return project


def _judged(project: Project, *overrides: str):
  """The summary of a run, what the gate found of the version that served, and its rides."""
  before = max(project.versions(), key=int)
  summary, _ = project.run(*overrides)
  folder = pathlib.Path(summary['compression'])
  return (
    summary,
    json.loads((folder / 'compression.json').read_text()),
    pq.read_table(folder / 'predictions.parquet'),
    before,
  )


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize('change', CHANGES)
def test_a_change_is_judged_against_what_serves(serving, change):
  summary, gate, table, before = _judged(serving, 'training.seed=7', *CHANGES[change])
  assert summary['status'] == 'pushed', summary['reason']
  assert gate['served_version'] == before
  model = LiteModel(serving.output.serving / before / 'model.tflite')
  missing = np.full(table.num_rows, np.nan, np.float32)
  columns = {name: table[name].to_numpy() if name in table.column_names else missing for name in model.inputs}
  if set(model.inputs) <= set(table.column_names):
    errors = model.predict(columns).astype(np.float64) - table[LABEL].to_numpy()
    assert gate['served_rmse']['value'] == pytest.approx(float(np.sqrt(np.mean(errors**2))), rel=1e-5)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_a_raw_column_that_is_gone_is_missing_to_what_serves(serving):
  serving.run(EXTRA, 'training.seed=11')
  summary, gate, _, before = _judged(serving, 'training.seed=12')
  assert summary['status'] == 'pushed', summary['reason']
  assert gate['served_version'] == before
  assert (
    f"Version {before}, which serves, takes 'tolls', which the rides have no more; it ran with that missing."
    in gate['notes']
  )
