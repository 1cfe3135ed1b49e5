"""FeatureEngineering: configs in, a Transform that knows its preprocessing function."""

from __future__ import annotations

import dataclasses
import functools
import posixpath
import sys
from collections.abc import Iterator, Sequence

import apache_beam as beam
import pyarrow as pa
import tensorflow_transform as tft
import tensorflow_transform.beam as tft_beam
from tensorflow_metadata.proto.v0 import schema_pb2
from tensorflow_transform.tf_metadata import dataset_metadata
from tfx import types
from tfx.components.transform import executor_utils
from tfx.components.transform.component import Transform
from tfx.components.util import udf_utils
from tfx.dsl.components.base import base_beam_component, base_beam_executor, executor_spec
from tfx.dsl.io import fileio
from tfx.types import artifact_utils, component_spec, standard_artifacts, standard_component_specs
from tfx.types import standard_component_specs as keys
from tfx.utils import io_utils, json_utils
from tfx_bsl.coders import example_coder
from tfx_bsl.tfxio import tf_example_record
from tfx_bsl.tfxio.tensor_adapter import TensorAdapterConfig

from components.artifacts import Quarantine
from components.example_batches import BATCH_ROWS, read_batches
from components.feature_engineering.example_io import ReadBatches, WriteShards, remove_parts, write_shards
from components.feature_engineering.in_memory import AppliedTransform, PreprocessingFn, analyze
from components.in_memory import works_in_memory
from components.ride_example_gen.quarantine import read_counts
from components.specs import Artifacts, Properties, parameters
from configs.dataset import Dataset
from configs.evaluation import Slices
from configs.features import Features
from configs.parts import Part


class FeatureEngineeringSpec(standard_component_specs.TransformSpec):
  """TFX's, with the ingestion's counts and up to how many rides Beam is left out."""

  PARAMETERS = {**standard_component_specs.TransformSpec.PARAMETERS, **parameters(in_memory_rides=int)}
  INPUTS = {
    **standard_component_specs.TransformSpec.INPUTS,
    'quarantine': component_spec.ChannelParameter(type=Quarantine, optional=True),
  }


class FeatureEngineeringExecutor(base_beam_executor.BaseBeamExecutor):
  """TFX's Transform for dense Examples in gzip TFRecords, in batches from end to end, by Beam or without.

  It yields the same `transform_graph` and `transformed_examples` as TFX's own executor. What that one can do besides
  (statistics, an analyzer cache, other file and payload formats) is not needed here, and its source and sink go record
  by record through Python.
  """

  def Do(self, input_dict: Artifacts, output_dict: Artifacts, exec_properties: Properties) -> None:  # noqa: N802
    """See `FeatureEngineering`."""
    self._log_startup(input_dict, output_dict, exec_properties)
    examples = input_dict[keys.EXAMPLES_KEY]
    splits = executor_utils.ResolveSplitsConfig(exec_properties.get(keys.SPLITS_CONFIG_KEY), examples)
    schema_uri = artifact_utils.get_single_uri(input_dict[keys.SCHEMA_KEY])
    schema = io_utils.SchemaReader().read(io_utils.get_only_uri_in_dir(schema_uri))
    transformed = output_dict[keys.TRANSFORMED_EXAMPLES_KEY]
    executor_utils.SetSplitNames(splits.transform, transformed)
    graph = artifact_utils.get_single_instance(output_dict[keys.TRANSFORM_GRAPH_KEY])
    rides = {split: _files(examples, [split]) for split in splits.transform}
    task = _Task(_files(examples, splits.analyze), rides, schema, _function(exec_properties), graph.uri, transformed)
    if works_in_memory(exec_properties, _rides(input_dict), graph, *transformed):
      _in_memory(task)
    else:
      with self._make_beam_pipeline() as pipeline:
        _by_beam(task, pipeline)
    if fileio.exists(task.temporary):
      fileio.rmtree(task.temporary)
    remove_parts(_split_uris(transformed, splits.transform))


def _function(exec_properties: Properties) -> PreprocessingFn:
  """The function that the dotted path names, with its config bound."""
  function = udf_utils.get_fn(exec_properties, keys.PREPROCESSING_FN_KEY)
  return functools.partial(function, custom_config=json_utils.loads(exec_properties[keys.CUSTOM_CONFIG_KEY]))


def _rides(input_dict: Artifacts) -> int:
  """How many there are; without the ingestion's counts, more than fit anywhere."""
  quarantine = input_dict.get('quarantine')
  return read_counts(artifact_utils.get_single_uri(quarantine)).kept if quarantine else sys.maxsize


@dataclasses.dataclass(frozen=True)
class _Task:
  """What there is to do.

  Attributes:
    analyzed: files of Examples.
    rides: files by split that is transformed.
    schema: of the rides.
    function: the preprocessing function.
    graph_uri: where the graph goes.
    transformed: where the features go.
  """

  analyzed: list[str]
  rides: dict[str, list[str]]
  schema: schema_pb2.Schema
  function: PreprocessingFn
  graph_uri: str
  transformed: list[types.Artifact]

  @property
  def temporary(self) -> str:
    return posixpath.join(self.graph_uri, '.temp_path')

  def adapter(self) -> TensorAdapterConfig:
    records = tf_example_record.TFExampleBeamRecord('tfrecords_gzip', ['FeatureEngineering'], self.schema)
    return records.TensorAdapterConfig()


