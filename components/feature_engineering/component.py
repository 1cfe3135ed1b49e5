"""FeatureEngineering: configs in, a Transform that knows its preprocessing function."""

from __future__ import annotations

import functools
import posixpath
from collections.abc import Sequence

import apache_beam as beam
import tensorflow_transform as tft
import tensorflow_transform.beam as tft_beam
from tensorflow_metadata.proto.v0 import schema_pb2
from tensorflow_transform.tf_metadata import dataset_metadata
from tfx import types
from tfx.components.transform import executor_utils
from tfx.components.transform.component import Transform
from tfx.components.util import udf_utils
from tfx.dsl.components.base import base_beam_executor, executor_spec
from tfx.dsl.io import fileio
from tfx.types import artifact_utils, standard_component_specs
from tfx.utils import io_utils, json_utils
from tfx_bsl.tfxio import tf_example_record

from components.example_batches import BATCH_ROWS
from components.feature_engineering.example_io import ReadBatches, WriteShards, remove_parts
from components.specs import Artifacts, Properties
from configs.dataset import Dataset
from configs.evaluation import Slices
from configs.features import Features
from configs.parts import Part


class FeatureEngineeringExecutor(base_beam_executor.BaseBeamExecutor):
  """TFX's Transform for dense Examples in gzip TFRecords, in batches from end to end.

  It yields the same `transform_graph` and `transformed_examples` as TFX's own executor. What that one can do besides
  (statistics, an analyzer cache, other file and payload formats) is not needed here, and its source and sink go record
  by record through Python.
  """

  def Do(self, input_dict: Artifacts, output_dict: Artifacts, exec_properties: Properties) -> None:  # noqa: N802
    """See `FeatureEngineering`."""
    self._log_startup(input_dict, output_dict, exec_properties)
    examples = input_dict[standard_component_specs.EXAMPLES_KEY]
    splits = executor_utils.ResolveSplitsConfig(
      exec_properties.get(standard_component_specs.SPLITS_CONFIG_KEY), examples
    )
    schema_uri = artifact_utils.get_single_uri(input_dict[standard_component_specs.SCHEMA_KEY])
    schema = io_utils.SchemaReader().read(io_utils.get_only_uri_in_dir(schema_uri))
    transformed = output_dict[standard_component_specs.TRANSFORMED_EXAMPLES_KEY]
    executor_utils.SetSplitNames(splits.transform, transformed)
    graph_uri = artifact_utils.get_single_uri(output_dict[standard_component_specs.TRANSFORM_GRAPH_KEY])
    # The function that the dotted path names, with its config bound.
    function = udf_utils.get_fn(exec_properties, standard_component_specs.PREPROCESSING_FN_KEY)
    custom_config = json_utils.loads(exec_properties[standard_component_specs.CUSTOM_CONFIG_KEY])
    preprocessing_fn = functools.partial(function, custom_config=custom_config)
    records = tf_example_record.TFExampleBeamRecord('tfrecords_gzip', ['FeatureEngineering'], schema)
    adapter = records.TensorAdapterConfig()
    temporary = posixpath.join(graph_uri, '.temp_path')
    with (
      self._make_beam_pipeline() as pipeline,
      tft_beam.Context(temp_dir=temporary, desired_batch_size=BATCH_ROWS, use_deep_copy_optimization=True),
    ):
      analyzed = _read(pipeline, 'Analyze', _files(examples, splits.analyze), schema)
      transform_fn = (analyzed, adapter) | tft_beam.AnalyzeDataset(preprocessing_fn, pipeline=pipeline)
      # Where `TFTransformOutput` looks for the raw schema; it finds the transformed one beside the SavedModel.
      raw = posixpath.join(graph_uri, tft.TFTransformOutput.RAW_METADATA_DIR)
      _ = dataset_metadata.DatasetMetadata(schema) | 'WriteMetadata' >> tft_beam.WriteMetadata(raw, pipeline)
      _ = transform_fn | 'WriteTransformFn' >> tft_beam.WriteTransformFn(graph_uri)
      for split in splits.transform:
        rides = _read(pipeline, split, _files(examples, [split]), schema)
        features, _ = ((rides, adapter), transform_fn) | f'Transform[{split}]' >> tft_beam.TransformDataset(
          output_record_batches=True
        )
        for uri in artifact_utils.get_split_uris(transformed, split):
          _ = features | f'Write[{split}]' >> WriteShards(uri)
    if fileio.exists(temporary):
      fileio.rmtree(temporary)
    remove_parts(_split_uris(transformed, splits.transform))


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
    """
    super().__init__(
      examples=examples,
      schema=schema,
      preprocessing_fn=self.USER_FN,
      custom_config={
        'dataset': self.DATASET.dump(dataset),
        'features': features.model_dump_json(),
        'slices': slices.model_dump_json(),
        'code_version': code_version,
      },
      disable_analyzer_cache=True,
      disable_statistics=True,
    )
