"""The code version follows the code that a step runs, wherever it lies, and nothing else.

Oracle: small houses whose closures can be read off, and a table over the real one.
"""

from __future__ import annotations

import ast
import functools
import importlib.metadata
import os
import pathlib
import re
import shutil
import subprocess
import sys

import pytest

from components.artifacts import LiteVariants
from components.bigquery_ride_gen.component import BigQueryRideGen
from components.compression_gate.choice import choose
from components.compression_gate.component import CompressionGate
from components.dimensionality_reduction.component import DimensionalityReduction
from components.fare_evaluator.component import FareEvaluator
from components.feature_engineering.component import FeatureEngineering
from components.pruning_trainer.component import PruningTrainer
from components.quantization_rewriter.component import QuantizationRewriter
from components.resolvers.served_model import ServedModel
from components.ride_example_gen.canonical import canonicalize
from components.ride_example_gen.component import RideExampleGen
from components.ride_example_gen.quarantine import RideCounts
from components.ride_validator.component import AnomalyGate, RideSchema, RideStatisticsGen
from components.ride_validator.inspection import inspect
from components.ride_validator.schema import ride_schema
from configs.base import Config
from configs.compression import Compression
from configs.dataset import Dataset
from configs.evaluation import Slices
from configs.features import Features
from configs.layers import model_layers
from configs.loading import load
from configs.model import Training
from configs.operations import Retention
from configs.run import RunConfig
from configs.split import Split
from configs.validation import Validation
from models.fare_model import build_fare_model
from models.lite import worker
from models.lite.conversion import convert_model
from models.reduction.fitting import fit
from models.release import write_manifest
from models.run_fn import run_fn
from models.serving import fake_quantized
from models.training import predict
from pipeline import dag
from pipeline.code_version import closure, code_version, git_commit, run_version, step_roots, step_version
from transforms.blocks.temporal import engineer as temporal
from transforms.catalogue import categoricals
from transforms.engineering import catalogue
from transforms.in_memory import fit_constants
from transforms.preprocessing import fit as analyze
from transforms.slicing import slice_columns

ROOT = pathlib.Path(dag.__file__).resolve().parent.parent


@pytest.fixture
def folder(tmp_path: pathlib.Path) -> pathlib.Path:
  """A step that runs two modules, and one that it does not."""
  return _house(
    tmp_path / 'house',
    **{
      'components/__init__.py': '',
      'components/step.py': 'from models.used import answer\n\n\ndef do():\n  return answer()\n',
      'models/__init__.py': '',
      'models/used.py': 'def answer():\n  return 42\n',
      'models/unused.py': 'QUESTION = 1\n',
    },
  )


def _house(folder: pathlib.Path, **files: str) -> pathlib.Path:
  for name, text in files.items():
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding='utf-8')
  return folder


def _version(folder: pathlib.Path, *changes: tuple[str, str]) -> str:
  for name, text in changes:
    _house(folder, **{name: text})
  return code_version('components.step', folder=folder)


@pytest.mark.parametrize(
  ('name', 'text'),
  [
    pytest.param('models/used.py', 'def answer():\n  return 43\n', id='a_number'),
    pytest.param('models/used.py', 'def answer():\n  return "42"\n', id='a_type'),
    pytest.param('models/used.py', 'def answer(x=1):\n  return 42\n', id='a_default'),
    pytest.param('models/used.py', 'def answer() -> int:\n  return 42\n', id='an_annotation'),
    pytest.param('models/used.py', 'answer = lambda: 42\n', id='another_form'),
    pytest.param('models/used.py', 'def answer():\n  return 42\n\n\nX = 1\n', id='one_more_statement'),
    pytest.param('components/step.py', 'from models.used import answer\n\n\ndef do():\n  answer()\n', id='itself'),
    pytest.param('components/__init__.py', 'X = 1\n', id='its_package'),
    pytest.param('models/__init__.py', 'X = 1\n', id='a_package_that_it_passes'),
  ],
)
def test_goes_by_the_code_that_runs(folder, name, text):
  before = _version(folder)
  assert _version(folder, (name, text)) != before