def _in_memory(task: _Task) -> None:
  adapter = task.adapter()
  decoder = example_coder.ExamplesToRecordBatchDecoder(task.schema.SerializeToString())

  def read(files: list[str]) -> Iterator[pa.RecordBatch]:
    return (batch for path in files for batch in read_batches(path, decoder))

  analyze(task.function, adapter, read(task.analyzed), task.schema, task.graph_uri, task.temporary)
  features = AppliedTransform(task.graph_uri, adapter)
  for split, files in task.rides.items():
    write_shards(features(read(files)), artifact_utils.get_split_uri(task.transformed, split))


def _by_beam(task: _Task, pipeline: beam.Pipeline) -> None:
  adapter = task.adapter()
  with tft_beam.Context(temp_dir=task.temporary, desired_batch_size=BATCH_ROWS, use_deep_copy_optimization=True):
    analyzed = _read(pipeline, 'Analyze', task.analyzed, task.schema)
    transform_fn = (analyzed, adapter) | tft_beam.AnalyzeDataset(task.function, pipeline=pipeline)
    # Where `TFTransformOutput` looks for the raw schema; it finds the transformed one beside the SavedModel.
    raw = posixpath.join(task.graph_uri, tft.TFTransformOutput.RAW_METADATA_DIR)
    _ = dataset_metadata.DatasetMetadata(task.schema) | 'WriteMetadata' >> tft_beam.WriteMetadata(raw, pipeline)
    _ = transform_fn | 'WriteTransformFn' >> tft_beam.WriteTransformFn(task.graph_uri)
    for split, files in task.rides.items():
      rides = _read(pipeline, split, files, task.schema)
      features, _ = ((rides, adapter), transform_fn) | f'Transform[{split}]' >> tft_beam.TransformDataset(
        output_record_batches=True
      )
      for uri in artifact_utils.get_split_uris(task.transformed, split):
        _ = features | f'Write[{split}]' >> WriteShards(uri)


def _files(examples: Sequence[types.Artifact], splits: Sequence[str]) -> list[str]:
  return sorted(file for uri in _split_uris(examples, splits) for file in fileio.glob(posixpath.join(uri, '*')))


def _split_uris(examples: Sequence[types.Artifact], splits: Sequence[str]) -> list[str]:
  return [uri for split in splits for uri in artifact_utils.get_split_uris(examples, split)]


def _read(pipeline: beam.Pipeline, name: str, files: list[str], schema: schema_pb2.Schema) -> beam.PCollection:
  paths = pipeline | f'Files[{name}]' >> beam.Create(files, reshuffle=len(files) > 1)
  return paths | f'Read[{name}]' >> beam.ParDo(ReadBatches(schema))


class FeatureEngineering(Transform):
  """Fits and applies the engineered features.

  Outputs, as `Transform` has them: `transform_graph` and `transformed_examples`; `transforms.names` lists the columns.
  The component's own statistics are off: StatisticsGen has described the raw rides.

  ```
  features = FeatureEngineering(
      examples=ingest.outputs['examples'],
      schema=schema.outputs['schema'],
      dataset=config.dataset,
      features=config.features,
      slices=config.evaluation.slices,
      code_version=step_version(FeatureEngineering))
  ```
  """

  SPEC_CLASS = FeatureEngineeringSpec
  EXECUTOR_SPEC = executor_spec.BeamExecutorSpec(FeatureEngineeringExecutor)
  USER_FN = 'transforms.preprocessing.preprocessing_fn'
  """What the executor calls."""
  DATASET = Part(
    Dataset, 'extras.name', 'extras.kind', 'extras.vocabulary', 'extras.unit', 'extras.meaning', 'rules.bounds', 'city'
  )
  """What `USER_FN` reads."""

  def __init__(
    self,
    *,
    examples: types.BaseChannel,
    schema: types.BaseChannel,
    dataset: Dataset,
    features: Features,
    slices: Slices,
    code_version: str,
    quarantine: types.BaseChannel | None = None,
    in_memory_rides: int = 0,
  ) -> None:
    """Makes the component.

    Args:
      examples: canonical rides with a `train` split, which is analyzed; every split is transformed.
      schema: the schema of the canonical rides.
      dataset: the source; `DATASET` of it becomes part of the component, so another path or fare limit does not refit
        by itself.
      features: which blocks are on.
      slices: how the evaluation is sliced.
      code_version: a digest of the code behind the preprocessing function. The function is named by a dotted path,
        which stays the same when its code changes; the digest makes the cache notice.
      quarantine: the ingestion's quarantine artifact, for its counts; without it, Beam does the work.
      in_memory_rides: the most rides, of all splits together, that are transformed without Beam.
    """
    custom_config = {
      'dataset': self.DATASET.dump(dataset),
      'features': features.model_dump_json(),
      'slices': slices.model_dump_json(),
      'code_version': code_version,
    }
    transformed = types.Channel(type=standard_artifacts.Examples)
    transformed.matching_channel_name = keys.EXAMPLES_KEY
    spec = FeatureEngineeringSpec(
      examples=examples,
      schema=schema,
      quarantine=quarantine,
      preprocessing_fn=self.USER_FN,
      custom_config=json_utils.dumps(custom_config),
      force_tf_compat_v1=0,
      disable_statistics=1,
      in_memory_rides=in_memory_rides,
      transform_graph=types.Channel(type=standard_artifacts.TransformGraph),
      transformed_examples=transformed,
    )
    # Not TFX's own constructor, which makes a spec without the counts.
    base_beam_component.BaseBeamComponent.__init__(self, spec=spec)
