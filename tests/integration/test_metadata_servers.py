"""Two whole runs at once, of two pipelines, on one PostgreSQL and on one MariaDB; `make test-stores`."""

from __future__ import annotations

import json
import os
import pathlib
import subprocess
import sys

import pytest

from benchmarks.database_servers import PASSWORD, Server
from configs import loading
from pipeline.local.output import OutputDirectory
from pipeline.operations import registry
from pipeline.operations import store as operations_store
from pipeline.operations.lineage import lineage
from tests.integration.conftest import QUICK, simulated
from tests.pipeline.database_fixtures import database

__all__ = ['database']


def _command(server: Server, name: str, data: pathlib.Path, output: pathlib.Path) -> list[str]:
  settings = [part for override in (*QUICK, *server.overrides(), f'name={name}') for part in ('--set', override)]
  command = [sys.executable, '-m', 'pipeline', 'run', '--config', 'nyc', '--data', str(data)]
  return [*command, '--output', str(output), *settings]


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_two_pipelines_at_once(database: Server, tmp_path: pathlib.Path):
  """Oracle: each pipeline's push descends from its own artifacts alone, in numbers as in a store of its own."""
  data = simulated(tmp_path / 'rides')
  outputs = {name: OutputDirectory(tmp_path / name) for name in ('north', 'south')}
  running = {
    name: subprocess.Popen(
      _command(database, name, data, output.path), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    for name, output in outputs.items()
  }
  shown = {name: process.communicate()[0] for name, process in running.items()}
  for name, process in running.items():
    assert process.returncode == 0, shown[name]

  store = operations_store.open_store(loading.load('nyc', database.overrides()).metadata, tmp_path / 'unused')
  made = {}
  for name, output in outputs.items():
    summary = json.loads(output.summary.read_text())
    assert summary['status'] == 'pushed', summary['reason']
    assert {step['state'] for step in summary['steps']} == {'complete'}
    [version] = registry.pushes(store, name).values()
    made[name] = lineage(store, [version.artifact.id])
    assert all(pathlib.Path(one.artifact.uri).is_relative_to(output.path) for one in made[name])
  assert [one.step for one in made['north']] == [one.step for one in made['south']]
  assert not {one.artifact.id for one in made['north']} & {one.artifact.id for one in made['south']}

  again = subprocess.run(
    [*_command(database, 'north', data, outputs['north'].path), '--force'], capture_output=True, text=True
  )
  assert again.returncode == 0, again.stdout
  assert json.loads(outputs['north'].summary.read_text())['cached'][-1] == 'Pusher'
  taken = subprocess.run(_command(database, 'north', data, tmp_path / 'third'), capture_output=True, text=True)
  assert taken.returncode == 2, taken.stdout
  assert "The name 'north' in the" in taken.stderr

  listed = subprocess.run(
    [sys.executable, '-m', 'pipeline', 'runs', str(outputs['south'].path), '--json'], capture_output=True, text=True
  )
  [run] = json.loads(listed.stdout)
  assert (run['pipeline'], run['status'], run['serves']) == ('south', 'pushed', True)

  printed = ''.join([*shown.values(), again.stdout, again.stderr, taken.stdout, taken.stderr, listed.stdout]).encode()
  written = b''.join(path.read_bytes() for path in tmp_path.rglob('*') if path.is_file())
  for password in (PASSWORD, json.dumps(PASSWORD), PASSWORD.replace('\\', '\\\\')):
    assert password.encode() not in printed + written
  assert not [path for path in tmp_path.rglob('metadata.sqlite')]
  assert os.environ['FARELITE_METADATA_PASSWORD'] == PASSWORD
