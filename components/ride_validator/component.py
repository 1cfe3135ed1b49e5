"""The schema of the rides, the statistics that wait for the quarantine's verdict, and the gate behind ExampleValidator.

Which of them are steps of their own, and why, is in `docs/architecture.md`.
"""

from __future__ import annotations

import os

from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import anomalies_pb2
from tfx import types
from tfx.components.example_validator import executor as example_validator
from tfx.components.statistics_gen import component as statistics_gen
from tfx.components.statistics_gen import executor as statistics_executor
from tfx.components.statistics_gen import stats_artifact_utils
from tfx.dsl.components.base import base_beam_component, base_component, base_executor, executor_spec
from tfx.dsl.io import fileio
from tfx.types import artifact_utils, channel, component_spec, standard_artifacts, standard_component_specs
from tfx.utils import io_utils, json_utils

from components.artifacts import Quarantine
from components.in_memory import works_in_memory
from components.ride_example_gen.quarantine import RideCounts, read_counts
from components.ride_example_gen.spans import EVAL, TRAIN
from components.ride_validator.divergence import Statistics
from components.ride_validator.findings import FINDINGS_FILE, check_rides, refuse, to_json
from components.ride_validator.hours import add_times
from components.ride_validator.in_memory import statistics_of
from components.ride_validator.inputs import INPUTS, input_findings
from components.ride_validator.inspection import inspect
from components.ride_validator.schema import ride_schema
from components.ride_validator.schema_executor import RideSchemaExecutor, RideSchemaSpec
from components.specs import Artifacts, Properties, channels, new_outputs, parameters, split_files
from configs.dataset import Dataset, Rules
from configs.parts import load_part
from configs.validation import Validation


class RideStatisticsGenSpec(standard_component_specs.StatisticsGenSpec):
  """TFX's, with the quarantine and how much of it is too much."""

  PARAMETERS = {
    **standard_component_specs.StatisticsGenSpec.PARAMETERS,
    **parameters('code_version', max_quarantined_share=float, in_memory_rides=int),
  }
  INPUTS = {**standard_component_specs.StatisticsGenSpec.INPUTS, **channels(quarantine=Quarantine)}


class RideStatisticsGenExecutor(statistics_executor.Executor):
  """TFX's StatisticsGen executor, or the same without Beam, behind the quarantine's verdict."""

  def Do(self, input_dict: Artifacts, output_dict: Artifacts, exec_properties: Properties) -> None:  # noqa: N802
    """Raises `RidesRefusedError` where too few rides are valid, before anything is measured.

    The hours of each split go into the statistics, so that a later run can measure its drift from them.
    """
    uri = artifact_utils.get_single_uri(input_dict['quarantine'])
    counts = read_counts(uri)
    check_rides(counts, exec_properties['max_quarantined_share'], uri)
    output = artifact_utils.get_single_instance(output_dict[standard_component_specs.STATISTICS_KEY])
    if works_in_memory(exec_properties, counts.kept, output):
      _measure(input_dict[standard_component_specs.EXAMPLES_KEY], output)
    else:
      super().Do(input_dict, output_dict, exec_properties)
    for split, times in counts.profile.times.items():
      statistics = _read_statistics(output, split)
      add_times(statistics, times)
      _write_statistics(output, split, statistics)


def _measure(examples: list[types.Artifact], output: types.Artifact) -> None:
  """Fills the output as TFX's executor does."""
  rides = artifact_utils.get_single_instance(examples)
  splits = artifact_utils.decode_split_names(rides.split_names)
  output.split_names = rides.split_names
  output.span = rides.span
  output.set_string_custom_property(statistics_executor.STATS_DASHBOARD_LINK, '')
  rates = json_utils.dumps(dict.fromkeys(splits, 1.0))
  output.set_json_value_custom_property(statistics_executor.SAMPLE_RATE_BY_SPLIT_PROPERTY_NAME, rates)
  for split in splits:
    _write_statistics(output, split, statistics_of(split_files(examples, split)))


