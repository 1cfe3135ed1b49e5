"""What a run left in its output directory: summary, config and artifacts, read without TensorFlow."""

from __future__ import annotations

import dataclasses
import datetime
import json
import os
import pathlib
from collections.abc import Mapping
from typing import Any

from configs.errors import UserError
from configs.evaluation import Evaluation
from configs.records import Estimate, RecordT
from pipeline.output_directory import OutputDirectory
from pipeline.report.differences import read_config
from pipeline.steps import StepState
from pipeline.summary_record import Status, StepRecord, Summary

_OWN_KEYS = {
  ('CompressionGate', 'report'): 'compression',
  ('PruningTrainer', 'model_run'): 'curves',
  ('RideExampleGen', 'quarantine'): 'quarantine',
}
"""Artifacts that the summary names by keys of their own, also where it has no list of all."""


@dataclasses.dataclass(frozen=True)
class RunRecord:
  """A run that ended, in whatever way.

  Attributes:
    output: its output directory.
    summary: `summary.json`.
    config: `config.yaml` as a plain mapping; empty where there is none.
  """

  output: OutputDirectory
  summary: Summary
  config: Mapping[str, Any]

  @property
  def name(self) -> str:
    """The pipeline's name."""
    return self.summary.name or self.output.path.name

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
    """The steps that ended, in their order; of a summary that does not list them, what its timings tell."""
    if self.summary.steps is not None:
      return self.summary.steps
    timings = self.summary.timings
    states = {name: StepState.CACHED if name in self.summary.cached else StepState.COMPLETE for name in timings}
    if timings and self.summary.status in (Status.FAILED, Status.ANOMALIES):
      states[list(timings)[-1]] = StepState.FAILED
    return tuple(StepRecord(name=name, state=states[name], seconds=seconds) for name, seconds in timings.items())

  def error(self, metric: str) -> Estimate | None:
    """`rmse` or `mae` of the trained model on the eval split; `None` if it was not evaluated."""
    found: Estimate | None = getattr(self.summary.metrics, metric, None)
    return found

  def artifact(self, step: str, key: str) -> pathlib.Path | None:
    """The folder of an output artifact of this run, wherever the output directory lies by now.

    Args:
      step: the node's id.
      key: of the output.

    Returns:
      `None` if the run did not come to it. A summary that does not say where
      artifacts lie is an older one: then it is the newest on the disk.
    """
    told, own = self.summary.artifacts, _OWN_KEYS.get((step, key), '')
    if told is not None or own in self.summary.model_fields_set:
      uri = told.get(step, {}).get(key) if told is not None else getattr(self.summary, own)
      return self.moved(uri) if uri else None
    if step not in self.summary.timings:
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
    UserError: there is no summary, or it is no summary.
  """
  output = OutputDirectory(pathlib.Path(directory).expanduser().absolute())
  try:
    values = json.loads(output.summary.read_text(encoding='utf-8'))
  except (FileNotFoundError, NotADirectoryError):
    raise UserError(f"'{directory}' holds no summary.json; name the output directory of a run.") from None
  except (OSError, ValueError) as error:
    raise UserError(f"'{output.summary}' can't be read ({error}); run again.") from None
  if not isinstance(values, dict) or 'status' not in values:
    raise UserError(f"'{output.summary}' is not the summary of a run; name the output directory of a run.")
  return RunRecord(output, Summary.of(values, output.summary), read_config(output.config))
