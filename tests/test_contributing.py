"""What CONTRIBUTING.md says an extension costs is what it costs.

The recipe, the scheme and the feature block of its snippets are added to a copy of the rooms, in the files that it
lists and in no others, and used there by a process of its own.
"""

from __future__ import annotations

import json
import pathlib
import re
import shutil
import subprocess
import sys
import textwrap

import pytest

ROOT = pathlib.Path(__file__).resolve().parent.parent
ROOMS = ('configs', 'transforms', 'models', 'components', 'pipeline')
PAGE = (ROOT / 'CONTRIBUTING.md').read_text(encoding='utf-8')
COSTS = {
  'recipe': 1,
  'scheme': 1,
  'feature block': 2,
  'precision': 2,
  'technique': 3,
  'target': 3,
  'component': 4,
}
"""Source files that an extension may touch."""


def _section(kind):
  return re.search(rf'^### Add a {kind}\n(.*?)(?=^##)', PAGE, re.DOTALL | re.MULTILINE)[1]


def _files(kind):
  """The number that a section says, and the files that it lists, each with whether it is new."""
  count, listed = re.search(r'^Files: (\d+)\n((?:- .*\n)+)', _section(kind), re.MULTILINE).groups()
  return int(count), {path: bool(new) for path, new in re.findall(r'- `(.+?)`( \(new\))?\n', listed)}


def _snippets(kind):
  """The snippets that name a file, in order."""
  found = re.findall(r'^ *```\w+ (\S+)\n(.*?)^ *```$', _section(kind), re.DOTALL | re.MULTILINE)
  return [(path, textwrap.dedent(text)) for path, text in found]


def test_every_kind_has_a_section():
  assert set(re.findall(r'^### Add an? (.+)$', PAGE, re.MULTILINE)) == set(COSTS)


@pytest.mark.parametrize('kind', COSTS)
def test_costs_what_it_says(kind):
  """Oracle: the table above, and the page's own."""
  count, files = _files(kind)
  assert count == len(files) == COSTS[kind]
  rows = re.findall(r'^\| (.+) \| (\d) \|$', PAGE, re.MULTILINE)
  assert {name: int(cost) for names, cost in rows for name in names.split(', ')} == COSTS


@pytest.mark.parametrize('kind', COSTS)
def test_files_are_where_it_says(kind):
  for path, is_new in _files(kind)[1].items():
    assert (ROOT / path).is_file() == (not is_new), path
    # A new one has a folder to go to; a component makes its own.
    assert any((ROOT / path).parents[up].is_dir() for up in (0, 1)), path


def test_every_path_on_the_page_is_there():
  made = {path for kind in COSTS for path, is_new in _files(kind)[1].items() if is_new}
  paths = re.findall(r'[`(]((?:\w+/)+[\w.]+|\.ci/run|LICENSE|CHANGELOG\.md)[`)]', PAGE)
  assert len(paths) > 30
  missing = [path for path in paths if path not in made and 'NAME' not in path and not (ROOT / path).exists()]
  assert missing == []


def test_the_readme_leads_to_it():
  assert '](CONTRIBUTING.md)' in (ROOT / 'README.md').read_text(encoding='utf-8')


@pytest.fixture
def copy(tmp_path):
  """The rooms, to be changed."""
  for room in ROOMS:
    shutil.copytree(ROOT / room, tmp_path / room, ignore=shutil.ignore_patterns('__pycache__'))
  return tmp_path


def _contents(folder):
  return {
    path.relative_to(folder).as_posix(): path.read_bytes()
    for room in ROOMS
    for path in sorted((folder / room).rglob('*'))
    if path.is_file() and '__pycache__' not in path.parts
  }


def _add(copy, kind):
  """Follows the section; checks that the files that it lists are changed, and no others."""
  before = _contents(copy)
  for path, text in _snippets(kind):
    file = copy / path
    if not file.exists():
      file.write_text(text, encoding='utf-8')
      continue
    place = 'class Features(Config)' if text.startswith('class ') else '  buckets: BucketBlock'
    added = f'{text}\n\n' if text.startswith('class ') else textwrap.indent(text, '  ')
    content = file.read_text(encoding='utf-8')
    assert content.count(place) == 1
    file.write_text(content.replace(place, added + place), encoding='utf-8')
  after = _contents(copy)
  changed = {path for path in after if after[path] != before.get(path)}
  assert changed == set(_files(kind)[1])
  assert before.keys() <= after.keys()


def _printed(copy, program):
  """What a program prints as JSON that knows the rooms of the copy alone."""
  done = subprocess.run(
    [sys.executable, '-c', textwrap.dedent(program)], cwd=copy, capture_output=True, text=True, check=False
  )
  assert done.returncode == 0, done.stderr
  return json.loads(done.stdout.splitlines()[-1])


