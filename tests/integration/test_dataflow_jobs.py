"""Dataflow's job of each Beam step, built offline by Beam's own DataflowRunner (`--dry_run`), with nothing submitted.

What the service would make of a job can't be seen here; that the graph can be
translated, pickled and described for it, and what it would ask for, can.
"""

import pathlib

import pytest
import tensorflow as tf
from apache_beam.internal import pickler
from apache_beam.portability import python_urns
from apache_beam.portability.api import beam_runner_api_pb2
from apache_beam.runners.dataflow.dataflow_runner import DataflowRunner
from tfx.dsl.components.base import base_beam_executor
from tfx.types import standard_artifacts

from components.artifacts import Quarantine
from configs import loading
from configs.beam import BEAM_STEPS
from pipeline.beam import BeamContext
from pipeline.dag import Places, build_nodes
from pipeline.sources import rides_of
from tests.integration.conftest import QUICK, simulated

CONTEXT = BeamContext(
  'gs://bucket/root', image='europe-docker.pkg.dev/taxi/farelite:1', project='taxi', region='europe-west4'
)
# A dry run stops before the service; credentials are anonymous.
OFFLINE = ['--dry_run=True', '--no_auth', '--job_name=farelite-test']


class BuiltError(Exception):
  """Stops a step once its job is built."""


@pytest.fixture(scope='module')
def steps(tmp_path_factory):
  """All steps of a pipeline whose Beam steps run on Dataflow, by id."""
  folder = tmp_path_factory.mktemp('dataflow')
  overrides = [*QUICK, f'dataset.path={simulated(folder / "rides", rows=200)}', 'beam.engine=dataflow']
  overrides += ['training.recipes=[dense, pqat_80]', 'training.serve=pqat_80', 'reduction.method=pca']
  overrides += ['beam.components.StatisticsGen.dataflow={machine_type: n2-highmem-8, max_num_workers: 7}']
  config = loading.load('nyc', overrides)
  places = Places(
    root=str(folder), serving=str(folder / 's'), checkpoints=str(folder / 'c'), variants=str(folder / 'v')
  )
  nodes = build_nodes(config, rides_of(config.dataset), places, context=CONTEXT)
  return {node.id: node for node in nodes}


@pytest.fixture(scope='module')
def made(steps, tmp_path_factory):
  """Real inputs of the steps by key, made by the real steps before them; the model is one constant."""
  folder = tmp_path_factory.mktemp('inputs')
  examples = _artifact(standard_artifacts.Examples, folder / 'examples')
  quarantine = _artifact(Quarantine, folder / 'quarantine')
  ingest = steps['RideExampleGen']
  _executor(ingest, [], folder).Do({}, {'examples': [examples], 'quarantine': [quarantine]}, _properties(ingest))
  schema = _artifact(standard_artifacts.Schema, folder / 'schema')
  curate = steps['RideSchema']
  curate.executor_spec.executor_class().Do({}, {'schema': [schema]}, _properties(curate))
  graph = _artifact(standard_artifacts.TransformGraph, folder / 'graph')
  transformed = _artifact(standard_artifacts.Examples, folder / 'transformed')
  features = steps['FeatureEngineering']
  _executor(features, [], folder).Do(
    {'examples': [examples], 'schema': [schema]},
    {'transform_graph': [graph], 'transformed_examples': [transformed]},
    _properties(features),
  )
  model = _artifact(standard_artifacts.Model, folder / 'model')
  _save_model(folder / 'model' / 'Format-Serving')
  found = {'examples': examples, 'quarantine': quarantine, 'schema': schema, 'model': model}
  found |= {'transform_graph': graph, 'transformed_examples': transformed}
  return {key: [artifact] for key, artifact in found.items()}


def _save_model(path):
  module = tf.Module()

  @tf.function(input_signature=[tf.TensorSpec([None], tf.string)])
  def fares(examples):
    return {'fare_amount': tf.zeros_like(examples, tf.float32)}

  tf.saved_model.save(module, str(path), {'serving_default': fares})


def _artifact(kind, path):
  artifact = kind()
  artifact.uri = str(path)
  pathlib.Path(path).mkdir()
  return artifact


def _properties(node):
  return {name: value for name, value in node.exec_properties.items() if value is not None}


def _executor(node, arguments, folder):
  context = base_beam_executor.BaseBeamExecutor.Context(
    beam_pipeline_args=arguments, tmp_dir=str(folder), unique_id='1'
  )
  return node.executor_spec.executor_class(context)


