"""What a run left in its output directory: summary, config, variants, statistics; read without TensorFlow."""

from __future__ import annotations

import dataclasses
import datetime
import json
import math
import os
import pathlib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import yaml
from tensorflow_metadata.proto.v0 import statistics_pb2

from components.compression_gate.records import REPORT_FILE, CompressionRecord, JudgedVariant
from components.quantization_rewriter.records import VARIANTS_FILE, VariantsRecord
from components.ride_validator.findings import columns
from configs import loading
from configs.dataset import EPOCH, TIME
from configs.errors import UserError
from configs.evaluation import Evaluation
from configs.presets import load_yaml
from configs.records import Estimate, RecordT, load_json
from configs.task import MetricName
from pipeline.local import output as local_output
from pipeline.local.output import KeptRun, OutputDirectory
from pipeline.local.steps import StepState
from pipeline.report.judged import Judged
from pipeline.summary_record import Status, StepRecord, Summary

_ABSENT = object()
"""In the place of what a config does not have."""

_LONGEST = 160
"""Characters of a value; of more, the beginning is shown."""


@dataclasses.dataclass(frozen=True)
class Difference:
  """One setting that differs, with its values as text."""

  setting: str
  before: str
  after: str


def read_config(path: pathlib.Path) -> Mapping[str, Any]:
  """A config as a plain mapping; empty where there is none, without what should be a section and is none."""
  try:
    config = load_yaml(path.read_text(encoding='utf-8'))
  except (OSError, ValueError):
    return {}
  return _with_sections(config, loading.load().model_dump(mode='json')) if isinstance(config, dict) else {}


def _with_sections(found: Mapping[str, Any], known: Mapping[str, Any]) -> dict[str, Any]:
  kept = {}
  for key, value in found.items():
    if not isinstance(section := known.get(key), dict):
      kept[key] = value
    elif isinstance(value, dict):
      kept[key] = _with_sections(value, section)
  return kept


def differences(before: Mapping[str, Any], after: Mapping[str, Any]) -> tuple[Difference, ...]:
  """What two configs do not share, in the order of the first one.

  A list of named things, such as recipes, goes by the names; a section that only one of them has is one difference.
  """
  return tuple(_differences(before, after))


def _differences(before: Any, after: Any, path: str = '') -> Iterator[Difference]:
  first, second = _by_name(before), _by_name(after)
  if isinstance(first, Mapping) and isinstance(second, Mapping):
    for key in dict.fromkeys([*first, *second]):
      yield from _differences(first.get(key, _ABSENT), second.get(key, _ABSENT), f'{path}.{key}' if path else str(key))
  elif before != after:
    yield Difference(path, _text(before), _text(after))


def _by_name(value: Any) -> Any:
  """A list of named things as a mapping; anything else as it is. An empty list names nothing."""
  if isinstance(value, list) and all(isinstance(item, dict) and 'name' in item for item in value):
    return {item['name']: item for item in value}
  return value


