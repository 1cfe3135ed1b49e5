"""Packages that wait: what they spare, and that they are whole when asked."""

from __future__ import annotations

import importlib
import json
import re
import subprocess
import sys
import threading

import pytest

from pipeline import lazy_packages
from pipeline.cloud.step import COMMAND
from tests.conftest import REPOSITORY

SPARED = [
  'docker.client', 'google.cloud.bigquery.client', 'IPython.core.interactiveshell', 'ipywidgets', 'keras.src',
  'keras_tuner', 'kfp.dsl', 'kubernetes', 'matplotlib', 'nltk', 'sklearn', 'tensorflow_model_analysis.api',
  'tensorflow_model_analysis.evaluators', 'tfx.components.evaluator.executor', 'tfx.components.tuner',
]  # fmt: skip
"""What nothing here uses, and `lazy_packages.PACKAGES` and TFX's entry import."""

WITHOUT_BEAM = [
  'components.compression_gate.component.CompressionGateExecutor',
  'components.pusher.component.AtomicPusherExecutor',
  'components.quantization_rewriter.component.QuantizationRewriterExecutor',
  'components.resolvers.served_model.ServedModelExecutor',
  'components.ride_validator.schema_executor.RideSchemaExecutor',
]


def _printed(program: str, *arguments: str) -> str:
  result = subprocess.run(
    [sys.executable, '-W', 'ignore', '-c', program, *arguments], cwd=REPOSITORY, capture_output=True, text=True
  )
  assert result.returncode == 0, result.stderr[-3000:]
  assert 'Error importing' not in result.stderr  # What TFMA says of an ImportError that it swallows.
  return result.stdout.splitlines()[-1]


STEPS = [
  'components.bigquery_ride_gen.component.BigQueryRideGenExecutor',
  'components.compression_gate.component.CompressionGateExecutor',
  'components.dimensionality_reduction.component.DimensionalityReductionExecutor',
  'components.fare_evaluator.component.FareEvaluatorExecutor',
  'components.feature_engineering.component.FeatureEngineeringExecutor',
  'components.model_registry.component.ModelRegistryExecutor',
  'components.pruning_trainer.component.PruningTrainerExecutor',
  'components.pusher.component.AtomicPusherExecutor',
  'components.quantization_rewriter.component.QuantizationRewriterExecutor',
  'components.resolvers.served_model.ServedModelExecutor',
  'components.ride_example_gen.executor.RideExampleGenExecutor',
  'components.ride_validator.component.AnomalyGateExecutor',
  'components.ride_validator.component.RideStatisticsGenExecutor',
  'components.ride_validator.schema_executor.RideSchemaExecutor',
  'tfx.components.example_validator.executor.Executor',
]

IMPORT = """
import json, sys
from pipeline import lazy_packages
lazy_packages.install()
from tfx.orchestration.kubeflow.v2.container import kubeflow_v2_entrypoint_utils
from tfx.utils import import_utils
for path in json.loads(sys.argv[1]):
  import_utils.import_class_by_path(path)
"""


def test_no_step_loads_what_no_step_uses():
  """After what the entry imports, all in one process."""
  program = f'{IMPORT}\nprint(json.dumps(sorted(set({SPARED}) & set(sys.modules))))'
  assert json.loads(_printed(program, json.dumps(STEPS))) == []


def test_a_step_without_beam_does_not_load_it():
  program = f"{IMPORT}\nprint('apache_beam' in sys.modules)"
  assert _printed(program, json.dumps(WITHOUT_BEAM)) == 'False'


RUN = """
import sys
from pipeline.local import terminal
terminal.prepare()
import pipeline.dag, pipeline.local.run, pipeline.local.runner, pipeline.local.summary
import numpy as np
from components.fare_evaluator import in_memory, slices
from configs import loading
from apache_beam.utils import interactive_utils
assert not interactive_utils.is_in_ipython()  # Each of Beam's pipelines asks.
config = loading.load('chicago')
fares = np.array([5, 6, 7], np.float32)
outcomes = in_memory.Outcomes(fares, fares + 1, np.arange(3), {'slice_airport': np.array([0, 1, 1], np.int16)})
in_memory.evaluate(outcomes, slices.eval_config(8, ['slice_airport']), 'model', sys.argv[1])
print(len(slices.read_slices(sys.argv[1], ['slice_airport'], config.evaluation.slices, config.dataset)))
"""


def test_neither_a_run_nor_its_evaluation_loads_what_nothing_uses(tmp_path):
  """In a process of its own, in which the pipeline is made as the command line makes it."""
  program = f'{RUN}\nprint(sorted(set({SPARED}) & set(sys.modules)))'
  assert _printed(program, str(tmp_path)) == '[]'


def test_the_evaluator_has_tfma_whole_by_beam():
  """TFX's own executor, which evaluates by Beam, makes an `EvalConfig` when it runs."""
  program = f'{IMPORT}\nfrom components.fare_evaluator import component\nexecutor = component._tfx_executor()'
  program += '\nprint(executor.__name__, sys.modules[executor.__module__].tfma.EvalConfig().ByteSize())'
  assert _printed(program, '[]') == 'Executor 0'


def test_the_steps_are_those_of_the_code():
  """Oracle: the classes of this project that are named as executors."""
  named = {
    f'{".".join(file.relative_to(REPOSITORY).with_suffix("").parts)}.{name}'
    for file in (REPOSITORY / 'components').rglob('*.py')
    for name in re.findall(r'^class (\w+Executor)\(', file.read_text(encoding='utf-8'), re.MULTILINE)
  }
  assert named == {step for step in STEPS if step.startswith('components.')}


