"""The TFX component that takes rides in."""

from __future__ import annotations

from tfx import types
from tfx.components.example_gen import component as example_gen
from tfx.dsl.components.base import base_beam_component, executor_spec
from tfx.proto import example_gen_pb2, range_config_pb2
from tfx.types import standard_artifacts

from components.artifacts import Quarantine
from components.ride_example_gen import parameters
from components.ride_example_gen.driver import RideDriver
from components.ride_example_gen.executor import RideExampleGenExecutor
from components.ride_example_gen.spec import RideExampleGenSpec
from components.ride_example_gen.splitting import SPLITS
from configs.dataset import TIME, Dataset
from configs.split import Split


class RideExampleGen(example_gen.FileBasedExampleGen):
  """Takes CSV and Parquet files of rides in any columns to canonical tf.Examples.

  A file-based ExampleGen: span patterns, the cache's fingerprint and the
  artifact's properties are TFX's own. Outputs:

  - `examples`: splits train and eval, gzip TFRecords. Each feature has one
    value; missing is NaN, written out. `pickup_seconds` is int64, the rest
    float32, categorical extras as codes.
  - `quarantine`: rows that broke a rule, and the counts of all rows.
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
      input_config: one input split, whose pattern below `input_base` may have
        `{SPAN}`, `{VERSION}` or `{YYYY}/{MM}/{DD}`; or a window of spans, one
        input split `span-NUMBER` with a plain glob for each, the newest last.
      dataset: the mapping to the canonical ride and the rules.
      split: how kept rides are divided into train and eval.
      code_version: of the ingestion's code, as TFX's cache does not see code.
      range_config: which span; the latest when unset.
      window: how many of the newest spans the executor finds by itself, where
        no driver looks at the data, or one that knows single spans only; 1
        also where the pattern has no spans. Such a step must not be cached.
    """
    spec = RideExampleGenSpec(
      input_base=input_base,
      input_config=input_config,
      output_config=_output_config(),
      range_config=range_config,
      output_data_format=example_gen_pb2.FORMAT_TF_EXAMPLE,
      output_file_format=example_gen_pb2.FORMAT_TFRECORDS_GZIP,
      dataset=parameters.DATASET.dump(dataset),
      split=parameters.dump_split(split),
      code_version=code_version,
      window=window,
      examples=types.Channel(type=standard_artifacts.Examples),
      quarantine=types.Channel(type=Quarantine),
    )
    # The parent's constructor would build its own spec, without the quarantine.
    base_beam_component.BaseBeamComponent.__init__(self, spec=spec)


def _output_config() -> example_gen_pb2.Output:
  """The splits' names for whoever reads the spec; `split` says how rides are divided."""
  splits = [example_gen_pb2.SplitConfig.Split(name=name, hash_buckets=1) for name in SPLITS]
  return example_gen_pb2.Output(split_config=example_gen_pb2.SplitConfig(splits=splits, partition_feature_name=TIME))