def _write_statistics(artifact: types.Artifact, split: str, statistics: Statistics) -> None:
  folder = artifact_utils.get_split_uri([artifact], split)
  fileio.makedirs(folder)
  with fileio.open(os.path.join(folder, statistics_executor.DEFAULT_FILE_NAME), 'wb') as file:
    file.write(statistics.SerializeToString())


class RideStatisticsGen(statistics_gen.StatisticsGen):
  """TFX's StatisticsGen, which measures nothing where too few rides are valid: it fails the run with a sentence.

  The quarantine stays, as it is the output of a step that succeeded. Output: `statistics`, as TFX's.

  ```
  statistics = RideStatisticsGen(
      examples=ingest.outputs['examples'],
      quarantine=ingest.outputs['quarantine'],
      rules=config.dataset.rules,
      code_version=step_version(RideStatisticsGen))
  ```

  Args:
    examples: canonical rides.
    quarantine: the ingestion's quarantine artifact, for its counts.
    rules: only `max_quarantined_share` is used.
    code_version: part of the cache key.
    in_memory_rides: the most rides, of all splits together, that are measured without Beam.
  """

  SPEC_CLASS = RideStatisticsGenSpec
  EXECUTOR_SPEC = executor_spec.BeamExecutorSpec(RideStatisticsGenExecutor)

  def __init__(
    self,
    *,
    examples: channel.BaseChannel,
    quarantine: channel.BaseChannel,
    rules: Rules,
    code_version: str,
    in_memory_rides: int = 0,
  ) -> None:
    spec = RideStatisticsGenSpec(
      examples=examples,
      quarantine=quarantine,
      exclude_splits=json_utils.dumps([]),
      max_quarantined_share=rules.max_quarantined_share,
      code_version=code_version,
      in_memory_rides=in_memory_rides,
      **new_outputs(RideStatisticsGenSpec),
    )
    # Not TFX's own constructor, which makes a spec without the quarantine.
    base_beam_component.BaseBeamComponent.__init__(self, spec=spec)


class RideSchema(base_component.BaseComponent):
  """Writes the schema of the canonical ride, made from the config alone.

  Outputs: `schema`, a standard Schema artifact that holds `schema.pbtxt`.

  ```
  schema = RideSchema(
      dataset=config.dataset, validation=config.validation, code_version=step_version(RideSchema))
  ```

  Args:
    dataset: its rules and extras decide the domains.
    validation: drift and skew thresholds.
    code_version: part of the cache key.
  """

  SPEC_CLASS = RideSchemaSpec
  EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(RideSchemaExecutor)

  def __init__(self, *, dataset: Dataset, validation: Validation, code_version: str) -> None:
    spec = RideSchemaSpec(
      **new_outputs(RideSchemaSpec),
      schema_text=text_format.MessageToString(ride_schema(dataset, validation)),
      code_version=code_version,
    )
    super().__init__(spec=spec)


class AnomalyGateSpec(component_spec.ComponentSpec):
  """The findings travel as an ExampleAnomalies artifact with one JSON file."""

  PARAMETERS = {
    **parameters('validation', 'code_version'),
    'dataset': component_spec.ExecutionParameter(type=str, optional=True),
  }
  INPUTS = {
    **channels(
      statistics=standard_artifacts.ExampleStatistics,
      schema=standard_artifacts.Schema,
      anomalies=standard_artifacts.ExampleAnomalies,
    ),
    'quarantine': component_spec.ChannelParameter(type=Quarantine, optional=True),
    'baseline_statistics': component_spec.ChannelParameter(type=standard_artifacts.ExampleStatistics, optional=True),
  }
  OUTPUTS = channels(findings=standard_artifacts.ExampleAnomalies)


