"""What a run came to, out of its artifacts: `summary.json`."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping, Sequence

from tfx.dsl.io import fileio

from components.compression_gate.records import REPORT_FILE, CompressionRecord, JudgedVariant
from components.fare_evaluator.records import (
  INTERVALS_FILE,
  REFUSALS_FILE,
  SLICES_FILE,
  EvaluatedSlice,
  EvaluationIntervals,
)
from components.pruning_trainer.keys import recipe_key
from components.ride_example_gen.quarantine import read_counts
from components.ride_validator.findings import FINDINGS_FILE, from_json
from configs.records import parse_list
from configs.run import RunConfig
from models.compression.records import TrainingReport, report_file
from models.reduction.records import DETAILS_FILE, ReductionDetails, ReductionFigures
from pipeline.local.runner import Step, StepState, output_of
from pipeline.summary_record import FindingRecord, MetricsRecord, RecipeRecord, RowsRecord, Status, StepRecord, Summary


def summarize(
  config: RunConfig,
  steps: Sequence[Step],
  failure: str | None,
  anomalies: bool,
  after: Mapping[str, Sequence[str]],
) -> Summary:
  """The summary of a run that got past its configuration.

  Args:
    config: what was run.
    steps: the steps that ended.
    failure: why the run stopped, or `None` if it came to its end.
    anomalies: whether it was the anomaly gate that stopped it.
    after: names of the steps that each one waits for.
  """
  intervals, refusals = _intervals(steps), _refusals(steps)
  compression = _compression(steps)
  pushed = output_of(steps, 'Pusher', 'pushed_model')
  destination = pushed.properties.get('pushed_destination') if pushed and pushed.properties.get('pushed') else None
  withdrawn = pushed.properties.get('withdrawn') if pushed else None
  status, reason = _ending(failure, anomalies, destination, refusals, compression, withdrawn)
  return Summary(
    status=status,
    reason=reason,
    name=config.name,
    rows=_rows(steps),
    metrics=MetricsRecord(rmse=intervals.rmse, mae=intervals.mae) if intervals else None,
    rmse_without_worst_5=intervals.rmse_without_worst_5 if intervals else None,
    slices=_slices(steps, 'FareEvaluator'),
    base_slices=_slices(steps, 'BaseEvaluator'),
    recipes=_recipes(config, steps),
    variants=tuple(map(_variant, compression.variants)) if compression else (),
    chosen=compression.chosen if compression else None,
    notes=compression.notes if compression else (),
    compression=_uri(steps, 'CompressionGate', 'report'),
    reduction=_reduction(steps),
    findings=_findings(steps),
    blessed=_blessed(steps),
    pushed_path=destination,
    pushed_version=pushed.properties.get('pushed_version') if pushed and destination else None,
    timings={step.name: round(step.seconds, 3) for step in steps},
    steps=tuple(
      StepRecord(name=step.name, state=step.state, seconds=step.seconds, after=tuple(after.get(step.name, ())))
      for step in steps
    ),
    artifacts={step.name: {key: outputs[0].uri for key, outputs in step.outputs.items() if outputs} for step in steps},
    cached=tuple(step.name for step in steps if step.state is StepState.CACHED),
    quarantine=_uri(steps, 'RideExampleGen', 'quarantine'),
    curves=_uri(steps, 'PruningTrainer', 'model_run'),
  )


def _ending(
  failure: str | None,
  anomalies: bool,
  destination: str | None,
  refused: Sequence[str],
  compression: CompressionRecord | None,
  withdrawn: str | None,
) -> tuple[Status, str]:
  if failure is not None:
    return (Status.ANOMALIES if anomalies else Status.FAILED), failure
  if destination:
    assert compression is not None
    return Status.PUSHED, f'The model keeps every threshold and was pushed. {compression.reason}'
  if withdrawn:
    return Status.NOT_BLESSED, withdrawn
  refusals = list(refused)
  if compression and compression.chosen is None:
    refusals.append(compression.reason)
  return Status.NOT_BLESSED, ' '.join(refusals) or 'The model was not blessed; the served model stays.'


def _blessed(steps: Sequence[Step]) -> bool | None:
  """Whether the Evaluator and the CompressionGate both blessed; `None` if the run did not come to that."""
  blessings = [output_of(steps, 'FareEvaluator', 'blessing'), output_of(steps, 'CompressionGate', 'blessing')]
  if not all(blessings):
    return None
  return all(blessing.properties.get('blessed') == 1 for blessing in blessings if blessing)


def _rows(steps: Sequence[Step]) -> RowsRecord | None:
  uri = _uri(steps, 'RideExampleGen', 'quarantine')
  if uri is None:
    return None
  counts = read_counts(uri)
  return RowsRecord(read=counts.read, kept=counts.kept, quarantined=counts.quarantined, splits=counts.splits)


def _intervals(steps: Sequence[Step]) -> EvaluationIntervals | None:
  path = _file(steps, 'FareEvaluator', 'evaluation', INTERVALS_FILE)
  return None if path is None else EvaluationIntervals.parse(_read(path), path)


def _refusals(steps: Sequence[Step]) -> tuple[str, ...]:
  path = _file(steps, 'FareEvaluator', 'evaluation', REFUSALS_FILE)
  return () if path is None else parse_list(str, _read(path), path)


def _slices(steps: Sequence[Step], evaluator: str) -> tuple[EvaluatedSlice, ...]:
  """A model's metrics by slice; the BaseEvaluator is there where another recipe than the dense base is served."""
  path = _file(steps, evaluator, 'evaluation', SLICES_FILE)
  return () if path is None else parse_list(EvaluatedSlice, _read(path), path)


