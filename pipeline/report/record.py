"""What a run left in its output directory: summary, config and artifacts, read without TensorFlow."""

from __future__ import annotations

import dataclasses
import datetime
import json
import os
import pathlib
from collections.abc import Mapping
from typing import Any

from configs.records import RecordT
from configs.run import Evaluation
from pipeline.output_directory import OutputDirectory
from pipeline.report.differences import read_config
from pipeline.steps import StepState

_OWN_KEYS = {
  ('CompressionGate', 'report'): 'compression',
  ('PruningTrainer', 'model_run'): 'curves',
  ('RideExampleGen', 'quarantine'): 'quarantine',
}
"""Artifacts that the summary names by keys of their own, also where it has no list of all."""


class ReportError(ValueError):
  """There is no run to report on; the message is one sentence."""


@dataclasses.dataclass(frozen=True)
class StepRecord:
  """A step as the summary tells of it.

  Attributes:
    name: the node's id.
    state: how it ended.
    seconds: wall time.
    after: the steps that it waits for; `None` where the summary does not say.
  """

  name: str
  state: StepState
  seconds: float
  after: tuple[str, ...] | None


@dataclasses.dataclass(frozen=True)
class RunRecord:
  """A run that ended, in whatever way.

  Attributes:
    output: its output directory.
    summary: `summary.json`.
    config: `config.yaml` as a plain mapping; empty where there is none.
  """

  output: OutputDirectory
  summary: Mapping[str, Any]
  config: Mapping[str, Any]

  @property
  def name(self) -> str:
    """The pipeline's name."""
    return str(self.summary.get('name') or self.output.path.name)

  @property
  def currency(self) -> str:
    """ISO 4217 code of the fares; empty where the config is lost."""
    return str(self.config.get('dataset', {}).get('currency', ''))

  @property
  def resamples(self) -> int:
    """The number of draws behind the run's intervals; the default one if the config is lost."""
    return int((self.config.get('evaluation') or {}).get('bootstrap', Evaluation().bootstrap))

  @property
  def written(self) -> datetime.datetime:
    """When the summary was written, in this machine's time zone."""
    return datetime.datetime.fromtimestamp(self.output.summary.stat().st_mtime)

  def steps(self) -> tuple[StepRecord, ...]:
    """The steps that ended, in their order."""
    told = self.summary.get('steps')
    if told is not None:
      return tuple(_step(values) for values in told)
    timings = self.summary.get('timings') or {}
    cached = self.summary.get('cached') or ()
    states = {name: StepState.CACHED if name in cached else StepState.COMPLETE for name in timings}
    if timings and self.summary.get('status') in ('failed', 'anomalies'):
      states[list(timings)[-1]] = StepState.FAILED
    return tuple(StepRecord(name, states[name], float(seconds), None) for name, seconds in timings.items())

  def artifact(self, step: str, key: str) -> pathlib.Path | None:
    """The folder of an output artifact of this run, wherever the output directory lies by now.

    Args:
      step: the node's id.
      key: of the output.

    Returns:
      `None` if the run did not come to it. A summary that does not say where
      artifacts lie is an older one: then it is the newest on the disk.
    """
    told, own = self.summary.get('artifacts'), _OWN_KEYS.get((step, key), '')
    if told is not None or own in self.summary:
      uri = told.get(step, {}).get(key) if told is not None else self.summary[own]
      return self.moved(uri) if uri else None
    if step not in (self.summary.get('timings') or {}):
      return None
    folder = self.output.artifacts / step / key
    numbers = [int(path.name) for path in folder.iterdir() if path.name.isdecimal()] if folder.is_dir() else []
    return folder / str(max(numbers)) if numbers else None

  def moved(self, uri: str) -> pathlib.Path | None:
    """A path inside the output directory, also after that was moved or copied; `None` if nothing is there."""
    for top in (self.output.artifacts, self.output.serving):
      _, found, tail = str(uri).rpartition(f'/{top.name}/')
      if found and (top / tail).exists():
        return top / tail
    path = pathlib.Path(uri)
    return path if path.exists() else None

  def read(self, kind: type[RecordT], step: str, key: str, *names: str) -> RecordT | None:
    """A record inside an artifact; `None` if it is not there.

    Raises:
      RecordError: the file is no such record.
    """
    folder = self.artifact(step, key)
    path = folder.joinpath(*names) if folder else None
    return kind.read(path) if path and path.is_file() else None

  def read_json(self, step: str, key: str, *names: str) -> Any:
    """A JSON file inside an artifact; `None` if it is not there."""
    folder = self.artifact(step, key)
    path = folder.joinpath(*names) if folder else None
    return json.loads(path.read_text(encoding='utf-8')) if path and path.is_file() else None


def read_record(directory: str | os.PathLike[str]) -> RunRecord:
  """Reads what a run left.

  Args:
    directory: the output directory of the run.

  Raises:
    ReportError: there is no summary, or it is no summary.
  """
  output = OutputDirectory(pathlib.Path(directory).expanduser().absolute())
  try:
    summary = json.loads(output.summary.read_text(encoding='utf-8'))
  except (FileNotFoundError, NotADirectoryError):
    raise ReportError(f"'{directory}' holds no summary.json; name the output directory of a run.") from None
  except (OSError, ValueError) as error:
    raise ReportError(f"'{output.summary}' can't be read ({error}); run again.") from None
  if not isinstance(summary, dict) or 'status' not in summary:
    raise ReportError(f"'{output.summary}' is not the summary of a run; name the output directory of a run.")
  return RunRecord(output, summary, read_config(output.config))


def _step(values: Mapping[str, Any]) -> StepRecord:
  after = values.get('after')
  return StepRecord(
    name=values['name'],
    state=StepState(values['state']),
    seconds=float(values['seconds']),
    after=None if after is None else tuple(after),
  )
