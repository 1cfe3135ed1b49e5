"""`farelite compile`: mistakes are reported before anything is written."""

from __future__ import annotations

import pytest

from pipeline.cloud.settings import TargetError
from pipeline.commands import cloud
from pipeline.sources import DataSourceError
from tests.pipeline.cloud.conftest import PLATFORM, RIDES


@pytest.fixture(autouse=True)
def _empty_environment(monkeypatch):
  for name in ('FARELITE_IMAGE', 'FARELITE_PIPELINE_ROOT'):
    monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize(
  ('target', 'overrides', 'output', 'error', 'message'),
  [
    pytest.param('kfp', PLATFORM, 'nyc.json', TargetError, 'has to end with .yaml, which kfp takes', id='json_for_kfp'),
    pytest.param('vertex', PLATFORM, 'nyc.yaml', TargetError, 'has to end with .json', id='yaml_for_vertex'),
    pytest.param('kfp', PLATFORM, 'nyc.yaml', DataSourceError, 'No data: give --data', id='no_rides'),
    pytest.param(
      'kfp', [RIDES], 'nyc.yaml', TargetError, 'No image: set platform.image or FARELITE_IMAGE', id='no_image'
    ),
    pytest.param('kfp', [RIDES, PLATFORM[0]], 'nyc.yaml', TargetError, 'No pipeline root: set platform', id='no_root'),
    pytest.param(
      'kfp',
      [*PLATFORM, 'dataset.path=/data/rides/*.csv'],
      'nyc.yaml',
      TargetError,
      "kfp would refuse this pipeline:\n  - dataset.path or --data: '/data/rides' is on this machine",
      id='local_rides',
    ),
  ],
)
def test_mistakes(target, overrides, output, error, message, tmp_path):
  with pytest.raises(error) as raised:
    cloud.compile_to_file(target, 'nyc', None, overrides, str(tmp_path / output))
  assert message in str(raised.value)
  assert list(tmp_path.iterdir()) == []
