"""What is to outlive a machine that stops is on the disk before it takes its name.

Oracle: the order of the calls, and the sizes that the files had when they were flushed. Where a writer promises less,
that what it renames is whole, and that the old file is there as long as it isn't.
"""

from __future__ import annotations

import datetime
import pathlib

import numpy as np
import pytest
from tensorflow.io import gfile

from components.study import study_files
from components.study.task import Outcome
from components.study.unit_store import UnitStore
from models.checkpoints import Checkpoint, State
from models.compression import stages
from models.training import Course
from pipeline.report import writing
from pipeline.retraining.ledger import Ledger, RunEntry
from pipeline.summary_record import Status, Summary
from pipeline.targets.compiled import CompiledPipeline, write_compiled
from pipeline.targets.target import Target
from pipeline.whole_file import write_whole
from tests.disk_calls import DiskCalls

NOW = datetime.datetime(2026, 3, 8, tzinfo=datetime.timezone.utc)


def _ledger(folder: pathlib.Path) -> None:
  Ledger(folder / 'file').begin(RunEntry(NOW, {7: 'a'}, 'setting'))


def _summary(folder: pathlib.Path) -> None:
  Summary(status=Status.PUSHED).write(folder / 'file')


@pytest.mark.parametrize(
  'write',
  [
    pytest.param(lambda folder: write_whole(folder / 'file', 'text'), id='text'),
    pytest.param(_ledger, id='ledger'),
    pytest.param(_summary, id='summary'),
  ],
)
def test_flushed_before_it_takes_its_name(write, tmp_path, monkeypatch):
  (tmp_path / 'file').write_text('old')
  disk = DiskCalls(tmp_path, monkeypatch)
  write(tmp_path)
  size = (tmp_path / 'file').stat().st_size
  assert size > 3
  assert disk.calls == [('fsync', 'file.tmp', size), ('rename', 'file.tmp', 'file')]
  assert [path.name for path in tmp_path.iterdir()] == ['file']


def test_every_change_of_the_ledger_is_on_the_disk(tmp_path, monkeypatch):
  ledger = Ledger(tmp_path / 'retraining.json')
  disk = DiskCalls(tmp_path, monkeypatch)
  for change in (lambda: ledger.begin(RunEntry(NOW, {}, 'setting')), lambda: ledger.end(status='pushed'), ledger.save):
    disk.calls.clear()
    change()
    assert [call for call, *_ in disk.calls] == ['fsync', 'rename']
    assert Ledger.load(ledger.path).runs == ledger.runs


def _no_space(*_, **__):
  raise OSError(28, 'No space left on device')


def test_a_full_disk_leaves_the_old_text(tmp_path, monkeypatch):
  write_whole(tmp_path / 'file', 'old')
  monkeypatch.setattr('os.fsync', _no_space)
  with pytest.raises(OSError, match='No space left'):
    write_whole(tmp_path / 'file', 'new')
  assert (tmp_path / 'file').read_text() == 'old'


def _unit(folder: pathlib.Path) -> None:
  UnitStore(folder).keep('file', {'dense': Outcome(np.zeros(3, np.float32), {'rmse': 1.0}, b'lite')})


def _compiled(folder: pathlib.Path) -> None:
  write_compiled(CompiledPipeline(Target.KFP, {'root': {}}, 'gs://root', None), folder / 'file')


@pytest.mark.parametrize(
  ('write', 'staged', 'final'),
  [
    pytest.param(_unit, 'file.tmp', 'file.npz', id='unit_of_a_study'),
    pytest.param(lambda folder: study_files._replace(folder / 'file', b'rows'), 'file.tmp', 'file', id='study'),
    pytest.param(lambda folder: writing._written('<p>', folder / 'file.html'), 'file.html.tmp', 'file.html', id='page'),
    pytest.param(_compiled, '.file.tmp', 'file', id='compiled_pipeline'),
  ],
)
def test_whole_before_it_takes_its_name(write, staged, final, tmp_path, monkeypatch):
  """These can be made again, so nothing is flushed."""
  write(tmp_path)
  whole = (tmp_path / final).read_bytes()
  (tmp_path / final).write_text('old')
  seen = {}
  replace = pathlib.Path.replace

  def watched(path, target):
    seen[path.name] = (path.read_bytes(), (tmp_path / final).read_text())
    return replace(path, target)

  monkeypatch.setattr(pathlib.Path, 'replace', watched)
  write(tmp_path)
  assert seen == {staged: (whole, 'old')}
  assert [path.name for path in tmp_path.iterdir()] == [final]


def _checkpoint(folder: str) -> None:
  Checkpoint(folder).save(State(1, {}, [np.ones(3, np.float32)]), ['identity'])


def _stage(folder: str) -> None:
  stages.save(stages.Finished([np.ones(3, np.float32)], Course({}, 1.0, 0)), folder)


@pytest.mark.parametrize(
  ('write', 'final'),
  [
    pytest.param(_checkpoint, 'training.checkpoint', id='checkpoint'),
    pytest.param(_stage, 'finished.npz', id='finished_stage'),
  ],
)
def test_whole_before_it_takes_its_name_in_a_bucket_too(write, final, tmp_path, monkeypatch):
  write(str(tmp_path))
  whole = (tmp_path / final).stat().st_size
  (tmp_path / final).write_text('old')
  seen = []
  rename = gfile.rename

  def watched(path, target, overwrite=False):
    seen.append((pathlib.Path(path).name, pathlib.Path(path).stat().st_size, pathlib.Path(target).read_text()))
    rename(path, target, overwrite)

  monkeypatch.setattr(gfile, 'rename', watched)
  write(str(tmp_path))
  assert seen == [(f'{final}.part', whole, 'old')]
  assert [path.name for path in tmp_path.iterdir()] == [final]