def _text(value: Any) -> str:
  """A value on one line; of a section its beginning."""
  if value is _ABSENT:
    return 'not set'
  text = yaml.safe_dump(value, default_flow_style=True, allow_unicode=True, sort_keys=False, width=math.inf)
  text = text.removesuffix('...\n').strip()
  return text if len(text) <= _LONGEST else f'{text[:_LONGEST]} …'


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
    config: a plain mapping, empty where there is none.
    variants: what `read_variants` found, once it was asked.
    of_rides: whether these are rides and fares, or any examples of a user's own model.
  """

  output: OutputDirectory
  summary: Summary
  config: Mapping[str, Any]
  variants: CompressionRecord | None = None
  of_rides: bool = True

  @property
  def name(self) -> str:
    """The pipeline's name."""
    return self.summary.name or self.output.path.name

  @property
  def title(self) -> str:
    """What tells it from other runs: its folder's name; of one that is kept, the version that it pushed, or its id."""
    version = self.summary.pushed_version if isinstance(self.output, KeptRun) else None
    return f'version {version}' if version else self.output.path.name

  @property
  def currency(self) -> str:
    """ISO 4217 code of the fares; empty where the config is lost."""
    return str(self.config.get('dataset', {}).get('currency', ''))

  @property
  def judged(self) -> Judged:
    """By what the variants are judged; by their RMSE where none were."""
    return Judged.by(self.variants.metric if self.variants else MetricName.RMSE.value, self.currency, self.of_rides)

  @property
  def resamples(self) -> int:
    """The number of draws behind the run's intervals; the default one if the config is lost."""
    found = self.config.get('evaluation', {}).get('bootstrap')
    return found if isinstance(found, int) else Evaluation().bootstrap

  @property
  def written(self) -> datetime.datetime:
    """When the summary was written, in this machine's time zone."""
    return datetime.datetime.fromtimestamp(self.output.summary.stat().st_mtime)

  def steps(self) -> tuple[StepRecord, ...]:
    """The steps that ended, in their order; of a summary that does not list them, what its timings show."""
    if self.summary.steps is not None:
      return self.summary.steps
    timings = self.summary.timings
    states = {name: StepState.CACHED if name in self.summary.cached else StepState.COMPLETE for name in timings}
    if timings and self.summary.status in (Status.FAILED, Status.ANOMALIES):
      states[list(timings)[-1]] = StepState.FAILED
    return tuple(StepRecord(name=name, state=states[name], seconds=seconds) for name, seconds in timings.items())

  @property
  def duration(self) -> float:
    """Seconds of the whole run, as its summary has them; of a summary that does not say, those of its steps."""
    return self.stepping if self.summary.seconds is None else self.summary.seconds

  @property
  def stepping(self) -> float:
    """Seconds from the first step's beginning to the last one's end; the sum of all where a step has no beginning."""
    ends = [step.began + step.seconds for step in self.steps() if step.began is not None]
    return max(ends) if len(ends) == len(self.steps()) and ends else sum(step.seconds for step in self.steps())

  def error(self, metric: str) -> Estimate | None:
    """`rmse` or `mae` of the trained model on the eval split; `None` if it was not evaluated."""
    found: Estimate | None = getattr(self.summary.metrics, metric, None)
    return found

  @property
  def chosen(self) -> JudgedVariant | None:
    """The variant that was chosen."""
    return self.variants.named(self.variants.chosen) if self.variants else None

  def shown_error(self, metric: str) -> Estimate | None:
    """`rmse` or `mae` of the chosen file, else of the trained model."""
    if (chosen := self.chosen) and chosen.rmse:
      return chosen.rmse if metric == 'rmse' else chosen.mae
    return self.error(metric)

  def artifact(self, step: str, key: str) -> pathlib.Path | None:
    """The folder of an output artifact of this run, wherever the output directory is by now.

    Returns `None` if the run did not come to it. A summary that does not name its artifacts is an older one: then
    it is the newest on the disk.
    """
    uris, own = self.summary.artifacts, _OWN_KEYS.get((step, key), '')
    if uris is not None or own in self.summary.model_fields_set:
      uri = uris.get(step, {}).get(key) if uris is not None else getattr(self.summary, own)
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

  def file(self, step: str, key: str, *names: str) -> pathlib.Path | None:
    """A file inside an artifact; `None` if it is not there."""
    folder = self.artifact(step, key)
    path = folder.joinpath(*names) if folder else None
    return path if path and path.is_file() else None

  def read(self, kind: type[RecordT], step: str, key: str, *names: str) -> RecordT | None:
    """A record inside an artifact; `None` if it is not there. Raises `RecordError` where the file is no such record."""
    path = self.file(step, key, *names)
    return kind.read(path) if path else None

  def read_json(self, step: str, key: str, *names: str) -> Any:
    """A JSON file inside an artifact; `None` if it is not there."""
    path = self.file(step, key, *names)
    return json.loads(path.read_text(encoding='utf-8')) if path else None


