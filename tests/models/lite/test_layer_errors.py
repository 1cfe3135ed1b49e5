"""Where a file loses accuracy, its output's range and step; on the files' own bytes."""

import dataclasses

import numpy as np
import pytest

from configs.compression import Scheme
from configs.recipe import Pruning, Recipe
from models.compression.quantized_model import HEADROOM
from models.lite.client import LiteModel
from models.lite.inspection import LiteFile
from models.lite.promise import ValidationError
from models.lite.rides import RideInputs
from models.lite.validation import _check_sparse, check_structure
from models.lite.variants import Variants
from models.rides import RawRides, Rides
from tests.models.lite import made_model
from tests.models.lite.made_model import CONFIG, DENSE, DENSE_RECIPE, RIDES

INT8 = Scheme(name='int8', precision='int8')
FLOAT32 = Scheme(name='float32', precision='float32')


@pytest.fixture(scope='module')
def model():
  return made_model.fresh_model()


@pytest.fixture(scope='module')
def int8(model):
  return made_model.whole_file(model, INT8)


@pytest.fixture(scope='module')
def variants(model):
  rides = Rides(made_model.inputs(), made_model.fares(model), np.arange(RIDES))
  raw = RawRides(made_model.raw_columns(), made_model.fares(model))
  found = Variants(made_model.fresh_model, RideInputs(CONFIG.dataset), made_model.transform, rides, raw)
  found._models['made'] = model, model
  return found


def test_the_error_of_the_last_layer_is_that_of_the_fares(variants, model, int8):
  """Oracle: the fares of the file and of the Keras model, by NumPy."""
  found = variants.layer_errors(int8, DENSE_RECIPE, 'made')
  exact = made_model.fares(model).astype(np.float64)
  expected = np.sqrt(np.mean((LiteModel(int8).predict(made_model.raw_columns()) - exact) ** 2)) / exact.std()
  assert list(found) == list(DENSE)
  assert found['fare'][0] == pytest.approx(expected, rel=0.1)
  assert all(0 < own <= 1.5 * error < 0.1 for error, own in found.values())


def test_a_float_file_loses_nothing(variants, model):
  found = variants.layer_errors(made_model.whole_file(model, FLOAT32), DENSE_RECIPE, 'made')
  assert max(max(errors) for errors in found.values()) < 1e-4


def test_the_layer_that_loses_is_found(variants, model):
  """The middle layer stays float: of its own it loses nothing, and passes on what the first one lost."""
  file = made_model.whole_file(model, Scheme(name='x', precision='int8', float_layers=['dense_1']))
  found = variants.layer_errors(file, DENSE_RECIPE, 'made')
  assert found['dense_1'][1] < 1e-5 < 1e-4 < found['dense_0'][1]
  assert found['dense_1'][0] > 1e-4


@pytest.mark.parametrize('precision', ['int8', 'int16x8'])
def test_the_output_has_headroom_over_the_predictions_of_the_calibration(model, precision):
  """Oracle: the range of the predictions; 254 to 256 steps of 8 bits, half of 65,535 of 16 on each side."""
  exact = made_model.fares(model)
  file = made_model.whole_file(model, Scheme(name='x', precision=precision))
  low, high = min(0.0, exact.min()) * HEADROOM, max(0.0, exact.max()) * HEADROOM
  span = (high - low) / 255 if precision == 'int8' else max(high, -low) / 32767
  assert LiteFile(file).output_step() == pytest.approx(span, rel=0.03)


def test_a_fare_above_all_of_the_calibration_is_not_cut_off(model):
  """Calibrated without the dearest tenth of the rides; they would all get one fare."""
  exact = made_model.fares(model)
  cheaper = exact < np.quantile(exact, 0.9)
  some = {name: column[cheaper] for name, column in made_model.inputs().items()}
  found = LiteModel(made_model.whole_file(model, INT8, some)).predict(made_model.raw_columns())
  assert found.max() > 1.02 * exact[cheaper].max()


def test_a_float_output_has_no_step(model):
  assert LiteFile(made_model.whole_file(model, FLOAT32)).output_step() == 0.0


def test_sparse_encoding_is_checked_layer_by_layer(model, int8):
  recipe = Recipe(name='x', pruning=Pruning(structure='16x1', final_sparsity=0.8))
  promise = made_model.promise(model, Scheme(name='x', precision='int8', sparse=True), recipe)
  layers = check_structure(int8, made_model.promise(model, INT8))
  empty = [dataclasses.replace(layer, zeros=layer.size * 4 // 5, sparse=True) for layer in layers]
  _check_sparse(empty, promise)
  for changes, message in (
    ({'densified': True}, r"^Layer 'dense_0' is made dense again \(DENSIFY\)"),
    ({'sparse': False}, r"^Layer 'dense_0' is not encoded sparsely, though 80% of it is zero\.$"),
  ):
    changed = [dataclasses.replace(layer, **changes) if layer.name == 'dense_0' else layer for layer in empty]
    with pytest.raises(ValidationError, match=message):
      _check_sparse(changed, promise)


def test_a_scale_for_each_unit_is_what_the_file_has(model):
  tensorflow = pytest.importorskip('tensorflow')
  if tuple(map(int, tensorflow.__version__.split('.')[:2])) < (2, 21):
    pytest.skip('one per unit takes TensorFlow 2.21')
  scheme = Scheme(name='x', precision='int8', per_channel=True)
  found = check_structure(made_model.whole_file(model, scheme), made_model.promise(model, scheme))
  assert [len(layer.scales) for layer in found if layer.name in DENSE] == [16, 8, 1]
  with pytest.raises(ValidationError, match=r"^Layer 'dense_0' has 1 scales for 16 units; x says one for each\.$"):
    check_structure(made_model.whole_file(model, INT8), made_model.promise(model, scheme))
