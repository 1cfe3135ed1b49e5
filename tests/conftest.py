"""Fixtures that every test may use."""

import os
import pathlib

# Before any test imports TensorFlow: tensorflow-model-optimization and TFX's Keras 2 need it.
os.environ.setdefault('TF_USE_LEGACY_KERAS', '1')
os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '2')
os.environ.setdefault('CUDA_VISIBLE_DEVICES', '')

import hypothesis
import pytest

_WIDE = hypothesis.settings(
  deadline=None,  # A machine may be busy; what must come soon says so itself.
  database=None,
  suppress_health_check=list(hypothesis.HealthCheck),  # A fixture's folder is written anew by each example.
)
hypothesis.settings.register_profile('quick', _WIDE, derandomize=True, max_examples=50)
hypothesis.settings.register_profile('slow', _WIDE, max_examples=3000, print_blob=True)
hypothesis.settings.load_profile('quick')
"""`--hypothesis-profile slow` tries other examples each time, and many."""

REPOSITORY = pathlib.Path(__file__).resolve().parent.parent

LANES = (
  'tests/components/test_feature_engineering.py',
  'tests/components/test_parquet.py',
  'tests/components/test_quantization_rewriter.py',
  'tests/components/test_reading.py',
  'tests/configs/test_scheme_checks.py',
  'tests/examples/test_digits.py',
  'tests/integration/test_wheel.py',
  'tests/integration/test_whole_run.py',
  'tests/models/compression/',
  'tests/models/lite/',
  'tests/pipeline/cloud/',
  'tests/pipeline/test_beam_arguments.py',
  'tests/test_install.py',
  'tests/test_requirements.py',
)
"""Where the lanes' libraries differ: converter, lite files, the clouds' compilers, Beam's options, Parquet, and one run
as a whole. CI runs these on the second lane, `make test-tfx116` everything."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
  for item in items:
    if item.nodeid.startswith(LANES):
      item.add_marker('lanes')


@pytest.fixture(scope='session')
def nyc_rides() -> pathlib.Path:
  """The 8,905 real New York rides; skips where they are not beside the checkout."""
  path = pathlib.Path(os.environ.get('FARELITE_NYC_RIDES', REPOSITORY.parent / 'shared' / 'data' / 'nyc' / 'rides.csv'))
  if not path.is_file():
    pytest.skip(f'needs the real New York rides at {path} (or FARELITE_NYC_RIDES)')
  return path