@pytest.mark.parametrize(
  ('name', 'text'),
  [
    pytest.param('models/used.py', '# Why.\ndef answer():\n  return 42  # that is why\n', id='comments'),
    pytest.param('models/used.py', '"""A."""\n\n\ndef answer():\n  """B."""\n  return 42\n', id='docstrings'),
    pytest.param('models/used.py', 'def answer(): return (42)\n', id='layout'),
    pytest.param(
      'models/used.py',
      'from typing import TYPE_CHECKING\n\nif TYPE_CHECKING:\n  from models.unused import QUESTION\n\n\n'
      'def answer():\n  return 42\n',
      id='types',
    ),
    pytest.param('models/unused.py', 'QUESTION = 2\n', id='a_module_beside_it'),
    pytest.param('models/more.py', 'QUESTION = 2\n', id='one_more_module'),
    pytest.param('models/used.py', "__all__ = ['answer']\n\n\ndef answer():\n  return 42\n", id='what_it_offers'),
    pytest.param('models/notes.txt', 'changed', id='no_code'),
    pytest.param('pipeline/dag.py', 'X = 1\n', id='another_room'),
  ],
)
def test_does_not_go_by(folder, name, text):
  if 'TYPE_CHECKING' in text:
    _version(folder, (name, 'from typing import TYPE_CHECKING\n\n\ndef answer():\n  return 42\n'))
  before = _version(folder)
  assert _version(folder, (name, text)) == before


def test_the_docstrings_of_an_attribute_are_none_of_its_code(folder):
  one, two = (_version(folder, ('models/used.py', f'answer = 1\n"""{text}"""\n')) for text in ('What.', 'Why.'))
  assert one == two
  assert _version(folder, ('models/used.py', 'answer = """Why."""\n')) != _version(
    folder, ('models/used.py', 'answer = """What."""\n')
  )


def test_what_runs_where_no_type_checker_looks_counts(folder):
  text = 'from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n  X = 1\nelse:\n  from models.unused import QUESTION\n'
  _version(folder, ('models/used.py', text))
  assert 'models.unused' in closure('components.step', folder=folder)


@pytest.mark.parametrize(
  ('step', 'also'),
  [
    pytest.param('import models.a.one', ['models', 'models.a', 'models.a.one'], id='import'),
    pytest.param('import models.a.one as x', ['models', 'models.a', 'models.a.one'], id='import_as'),
    pytest.param('from models.a import one', ['models', 'models.a', 'models.a.one'], id='submodule'),
    pytest.param('from models.a.one import X', ['models', 'models.a', 'models.a.one'], id='name'),
    pytest.param('from models.a.one import *', ['models', 'models.a', 'models.a.one'], id='star'),
    pytest.param('from . import near', ['components.near'], id='relative'),
    pytest.param('from .near import X', ['components.near'], id='relative_name'),
    pytest.param('def f():\n  from models.a import one', ['models', 'models.a', 'models.a.one'], id='in_a_function'),
    pytest.param('if 1:\n  import models.a.one', ['models', 'models.a', 'models.a.one'], id='in_a_branch'),
    pytest.param('try:\n  import models.a.one\nexcept ImportError:\n  pass', ['models', 'models.a', 'models.a.one'],
                 id='tried'),
    pytest.param("FN = 'models.a.one.run'", ['models', 'models.a', 'models.a.one'], id='dotted_path_of_a_function'),
    pytest.param("FN = 'models.b.{}'.format(name)",
                 ['models', 'models.b', 'models.b.two', 'models.b.three', 'models.b.four'], id='any_of_a_package'),
    pytest.param("call('python', '-m', 'models.a.one')", ['models', 'models.a', 'models.a.one'], id='a_process'),
    pytest.param("TEXT = 'see models.a.one'", [], id='prose'),
    pytest.param('"""models.a.one"""', [], id='docstring'),
    pytest.param('import numpy.models', [], id='foreign'),
    pytest.param('from json import models', [], id='a_name_of_a_foreign_module'),
    # What a package gives on: all that it names may be behind the name.
    pytest.param('from models.b import X', ['models', 'models.b', 'models.b.two', 'models.b.three'], id='re_exported'),
    # Importing a module below runs what the package itself imports at once, and none of its functions.
    pytest.param('import models.b.four', ['models', 'models.b', 'models.b.two', 'models.b.four'], id='passed_through'),
  ],
)  # fmt: skip
def test_what_a_step_runs(tmp_path, step, also):
  folder = _house(
    tmp_path,
    **{
      'components/__init__.py': '',
      'components/step.py': step,
      'components/near.py': 'X = 1',
      'models/__init__.py': '',
      'models/a/__init__.py': '',
      'models/a/one.py': 'X = 1',
      'models/b/__init__.py': 'from models.b.two import X\n\n\ndef late():\n  from models.b import three\n',
      'models/b/two.py': 'X = 1',
      'models/b/three.py': '',
      'models/b/four.py': '',
    },
  )
  assert closure('components.step', folder=folder) == {'components', 'components.step', *also}


