"""The compressor: fresh copies of one base, what is shared is trained once, repeatable, and a killed run goes on."""

import functools
import types

import numpy as np
import pytest
from tensorflow.io import gfile

from configs.recipe import Clustering, Pruning, Quantization, Recipe
from models.background import Background
from models.checkpoints import Checkpoint
from models.compression import compressor as compression_compressor
from models.compression.compressor import Compressor, Preparations, fine_tuned
from models.rides import Rides
from models.streaming import COPIES, Stream, record_type
from models.training import DivergedError, TrainingHistory, TrainingRun
from tests.models.compression.simulated import TRAINING, TUNING, build, kernels

PRUNING = Pruning(final_sparsity=0.75, fine_tuning=TUNING)
SHORT = Recipe(name='short', pruning=Pruning(final_sparsity=0.5, end=1.0, fine_tuning={'steps': 2}))
PCQAT = Recipe(
  name='pcqat',
  pruning=Pruning(final_sparsity=0.75, layers=('dense_0', 'dense_2'), fine_tuning=TUNING),
  clustering=Clustering(clusters=6, layers=('dense_0', 'dense_1'), fine_tuning=TUNING),
  quantization=Quantization(fine_tuning=TUNING),
)
PCQAT_TECHNIQUES = ('pruning', 'clustering', 'quantization')


def _assert_equal(first, second):
  for one, other in zip(first, second, strict=True):
    assert one.tobytes() == other.tobytes()


def test_dense_is_the_base_itself(compressor, base_weights):
  compressed = compressor.apply(Recipe(name='dense'))
  _assert_equal(compressed.weights, base_weights)
  assert compressed.stages == ()


def test_the_base_is_left_alone(base_weights, rides):
  before = [array.copy() for array in base_weights]
  own = Compressor(build, base_weights, rides, TRAINING)
  own.apply(SHORT).weights[0][:] = 7
  _assert_equal(base_weights, before)
  _assert_equal(own.apply(Recipe(name='dense')).weights, before)
  assert not (own.apply(SHORT).weights[0] == 7).any(), "a caller's changes stay with the caller"


class _Killed(BaseException):
  """Ends a process, as far as the trainer is concerned."""


def test_a_run_killed_in_every_training_ends_with_the_same_bits(compressor, base_weights, rides, tmp_path, monkeypatch):
  """Oracle: the run without checkpoints and kills; dropout, k-means++ and all three techniques are in it."""
  wanted, killed = compressor.apply(PCQAT), {}

  class KilledOnce(TrainingRun):
    def __init__(self, *arguments, probes=types.MappingProxyType({}), **others):
      super().__init__(*arguments, probes={**probes, 'kill': self.kill}, **others)

    def run(self, checkpoint, *options):
      self.directory = checkpoint.directory
      return super().run(checkpoint, *options)

    def kill(self):
      killed[self.directory] = killed.get(self.directory, 0) + 1
      if killed[self.directory] == 15:
        raise _Killed
      return 0.0

  monkeypatch.setattr('models.compression.compressor.TrainingRun', KilledOnce)
  monkeypatch.setattr('models.compression.compressor.Checkpoint', functools.partial(Checkpoint, every_seconds=0))
  for _ in PCQAT_TECHNIQUES:
    with pytest.raises(_Killed):
      Compressor(build, base_weights, rides, TRAINING, str(tmp_path)).apply(PCQAT)
  found = Compressor(build, base_weights, rides, TRAINING, str(tmp_path)).apply(PCQAT)
  _assert_equal(found.weights, wanted.weights)
  assert found.ranges == wanted.ranges
  assert [stage.technique for stage in found.stages] == list(PCQAT_TECHNIQUES)
  assert [stage.history.resumed_from for stage in found.stages] == [14, 14, 14]
  assert found.stages[0].history.curves['sparsity'] == wanted.stages[0].history.curves['sparsity']


