"""What is kept goes by all that it depends on, and by nothing else.

Oracle: one ingredient is changed at a time. The key has to change with it, or what is kept would be stale; what must
not matter leaves the key as it is, or nothing would ever be found again.
"""

from __future__ import annotations

import dataclasses
import functools
import types

import numpy as np
import pytest
import tensorflow as tf

from configs import loading
from configs.compression import Scheme
from configs.recipe import Pruning, Quantization, Recipe
from models import serving, trainer_run
from models.compression import compressor, proof
from models.compression.compressor import Compressor, _stages
from models.fare_model import builder
from models.lite.rides import RideInputs
from models.lite.variants import Variants
from models.rides import RawRides, Rides
from models.settings import Settings

CONFIG = loading.load('nyc')
SETTINGS = Settings(CONFIG.dataset, CONFIG.features, CONFIG.model, CONFIG.training)
WEIGHTS = {'dense_0/kernel': np.arange(6, dtype=np.float32).reshape(2, 3), 'fare/bias': np.zeros(1, np.float32)}
RIDES = Rides(
  {'numeric': np.arange(12, dtype=np.float32).reshape(4, 3), 'hour': np.arange(4)}, np.ones(4, np.float32), np.arange(4)
)
HALF, PRUNED = (Recipe(name='pruned', pruning=Pruning(final_sparsity=share)) for share in (0.5, 0.75))
FLOAT, INT8 = Scheme(name='s', precision='float32'), Scheme(name='s', precision='int8')


@dataclasses.dataclass(frozen=True)
class LiteFile:
  """All that a lite file is made of."""

  features: bytes = b'features'
  weights: dict[str, np.ndarray] = dataclasses.field(default_factory=lambda: WEIGHTS)
  rides: Rides = RIDES
  recipe: Recipe = HALF
  scheme: Scheme = INT8
  tensorflow: str = '2.21.0'
  eval_rides: int = 4

  def digest(self, monkeypatch: pytest.MonkeyPatch) -> str:
    raw = RawRides({'pickup_latitude': np.zeros(self.eval_rides)}, np.zeros(self.eval_rides))
    variants = Variants(builder(SETTINGS, self.rides, 0.0), RideInputs(CONFIG.dataset), dict, self.rides, raw)
    variants.__dict__['features'] = self.features
    monkeypatch.setattr(serving, 'read_weights', lambda _: self.weights)
    monkeypatch.setattr(tf, '__version__', self.tensorflow)
    return variants.digest(self.recipe, self.scheme, '/saved_model')


def _rides(**changes) -> Rides:
  return dataclasses.replace(RIDES, **changes)


@pytest.mark.parametrize(
  'changes',
  [
    pytest.param({'features': b'others'}, id='feature_part'),
    pytest.param({'weights': WEIGHTS | {'fare/bias': np.ones(1, np.float32)}}, id='a_weight'),
    pytest.param(
      {'weights': {'dense_1/kernel': WEIGHTS['dense_0/kernel'], 'fare/bias': WEIGHTS['fare/bias']}}, id='name'
    ),
    pytest.param({'rides': _rides(fares=np.full(4, 2, np.float32))}, id='calibration_fares'),
    pytest.param(
      {'rides': _rides(inputs=RIDES.inputs | {'numeric': RIDES.inputs['numeric'] + 1})}, id='calibration_inputs'
    ),
    pytest.param(
      {'rides': _rides(inputs=RIDES.inputs | {'hour': RIDES.inputs['hour'] + 1})}, id='calibration_categories'
    ),
    pytest.param({'recipe': PRUNED}, id='recipe'),
    pytest.param({'scheme': Scheme(name='s', precision='int8', tolerance=0.3)}, id='scheme'),
    pytest.param({'scheme': Scheme(name='s', precision='int16x8')}, id='precision'),
    pytest.param({'tensorflow': '2.22.0'}, id='converter'),
  ],
)
def test_a_lite_file_goes_by(changes, monkeypatch):
  before = LiteFile().digest(monkeypatch)
  assert dataclasses.replace(LiteFile(), **changes).digest(monkeypatch) != before
  assert LiteFile().digest(monkeypatch) == before


@pytest.mark.parametrize(
  ('one', 'changes'),
  [
    pytest.param(
      LiteFile(scheme=FLOAT), {'rides': _rides(fares=np.full(4, 2, np.float32))}, id='rides_unless_calibrated'
    ),
    pytest.param(LiteFile(), {'eval_rides': 9}, id='the_rides_that_it_is_checked_with'),
    pytest.param(
      LiteFile(), {'weights': {name: value.copy() for name, value in WEIGHTS.items()}}, id='where_weights_lie'
    ),
  ],
)
def test_a_lite_file_does_not_go_by(one, changes, monkeypatch):
  assert dataclasses.replace(one, **changes).digest(monkeypatch) == one.digest(monkeypatch)


BASE = [np.ones(3, np.float32), np.zeros((2, 2), np.float32)]
QAT = Recipe(name='qat', quantization=Quantization())