@pytest.fixture
def job_of(monkeypatch, tmp_path):
  """Builds the job of a step from its inputs: what Beam's runner would send."""
  jobs = []
  run_pipeline = DataflowRunner.run_pipeline

  def until_built(self, pipeline, options):
    jobs.append(run_pipeline(self, pipeline, options).job)
    raise BuiltError

  def build(node, inputs):
    outputs = {key: [_artifact(channel.type, tmp_path / key)] for key, channel in node.outputs.items()}
    arguments = [*node.executor_spec.beam_pipeline_args, *OFFLINE]
    monkeypatch.setattr(DataflowRunner, 'run_pipeline', until_built)
    with pytest.raises(BuiltError):
      _executor(node, arguments, tmp_path).Do(inputs, outputs, _properties(node))
    [job] = jobs
    return job

  return build


EXPECTED = {
  'RideExampleGen': {'Files', 'Ingest'},
  'StatisticsGen': {'GenerateStatistics[train]', 'GenerateStatistics[eval]'},
  'FeatureEngineering': {'Files[Analyze]', 'AnalyzeDataset', 'Transform[train]', 'Write[eval]', 'WriteTransformFn'},
  'DimensionalityReduction': {'Files[train]', 'Read[eval]', 'Reduce[train]', 'Write[eval]'},
  'FareEvaluator': {'FlattenExamples', 'ExtractEvaluateAndWriteResults'},
  'BaseEvaluator': {'FlattenExamples', 'ExtractEvaluateAndWriteResults'},
}

OWN = {
  'RideExampleGen': {'components.ride_example_gen.executor._Ingest'},
  'FeatureEngineering': {
    'components.feature_engineering.example_io.ReadBatches',
    'components.feature_engineering.example_io._WriteParts',
  },
  'DimensionalityReduction': {'components.dimensionality_reduction.reduction_io.Reduce'},
}
"""The project's own functions in a job."""


def _functions(transforms):
  """Classes of the job's functions, by import path; unpickled as a worker does it."""
  found = set()
  for transform in transforms:
    if transform.spec.urn == 'beam:transform:pardo:v1':
      function = beam_runner_api_pb2.ParDoPayload.FromString(transform.spec.payload).do_fn
      if function.urn == python_urns.PICKLED_DOFN_INFO:
        kind = type(pickler.loads(function.payload)[0])
        found.add(f'{kind.__module__}.{kind.__name__}')
  return found


@pytest.mark.parametrize('step', BEAM_STEPS)
def test_the_job_of_a_step(step, steps, made, job_of):
  node = steps[step]
  job = job_of(node, {key: made[key] for key in node.inputs if key in made})
  transforms = job.proto_pipeline.components.transforms.values()
  top = {transform.unique_name.split('/')[0] for transform in transforms}
  assert EXPECTED[step] <= top, sorted(top)
  environments = [env for env in job.proto_pipeline.components.environments.values() if env.payload]
  assert any(CONTEXT.image.encode() in env.payload for env in environments)
  assert _functions(transforms) >= OWN.get(step, set())
  options = job.options.get_all_options()
  assert (options['project'], options['region']) == (CONTEXT.project, CONTEXT.region)
  assert options['temp_location'].startswith('gs://bucket/root/beam/farelite-test')
  assert (options['machine_type'], options['max_num_workers']) == (
    ('n2-highmem-8', 7) if step == 'StatisticsGen' else (None, None)
  )


@pytest.mark.parametrize(
  'source',
  [
    pytest.param('{table: taxi.rides.nyc}', id='own_table'),
    pytest.param('{table: others.rides.nyc}', id='table_of_others'),
    pytest.param('{query: SELECT * FROM rides.nyc WHERE fare_amount > 0}', id='query'),
    pytest.param('{query: SELECT 1, temp_dataset: scratch}', id='query_with_a_dataset'),
  ],
)
def test_the_job_of_reading_bigquery(source, tmp_path, job_of):
  config = loading.load('nyc', [*QUICK, f'dataset.bigquery={source}', 'beam.engine=dataflow'])
  places = Places(root=str(tmp_path), serving='s', checkpoints='c', variants='v')
  [node, *_] = build_nodes(config, rides_of(config.dataset), places, context=CONTEXT)
  job = job_of(node, {})
  transforms = job.proto_pipeline.components.transforms.values()
  assert {transform.unique_name for transform in transforms} >= {'BigQuery/Read', 'Stage/Write', 'Stage/Note'}
  assert 'components.bigquery_ride_gen.reader._WriteRowParts' in _functions(transforms)
  assert job.options.get_all_options()['project'] == CONTEXT.project