def test_a_circle_ends(tmp_path):
  folder = _house(tmp_path, **{'models/a.py': 'from models import b', 'models/b.py': 'from models import a'})
  assert closure('models.a', folder=folder) == {'models.a', 'models.b'}


def test_a_function_stands_for_its_module(folder):
  assert code_version('components.step.do', folder=folder) == code_version('components.step', folder=folder)


@pytest.mark.parametrize('root', ['nowhere', 'numpy.array', 'tfx.components.trainer.executor'])
def test_unknown_module(root):
  with pytest.raises(ImportError, match=f"No module '{root}' to take the code version of"):
    code_version(root)


def test_goes_by_names_contents_and_where_a_file_ends(tmp_path):
  """Equal lines in other modules, or divided otherwise, are other code."""
  step = 'from models import a, b'
  files = [
    {'a': 'X = 1\nY = 2', 'b': 'Z = 3'},
    {'a': 'X = 1', 'b': 'Y = 2\nZ = 3'},
    {'a': 'Z = 3', 'b': 'X = 1\nY = 2'},
  ]
  folders = [
    _house(tmp_path / str(n), **{'components/step.py': step, **{f'models/{name}.py': text for name, text in f.items()}})
    for n, f in enumerate(files)
  ]
  assert len({code_version('components.step', folder=one) for one in folders}) == 3


def test_goes_by_every_root_in_whatever_order_they_are_named(folder):
  version = functools.partial(code_version, folder=folder)
  assert version('components.step', 'models.unused') == version('models.unused', 'components.step')
  assert len({version('components.step', 'models.unused'), version('components.step'), version('models.unused')}) == 3


@pytest.mark.parametrize(
  'library', ['tfx', 'tensorflow', 'tensorflow-transform', 'tf-keras', 'tensorflow-model-optimization', 'pyarrow']
)
def test_goes_by_the_versions_of_the_libraries(folder, monkeypatch, library: str):
  before = _version(folder)
  version = importlib.metadata.version
  monkeypatch.setattr(importlib.metadata, 'version', lambda name: '9.9' if name == library else version(name))
  assert _version(folder) != before


def test_equal_code_elsewhere_has_the_same_version(folder, tmp_path):
  """A wheel beside other packages, and a checkout."""
  shutil.copytree(folder, tmp_path / 'site-packages')
  _house(tmp_path / 'site-packages', **{'numpy/__init__.py': 'X = 1'})
  assert _version(tmp_path / 'site-packages') == _version(folder)


def test_fields_that_only_some_pythons_have_are_no_code(folder, monkeypatch):
  """Python 3.12 gave functions and classes a list of type parameters, which is empty in what 3.10 can read."""
  before = _version(folder)
  parse = ast.parse

  def other(text):
    tree = parse(text)
    for node in ast.walk(tree):
      if isinstance(node, ast.FunctionDef):
        node._fields = (*node._fields, 'of_the_future', 'nor_this')
        node.of_the_future, node.nor_this = [], None
    return tree

  monkeypatch.setattr(ast, 'parse', other)
  _house(folder, **{'models/used.py': '# Read again.\ndef answer():\n  return 42\n'})
  assert _version(folder) == before


