"""Nothing is collected while TensorFlow is loaded, nor at the end of a command. Oracle: Python's own collector."""

import gc
import importlib.util
import pathlib
import shutil
import subprocess
import sys

import pytest

from pipeline import garbage

RIDES = 'examples/chicago_taxi_pipeline/data/simple/data.csv'


def test_what_a_block_makes_is_looked_through_no_more():
  with garbage.none_expected():
    assert not gc.isenabled()
    made = [[]]
  assert gc.isenabled()
  try:
    assert not [each for each in gc.get_objects() if each is made]
  finally:
    gc.unfreeze()
  assert [each for each in gc.get_objects() if each is made]


def test_a_block_that_fails_turns_it_on_again():
  with pytest.raises(ImportError), garbage.none_expected():
    raise ImportError
  assert gc.isenabled()
  gc.unfreeze()


def test_who_has_turned_it_off_keeps_it_off():
  gc.disable()
  try:
    with garbage.none_expected():
      pass
    assert not gc.isenabled()
  finally:
    gc.enable()
    gc.unfreeze()


_LOADS = """
import gc, os, pathlib, sys

class TensorFlow:
  def find_spec(self, name, path, target=None):
    if name == 'tensorflow':
      pathlib.Path(found).write_text(f'collects: {gc.isenabled()}')
      os._exit(0)

found = sys.argv.pop()
sys.meta_path.insert(0, TensorFlow())
from pipeline.cli import main
main()
"""


COMMANDS = [
  'run',
  'run --window 1',
  'retrain --force --window 1',
  'study --quick',
  'compile --target kfp --set dataset.path=gs://rides/*.csv --set platform.image=a --set platform.pipeline_root=gs://a',
]


@pytest.mark.parametrize('command', COMMANDS)
def test_tensorflow_is_loaded_without(command: str, tmp_path):
  tfx = importlib.util.find_spec('tfx')
  assert tfx is not None and tfx.origin is not None
  span = tmp_path / 'span-1'
  span.mkdir()
  shutil.copy(pathlib.Path(tfx.origin).parent / RIDES, span)
  words = [*command.split(), '--output', str(tmp_path / 'out.yaml')]
  if not command.startswith('compile'):
    words += ['--data', f'{tmp_path}/span-{{SPAN}}/*.csv' if 'window' in command else str(span / 'data.csv')]
  found = tmp_path / 'found'
  done = subprocess.run([sys.executable, '-c', _LOADS, *words, str(found)], capture_output=True, text=True)
  assert found.is_file(), f'{done.stdout}{done.stderr}'
  assert found.read_text() == 'collects: False'


_ENDS = """
import atexit, sys
from pipeline.cli import main

class Circle:
  def __init__(self):
    self.itself = self
  def __del__(self):
    print('taken apart')

atexit.register(print, 'handled')
circle = Circle()
main(['config', 'schema'])
"""


def test_the_end_of_a_command_takes_nothing_apart():
  done = subprocess.run([sys.executable, '-c', _ENDS], capture_output=True, text=True)
  assert done.returncode == 0
  assert done.stdout.splitlines()[-1] == 'handled'
