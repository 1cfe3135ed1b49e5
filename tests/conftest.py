"""Fixtures that every test may use."""

import os
import pathlib

# Before any test imports TensorFlow: tensorflow-model-optimization and TFX's Keras 2 need it.
os.environ.setdefault('TF_USE_LEGACY_KERAS', '1')
os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '2')
os.environ.setdefault('CUDA_VISIBLE_DEVICES', '')

import pytest

REPOSITORY = pathlib.Path(__file__).resolve().parent.parent


@pytest.fixture(scope='session')
def nyc_rides() -> pathlib.Path:
  """The 8,905 real New York rides; skips where they are not beside the checkout."""
  path = pathlib.Path(os.environ.get('FARELITE_NYC_RIDES', REPOSITORY.parent / 'shared' / 'data' / 'nyc' / 'rides.csv'))
  if not path.is_file():
    pytest.skip(f'needs the real New York rides at {path} (or FARELITE_NYC_RIDES)')
  return path
