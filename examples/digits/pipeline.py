"""The pipeline: TFX's own components, and Farelite's in the places of Trainer and Pusher."""

from __future__ import annotations

import tensorflow_model_analysis as tfma
from tfx import v1 as tfx
from tfx.proto import example_gen_pb2

from components.compression_gate.component import CompressionGate
from components.dimensionality_reduction.component import DimensionalityReduction
from components.pruning_trainer.component import PruningTrainer
from components.pruning_trainer.keys import recipe_key
from components.pusher.component import AtomicPusher
from components.quantization_rewriter.component import QuantizationRewriter
from configs.compression import Compression
from configs.model import Training
from configs.reduction import Reduction, ReductionMethod
from configs.task import Task, TaskKind
from examples.digits import data

_TUNING = {'fine_tuning': {'epochs': 8, 'learning_rate': 1e-3}}
_LONGER = {'fine_tuning': {'epochs': 12, 'learning_rate': 2e-3}}

TRAINING = Training.model_validate(
  {
    'epochs': 20,
    'batch_size': 32,
    'learning_rate': 3e-3,
    'weight_decay': 0.01,
    'recipes': [
      'dense',
      {'name': 'pruned_80', 'extends': 'pruned_80', 'pruning': _LONGER},
      {'name': 'blocks_80', 'extends': 'blocks_4x1_80', 'pruning': _LONGER},
      {'name': 'clustered', 'extends': 'clustered_16', 'clustering': _TUNING},
      {'name': 'qat', 'extends': 'qat', 'quantization': _TUNING},
      {'name': 'pqat_80', 'extends': 'pqat_80', 'pruning': _LONGER, 'quantization': _TUNING},
    ],
  }
)

COMPRESSION = Compression.model_validate(
  {
    'schemes': ['float32', 'dynamic_range', 'int8', 'int16x8'],
    'measurement': {'rounds': 5, 'calls': 20, 'batch': 32},
  }
)


def task(net: str) -> Task:
  """Reads digits, by a net of `model.py`; a file may lose a point of accuracy, and must reach 96 %."""
  return Task(
    build_fn=f'examples.digits.model.{net}', kind=TaskKind.CLASSIFICATION, label='digit', slices=('digit',), limit=0.96
  )


def create_pipeline(
  output: str, net: str = 'plain', training: Training = TRAINING, compression: Compression = COMPRESSION
) -> tfx.dsl.Pipeline:
  """From the digits to a pushed file.

  Args:
    output: folder of the data, the artifacts, the metadata and the pushed versions.
    net: function of `model.py`.
  """
  data.write(f'{output}/data')
  splits = [
    example_gen_pb2.SplitConfig.Split(name='train', hash_buckets=2),
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
  trainer = PruningTrainer(
    examples=transform.outputs['transformed_examples'],
    transform_graph=transform.outputs['transform_graph'],
    task=task(net),
    training=training,
    checkpoints=f'{output}/checkpoints',
  )
  evaluator = tfx.components.Evaluator(
    examples=gen.outputs['examples'],
    model=trainer.outputs['model'],
    eval_config=tfma.EvalConfig(
      model_specs=[tfma.ModelSpec(signature_name='serving_default', label_key='digit')],
      slicing_specs=[tfma.SlicingSpec(), tfma.SlicingSpec(feature_keys=['digit'])],
      metrics_specs=[tfma.MetricsSpec(metrics=[tfma.MetricConfig(class_name='SparseCategoricalAccuracy')])],
    ),
  )
  models = {recipe.name: trainer.outputs[recipe_key(recipe.name)] for recipe in training.recipes}
  rewriter = QuantizationRewriter(
    examples=gen.outputs['examples'],
    transformed_examples=transform.outputs['transformed_examples'],
    transform_graph=transform.outputs['transform_graph'],
    models=models,
    task=task(net),
    training=training,
    compression=compression,
    cache=f'{output}/variants',
  )
  gate = CompressionGate(
    variants=rewriter.outputs['variants'],
    examples=gen.outputs['examples'],
    transform_graph=transform.outputs['transform_graph'],
    models=models,
    trained=trainer.outputs['model'],
    task=task(net),
    training=training,
    compression=compression,
  )
  pusher = AtomicPusher(
    model=gate.outputs['model'],
    model_blessing=gate.outputs['blessing'],
    push_destination=tfx.proto.PushDestination(
      filesystem=tfx.proto.PushDestination.Filesystem(base_directory=f'{output}/serving')
    ),
  )
  return tfx.dsl.Pipeline(
    pipeline_name='digits',
    pipeline_root=f'{output}/artifacts',
    components=[
      *(gen, statistics, schema, validator, transform, reduction),
      *(trainer, evaluator, rewriter, gate, pusher),
    ],
    # Beam's DirectRunner asks GitHub for a binary, and TFX packs all of itself for workers that have it.
    beam_pipeline_args=[
      '--runner=apache_beam.runners.portability.fn_api_runner.FnApiRunner',
      '--sdk_container_image=installed',
    ],
    metadata_connection_config=tfx.orchestration.metadata.sqlite_metadata_connection_config(
      f'{output}/metadata.sqlite'
    ),
  )
