"""Draws the pictures of training reports beside the training, in a process of its own."""

from __future__ import annotations

import pathlib
import subprocess
import sys
import tempfile
from types import TracebackType
from typing import IO

import tensorflow as tf

import models
from configs.errors import FailedError
from models.compression import picture_worker
from models.compression.records import TrainingReport

_ROOT = pathlib.Path(models.__file__).resolve().parent.parent


class Drawing:
  """A process that draws reports one after the other; use it with `with`.

  Drawing is Python alone, a tenth of a second per layer of ten: in this process it would hold up whatever trains.
  """

  def __enter__(self) -> Drawing:
    self._folder = tempfile.TemporaryDirectory()
    self._errors: IO[bytes] = tempfile.TemporaryFile()
    self._targets: dict[pathlib.Path, str] = {}
    # From this folder, `models` is this package and none that lies where the caller stands.
    self._process = subprocess.Popen(
      [sys.executable, '-m', picture_worker.__name__],
      cwd=_ROOT,
      stdin=subprocess.PIPE,
      stdout=subprocess.DEVNULL,
      stderr=self._errors,
    )
    return self

  def draw(self, report: TrainingReport, directory: str) -> None:
    """Queues the pictures of a report; they are in `directory`, a bucket is fine, when the block has ended."""
    folder = pathlib.Path(self._folder.name) / str(len(self._targets))
    folder.mkdir()
    self._targets[folder] = directory
    # By a file, as a pipe that is full would make this process wait for the other one.
    (folder / 'report.json').write_text(report.to_json(), encoding='utf-8')
    assert self._process.stdin is not None
    try:
      self._process.stdin.write(f'{folder / "report.json"}\n'.encode())
      self._process.stdin.flush()
    except BrokenPipeError:
      # Told at the end of the block.
      pass

  def __exit__(
    self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
  ) -> None:
    """Waits for all pictures, unless the block failed.

    Raises:
      FailedError: the process failed.
    """
    with self._folder, self._errors:
      if kind is not None:
        self._process.kill()
        self._process.communicate()
        return
      self._process.communicate()
      if self._process.returncode:
        self._errors.seek(0)
        told = self._errors.read().decode(errors='replace').strip().splitlines() or ['it says nothing']
        raise FailedError(
          f'The process that draws the training reports ended with code {self._process.returncode}: {told[-1]}'
        )
      for folder, directory in self._targets.items():
        tf.io.gfile.makedirs(directory)
        for picture in sorted(folder.glob('*.png')):
          tf.io.gfile.copy(str(picture), f'{directory}/{picture.name}', overwrite=True)
