"""The pictures of a reduction, as they are in its report.

Oracle: an XML parser, and the numbers of features, components and rides.
"""

import pathlib
import re
from xml.etree import ElementTree

import numpy as np
import pytest

from configs.reduction import Reduction
from models.reduction.fitted import save_pictures
from models.reduction.fitting import fit
from tests.models.svg import SVG, lines, parsed, points, texts

GENERATOR = np.random.default_rng(0)
NUMERIC = GENERATOR.normal(size=(60, 6)).astype(np.float32)
FARES = GENERATOR.uniform(3, 60, 60)
NAMES = ('a<b', 'b', 'c', 'd', 'e', 'f')


def _pictures(folder: pathlib.Path, reduction: dict, numeric: np.ndarray = NUMERIC) -> dict[str, ElementTree.Element]:
  fitted = fit(Reduction.model_validate(reduction), NAMES, numeric, FARES, clip=6.0)
  save_pictures(fitted, str(folder), 'USD')
  return {path.name: parsed(path.read_text(encoding='utf-8')) for path in folder.iterdir()}


def _bars(root: ElementTree.Element, style: str) -> list[float]:
  return [float(bar.get('width', '')) for bar in lines(root, f'fill {style}')]


@pytest.fixture(scope='module')
def projection(tmp_path_factory):
  return _pictures(tmp_path_factory.mktemp('pca'), {'method': 'pca', 'components': 4})


def test_a_projection_has_these(projection):
  assert set(projection) == {'explained_variance.svg', 'loadings.svg', 'components.svg', 'reconstruction.svg'}


def test_variance_has_a_bar_for_each_component_and_the_cut(projection):
  root = projection['explained_variance.svg']
  assert (len(_bars(root, 's0')), len(_bars(root, 's7'))) == (4, 2)
  assert [points(curve) for curve in lines(root, 'curve s1')] == [6]
  assert len(lines(root, 'mark')) == 1
  assert any(label.startswith('4 components, ') for label in texts(root))


def test_loadings_have_a_cell_for_each_feature_and_component(projection):
  """Every cell in one of seven colours; a first component that a feature follows is far from the neutral one."""
  root = projection['loadings.svg']
  assert sum(points(cells) for shade in range(7) for cells in lines(root, f'e{shade}')) == 6 * 4
  assert set(NAMES) | {'0', '1', '2', '3'} <= set(texts(root))


def test_shades_of_loadings(tmp_path):
  """One feature alone varies, so the component follows it wholly and the constant ones not at all."""
  numeric = np.zeros_like(NUMERIC)
  numeric[:, 2] = NUMERIC[:, 2]
  root = _pictures(tmp_path, {'method': 'pca', 'components': 1}, numeric)['loadings.svg']
  cells = {shade: sum(points(one) for one in lines(root, f'e{shade}')) for shade in range(7)}
  assert cells[3] == 5
  assert cells[0] + cells[6] == 1


def test_every_ride_of_the_sample_is_a_point_a_quarter_in_each_colour(projection):
  root = projection['components.svg']
  assert [points(one) for shade in range(3, 7) for one in lines(root, f'points e{shade}')] == [15] * 4
  bounds = np.quantile(FARES, (0.25, 0.5, 0.75))
  legend = [f'below {bounds[0]:.2f}', *(f'from {bound:.2f}' for bound in bounds)]
  assert [label for label in texts(root) if label.startswith(('below', 'from'))] == legend
  assert 'pca_0; coloured by fare (USD)' in texts(root)


def test_one_component_has_points_on_a_line(tmp_path):
  root = _pictures(tmp_path, {'method': 'pca', 'components': 1})['components.svg']
  paths = [one.get('d', '') for shade in range(3, 7) for one in lines(root, f'points e{shade}')]
  assert len({y for path in paths for y in re.findall(r'M[\d.]+ ([\d.]+)h0', path)}) == 1


def test_what_is_missed_has_a_bar_for_each_feature_the_largest_first(projection):
  root = projection['reconstruction.svg']
  bars = _bars(root, 's0')
  assert len(bars) == 6
  assert bars == sorted(bars, reverse=True)
  assert set(NAMES) <= set(texts(root))


def test_a_selection_shows_what_it_kept_and_what_it_dropped(tmp_path):
  """A constant feature has no score, so no bar, but its name."""
  numeric = NUMERIC.copy()
  numeric[:, 5] = 0
  found = _pictures(tmp_path, {'method': 'correlation', 'components': 2}, numeric)
  assert set(found) == {'scores.svg', 'reconstruction.svg'}
  root = found['scores.svg']
  assert (len(_bars(root, 's0')), len(_bars(root, 's7'))) == (2, 3)
  bars = [float(bar.get('width', '')) for bar in root.iter(f'{SVG}rect')]
  assert bars == sorted(bars, reverse=True)
  assert set(NAMES) <= set(texts(root))
  assert 'correlation: 2 of 6 features kept.' in texts(root)