def test_loads_no_heavy_module():
  """The command line asks for it before it imports TFX."""
  code = (
    'import sys; from pipeline.code_version import run_version; run_version(); '
    'print(sorted({name.partition(".")[0] for name in sys.modules} & {"tensorflow", "tfx", "components", "models"}))'
  )
  assert subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, cwd=ROOT).stdout.strip() == '[]'


STEPS = (
  RideExampleGen, BigQueryRideGen, RideStatisticsGen, RideSchema, AnomalyGate, FeatureEngineering,
  DimensionalityReduction, PruningTrainer, FareEvaluator, QuantizationRewriter, CompressionGate, ServedModel,
)  # fmt: skip
INGESTION = 'RideExampleGen BigQueryRideGen'
CHECKS = 'RideStatisticsGen AnomalyGate'
MODELS = 'PruningTrainer QuantizationRewriter'
LITE = 'QuantizationRewriter CompressionGate'
FEATURES = 'FeatureEngineering DimensionalityReduction'

RUN_AGAIN = {
  # configs
  Config: f'{INGESTION} {CHECKS} {FEATURES} {MODELS} FareEvaluator CompressionGate',
  Dataset: f'{INGESTION} {CHECKS} {FEATURES} {MODELS} FareEvaluator CompressionGate',
  Split: f'{INGESTION} {CHECKS} FeatureEngineering',
  Validation: CHECKS,
  Slices: f'{FEATURES} FareEvaluator CompressionGate',
  Features: f'{FEATURES} {MODELS} CompressionGate',
  Training: MODELS,
  Compression: LITE,
  model_layers: MODELS,
  Retention: '',
  RunConfig: '',
  load: '',
  # transforms
  analyze: FEATURES,
  temporal: f'{FEATURES} CompressionGate',
  slice_columns: f'{FEATURES} CompressionGate',
  catalogue: f'{FEATURES} CompressionGate',
  categoricals: f'{FEATURES} {MODELS} CompressionGate',
  # For the study alone.
  fit_constants: '',
  # models
  run_fn: 'PruningTrainer',
  predict: MODELS,
  build_fare_model: MODELS,
  fake_quantized: f'DimensionalityReduction {MODELS} FareEvaluator CompressionGate',
  convert_model: 'QuantizationRewriter',
  worker.main: LITE,
  write_manifest: 'CompressionGate',
  fit: 'DimensionalityReduction',
  # components
  canonicalize: INGESTION,
  RideCounts: f'{INGESTION} {CHECKS} FeatureEngineering',
  ride_schema: CHECKS,
  inspect: CHECKS,
  choose: 'CompressionGate',
  LiteVariants: f'{INGESTION} {CHECKS} {FEATURES} {LITE}',
  # pipeline
  dag.build_pipeline: '',
}
"""Which steps run again where a line of a module is changed; a module is named by something in it.

A schema goes into its step's key as text, so its making does not (the gate beside it runs again, which trains nothing).
TFX asks for artifact types by name, so their module
is a part of each step that names one.
"""


@pytest.fixture(scope='module')
def copy(tmp_path_factory) -> pathlib.Path:
  """The whole project, to be changed."""
  folder = tmp_path_factory.mktemp('copy')
  for room in ('configs', 'transforms', 'models', 'components', 'pipeline'):
    shutil.copytree(ROOT / room, folder / room, ignore=shutil.ignore_patterns('__pycache__'))
  return folder


def _versions(folder: pathlib.Path) -> dict[str, str]:
  return {step.__name__: step_version(step, folder) for step in STEPS}


@pytest.mark.parametrize('thing', RUN_AGAIN, ids=lambda thing: f'{thing.__module__}.{thing.__name__}')
def test_which_steps_run_again_where_a_line_is_changed(copy, thing):
  before, whole = _versions(copy), run_version(copy)
  [path] = [
    path
    for path in (copy.joinpath(*thing.__module__.split('.')).with_suffix('.py'),
                 copy.joinpath(*thing.__module__.split('.'), '__init__.py'))
    if path.is_file()
  ]  # fmt: skip
  text = path.read_text(encoding='utf-8')
  try:
    path.write_text(f'# A remark.\n{text}\n# And one more.\n', encoding='utf-8')
    assert run_version(copy) == whole
    path.write_text(f'{text}\nCHANGED = 1\n', encoding='utf-8')
    again = {name for name, version in _versions(copy).items() if version != before[name]}
    assert again == set(RUN_AGAIN[thing].split())
    # Whatever a step runs is a part of the run; so is what components write into keys.
    assert (run_version(copy) != whole) == bool(again)
  finally:
    path.write_text(text, encoding='utf-8')


