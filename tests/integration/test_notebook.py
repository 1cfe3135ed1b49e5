"""The example notebook runs from its first cell to its last, in a kernel of its own, and shows what it says."""

from __future__ import annotations

import os

import nbclient
import nbformat
import pytest

from tests.conftest import REPOSITORY

NOTEBOOK = REPOSITORY / 'examples' / 'library.ipynb'


@pytest.fixture(scope='module')
def executed(tmp_path_factory) -> nbformat.NotebookNode:
  """The notebook with its outputs."""
  folder = tmp_path_factory.mktemp('notebook')
  notebook = nbformat.read(NOTEBOOK, as_version=4)
  paths = [str(REPOSITORY), os.environ.get('PYTHONPATH', '')]
  with pytest.MonkeyPatch.context() as patch:
    patch.setenv('PYTHONPATH', os.pathsep.join(filter(None, paths)))
    client = nbclient.NotebookClient(notebook, timeout=300, resources={'metadata': {'path': str(folder)}})
    return client.execute()


def test_it_is_kept_without_outputs():
  notebook = nbformat.read(NOTEBOOK, as_version=4)
  assert [cell.outputs for cell in notebook.cells if cell.cell_type == 'code' and cell.outputs] == []


def _shown(notebook: nbformat.NotebookNode, word: str) -> str:
  """What the code cell that has a word shows."""
  [cell] = [cell for cell in notebook.cells if cell.cell_type == 'code' and word in cell.source]
  return '\n'.join(output.get('text', '') + output.get('data', {}).get('text/plain', '') for output in cell.outputs)


def test_the_features_are_named(executed):
  shown = _shown(executed, 'fit_features(rides')
  assert [name for name in ('hour_sin', 'haversine_km') if name not in shown] == []


def test_the_run_pushes(executed):
  assert "'pushed'" in _shown(executed, "prepare('out/notebook')")


def test_every_file_is_in_the_table(executed):
  """Oracle: two recipes in three schemes."""
  shown = _shown(executed, 'variants.sort_values')
  names = [f'{recipe}.{scheme}' for recipe in ('dense', 'pruned_80') for scheme in ('float32', 'dynamic_range', 'int8')]
  assert [name for name in names if name not in shown] == []


def test_nothing_but_the_cells_own_words_is_shown(executed):
  """Neither what TensorFlow's C++ writes nor what libraries log."""
  streams = [output for cell in executed.cells for output in cell.get('outputs', ()) if output.output_type == 'stream']
  assert [output.text for output in streams if output.name == 'stderr'] == []
  lines = [line for output in streams for line in output.text.splitlines()]
  assert [line for line in lines if not line.endswith((' s', 'oldest runtime 2.4.0 []'))] == []


def test_there_is_a_picture(executed):
  [cell] = [cell for cell in executed.cells if 'plt.subplots' in cell.source]
  assert any('image/png' in output.get('data', {}) for output in cell.outputs)


def test_the_file_is_looked_into(executed):
  assert 'operators, oldest runtime' in _shown(executed, 'LiteFile(pushed')
