"""What a run came to, out of its artifacts: `summary.json`."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterator, Mapping, Sequence
from typing import TypeVar

from tfx.dsl.io import fileio

from components.compression_gate.records import REPORT_FILE, CompressionRecord, JudgedVariant
from components.fare_evaluator.records import (
  INTERVALS_FILE,
  SLICES_FILE,
  EvaluatedSlice,
  EvaluationIntervals,
)
from components.in_memory import COMPUTED, Computed
from components.model_registry.component import REGISTERED
from components.pruning_trainer.keys import recipe_key
from components.ride_example_gen.quarantine import read_counts
from components.ride_validator.findings import FINDINGS_FILE, Finding, from_json
from configs.beam import BEAM_STEPS
from configs.recipe import DENSE
from configs.records import RecordT, parse_list
from configs.run import RunConfig
from models.compression.records import TrainingReport, lost_file, report_file
from models.reduction.records import DETAILS_FILE, ReductionDetails, ReductionFigures
from pipeline.local.steps import Step, StepState, output_of
from pipeline.summary_record import (
  PUSHER,
  REGISTRY,
  FindingRecord,
  MetricsRecord,
  RecipeRecord,
  RowsRecord,
  Status,
  StepRecord,
  Summary,
)

T = TypeVar('T')


def summarize(
  config: RunConfig, steps: Sequence[Step], failure: str | None, anomalies: bool, after: Mapping[str, Sequence[str]]
) -> Summary:
  """The summary of a run that got past its configuration.

  Args:
    failure: why the run stopped, or `None` if it came to its end.
    anomalies: whether it was the anomaly gate that stopped it.
    after: names of the steps that each one waits for.
  """
  intervals = _record(EvaluationIntervals, steps, 'FareEvaluator', 'evaluation', INTERVALS_FILE)
  compression = _record(CompressionRecord, steps, 'CompressionGate', 'report', REPORT_FILE)
  output = output_of(steps, PUSHER, 'pushed_model')
  push = output.properties if output else {}
  destination = push.get('pushed_destination') if push.get('pushed') else None
  if failure is not None:
    status, reason = (Status.ANOMALIES if anomalies else Status.FAILED), failure
  elif destination:
    assert compression is not None
    again = any(step.name == PUSHER and step.state is StepState.CACHED for step in steps)
    pushed = 'was pushed before; nothing new was pushed' if again else 'was pushed'
    status, reason = Status.PUSHED, f'The file keeps every limit and {pushed}. {compression.reason}'
  else:
    status, reason = Status.NOT_BLESSED, push.get('withdrawn') or _refusal(compression)
  first = min((step.began for step in steps if step.began is not None), default=0.0)
  return Summary(
    status=status,
    reason=reason,
    name=config.name,
    rows=_rows(steps),
    metrics=MetricsRecord(rmse=intervals.rmse, mae=intervals.mae) if intervals else None,
    rmse_without_worst_5=intervals.rmse_without_worst_5 if intervals else None,
    slices=_list(EvaluatedSlice, steps, 'FareEvaluator', 'evaluation', SLICES_FILE),
    base_slices=_list(EvaluatedSlice, steps, 'BaseEvaluator', 'evaluation', SLICES_FILE),
    recipes=_recipes(config, steps),
    variants=tuple(map(_variant, compression.variants)) if compression else (),
    chosen=compression.chosen if compression else None,
    served_version=compression.served_version if compression else None,
    served_rmse=compression.served_rmse if compression else None,
    shadow=compression.shadow if compression else None,
    notes=(*_training_notes(config, steps), *(compression.notes if compression else ()), *_registered(steps)),
    compression=_uri(steps, 'CompressionGate', 'report'),
    reduction=_reduction(steps),
    findings=_findings(steps),
    blessed=_blessed(steps),
    pushed_path=destination,
    pushed_version=push.get('pushed_version') if destination else None,
    timings={step.name: round(step.seconds, 3) for step in steps},
    steps=tuple(
      StepRecord(
        name=step.name,
        state=step.state,
        seconds=step.seconds,
        after=tuple(after.get(step.name, ())),
        began=None if step.began is None else round(step.began - first, 3),
        ahead=round(step.ahead, 3),
        computed=_computed(step),
      )
      for step in steps
    ),
    artifacts={step.name: {key: outputs[0].uri for key, outputs in step.outputs.items() if outputs} for step in steps},
    cached=tuple(step.name for step in steps if step.state is StepState.CACHED),
    quarantine=_uri(steps, 'RideExampleGen', 'quarantine'),
    curves=_uri(steps, 'PruningTrainer', 'model_run'),
  )


def _computed(step: Step) -> Computed | None:
  """With or without Beam, of a step that says so; look-ups hand on what other steps made."""
  if step.name not in BEAM_STEPS:
    return None
  properties = [output.properties for outputs in step.outputs.values() for output in outputs]
  return next((Computed(found[COMPUTED]) for found in properties if COMPUTED in found), None)


def _refusal(compression: CompressionRecord | None) -> str:
  if compression is not None and compression.chosen is None:
    return compression.reason
  return 'The model was not blessed; the served model stays.'


def _blessed(steps: Sequence[Step]) -> bool | None:
  """Whether the CompressionGate blessed a file; `None` if the run did not come to that."""
  blessing = output_of(steps, 'CompressionGate', 'blessing')
  return blessing.properties.get('blessed') == 1 if blessing else None


def _rows(steps: Sequence[Step]) -> RowsRecord | None:
  uri = _uri(steps, 'RideExampleGen', 'quarantine')
  if uri is None:
    return None
  counts = read_counts(uri)
  rows = RowsRecord(
    read=counts.read,
    kept=counts.kept,
    quarantined=counts.quarantined,
    splits=counts.splits,
    passed_over=counts.passed_over,
  )
  examples: dict[str, tuple[str, ...]] = {}
  for example in counts.examples:
    examples[example.reason] = (*examples.get(example.reason, ()), example.phrase())
  return rows.model_copy(update={'examples': examples}) if examples else rows


def _training_notes(config: RunConfig, steps: Sequence[Step]) -> Iterator[str]:
  """Of which rides a sample was taken, and why a recipe has no model, one sentence each."""
  for recipe in config.training.recipes:
    uri = _uri(steps, 'PruningTrainer', recipe_key(recipe.name))
    if uri is None:
      continue
    if fileio.exists(lost_file(uri)):
      yield f"Recipe '{recipe.name}' was lost. {_read(lost_file(uri))}"
    elif recipe.name == DENSE:
      report = TrainingReport.parse(_read(report_file(uri)), report_file(uri))
      yield from filter(None, (report.trained_on, report.measured_on))


def _registered(steps: Sequence[Step]) -> Iterator[str]:
  """What the pushed version is in a registry."""
  output = output_of(steps, REGISTRY, 'registered')
  if output and output.properties.get(REGISTERED):
    yield f"In Vertex AI's Model Registry it is {output.properties[REGISTERED]}."


def _recipes(config: RunConfig, steps: Sequence[Step]) -> tuple[RecipeRecord, ...]:
  """What each training recipe came to, in the order of the config; read back from the exported models."""
  recipes = []
  for recipe in config.training.recipes:
    uri = _uri(steps, 'PruningTrainer', recipe_key(recipe.name))
    if uri is None:
      return ()
    if fileio.exists(lost_file(uri)):
      continue
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


_OF_A_VARIANT = (
  'name', 'recipe', 'scheme', 'bytes', 'gzip_bytes', 'rmse', 'rmse_ratio', 'worst_slice', 'latency_us', 'sparsity',
  'within_budget', 'reason',
)  # fmt: skip


def _variant(variant: JudgedVariant) -> JudgedVariant:
  """What the summary holds of a variant; null where it could not be made."""
  return JudgedVariant.model_construct(**{key: getattr(variant, key) for key in _OF_A_VARIANT})


def _reduction(steps: Sequence[Step]) -> ReductionFigures | None:
  """What became of the features where they were reduced."""
  details = _record(ReductionDetails, steps, 'DimensionalityReduction', 'report', DETAILS_FILE)
  if details is None:
    return None
  known = ReductionFigures.model_fields.keys() & details.model_fields_set
  return ReductionFigures.model_construct(**{name: getattr(details, name) for name in known})


def _findings(steps: Sequence[Step]) -> tuple[FindingRecord, ...]:
  uri = _uri(steps, 'AnomalyGate', 'findings')
  return finding_records(from_json(_read(os.path.join(uri, FINDINGS_FILE))) if uri else ())


def finding_records(found: Sequence[Finding]) -> tuple[FindingRecord, ...]:
  """Findings as the summary has them; those of a run that they stopped come with the error."""
  return tuple(FindingRecord(sentence=finding.sentence(), **dataclasses.asdict(finding)) for finding in found)


def _record(kind: type[RecordT], steps: Sequence[Step], name: str, key: str, file: str) -> RecordT | None:
  """A file in the single output `key` of the step `name`; `None` if it did not come to that."""
  uri = _uri(steps, name, key)
  path = os.path.join(uri or '', file)
  return kind.parse(_read(path), path) if uri else None


def _list(kind: type[T], steps: Sequence[Step], name: str, key: str, file: str) -> tuple[T, ...]:
  """The same of a file that is a list; empty if it did not come to that."""
  uri = _uri(steps, name, key)
  path = os.path.join(uri or '', file)
  return parse_list(kind, _read(path), path) if uri else ()


def _read(path: str) -> str:
  with fileio.open(path) as file:
    return str(file.read())


def _uri(steps: Sequence[Step], name: str, key: str) -> str | None:
  output = output_of(steps, name, key)
  return output.uri if output else None