def test_a_copy_is_the_same_code(copy):
  assert [step_version(step, copy) for step in STEPS] == [step_version(step) for step in STEPS]
  assert run_version(copy) == run_version()


def test_what_is_changed_under_a_process_is_no_code_that_it_runs(copy):
  """Or a run would note the code that it began with beside the sources that it ended with."""
  code = (
    'import pathlib\n'
    'from pipeline.code_version import run_version, sources_digest\n'
    'before = run_version(), sources_digest()\n'
    'path = pathlib.Path("models/fare_model.py")\n'
    'path.write_bytes(path.read_bytes() + b"CHANGED = 1\\n")\n'
    'print(before == (run_version(), sources_digest()), before[0])\n'
  )
  text = (copy / 'models' / 'fare_model.py').read_bytes()
  command = [sys.executable, '-c', code]
  try:
    own = subprocess.run(command, capture_output=True, text=True, cwd=copy, env={**os.environ, 'PYTHONPATH': str(copy)})
    assert own.stdout.split() == ['True', run_version()], own.stderr
    assert run_version(copy) != run_version()
  finally:
    (copy / 'models' / 'fare_model.py').write_bytes(text)


@pytest.mark.parametrize('step', STEPS)
def test_no_step_runs_code_of_the_pipeline(step):
  assert not [module for module in closure(*step_roots(step)) if module.split('.')[0] == 'pipeline']


def test_the_function_that_a_library_calls_is_a_root():
  assert step_roots(PruningTrainer) == (
    'components.pruning_trainer.component.PruningTrainerExecutor',
    'models.run_fn.run_fn',
  )
  assert step_roots(FeatureEngineering) == (
    'components.feature_engineering.component.FeatureEngineeringExecutor',
    'transforms.preprocessing.preprocessing_fn',
  )


def test_nobody_lists_code_by_hand():
  """A step is named by its class and a module by itself, so that no list of rooms can fall behind."""
  listed = re.compile(r"(code_version|closure)\(\s*\*?['\"]")
  sources = [path for path in (ROOT / 'pipeline').rglob('*.py') if path.name != 'code_version.py']
  assert [path.name for path in sources if listed.search(path.read_text(encoding='utf-8'))] == []


def _git(folder: pathlib.Path, *arguments: str) -> str:
  command = ['git', '-C', str(folder), '-c', 'user.name=a', '-c', 'user.email=a@b', *arguments]
  return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def test_the_commit_of_a_checkout_and_whether_it_was_changed(tmp_path, monkeypatch):
  """Oracle: git's own `rev-parse`; variables of a hook that runs around it name no other repository."""
  _git(tmp_path, 'init', '-q')
  assert git_commit(tmp_path) is None, 'nothing is committed yet'
  (tmp_path / 'a.py').write_text('1')
  _git(tmp_path, 'add', '.')
  _git(tmp_path, 'commit', '-qm', 'a')
  _git(tmp_path, 'tag', 'v1')
  head = _git(tmp_path, 'rev-parse', 'HEAD')
  monkeypatch.setenv('GIT_DIR', str(tmp_path / 'no such'))
  assert git_commit(tmp_path) == head
  (tmp_path / 'new.py').write_text('1')
  assert git_commit(tmp_path) == head, 'a file that git does not know is no change of the commit'
  (tmp_path / 'a.py').write_text('2')
  assert git_commit(tmp_path) == f'{head}-dirty'


def test_outside_of_a_checkout_there_is_no_commit(tmp_path, monkeypatch):
  """Also where one is further up, as around an environment; and without git."""
  _git(tmp_path, 'init', '-q')
  (tmp_path / 'installed').mkdir()
  assert git_commit(tmp_path / 'installed') is None
  monkeypatch.setenv('PATH', str(tmp_path))
  assert git_commit(tmp_path) is None
