"""The TFX component that takes rides in, and its driver."""

from __future__ import annotations

from typing import Any

from tfx.components.example_gen import component as example_gen
from tfx.components.example_gen import driver, utils
from tfx.dsl.components.base import base_beam_component, executor_spec
from tfx.orchestration import data_types
from tfx.proto import example_gen_pb2, range_config_pb2
from tfx.types import standard_component_specs
from tfx.utils import proto_utils

from components.ride_example_gen import executor
from components.ride_example_gen.executor import RideExampleGenExecutor, RideExampleGenSpec, span_files
from components.ride_example_gen.files import IngestionError, check_inputs, digest
from components.ride_example_gen.spans import SPLITS, number_of_input
from components.specs import new_outputs
from configs.dataset import TIME, Dataset
from configs.split import Split
from models.whole_files import is_bucket


class RideDriver(driver.FileBasedDriver):
  """TFX's driver of file-based ExampleGens, with other errors and another fingerprint.

  TFX takes the files' sizes and times, so rides that were changed in place within a second would be served from the
  cache, and a mere `touch` would read everything again. Local files are digested; files in a bucket keep TFX's.
  """

  def resolve_exec_properties(
    self,
    exec_properties: dict[str, Any],
    pipeline_info: data_types.PipelineInfo,
    component_info: data_types.ComponentInfo,
  ) -> dict[str, Any]:
    """Fills the span into the pattern and adds span and fingerprint.

    Raises: IngestionError: no file matches, or the pattern or the span is wrong.
    """
    input_config = example_gen_pb2.Input()
    proto_utils.json_to_proto(exec_properties[standard_component_specs.INPUT_CONFIG_KEY], input_config)
    input_base = exec_properties[standard_component_specs.INPUT_BASE_KEY]
    for split in input_config.splits:
      check_inputs(input_base, split.pattern)
    try:
      resolved = super().resolve_exec_properties(exec_properties, pipeline_info, component_info)
    except (ValueError, RuntimeError) as error:
      patterns = ', '.join(split.pattern for split in input_config.splits)
      raise IngestionError(f"The input pattern '{patterns}' below '{input_base}' does not work: {error}") from error
    files = [file for found in span_files(resolved).values() for file in found]
    if not any(map(is_bucket, files)):
      resolved[utils.FINGERPRINT_PROPERTY_NAME] = digest(files)
    newest = number_of_input(input_config.splits[-1].name)
    if newest:  # The spans were resolved before the run.
      resolved[utils.SPAN_PROPERTY_NAME] = newest
    return resolved


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
      **new_outputs(RideExampleGenSpec),
    )
    # The parent's constructor would build its own spec, without the quarantine.
    base_beam_component.BaseBeamComponent.__init__(self, spec=spec)
