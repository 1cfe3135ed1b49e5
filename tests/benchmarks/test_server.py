"""The benchmark of the server: it loses nothing on a made version, and what is missing is named."""

import shutil

import pytest

from benchmarks import server
from tests.models.lite.small_files import write_version


@pytest.mark.skipif(shutil.which('wrk') is None, reason='apt-get install wrk')
def test_the_table_and_the_changes(tmp_path, capfd):
  write_version(tmp_path / 'serving' / '3')
  server.main([str(tmp_path), '--seconds', '1', '--connections', '2', '--changes', '2'])
  printed = capfd.readouterr().out.splitlines()
  [row] = [line for line in printed if line.startswith('| 2 |')]
  assert row.endswith('| 0 | 0 |')
  assert printed[-1].startswith('While 2 versions were pushed, 2 of which the server took up: ')
  assert ' 0 lost, 0 refused; ' in printed[-1]


def test_what_is_missing_is_named(tmp_path, monkeypatch):
  monkeypatch.setattr(server.shutil, 'which', lambda name: '/bin/wrk')
  with pytest.raises(SystemExit, match='serves nothing; make a run'):
    server.main([str(tmp_path)])
  monkeypatch.setattr(server.shutil, 'which', lambda name: None)
  with pytest.raises(SystemExit, match='wrk is not here; apt-get install wrk'):
    server.main([str(tmp_path)])
