"""What a run compares itself with is its own pipeline's, in a store that several pipelines share.

TFX's own Resolver, driver, cache and MLMD; the pushes are written as TFX writes them.
"""

from __future__ import annotations

import pathlib

import ml_metadata as mlmd
from ml_metadata.proto import metadata_store_pb2
from tfx.orchestration import pipeline as tfx_pipeline
from tfx.types import standard_artifacts

from components.resolvers.strategies import BaselineStatisticsStrategy
from components.ride_validator.component import RideSchema
from pipeline.commands import operations
from pipeline.dag import served_model
from pipeline.local.runner import ObservedLocalRunner
from pipeline.local.steps import Step
from pipeline.operations.store import connection_config
from pipeline.targets import Target
from tests.pipeline.made_store import MadeStore


class _Silent:
  """A `StepObserver` that nobody listens to."""

  def started(self, name: str) -> None:
    """Nothing."""

  def ended(self, step: Step) -> None:
    """Nothing."""


def _sharing(tmp_path: pathlib.Path) -> tuple[MadeStore, MadeStore]:
  """Two pipelines with one store: the second one uses the first one's file."""
  first, second = MadeStore(tmp_path / 'a', name='a'), MadeStore(tmp_path / 'b', name='b')
  second.store = first.store
  return first, second


def _launch(nodes: list, name: str, store: MadeStore, run_id: str) -> list[Step]:
  pipeline = tfx_pipeline.Pipeline(
    pipeline_name=name, pipeline_root=str(store.output.artifacts), components=nodes, enable_cache=True
  )
  steps: list[Step] = []
  connection = connection_config(store.config.metadata, store.output.metadata)
  ObservedLocalRunner(connection, run_id, _Silent(), steps).run(pipeline)
  return steps


def _served(name: str, store: MadeStore, run_id: str) -> str | None:
  """The run whose model a real Resolver node takes for the one that serves."""
  _launch([served_model(Target.LOCAL, 'unused', 'ServedModel')], name, store, run_id)
  context = store.store.get_context_by_type_and_name('pipeline_run', run_id)
  [execution] = store.store.get_executions_by_context(context.id)
  events = store.store.get_events_by_execution_ids([execution.id])
  models = {made.id: run for run, made in store.models.items()}
  found = [models[event.artifact_id] for event in events if event.artifact_id in models]
  assert len(found) <= 1
  return found[0] if found else None


def test_the_served_model_is_of_the_same_pipeline(tmp_path: pathlib.Path):
  """Pipeline b pushed last; a still finds its own, and a third pipeline finds none."""
  first, second = _sharing(tmp_path)
  mine = first.run(version=1)
  theirs = second.run(version=2)
  first.models |= {f'b: {theirs}': second.models[theirs]}
  assert _served('a', first, 'look-up-a') == mine
  assert _served('b', first, 'look-up-b') == f'b: {theirs}'
  assert _served('c', first, 'look-up-c') is None


def test_after_a_rollback_the_restored_model_is_the_one_to_beat(tmp_path: pathlib.Path):
  made = MadeStore(tmp_path, name='a')
  first, second = made.run(version=1), made.run(version=2)
  assert _served('a', made, 'before') == second
  operations.roll_back(str(tmp_path), to=1, reason='worse')
  assert _served('a', made, 'after') == first
  operations.roll_back(str(tmp_path), to=2, reason='it was the data')
  assert _served('a', made, 'forward') == second


def test_a_withdrawn_model_is_no_baseline_even_where_the_restored_one_is_the_candidate(tmp_path: pathlib.Path):
  """The files of the restored model are gone: what is left is the withdrawn one, which must not be taken."""
  made = MadeStore(tmp_path, name='a')
  first, _ = made.run(version=1), made.run(version=2)
  operations.roll_back(str(tmp_path), to=1, reason='worse')
  made.folder('PruningTrainer', 'model', first).rename(tmp_path / 'elsewhere')
  assert _served('a', made, 'look-up') is None


def test_the_cache_is_of_the_same_pipeline(tmp_path: pathlib.Path):
  made = MadeStore(tmp_path, name='a')

  def schema(name: str, run_id: str) -> str:
    node = RideSchema(dataset=made.config.dataset, validation=made.config.validation, code_version='1')
    [step] = _launch([node], name, made, run_id)
    return step.state.value

  assert schema('a', 'run-1') == 'complete'
  assert schema('b', 'run-2') == 'complete'
  assert schema('a', 'run-3') == 'cached'


def test_earlier_statistics_are_of_other_rides(tmp_path: pathlib.Path):
  """Another limit for the quarantine measures the same rides once more: they are not their own baseline."""
  connection = metadata_store_pb2.ConnectionConfig()
  connection.fake_database.SetInParent()
  store = mlmd.MetadataStore(connection)
  kind = store.put_execution_type(metadata_store_pb2.ExecutionType(name='StatisticsGen'))
  rides_type = store.put_artifact_type(metadata_store_pb2.ArtifactType(name='Examples'))
  statistics_type = store.put_artifact_type(metadata_store_pb2.ArtifactType(name='ExampleStatistics'))

  def rides() -> int:
    return store.put_artifacts([metadata_store_pb2.Artifact(type_id=rides_type, uri='rides')])[0]

  def measured(examples: int) -> standard_artifacts.ExampleStatistics:
    [step] = store.put_executions([metadata_store_pb2.Execution(type_id=kind)])
    [made] = store.put_artifacts([metadata_store_pb2.Artifact(type_id=statistics_type, uri=str(tmp_path))])
    read, wrote = metadata_store_pb2.Event.INPUT, metadata_store_pb2.Event.OUTPUT
    pairs = ((examples, read), (made, wrote))
    store.put_events([metadata_store_pb2.Event(artifact_id=a, execution_id=step, type=type) for a, type in pairs])
    artifact = standard_artifacts.ExampleStatistics()
    artifact.id, artifact.uri = made, str(tmp_path)
    return artifact

  def earlier(
    current: standard_artifacts.ExampleStatistics, *others: standard_artifacts.ExampleStatistics
  ) -> list[int]:
    channels = {'current': [current], 'statistics': [current, *others]}
    found = BaselineStatisticsStrategy().resolve_artifacts(store, channels)['statistics']
    return [artifact.id for artifact in found]

  monday, tuesday = rides(), rides()
  first, second, again = measured(monday), measured(tuesday), measured(tuesday)
  assert earlier(first) == []
  assert earlier(second, first) == [first.id]
  assert earlier(again, first, second) == [first.id]
  assert earlier(again, second) == []
  # What is cached is older than what was measured of other rides since.
  assert earlier(first, second, again) == [again.id]