def _recipes(config: RunConfig, steps: Sequence[Step]) -> tuple[RecipeRecord, ...]:
  """What each training recipe came to, in the order of the config; read back from the exported models."""
  recipes = []
  for recipe in config.training.recipes:
    uri = _uri(steps, 'PruningTrainer', recipe_key(recipe.name))
    if uri is None:
      return ()
    path = report_file(uri)
    report = TrainingReport.parse(_read(path), path)
    recipes.append(
      RecipeRecord(
        name=recipe.name,
        summary=recipe.summary,
        served=recipe.name == config.training.served_recipe.name,
        **dict(report.metrics),
        **dict(report.totals),
        seconds=report.seconds,
        path=uri,
      )
    )
  return tuple(recipes)


_TOLD = (
  'name', 'recipe', 'scheme', 'bytes', 'gzip_bytes', 'rmse', 'rmse_ratio', 'worst_slice', 'latency_us', 'sparsity',
  'within_budget', 'reason',
)  # fmt: skip


def _compression(steps: Sequence[Step]) -> CompressionRecord | None:
  path = _file(steps, 'CompressionGate', 'report', REPORT_FILE)
  return None if path is None else CompressionRecord.parse(_read(path), path)


def _variant(variant: JudgedVariant) -> JudgedVariant:
  """What the summary tells of a variant; null where it could not be made."""
  return JudgedVariant.model_construct(**{key: getattr(variant, key) for key in _TOLD})


def _reduction(steps: Sequence[Step]) -> ReductionFigures | None:
  """What became of the features where they were reduced."""
  path = _file(steps, 'DimensionalityReduction', 'report', DETAILS_FILE)
  if path is None:
    return None
  details = ReductionDetails.parse(_read(path), path)
  told = ReductionFigures.model_fields.keys() & details.model_fields_set
  return ReductionFigures.model_construct(**{name: getattr(details, name) for name in told})


def _findings(steps: Sequence[Step]) -> tuple[FindingRecord, ...]:
  uri = _uri(steps, 'AnomalyGate', 'findings')
  if uri is None:
    return ()
  with fileio.open(os.path.join(uri, FINDINGS_FILE)) as file:
    found = from_json(file.read())
  return tuple(FindingRecord(sentence=finding.sentence(), **dataclasses.asdict(finding)) for finding in found)


def _file(steps: Sequence[Step], name: str, key: str, file: str) -> str | None:
  """A file in the single output `key` of the step `name`; `None` if it did not come to that."""
  uri = _uri(steps, name, key)
  return None if uri is None else os.path.join(uri, file)


def _read(path: str) -> str:
  with fileio.open(path) as file:
    return str(file.read())


def _uri(steps: Sequence[Step], name: str, key: str) -> str | None:
  output = output_of(steps, name, key)
  return output.uri if output else None