DESCRIBE = """
import importlib, json, sys
from pipeline import lazy_packages
if sys.argv[1] == 'lazy':
  lazy_packages.install()
found = {}
for name in lazy_packages.PACKAGES:
  package = importlib.import_module(name)
  names = json.loads(sys.argv[2])[name] if len(sys.argv) > 2 else [
    one for one in vars(package) if one == '__version__' or not one.startswith('_')]
  found[name] = {one: repr(getattr(package, one)).split(' at 0x')[0] for one in reversed(names)}
print(json.dumps(found))
"""


def test_a_lazy_package_has_what_the_whole_one_has():
  """Oracle: the packages as Python imports them; asked in another order, the last name first."""
  whole = json.loads(_printed(DESCRIBE, 'whole'))
  assert {'CsvExampleGen', 'Trainer'} < set(whole['tfx.components'])
  assert {'Client', 'compiler', '__version__'} < set(whole['kfp'])
  lazy = json.loads(_printed(DESCRIBE, 'lazy', json.dumps({name: [*found] for name, found in whole.items()})))
  assert lazy == whole


def test_a_container_takes_the_arguments_of_tfxs_entry():
  command = [sys.executable, *COMMAND[1:], '--executor_class_path', 'components.no.Such']
  result = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True)
  assert result.returncode == 2
  assert 'the following arguments are required: --json_serialized_invocation_args' in result.stderr


def test_a_module_that_leaves_no_init_alone_comes_after_it(package):
  """And once: what `__init__` has imported is not made again."""
  lazy_packages.PACKAGES['sleepy'] = ('leaf',)
  sleepy = package('from sleepy import inner\nlate = 3\n')
  assert (importlib.import_module('sleepy.leaf').value, _runs()) == (1, 0)
  inner = importlib.import_module('sleepy.inner')
  assert (inner.known, inner is sleepy.inner, sleepy.late, _runs()) == (False, True, 3, 1)
  assert importlib.reload(inner).known


@pytest.fixture
def package(tmp_path, monkeypatch):
  """Writes a package and imports it lazily; `made['count']` of `sleepy_count` says how often its `__init__` ran."""
  monkeypatch.setattr(lazy_packages, 'PACKAGES', {'sleepy': None})
  monkeypatch.setattr(sys, 'meta_path', [lazy_packages._Finder(), *sys.meta_path])
  monkeypatch.syspath_prepend(str(tmp_path))
  (tmp_path / 'sleepy_count.py').write_text('made = []\n')
  (tmp_path / 'sleepy').mkdir()
  (tmp_path / 'sleepy' / 'leaf.py').write_text('value = 1\n')
  (tmp_path / 'sleepy' / 'inner.py').write_text('import sleepy\nknown = hasattr(sleepy, "late")\n')

  def write(text: str):
    (tmp_path / 'sleepy' / '__init__.py').write_text('import sleepy_count\nsleepy_count.made.append(1)\n' + text)
    return importlib.import_module('sleepy')

  yield write
  for name in [name for name in sys.modules if name.startswith('sleepy')]:
    del sys.modules[name]


def test_a_package_in_a_package_waits_too(package, monkeypatch, tmp_path):
  """Oracle: as Python has it, its `__init__` runs before a module in it; here, only then."""
  monkeypatch.setattr(lazy_packages, 'PACKAGES', {'sleepy.nest': ()})
  package('')
  (tmp_path / 'sleepy' / 'nest').mkdir()
  (tmp_path / 'sleepy' / 'nest' / '__init__.py').write_text('import sleepy_count\nsleepy_count.made.append(2)\n')
  (tmp_path / 'sleepy' / 'nest' / 'egg.py').write_text('import sleepy_count\nfound = len(sleepy_count.made)\n')
  importlib.import_module('sleepy.nest')
  assert _runs() == 1
  assert (importlib.import_module('sleepy.nest.egg').found, _runs()) == (2, 2)


def _runs() -> int:
  return len(importlib.import_module('sleepy_count').made)


def test_an_init_runs_when_a_name_of_its_own_is_asked_for(package):
  sleepy = package('own = 2\n')
  assert (importlib.import_module('sleepy.leaf').value, _runs()) == (1, 0)
  assert not hasattr(sleepy, '__wrapped__')
  assert _runs() == 0
  assert (sleepy.own, sleepy.own, _runs()) == (2, 2, 1)
  with pytest.raises(AttributeError, match="module 'sleepy' has no attribute 'gone'"):
    _ = sleepy.gone
  assert _runs() == 1


def test_a_module_that_an_init_imports_sees_it_half_done(package):
  """As Python has it: `late` is not there yet when `inner` asks."""
  sleepy = package('from sleepy import inner\nlate = 3\n')
  assert (sleepy.late, sleepy.inner.known, _runs()) == (3, False, 1)


def test_an_init_that_fails_runs_again(package):
  sleepy = package('import os\nif len(sleepy_count.made) < 2: raise OSError("not now")\nown = 4\n')
  with pytest.raises(OSError, match='not now'):
    _ = sleepy.own
  assert (sleepy.own, _runs()) == (4, 2)


def test_threads_that_ask_at_once_wait_for_one_init(package):
  sleepy = package('import time\ntime.sleep(0.1)\nown = 5\n')
  found: list[int] = []
  threads = [threading.Thread(target=lambda: found.append(sleepy.own)) for _ in range(4)]
  for thread in threads:
    thread.start()
  for thread in threads:
    thread.join()
  assert (found, _runs()) == ([5, 5, 5, 5], 1)