class AnomalyGateExecutor(base_executor.BaseExecutor):
  """Executor of `AnomalyGate`."""

  def Do(self, input_dict: Artifacts, output_dict: Artifacts, exec_properties: Properties) -> None:  # noqa: N802
    """Raises `AnomaliesError` where the config lets a finding stop the run."""
    statistics = artifact_utils.get_single_instance(input_dict['statistics'])
    anomalies = artifact_utils.get_single_instance(input_dict['anomalies'])
    output = artifact_utils.get_single_instance(output_dict['findings'])
    splits = artifact_utils.decode_split_names(statistics.split_names)
    schema_file = io_utils.get_only_uri_in_dir(artifact_utils.get_single_uri(input_dict['schema']))
    validation = Validation.model_validate_json(exec_properties['validation'])
    quarantine = input_dict.get('quarantine')
    counts = read_counts(artifact_utils.get_single_uri(quarantine)) if quarantine else RideCounts()
    newest = counts.profile.newest_span
    findings = inspect(
      statistics={split: _read_statistics(statistics, split) for split in splits},
      schema=io_utils.SchemaReader().read(schema_file),
      anomalies={split: _read_anomalies(anomalies, split) for split in splits},
      validation=validation,
      baseline=_read_baseline(input_dict.get('baseline_statistics')),
      newest=newest is not None,
    )
    if quarantine:
      findings += input_findings(counts, load_part(Dataset, exec_properties['dataset']), validation)
    findings = tuple(finding.of_span(newest) if finding.split == EVAL else finding for finding in findings)
    output.split_names = statistics.split_names
    io_utils.write_string_file(os.path.join(output.uri, FINDINGS_FILE), to_json(findings))
    refuse(findings)


def _read_statistics(artifact: types.Artifact, split: str) -> Statistics:
  return stats_artifact_utils.load_statistics(artifact, split).proto()


def _read_anomalies(artifact: types.Artifact, split: str) -> anomalies_pb2.Anomalies:
  uri = artifact_utils.get_split_uri([artifact], split)
  with fileio.open(os.path.join(uri, example_validator.DEFAULT_FILE_NAME), 'rb') as file:
    return anomalies_pb2.Anomalies.FromString(file.read())


def _read_baseline(artifacts: list[types.Artifact] | None) -> Statistics | None:
  """The first run of a pipeline has no previous span."""
  if not artifacts:
    return None
  artifact = artifact_utils.get_single_instance(artifacts)
  names = artifact_utils.decode_split_names(artifact.split_names)
  return _read_statistics(artifact, TRAIN) if TRAIN in names else None


class AnomalyGate(base_component.BaseComponent):
  """Fails the run before training where the rides are not what the config lets pass.

  Outputs: `findings`, an ExampleAnomalies artifact with `findings.json` (see `components.ride_validator.findings`). Of
  a run that it stops, TFX removes the output; the exception carries the findings.

  ```
  validator = ExampleValidator(statistics=statistics.outputs['statistics'], schema=schema.outputs['schema'])
  anomaly_gate = AnomalyGate(
      statistics=statistics.outputs['statistics'],
      schema=schema.outputs['schema'],
      anomalies=validator.outputs['anomalies'],
      quarantine=ingest.outputs['quarantine'],
      dataset=config.dataset, validation=config.validation,
      code_version=step_version(AnomalyGate))
  ```

  Args:
    statistics: of all splits.
    schema: of the canonical ride, with drift and skew comparators.
    anomalies: ExampleValidator's.
    validation: severity, thresholds, largest shares of missing values.
    code_version: part of the cache key.
    baseline_statistics: of the previous span; drift is measured against its train split.
    quarantine: the ingestion's quarantine artifact, for the profile in its counts: without it, nothing is said of
      inputs that can't be right.
    dataset: what the profile's columns mean; goes with `quarantine`.
  """

  SPEC_CLASS = AnomalyGateSpec
  EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(AnomalyGateExecutor)

  def __init__(
    self,
    *,
    statistics: channel.BaseChannel,
    schema: channel.BaseChannel,
    anomalies: channel.BaseChannel,
    validation: Validation,
    code_version: str,
    baseline_statistics: channel.BaseChannel | None = None,
    quarantine: channel.BaseChannel | None = None,
    dataset: Dataset | None = None,
  ) -> None:
    spec = AnomalyGateSpec(
      statistics=statistics,
      schema=schema,
      anomalies=anomalies,
      baseline_statistics=baseline_statistics,
      quarantine=quarantine,
      dataset=INPUTS.dump(dataset) if dataset else None,
      **new_outputs(AnomalyGateSpec),
      validation=validation.model_dump_json(),
      code_version=code_version,
    )
    super().__init__(spec=spec)
