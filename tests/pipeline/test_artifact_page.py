"""A page of artifacts alone: rides as mere examples, a classifier, what is left out. Oracle: scikit-learn, by hand."""

from __future__ import annotations

import json
import pathlib
import re
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import confusion_matrix, precision_score, recall_score

from pipeline.report.artifact_page import ExtraSection, artifact_page, write_artifact_page
from pipeline.report.confusion import confusion
from tests.pipeline.made_page import GATE, VARIANTS_TABLE, judged
from tests.pipeline.made_run import interval, made_run, write_json
from tests.pipeline.page_reader import pictures, section, tables, text

CLASSES = ('cat', 'dog', 'a very long name')
MODEL_RUN = 'artifacts/PruningTrainer/model_run/9'
RECALLS = 'Recall and precision of each class'


@pytest.fixture(scope='module')
def run(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
  return made_run(tmp_path_factory.mktemp('artifacts') / 'out')


def _sections(page: str) -> list[str]:
  return re.findall(r'<section id="(\w+)"', page)


@pytest.mark.parametrize(
  ('artifacts', 'shown'),
  [
    ({'compression': GATE, 'model_run': MODEL_RUN}, ['variants', 'slices', 'training']),
    ({'compression': GATE}, ['variants', 'slices']),
    ({'model_run': MODEL_RUN}, ['training']),
    ({}, []),
  ],
)
def test_what_an_artifact_gives(run, artifacts, shown):
  page = artifact_page('Examples', unit='USD', **{key: run / folder for key, folder in artifacts.items()})
  assert _sections(page) == shown
  assert "can't be shown" not in page


def test_a_run_of_rides_as_mere_examples(run, tmp_path):
  own = [ExtraSection('mine', 'My part', '<p>Of <em>my own</em>.</p>')]
  path = write_artifact_page(tmp_path / 'page.html', 'Fares', compression=run / GATE, unit='USD', sections=own)
  page = path.read_text(encoding='utf-8')
  table = tables(page)['Variants, smallest file first']
  assert table.names[1:3] == ['RMSE', 'to float32']
  assert 'one example, p50' in table.names and 'batch, p50' in table.names
  assert 'On examples that it was not trained on, the file itself has an RMSE of' in text(page)
  assert not re.search(r'\b(rides|fares?)\b', text(section(page, 'variants')))
  assert '<em>my own</em>' in section(page, 'mine')


def _classifier(folder: pathlib.Path, **changes: Any) -> pathlib.Path:
  """A report of the gate on four files of a classifier; the second is chosen."""
  told = judged() | {'metric': 'accuracy', 'chosen': 'dense.float16', 'served_version': '7', 'served_rmse': None}
  told['served_accuracy'] = interval(0.9, 0.02)
  told['budget'] = {'rmse_ratio': 0.01, 'worst_slice_ratio': 0.05, 'min_slice_rides': 30}
  for place, variant in enumerate(told['variants']):
    variant |= {'reason': '', 'rmse': None, 'mae': None, 'rmse_ratio': None, 'worst_slice': None, 'slices': []}
    variant |= {'accuracy': interval(0.91 + place / 100, 0.02), 'accuracy_loss': interval(-place / 1000, 0.004)}
    variant |= {'log_loss': interval(0.3 - place / 100, 0.02), 'auc': interval(0.99, 0.001)}
  told['variants'][1] |= {'confusion': [[5, 1, 0], [2, 6, 0], [0, 0, 4]]}
  told['variants'][1]['slices'] = [{'name': 'animal=cat', 'rides': 6, 'accuracy': 5 / 6, 'accuracy_loss': -0.1}]
  write_json(folder / 'compression.json', told | changes)
  return folder


def test_the_variants_of_a_classifier(tmp_path):
  page = artifact_page('Animals', compression=_classifier(tmp_path), classes=CLASSES)
  table = tables(page)[VARIANTS_TABLE]
  assert table.names[1:5] == ['accuracy', 'lost', 'log loss', 'AUC']
  best = {name: [row[0].text for row in table.rows if dict(zip(table.names, row, strict=True))[name].best]
          for name in ('accuracy', 'lost', 'log loss', 'AUC')}  # fmt: skip
  assert best == {'accuracy': ['dense.int8'], 'lost': ['dense.int8'], 'log loss': ['dense.int8'], 'AUC': []}
  said = text(page)
  assert 'an accuracy of 0.9200 [0.9000, 0.9400]: 0.0010 more than float32 (loss −0.0010' in said
  assert 'asks for at most 0.01 less accuracy than float32 and at most 0.05 less on the worst slice' in said
  assert 'against version 7: its file has an accuracy of 0.9000 [0.8800, 0.9200] on the same examples.' in said
  assert tables(page)['Slices'].row('animal=cat')['accuracy'].text == '0.8333'
  assert 'RMSE' not in said
  [drawn] = [drawn for label, drawn in pictures(page).items() if label.startswith('Accuracy and size')]
  assert 'accuracy lost to float32' in drawn


def test_the_training_of_a_classifier(tmp_path):
  folder = made_run(tmp_path / 'out') / MODEL_RUN
  known = {'epoch': [1.0, 2.0], 'step': [5, 10], 'accuracy': [0.8, 0.9]}
  write_json(folder / 'history.json', known | {'train_accuracy': [0.8, 0.95], 'val_accuracy': [0.7, 0.9]})
  for place, report in enumerate(sorted(folder.glob('recipes/*/training_report/training_report.json'))):
    metrics = {'accuracy': interval(0.9 - place / 100, 0.02), 'accuracy_loss': interval(place / 100, 0.01)}
    metrics |= {'log_loss': interval(0.3, 0.1), 'auc': interval(0.99, 0.001)}
    write_json(report, json.loads(report.read_text(encoding='utf-8')) | {'metrics': metrics})
  page = artifact_page('Animals', model_run=folder)
  said = text(section(page, 'training'))
  assert 'At the end its accuracy was 0.9500 on the examples it learned from and 0.9000 on the others.' in said
  assert 'accuracy 0.0100 [0.0000, 0.0200] less than the dense base' in said
  table = tables(page)['Training recipes']
  assert table.names[:5] == ['recipe', 'accuracy', 'lost', 'log loss', 'AUC']
  assert [row[0].text for row in table.rows if row[1].best] == ['dense']
  assert table.rows[0][0].text == 'dense'


def test_recall_and_precision_are_scikit_learns():
  random = np.random.default_rng(3)
  true, taken = (random.integers(0, 3, 400) for _ in range(2))
  found = confusion(confusion_matrix(true, taken), CLASSES)
  cells = [row.cells for row in found.table.rows]
  np.testing.assert_allclose([row[2].value for row in cells], recall_score(true, taken, average=None))
  np.testing.assert_allclose([row[3].value for row in cells], precision_score(true, taken, average=None))


def test_the_classes_on_the_page(tmp_path):
  page = artifact_page('Animals', compression=_classifier(tmp_path), classes=CLASSES)
  said = text(section(page, 'confusion'))
  assert '15 of 18 examples are told right (83.3 %). Most often dog is taken for cat (2 times).' in said
  assert 'Shown is the file dense.float16.' in said
  table = tables(page)[RECALLS]
  assert table.texts('recall') == ['83.3 %', '75.0 %', '100.0 %']
  assert table.texts('most often taken for') == ['dog (1)', 'cat (2)', '']
  [drawn] = [drawn for label, drawn in pictures(page).items() if label.startswith('Confusion matrix of 3 classes')]
  assert re.findall(r'class="on(?: dark)?">(\d+)<', drawn) == ['5', '1', '2', '6', '4']
  assert re.findall(r'fill-opacity="([\d.]+)"', drawn) == ['0.83', '0.17', '0.25', '0.75', '1.00']


def test_a_class_that_never_comes_has_no_recall():
  found = confusion([[3, 0], [0, 0]])
  assert [[cell.value for cell in row.cells[1:4]] for row in found.table.rows] == [[3, 1, 1], [0, None, None]]


def test_many_classes_have_no_numbers_and_fewer_names():
  drawn = confusion(np.eye(50, dtype=int) * 1000).drawn
  assert drawn.count('<rect') == 51 and 'class="on' not in drawn
  assert drawn.count('class="tick"') < 60


@pytest.mark.parametrize(
  ('counts', 'names', 'message'),
  [
    ([[1, 2]], (), r'classes by classes, got shape \(1, 2\)'),
    ([[0, 0], [0, 0]], (), 'counts classes by classes'),
    ([[1, 0], [0, 1]], ('one',), 'There are 2 classes and 1 names'),
  ],
)
def test_no_matrix(counts, names, message):
  with pytest.raises(ValueError, match=message):
    confusion(counts, names)
