"""What a run came to, out of its artifacts: `summary.json`."""

from __future__ import annotations

import dataclasses
import enum
import json
import os
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

from tfx.dsl.io import fileio

from components.anomaly_gate.executor import FINDINGS_FILE
from components.anomaly_gate.findings import from_json
from components.recipe_models.executor import REPORT, REPORT_FOLDER
from components.ride_example_gen.counts import read_counts
from configs.run import RunConfig
from models.whole_files import write_whole
from pipeline.steps import Step, StepState, output_of


class Status(str, enum.Enum):
  """How a run ended."""

  PUSHED = 'pushed'
  NOT_BLESSED = 'not_blessed'
  ANOMALIES = 'anomalies'
  FAILED = 'failed'


def summarize(
  config: RunConfig,
  steps: Sequence[Step],
  failure: str | None,
  anomalies: bool,
  after: Mapping[str, Sequence[str]],
) -> dict[str, Any]:
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
  return {
    'status': status.value,
    'reason': reason,
    'name': config.name,
    'rows': _rows(steps),
    'metrics': {name: evaluation['intervals'][name] for name in ('rmse', 'mae')} if evaluation else None,
    'rmse_without_worst_5': evaluation['intervals']['rmse_without_worst_5'] if evaluation else None,
    'slices': evaluation['slices'] if evaluation else [],
    'base_slices': _base_slices(steps),
    'recipes': _recipes(config, steps),
    'variants': [_variant(variant) for variant in compression['variants']] if compression else [],
    'chosen': compression['chosen'] if compression else None,
    'notes': compression['notes'] if compression else [],
    'compression': _uri(steps, 'CompressionGate', 'report'),
    'reduction': _reduction(steps),
    'findings': _findings(steps),
    'blessed': _blessed(steps),
    'pushed_path': destination,
    'pushed_version': pushed.properties.get('pushed_version') if pushed and destination else None,
    'timings': {step.name: round(step.seconds, 3) for step in steps},
    'steps': [
      {'name': step.name, 'state': step.state.value, 'seconds': step.seconds, 'after': list(after.get(step.name, []))}
      for step in steps
    ],
    'artifacts': {
      step.name: {key: outputs[0].uri for key, outputs in step.outputs.items() if outputs} for step in steps
    },
    'cached': [step.name for step in steps if step.state is StepState.CACHED],
    'quarantine': _uri(steps, 'RideExampleGen', 'quarantine'),
    'curves': _uri(steps, 'PruningTrainer', 'model_run'),
  }


def write(summary: dict[str, Any], path: pathlib.Path) -> None:
  """Writes the summary whole or not at all."""
  write_whole(path, json.dumps(summary, indent=2, ensure_ascii=False) + '\n')


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


def _rows(steps: Sequence[Step]) -> dict[str, Any] | None:
  uri = _uri(steps, 'RideExampleGen', 'quarantine')
  if uri is None:
    return None
  counts = read_counts(uri)
  return {'read': counts.read, 'kept': counts.kept, 'quarantined': counts.quarantined, 'splits': counts.splits}


def _evaluation(steps: Sequence[Step]) -> dict[str, Any] | None:
  uri = _uri(steps, 'FareEvaluator', 'evaluation')
  if uri is None:
    return None
  return {name: _read_json(uri, f'{name}.json') for name in ('intervals', 'slices', 'refusals')}


def _base_slices(steps: Sequence[Step]) -> list[dict[str, Any]]:
  """The dense base's metrics by slice, where another recipe is served."""
  uri = _uri(steps, 'BaseEvaluator', 'evaluation')
  return [] if uri is None else list(_read_json(uri, 'slices.json'))


def _recipes(config: RunConfig, steps: Sequence[Step]) -> list[dict[str, Any]]:
  """What each training recipe came to, in the order of the config; read back from the exported models."""
  recipes = []
  for recipe in config.training.recipes:
    uri = _uri(steps, 'RecipeModels', recipe.name)
    if uri is None:
      return []
    report = _read_json(os.path.join(uri, REPORT_FOLDER), REPORT)
    recipes.append(
      {
        'name': recipe.name,
        'summary': recipe.summary,
        'served': recipe.name == config.training.served_recipe.name,
        **report['metrics'],
        **report['totals'],
        'seconds': report['seconds'],
        'path': uri,
      }
    )
  return recipes


_VARIANT_KEYS = (
  'name', 'recipe', 'scheme', 'bytes', 'gzip_bytes', 'rmse', 'rmse_ratio', 'worst_slice', 'latency_us', 'sparsity',
  'within_budget', 'reason',
)  # fmt: skip


def _compression(steps: Sequence[Step]) -> dict[str, Any] | None:
  uri = _uri(steps, 'CompressionGate', 'report')
  return None if uri is None else dict(_read_json(uri, 'compression.json'))


def _variant(variant: dict[str, Any]) -> dict[str, Any]:
  """What the summary tells of a variant; null where it could not be made."""
  return {key: variant.get(key) for key in _VARIANT_KEYS}


_REDUCTION_KEYS = ('method', 'features', 'inputs', 'variance_lost', 'reconstruction_error', 'rides', 'notes', 'kept')


def _reduction(steps: Sequence[Step]) -> dict[str, Any] | None:
  """What became of the features where they were reduced; `kept` is there for a selection alone."""
  uri = _uri(steps, 'DimensionalityReduction', 'report')
  if uri is None:
    return None
  # Brings TensorFlow along.
  from components.dimensionality_reduction.report_files import DETAILS_FILE

  details = _read_json(uri, DETAILS_FILE)
  return {key: details[key] for key in _REDUCTION_KEYS if key in details}


def _findings(steps: Sequence[Step]) -> list[dict[str, Any]]:
  uri = _uri(steps, 'AnomalyGate', 'findings')
  if uri is None:
    return []
  with fileio.open(os.path.join(uri, FINDINGS_FILE)) as file:
    return [{'sentence': finding.sentence(), **dataclasses.asdict(finding)} for finding in from_json(file.read())]


def _read_json(uri: str, name: str) -> Any:
  with fileio.open(os.path.join(uri, name)) as file:
    return json.loads(file.read())


def _uri(steps: Sequence[Step], name: str, key: str) -> str | None:
  output = output_of(steps, name, key)
  return output.uri if output else None
