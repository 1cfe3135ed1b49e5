"""A disk that fills up in the middle of a run: one sentence, and what served still serves."""

from __future__ import annotations

import pathlib
import subprocess
from collections.abc import Iterator

import pytest

from pipeline.local import output
from tests.integration.conftest import Project, simulated

_SIZE = 12_000_000


@pytest.fixture
def small_disk(tmp_path: pathlib.Path) -> Iterator[pathlib.Path]:
  """A real file system of 12 MB."""
  path = tmp_path / 'disk'
  path.mkdir()
  mounted = subprocess.run(['mount', '-t', 'tmpfs', '-o', f'size={_SIZE}', 'tmpfs', str(path)], check=False)
  if mounted.returncode:
    pytest.skip('needs the right to mount a tmpfs')
  yield path
  subprocess.run(['umount', '-l', str(path)], check=True)


def test_runs_again_when_there_is_room(small_disk: pathlib.Path, tmp_path: pathlib.Path, monkeypatch):
  monkeypatch.setattr(output, 'MINIMUM_FREE_BYTES', 0)
  project = Project(simulated(tmp_path / 'rides'), output.prepare(str(small_disk / 'out')))
  first, _ = project.run()
  assert first['status'] == 'pushed', first['reason']
  served = sorted(pathlib.Path(first['pushed_path']).rglob('*'))
  filler = small_disk / 'filler'
  with filler.open('wb') as file, pytest.raises(OSError, match='No space left'):
    file.write(b'\0' * _SIZE)
  with filler.open('r+b') as file:
    file.truncate(filler.stat().st_size - 300_000)
  failed, _ = project.run('model.hidden=[32, 16]', 'training.epochs=4', 'dataset.city.grid_rotation_degrees=10')
  assert failed['status'] == 'failed'
  assert 'the disk is full. Free some space and run again' in failed['reason']
  assert sorted(pathlib.Path(first['pushed_path']).rglob('*')) == served
  filler.unlink()
  again, states = project.run('model.hidden=[32, 16]', 'training.epochs=4', 'dataset.city.grid_rotation_degrees=10')
  assert again['status'] == 'pushed', again['reason']
  assert states['RideExampleGen'] == 'cached'