def test_a_recipe(copy):
  _add(copy, 'recipe')
  found = _printed(
    copy,
    """
    import json
    from configs.errors import FareliteError
    from configs.loading import load

    def refused(*settings):
      try:
        load('nyc', settings)
      except FareliteError as error:
        return str(error)

    config = load('nyc', ['training.recipes=[dense,pruned_70]', 'training.serve=pruned_70'])
    recipe = config.training.served_recipe
    print(json.dumps({
      'names': [recipe.name for recipe in config.training.recipes],
      'sparsity': recipe.pruning.final_sparsity,
      'unknown': refused('training.recipes=[pruned_7]'),
      'unfit': refused('training.recipes=[pruned_70]', 'model.hidden=[16,1,1]'),
    }))
    """,
  )
  assert found['names'] == ['dense', 'pruned_70']
  assert found['sparsity'] == 0.7
  assert 'pruned_70' in found['unknown'].split('Available: ')[1]
  assert "Did you mean 'pruned_70'?" in found['unknown']
  assert 'training.recipes.pruned_70' in found['unfit']


def test_a_scheme(copy):
  """Oracle: the types in the file that TensorFlow's converter writes."""
  _add(copy, 'scheme')
  found = _printed(
    copy,
    """
    import json
    import os
    os.environ |= {'TF_USE_LEGACY_KERAS': '1', 'CUDA_VISIBLE_DEVICES': ''}
    import numpy as np
    from configs.errors import FareliteError
    from configs.loading import load
    from models.fare_model import build_fare_model
    from models.lite.conversion import calibration_sample, convert_model
    from models.lite.inspection import LiteFile
    from models.rides import Rides

    config = load('nyc', ['compression.schemes=[int8_sampled]', 'model.hidden=[16,8]'])
    scheme = config.compression.schemes[1]
    generator = np.random.default_rng(0)
    numeric = generator.normal(size=(3000, 12)).astype(np.float32)
    fares = generator.gamma(4, 3, 3000).astype(np.float32)
    rides = calibration_sample(Rides({'numeric': numeric}, fares, np.arange(3000)), scheme.calibration)
    content = convert_model(build_fare_model(config.model, 12, [], 0.0, 0), scheme, rides.inputs, False, 'fare_amount')
    layers = LiteFile(content).layers({}, ['dense_0', 'dense_1', 'fare'])
    try:
      load('nyc', ['compression.schemes=[int8_sample]'])
    except FareliteError as error:
      unknown = str(error)
    print(json.dumps({
      'names': [scheme.name for scheme in config.compression.schemes],
      'rides': len(rides),
      'types': [[layer.type, layer.output_type] for layer in layers],
      'unknown': unknown,
    }))
    """,
  )
  assert found['names'] == ['float32', 'int8_sampled']
  assert found['rides'] == 2000
  assert found['types'] == [['int8', 'int8']] * 3
  assert 'int8_sampled' in found['unknown'].split('Available: ')[1]


def test_a_feature_block(copy):
  """Oracle: the hour of each ride by integer division, standardized by NumPy; and the vector without the block."""
  _add(copy, 'feature block')
  found = _printed(
    copy,
    """
    import json
    import os
    os.environ |= {'TF_USE_LEGACY_KERAS': '1', 'CUDA_VISIBLE_DEVICES': ''}
    import numpy as np
    from configs.loading import load
    from pipeline.code_version import closure
    from transforms import in_memory, names
    from transforms.engineering import catalogue

    generator = np.random.default_rng(0)
    config = load('nyc')
    columns = {name: generator.normal(1, 0.1, 500).astype(np.float32) for name in config.dataset.raw_inputs()}
    columns['pickup_seconds'] = generator.integers(0, 10**8, 500)

    def made(*settings):
      config = load('nyc', settings)
      parts = config.dataset, config.features
      constants = in_memory.fit_constants(columns, *parts)
      found = in_memory.transform(columns, *parts, config.evaluation.slices, constants)
      return [feature.name for feature in catalogue(*parts)], found[names.NUMERIC].numpy()

    without, plain = made()
    listed, vector = made('features.night.enabled=true', 'features.night.end=5')
    night = listed.index('night')
    hour = columns['pickup_seconds'] % 86400 // 3600
    flag = ((hour >= 20) | (hour < 5)).astype(float)
    print(json.dumps({
      'listed': listed,
      'without': without,
      'width': vector.shape[1],
      'off': float(np.abs(vector[:, night] - (flag - flag.mean()) / flag.std()).max()),
      'others': float(np.abs(np.delete(vector, night, axis=1) - plain).max()),
      'code': sorted(closure('transforms.preprocessing')),
    }))
    """,
  )
  assert found['listed'] != found['without'] == [name for name in found['listed'] if name != 'night']
  assert found['width'] == len(found['listed'])
  # After the other blocks, before the indicators of missing inputs.
  assert found['listed'][found['listed'].index('night') + 1].startswith('missing_')
  assert found['off'] < 1e-5
  assert found['others'] == 0
  assert 'transforms.blocks.night' in found['code']