def read_record(directory: str | os.PathLike[str]) -> RunRecord:
  """Reads what a run left. Raises `UserError` where there is no summary, or it is no summary."""
  output = local_output.as_kept(local_output.at(os.fspath(directory)))
  try:
    values = load_json(output.summary.read_bytes(), output.summary, Summary.FIX)
  except (FileNotFoundError, NotADirectoryError):
    raise UserError(f"'{directory}' holds no summary.json; name the output directory of a run.") from None
  except OSError as error:
    raise UserError(f"'{output.summary}' can't be read ({error}); run again.") from None
  if not isinstance(values, dict) or 'status' not in values:
    raise UserError(f"'{output.summary}' is not the summary of a run; name the output directory of a run.")
  return RunRecord(output, Summary.of(values, output.summary), read_config(output.config))


GATE = 'CompressionGate'


def read_variants(record: RunRecord) -> CompressionRecord | None:
  """Reads the gate's report; without one, what the summary or the rewriter has; `None` if no variant was made.

  Raises `RecordError` where the file is there and is none.
  """
  report = record.read(CompressionRecord, GATE, 'report', REPORT_FILE)
  if report is None and record.summary.variants:
    summary = record.summary
    report = CompressionRecord(variants=summary.variants, chosen=summary.chosen, shadow=summary.shadow)
  if report is None:
    made = record.read(VariantsRecord, 'QuantizationRewriter', 'variants', VARIANTS_FILE)
    rows = made.variants if made else ()
    report = CompressionRecord(variants=tuple(JudgedVariant(**variant.to_dict()) for variant in rows))
  return report if report.variants else None


@dataclasses.dataclass(frozen=True)
class ColumnSummary:
  """A column of the train split by its canonical name.

  Attributes:
    missing: the share of rides without a value, be it absent or NaN.
    low, median, mean, high: of the values; `None` where there is none, and of a categorical column, whose numbers are
      mere positions in its vocabulary.
  """

  name: str
  missing: float
  low: float | None = None
  median: float | None = None
  mean: float | None = None
  high: float | None = None


def read_columns(record: RunRecord) -> tuple[ColumnSummary, ...]:
  """Columns by name; empty where the run did not come to its statistics."""
  path = record.file('StatisticsGen', 'statistics', 'Split-train', 'FeatureStats.pb')
  if path is None:
    return ()
  statistics = statistics_pb2.DatasetFeatureStatisticsList.FromString(path.read_bytes())
  [split] = statistics.datasets
  numbers = {_name(feature): feature.num_stats for feature in split.features}
  found, categories = columns(statistics), vocabularies(record)
  return tuple(
    ColumnSummary(name, column.missing_share)
    if name in categories or column.missing == column.rides
    else _summary(name, column.missing_share, numbers[name])
    for name, column in sorted(found.items())
    if column.type_name in ('INT', 'FLOAT')
  )


def vocabularies(record: RunRecord) -> dict[str, tuple[str, ...]]:
  """The values of each categorical column, in the order of their codes; empty where the config is lost."""
  extras = record.config.get('dataset', {}).get('extras') or ()
  return {extra['name']: tuple(extra['vocabulary']) for extra in extras if extra.get('vocabulary')}


def _name(feature: statistics_pb2.FeatureNameStatistics) -> str:
  return feature.name or '.'.join(feature.path.step)


def _summary(name: str, missing: float, numbers: statistics_pb2.NumericStatistics) -> ColumnSummary:
  return ColumnSummary(name, missing, numbers.min, numbers.median, numbers.mean, numbers.max)


def period(columns: Iterable[ColumnSummary]) -> tuple[datetime.datetime, datetime.datetime] | None:
  """First and last pickup of the train split, on the city's wall clock."""
  for column in columns:
    if column.name == TIME and column.low is not None and column.high is not None:
      return EPOCH + datetime.timedelta(seconds=column.low), EPOCH + datetime.timedelta(seconds=column.high)
  return None