def _folder(weights=BASE, training=CONFIG.training, recipe=QAT, checkpoints='/kept') -> str | None:
  """Where a compressor keeps a recipe's last stage; nothing is built or trained."""
  own = Compressor(lambda: None, weights, RIDES, training, checkpoints, preparations=object())
  return own._directory(_stages(recipe)[-1].description)


def _trained(**changes):
  return CONFIG.training.model_copy(update=changes)


@pytest.mark.parametrize(
  'changes',
  [
    pytest.param({'weights': [BASE[0] * np.float32(0.5), BASE[1]]}, id='base_weights_alone'),
    pytest.param({'weights': [BASE[0], BASE[1] + np.float32(1)]}, id='the_last_base_weight_alone'),
    pytest.param({'training': _trained(seed=9)}, id='seed_alone'),
    pytest.param({'training': _trained(epochs=7)}, id='length'),
    pytest.param({'training': _trained(learning_rate=0.5)}, id='rate'),
    pytest.param(
      {'recipe': Recipe(name='qat', quantization=Quantization(fine_tuning={'epochs': 3}))}, id='fine_tuning'
    ),
    pytest.param(
      {'recipe': Recipe(name='qat', quantization=Quantization(), pruning=Pruning(final_sparsity=0.5))}, id='before'
    ),
    pytest.param({'checkpoints': '/other'}, id='place'),
  ],
)
def test_a_stage_of_a_recipe_goes_by(changes):
  assert _folder(**changes) != _folder()


@pytest.mark.parametrize(
  'changes',
  [
    pytest.param({'weights': [array.copy() for array in BASE]}, id='nothing'),
    pytest.param({'recipe': Recipe(name='another', quantization=Quantization())}, id='name_of_the_recipe'),
    pytest.param({'training': _trained(serve='pqat_80')}, id='which_recipe_is_served'),
    pytest.param({'training': _trained(recipes=CONFIG.training.recipes[:1])}, id='the_other_recipes'),
  ],
)
def test_a_stage_of_a_recipe_does_not_go_by(changes):
  assert _folder(**changes) == _folder()


def test_stages_are_not_kept_without_a_place():
  assert _folder(checkpoints=None) is None


def test_a_stage_goes_by_every_part_of_its_weights():
  """Their values, types, shapes and order; equal bytes are not enough."""
  ones = np.ones(4, np.float32)
  weights = {
    'plain': [ones],
    'another_value': [ones * 2],
    'another_shape': [ones.reshape(2, 2)],
    'another_type': [ones.view(np.int32)],
    'one_more': [ones, ones],
    'divided': [ones[:2], ones[2:]],
    'none': [],
  }
  assert len({compressor.digest('about', arrays) for arrays in weights.values()}) == len(weights)
  assert compressor.digest('about', [np.ones((2, 8), np.float32)[:, ::2]]) == compressor.digest(
    'about', [np.ones((2, 4), np.float32)]
  )


def _arguments(**changes):
  given = {
    'train_files': ['/a/train'],
    'eval_files': ['/a/eval'],
    'transform_output': '/graph',
    'base_model': None,
    'custom_config': {'training': '{}', 'code_version': '1'},
    'serving_model_dir': '/model/Format-Serving',
    'model_run_dir': '/model_run',
  }
  return types.SimpleNamespace(**given | changes)


@pytest.mark.parametrize(
  ('changes', 'same'),
  [
    pytest.param({'train_files': ['/b/train']}, False, id='rides'),
    pytest.param({'transform_output': '/other'}, False, id='features'),
    pytest.param({'base_model': '/served'}, False, id='warm_start'),
    pytest.param({'custom_config': {'training': '{"seed": 2}', 'code_version': '1'}}, False, id='config'),
    pytest.param({'custom_config': {'training': '{}', 'code_version': '2'}}, False, id='code'),
    pytest.param({'custom_config': {'code_version': '1', 'training': '{}'}}, True, id='order_of_the_config'),
    pytest.param({'serving_model_dir': '/again', 'model_run_dir': '/again'}, True, id='where_this_run_writes'),
  ],
)
def test_a_killed_training_is_taken_up_by(changes, same):
  assert (trainer_run._digest(_arguments(**changes)) == trainer_run._digest(_arguments())) is same


def _base_digest(monkeypatch, weights) -> str:
  monkeypatch.setattr(serving, 'read_weights', lambda _: weights)
  return proof.base_digest('/saved_model')


def test_the_base_is_known_by_every_part_of_its_weights(monkeypatch):
  ones = np.ones(4, np.float32)
  weights = [
    {'a': ones},
    {'b': ones},
    {'a': ones * 2},
    {'a': ones.reshape(2, 2)},
    {'a': ones.view(np.int32)},
    {'a': ones, 'b': ones},
  ]
  digest = functools.partial(_base_digest, monkeypatch)
  assert len({digest(one) for one in weights}) == len(weights)
  assert digest({'a': ones.copy()}) == digest(weights[0])