def test_examples_on_disk_are_compressed_as_those_in_memory(compressor, base_weights, rides, tmp_path):
  """Oracle: zeros, clusters and ranges are as in memory; a second run has the same bits, a finished one is read."""
  columns = {**rides.inputs, 'fares': rides.fares, 'seconds': rides.seconds}

  def made(found):
    return Rides({name: found[name] for name in rides.inputs}, found['fares'], found['seconds'])

  def compressed(directory=None):
    with Stream(made, Rides.terms, COPIES * record_type(columns).itemsize * len(rides) // 4) as stream:
      stream.add(columns)
      return Compressor(build, base_weights, stream, TRAINING, directory).apply(PCQAT)

  found, wanted = compressed(str(tmp_path)), compressor.apply(PCQAT)
  streamed, in_memory = kernels(found.weights), kernels(wanted.weights)
  for name in ('dense_0', 'dense_2'):
    assert np.mean(streamed[name] == 0) == pytest.approx(np.mean(in_memory[name] == 0), abs=0.02)
  for name in ('dense_0', 'dense_1'):
    assert len(np.unique(streamed[name])) <= 7  # Six clusters, and the pruned ones.
  assert all((streamed[name] != in_memory[name]).any() for name in streamed)
  assert found.ranges.keys() == wanted.ranges.keys()
  output, expected = (ranges[[*ranges][-1]] for ranges in (found.ranges, wanted.ranges))
  np.testing.assert_allclose(output, expected, rtol=0.2)  # Of predictions, which differ a little.
  _assert_equal(compressed().weights, found.weights)
  _assert_equal(compressed(str(tmp_path)).weights, found.weights)


def test_another_base_or_training_starts_afresh(base_weights, rides, tmp_path):
  halved = [array * np.float32(0.5) for array in base_weights]
  starts = [(base_weights, TRAINING), (halved, TRAINING.model_copy(update={'seed': 9}))]
  for count, (weights, training) in enumerate(starts, start=1):
    Compressor(build, weights, rides, training, str(tmp_path)).apply(SHORT)
    assert len(gfile.listdir(str(tmp_path))) == count


def test_divergence_names_the_recipe(base_weights, rides):
  wild = Pruning(final_sparsity=0.5, fine_tuning={'epochs': 2, 'learning_rate': 1e30})
  with pytest.raises(DivergedError, match=r"Recipe 'wild', pruning: The .* lower pruning\.fine_tuning\.learning_rate"):
    Compressor(build, base_weights, rides, TRAINING).apply(Recipe(name='wild', pruning=wild))


def test_a_recipe_that_diverges_leaves_the_others_as_they_are(base_weights, rides):
  """Oracle: the other recipe by itself. The second technique of the wild one never begins."""
  wild = Pruning(final_sparsity=0.5, fine_tuning={'epochs': 2, 'learning_rate': 1e30})
  recipes = [Recipe(name='wild', pruning=wild, quantization={'fine_tuning': {'epochs': 1}}), SHORT]
  compressor = Compressor(build, base_weights, rides, TRAINING)
  for _ in range(3):
    compressor.begin(recipes)
  for _ in range(2):
    with pytest.raises(DivergedError, match=r"Recipe 'wild', pruning: "):
      compressor.apply(recipes[0])
  alone = Compressor(build, base_weights, rides, TRAINING).apply(SHORT)
  for found, expected in zip(compressor.apply(SHORT).weights, alone.weights, strict=True):
    np.testing.assert_array_equal(found, expected)


FINISHED = compression_compressor.Finished(
  [np.arange(6, dtype=np.float32).reshape(2, 3), np.zeros(3, np.float32)],
  TrainingHistory({'loss': [2.0, 1.0]}, 3.5, 4),
  {'fare': (0.0, 60.0)},
)


def test_a_stage_is_named_by_what_it_is_and_where_it_starts():
  weights, other = [np.ones(3, np.float32)], [np.full(3, 2, np.float32)]
  assert compression_compressor.digest('pruning', weights) == compression_compressor.digest(
    'pruning', [weights[0].copy()]
  )
  assert (
    len(
      {
        compression_compressor.digest('pruning', weights),
        compression_compressor.digest('pruning', other),
        compression_compressor.digest('qat', weights),
      }
    )
    == 3
  )


def test_a_stage_is_read_as_it_was_written(tmp_path):
  compression_compressor.save(FINISHED, str(tmp_path / 'stage'))
  found = compression_compressor.load(str(tmp_path / 'stage'))
  _assert_equal(found.weights, FINISHED.weights)
  assert (found.history, found.ranges) == (FINISHED.history, FINISHED.ranges)
  assert gfile.listdir(str(tmp_path / 'stage')) == ['finished.stage']


@pytest.mark.parametrize(
  'damage',
  [
    pytest.param(lambda path: path.write_bytes(path.read_bytes()[:-200]), id='truncated'),
    pytest.param(lambda path: path.write_bytes(b''), id='empty'),
    pytest.param(lambda path: path.unlink(), id='missing'),
  ],
)
def test_a_damaged_stage_is_trained_again(tmp_path, damage):
  compression_compressor.save(FINISHED, str(tmp_path))
  damage(tmp_path / 'finished.stage')
  assert compression_compressor.load(str(tmp_path)) is None


def test_fine_tuning_changes_length_and_rate_alone():
  base = TRAINING.model_copy(update={'warm_start': True})
  tuned = fine_tuned(base, Pruning(final_sparsity=0.5, fine_tuning={'steps': 5, 'learning_rate': 1e-4}).fine_tuning)
  assert (tuned.epochs, tuned.steps, tuned.learning_rate) == (None, 5, 1e-4)
  assert (tuned.weight_decay, tuned.batch_size, tuned.seed) == (base.weight_decay, base.batch_size, base.seed)
  assert not tuned.warm_start and not tuned.early_stopping.enabled
  decayed = Pruning(final_sparsity=0.5, fine_tuning={'steps': 5, 'weight_decay': 0.0}).fine_tuning
  assert fine_tuned(base, decayed).weight_decay == 0


def test_recipes_begun_together_end_with_the_same_bits(compressor, base_weights, rides):
  """Oracle: each recipe by itself, in a compressor and graphs of its own; one background thread, shared graphs,
  some of them made ahead of the weights."""
  plain, pruned = (
    Recipe(name=name, pruning=pruning, quantization=Quantization(fine_tuning=TUNING))
    for name, pruning in (('qat', None), ('pqat', PRUNING))
  )
  recipes = [PCQAT, pruned, plain]
  preparations = Preparations(build, rides, TRAINING)
  preparations.make_ahead(recipes)
  with Background() as background:
    together = Compressor(build, base_weights, rides, TRAINING, start=background.start, preparations=preparations)
    together.begin(recipes)
    together.begin(recipes)
    found = [together.apply(recipe) for recipe in recipes]
  for recipe, one in zip(recipes, found, strict=True):
    alone = Compressor(build, base_weights, rides, TRAINING).apply(recipe)
    _assert_equal(one.weights, alone.weights)
    assert one.ranges == alone.ranges
    for stage, other in zip(one.stages, alone.stages, strict=True):
      assert {**stage.history.curves} == {**other.history.curves}
