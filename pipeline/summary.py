"""What a run came to, out of its artifacts: `summary.json`."""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Mapping, Sequence
from typing import Any

from tfx.dsl.io import fileio

from components.anomaly_gate.executor import FINDINGS_FILE
from components.anomaly_gate.findings import from_json
from components.recipe_models.executor import REPORT, REPORT_FOLDER
from components.ride_example_gen.counts import read_counts
from configs.run import RunConfig
from pipeline.steps import Step, StepState, output_of
from pipeline.summary_record import (
  FindingRecord,
  MetricsRecord,
  RecipeRecord,
  ReductionRecord,
  RowsRecord,
  SliceRecord,
  Status,
  StepRecord,
  Summary,
  VariantRecord,
)


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
  evaluation = _evaluation(steps)
  compression = _compression(steps)
  pushed = output_of(steps, 'Pusher', 'pushed_model')
  destination = pushed.properties.get('pushed_destination') if pushed and pushed.properties.get('pushed') else None
  withdrawn = pushed.properties.get('withdrawn') if pushed else None
  status, reason = _ending(failure, anomalies, destination, evaluation, compression, withdrawn)
  return Summary(
    status=status,
    reason=reason,
    name=config.name,
    rows=_rows(steps),
    metrics=MetricsRecord.model_validate(evaluation['intervals']) if evaluation else None,
    rmse_without_worst_5=evaluation['intervals']['rmse_without_worst_5'] if evaluation else None,
    slices=_slices(evaluation['slices'] if evaluation else ()),
    base_slices=_base_slices(steps),
    recipes=_recipes(config, steps),
    variants=tuple(_variant(variant) for variant in compression['variants']) if compression else (),
    chosen=compression['chosen'] if compression else None,
    notes=compression['notes'] if compression else (),
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
  evaluation: dict[str, Any] | None,
  compression: dict[str, Any] | None,
  withdrawn: str | None,
) -> tuple[Status, str]:
  if failure is not None:
    return (Status.ANOMALIES if anomalies else Status.FAILED), failure
  if destination:
    assert compression is not None
    return Status.PUSHED, f'The model keeps every threshold and was pushed. {compression["reason"]}'
  if withdrawn:
    return Status.NOT_BLESSED, withdrawn
  refusals = list(evaluation['refusals']) if evaluation else []
  if compression and compression['chosen'] is None:
    refusals.append(compression['reason'])
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


def _evaluation(steps: Sequence[Step]) -> dict[str, Any] | None:
  uri = _uri(steps, 'FareEvaluator', 'evaluation')
  if uri is None:
    return None
  return {name: _read_json(uri, f'{name}.json') for name in ('intervals', 'slices', 'refusals')}


def _slices(rows: Sequence[Mapping[str, Any]]) -> tuple[SliceRecord, ...]:
  return tuple(SliceRecord.model_validate(row) for row in rows)


def _base_slices(steps: Sequence[Step]) -> tuple[SliceRecord, ...]:
  """The dense base's metrics by slice, where another recipe is served."""
  uri = _uri(steps, 'BaseEvaluator', 'evaluation')
  return () if uri is None else _slices(_read_json(uri, 'slices.json'))


def _recipes(config: RunConfig, steps: Sequence[Step]) -> tuple[RecipeRecord, ...]:
  """What each training recipe came to, in the order of the config; read back from the exported models."""
  recipes = []
  for recipe in config.training.recipes:
    uri = _uri(steps, 'RecipeModels', recipe.name)
    if uri is None:
      return ()
    report = _read_json(os.path.join(uri, REPORT_FOLDER), REPORT)
    recipes.append(
      RecipeRecord(
        name=recipe.name,
        summary=recipe.summary,
        served=recipe.name == config.training.served_recipe.name,
        **report['metrics'],
        **report['totals'],
        seconds=report['seconds'],
        path=uri,
      )
    )
  return tuple(recipes)


def _compression(steps: Sequence[Step]) -> dict[str, Any] | None:
  uri = _uri(steps, 'CompressionGate', 'report')
  return None if uri is None else dict(_read_json(uri, 'compression.json'))


def _variant(variant: Mapping[str, Any]) -> VariantRecord:
  """What the summary tells of a variant; null where it could not be made."""
  return VariantRecord.model_validate({key: variant.get(key) for key in VariantRecord.model_fields})


def _reduction(steps: Sequence[Step]) -> ReductionRecord | None:
  """What became of the features where they were reduced."""
  uri = _uri(steps, 'DimensionalityReduction', 'report')
  if uri is None:
    return None
  # Brings TensorFlow along.
  from components.dimensionality_reduction.report_files import DETAILS_FILE

  return ReductionRecord.model_validate(_read_json(uri, DETAILS_FILE))


def _findings(steps: Sequence[Step]) -> tuple[FindingRecord, ...]:
  uri = _uri(steps, 'AnomalyGate', 'findings')
  if uri is None:
    return ()
  with fileio.open(os.path.join(uri, FINDINGS_FILE)) as file:
    found = from_json(file.read())
  return tuple(FindingRecord(sentence=finding.sentence(), **dataclasses.asdict(finding)) for finding in found)


def _read_json(uri: str, name: str) -> Any:
  with fileio.open(os.path.join(uri, name)) as file:
    return json.loads(file.read())


def _uri(steps: Sequence[Step], name: str, key: str) -> str | None:
  output = output_of(steps, name, key)
  return output.uri if output else None
