"""The pipeline: TFX's own components, and Farelite's in the places of Trainer and Pusher."""

from __future__ import annotations

from tfx import v1 as tfx
from tfx.proto import example_gen_pb2

from components.dimensionality_reduction.component import DimensionalityReduction
from configs.reduction import Reduction, ReductionMethod
from examples.digits import data


def create_pipeline(output: str) -> tfx.dsl.Pipeline:
  """From the digits to a pushed file.

  Args: output: folder of the data, the artifacts and the metadata.
  """
  data.write(f'{output}/data')
  splits = [
    example_gen_pb2.SplitConfig.Split(name='train', hash_buckets=3),
    example_gen_pb2.SplitConfig.Split(name='eval', hash_buckets=1),
  ]
  gen = tfx.components.ImportExampleGen(
    input_base=f'{output}/data',
    output_config=example_gen_pb2.Output(split_config=example_gen_pb2.SplitConfig(splits=splits)),
  )
  statistics = tfx.components.StatisticsGen(examples=gen.outputs['examples'])
  schema = tfx.components.SchemaGen(statistics=statistics.outputs['statistics'], infer_feature_shape=True)
  validator = tfx.components.ExampleValidator(
    statistics=statistics.outputs['statistics'], schema=schema.outputs['schema']
  )
  transform = tfx.components.Transform(
    examples=gen.outputs['examples'],
    schema=schema.outputs['schema'],
    preprocessing_fn='examples.digits.preprocessing.preprocessing_fn',
  )
  reduction = DimensionalityReduction(
    transform_graph=transform.outputs['transform_graph'],
    transformed_examples=transform.outputs['transformed_examples'],
    reduction=Reduction(method=ReductionMethod.PCA, components=0.99),
    column='image',
    label='digit',
  )
  return tfx.dsl.Pipeline(
    pipeline_name='digits',
    pipeline_root=f'{output}/artifacts',
    components=[gen, statistics, schema, validator, transform, reduction],
    metadata_connection_config=tfx.orchestration.metadata.sqlite_metadata_connection_config(
      f'{output}/metadata.sqlite'
    ),
  )
