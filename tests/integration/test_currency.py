"""The same rides in dollars and in pesos. Oracle: the run in dollars; an amount of money is no property of a ride."""

from __future__ import annotations

import csv

import pytest

from pipeline.local import output as local_output
from tests.integration.conftest import Project, simulated

PESOS = 900
"""For a dollar; no power of two, so that nothing agrees by the arithmetic of floats."""

RELATIVE = (
  'training.huber_delta=null',
  'evaluation.max_rmse=null',
  'training.epochs=12',
  'training.recipes=[dense, pqat_80]',
  'compression.schemes=[float32, int8]',
)
"""Nothing of the preset that is an amount of dollars."""


@pytest.fixture(scope='module')
def runs(tmp_path_factory):
  """Summaries of both runs, by currency."""
  folder = tmp_path_factory.mktemp('currencies')
  dollars = simulated(folder / 'dollars', rows=3000)
  with dollars.open(encoding='utf-8', newline='') as source:
    rows = list(csv.DictReader(source))
  pesos = folder / 'pesos.csv'
  with pesos.open('w', encoding='utf-8', newline='') as target:
    writer = csv.DictWriter(target, rows[0])
    writer.writeheader()
    writer.writerows(row | {'fare_amount': f'{PESOS * float(row["fare_amount"]):.2f}'} for row in rows)
  found = {}
  for currency, path, unit in (('USD', dollars, 1), ('COP', pesos, PESOS)):
    project = Project(path, local_output.prepare(str(folder / currency)))
    rule = f'dataset.rules.fare={{min: {2.5 * unit}, max: {200 * unit}}}'
    found[currency] = project.run(*RELATIVE, rule, f'dataset.currency={currency}')[0]
  return found


def test_the_verdict_is_the_same(runs):
  assert [runs[currency]['status'] for currency in ('USD', 'COP')] == ['pushed', 'pushed'], runs['COP']['reason']
  assert runs['COP']['rows'] == runs['USD']['rows']


def test_errors_are_as_large_for_the_money(runs):
  """Trained in a unit of 1,024 pesos instead of a dollar: not the same weights, nearly the same errors."""
  dollars, pesos = (runs[currency]['metrics']['rmse']['value'] for currency in ('USD', 'COP'))
  assert pesos / PESOS == pytest.approx(dollars, rel=0.1)
  for one, other in zip(*(runs[currency]['variants'] for currency in ('USD', 'COP')), strict=True):
    assert one['name'] == other['name']
    assert other['rmse']['value'] / PESOS == pytest.approx(one['rmse']['value'], rel=0.1)
    assert other['bytes'] == pytest.approx(one['bytes'], rel=0.01)
