"""`farelite study` as a user meets it: mistakes, a study killed half way, Markdown."""

import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import time

import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from benchmarks import simulator
from configs import loading
from pipeline.cli import main
from pipeline.commands import study
from tests.pipeline import made_study

SMALL = ('model.hidden=[4]', 'training.epochs=2', 'study.seeds=2', 'study.folds=2', 'evaluation.bootstrap=100')
ROOT = pathlib.Path(__file__).resolve().parent.parent.parent


@pytest.mark.parametrize(
  ('arguments', 'sentence'),
  [
    pytest.param(
      ['--only', 'feature'],
      "--only: unknown study block 'feature'. Available: features, dimensions, reductions, embeddings, compression, "
      "references. Did you mean 'features'?",
      id='unknown_block',
    ),
    pytest.param(['--set', 'study.blocks=[compresion]'], "Did you mean 'compression'?", id='unknown_block_in_config'),
    pytest.param(['--set', 'study.reductions.methods=[pcaa]'], "Did you mean 'pca'?", id='unknown_method'),
    pytest.param(
      ['--set', 'study.reductions.shares=[1.5]'],
      'study.reductions.shares.0 must be a number above 0 and below 1, got 1.5',
      id='share_above_one',
    ),
    pytest.param(['--set', 'study.folds=1'], 'study.folds must be a whole number from 2 to 100, got 1', id='one_fold'),
    pytest.param(['--data', 'nowhere/*.csv'], 'No file matches', id='no_data'),
    pytest.param(['--markdown', '--output', 'nowhere'], "'nowhere' holds no finished study", id='no_study'),
    pytest.param(
      ['--set', 'study.compression.recipes=[{name: mine, pruning: {final_sparsity: 0.5, layers: [dense_7]}}]'],
      "study.compression.recipes.mine.pruning.layers: unknown layer 'dense_7'",
      id='recipe_of_another_model',
    ),
  ],
)
def test_a_mistake_is_one_sentence(arguments, sentence, tmp_path, monkeypatch):
  monkeypatch.chdir(tmp_path)
  result = CliRunner().invoke(main, ['study', '--config', 'nyc', *arguments])
  assert result.exit_code == 2, result.output
  assert sentence in result.output.replace('\n', ' ')


def test_quick_is_less_of_everything_and_the_user_has_the_last_word():
  full, quick = (loading.load('nyc', study.overrides((), None, one, ())).study for one in (False, True))
  assert quick.blocks == full.blocks
  assert quick.seeds * quick.folds < full.seeds * full.folds
  assert len(quick.embeddings.widths) < len(full.embeddings.widths)
  own = loading.load('nyc', study.overrides(['study.seeds=4'], 'rides.csv', True, ('features', 'references')))
  assert own.study.seeds == 4
  assert [block.value for block in own.study.blocks] == ['features', 'references']
  assert own.dataset.path == 'rides.csv'


def test_a_recipe_that_does_not_fit_is_no_matter_for_other_questions():
  config = loading.load(
    'nyc', ['study.compression.recipes=[{name: mine, pruning: {final_sparsity: 0.5, layers: [dense_7]}}]']
  )
  study.check(loading.load('nyc', ['study.blocks=[features]']))
  with pytest.raises(loading.ConfigError, match='dense_7'):
    study.check(config)


@pytest.fixture(scope='module')
def rides(tmp_path_factory):
  return str(simulator.write(tmp_path_factory.mktemp('rides'), rows=400).paths[0])


def _command(rides, output):
  settings = [part for setting in SMALL for part in ('--set', setting)]
  blocks = ['--only', 'references', '--only', 'embeddings', '--set', 'study.embeddings.widths=[1]']
  start = [sys.executable, '-m', 'pipeline', 'study', '--config', 'nyc', '--data', rides]
  return [*start, '--output', str(output), *blocks, *settings]


def test_a_killed_study_goes_on_where_it_stopped(rides, tmp_path):
  """SIGKILL in the middle. Oracle: the units on disk then, and that the second one does not write them again."""
  output = tmp_path / 'out'
  first = subprocess.Popen(
    _command(rides, output), cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
  )
  deadline = time.monotonic() + 300
  while len(list((output / 'units').glob('*.unit'))) < 3:
    assert first.poll() is None
    assert time.monotonic() < deadline
    time.sleep(0.01)
  os.killpg(first.pid, signal.SIGKILL)
  first.wait()
  kept = {path: path.stat().st_mtime_ns for path in (output / 'units').glob('*.unit')}
  assert not (output / 'study.parquet').exists()
  again = subprocess.run(_command(rides, output), cwd=ROOT, capture_output=True, text=True)
  assert again.returncode == 0, again.stdout + again.stderr
  said = re.search(r'(\d+) of (\d+) units of work are kept in .*; going on with the other (\d+)', again.stdout)
  assert said, again.stdout
  assert [int(part) for part in said.groups()] == [len(kept), int(said[2]), int(said[2]) - len(kept)]
  assert {path: path.stat().st_mtime_ns for path in kept} == kept
  assert len(list((output / 'units').glob('*.unit'))) == int(said[2]) > len(kept)
  variants = pq.read_table(output / 'study.parquet').column('variant').to_pylist()
  assert {'mean fare', 'this model', 'fourth root', 'width 1'} <= set(variants)
  assert (output / 'study.html').stat().st_size > 10_000
  table = CliRunner().invoke(main, ['study', '--output', str(output), '--markdown', '--only', 'references'])
  assert table.exit_code == 0, table.output
  assert '| mean fare |' in table.output
  assert '| fourth root |' not in table.output
  printed = subprocess.run([*_command(rides, output), '--json'], cwd=ROOT, capture_output=True, text=True).stdout
  assert {row['variant'] for row in json.loads(printed)['rows']} == set(variants)


def test_made_rows_are_of_every_block():
  """Keeps the made-up study of the page's tests up to date."""
  assert {row['block'] for row in made_study.rows()} == {block.value for block in study.StudyBlock}
