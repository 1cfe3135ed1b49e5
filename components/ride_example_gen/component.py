"""The TFX component that takes rides in, and its driver."""

from __future__ import annotations

import json
from collections.abc import Collection
from typing import Any

from tfx.components.example_gen import component as example_gen
from tfx.components.example_gen import driver, utils
from tfx.dsl.components.base import base_beam_component, executor_spec
from tfx.orchestration import data_types
from tfx.proto import example_gen_pb2, range_config_pb2
from tfx.types import standard_component_specs
from tfx.utils import proto_utils

from components.ride_example_gen import executor
from components.ride_example_gen.executor import RideExampleGenExecutor, RideExampleGenSpec, sources_of
from components.ride_example_gen.files import IngestionError, fingerprint
from components.ride_example_gen.patterns import has_spans
from components.ride_example_gen.spans import SPLITS, Span, find_spans, number_of_input
from components.specs import new_outputs
from configs.dataset import TIME, Dataset
from configs.split import Split


class RideDriver(driver.FileBasedDriver):
  """TFX's driver of file-based ExampleGens, with this project's patterns, errors and fingerprint.

  TFX's patterns know neither `**` nor days without leading zeros, and it takes the files' sizes and times, so rides
  that were changed in place within a second would be served from the cache, and a mere `touch` would read everything
  again. Local files are digested.
  """

  def resolve_exec_properties(
    self,
    exec_properties: dict[str, Any],
    pipeline_info: data_types.PipelineInfo,
    component_info: data_types.ComponentInfo,
  ) -> dict[str, Any]:
    """Fills the span into the pattern and adds span, version and fingerprint.

    Raises: IngestionError: no file matches, or the pattern or the span is wrong.
    """
    input_config = example_gen_pb2.Input()
    proto_utils.json_to_proto(exec_properties[standard_component_specs.INPUT_CONFIG_KEY], input_config)
    number = number_of_input(input_config.splits[-1].name) or 0  # Where the spans were resolved before the run.
    version = None
    ranged = exec_properties.get(standard_component_specs.RANGE_CONFIG_KEY)
    if ranged or any(has_spans(split.pattern) for split in input_config.splits):
      [split] = input_config.splits
      span = _span(exec_properties[standard_component_specs.INPUT_BASE_KEY], split.pattern, ranged)
      split.pattern, number, version = span.pattern, span.number, span.version
    exec_properties[standard_component_specs.INPUT_CONFIG_KEY] = proto_utils.proto_to_json(input_config)
    files = [file for found in sources_of(exec_properties).files.values() for file in found]
    exec_properties[utils.SPAN_PROPERTY_NAME] = number
    exec_properties[utils.VERSION_PROPERTY_NAME] = version
    exec_properties[utils.FINGERPRINT_PROPERTY_NAME] = fingerprint(files)
    return exec_properties


def _span(base: str, pattern: str, range_config: str | None) -> Span:
  """The span that a range asks for; the newest where there is no range."""
  found, ranged = find_spans(base, pattern), range_config_pb2.RangeConfig()
  if range_config:
    proto_utils.json_to_proto(range_config, ranged)
  if ranged.HasField('static_range'):
    first, last = ranged.static_range.start_span_number, ranged.static_range.end_span_number
    there = [span for span in found if first <= span.number <= last]
  else:
    there = [span for span in found if span.number >= ranged.rolling_range.start_span_number]
  if not there:
    raise IngestionError(f"There is no span of '{pattern}' below '{base}' in the range that is asked for.")
  return there[-1]


class RideExampleGen(example_gen.FileBasedExampleGen):
  """Takes CSV and Parquet files of rides in any columns to canonical tf.Examples.

  A file-based ExampleGen: span patterns, the cache's fingerprint and the artifact's properties are TFX's own. Outputs:

  - `examples`: splits train and eval, gzip TFRecords. Each feature has one value; missing is NaN, written out.
    `pickup_seconds` is int64, the rest float32, categorical extras as codes.
  - `quarantine`: rows that broke a rule, and the counts of all rows.

  ```
  ingest = RideExampleGen(
      input_base='rides',
      input_config=example_gen_pb2.Input(splits=[example_gen_pb2.Input.Split(name='rides', pattern='*.csv')]),
      dataset=config.dataset,
      split=config.split,
      code_version=step_version(RideExampleGen))
  ```
  """

  SPEC_CLASS = RideExampleGenSpec
  EXECUTOR_SPEC = executor_spec.BeamExecutorSpec(RideExampleGenExecutor)
  DRIVER_CLASS = RideDriver

  def __init__(
    self,
    *,
    input_base: str,
    input_config: example_gen_pb2.Input,
    dataset: Dataset,
    split: Split,
    code_version: str,
    range_config: range_config_pb2.RangeConfig | None = None,
    window: int | None = None,
    exclude: Collection[int] = (),
  ):
    """Constructs the component.

    Args:
      input_base: a folder, or the prefix of a bucket.
      input_config: one input split, whose pattern below `input_base` may have `{SPAN}`, `{VERSION}` or
        `{YYYY}/{MM}/{DD}`; or a window of spans, one input split with a plain glob for each, named as by
        `spans.input_name`, newest last.
      dataset: the mapping to the canonical ride and the rules.
      split: how kept rides are divided into train and eval.
      code_version: of the ingestion's code, as TFX's cache does not see code.
      range_config: which span; the latest when unset.
      window: how many of the newest spans the executor finds by itself, where no driver looks at the data, or one that
        knows single spans only; 1 also where the pattern has no spans. Such a step must not be cached.
      exclude: numbers of spans that the executor leaves out where it finds the window.
    """
    # The splits' names for whoever reads the spec; how rides are divided is in `split`.
    names = [example_gen_pb2.SplitConfig.Split(name=name, hash_buckets=1) for name in SPLITS]
    divided = example_gen_pb2.SplitConfig(splits=names, partition_feature_name=TIME)
    spec = RideExampleGenSpec(
      input_base=input_base,
      input_config=input_config,
      output_config=example_gen_pb2.Output(split_config=divided),
      range_config=range_config,
      output_data_format=example_gen_pb2.FORMAT_TF_EXAMPLE,
      output_file_format=example_gen_pb2.FORMAT_TFRECORDS_GZIP,
      dataset=executor.DATASET.dump(dataset),
      split=executor.dump_split(split),
      code_version=code_version,
      window=window,
      exclude=json.dumps(sorted(exclude)) if exclude else None,
      **new_outputs(RideExampleGenSpec),
    )
    # The parent's constructor would build its own spec, without the quarantine.
    base_beam_component.BaseBeamComponent.__init__(self, spec=spec)
